#!/bin/sh
# bundle FOLDER PACKAGE: makes a .deb of a folder, with the sums of its files.
set -eu
folder=$1 package=$2

# Sorted, so that no file system decides the order.
(cd "$folder" && find . -type f ! -path './DEBIAN/*' | LC_ALL=C sort | sed 's,^\./,,' | xargs md5sum) > "$folder.sums"
mv "$folder.sums" "$folder/DEBIAN/md5sums"
chmod 644 "$folder/DEBIAN/md5sums"
exec dpkg-deb --root-owner-group --build "$folder" "$package"

//! What build systems call a library or program, and the package of Debian trixie that has it. An empty package stands
//! for what every environment has.

/// Whether a text may be a name or version as it is, in a file name and a comment.
pub(super) fn is_plain(text: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphanumeric() || "+-._~:".contains(c);
    !text.is_empty() && text.len() <= 80 && text.chars().all(letter) && !text.starts_with(['-', '.'])
}

/// Whether a text is a name that a package may have.
pub(super) fn is_package(text: &str) -> bool {
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c);
    text.len() > 1 && text.chars().all(letter) && text.starts_with(|c: char| c.is_ascii_alphanumeric())
}

fn find(table: &[(&str, &'static str)], name: &str) -> Option<&'static str> {
    table.iter().find(|(known, _)| *known == name).map(|(_, package)| *package)
}

/// The package of a pkg-config module.
pub(super) fn pkg_config(module: &str) -> Option<&'static str> {
    find(&PKG_CONFIG, module)
}

/// The package of what CMake finds by `find_package`.
pub(super) fn cmake(name: &str) -> Option<&'static str> {
    find(&CMAKE, name)
}

/// The package of what Meson calls a dependency.
pub(super) fn meson(name: &str) -> Option<&'static str> {
    find(&MESON, name).or_else(|| pkg_config(name))
}

/// The package of a program that Meson looks for.
pub(super) fn program(name: &str) -> Option<&'static str> {
    find(&PROGRAMS, name)
}

/// The package of a compiler.
pub(super) fn meson_language(language: &str) -> Option<&'static str> {
    find(&LANGUAGES, language)
}

/// The package of a library, by the name after `-l`.
pub(super) fn library(name: &str) -> Option<&'static str> {
    find(&LIBRARIES, name)
}

/// The package of a Python requirement, by its normalised name.
pub(super) fn python(name: &str) -> Option<&'static str> {
    find(&PYTHON, name)
}

/// The package that a crate links with.
pub(super) fn rust(name: &str) -> Option<&'static str> {
    find(&RUST, name)
}

const PKG_CONFIG: [(&str, &str); 74] = [
    ("alsa", "libasound2-dev"),
    ("audit", "libaudit-dev"),
    ("avahi-client", "libavahi-client-dev"),
    ("blkid", "libblkid-dev"),
    ("bzip2", "libbz2-dev"),
    ("cairo", "libcairo2-dev"),
    ("check", "check"),
    ("cmocka", "libcmocka-dev"),
    ("dbus-1", "libdbus-1-dev"),
    ("devmapper", "libdevmapper-dev"),
    ("egl", "libegl-dev"),
    ("expat", "libexpat1-dev"),
    ("fontconfig", "libfontconfig-dev"),
    ("freetype2", "libfreetype-dev"),
    ("fuse", "libfuse-dev"),
    ("fuse3", "libfuse3-dev"),
    ("gdk-pixbuf-2.0", "libgdk-pixbuf-2.0-dev"),
    ("gio-2.0", "libglib2.0-dev"),
    ("gio-unix-2.0", "libglib2.0-dev"),
    ("gl", "libgl-dev"),
    ("glib-2.0", "libglib2.0-dev"),
    ("gmodule-2.0", "libglib2.0-dev"),
    ("gmp", "libgmp-dev"),
    ("gnutls", "libgnutls28-dev"),
    ("gobject-2.0", "libglib2.0-dev"),
    ("gobject-introspection-1.0", "libgirepository1.0-dev"),
    ("gstreamer-1.0", "libgstreamer1.0-dev"),
    ("gthread-2.0", "libglib2.0-dev"),
    ("gtk+-3.0", "libgtk-3-dev"),
    ("gtk4", "libgtk-4-dev"),
    ("guile-3.0", "guile-3.0-dev"),
    ("harfbuzz", "libharfbuzz-dev"),
    ("hogweed", "nettle-dev"),
    ("icu-uc", "libicu-dev"),
    ("jansson", "libjansson-dev"),
    ("json-c", "libjson-c-dev"),
    ("json-glib-1.0", "libjson-glib-dev"),
    ("krb5", "libkrb5-dev"),
    ("libarchive", "libarchive-dev"),
    ("libcap", "libcap-dev"),
    ("libcrypto", "libssl-dev"),
    ("libcurl", "libcurl4-openssl-dev"),
    ("libelf", "libelf-dev"),
    ("libevent", "libevent-dev"),
    ("libffi", "libffi-dev"),
    ("libidn2", "libidn2-dev"),
    ("libjpeg", "libjpeg-dev"),
    ("liblzma", "liblzma-dev"),
    ("libpcre2-8", "libpcre2-dev"),
    ("libpng", "libpng-dev"),
    ("libseccomp", "libseccomp-dev"),
    ("libselinux", "libselinux1-dev"),
    ("libssh2", "libssh2-1-dev"),
    ("libssl", "libssl-dev"),
    ("libsystemd", "libsystemd-dev"),
    ("libtasn1", "libtasn1-6-dev"),
    ("libudev", "libudev-dev"),
    ("libusb-1.0", "libusb-1.0-0-dev"),
    ("libuv", "libuv1-dev"),
    ("libxml-2.0", "libxml2-dev"),
    ("libxslt", "libxslt1-dev"),
    ("libzstd", "libzstd-dev"),
    ("mount", "libmount-dev"),
    ("ncurses", "libncurses-dev"),
    ("nettle", "nettle-dev"),
    ("openssl", "libssl-dev"),
    ("p11-kit-1", "libp11-kit-dev"),
    ("readline", "libreadline-dev"),
    ("sqlite3", "libsqlite3-dev"),
    ("systemd", "systemd-dev"),
    ("uuid", "uuid-dev"),
    ("wayland-client", "libwayland-dev"),
    ("x11", "libx11-dev"),
    ("zlib", "zlib1g-dev"),
];

const CMAKE: [(&str, &str); 34] = [
    ("ALSA", "libasound2-dev"),
    ("BISON", "bison"),
    ("BZip2", "libbz2-dev"),
    ("Boost", "libboost-all-dev"),
    ("CURL", "libcurl4-openssl-dev"),
    ("Catch2", "catch2"),
    ("Doxygen", "doxygen"),
    ("EXPAT", "libexpat1-dev"),
    ("Eigen3", "libeigen3-dev"),
    ("FLEX", "flex"),
    ("Freetype", "libfreetype-dev"),
    ("GTest", "libgtest-dev"),
    ("Gettext", "gettext"),
    ("Git", "git"),
    ("ICU", "libicu-dev"),
    ("JPEG", "libjpeg-dev"),
    ("LibArchive", "libarchive-dev"),
    ("LibLZMA", "liblzma-dev"),
    ("LibXml2", "libxml2-dev"),
    ("OpenGL", "libgl-dev"),
    ("OpenMP", ""),
    ("OpenSSL", "libssl-dev"),
    ("PNG", "libpng-dev"),
    ("Perl", "perl"),
    ("PkgConfig", ""),
    ("Python", "python3-dev"),
    ("Python3", "python3-dev"),
    ("Qt6", "qt6-base-dev"),
    ("SQLite3", "libsqlite3-dev"),
    ("TIFF", "libtiff-dev"),
    ("Threads", ""),
    ("X11", "libx11-dev"),
    ("ZLIB", "zlib1g-dev"),
    ("fmt", "libfmt-dev"),
];

const MESON: [(&str, &str); 12] = [
    ("appleframeworks", ""),
    ("boost", "libboost-all-dev"),
    ("curses", "libncurses-dev"),
    ("dl", ""),
    ("gtest", "libgtest-dev"),
    ("iconv", ""),
    ("intl", ""),
    ("openmp", ""),
    ("pcap", "libpcap0.8-dev"),
    ("python3", "python3-dev"),
    ("qt6", "qt6-base-dev"),
    ("threads", ""),
];

const PROGRAMS: [(&str, &str); 12] = [
    ("asciidoctor", "asciidoctor"),
    ("bison", "bison"),
    ("desktop-file-validate", "desktop-file-utils"),
    ("doxygen", "doxygen"),
    ("flex", "flex"),
    ("gperf", "gperf"),
    ("help2man", "help2man"),
    ("msgfmt", "gettext"),
    ("pandoc", "pandoc"),
    ("scdoc", "scdoc"),
    ("sphinx-build", "python3-sphinx"),
    ("xsltproc", "xsltproc"),
];

const LANGUAGES: [(&str, &str); 5] =
    [("cython", "cython3"), ("fortran", "gfortran"), ("nasm", "nasm"), ("rust", "rustc"), ("vala", "valac")];

/// Packages, separated by blanks, that modules of Meson need.
pub(super) const MESON_MODULES: [(&str, &str); 3] =
    [("gnome", "libglib2.0-dev-bin gettext"), ("i18n", "gettext"), ("python", "python3-dev")];

/// Packages, separated by blanks, that macros in `configure.ac` need.
pub(super) const MACROS: [(&str, &str); 12] = [
    ("AC_PROG_BISON", "bison"),
    ("AC_PROG_FC", "gfortran"),
    ("AC_PROG_LEX", "flex"),
    ("AC_PROG_YACC", "bison"),
    ("AM_GNU_GETTEXT", "autopoint gettext"),
    ("AM_PATH_PYTHON", "python3"),
    ("AM_PROG_LEX", "flex"),
    ("GLIB_GSETTINGS", "libglib2.0-dev"),
    ("GOBJECT_INTROSPECTION_CHECK", "libgirepository1.0-dev"),
    ("GTK_DOC_CHECK", "gtk-doc-tools"),
    ("GUILE_PROGS", "guile-3.0-dev"),
    ("IT_PROG_INTLTOOL", "intltool"),
];

const LIBRARIES: [(&str, &str); 20] = [
    ("acl", "libacl1-dev"),
    ("attr", "libattr1-dev"),
    ("bz2", "libbz2-dev"),
    ("cap", "libcap-dev"),
    ("crypt", "libcrypt-dev"),
    ("crypto", "libssl-dev"),
    ("curl", "libcurl4-openssl-dev"),
    ("expat", "libexpat1-dev"),
    ("gmp", "libgmp-dev"),
    ("lzma", "liblzma-dev"),
    ("mpfr", "libmpfr-dev"),
    ("ncurses", "libncurses-dev"),
    ("ncursesw", "libncurses-dev"),
    ("pam", "libpam0g-dev"),
    ("pcap", "libpcap0.8-dev"),
    ("readline", "libreadline-dev"),
    ("selinux", "libselinux1-dev"),
    ("sqlite3", "libsqlite3-dev"),
    ("ssl", "libssl-dev"),
    ("z", "zlib1g-dev"),
];

const PYTHON: [(&str, &str); 18] = [
    ("cffi", "python3-cffi"),
    ("cython", "cython3"),
    ("flit-core", "flit"),
    ("hatch-vcs", "python3-hatch-vcs"),
    ("hatchling", "python3-hatchling"),
    ("meson-python", "python3-mesonpy"),
    ("numpy", "python3-numpy"),
    ("packaging", "python3-packaging"),
    ("pbr", "python3-pbr"),
    ("poetry-core", "python3-poetry-core"),
    ("pybind11", "python3-pybind11"),
    ("setuptools", ""),
    ("setuptools-rust", "python3-setuptools-rust"),
    ("setuptools-scm", "python3-setuptools-scm"),
    ("toml", "python3-toml"),
    ("trove-classifiers", "python3-trove-classifiers"),
    ("versioneer", "python3-versioneer"),
    ("wheel", ""),
];

const RUST: [(&str, &str); 8] = [
    ("alsa-sys", "libasound2-dev"),
    ("dbus", "libdbus-1-dev"),
    ("libdbus-sys", "libdbus-1-dev"),
    ("libudev-sys", "libudev-dev"),
    ("nettle-sys", "nettle-dev"),
    ("openssl-sys", "libssl-dev"),
    ("pam-sys", "libpam0g-dev"),
    ("systemd", "libsystemd-dev"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sorted_and_name_packages() {
        let tables: [&[(&str, &str)]; 10] = [
            &PKG_CONFIG,
            &CMAKE,
            &MESON,
            &PROGRAMS,
            &LANGUAGES,
            &MESON_MODULES,
            &MACROS,
            &LIBRARIES,
            &PYTHON,
            &RUST,
        ];
        for table in tables {
            assert!(table.is_sorted_by(|one, other| one.0 < other.0), "{table:?}");
            for package in
                table.iter().flat_map(|(_, packages)| packages.split(' ')).filter(|p| !p.is_empty())
            {
                assert!(is_package(package), "{package}");
            }
        }
    }

    #[test]
    fn what_could_break_a_file_is_no_name() {
        for text in ["", "a b", "a\"", "-a", "..", "@{x}", "a\n", "m4_esyscmd([x])", "a/b"] {
            assert!(!is_plain(text), "{text}");
        }
        assert!(is_plain("1:2.0~rc1+dfsg-1"));
    }
}

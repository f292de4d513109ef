# What a Guix says of the item that all is built for, and what that does.
item=$(echo /gnu/store/*-say-1.0)
guix gc --requisites "$item" | sort
guix hash -r "$item"
"$item/bin/say"

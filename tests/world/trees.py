#!/usr/bin/env python3
"""Compares a root that mmdebstrap made with one that rbld made of the same packages.

    trees.py spec/09-environments.md MMDEBSTRAP RBLD

With /dev/null for the chapter nothing is left out. Paths that the rules of the chapter name, and what it says of the rest, are left out; each other difference is a line:
`- /path` only mmdebstrap has it, `+ /path` only rbld, `~ /path` they differ. Compared are kinds of files, contents,
targets of links and whether a file is executable: owners, times and other modes aren't in a tree.
"""

import hashlib
import os
import re
import stat
import sys


def rules(chapter):
    """What the chapter leaves out, those that only mmdebstrap has, and those whose lines may be in another order."""
    text = open(chapter, encoding="utf-8").read().partition("### Rules")[2]
    rows = re.findall(r"^\| `([^`]+)` \| ([^|]+) \|", text, re.M)
    pick = lambda fits: [re.compile(translate(path)) for path, what in rows if fits(what)]
    only = "only mmdebstrap has it"
    lines = ("the order of lines", "conffiles to be removed", "answers given beforehand")
    return pick(lambda what: what != only and what not in lines), pick(lambda what: what == only), pick(lambda what: what in lines)


def translate(pattern):
    prefix = ""
    if pattern.startswith("**/"):
        prefix, pattern = "(.*/)?", pattern[3:]
    parts = [re.escape(part) for part in pattern.split("*")]
    return "^" + prefix + "[^/]*".join(parts) + "(/.*)?$"


def describe(path):
    status = os.lstat(path)
    if stat.S_ISLNK(status.st_mode):
        return "link to " + os.readlink(path)
    if stat.S_ISDIR(status.st_mode):
        return "folder"
    if stat.S_ISREG(status.st_mode):
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else hashlib.sha256(file.read()).hexdigest()
        return ("program " if status.st_mode & 0o100 else "file ") + digest[:16]
    return "special"


def walk(root):
    found = {}
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            path = os.path.join(folder, name)
            found[os.path.relpath(path, root)] = describe(path)
    return found


def same_lines(theirs, ours):
    """Whether files have the same lines, but for configuration files that an upgrade would remove and answers to debconf."""
    removed = rb"Conffiles:\n( \S+ newconffile remove-on-upgrade\n)+(?=\S)"
    answer = rb"Name: man-db/auto-update\n(\S.*\n)+"
    read = lambda path: sorted(re.sub(removed + b"|" + answer, b"", open(path, "rb").read()).splitlines())
    return read(theirs) == read(ours)


def main():
    chapter, theirs_root, ours_root = sys.argv[1:]
    left_out, only_theirs, any_order = rules(chapter)
    matches = lambda patterns, path: any(pattern.match(path) for pattern in patterns)
    theirs, ours = walk(theirs_root), walk(ours_root)
    lines = []
    for path in sorted(theirs.keys() | ours.keys()):
        one, other = theirs.get(path), ours.get(path)
        if one == other or matches(left_out, path) or (other is None and matches(only_theirs, path)):
            continue
        if one and other and matches(any_order, path):
            if same_lines(os.path.join(theirs_root, path), os.path.join(ours_root, path)):
                continue
        mark = "-" if other is None else "+" if one is None else "~"
        lines.append(f"{mark} /{path}: {one or other}" + (f", {other}" if mark == "~" else ""))
    print("\n".join(lines), end="\n" if lines else "")
    sys.exit(1 if lines else 0)


main()

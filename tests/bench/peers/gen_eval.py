#!/usr/bin/env python3
"""Programs for the comparison of evaluators: gen_eval.py WORKLOAD LANGUAGE N writes one to the output,
gen_eval.py --expect WORKLOAD N the answer that each must give.

start    -   1+1
set      N   N recipes written out, each naming five earlier ones, with a script that has the digests of those five
             in it, its sha256, and a total digest over all. In rbld the recipes are builds: their scripts see the
             five as inputs, and the digests are those of whole derivations (script, variables, inputs, environment,
             outputs). `size` languages have no sha256: they take the script's length for it.
drvs     N   the same with Nix's `derivation`, which is what a Nix user has: hashed by Nix, nothing written
records  N   N literal records of about 200 bytes each (25,000 are 5 MB), counted in three ways

rbld has no recursion, no fold over numbers and no text made into a name, so the workloads `fib`, `foldm`, `layers` and
a package set computed from an index can't be written in it, and aren't compared.
"""
import hashlib
import json
import sys

SHA = lambda text: hashlib.sha256(text.encode()).hexdigest()
LENGTH = lambda text: str(len(text))


def needs(i):
    """The five earlier recipes that recipe i names."""
    return [] if i == 0 else [i - 1 - ((i * 31 + j * j * 17) % min(i, 200)) for j in (1, 2, 3, 4, 5)]


def version(i):
    return "%d.%d.%d" % (i % 7, i % 13, i % 5)


def package_set(n, digest):
    digests = []
    for i in range(n):
        text = "set -eu\nexport NAME=p%d VERSION=%s\n" % (i, version(i))
        for d in needs(i):
            text += "export DEP_p%d=/store/%s-p%d\n" % (d, digests[d], d)
        text += "./configure --prefix=/store/p%d-%s --with-jobs=2\nmake -j2\nmake install DESTDIR=$OUT\n" % (i, version(i))
        digests.append(digest(text))
    return digests


def record(i):
    return dict(name="pkg-%d" % i, version="%d.%d.%d" % (i % 9, i % 31, i % 7), sha256=SHA(str(i)),
                deps=["pkg-%d" % max(0, i - k) for k in (1, 7, 31)], license="GPL-3.0-or-later",
                size=(i * 7919) % 1000003, broken=(i % 50 == 0))


def expect(work, n, lang="nix"):
    if work == "start":
        return 2
    if work == "records":
        return dict(count=n, deps=3 * n, large=sum(record(i)["size"] > 500000 for i in range(n)))
    if work == "set":
        if lang in ("star", "jsonnet"):
            return dict(count=n, total=sum(map(int, package_set(n, LENGTH))))
        return dict(count=n, total=SHA("\n".join(package_set(n, SHA))))
    return None


# ---- Nix ---------------------------------------------------------------------------------------------------------
def nix(work, n):
    if work == "start":
        return "1+1"
    if work == "records":
        out = ["let recs = ["]
        for i in range(n):
            r = record(i)
            out.append('{ name = "%s"; version = "%s"; sha256 = "%s"; deps = [ %s ]; meta = { license = "%s"; size = %d; broken = %s; }; }'
                       % (r["name"], r["version"], r["sha256"], " ".join('"%s"' % d for d in r["deps"]), r["license"], r["size"], str(r["broken"]).lower()))
        out.append("]; in { count = builtins.length recs; deps = builtins.length (builtins.concatMap (r: r.deps) recs);"
                   " large = builtins.length (builtins.filter (r: r.meta.size > 500000) recs); }")
        return "\n".join(out)
    script = lambda dep, out: """''
      set -eu
      export NAME=${name} VERSION=${version}
      ${builtins.concatStringsSep "" (map (p: "export DEP_${p.name}=%s\\n") deps)}./configure --prefix=/store/${name}-${version} --with-jobs=2
      make -j2
      make install DESTDIR=$%s
    ''""" % (dep, out)
    if work == "set":
        head = """let mk = name: version: deps: let script = %s;
  in { inherit name version script; hash = builtins.hashString "sha256" script; };""" % script("/store/${p.hash}-${p.name}", "OUT")
        tail = 'in { count = builtins.length all; total = builtins.hashString "sha256" (builtins.concatStringsSep "\\n" (map (p: p.hash) all)); }'
    else:
        head = """let mk = name: version: deps: derivation { inherit name version deps; system = "x86_64-linux"; builder = "/bin/sh";
  args = ["-c" %s]; };""" % script("${p}", "out")
        tail = 'in builtins.hashString "sha256" (builtins.concatStringsSep "\\n" (map (p: builtins.unsafeDiscardStringContext p.drvPath) all))'
    lines = ['p%d = mk "p%d" "%s" [ %s ];' % (i, i, version(i), " ".join("p%d" % d for d in needs(i))) for i in range(n)]
    return "\n".join([head, *lines, "all = [ %s ];" % " ".join("p%d" % i for i in range(n)), tail])


# ---- Jsonnet -----------------------------------------------------------------------------------------------------
def jsonnet(work, n):
    if work == "start":
        return "1+1"
    if work == "records":
        out = ["local recs = ["]
        for i in range(n):
            r = record(i)
            out.append('{ name: "%s", version: "%s", sha256: "%s", deps: [%s], meta: { license: "%s", size: %d, broken: %s } },'
                       % (r["name"], r["version"], r["sha256"], ", ".join('"%s"' % d for d in r["deps"]), r["license"], r["size"], str(r["broken"]).lower()))
        out.append("]; { count: std.length(recs), deps: std.length([d for r in recs for d in r.deps]), large: std.length([r for r in recs if r.meta.size > 500000]) }")
        return "\n".join(out)
    if work != "set":
        return None
    head = """local mk(name, version, deps) = { local s = self, name: name, version: version,
  script: "set -eu\\nexport NAME=" + name + " VERSION=" + version + "\\n"
    + std.join("", ["export DEP_" + p.name + "=/store/" + p.hash + "-" + p.name + "\\n" for p in deps])
    + "./configure --prefix=/store/" + name + "-" + version + " --with-jobs=2\\nmake -j2\\nmake install DESTDIR=$OUT\\n",
  hash: std.toString(std.length(self.script)) };"""
    lines = ['local p%d = mk("p%d", "%s", [%s]);' % (i, i, version(i), ", ".join("p%d" % d for d in needs(i))) for i in range(n)]
    tail = "local all = [%s];\n{ count: std.length(all), total: std.foldl(function(a, p) a + std.length(p.script), all, 0) }" % ", ".join("p%d" % i for i in range(n))
    return "\n".join([head, *lines, tail])


# ---- Starlark and Python -----------------------------------------------------------------------------------------
def python_like(work, n, star):
    if work == "start":
        return "print(json.encode(1+1))" if star else "print(1+1)"
    show = "print(json.encode(%s))" if star else "import json; print(json.dumps(%s))"
    if work == "records":
        out = ["recs = ["]
        for i in range(n):
            r = record(i)
            out.append('{"name": "%s", "version": "%s", "sha256": "%s", "deps": [%s], "meta": {"license": "%s", "size": %d, "broken": %s}},'
                       % (r["name"], r["version"], r["sha256"], ", ".join('"%s"' % d for d in r["deps"]), r["license"], r["size"], r["broken"]))
        out.append("]\n" + show % '{"count": len(recs), "deps": len([d for r in recs for d in r["deps"]]), "large": len([r for r in recs if r["meta"]["size"] > 500000])}')
        return "\n".join(out)
    if work != "set":
        return None
    head = """%sdef mk(name, version, deps):
    s = "set -eu\\nexport NAME=" + name + " VERSION=" + version + "\\n"
    for p in deps:
        s += "export DEP_" + p["name"] + "=/store/" + p["hash"] + "-" + p["name"] + "\\n"
    s += "./configure --prefix=/store/" + name + "-" + version + " --with-jobs=2\\nmake -j2\\nmake install DESTDIR=$OUT\\n"
    return {"name": name, "version": version, "script": s, "hash": %s}
""" % (("", "str(len(s))") if star else ("import hashlib\n", "hashlib.sha256(s.encode()).hexdigest()"))
    lines = ['p%d = mk("p%d", "%s", [%s])' % (i, i, version(i), ", ".join("p%d" % d for d in needs(i))) for i in range(n)]
    total = "total()" if star else 'hashlib.sha256("\\n".join([p["hash"] for p in all]).encode()).hexdigest()'
    add = "def total():\n    t = 0\n    for p in all:\n        t += len(p[\"script\"])\n    return t\n" if star else ""
    return "\n".join([head, *lines, "all = [%s]" % ", ".join("p%d" % i for i in range(n)), add + show % ('{"count": len(all), "total": %s}' % total)])


# ---- rbld --------------------------------------------------------------------------------------------------------
def rbld(work, n):
    if work == "start":
        return "1+1"
    if work == "records":
        out = ["rbld 1", "let recs = ["]
        for i in range(n):
            r = record(i)
            out.append('  { name = "%s", version = "%s", sha256 = "%s", deps = [%s], meta = { license = "%s", size = %d, broken = %s } },'
                       % (r["name"], r["version"], r["sha256"], ", ".join('"%s"' % d for d in r["deps"]), r["license"], r["size"], str(r["broken"]).lower()))
        out.append("]\nlet answer = { count = length(recs), deps = length([for r in recs, d in r.deps: d]), large = length([for r in recs if r.meta.size > 500000: r]) }")
        return "\n".join(out) + "\n"
    if work != "set":
        return None
    head = """rbld 1
use std.debian
env base = debian.snapshot(bookworm, 2026-11-22T00:00:00Z).env(amd64, packages = ["git"])
recipe first(name: String, version: String) {
  env = base
  vars = { NAME = name, VERSION = version }
  run = \"\"\"
    ./configure --prefix=/store/$NAME-$VERSION --with-jobs=2
    make -j2
    make install DESTDIR=$out
    \"\"\"
  outputs = { out = file("out.tar") }
}
recipe pkg(name: String, version: String, a: File, b: File, c: File, d: File, e: File) {
  env = base
  inputs = { a, b, c, d, e }
  vars = { NAME = name, VERSION = version }
  run = \"\"\"
    ./configure --prefix=/store/$NAME-$VERSION --with-jobs=2
    make -j2
    make install DESTDIR=$out
    \"\"\"
  outputs = { out = file("out.tar") }
}"""
    lines = []
    for i in range(n):
        named = ", ".join("p%d.out" % d for d in needs(i))
        lines.append('build p%d = %s("p%d", "%s"%s)' % (i, "pkg" if named else "first", i, version(i), ", " + named if named else ""))
    # One build that reads all others: its derivation's digest is the total.
    lines.append("recipe everything() {\n  env = base\n  inputs = {")
    lines += ["    p%d = p%d.out" % (i, i) for i in range(n)]
    lines.append("  }\n  run = \"\"\"\n    cat /inputs/* > all\n    \"\"\"\n  outputs = { all = file(\"all\") }\n}\nbuild total = everything()")
    return "\n".join([head, *lines]) + "\n"


LANGUAGES = dict(nix=nix, jsonnet=jsonnet, star=lambda w, n: python_like(w, n, True),
                 py=lambda w, n: python_like(w, n, False), rbld=rbld)


def gen(work, lang, n):
    return None if work == "drvs" and lang != "nix" else LANGUAGES[lang](work, n)


# ---- The digests of rbld's derivations, computed a second time -----------------------------------------------------
class Canonical:
    """spec/06-derivations-and-keys.md, "Canonical form"."""

    def __init__(self, domain):
        self.sha = hashlib.sha256()
        self.bytes(domain)

    def bytes(self, text):
        data = text.encode()
        self.sha.update(len(data).to_bytes(8, "little") + data)

    def field(self, name, value):
        self.sha.update(b"f")
        self.bytes(name)
        self.bytes(value)

    def record(self, name, fields):
        self.sha.update(b"(")
        self.bytes(name)
        self.sha.update(len(fields).to_bytes(8, "little"))
        for field, value in sorted(fields.items()):
            self.field(field, value)
        self.sha.update(b")")


def derivation(env, inputs, script, variables, outputs):
    to = Canonical("rbld-derivation-1")
    to.field("kind", "build")
    to.field("arch", "amd64")
    to.field("env", env + " out")
    to.record("inputs", inputs)
    to.field("workdir", "")
    to.field("shell", "sh")
    to.field("script", script)
    to.record("vars", variables)
    to.record("outputs", outputs)
    return to.sha.hexdigest()


def rbld_total(n, env):
    """The digest of `total`, from that of its environment."""
    script = "./configure --prefix=/store/$NAME-$VERSION --with-jobs=2\nmake -j2\nmake install DESTDIR=$out\n"
    ids = []
    for i in range(n):
        inputs = {name: ids[d] + " out" for name, d in zip("abcde", needs(i))}
        ids.append(derivation(env, inputs, script, {"NAME": "p%d" % i, "VERSION": version(i)}, {"out": "file out.tar"}))
    return derivation(env, {"p%d" % i: id + " out" for i, id in enumerate(ids)}, "cat /inputs/* > all\n", {}, {"all": "file all"})


if __name__ == "__main__":
    words = sys.argv[1:]
    if len(words) == 3 and words[0] == "--expect":
        print(json.dumps(expect(words[1], int(words[2])), sort_keys=True))
    elif len(words) == 3:
        program = gen(words[0], words[1], int(words[2]))
        if program is None:
            raise SystemExit("can't be written in it")
        sys.stdout.write(program)
    else:
        raise SystemExit(__doc__)

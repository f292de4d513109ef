//! Real environments, made of Debian's packages, served by a snapshot archive on the loopback.
//!
//! One environment for the machine's own architecture, the essential packages alone, serves all tests of
//! a user; its store is kept in the target folder. Root runs each test twice, as itself and as an ordinary
//! user; an ordinary user runs it once. One test more runs a recipe for another architecture.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use libtest_mimic::{Failed, Trial};
use tempfile::TempDir;

use crate::place::{Place, Who, give_folder, open_folder, reachable};
use crate::snapshot::{Fault, Snapshot};

/// What the real tests share.
pub(crate) struct World {
    /// Holds the command where everybody can reach it, and the stores that can't be kept.
    folder: TempDir,
    snapshot: Mutex<Option<Arc<Snapshot>>>,
    /// The lock of [`BASE`], once resolved.
    lock: Mutex<Option<String>>,
    /// The digest of the environment's tree, by who made it first.
    trees: Mutex<BTreeMap<&'static str, String>>,
    /// The instant that is pinned: an hour of today.
    pub(crate) at: String,
}

type Test = fn(&World, Who) -> Result<(), Failed>;

/// The tests.
pub(crate) fn trials() -> Result<Vec<Trial>, Failed> {
    let world = Arc::new(World::new()?);
    let both: [(&str, Test); 8] = [
        ("a verdict, and a second run that builds nothing", verdicts),
        ("only what changed is built again", changes),
        ("outputs with their sums", outputs),
        ("a recipe that goes wrong", failing_recipes),
        ("a recipe finds no network", no_network),
        ("a vendored folder, and no network", vendored),
        ("a package that isn't what is locked", tampered),
        ("an index that isn't signed by Debian", unsigned),
    ];
    let mut trials = Vec::new();
    for who in Who::all() {
        for (name, test) in both {
            let world = world.clone();
            trials.push(Trial::test(format!("real/{}/{name}", who.word()), move || test(&world, who)));
        }
    }
    trials.extend(crate::archives::trials(&world));
    trials.extend(crate::buildinfo::trials(&world));
    trials.extend(crate::library::trials(&world));
    trials.extend(crate::drafts::trials(&world));
    trials.extend(crate::stages::trials(&world));
    trials.extend(crate::varied::trials(&world));
    let (one, other) = (world.clone(), world);
    trials.push(Trial::test("real/another architecture", move || emulated(&one, Who::Me)));
    if Who::all().len() > 1 {
        trials.push(Trial::test("real/root/a full disk", move || full_disk(&other, Who::Me)));
    }
    Ok(trials)
}

impl World {
    fn new() -> Result<World, Failed> {
        let folder = tempfile::Builder::new().prefix("rbld-tests-").tempdir()?;
        let hour = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() / 3600;
        let at = rbld_lang::syntax::show_instant((hour * 3600).cast_signed());
        let (snapshot, lock, trees) = (Mutex::default(), Mutex::default(), Mutex::default());
        Ok(World { folder, snapshot, lock, trees, at })
    }

    /// The server, which starts when it is first asked for.
    fn snapshot(&self) -> Result<Arc<Snapshot>, Failed> {
        let mut snapshot = self.snapshot.lock().map_err(|_| "the snapshot archive couldn't be started")?;
        Ok(snapshot.get_or_insert_with(|| Arc::new(Snapshot::start_shared())).clone())
    }

    /// The command, copied to where everybody can reach it.
    fn binaries(&self) -> Result<PathBuf, Failed> {
        let bin = self.folder.path().join("bin");
        open_folder(self.folder.path())?;
        open_folder(&bin)?;
        let (from, to) = (Path::new(env!("CARGO_BIN_EXE_rbld")), bin.join("rbld"));
        let _one = self.lock.lock().map_err(|_| "locking failed in another test")?;
        if !to.exists() {
            std::fs::copy(from, &to)?;
        }
        Ok(bin)
    }

    /// The store of somebody, kept in the target folder where they can reach it.
    fn store(&self, who: Who) -> Result<PathBuf, Failed> {
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR"));
        if who == Who::Me {
            return Ok(kept.join("store"));
        }
        let place = if reachable(kept)? { kept } else { self.folder.path() };
        let store = place.join("store-of-user");
        give_folder(&store)?;
        Ok(store)
    }

    /// A place with an empty store whose only mirror is a server.
    fn bare(&self, who: Who, server: &Snapshot) -> Result<Place, Failed> {
        Ok(Place::of(who, &self.binaries()?)?.with("RBLD_MIRROR_DEBIAN", server.base("debian")))
    }

    /// A place with the shared store and no project yet.
    pub(crate) fn empty(&self, who: Who) -> Result<Place, Failed> {
        Ok(self.bare(who, &*self.snapshot()?)?.with_store(&self.store(who)?))
    }

    /// A place with the shared store and a project: the environment `base`, and what `text` adds.
    pub(crate) fn project(&self, who: Who, text: &str) -> Result<Place, Failed> {
        let place = self.empty(who)?;
        place.write("build.rbld", &self.file(text))?;
        place.write("rbld.lock", &self.lock(&place)?)?;
        Ok(place)
    }

    fn file(&self, text: &str) -> String {
        let at = &self.at;
        format!("rbld 1\nuse std.debian\n\nenv base = debian.snapshot(bookworm, {at}).env(amd64)\n\n{text}")
    }

    /// The lock of the environment `base`, resolved in the first place that asks.
    fn lock(&self, place: &Place) -> Result<String, Failed> {
        let mut lock = self.lock.lock().map_err(|_| "locking failed in another test")?;
        if lock.is_none() {
            place.expect("rbld lock", 0)?;
            *lock = Some(place.read("rbld.lock")?);
        }
        Ok(lock.clone().unwrap_or_default())
    }

    /// A word that no run before had, so that a build isn't in the kept store.
    pub(crate) fn news(&self) -> String {
        self.folder.path().display().to_string()
    }
}

/// Three builds of two kinds of bytes.
fn three(world: &World) -> String {
    format!(
        r#"
## Says which kind it is of.
recipe say(kind: String) {{
  env  = base
  vars = {{ KIND = kind, NEWS = "{}" }}
  run  = """
    case "$KIND" in
      c) echo another > "$said" ;;
      *) echo "the same" > "$said" ;;
    esac
    """
  outputs = {{ said = file("said.txt") }}
}}

build s for kind in ["a", "b", "c"] = say(kind)

let kinds = {{ early = ["a", "b"], late = ["c"] }}

assert "kinds" identical(s.*.said, within = kinds, across = differ)
"#,
        world.news()
    )
}

fn verdicts(world: &World, who: Who) -> Result<(), Failed> {
    let place = world.project(who, &three(world))?;
    place.expect("rbld check", 0)?;
    same_tree(world, who, &place.read("rbld.lock")?)?;
    require(
        status(&place, "rbld check --format json", 0)?.values().all(|s| s == "cached"),
        "a second run builds",
    )?;

    let text = place.read("build.rbld")?;
    place.write(
        "build.rbld",
        &text.replace("early = [\"a\", \"b\"], late = [\"c\"]", "early = [\"a\"], late = [\"b\", \"c\"]"),
    )?;
    let ran = place.expect("rbld check", 1)?;
    require(
        ran.stdout.contains("kinds") && ran.stdout.contains("late"),
        "a mismatch names the assertion and group",
    )
}

/// Root's and the ordinary user's environment are one tree.
fn same_tree(world: &World, who: Who, lock: &str) -> Result<(), Failed> {
    let tree =
        lock.lines().find_map(|line| line.strip_prefix("tree ")).ok_or("the lock holds no tree digest")?;
    let mut trees = world.trees.lock().map_err(|_| "another test failed")?;
    trees.insert(who.word(), tree.to_owned());
    match trees.values().all(|other| other == tree) {
        true => Ok(()),
        false => Err(format!("environment trees differ: {trees:?}").into()),
    }
}

fn changes(world: &World, who: Who) -> Result<(), Failed> {
    let text = format!(
        r#"
recipe first() {{
  env     = base
  vars    = {{ NEWS = "{0}" }}
  run     = """
    echo one > "$out"
    """
  outputs = {{ out = file("out.txt") }}
}}

recipe second(from: Input, word: String) {{
  env     = base
  inputs  = {{ from }}
  vars    = {{ WORD = word, NEWS = "{0}" }}
  run     = """
    cat "$from" > "$out"
    """
  outputs = {{ out = file("out.txt") }}
}}

build f = first()
build s for word in ["x", "y"] = second(f.out, word)

assert "equal" identical(s.*.out)
"#,
        world.news()
    );
    let place = world.project(who, &text)?;
    place.expect("rbld check", 0)?;

    let text = place.read("build.rbld")?;
    let commented =
        text.replace("build f", "# A comment.\nbuild f").replace("recipe first", "recipe renamed");
    place.write("build.rbld", &commented.replace("= first()", "= renamed()"))?;
    let status_after = status(&place, "rbld check --format json", 0)?;
    require(status_after.values().all(|s| s == "cached"), "a comment or a new name builds")?;

    place.write("build.rbld", &text.replace("cat \"$from\" >", "tac \"$from\" >"))?;
    let why = place.expect("rbld why s", 0)?;
    require(why.stdout.contains("tac \"$from\" >"), "`rbld why` names the line")?;
    let after = status(&place, "rbld check --format json", 0)?;
    let realised: Vec<&String> =
        after.iter().filter(|(_, s)| *s == "realised").map(|(name, _)| name).collect();
    require(realised == ["s[x]", "s[y]"], &format!("a changed line builds {realised:?}"))?;

    place.write("build.rbld", &text.replace("echo one >", "printf 'one\\n' >"))?;
    let after = status(&place, "rbld check --format json", 0)?;
    let realised: Vec<&String> =
        after.iter().filter(|(_, s)| *s == "realised").map(|(name, _)| name).collect();
    require(realised == ["f"], &format!("an input with the same bytes builds {realised:?}"))
}

fn outputs(world: &World, who: Who) -> Result<(), Failed> {
    let place = world.project(who, &three(world))?;
    place.expect("rbld build -o out && cd out && test -s SHA256SUMS && sha256sum -c SHA256SUMS", 0)?;

    let linked = r#"recipe linked() {
  env     = base
  run     = """
    mkdir lib
    echo one > lib/a.so.1
    ln -s a.so.1 lib/a.so
    """
  outputs = { lib = files("lib/") }
}

build l = linked()
"#;
    let place = world.project(who, linked)?;
    let twice = "rbld build -o out && rbld build -o out";
    place.expect(&format!("{twice} && test -L out/l/lib/a.so && cmp out/l/lib/a.so out/l/lib/a.so.1"), 0)?;
    Ok(())
}

fn failing_recipes(world: &World, who: Who) -> Result<(), Failed> {
    let recipe = |run: &str, more: &str| {
        format!(
            "recipe bad() {{\n  env = base\n{more}  run = \"\"\"\n    {run}\n    \"\"\"\n  \
             outputs = {{ out = file(\"out.txt\") }}\n}}\n\nbuild b = bad()\n"
        )
    };
    for (run, more, says) in [
        ("exit 7", "", "7"),
        ("true", "", "out.txt"),
        ("ln -s /etc/passwd \"$out\"", "", "out.txt"),
        ("while :; do :; done", "  timeout = 1s\n", "1s"),
    ] {
        let place = world.project(who, &recipe(run, more))?;
        let ran = place.expect("rbld build -o out", 3)?;
        require(ran.stderr.contains(says), &format!("`{run}`: `{says}` is not in\n{}", ran.stderr))?;
    }
    Ok(())
}

fn no_network(world: &World, who: Who) -> Result<(), Failed> {
    let server = world.snapshot()?;
    let port = server.url.rsplit(':').next().unwrap_or_default();
    let text = format!(
        r#"
recipe outward() {{
  env     = base
  shell   = "bash"
  vars    = {{ NEWS = "{}" }}
  run     = """
    if (exec 3<>/dev/tcp/127.0.0.1/{port}); then echo reached > "$out"; else echo alone > "$out"; fi
    """
  outputs = {{ out = file("out.txt") }}
}}

build o = outward()
"#,
        world.news()
    );
    let place = world.project(who, &text)?;
    place.expect("rbld build -o out", 0)?;
    let said = place.expect("cat out/out.txt || cat out/*/out.txt", 0)?;
    require(said.stdout == "alone\n", "a recipe reaches a server of the machine")
}

/// From a vendored folder alone: the same verdict and lock in an empty store and a network namespace without a network.
fn vendored(world: &World, who: Who) -> Result<(), Failed> {
    let place = world.project(who, &three(world))?;
    place.expect("rbld check", 0)?;
    place.expect("rbld vendor vendored && cp rbld.lock first.lock", 0)?;
    let again = place.expect("rbld vendor vendored", 0)?;
    require(again.stdout.contains("all there already"), "a second `rbld vendor` writes something")?;
    let alone = |store: &str, line: &str, code| {
        let line = format!("RBLD_STORE=$TMPDIR/{store} unshare --user --map-current-user --net rbld {line}");
        place.expect(&line, code)
    };
    alone("empty", "check --offline --from vendored", 0)?;
    // A check that finds all its builds in the store doesn't look at the trees, so the first lock may lack them.
    let without_trees = |name: &str| -> Result<String, Failed> {
        Ok(place.read(name)?.lines().filter(|line| !line.starts_with("tree ")).collect())
    };
    require(without_trees("rbld.lock")? == without_trees("first.lock")?, "a check writes another lock")?;
    place.expect("rm rbld.lock", 0)?;
    alone("empty", "lock --offline --from vendored", 0)?;
    require(
        without_trees("rbld.lock")? == without_trees("first.lock")?,
        "another lock comes of the same indexes",
    )?;
    // One byte of one package, and nothing is believed.
    let manifest = place.read("vendored/rbld.vendor")?;
    let package = manifest.lines().find(|line| line.contains(" package ")).ok_or("no package is vendored")?;
    let digest = package.split(' ').nth(1).ok_or("a line of the manifest has words")?;
    let object = format!("vendored/objects/{}/{}/{digest}", &digest[..2], &digest[2..4]);
    place.expect(&format!("printf x | dd of={object} bs=1 seek=100 conv=notrunc status=none"), 0)?;
    let ran = alone("other", "check --offline --from vendored", 4)?;
    require(ran.stderr.contains(&object), &format!("the file isn't named:\n{}", ran.stderr))
}

fn tampered(world: &World, who: Who) -> Result<(), Failed> {
    let server = Snapshot::start_shared();
    server.fault("_amd64.deb", Fault::Tampered, 0);
    let place = world.bare(who, &server)?;
    place.write("build.rbld", &world.file(&three(world)))?;
    place.write("rbld.lock", &world.lock(&place)?)?;
    let ran = place.expect("rbld check", 4)?;
    require(ran.stderr.contains(".deb"), &format!("the package isn't named:\n{}", ran.stderr))?;
    place.expect("rbld store verify", 0)?;
    Ok(())
}

fn unsigned(world: &World, who: Who) -> Result<(), Failed> {
    let server = Snapshot::start_shared();
    let path = "debian/dists/bookworm/InRelease";
    let url = format!("{}/archive/debian/20260101T000000Z/dists/bookworm/InRelease", server.url);
    let text = rbld::fetch::http::Http::new(false)
        .and_then(|http| http.get(&url, 1 << 20))
        .map_err(|failure| failure.to_string())?;
    let changed = String::from_utf8(text)?.replacen("Description: ", "Description:  ", 1);
    server.put(path, changed.into_bytes());
    let place = world.bare(who, &server)?;
    place.write("build.rbld", &world.file(&three(world)))?;
    let ran = place.expect("rbld lock", 4)?;
    require(ran.stderr.contains("signature"), &format!("the signature isn't named:\n{}", ran.stderr))?;
    place.expect("test ! -e rbld.lock", 0)?;
    Ok(())
}

fn full_disk(world: &World, who: Who) -> Result<(), Failed> {
    let place = world.bare(who, &*world.snapshot()?)?;
    place.write("build.rbld", &world.file(&three(world)))?;
    place.write("rbld.lock", &world.lock(&place)?)?;
    let small = "mkdir -p \"$RBLD_STORE\" && mount -t tmpfs -o size=20m small \"$RBLD_STORE\"";
    let line = format!("unshare --mount sh -euc '{small} && rbld check'");
    let ran = place.expect(&line, 4)?;
    require(ran.stderr.to_lowercase().contains("space"), &format!("the disk isn't named:\n{}", ran.stderr))
}

/// A recipe that runs on another architecture than this machine's.
fn emulated(world: &World, who: Who) -> Result<(), Failed> {
    let text = format!(
        r#"rbld 1
use std.debian

env far = debian.snapshot(bookworm, {}).env(arm64)

recipe machine() {{
  env     = far
  run     = """
    uname -m > "$name"
    """
  outputs = {{ name = file("name.txt") }}
}}

build m = machine()

assert "the machine is another" matches(m.name, sha256:{})
"#,
        world.at,
        rbld_lang::digest::Digest::of(b"aarch64\n").to_hex()
    );
    let place = world.bare(who, &*world.snapshot()?)?.with_store(&world.store(who)?);
    place.write("build.rbld", &text)?;
    place.expect("rbld lock", 0)?;
    place.expect("rbld check", 0)?;
    Ok(())
}

/// What became of each build, by name.
fn status(place: &Place, line: &str, code: i32) -> Result<BTreeMap<String, String>, Failed> {
    let ran = place.expect(line, code)?;
    let report: serde_json::Value = serde_json::from_str(&ran.stdout)?;
    let derivations = report["derivations"].as_array().ok_or("the report lists no derivations")?;
    let named =
        |d: &serde_json::Value| Some((d["name"].as_str()?.to_owned(), d["status"].as_str()?.to_owned()));
    let found: BTreeMap<String, String> = derivations.iter().filter_map(named).collect();
    if found.is_empty() { Err("the report names no derivation".into()) } else { Ok(found) }
}

fn require(holds: bool, what: &str) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(what.into()) }
}

//! Container images, written and read by rbld and by others: skopeo and umoci, and a registry on the loopback.
//!
//! An image here is one static program, so no test needs a distribution. What isn't installed is a failure that says
//! what to install, never a test left out.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use libtest_mimic::{Failed, Trial};
use tempfile::TempDir;

use crate::place::{Place, Ran, Who, open_folder};

/// `me:secret`, as `htpasswd -B` writes it.
const HTPASSWD: &str = "me:$2y$05$GMvpKhuMxVGENgiriL0kHuPBgSPERGp2Rnjj7sUTh9mJeYxGYaAFG\n";
/// The same as docker keeps it.
const LOGIN: &str = "bWU6c2VjcmV0";

type Test = fn(Who) -> Result<(), Failed>;

/// The tests, each for everybody that whoever runs them can be.
pub(crate) fn trials() -> Vec<Trial> {
    let tests: [(&str, Test); 6] = [
        ("written, read by others, and built in", written),
        ("two that differ", apart),
        ("read from what others write", read),
        ("pushed to a registry and pulled", registry),
        ("a registry that wants to know who asks", logins),
        ("a registry that lies", lies),
    ];
    let mut trials = vec![Trial::test("images/a registry that takes tokens", crate::tokens::tokens)];
    for who in Who::all() {
        for (name, test) in tests {
            trials.push(Trial::test(format!("images/{}/{name}", who.word()), move || test(who)));
        }
    }
    trials
}

const SMALL: &str = r#"rbld 1
use std.oci

build small for arch in [amd64, arm64] = oci.build_image {
  files      = { "/bin/sh" = ./busybox, "/bin/busybox" = ./busybox, "/etc/motd" = ./motd, "/srv" = ./site/ }
  arch       = arch
  vars       = { PATH = "/bin", GREETING = "hello", HOME = "/root" }
  entrypoint = ["/bin/busybox"]
  cmd        = ["cat", "/etc/motd"]
  labels     = { title = "small" }
}
build both = oci.index([small[amd64], small[arm64]])
"#;

/// What is built in an environment `inside`.
const SEEN: &str = r#"
recipe look(e: Env, tools: String) {
  env     = e
  run     = """
    echo "$GREETING $PATH $HOME" > "$said"
    busybox cat /etc/motd /etc/hostname /srv/index.html >> "$said"
    busybox grep build /etc/passwd >> "$said"
    """
  outputs = { said = file("said.txt") }
}
build seen = look(inside, "")
"#;

/// What it says.
const SAID: &str =
    "hello /bin /build\ngood morning\nlocalhost\n<p>\nbuild:x:1000:1000:build:/build:/bin/sh\n";

pub(crate) struct Tools {
    pub(crate) _folder: TempDir,
    pub(crate) place: Place,
}

/// A project with an image, in a place of somebody's own.
pub(crate) fn project(who: Who) -> Result<Tools, Failed> {
    let folder = tempfile::Builder::new().prefix("rbld-images-").tempdir()?;
    let bin = folder.path().join("bin");
    open_folder(folder.path())?;
    open_folder(&bin)?;
    std::fs::copy(Path::new(env!("CARGO_BIN_EXE_rbld")), bin.join("rbld"))?;
    let place = Place::of(who, &bin)?;
    place.copy(&program("busybox", "busybox-static")?, "busybox")?;
    place.write("motd", "good morning\n")?;
    place.write("site/index.html", "<p>\n")?;
    place.write("build.rbld", SMALL)?;
    Ok(Tools { _folder: folder, place })
}

/// A program of this machine; a test that can't run says what to install.
pub(crate) fn program(name: &str, package: &str) -> Result<std::path::PathBuf, Failed> {
    let found =
        ["/usr/bin", "/bin", "/usr/sbin", "/usr/local/bin"].map(|folder| Path::new(folder).join(name));
    found
        .into_iter()
        .find(|path| path.is_file())
        .ok_or_else(|| format!("there is no `{name}`: `apt install {package}`, as .ci/run does").into())
}

pub(crate) fn says(ran: &Ran, words: &str) -> Result<(), Failed> {
    match ran.stdout.contains(words) || ran.stderr.contains(words) {
        true => Ok(()),
        false => Err(format!("`{words}` isn't in\n{}{}", ran.stdout, ran.stderr).into()),
    }
}

/// The digest of the image in a folder, as `index.json` has it.
fn digest(place: &Place, folder: &str) -> Result<String, Failed> {
    let index: serde_json::Value = serde_json::from_str(&place.read(&format!("{folder}/index.json"))?)?;
    let digest = index["manifests"][0]["digest"].as_str().ok_or("no digest")?;
    Ok(digest.to_owned())
}

fn written(who: Who) -> Result<(), Failed> {
    program("skopeo", "skopeo")?;
    program("umoci", "umoci")?;
    let Tools { place, _folder } = project(who)?;
    place.expect("rbld build -o out && rbld build -o again && diff -r out again", 0)?;
    place.expect("cd out && sha256sum -c --quiet SHA256SUMS", 0)?;
    let folder = "'out/small[amd64]'";
    let digest = digest(&place, "out/small[amd64]")?;
    let seen = place.expect(&format!("cp -r {folder} small && skopeo inspect oci:small"), 0)?;
    for words in [
        digest.as_str(),
        "\"Architecture\": \"amd64\"",
        "GREETING=hello",
        "\"title\": \"small\"",
        "2011-11-11T11:11:11Z",
    ] {
        says(&seen, words)?;
    }
    let unpack = "umoci unpack --rootless --image small:latest bundle && cmp busybox bundle/rootfs/bin/sh && \
                  cat bundle/rootfs/etc/motd && bundle/rootfs/bin/sh -c 'echo it runs'";
    let unpacked = place.expect(unpack, 0)?;
    says(&unpacked, "good morning\nit runs\n")?;
    // Of an index the readers take the image of the architecture that is asked for.
    let of = "skopeo --override-arch arm64 inspect oci:out/both";
    says(&place.expect(of, 0)?, "\"Architecture\": \"arm64\"")?;

    place.write(
        "inside.rbld",
        &format!("rbld 1\nuse std.oci\nuse ./build.rbld\nenv inside = oci.layout(build.both.layout)\n{SEEN}"),
    )?;
    place.expect("rbld build inside.rbld -o in", 0)?;
    match place.read("in/seen/said.txt")? {
        said if said == SAID => Ok(()),
        said => Err(format!("the build says\n{said}").into()),
    }
}

/// Of two manifests, and of two indexes, that name other digests the layer, the file and the line are told.
fn apart(who: Who) -> Result<(), Failed> {
    let Tools { place, _folder } = project(who)?;
    place.write("evening", "good evening\n")?;
    place.write(
        "apart.rbld",
        "rbld 1\nuse std.oci\n\n\
         fn small(arch: Arch, motd: Input, level: String) -> Build = oci.build_image {\n  \
         files  = { \"/bin/sh\" = ./busybox, \"/etc/motd\" = motd }\n  arch   = arch\n  labels = { level = level }\n}\n\
         build here for arch in [amd64, arm64] = small(arch, ./motd, \"1\")\n\
         build there for arch in [amd64, arm64] = small(arch, ./evening, \"1\")\n\
         build labelled = small(amd64, ./motd, \"2\")\n\
         build one = oci.index([here[amd64], here[arm64]])\n\
         build other = oci.index([here[amd64], there[arm64]])\n\n\
         assert \"images\" identical([here[amd64].manifest, there[amd64].manifest])\n\
         assert \"an index\" matches(other.manifest, one.manifest)\n\
         assert \"labels\" identical([here[amd64].manifest, labelled.manifest])\n",
    )?;
    let line = "line 1\n        - good morning\n        + good evening\n";
    let ran = place.expect("rbld check apart.rbld images", 1)?;
    says(&ran, &format!("layer 0 » etc/motd, {line}"))?;
    let ran = place.expect("rbld check apart.rbld 'an index'", 1)?;
    says(&ran, &format!("manifest 1 (linux/arm64), layer 0 » etc/motd, {line}"))?;
    let ran = place.expect("rbld check apart.rbld labels", 1)?;
    says(&ran, "manifest 0 (linux/amd64), configuration, line 1")?;
    says(&ran, r#"{"level":"2"}"#)
}

/// The digest of an environment's tree.
fn tree(place: &Place, file: &str, env: &str) -> Result<String, Failed> {
    let ran = place.expect(&format!("rbld build {file} {env} --format json"), 0)?;
    let report: serde_json::Value = serde_json::from_str(&ran.stdout)?;
    let derivations = report["derivations"].as_array().ok_or("the report lists no derivations")?;
    let found = derivations.iter().find(|derivation| derivation["name"] == env);
    let out = found.and_then(|derivation| derivation["outputs"]["out"]["digest"].as_str());
    Ok(out.ok_or_else(|| format!("`{env}` has no tree in\n{}", ran.stdout))?.to_owned())
}

fn read(who: Who) -> Result<(), Failed> {
    program("skopeo", "skopeo")?;
    let Tools { place, _folder } = project(who)?;
    place.expect("rbld build 'small[amd64]' -o out && mv 'out/small[amd64]' small", 0)?;
    for copy in [
        "skopeo copy -q oci:small docker-archive:saved.tar:small:1",
        "skopeo copy -q oci:small oci-archive:packed.tar:small",
        "skopeo copy -q --dest-compress --dest-compress-format zstd oci:small oci:zstd:small",
        "skopeo copy -q --dest-compress --dest-compress-format gzip oci:small oci:gzip:small",
        "gzip -k saved.tar",
    ] {
        place.expect(copy, 0)?;
    }
    place.write(
        "read.rbld",
        "rbld 1\nuse std.oci\n\nenv one = oci.layout(./small/)\nenv saved = oci.archive(./saved.tar)\n\
         env smaller = oci.archive(./saved.tar.gz)\nenv packed = oci.archive(./packed.tar)\n\
         env zstd = oci.layout(./zstd/)\nenv gzip = oci.layout(./gzip/)\n\
         env far = oci.layout(./small/, arch = arm64)\nenv empty = oci.layout(./site/)\n",
    )?;
    let one = tree(&place, "read.rbld", "one")?;
    for env in ["saved", "smaller", "packed", "zstd", "gzip"] {
        let other = tree(&place, "read.rbld", env)?;
        if other != one {
            return Err(format!("`{env}` comes to {other}, `one` to {one}").into());
        }
    }
    says(&place.expect("rbld build read.rbld far", 2)?, "the image is for linux/amd64, not for arm64")?;
    says(&place.expect("rbld build read.rbld empty", 2)?, "there is index.html")?;
    // A blob of other bytes: the layer isn't the one that the configuration tells of.
    let broken = "cp -r gzip broken && for blob in broken/blobs/sha256/*; do if head -c2 \"$blob\" | grep -q \"$(printf '\\037')\"; \
                  then printf x >> \"$blob\"; fi; done";
    place.expect(broken, 0)?;
    place.write("broken.rbld", "rbld 1\nuse std.oci\n\nenv broken = oci.layout(./broken/)\n")?;
    says(&place.expect("rbld build broken.rbld broken", 4)?, "the image isn't whole")
}

/// A registry on the loopback, which ends with the test.
pub(crate) struct Registry {
    child: Child,
    folder: TempDir,
    port: u16,
}

impl Registry {
    fn start(login: bool) -> Result<Registry, Failed> {
        let folder = tempfile::Builder::new().prefix("rbld-registry-").tempdir()?;
        std::fs::write(folder.path().join("htpasswd"), HTPASSWD)?;
        let at = folder.path().display();
        let auth = match login {
            true => format!("auth: {{htpasswd: {{realm: here, path: {at}/htpasswd}}}}\n"),
            false => String::new(),
        };
        Registry::with(folder, &auth)
    }

    /// One that keeps all in a folder, with what its configuration says of who may do what.
    pub(crate) fn with(folder: TempDir, auth: &str) -> Result<Registry, Failed> {
        let program = program("docker-registry", "docker-registry")?;
        let at = folder.path().display();
        let config = format!(
            "version: 0.1\nlog: {{level: info, accesslog: {{disabled: true}}}}\n\
             storage: {{filesystem: {{rootdirectory: {at}/data}}}}\nhttp: {{addr: \"127.0.0.1:0\"}}\n{auth}"
        );
        std::fs::write(folder.path().join("config.yml"), config)?;
        let mut child = Command::new(program)
            .args(["serve", "config.yml"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let stderr = child.stderr.take().ok_or("the registry has no log")?;
        let mut registry = Registry { child, folder, port: 0 };
        let mut said = String::new();
        let mut lines = BufReader::new(stderr).lines();
        while registry.port == 0 {
            let Some(line) = lines.next().transpose()? else {
                return Err(format!("the registry ends:\n{said}").into());
            };
            let port = line.split("listening on 127.0.0.1:").nth(1);
            let port = port.and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok());
            registry.port = port.unwrap_or(0);
            said += &line;
            said.push('\n');
        }
        // Its log is read to the end, or it would wait for whoever reads it.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(registry)
    }

    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The file of a blob.
    fn blob(&self, digest: &str) -> std::path::PathBuf {
        let hex = digest.trim_start_matches("sha256:");
        let blobs = "data/docker/registry/v2/blobs/sha256";
        self.folder.path().join(blobs).join(&hex[..2]).join(hex).join("data")
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A file with an image of a registry.
pub(crate) fn pulled(name: &str, digest: &str) -> String {
    let digest = if digest.is_empty() { String::new() } else { format!(", digest = {digest}") };
    format!("rbld 1\nuse std.oci\n\nenv inside = oci.image(\"{name}\"{digest})\n{SEEN}")
}

fn registry(who: Who) -> Result<(), Failed> {
    program("skopeo", "skopeo")?;
    let Tools { place, _folder } = project(who)?;
    let registry = Registry::start(false)?;
    let host = registry.host();
    let push = format!("rbld push 'small[amd64]' {host}/team/small:1.0");
    let first = place.expect(&push, 0)?;
    let digest = first.stdout.trim().rsplit('@').next().unwrap_or_default().to_owned();
    says(&place.expect(&push, 0)?, "0 sent, 3 there")?;
    let inspect = format!("skopeo inspect --tls-verify=false docker://{host}/team/small:1.0");
    says(&place.expect(&inspect, 0)?, &digest)?;
    let both = place.expect(&format!("rbld push both {host}/team/both:1.0"), 0)?;
    let index = both.stdout.trim().rsplit('@').next().unwrap_or_default().to_owned();
    let of = format!("skopeo --override-arch arm64 inspect --tls-verify=false docker://{host}/team/both:1.0");
    says(&place.expect(&of, 0)?, "\"Architecture\": \"arm64\"")?;

    let Tools { place: other, _folder: _other } = project(who)?;
    for (name, digest) in [("small", &digest), ("both", &index)] {
        other.write("pulled.rbld", &pulled(&format!("{host}/team/{name}:1.0"), digest))?;
        other.expect("rbld build pulled.rbld -o out", 0)?;
        if other.read("out/seen/said.txt")? != SAID {
            return Err("another image came back".into());
        }
    }
    let far = format!("env inside = oci.image(\"{host}/team/both\", digest = {index}, arch = riscv64)");
    other.write("far.rbld", &format!("rbld 1\nuse std.oci\n\n{far}\n"))?;
    says(&other.expect("rbld build far.rbld inside", 2)?, "the index has linux/amd64, linux/arm64/v8")?;
    // Nothing is pinned: the check says so before anything runs, and an update finds the digest.
    other.write("moving.rbld", &pulled(&format!("{host}/team/small:1.0"), ""))?;
    says(&other.expect("rbld check moving.rbld", 2)?, "the tag `1.0` may be moved")?;
    other.expect("rbld update moving.rbld && rbld build moving.rbld", 0)?;
    says(&other.expect("cat moving.rbld", 0)?, &digest)?;
    // A mirror of the user's stands for the registry that a file names.
    let Tools { place: mirrored, _folder: _mirrored } = project(who)?;
    mirrored.write("pulled.rbld", &pulled("registry.example/team/small", &digest))?;
    mirrored.expect(
        &format!(
            "mkdir -p \"$HOME/.config/rbld\" && printf '[mirrors]\\n\"https://registry.example\" = [\"http://{host}\"]\\n' \
             > \"$HOME/.config/rbld/config.toml\" && rbld build pulled.rbld"
        ),
        0,
    )?;
    let zeros = "0".repeat(63);
    other.write("absent.rbld", &pulled(&format!("{host}/team/small"), &format!("sha256:{zeros}1")))?;
    says(&other.expect("rbld build absent.rbld inside", 4)?, "answers 404")
}

fn logins(who: Who) -> Result<(), Failed> {
    let Tools { place, _folder } = project(who)?;
    let registry = Registry::start(true)?;
    let host = registry.host();
    let push = format!("rbld push 'small[amd64]' {host}/team/small:1.0");
    says(&place.expect(&push, 4)?, &format!("podman login {host}"))?;
    let login = |auth: &str| {
        let file = format!("{{\"auths\": {{\"{host}\": {{\"auth\": \"{auth}\"}}}}}}");
        format!("mkdir -p \"$HOME/.docker\" && printf '%s' '{file}' > \"$HOME/.docker/config.json\"")
    };
    // `me` with another password.
    let wrong = place.expect(&format!("{} && {push}", login("bWU6b3RoZXI=")), 4)?;
    says(&wrong, "refuses what is asked of it")?;
    let right = place.expect(&format!("{} && {push}", login(LOGIN)), 0)?;
    let digest = right.stdout.trim().rsplit('@').next().unwrap_or_default().to_owned();

    let Tools { place: other, _folder: _other } = project(who)?;
    other.write("pulled.rbld", &pulled(&format!("{host}/team/small"), &digest))?;
    other.expect("rbld build pulled.rbld inside", 4)?;
    let settings = format!(
        "mkdir -p \"$HOME/.config/rbld\" && printf '[credentials]\\n\"http://{host}\" = {{ user = \"me\", env = \"TOKEN\" }}\\n' \
         > \"$HOME/.config/rbld/config.toml\""
    );
    other.expect(&format!("{settings} && TOKEN=secret rbld build pulled.rbld"), 0)?;
    // A helper that isn't there is said by its name.
    let Tools { place: helped, _folder: _helped } = project(who)?;
    helped.write("pulled.rbld", &pulled(&format!("{host}/team/small"), &digest))?;
    let helper = format!("{{\"credHelpers\": {{\"{host}\": \"not-here\"}}}}");
    let line = format!(
        "mkdir -p \"$HOME/.docker\" && printf '%s' '{helper}' > \"$HOME/.docker/config.json\" && rbld build pulled.rbld inside"
    );
    says(&helped.expect(&line, 2)?, "docker-credential-not-here")
}

fn lies(who: Who) -> Result<(), Failed> {
    let Tools { place, _folder } = project(who)?;
    let registry = Registry::start(false)?;
    let host = registry.host();
    let pushed = place.expect(&format!("rbld push 'small[amd64]' {host}/team/small:1.0"), 0)?;
    let digest = pushed.stdout.trim().rsplit('@').next().unwrap_or_default().to_owned();
    let manifest: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(registry.blob(&digest))?)?;
    let layer = manifest["layers"][0]["digest"].as_str().ok_or("no layer")?.to_owned();
    let path = registry.blob(&layer);
    let whole = std::fs::read(&path)?;
    let mut changed = whole.clone();
    changed[600] ^= 1;
    for (bytes, why) in [(&changed[..], "expected sha256"), (&whole[..whole.len() / 2], "instead of")] {
        std::fs::write(&path, bytes)?;
        let Tools { place: other, _folder: _other } = project(who)?;
        other.write("pulled.rbld", &pulled(&format!("{host}/team/small"), &digest))?;
        let ran = other.expect("rbld build pulled.rbld inside", 4)?;
        says(&ran, why)?;
        says(&ran, layer.trim_start_matches("sha256:"))?;
        other.expect("rbld store verify", 0)?;
    }
    Ok(())
}

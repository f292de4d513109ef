//! Golden ids. A change here is a change of the specification (spec/06-derivations-and-keys.md): every id and
//! every key of every user changes with it.

use super::*;

fn digest(byte: u8) -> Digest {
    Digest::from_bytes([byte; 32])
}

fn archive() -> ArchiveId {
    ArchiveId { name: "debian".to_owned(), instant: 1_795_132_800 }
}

fn package() -> Package {
    Package {
        name: "bash".to_owned(),
        arch: "amd64".to_owned(),
        version: "5.2.15-2+b7".to_owned(),
        digest: digest(1),
        size: 1_491_312,
        path: "pool/main/b/bash/bash_5.2.15-2+b7_amd64.deb".to_owned(),
        origin: None,
    }
}

fn environment() -> Environment {
    Environment {
        arch: Arch::Amd64,
        archive: archive(),
        packages: vec![package()],
        replaced: Vec::new(),
        rules: ENVIRONMENT_RULES,
        emulator: None,
        expected: None,
        request: digest(9),
    }
}

fn url() -> Derivation {
    Derivation::Fetch(Fetch::Url {
        urls: vec!["https://example.org/a.tar.gz".to_owned()],
        digest: digest(2),
        name: "a.tar.gz".to_owned(),
    })
}

fn build() -> Build {
    Build {
        arch: Arch::Amd64,
        env: InputRef { derivation: Derivation::Environment(environment()).id(), output: "out".into() },
        inputs: ByName::from([("src", InputRef { derivation: url().id(), output: "out".into() })]),
        workdir: Some("src".into()),
        script: "make dist\n".into(),
        shell: Shell::Sh,
        vars: ByName::from([("VERSION", "1.0".into())]),
        outputs: ByName::from([
            ("debs", OutputSpec::Files("*.deb".to_owned()).into()),
            ("dist", OutputSpec::File("a-1.0.tar.gz".to_owned()).into()),
        ]),
        timeout: 3600,
        emulator: None,
    }
}

fn guix(base: bool) -> Guix {
    let item = |name: &str, byte| GuixItem {
        path: format!("/gnu/store/00ixq4z1ccvjd8nzgs0ffl6v2wllnplv-{name}"),
        nar_hash: digest(byte),
        nar_size: 632,
    };
    Guix {
        arch: Arch::Amd64,
        base: base.then(|| InputRef {
            derivation: Derivation::Environment(environment()).id(),
            output: "out".into(),
        }),
        items: vec![item("bash-5.2", 5), item("hello-2.12.1", 6)],
        profile: vec!["/gnu/store/00ixq4z1ccvjd8nzgs0ffl6v2wllnplv-hello-2.12.1".to_owned()],
        search_paths: vec![guix::path_variable()],
        rules: guix::PROFILE_RULES,
        expected: None,
        request: digest(9),
    }
}

fn emulated() -> Environment {
    let emulator = Emulator { host: Arch::Amd64, package: package(), archive: archive() };
    Environment { arch: Arch::Arm64, emulator: Some(emulator.into()), ..environment() }
}

/// One of each kind, with its id.
#[expect(clippy::too_many_lines, reason = "a table")]
fn golden() -> Vec<(&'static str, Derivation, &'static str)> {
    let git = |submodules| {
        Derivation::Fetch(Fetch::Git {
            url: "https://example.org/a.git".to_owned(),
            commit: "136fc8bfe91a64d28b6c54cf8f5930ffe787c16e".to_owned(),
            reference: Some("v1.0".to_owned()),
            submodules,
        })
    };
    let local = |folder, executable| {
        Derivation::Fetch(Fetch::Local {
            path: "a".to_owned(),
            package: None,
            digest: digest(3),
            folder,
            executable,
        })
    };
    let file = PoolFile {
        name: "ucf_3.0043.dsc".to_owned(),
        digest: digest(4),
        size: 1451,
        path: "pool/main/u/ucf/ucf_3.0043.dsc".to_owned(),
        origin: None,
    };
    let pool = Fetch::Pool { archive: archive(), name: "ucf 3.0043".to_owned(), files: vec![file] };
    let from = InputRef { derivation: url().id(), output: "out".into() };
    let replaced = Replaced { packages: vec![from.clone()], add: vec!["ucf".to_owned()] };
    let staged = Environment { replaced: vec![replaced], ..environment() };
    vec![
        (
            "staged environment",
            Derivation::Environment(staged),
            "e7503af8384de15aae99c717347a938e81cbcd87cfc13a0c5c49da94588e49f7",
        ),
        ("url", url(), "a998ca38f7cb266b75ba08c041cef24cdda2645ffdade63f643f0c0071e8ec81"),
        ("git", git(false), "1bdad45ec237e93d73f64396306cad3655a50c28b54bdd178971e4bd4a2e0ea7"),
        (
            "git with submodules",
            git(true),
            "4dcada221c12bf6e0f6378ae050f9e2bbb25d392ad230f8656a18df9027afdb6",
        ),
        ("file", local(false, false), "3e605393b61525499ea2c9c981c6fe0a875d1e0b6b35363cd695cf2b63f7a807"),
        (
            "executable",
            local(false, true),
            "373e169b28eae48cdd996ebb0eb84b7d6b6501be3fe3a21872ba1fdea215402a",
        ),
        ("folder", local(true, false), "c995cf3091131e25b0fcc4099a7816628b9393664876179b7dce6d7e6e259b26"),
        ("pool", Derivation::Fetch(pool), "3caa8d965987fb8adee4990d3f8cdc5323a90840d880cfa8f40d84b218ccdea0"),
        (
            "unpack",
            Derivation::Fetch(Fetch::Unpack { from, strip: 1 }),
            "80207236da938644dfe5a70d2bae1511a8d0125da42df13b572450178ea500f3",
        ),
        (
            "environment",
            Derivation::Environment(environment()),
            "4c21701b5f4849930de3060b2b578dc7f2a68cda85cdc2ff6fc9a1e626c9fb30",
        ),
        (
            "emulated environment",
            Derivation::Environment(emulated()),
            "37f0965151d868a5f909ae7d99f74ff6ac7493bedbcb43a9e3e1606dd2771669",
        ),
        (
            "guix",
            Derivation::Guix(guix(false)),
            "60a7d40ba33274af4419aeedbb9193416a97bf4c1cb4840f9fc15ded24ea1e62",
        ),
        (
            "guix over an environment",
            Derivation::Guix(guix(true)),
            "3def052aa7e77b0199c8b2609eab8dba05a1312bf687509ac7472b83137289ee",
        ),
        (
            "image root",
            Derivation::ImageRoot(image_root()),
            "389d5f43a89b6560f838470defe10aff4e8aafdabc417b48fbd3bf339c04b38c",
        ),
        (
            "image",
            Derivation::Image(image()),
            "90f6b0c1fb45a797a5dbb9d89c91c4065921005ccf056b2ea9b7aa5b06d964c2",
        ),
        (
            "image index",
            Derivation::ImageIndex(image_index()),
            "c020fbe465dbdf4010a5f2d5980cc5f081a7e6677e019d58e21e15db727fef0b",
        ),
        (
            "build",
            Derivation::Build(build()),
            "e3d91e0cae9427953890a8186b46727043bca57ffeac952482fe681bbdc3e1c0",
        ),
        (
            "bash build",
            Derivation::Build(Build { shell: Shell::Bash, workdir: None, ..build() }),
            "17464d8e6ddbf230107e034c820a2327664b0983dd532c9537bbda3c16a144b1",
        ),
    ]
}

fn image_root() -> ImageRoot {
    let name = ImageName::parse("registry.example/a:1").expect("a name");
    let from = ImageSource::Registry { name, digest: digest(3) };
    ImageRoot { arch: Arch::Amd64, from, rules: IMAGE_RULES }
}

fn image() -> Image {
    let out = |derivation: Derivation| InputRef { derivation: derivation.id(), output: Arc::from("out") };
    let settings = ImageSettings {
        entrypoint: vec!["/bin/a".to_owned()],
        vars: [("PATH".to_owned(), "/bin".to_owned())].into(),
        created: Some(0),
        name: "latest".to_owned(),
        ..ImageSettings::default()
    };
    let base = Some(out(Derivation::ImageRoot(image_root())));
    Image { arch: Arch::Amd64, base, files: [(Arc::from("bin/a"), out(url()))].into(), settings }
}

fn image_index() -> ImageIndex {
    let layout = InputRef { derivation: Derivation::Image(image()).id(), output: Arc::from("layout") };
    ImageIndex { images: vec![layout], name: "latest".to_owned() }
}

#[test]
fn where_an_image_is_enters_no_id() {
    let name = ImageName::parse("elsewhere.example/b").expect("a name");
    let moved = ImageRoot { from: ImageSource::Registry { name, digest: digest(3) }, ..image_root() };
    assert_eq!(Derivation::ImageRoot(moved).id(), Derivation::ImageRoot(image_root()).id());
}

#[test]
fn ids_never_change() {
    let wrong: Vec<String> = golden()
        .into_iter()
        .filter(|(_, derivation, id)| derivation.id().to_string() != *id)
        .map(|(what, derivation, _)| format!("{what} {}", derivation.id()))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_bytes_of_the_specifications_example_are_those_that_are_hashed() {
    let chapter = include_str!("../../../spec/06-derivations-and-keys.md");
    let dump =
        chapter.split("```bytes\n").nth(1).and_then(|rest| rest.split("```").next()).expect("the bytes");
    let digits = dump.lines().flat_map(|line| line.split_whitespace().skip(1));
    let bytes: Vec<u8> = digits.map(|digits| u8::from_str_radix(digits, 16).expect("two digits")).collect();
    assert_eq!(Digest::of(&bytes), url().id().0);
}

#[test]
fn what_decides_no_bytes_is_in_no_id() {
    let moved = Derivation::Fetch(Fetch::Url {
        urls: vec!["https://mirror.example.org/b".to_owned()],
        digest: digest(2),
        name: "a.tar.gz".to_owned(),
    });
    assert_eq!(moved.id(), url().id());
    let patient = Build { timeout: 1, ..build() };
    assert_eq!(Derivation::Build(patient).id(), Derivation::Build(build()).id());
    let known = Environment {
        archive: ArchiveId { name: "elsewhere".to_owned(), instant: 0 },
        expected: Some(digest(7)),
        request: digest(8),
        packages: vec![Package {
            path: "elsewhere".to_owned(),
            size: 0,
            origin: Some(archive()),
            ..package()
        }],
        ..environment()
    };
    assert_eq!(Derivation::Environment(known).id(), Derivation::Environment(environment()).id());
    let known = Guix { expected: Some(digest(7)), request: digest(8), ..guix(true) };
    assert_eq!(Derivation::Guix(known).id(), Derivation::Guix(guix(true)).id());
}

#[test]
fn what_is_explained_is_what_is_hashed() {
    let facts: Vec<String> = Derivation::Build(build())
        .explain()
        .into_iter()
        .map(|(path, value)| format!("{path} = {value}"))
        .collect();
    let env = Derivation::Environment(environment()).id();
    let src = url().id();
    assert_eq!(
        facts,
        [
            "kind = build".to_owned(),
            "arch = amd64".to_owned(),
            format!("env = {env} out"),
            format!("inputs.src = {src} out"),
            "workdir = src".to_owned(),
            "shell = sh".to_owned(),
            "script = make dist\n".to_owned(),
            "vars.VERSION = 1.0".to_owned(),
            "outputs.debs = files *.deb".to_owned(),
            "outputs.dist = file a-1.0.tar.gz".to_owned(),
        ]
    );
}

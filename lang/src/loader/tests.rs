use super::*;
use crate::derivation::Arch;
use crate::{Host, evaluate};

fn tree(digit: &str) -> Digest {
    digit.repeat(64).parse().expect("a digest")
}

fn requires(packages: &[(&str, &str)]) -> String {
    let entries = packages.iter().map(|(name, digit)| {
        let (commit, tree) = (digit.repeat(40), digit.repeat(64));
        format!("  {name} = git {{ url = \"https://a.example/{name}\", commit = commit:{commit}, tree = sha256:{tree} }}\n")
    });
    format!("rbld 1\nlet requires = {{\n{}}}\n", entries.collect::<String>())
}

fn package(name: &str, exports: &str) -> String {
    format!("rbld 1\nlet name = \"{name}\"\nlet exports = [{exports}]\n")
}

/// What is found wrong: where, and the message.
fn told(loader: &MemoryLoader) -> Vec<String> {
    let project = load("build.rbld", loader);
    let evaluated = evaluate(&project, loader, &Host { arch: Arch::Amd64 });
    let shown = evaluated.diagnostics.iter().map(|wrong| {
        let places = wrong.labels.iter().map(|label| {
            let name = &project.sources.get(label.span.file).name;
            format!("{name}:{}", project.sources.position(label.span).0)
        });
        format!("{} {}: {}", wrong.code.0, places.collect::<Vec<_>>().join(" "), wrong.message)
    });
    shown.collect()
}

fn value(loader: &MemoryLoader, name: &str) -> String {
    assert_eq!(told(loader), Vec::<String>::new());
    let project = load("build.rbld", loader);
    let evaluated = evaluate(&project, loader, &Host { arch: Arch::Amd64 });
    evaluated.values.get(name).map_or_else(|| "nothing".to_owned(), crate::value::Value::show)
}

const KINDS: &str =
    "rbld 1\ntype Kind = plain | signed\nlet version = 1\nfn shown(kind: Kind) -> String = text(kind)\n";

fn two_versions(build: &str) -> MemoryLoader {
    let newer = KINDS.replace("version = 1", "version = 2");
    MemoryLoader::new([
        ("build.rbld", build),
        ("package.rbld", requires(&[("gnu", "2"), ("gnu_old", "1"), ("same", "2")]).as_str()),
    ])
    .with_package(tree("1"), [("package.rbld", package("gnu", "\"dist\"").as_str()), ("dist.rbld", KINDS)])
    .with_package(
        tree("2"),
        [("package.rbld", package("gnu", "\"dist\"").as_str()), ("dist.rbld", newer.as_str())],
    )
}

#[test]
fn two_versions_live_side_by_side() {
    let both = "rbld 1\nuse gnu.dist\nuse gnu_old.dist as old\nlet a = [dist.version, old.version]\n";
    assert_eq!(value(&two_versions(both), "a"), "[2, 1]");
    let across = "rbld 1\nuse gnu.dist\nuse gnu_old.dist as old\nlet kind: old.Kind = plain\nlet a = dist.shown(kind)\n";
    assert_eq!(
        told(&two_versions(across)),
        [
            "E0202 build.rbld:5 <gnu>/dist.rbld:2 <gnu_old>/dist.rbld:2 <gnu>/dist.rbld:4: `kind` of `shown` wants `Kind`, this is \
          a `Kind`: the first is of `<gnu>/dist.rbld`, this one of `<gnu_old>/dist.rbld`"
        ]
    );
    // The same tree by another name is the same package.
    let same = "rbld 1\nuse gnu.dist\nuse same.dist as again\nlet kind: again.Kind = plain\nlet a = dist.shown(kind)\n";
    assert_eq!(value(&two_versions(same), "a"), "\"plain\"");
}

#[test]
fn a_package_uses_its_own_packages_as_it_says() {
    let inner = format!("{}{}", package("common", "\"names\""), "");
    let outer = package("gnu", "\"dist\"") + requires(&[("common", "3")]).trim_start_matches("rbld 1\n");
    let loader = |build: &str, own: &str| {
        MemoryLoader::new([("build.rbld", build), ("package.rbld", own)])
            .with_package(
                tree("2"),
                [
                    ("package.rbld", outer.as_str()),
                    (
                        "dist.rbld",
                        "rbld 1\nuse common.names\nuse ./deep/part.rbld\nlet all = names.list ++ part.more\n",
                    ),
                    ("deep/part.rbld", "rbld 1\nuse ./../secret.rbld\nlet more = [secret.word]\n"),
                    ("secret.rbld", "rbld 1\nlet word = \"s\"\n"),
                ],
            )
            .with_package(
                tree("3"),
                [("package.rbld", inner.as_str()), ("names.rbld", "rbld 1\nlet list = [\"a\"]\n")],
            )
    };
    let own = requires(&[("gnu", "2")]);
    assert_eq!(value(&loader("rbld 1\nuse gnu.dist\nlet a = dist.all\n", &own), "a"), "[\"a\", \"s\"]");
    // What a package requires is no name of the project.
    let told = told(&loader("rbld 1\nuse common.names\nlet a = names.list\n", &own));
    assert!(told[0].starts_with("E0201 build.rbld:2: there is no package `common`"), "{told:?}");
}

#[test]
fn an_error_inside_of_a_package_names_both_places() {
    let own = requires(&[("gnu", "2")]);
    let loader = |dist: &str, build: &str| {
        MemoryLoader::new([("build.rbld", build), ("package.rbld", own.as_str())]).with_package(
            tree("2"),
            [("package.rbld", package("gnu", "\"dist\"").as_str()), ("dist.rbld", dist)],
        )
    };
    let build = "rbld 1\nuse gnu.dist\nlet a = dist.f(\"x\")\n";
    assert_eq!(
        told(&loader("rbld 1\nfn f(a: String) -> Int = a\n", build)),
        ["E0202 <gnu>/dist.rbld:2 <gnu>/dist.rbld:2 build.rbld:2: `f` is to give `Int`, this is a `String`"]
    );
    let deep = "rbld 1\nfn f(a: String) -> Input = g(a)\nfn g(a: String) -> Input = h(a)\nfn h(a: String) -> Input = ./none\n";
    assert_eq!(
        told(&loader(deep, build)),
        [
            "E0201 <gnu>/dist.rbld:4 <gnu>/dist.rbld:3 <gnu>/dist.rbld:2 build.rbld:3: there is no `none` in the package"
        ]
    );
    assert_eq!(
        told(&loader("rbld 1\nlet a = ./../../x\nfn f(a: String) -> Input = ./../etc\n", build))[0],
        "E0206 <gnu>/dist.rbld:2 build.rbld:2: `./../../x` lies outside the package's folder"
    );
}

#[test]
fn what_is_not_exported_or_not_there_is_said() {
    let own = requires(&[("gnu", "2"), ("gone", "4"), ("bare", "5"), ("loose", "6")]);
    let loose = format!(
        "{}let requires = {{ x = git {{ url = \"https://a.example\" }} }}\n",
        package("loose", "\"a\"")
    );
    let told = |uses: &str| {
        told(
            &MemoryLoader::new([
                ("build.rbld", format!("rbld 1\n{uses}\n").as_str()),
                ("package.rbld", own.as_str()),
            ])
            .with_package(
                tree("2"),
                [
                    ("package.rbld", package("gnu", "\"dist\", \"lost\"").as_str()),
                    ("dist.rbld", "rbld 1\n"),
                    ("private.rbld", "rbld 1\n"),
                ],
            )
            .with_package(tree("5"), [("README", "")])
            .with_package(tree("6"), [("package.rbld", loose.as_str()), ("a.rbld", "rbld 1\nuse x.y\n")]),
        )
    };
    for (uses, expected) in [
        (
            "use gnu.private",
            "E0211 build.rbld:2 <gnu>/package.rbld:3: the package `gnu` exports no module `private`",
        ),
        (
            "use gnu",
            "E0211 build.rbld:2 <gnu>/package.rbld:3: `gnu` is a package, and `use` names a module of one",
        ),
        (
            "use gnu.lost",
            "E0201 build.rbld:2: can't read `lost.rbld` of the package `gnu`: it does not exist",
        ),
        ("use gnuu.dist", "E0201 build.rbld:2: there is no package `gnuu`"),
        ("use gone.dist", "E0212 build.rbld:2: the package `gone` isn't in the store"),
        (
            "use bare.dist",
            "E0213 build.rbld:2 package.rbld:5: `bare` is no package: it has no `package.rbld`",
        ),
        (
            "use loose.a",
            "E0203 <loose>/package.rbld:4 <loose>/a.rbld:2 build.rbld:2: package `x` is not pinned: it has neither commit nor tree",
        ),
    ] {
        assert_eq!(told(uses), [expected], "{uses}");
    }
}

#[test]
fn the_absent_are_named_once_and_may_be_fetched() {
    let own = requires(&[("gone", "4"), ("again", "4")]);
    let loader = MemoryLoader::new([
        ("build.rbld", "rbld 1\nuse gone.dist\nuse again.dist as other\n"),
        ("package.rbld", own.as_str()),
    ]);
    let project = load("build.rbld", &loader);
    let absent: Vec<&str> = project.absent.iter().map(|absent| absent.name.as_str()).collect();
    assert_eq!(absent, ["gone"]);
    assert_eq!(project.absent[0].pinned.url, "https://a.example/gone");
}

#[test]
fn a_ring_of_packages_ends() {
    // No two real trees hold each other's digests; whoever hands out other trees gets an error and no loop.
    let ring = |name: &str, other: &str, digit: &str| {
        package(name, "\"m\"") + requires(&[(other, digit)]).trim_start_matches("rbld 1\n")
    };
    let own = requires(&[("a", "1")]);
    let loader =
        MemoryLoader::new([("build.rbld", "rbld 1\nuse a.m\nlet x = m.x\n"), ("package.rbld", own.as_str())])
            .with_package(
                tree("1"),
                [
                    ("package.rbld", ring("a", "b", "2").as_str()),
                    ("m.rbld", "rbld 1\nuse b.m\nlet x = m.x\n"),
                ],
            )
            .with_package(
                tree("2"),
                [
                    ("package.rbld", ring("b", "a", "1").as_str()),
                    ("m.rbld", "rbld 1\nuse a.m\nlet x = m.x\n"),
                ],
            );
    assert!(
        told(&loader)[0].contains("files use each other in a ring: <a>/m.rbld → <a.b>/m.rbld"),
        "{:?}",
        told(&loader)
    );
}

#[test]
fn files_of_a_package_are_its_own() {
    let own = requires(&[("gnu", "2")]);
    let loader = MemoryLoader::new([
        ("build.rbld", "rbld 1\nuse gnu.dist\ninput a = dist.data\ninput b = ./data\n"),
        ("package.rbld", own.as_str()),
        ("data", "the project's"),
    ])
    .with_package(
        tree("2"),
        [
            ("package.rbld", package("gnu", "\"dist\"").as_str()),
            ("dist.rbld", "rbld 1\nlet data = ./data\n"),
            ("data", "the package's"),
        ],
    );
    assert_eq!(told(&loader), Vec::<String>::new());
    let project = load("build.rbld", &loader);
    let host = Host { arch: Arch::Amd64 };
    let evaluated = evaluate(&project, &loader, &host);
    let (plan, _) = crate::instantiate(&evaluated, None, &host);
    let locals = plan.derivations.values().filter_map(|derivation| match derivation {
        crate::derivation::Derivation::Fetch(crate::derivation::Fetch::Local { package, digest, .. }) => {
            Some((*package, *digest))
        }
        _ => None,
    });
    let locals: Vec<_> = locals.collect();
    assert!(locals.contains(&(Some(tree("2")), Digest::of(b"the package's"))), "{locals:?}");
    assert!(locals.contains(&(None, Digest::of(b"the project's"))), "{locals:?}");
}

#[test]
fn the_standard_library_is_a_package() {
    let text = include_str!("../../../stdlib/package.rbld");
    let (file, wrong) = crate::syntax::parse(FileId(0), text);
    let (manifest, more) = crate::package::read(&file);
    assert_eq!((wrong, more), (Vec::new(), Vec::new()));
    assert_eq!(manifest.name.map(|name| name.node), Some("std".to_owned()));
    let exports: Vec<String> = manifest
        .exports
        .into_iter()
        .flat_map(|all| all.node)
        .map(|module| format!("std.{}", module.node))
        .collect();
    assert_eq!(
        exports,
        library().map(|(name, _)| name.to_owned()).collect::<Vec<_>>(),
        "as in `STD` of loader.rs"
    );
}

//! The index of names: that what it says of a name is so, and what it offers where.

use super::*;
use crate::loader::{MemoryLoader, Project, load};

const FILES: [(&str, &str); 4] = [
    ("debian-rebuild", include_str!("../../../../examples/debian-rebuild/build.rbld")),
    ("git-archive", include_str!("../../../../examples/git-archive/build.rbld")),
    ("four-environments", include_str!("../../../../examples/four-environments/build.rbld")),
    (
        "odd",
        "rbld 1\nuse std.debian as d\nlet a = 1\nlet r = { a, \"b\" = 2 }\ntype T = { x: Int, y: d.Suite? }\n\
         let t: T = { x = a, y = sid }\nlet m: Map[d.Suite, Int] = { sid = r.b }\n\
         fn f(x: Int, y: Int = 2) -> List[Int] = [for z in [x, y] if z > r.a: z]\n\
         test \"one\" f(1, y = a) == [t.x] and length(iterate(3, 1, g)) == 3\nfn g(x: Int) -> Int = x + m[sid]\n",
    ),
];

fn project(name: &str, text: &str) -> Project {
    let project = load(name, &MemoryLoader::new([(name, text)]));
    assert_eq!(project.diagnostics, []);
    project
}

#[test]
fn a_name_is_spelled_as_what_it_refers_to() {
    for (name, text) in FILES {
        let project = project(name, text);
        let (program, index) = super::super::index(&project, None);
        assert_eq!(
            program.diagnostics,
            super::super::check(&project).diagnostics,
            "the index changes nothing"
        );
        assert!(index.uses.len() > 20, "{name}: {}", index.uses.len());
        for used in &index.uses {
            let written = project.sources.slice(used.span).trim_matches('"');
            let meant = match used.definition {
                Definition::Item(id) => program.items[id.index()].name.to_string(),
                Definition::Inner(_, span) => project.sources.slice(span).trim_matches('"').to_owned(),
                Definition::Module(_) | Definition::Builtin => continue,
            };
            assert_eq!(written, meant, "{name}: {used:?}");
        }
    }
}

#[test]
fn every_name_of_the_odd_file_is_noted() {
    let (name, text) = FILES[3];
    let project = project(name, text);
    let (_, index) = super::super::index(&project, None);
    let words = ["rbld", "use", "std", "as", "let", "type", "fn", "test", "for", "in", "if", "and", "one"];
    let mut at = 0;
    for word in text.split(|letter: char| !letter.is_alphanumeric() && letter != '_') {
        let (start, end) = (at as u32, (at + word.len()) as u32);
        at += word.len() + 1;
        let keyword =
            words.contains(&word) || word.is_empty() || word.starts_with(|c: char| c.is_ascii_digit());
        let built_in = ["List", "Map", "debian"].contains(&word);
        // A key may be written in quotes, which belong to its place.
        let noted = index.uses.iter().any(|used| {
            let within = used.span.start <= start && end <= used.span.end;
            within && project.sources.slice(used.span).trim_matches('"') == word
        });
        assert!(keyword || built_in || noted, "`{word}` at {start}");
    }
}

/// What could stand at `|`.
fn offered(text: &str) -> Vec<String> {
    let at = text.find('|').unwrap_or(0);
    let project = load("a", &MemoryLoader::new([("a", text.replace('|', "").as_str())]));
    let (_, index) = super::super::index(&project, Some((project.modules[0].file, at as u32)));
    index.candidates.into_iter().map(|candidate| candidate.name).collect()
}

#[test]
fn what_could_stand_somewhere_is_what_may() {
    assert_eq!(offered("rbld 1\nlet r = { a = 1, b = 2 }\nlet x = r.a|\n"), ["a", "b"]);
    assert_eq!(offered("rbld 1\ntype T = { a: Int, b: Int? }\nlet t: T = { a = 1, c| = 2 }\n"), ["a", "b"]);
    assert_eq!(
        offered("rbld 1\nuse std.debian\nlet x = debian.z|\n"),
        ["snapshot", "packages", "staged", "rebuild", "rebuild_in", "package"]
    );
    let values = offered("rbld 1\nlet y = 1\nfn f(x: Int) -> Int = z|\n");
    assert_eq!(values[..2], ["x", "y"]);
    let named = offered("rbld 1\nfn f(x: Int, y: Int = 2) -> Int = x\nlet a = f(x = 1, z| = 2)\n");
    assert_eq!(named, ["y"]);
}

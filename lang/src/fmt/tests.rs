//! The layout against the repository's own texts, mangled ones and small ones.

use proptest::prelude::*;

use super::*;
use crate::syntax::tokens;

fn formatted(text: &str) -> String {
    format(FileId(0), text).unwrap_or_else(|wrong| panic!("{text}\n{wrong:#?}"))
}

/// What is formatted keeps its meaning and its comments, and stays as it is when it is formatted again.
fn hold(text: &str) {
    let once = formatted(text);
    assert!(same(text, &once), "another meaning:\n{text}\nbecame\n{once}");
    assert_eq!(formatted(&once), once, "formatted again, from\n{text}");
}

#[track_caller]
fn becomes(text: &str, expected: &str) {
    hold(&format!("rbld 1\n{text}"));
    let found = formatted(&format!("rbld 1\n{text}"));
    assert_eq!(found.strip_prefix("rbld 1\n").unwrap(), expected);
}

/// All texts of the repository that could be files of the language: files, the blocks of the specification, the files
/// in cases.
#[expect(clippy::disallowed_methods, reason = "the files of a test")]
fn corpus() -> Vec<String> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let mut folders =
        ["stdlib", "examples", "spec", "tests", "lang/src"].map(|name| format!("{root}/{name}")).to_vec();
    let mut texts = Vec::new();
    while let Some(folder) = folders.pop() {
        let mut entries: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            let name = path.display().to_string();
            let extension = path.extension().and_then(|extension| extension.to_str());
            match extension {
                _ if path.is_dir() => folders.push(name),
                Some("rbld") => texts.push(std::fs::read_to_string(path).unwrap()),
                Some("md") => {
                    let text = std::fs::read_to_string(path).unwrap();
                    let blocks = text.split("\n```rbld").skip(1).filter_map(|rest| rest.split_once('\n'));
                    texts.extend(blocks.map(|(_, block)| {
                        let block = block.split("\n```").next().unwrap();
                        let has_edition = block.lines().any(|line| line.starts_with("rbld "));
                        format!("{}{block}\n", if has_edition { "" } else { "rbld 1\n" })
                    }));
                }
                Some("txtar") => {
                    let text = std::fs::read_to_string(path).unwrap();
                    texts.extend(text.split("\n-- ").skip(1).filter_map(|file| {
                        let (name, text) = file.split_once(" --\n")?;
                        name.ends_with(".rbld").then(|| format!("{text}\n"))
                    }));
                }
                _ => {}
            }
        }
    }
    texts
}

#[test]
fn all_texts_of_the_repository_keep_their_meaning() {
    let texts = corpus();
    let good: Vec<_> = texts.iter().filter(|text| format(FileId(0), text).is_ok()).collect();
    assert!(good.len() > 50, "{} of {}", good.len(), texts.len());
    good.into_iter().for_each(|text| hold(text));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the files of a test")]
fn the_files_of_the_repository_are_formatted() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let mut folders =
        ["stdlib", "examples", "lang/src/syntax", "tests"].map(|name| format!("{root}/{name}")).to_vec();
    let mut wrong = Vec::new();
    let mut count = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("broken") && !path.ends_with("corpus") {
                folders.push(path.display().to_string());
            } else if path.extension().is_some_and(|extension| extension == "rbld") {
                let text = std::fs::read_to_string(&path).unwrap();
                count += 1;
                if format(FileId(0), &text).as_ref() != Ok(&text) {
                    wrong.push(path);
                }
            }
        }
    }
    assert!(count >= 6);
    assert!(wrong.is_empty(), "`rbld fmt` changes {wrong:?}");
}

proptest! {
    /// Other blanks, line ends and comments between the words of what the repository holds.
    #[test]
    fn another_layout_keeps_the_meaning(which in any::<prop::sample::Index>(), seed in any::<u64>()) {
        let texts = corpus();
        let text = which.get(&texts);
        let mut seed = seed | 1;
        let mut below = |bound: u64| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed % bound
        };
        let mut mangled = String::new();
        let mut before = 0;
        for token in tokens::scan(text) {
            mangled.push_str(&text[before..token.start]);
            before = token.start;
            let column0 = token.start == 0 || text.as_bytes()[token.start - 1] == b'\n';
            if !column0 && below(6) == 0 {
                let blanks = ["", " ", "  ", "\t", "\n  ", " # c\n  ", "\n\n\n  ", "\n# c\n  ", "\n## d\n ", ",", ",\n "];
                mangled.push_str(blanks[below(blanks.len() as u64) as usize]);
            }
        }
        mangled.push_str(&text[before..]);
        if format(FileId(0), &mangled).is_ok() {
            hold(&mangled);
        }
    }

    #[test]
    fn nothing_panics(text in "\\PC{0,200}") {
        let _ = format(FileId(0), &text);
        let _ = format(FileId(0), &format!("rbld 1\nlet a = {text}\n"));
    }
}

#[test]
fn blanks_between_words() {
    becomes("let   a=1+2*-3\n", "let a = 1 + 2 * -3\n");
    becomes("let a = [ 1,2 , 3 ]\n", "let a = [1, 2, 3]\n");
    becomes("let a = {b=1,c}\n", "let a = { b = 1, c }\n");
    becomes("let a = f {b=1} . c [ 0 ] (d).*\n", "let a = f { b = 1 }.c[0](d).*\n");
    becomes("let a = {   }\n", "let a = {}\n");
    becomes("let a = not(b)and -c==d\n", "let a = not (b) and -c == d\n");
    becomes("fn f(a:Int ?=none)->List [ Int ] =a\n", "fn f(a: Int? = none) -> List[Int] = a\n");
    becomes("test \"x\"-a==[b]\n", "test \"x\" -a == [b]\n");
    becomes("test \"x\"(a)\n", "test \"x\" (a)\n");
    becomes("let a = ./b .c\n", "let a = ./b .c\n");
    becomes("let a = [for x in xs if x!=y:x]\n", "let a = [for x in xs if x != y: x]\n");
    becomes("type A=b|c\n", "type A = b | c\n");
    becomes(
        "let a = 2025-11-28T00:00:00Z\r\nlet b = 97.5%\n",
        "let a = 2025-11-28T00:00:00Z\nlet b = 97.5%\n",
    );
}

#[test]
fn breaks_that_were_chosen_stay() {
    becomes("let a = [\n1,\n  2]\n".replace("\n1", "\n 1").as_str(), "let a = [\n  1,\n  2,\n]\n");
    becomes("let a = [1,\n    2,\n ]\n", "let a = [1,\n  2]\n");
    becomes("let a = { b = 1\n    cde = 2 }\n", "let a = {\n  b   = 1\n  cde = 2\n}\n");
    becomes("let a = {\n b = 1, c,}\n", "let a = {\n  b = 1\n  c\n}\n");
    becomes("let a = f([\n  1,\n  2\n  ], {\n b = 1\n  })\n", "let a = f([\n  1,\n  2,\n], {\n  b = 1\n})\n");
    becomes("let a =\n     b ++\n  c\n", "let a =\n  b ++\n  c\n");
    becomes("let a = {\n  b = c ++\n  d\n}\n", "let a = {\n  b = c ++\n    d\n}\n");
    becomes("let a = (\n  b\n  )\n", "let a = (\n  b\n)\n");
    becomes("let a = b\n\n\n\nlet c = d\n\n\n", "let a = b\n\nlet c = d\n");
}

#[test]
fn comments_stay_where_they_are() {
    becomes("let a = 1 # one\nlet bc = 23# two\n", "let a = 1    # one\nlet bc = 23  # two\n");
    becomes(
        "let a = [ # first\n  1 # one\n  , 2\n  # end\n ]\n",
        "let a = [  # first\n  1,       # one\n  2,\n  # end\n]\n",
    );
    becomes(
        "let a = {\n  # b is\n\n  b = 1\n\n\n  # cd is\n  cd = 2\n  e = 1\n}\n",
        "let a = {\n  # b is\n\n  b = 1\n\n  # cd is\n  cd = 2\n  e  = 1\n}\n",
    );
    becomes("let a =\n## of b\n  1\nlet b = 2\n", "let a =\n## of b\n  1\nlet b = 2\n");
    becomes("let a = f(1 # one\n  )\n", "let a = f(1,  # one\n)\n");
}

#[test]
fn families_of_items_are_aligned() {
    becomes("env a = x\nenv bcd = y\n\nenv e = z\n", "env a   = x\nenv bcd = y\n\nenv e = z\n");
    becomes("let a = 1\nlet bcd = 2\n", "let a = 1\nlet bcd = 2\n");
    becomes(
        "assert \"a\" identical(b)\nassert \"cd\" identical(e)\nassert \"longer\" matches(f,\n g)\n",
        "assert \"a\"  identical(b)\nassert \"cd\" identical(e)\nassert \"longer\" matches(f,\n  g)\n",
    );
}

#[test]
fn uses_are_sorted_where_no_comment_speaks_of_them() {
    becomes("use ./b.rbld\nuse std.b\nuse std.a as c\n", "use std.a as c\nuse std.b\nuse ./b.rbld\n");
    becomes("# of b\nuse std.b\nuse std.a\n", "# of b\nuse std.b\nuse std.a\n");
    becomes("use std.b # of b\nuse std.a\n", "use std.b  # of b\nuse std.a\n");
}

#[test]
fn scripts_move_and_keep_their_bytes() {
    becomes(
        "recipe r() {\n      run = \"\"\"\n          a\n            b  \n\n          \"\"\"\n}\n",
        "recipe r() {\n  run = \"\"\"\n    a\n      b  \n\n    \"\"\"\n}\n",
    );
    becomes("let a = \"\"\"\r\n  b\r\r\n  c\"\"\"\r\n", "let a = \"\"\"\n  b\r\r\n  c\"\"\"\n");
    becomes("let a = \"\"\"\n \n    \n    \"\"\"\n", "let a = \"\"\"\n \n    \n  \"\"\"\n");
    becomes(
        "let a = @\"\"\"\n      @{b} c\n        d\n  \"\"\"\n",
        "let a = @\"\"\"\n  @{b} c\n    d\n  \"\"\"\n",
    );
}

#[test]
fn the_chapter_on_formatting_holds() {
    let chapter = include_str!("../../../spec/13-formatting.md");
    let mut count = 0;
    for example in chapter.split("\n```rbld before\n").skip(1) {
        let (before, rest) = example.split_once("\n```").unwrap();
        let after = rest.split_once("\n```rbld parse\n").unwrap().1.split_once("\n```").unwrap().0;
        becomes(&format!("{before}\n"), &format!("{after}\n"));
        count += 1;
    }
    assert_eq!(count, chapter.matches("\n```rbld parse\n").count());
    assert!(count >= 6);
}

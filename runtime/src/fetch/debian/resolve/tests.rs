use super::*;

fn universe(text: &str) -> Universe<'_> {
    let mut universe = Universe::new("amd64");
    universe.add(text.as_bytes()).unwrap();
    universe
}

fn chosen(text: &str, asked: &[&str]) -> Result<Vec<String>, Unsolvable> {
    let universe = universe(text);
    let asked: Vec<NameId> = asked.iter().map(|name| universe.find(name).unwrap()).collect();
    let chosen = choose(&universe, &asked)?;
    let mut names: Vec<String> = chosen.keys().map(|name| universe.text(*name).to_owned()).collect();
    names.sort();
    Ok(names)
}

/// `a: b | c, d; b: …` as an index.
fn index(short: &str) -> String {
    let stanza = |line: &str| {
        let mut parts = line.split(';');
        let (name, depends) = parts.next().unwrap_or("").split_once(':').unwrap_or((line, ""));
        let (name, version) = name.trim().split_once('=').unwrap_or((name.trim(), "1"));
        let more: String = parts.map(|part| format!("{}\n", part.trim())).collect();
        format!("Package: {name}\nVersion: {version}\nArchitecture: all\nDepends: {depends}\n{more}\n")
    };
    short.trim().lines().map(|line| stanza(line.trim())).collect()
}

#[test]
fn the_first_alternative_unless_another_is_there() {
    let text = index("a: x | y\nb: y\nx:\ny:");
    assert_eq!(chosen(&text, &["a"]).unwrap(), ["a", "x"]);
    assert_eq!(chosen(&text, &["a", "y"]).unwrap(), ["a", "y"]);
    assert_eq!(chosen(&text, &["b", "a"]).unwrap(), ["a", "b", "y"]);
}

#[test]
fn providers_by_priority_and_the_later_mentioned() {
    let text = index(
        "a: v\nx:; Provides: v; Priority: extra\ny:; Provides: v; Priority: optional\nz:; Provides: v (= 2); Priority: optional",
    );
    assert_eq!(chosen(&text, &["a"]).unwrap(), ["a", "z"]);
    let text = index("a: v (>= 2)\nx:; Provides: v (= 2)\ny:; Provides: v\nz:; Provides: v (= 1)");
    assert_eq!(chosen(&text, &["a"]).unwrap(), ["a", "x"]);
}

#[test]
fn what_cannot_be_installed_is_passed_over_with_what_it_brought() {
    let text = index("a: x | y\nx: helper, missing\nhelper:\ny:");
    assert_eq!(chosen(&text, &["a"]).unwrap(), ["a", "y"]);
    let text = index("a: x | y\nx: helper, w\nw: missing\nhelper:\ny:");
    assert_eq!(chosen(&text, &["a"]).unwrap(), ["a", "y"]);
    let text = index("a: x | y\nx:; Conflicts: a\ny:");
    assert_eq!(chosen(&text, &["a"]).unwrap(), ["a", "y"]);
}

#[test]
fn the_chain_says_what_is_missing() {
    let text = index("a: b\nb: c (>= 2)\nc:");
    let wrong = chosen(&text, &["a"]).unwrap_err();
    assert_eq!(wrong.wish, "a");
    assert_eq!(wrong.chain, ["`a` 1 needs `b`", "`b` 1 needs `c (>= 2)`", "`c` is there as 1 only"]);
    let text = index("a: b\nb:; Conflicts: z\nz:");
    let wrong = chosen(&text, &["a", "z"]).unwrap_err();
    assert!(wrong.chain.iter().any(|line| line.contains("can't be beside `z`")), "{wrong:?}");
    let text = index("a: nowhere");
    assert_eq!(chosen(&text, &["a"]).unwrap_err().chain[1], "no package is called or provides `nowhere`");
}

#[test]
fn rings_and_depth_end() {
    assert_eq!(chosen(&index("a: b\nb: a"), &["b"]).unwrap(), ["a", "b"]);
    let long: String = (0..8000).map(|at| format!("p{at}: p{}\n", at + 1)).collect();
    assert!(chosen(&index(&long), &["p0"]).is_err());
    let long: String = (0..2500).map(|at| format!("p{at}: p{}\n", at + 1)).collect();
    assert_eq!(chosen(&index(&(long + "p2500:")), &["p0"]).unwrap().len(), 2501);
}

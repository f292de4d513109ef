//! What reports look like, to the character.

use rbld_lang::derivation::InputRef;
use rbld_lang::diagnostic::Code;
use rbld_lang::plan::{Expect, Places, Relation};
use rbld_lang::span::{FileId, Span};

use super::*;
use crate::compare::difference::{Class, Difference, Finding, What, Window};
use crate::compare::{
    Evidence, GroupOutcome, Identity, Moving, News, Outcome, OutputState, Party, Same, Share, Stages, Subject,
};

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

fn subject(key: &str, gave: &str) -> Subject {
    let object = Object::File { digest: digest(gave), size: 1, executable: false };
    let state = match gave {
        "" => OutputState::Failed("its script failed with exit code 2".to_owned()),
        _ => OutputState::Ready { object, key: digest(key) },
    };
    let output = InputRef { derivation: DerivationId(digest(key)), output: "dist".into() };
    Subject { key: key.to_owned(), output, state, against: None }
}

fn same(gave: &str, members: &[usize]) -> Same {
    let identity = Identity { folder: false, digest: digest(gave) };
    Same { identity, members: members.to_vec(), builds: members.len() }
}

fn outcome(name: &str, verdict: Verdict) -> Outcome {
    Outcome {
        name: name.to_owned(),
        span: Some(Span { file: FileId(0), start: 7, end: 13 }),
        form: "identical",
        verdict,
        observed: verdict,
        expect: Expect::Holds,
        relation: Relation::default(),
        places: Places::default(),
        share: Share::default(),
        members: vec![subject("bookworm", "a"), subject("trixie", "a")],
        groups: Vec::new(),
        classes: vec![same("a", &[0, 1])],
        news: Vec::new(),
        evidence: Vec::new(),
        stages: None,
        agreed: None,
        varied: None,
    }
}

fn sources() -> Sources {
    let mut sources = Sources::default();
    sources
        .add("build.rbld".to_owned(), "rbld 1\nassert \"x\" identical(t.*.dist)\nlet é = nope\n".to_owned());
    sources.add("common.rbld".to_owned(), "rbld 1\nlet nape = 1\n".to_owned());
    sources
}

fn split() -> Outcome {
    let mut outcome = outcome("make dist tarballs", Verdict::Mismatch);
    outcome.members =
        vec![subject("bookworm", "a"), subject("trixie", "b"), subject("sid", "a"), subject("jammy", "")];
    outcome.classes = vec![same("a", &[0, 2]), same("b", &[1])];
    outcome.groups = vec![GroupOutcome {
        name: "modern".to_owned(),
        members: vec![0, 1, 2, 3],
        classes: outcome.classes.clone(),
        builds: 3,
        verdict: Some(Verdict::Mismatch),
    }];
    outcome.news = vec![News::NotRealised { member: 3 }, News::Split { group: 0 }];
    let window = |last: u8| Window { start: 32, bytes: vec![b'a', b'b', 0, last] };
    let path = || vec!["data.tar.xz".to_owned(), "./usr/bin/\u{1b}[31mfoo".to_owned()];
    let findings = vec![
        Finding { path: path(), what: What::Bytes { offset: 35, left: window(1), right: window(2) } },
        Finding {
            path: path(),
            what: What::Fact {
                name: "mtime".to_owned(),
                left: Some("1700000000".to_owned()),
                right: Some("1700000001".to_owned()),
                members: 12,
            },
        },
    ];
    let difference =
        Difference { classes: [Class::Contents, Class::Metadata].into(), findings, leaves: Vec::new() };
    outcome.evidence = vec![Evidence {
        left: Party::Member(0),
        right: Party::Member(1),
        file: None,
        difference: Ok(difference),
        observation: crate::compare::cause::Observation::default(),
        objects: (outcome.classes[0].identity, outcome.classes[1].identity),
        diffoscope: None,
    }];
    outcome
}

fn staged(verdict: Verdict, reached: Option<usize>, moving: Vec<Moving>) -> Outcome {
    let settled = vec![Some(2), moving.is_empty().then_some(2)];
    let names = vec!["fill".to_owned(), "seal".to_owned()];
    let members = vec![vec![0, 1], vec![2, 3], vec![4, 5], vec![6, 7]];
    let again = vec![false, false, false, moving.is_empty()];
    let stages = Stages { names, members, reached, settled, again, moving };
    Outcome { form: "fixpoint", stages: Some(stages), ..outcome("the tools", verdict) }
}

#[test]
fn a_chain_for_a_person_and_for_a_merge_request() {
    let moving = |like: Option<usize>| Moving {
        output: 1,
        always: like.is_none(),
        like,
        count: 2,
        files: vec!["seal.deb".to_owned()],
    };
    let outcomes = vec![
        staged(Verdict::Match, Some(2), Vec::new()),
        staged(Verdict::Mismatch, None, vec![moving(None)]),
        staged(Verdict::Mismatch, None, vec![moving(Some(1))]),
    ];
    let compared = ComparisonReport { outcomes, ..ComparisonReport::default() };
    let text = comparisons(&compared, &sources(), &Style::plain());
    let expected = "\
match         the tools                             4 stages, settled at stage 2
    stage 2 was built with stage 1 and gave the same
    not run again, since all that goes in is equal: stage 3
mismatch      the tools                                    4 stages, not settled
    build.rbld:2
    seal does not settle: it is another in every stage (seal.deb, and 1 more)
    settled: fill at stage 2
mismatch      the tools                                    4 stages, not settled
    build.rbld:2
    seal does not settle: stage 3 is stage 1 again, and stage 2 is not: it goes
    round (seal.deb, and 1 more)
    settled: fill at stage 2

3 comparisons: 1 match, 2 mismatch
";
    assert_eq!(text, expected);
    let sources = sources();
    let report = Report {
        sources: &sources,
        diagnostics: &[],
        derivations: &[],
        comparisons: Some(&compared),
        failures: &[],
        now: None,
    };
    assert_eq!(
        code_quality(&report, "")[0]["description"],
        "`the tools` (fixpoint): mismatch, 4 stages, not settled because of `seal`"
    );
    let stages = &json(&report)["comparisons"][2]["stages"];
    assert_eq!(stages["moving"][0]["like_stage"], 1);
    assert_eq!(stages["each"][3]["same_keys_as_before"], false);
}

#[test]
fn comparisons_for_a_person() {
    let mut ratchet = outcome("share of bookworm", Verdict::Match);
    ratchet.share = Share { holding: 21, total: 60, files: Some((65, 100)), at_least: Some(3000) };
    let report = ComparisonReport {
        outcomes: vec![outcome("git archive", Verdict::Match), ratchet, split()],
        ..ComparisonReport::default()
    };
    let text = comparisons(&report, &sources(), &Style::plain());
    let expected = "\
match         git archive                                     2 builds, 1 result
match         share of bookworm                               2 builds, 1 result
    21 of 60 (35 %) builds hold; at least 30 % are asked for
    65 of 100 published files built bit for bit
mismatch      make dist tarballs                             3 builds, 2 results
    build.rbld:2
    modern: mismatch, 3 builds, 2 results
      ca978112ca1b  bookworm, sid
      3e23e8160039  trixie
    jammy was not realised: its script failed with exit code 2
    bookworm (-) and trixie (+)
      what differs: contents, metadata
      data.tar.xz » ./usr/bin/\\u{1b}[31mfoo, byte 35 (0x23)
        - 00000020  6162 0001                                ab..
        + 00000020  6162 0002                                ab..
      data.tar.xz » ./usr/bin/\\u{1b}[31mfoo, mtime (and of 11 more)
        - 1700000000 (2023-11-14T22:13:20Z)
        + 1700000001 (2023-11-14T22:13:21Z)

3 comparisons: 2 match, 1 mismatch
";
    assert_eq!(text, expected, "\n{text}");
}

#[test]
fn nothing_is_wider_than_the_terminal() {
    let mut wide = split();
    wide.name = "a name that somebody wrote with great care and at great length, to say all of it".to_owned();
    wide.members[0].key = "word ".repeat(40);
    let report = ComparisonReport { outcomes: vec![wide], ..ComparisonReport::default() };
    let text = comparisons(&report, &sources(), &Style::plain());
    let widest = text
        .lines()
        .filter(|line| !line.contains(" (-) ") && !line.contains("somebody"))
        .map(style::columns)
        .max();
    assert!(widest <= Some(80), "{widest:?}\n{text}");
}

#[test]
fn a_diagnostic_over_two_files() {
    let sources = sources();
    let at = |file, start, end| Span { file: FileId(file), start, end };
    let found = [
        Diagnostic::error(Code("E0201"), "nothing is called `nope`", at(0, 47, 51), "not found")
            .label(at(1, 11, 15), "this is near")
            .help("did you mean `common.nape`?"),
        Diagnostic::warning(Code("W0501"), "`é` is never used", at(0, 42, 44), "unused"),
    ];
    let text = diagnostics(&found, &sources, &Style::plain());
    let expected = "E0201

  × nothing is called `nope`
   ╭─[build.rbld:3:9]
 2 │ assert \"x\" identical(t.*.dist)
 3 │ let é = nope
   ·         ──┬─
   ·           ╰── not found
   ╰────
  help: did you mean `common.nape`?

Advice:
  ☞ this is near
   ╭─[common.rbld:2:5]
 1 │ rbld 1
 2 │ let nape = 1
   ·     ──┬─
   ·       ╰── this is near
   ╰────

W0501

  ⚠ `é` is never used
   ╭─[build.rbld:3:5]
 2 │ assert \"x\" identical(t.*.dist)
 3 │ let é = nope
   ·     ┬
   ·     ╰── unused
   ╰────

1 error, 1 warning; `rbld explain E0201` says more (also: W0501)
";
    assert_eq!(text, expected, "\n{text}");
    let json = diagnostics_json(&found, &sources);
    assert_eq!((&json[0]["labels"][0]["line"], &json[0]["labels"][0]["column"]), (&3.into(), &9.into()));
    assert_eq!((&json[1]["labels"][0]["end_column"], &json[1]["severity"]), (&6.into(), &"warning".into()));
}

#[test]
fn long_labels_stay_on_the_page() {
    let mut sources = Sources::default();
    let line = "env old = debian.snapshot(bullseye, at).env(amd64, packages = [\"git\"])\n";
    sources.add("build.rbld".to_owned(), line.to_owned());
    let at = Span { file: FileId(0), start: 10, end: 69 };
    let label = "asks for `environment debian bullseye main 2026-11-22T00:00:00Z amd64`";
    let found = [Diagnostic::error(Code("E0204"), "there is no `rbld.lock` yet", at, label)];
    let text = diagnostics(&found, &sources, &Style::plain());
    assert!(text.lines().all(|line| style::columns(line) <= 80), "{text}");
    assert!(text.contains("╰─┤ asks for"), "{text}");
}

#[test]
fn a_diagnostic_beside_its_text_does_not_break_the_report() {
    let sources = sources();
    let at = |file, start, end| Span { file: FileId(file), start, end };
    let found = [
        Diagnostic::error(Code("E0101"), "past the end", at(0, 5000, 6000), "here"),
        Diagnostic::error(Code("E0101"), "inside a character", at(0, 43, 43), "here"),
        Diagnostic::error(Code("E0101"), "in no file", at(9, 0, 1), "here"),
        Diagnostic { labels: Vec::new(), ..Diagnostic::error(Code("E0101"), "nowhere", at(0, 0, 0), "") },
    ];
    let text = diagnostics(&found, &sources, &Style::plain());
    for message in ["past the end", "inside a character", "in no file", "nowhere"] {
        assert!(text.contains(message), "{text}");
    }
    assert_eq!(diagnostics_json(&found, &sources).as_array().map(Vec::len), Some(4));
}

#[test]
fn a_failure_for_a_person() {
    let shown = Failure::world("`snapshot.debian.org` gave other bytes")
        .fact("expected 12")
        .fact("found 13\x07")
        .help("`rbld check --offline` uses only what is in the store, and says what is missing in it");
    let text = failure(&shown, Some("bookworm"), &Style::plain());
    let expected = "\
error: bookworm: `snapshot.debian.org` gave other bytes
  expected 12
  found 13\\u{7}
  help: `rbld check --offline` uses only what is in the store, and says what is
        missing in it
";
    assert_eq!(text, expected, "\n{text}");
}

fn exit(verdicts: &[Verdict], kinds: &[Kind], wrong: bool) -> (i32, Vec<i32>) {
    let outcomes = verdicts.iter().map(|verdict| outcome("x", *verdict)).collect();
    let compared = ComparisonReport { outcomes, ..ComparisonReport::default() };
    let failures: Vec<Failed> = kinds.iter().map(|kind| Failed::of_run(Failure::new(*kind, "x"))).collect();
    let span = Span { file: FileId(0), start: 0, end: 0 };
    let diagnostics = [
        Diagnostic::error(Code("E0101"), "x", span, "x"),
        Diagnostic::warning(Code("W0501"), "x", span, "x"),
    ];
    let report = Report {
        sources: &sources(),
        diagnostics: if wrong { &diagnostics } else { &diagnostics[1..] },
        derivations: &[],
        comparisons: Some(&compared),
        failures: &failures,
        now: Some(0),
    };
    (report.exit_code(), report.exit_codes())
}

#[test]
fn exit_codes_are_the_first_that_applies() {
    use Verdict::{Inconclusive, Match, Mismatch};
    assert_eq!(exit(&[Match], &[], false), (0, vec![]));
    assert_eq!(exit(&[Match, Inconclusive], &[], false).0, 6);
    assert_eq!(exit(&[Inconclusive], &[Kind::World], false).0, 4);
    assert_eq!(exit(&[Inconclusive], &[Kind::World, Kind::Build, Kind::World], false), (3, vec![3, 4, 6]));
    assert_eq!(exit(&[Inconclusive, Mismatch], &[Kind::World, Kind::Build], false).0, 1);
    assert_eq!(exit(&[Mismatch], &[Kind::Build], true).0, 2);
    assert_eq!(exit(&[Mismatch], &[Kind::Input], false).0, 2);
    assert_eq!(exit(&[Mismatch], &[Kind::Bug], true), (5, vec![5, 2, 1]));
    assert_eq!(exit(&[Mismatch], &[Kind::Interrupted(2)], true), (130, vec![130, 2, 1]));
}

#[test]
fn json_holds_all_of_it() {
    let compared = ComparisonReport { outcomes: vec![split()], ..ComparisonReport::default() };
    let failures = [Failed {
        span: None,
        name: Some("t[jammy]".to_owned()),
        id: None,
        failure: Failure::build("its script failed"),
    }];
    let object = Object::Tree { digest: digest("tree"), size: 3 };
    let realised = Realised {
        id: DerivationId(digest("d")),
        name: Some("bookworm".to_owned()),
        kind: "environment",
        status: "cached",
        key: Some(digest("key")),
        outputs: BTreeMap::from([("out".to_owned(), object)]),
        facts: BTreeMap::from([("isolation".to_owned(), "full".to_owned())]),
    };
    let report = Report {
        sources: &sources(),
        diagnostics: &[],
        derivations: &[realised],
        comparisons: Some(&compared),
        failures: &failures,
        now: Some(1_700_000_000),
    };
    let json = json(&report);
    assert_eq!(json["now"], "2023-11-14T22:13:20Z");
    assert_eq!(json["exit"], serde_json::json!({ "code": 1, "all": [1, 3] }));
    assert_eq!(json["derivations"][0]["outputs"]["out"]["digest"], digest("tree").to_hex());
    let compared = &json["comparisons"][0];
    assert_eq!(compared["at"], serde_json::json!({ "file": "build.rbld", "line": 2, "column": 1 }));
    assert_eq!(compared["verdict"], "mismatch");
    assert_eq!(compared["members"][3]["status"], "failed");
    assert_eq!(compared["groups"][0]["classes"][0]["members"], serde_json::json!(["bookworm", "sid"]));
    assert_eq!(compared["evidence"][0]["findings"][0]["left"]["hex"], "61620001");
    assert_eq!(json["failures"][0]["exit"], 3);
}

#[test]
fn dates() {
    let date = |seconds| super::differences::date(seconds);
    assert_eq!(date(0).as_deref(), Some("1970-01-01T00:00:00Z"));
    assert_eq!(date(951_827_696).as_deref(), Some("2000-02-29T12:34:56Z"));
    assert_eq!(date(4_102_444_799).as_deref(), Some("2099-12-31T23:59:59Z"));
    assert_eq!(date(-1), None);
}

/// What a scanner is told of a mismatch, a failure and a diagnostic, below a folder and with lines put before.
fn scanned(before: &str) -> (serde_json::Value, serde_json::Value) {
    let mut sources = Sources::default();
    let shift = before.len() as u32;
    sources.add("my build.rbld".to_owned(), format!("{before}rbld 1\nassert \"x\" identical(t.*.dist)\n"));
    let at = |start, end| Span { file: FileId(0), start: start + shift, end: end + shift };
    let compared = ComparisonReport {
        outcomes: vec![
            Outcome { span: Some(at(7, 13)), ..split() },
            outcome("held", Verdict::Match),
            Outcome { span: Some(at(7, 13)), ..outcome("open", Verdict::Inconclusive) },
        ],
        ..ComparisonReport::default()
    };
    let failures = [Failed {
        name: Some("t[jammy]".to_owned()),
        id: None,
        span: Some(at(18, 27)),
        failure: Failure::build("its script failed"),
    }];
    let wrong = Diagnostic::warning(Code("W0501"), "unused", at(0, 4), "here")
        .label(at(7, 13), "there")
        .help("remove it")
        .fix("remove it", at(0, 4), "");
    let report = Report {
        sources: &sources,
        diagnostics: &[wrong.clone(), wrong],
        derivations: &[],
        comparisons: Some(&compared),
        failures: &failures,
        now: None,
    };
    (sarif(&report, "sub folder/"), code_quality(&report, "sub folder/"))
}

#[test]
fn scanners_are_told_what_does_not_hold() {
    let (sarif, quality) = scanned("");
    let results = &sarif["runs"][0]["results"];
    let rules =
        results.as_array().map(|results| results.iter().map(|one| one["ruleId"].clone()).collect::<Vec<_>>());
    assert_eq!(rules.unwrap_or_default(), ["W0501", "W0501", "build-failed", "mismatch", "inconclusive"]);
    assert_eq!(
        results[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
        "sub%20folder/my%20build.rbld"
    );
    assert_eq!(results[0]["relatedLocations"][0]["message"]["text"], "there");
    assert_eq!(
        results[0]["fixes"][0]["artifactChanges"][0]["replacements"][0]["insertedContent"]["text"],
        ""
    );
    assert_eq!(results[3]["locations"][0]["physicalLocation"]["region"]["startLine"], 2);
    assert_eq!(sarif["runs"][0]["invocations"][0]["exitCode"], 1);
    assert_eq!(quality[3]["check_name"], "mismatch");
    assert_eq!(quality[3]["location"]["path"], "sub folder/my build.rbld");
    assert_eq!(quality[3]["location"]["lines"]["begin"], 2);
    assert_eq!(quality[4]["severity"], "minor");
    assert_eq!(quality.as_array().map(Vec::len), Some(5));
}

#[test]
fn a_fingerprint_is_of_what_is_found_and_not_of_its_line() {
    let prints = |quality: &serde_json::Value| {
        let found = quality.as_array().cloned().unwrap_or_default();
        found.iter().map(|one| one["fingerprint"].to_string()).collect::<Vec<_>>()
    };
    let (_, first) = scanned("");
    let (sarif, moved) = scanned("# a comment\n\n");
    assert_eq!(prints(&first), prints(&moved));
    assert_ne!(first[3]["location"]["lines"], moved[3]["location"]["lines"]);
    let one_each: std::collections::BTreeSet<_> = prints(&first).into_iter().collect();
    assert_eq!(one_each.len(), 5, "two equal findings are told apart");
    assert_eq!(sarif["runs"][0]["results"][1]["partialFingerprints"]["rbld/v1"], moved[1]["fingerprint"]);
}

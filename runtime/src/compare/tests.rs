//! Verdicts over digests and keys, no bytes: each case says what was built and what must come of it.

use std::collections::BTreeMap;

use rbld_lang::derivation::{ArchiveId, DerivationId, InputRef, PoolFile};
use rbld_lang::digest::Digest;
use rbld_lang::plan::{Across, Comparison, Expect, Expected, Form, Group, Member, Places, Relation};
use rbld_lang::span::{FileId, Span};

use super::*;

const SPAN: Span = Span { file: FileId(0), start: 0, end: 0 };

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

fn output(name: &str) -> InputRef {
    InputRef { derivation: DerivationId(digest(name)), output: "out".into() }
}

/// `a k1 d1`: member `a`, built by key `k1`, gave `d1` (`x:d1` executable, `dir:d1` a folder); `a failed`: it didn't.
fn state_of(line: &str) -> (String, OutputState) {
    let words: Vec<&str> = line.split(' ').collect();
    let state = match words[1..] {
        ["failed"] => OutputState::Failed("its script failed with exit code 1".to_owned()),
        [key, gave] => {
            let object = match gave.split_once(':') {
                Some(("dir", gave)) => Object::Tree { digest: digest(gave), size: 1 },
                Some((_, gave)) => Object::File { digest: digest(gave), size: 1, executable: true },
                None => Object::File { digest: digest(gave), size: 1, executable: false },
            };
            OutputState::Ready { object, key: digest(key) }
        }
        _ => unreachable!("a test line has two or three words"),
    };
    (words[0].to_owned(), state)
}

struct Case {
    states: Vec<(String, OutputState)>,
    form: Form,
    at_least: Option<u32>,
    expect: Expect,
    files: BTreeMap<String, Digest>,
    now: Option<i64>,
}

fn members_of(states: &[(String, OutputState)]) -> Vec<Member> {
    states.iter().map(|(key, _)| Member { key: key.clone(), output: output(key) }).collect()
}

fn identical(lines: &[&str], groups: &[&[&str]], across: Across) -> Case {
    let states: Vec<_> = lines.iter().map(|line| state_of(line)).collect();
    let index = |key: &&str| states.iter().position(|(known, _)| known == key).expect("a member");
    let group = |(number, keys): (usize, &&[&str])| Group {
        name: format!("g{number}"),
        members: keys.iter().map(index).collect(),
        span: SPAN,
    };
    let groups = groups.iter().enumerate().map(group).collect();
    let form = Form::Identical { members: members_of(&states), groups, across };
    Case { states, form, at_least: None, expect: Expect::Holds, files: BTreeMap::new(), now: None }
}

fn matches(lines: &[&str], expected: Vec<Expected>) -> Case {
    let states: Vec<_> = lines.iter().map(|line| state_of(line)).collect();
    let count = expected.len();
    let form = Form::Matches { members: members_of(&states[..count]), expected };
    Case { states, form, at_least: None, expect: Expect::Holds, files: BTreeMap::new(), now: None }
}

impl Case {
    fn at_least(mut self, hundredths: u32) -> Case {
        self.at_least = Some(hundredths);
        self
    }

    fn different(mut self) -> Case {
        let why = "tar 1.30 writes another header".to_owned();
        self.expect = Expect::Different { why, until: None, category: None, owner: None };
        self
    }

    fn judge(&self) -> Outcome {
        let comparison = Comparison {
            name: "case".to_owned(),
            span: SPAN,
            form: self.form.clone(),
            equality: Relation::default(),
            at_least: self.at_least,
            expect: self.expect.clone(),
            places: Places::default(),
        };
        let state = |wanted: &InputRef| {
            let found = self.states.iter().find(|(key, _)| output(key) == *wanted);
            found.map_or(OutputState::Missing("unknown".to_owned()), |(_, state)| state.clone())
        };
        let files = |_: &Object, _: &InputRef| Ok(self.files.clone());
        judge(&comparison, &Context { state: &state, files: &files, store: None, now: self.now })
    }

    fn verdict(&self) -> &'static str {
        self.judge().verdict.word()
    }
}

#[test]
fn identical_members_match() {
    assert_eq!(identical(&["a k1 d", "b k2 d", "c k3 d"], &[], Across::Any).verdict(), "match");
    let split = identical(&["a k1 d", "b k2 e", "c k3 d"], &[], Across::Any).judge();
    assert_eq!(split.verdict, Verdict::Mismatch);
    assert_eq!(split.news, [News::Split { group: 0 }]);
    let classes: Vec<&[usize]> = split.classes.iter().map(|class| class.members.as_slice()).collect();
    assert_eq!(classes, [&[0, 2][..], &[1]]);
}

#[test]
fn one_build_is_never_a_match() {
    let one = identical(&["a k1 d", "b k1 d"], &[], Across::Any).judge();
    assert_eq!(one.verdict, Verdict::Inconclusive);
    assert_eq!(one.news, [News::OneBuild { members: vec![0, 1] }, News::TooFew { group: 0 }]);
    let two = identical(&["a k1 d", "b k1 d", "c k2 d"], &[], Across::Any).judge();
    assert_eq!(two.verdict, Verdict::Match);
    assert_eq!(two.news, [News::OneBuild { members: vec![0, 1] }]);
    assert_eq!(identical(&["a k1 d"], &[], Across::Any).verdict(), "inconclusive");
    assert_eq!(identical(&[], &[], Across::Any).verdict(), "inconclusive");
}

#[test]
fn a_failed_build_leaves_it_open_unless_a_mismatch_is_proven() {
    assert_eq!(identical(&["a k1 d", "b k2 d", "c failed"], &[], Across::Any).verdict(), "inconclusive");
    assert_eq!(identical(&["a k1 d", "b k2 e", "c failed"], &[], Across::Any).verdict(), "mismatch");
}

#[test]
fn groups_agree_within_and_differ_across() {
    let lines = ["a k1 d", "b k2 d", "c k3 e", "f k4 e"];
    let groups: &[&[&str]] = &[&["a", "b"], &["c", "f"]];
    assert_eq!(identical(&lines, groups, Across::Differ).verdict(), "match");
    let merged = identical(&["a k1 d", "b k2 d", "c k3 d", "f k4 d"], groups, Across::Differ).judge();
    assert_eq!(merged.verdict, Verdict::Mismatch);
    assert!(matches!(merged.news[..], [News::Merged { groups: (0, 1), .. }]));
    assert_eq!(identical(&["a k1 d", "b k2 d", "c k3 d", "f k4 d"], groups, Across::Any).verdict(), "match");
}

#[test]
fn a_group_of_one_only_takes_part_across() {
    let groups: &[&[&str]] = &[&["old"], &["b", "c"]];
    assert_eq!(identical(&["old k1 x", "b k2 d", "c k3 d"], groups, Across::Differ).verdict(), "match");
    assert_eq!(identical(&["old k1 d", "b k2 d", "c k3 d"], groups, Across::Differ).verdict(), "mismatch");
    assert_eq!(
        identical(&["old failed", "b k2 d", "c k3 d"], groups, Across::Differ).verdict(),
        "inconclusive"
    );
    assert_eq!(identical(&["old k1 x", "b k2 d", "c k3 d"], groups, Across::Any).verdict(), "inconclusive");
}

#[test]
fn groups_that_hold_the_same_build_say_nothing() {
    let groups: &[&[&str]] = &[&["a"], &["b"]];
    let outcome = identical(&["a k1 d", "b k1 d"], groups, Across::Differ).judge();
    assert_eq!(outcome.verdict, Verdict::Inconclusive);
    assert!(outcome.news.contains(&News::SharedBuild { groups: (0, 1) }));
}

#[test]
fn a_share_is_exact_and_counts_builds() {
    let lines = ["a k1 d", "b k2 d", "c k3 e"];
    assert_eq!(identical(&lines, &[], Across::Any).at_least(6666).verdict(), "match");
    assert_eq!(identical(&lines, &[], Across::Any).at_least(6667).verdict(), "mismatch");
    // Two members of one build count once: one build of two agrees with nobody.
    let lines = ["a k1 d", "b k1 d", "c k2 e"];
    assert_eq!(identical(&lines, &[], Across::Any).at_least(5000).verdict(), "mismatch");
    // All differ: a build that agrees with none is no share of anything.
    let lines = ["a k1 d", "b k2 e", "c k3 f"];
    assert_eq!(identical(&lines, &[], Across::Any).at_least(3000).verdict(), "mismatch");
}

#[test]
fn a_share_with_failed_builds_is_open_only_while_they_decide() {
    let lines = ["a k1 d", "b k2 d", "c k3 d", "f failed"];
    assert_eq!(identical(&lines, &[], Across::Any).at_least(7500).verdict(), "match");
    assert_eq!(identical(&lines, &[], Across::Any).at_least(7501).verdict(), "inconclusive");
    let lines = ["a k1 d", "b k2 e", "c k3 f", "g failed"];
    assert_eq!(identical(&lines, &[], Across::Any).at_least(7500).verdict(), "mismatch");
}

#[test]
fn an_expected_difference_fails_once_it_is_gone() {
    assert_eq!(identical(&["a k1 d", "b k2 e"], &[], Across::Any).different().verdict(), "match");
    let gone = identical(&["a k1 d", "b k2 d"], &[], Across::Any).different().judge();
    assert_eq!((gone.verdict, gone.observed), (Verdict::Mismatch, Verdict::Match));
    assert_eq!(gone.news, [News::NoLongerDifferent]);
    assert_eq!(identical(&["a k1 d", "b failed"], &[], Across::Any).different().verdict(), "inconclusive");
}

#[test]
fn an_expected_difference_fails_once_its_day_is_over() {
    let case = |lines: &[&str], now| {
        let mut case = identical(lines, &[], Across::Any).different();
        if let Expect::Different { until, .. } = &mut case.expect {
            *until = Some(86_400);
        }
        case.now = now;
        case.judge()
    };
    let both = ["a k1 d", "b k2 e"];
    assert_eq!(case(&both, Some(86_399)).verdict, Verdict::Match);
    assert_eq!(case(&both, None).verdict, Verdict::Match);
    let past = case(&both, Some(86_400));
    assert_eq!((past.verdict, past.observed), (Verdict::Mismatch, Verdict::Mismatch));
    assert!(past.news.contains(&News::Expired { until: 86_400 }));
    assert_eq!(case(&["a k1 d", "b failed"], Some(86_400)).verdict, Verdict::Inconclusive);
    assert!(case(&["a k1 d", "b k2 d"], Some(86_400)).news.contains(&News::NoLongerDifferent));
}

#[test]
fn flaky_tolerates_a_mismatch_and_nothing_else() {
    let case = |lines: &[&str]| {
        let mut case = identical(lines, &[], Across::Any);
        case.expect = Expect::Flaky { why: "a race in make".to_owned(), owner: "build team".to_owned() };
        case.judge()
    };
    let odd = case(&["a k1 d", "b k2 e"]);
    assert_eq!((odd.verdict, odd.tolerated()), (Verdict::Mismatch, true));
    assert!(!case(&["a k1 d", "b k2 d"]).tolerated());
    let open = case(&["a k1 d", "b k1 d"]);
    assert_eq!((open.verdict, open.tolerated()), (Verdict::Inconclusive, false));
}

#[test]
fn differ_wants_two_builds() {
    let case = |lines: [&str; 2]| {
        let states: Vec<_> = lines.iter().map(|line| state_of(line)).collect();
        let mut both = members_of(&states);
        let (b, a) = (both.remove(1), both.remove(0));
        let form = Form::Differ { a, b };
        Case { states, form, at_least: None, expect: Expect::Holds, files: BTreeMap::new(), now: None }
            .verdict()
    };
    assert_eq!(case(["a k1 d", "b k2 e"]), "match");
    assert_eq!(case(["a k1 d", "b k2 d"]), "mismatch");
    assert_eq!(case(["a k1 d", "b k1 d"]), "inconclusive");
    assert_eq!(case(["a k1 d", "b failed"]), "inconclusive");
    assert_eq!(case(["a k1 d", "b k2 dir:d"]), "match");
}

#[test]
fn matches_a_digest_or_another_output() {
    let written = |text: &str| Expected::Digest { digest: digest(text), span: SPAN };
    assert_eq!(matches(&["a k1 d"], vec![written("d")]).verdict(), "match");
    assert_eq!(matches(&["a k1 d"], vec![written("e")]).verdict(), "mismatch");
    assert_eq!(matches(&["a failed"], vec![written("e")]).verdict(), "inconclusive");
    let other = || vec![Expected::Output(output("b"))];
    assert_eq!(matches(&["a k1 d", "b k2 d"], other()).verdict(), "match");
    assert_eq!(matches(&["a k1 d", "b k1 d"], other()).verdict(), "inconclusive");
    assert_eq!(matches(&["a k1 d", "b k2 e"], other()).verdict(), "mismatch");
    assert_eq!(matches(&["a k1 d", "b failed"], other()).verdict(), "inconclusive");
    assert_eq!(matches(&["a k1 d", "b k2 dir:d"], other()).verdict(), "mismatch");
    let bits = matches(&["a k1 d", "b k2 x:d"], other()).judge();
    assert_eq!(bits.verdict, Verdict::Match);
    assert_eq!(bits.news, [News::Executable { with: vec![], without: vec![0] }]);
    assert_eq!(matches(&[], vec![]).verdict(), "inconclusive");
}

fn published(files: &[(&str, &str)]) -> Expected {
    let file = |(name, content): &(&str, &str)| PoolFile {
        origin: None,
        name: (*name).to_owned(),
        digest: digest(content),
        size: 1,
        path: format!("pool/{name}"),
    };
    Expected::Published {
        by: "debian bookworm".to_owned(),
        files: files.iter().map(file).collect(),
        archive: ArchiveId { name: "debian".to_owned(), instant: 0 },
    }
}

#[test]
fn matches_published_files_by_name() {
    let case = |built: &[(&str, &str)], wanted: &[(&str, &str)]| {
        let mut case = matches(&["a k1 dir:t"], vec![published(wanted)]);
        case.files = built.iter().map(|(name, content)| ((*name).to_owned(), digest(content))).collect();
        case.judge()
    };
    let both = [("a_1_all.deb", "A"), ("b_1_all.deb", "B")];
    let good = case(&both, &both);
    assert_eq!((good.verdict, good.share.files), (Verdict::Match, Some((2, 2))));
    let bad = case(&[("a_1_all.deb", "A"), ("sub/b_1_all.deb", "other")], &both);
    assert_eq!((bad.verdict, bad.share.files), (Verdict::Mismatch, Some((1, 2))));
    let part = case(&[("a_1_all.deb", "A"), ("a-dbgsym_1_all.deb", "D")], &both);
    assert_eq!(part.verdict, Verdict::Match);
    let Some(ExpectedOutcome::Published { unbuilt, unpublished, .. }) =
        part.members[0].against.as_ref().map(|against| &against.expected)
    else {
        panic!("it was held against published files");
    };
    assert_eq!(
        (unbuilt.as_slice(), unpublished.as_slice()),
        (&["b_1_all.deb".to_owned()][..], &["a-dbgsym_1_all.deb".to_owned()][..])
    );
    let none = case(&[("c_1_all.deb", "A")], &both);
    assert_eq!(none.verdict, Verdict::Inconclusive);
    assert_eq!(none.news, [News::NonePublished { member: 0 }]);
}

#[test]
fn a_share_of_matches_counts_builds_that_hold() {
    let written = |text: &str| Expected::Digest { digest: digest(text), span: SPAN };
    let expected = || vec![written("d"), written("d"), written("d"), written("d")];
    let case = |lines: &[&str], at_least| matches(lines, expected()).at_least(at_least).judge();
    let half = case(&["a k1 d", "b k2 d", "c k3 e", "f k4 e"], 5000);
    assert_eq!((half.verdict, half.share.hundredths()), (Verdict::Match, 5000));
    assert_eq!(case(&["a k1 d", "b k2 d", "c k3 e", "f k4 e"], 5001).verdict, Verdict::Mismatch);
    assert_eq!(case(&["a k1 d", "b k2 d", "c k3 e", "f failed"], 7500).verdict, Verdict::Inconclusive);
    // Two of the four are one build.
    let three = case(&["a k1 d", "b k1 d", "c k3 e", "f k4 e"], 5000);
    assert_eq!((three.verdict, three.share.total, three.share.hundredths()), (Verdict::Mismatch, 3, 3333));
}

#[test]
fn percentages_are_rounded_down() {
    let share = |holding, total| percent(Share { holding, total, ..Share::default() }.hundredths());
    assert_eq!(share(1, 3), "33.33");
    assert_eq!(share(199_999, 200_000), "99.99");
    assert_eq!(share(1, 1), "100");
    assert_eq!(share(1, 2), "50");
    assert_eq!(share(1, 200), "0.5");
}

/// The table of verdicts in the specification.
#[test]
fn the_specification_holds() {
    let text = include_str!("../../../spec/11-comparisons.md");
    let mut rows = 0;
    for line in text.lines().filter(|line| line.starts_with("| `") && line.matches('|').count() == 4) {
        let cells: Vec<&str> = line.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        assert_eq!(asked(cells[1], cells[2]).verdict(), cells[3], "{line}");
        rows += 1;
    }
    assert!(rows > 30, "the table has {rows} rows");
}

fn asked(members: &str, asked: &str) -> Case {
    let lines: Vec<String> = members.split(", ").map(|line| line.replace("exe:", "x:")).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let (form, rest) = asked.split_once(' ').unwrap_or((asked, ""));
    let (rest, at_least) = match rest.split_once("at_least ") {
        Some((rest, share)) => (rest.trim(), Some(share.trim_end_matches('%'))),
        None => (rest, None),
    };
    let mut case = match form {
        "identical" => {
            let (groups, across) = match rest.strip_suffix(" across differ") {
                Some(groups) => (groups, Across::Differ),
                None => (rest, Across::Any),
            };
            let groups: Vec<Vec<&str>> = match groups.strip_prefix("within ") {
                Some(groups) => groups
                    .split(", ")
                    .filter_map(|group| Some(group.split_once(" = ")?.1.split(' ').collect()))
                    .collect(),
                None => Vec::new(),
            };
            let groups: Vec<&[&str]> = groups.iter().map(Vec::as_slice).collect();
            identical(&lines, &groups, across)
        }
        "matches" => {
            let written = Expected::Digest { digest: digest(rest), span: SPAN };
            matches(&lines, vec![written; lines.len()])
        }
        _ => {
            let states: Vec<_> = lines.iter().map(|line| state_of(line)).collect();
            let mut both = members_of(&states);
            let (b, a) = (both.remove(1), both.remove(0));
            let form = Form::Differ { a, b };
            Case { states, form, at_least: None, expect: Expect::Holds, files: BTreeMap::new(), now: None }
        }
    };
    case.at_least = at_least.map(|share| {
        let (whole, part) = share.split_once('.').unwrap_or((share, "00"));
        whole.parse::<u32>().expect("a number") * 100 + part.parse::<u32>().expect("two digits")
    });
    if rest == "expect different" { case.different() } else { case }
}

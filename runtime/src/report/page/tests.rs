//! The page: what hostile names can't do in it, and what it holds of five thousand results.

use std::collections::BTreeMap;

use rbld_lang::derivation::{DerivationId, InputRef};
use rbld_lang::digest::Digest;
use rbld_lang::plan::{Expect, Places, Relation};
use rbld_lang::span::Sources;

use super::super::graph::{Graph, Node, State};
use super::super::{Failed, Locked, Log, Realised, Report, Whole};
use crate::compare::cause::{self, Observation, Observed};
use crate::compare::difference::{Class, Difference, Finding, What, Window};
use crate::compare::{
    ComparisonReport, Evidence, Outcome, OutputState, Party, Same, Share, Subject, Verdict,
};
use crate::failure::Failure;
use crate::store::Object;

/// What whoever writes names, logs and files may try.
const HOSTILE: &str =
    "</script><script>alert(1)</script>'\" onload=x <img src=//example.org/x> \u{1b}]0;title\u{7}\u{202e}";

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

fn outcome(name: &str, builds: &[(&str, &str)]) -> Outcome {
    let members: Vec<Subject> = builds
        .iter()
        .map(|(key, gave)| {
            let object = Object::File { digest: digest(gave), size: 1, executable: false };
            Subject {
                key: (*key).to_owned(),
                output: InputRef { derivation: DerivationId(digest(key)), output: "dist".into() },
                state: OutputState::Ready { object, key: digest(&format!("{name}{key}")) },
                against: None,
            }
        })
        .collect();
    let mut classes: Vec<Same> = Vec::new();
    for (index, member) in members.iter().enumerate() {
        let Some(identity) = member.identity() else { continue };
        match classes.iter_mut().find(|class| class.identity == identity) {
            Some(class) => {
                class.members.push(index);
                class.builds += 1;
            }
            None => classes.push(Same { identity, members: vec![index], builds: 1 }),
        }
    }
    let verdict = if classes.len() == 1 { Verdict::Match } else { Verdict::Mismatch };
    let mut evidence = Vec::new();
    if verdict == Verdict::Mismatch {
        let window = |last: u8| Window { start: 32, bytes: vec![b'<', b'&', 0, last] };
        let path = vec!["data.tar.xz".to_owned(), format!("./{name}")];
        let findings = vec![
            Finding {
                path: path.clone(),
                what: What::Bytes { offset: 35, left: window(1), right: window(2) },
            },
            Finding {
                path,
                what: What::Line {
                    number: 7,
                    offset: 90,
                    left: Some(format!("built at 10:00 {name}")),
                    right: Some(format!("built at 11:30 {name}")),
                },
            },
        ];
        let difference = Difference { classes: [Class::Contents].into(), findings, leaves: Vec::new() };
        evidence.push(Evidence {
            left: Party::Member(0),
            right: Party::Member(1),
            file: None,
            difference: Ok(difference),
            observation: observation(name),
            objects: (classes[0].identity, classes[1].identity),
            diffoscope: Some(Ok(name.to_owned())),
        });
    }
    Outcome {
        name: name.to_owned(),
        span: None,
        form: "identical",
        verdict,
        observed: verdict,
        expect: Expect::Holds,
        relation: Relation::default(),
        places: Places::default(),
        share: Share::default(),
        members,
        groups: Vec::new(),
        classes,
        news: Vec::new(),
        evidence,
        stages: None,
        agreed: None,
        varied: None,
    }
}

fn observation(name: &str) -> Observation {
    let observed = Observed {
        class: cause::Class::Timestamp,
        detail: name.to_owned(),
        axes: Vec::new(),
        path: vec![name.to_owned()],
        offset: Some(3),
        line: None,
        left: name.to_owned(),
        right: "11:30".to_owned(),
        packages: vec![name.to_owned()],
        places: 2,
        fix: "use SOURCE_DATE_EPOCH",
    };
    Observation { observed: vec![observed], whole: true, ..Observation::default() }
}

/// The page, the summary and the JUnit file of these comparisons, with one more thing of each kind that has this name.
fn rendered(outcomes: Vec<Outcome>, name: &str) -> [String; 3] {
    let mut sources = Sources::default();
    sources.add("build.rbld".to_owned(), "rbld 1\n".to_owned());
    let compared = ComparisonReport { outcomes, ..ComparisonReport::default() };
    let id = DerivationId(digest("t"));
    let failures = [Failed {
        name: Some(name.to_owned()),
        id: Some(id),
        span: None,
        failure: Failure::build(name).fact(name).help(name),
    }];
    let realised = [Realised {
        id,
        name: Some(name.to_owned()),
        kind: "build",
        status: "failed",
        key: None,
        outputs: BTreeMap::new(),
        facts: BTreeMap::new(),
    }];
    let node = Node {
        name: name.to_owned(),
        kind: "build",
        what: name.to_owned(),
        state: State::Failed,
        tenths: None,
        needs: Vec::new(),
        count: 1,
    };
    let graph = Graph { nodes: vec![node] };
    let logs =
        [Log { id, name: name.to_owned(), failed: true, cut: true, text: format!("cc -c x.c\n{name}\n") }];
    let locked = |tree| Locked {
        name: name.to_owned(),
        of: name.to_owned(),
        tree: Some(digest(tree)),
        packages: vec![(name.to_owned(), tree.to_owned())],
    };
    let report = Report {
        sources: &sources,
        diagnostics: &[],
        derivations: &realised,
        comparisons: Some(&compared),
        failures: &failures,
        now: Some(1_700_000_000),
    };
    let locked = [locked("a"), locked("b")];
    let whole =
        Whole { report: &report, file: name, graph: &graph, ids: &[id], logs: &logs, locked: &locked };
    [super::page(&whole), super::super::summary(&whole), super::super::junit(&whole)]
}

#[test]
fn a_hostile_name_stays_a_name() {
    let [page, summary, junit] = rendered(
        vec![outcome(HOSTILE, &[(HOSTILE, "a"), ("sid", "b")]), outcome("held", &[("x", "a"), ("y", "a")])],
        HOSTILE,
    );
    assert_eq!(page.matches("<script").count(), 1, "the page's own script");
    assert_eq!(page.matches("</script").count(), 1);
    for text in [&page, &junit] {
        assert!(!text.contains("<img") && !text.contains("' onload") && !text.contains("\" onload"));
        assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}']));
    }
    assert!(!summary.contains(['\u{1b}', '\u{7}', '\u{202e}']));
    // In Markdown it stands in code, which nothing in it can end.
    for event in pulldown_cmark::Parser::new(&summary) {
        if let pulldown_cmark::Event::Html(tag) | pulldown_cmark::Event::InlineHtml(tag) = event {
            assert!(!tag.contains("<img") && !tag.contains("<script"), "{tag}");
        }
    }
    // No tag asks for anything but a place in the page itself.
    let asks = regex::Regex::new(
        r##"<[a-z]+(\s+[a-zA-Z-]+(="[^"]*")?)*\s+(src|href|action|data|xlink:href)="[^"#d]"##,
    );
    assert_eq!(asks.map(|asks| asks.find(&page).map(|at| at.as_str().to_owned())), Ok(None));
    assert!(!page.contains("@import") && !page.contains("url(/") && !page.contains("url(h"));
}

#[test]
fn what_differs_is_marked_and_each_class_has_its_letter() {
    let [page, summary, junit] =
        rendered(vec![outcome("dist", &[("bookworm", "a"), ("trixie", "b"), ("sid", "a")])], "x");
    assert!(
        page.contains("built at 1<mark>0:0</mark>0 dist")
            || page.contains("built at 1<mark>0:00</mark> dist"),
        "{page}"
    );
    assert!(page.contains("<i class=\"k1\" title=\"trixie: B: "));
    assert!(page.contains("<h1>The one comparison does not hold</h1>"));
    assert!(summary.starts_with("### rbld: 1 mismatch (exit code 1)\n"), "{summary}");
    assert!(summary.contains("| ❌ mismatch | `dist` | 3 builds, 2 results |"), "{summary}");
    assert!(junit.contains("tests=\"1\" failures=\"1\" errors=\"0\""), "{junit}");
    assert!(junit.contains(
        "<testcase classname=\"rbld.identical\" name=\"dist\" time=\"0.0\"><failure type=\"mismatch\""
    ));
}

#[test]
fn five_thousand_results_stay_below_ten_megabytes() {
    let of = |index: usize| {
        let right = if index.is_multiple_of(3) { "b" } else { "a" };
        outcome(
            &format!("package-{index} of the archive is what it was"),
            &[("bookworm", "a"), ("trixie", right)],
        )
    };
    let [page, summary, _] = rendered((0..5000).map(of).collect(), "x");
    assert_eq!(page.matches("<details class=\"v ").count(), 5000);
    assert!(page.len() < 10_000_000, "{}", page.len());
    assert!(summary.len() < 1_000_000, "{}", summary.len());
    let [again, ..] = rendered((0..5000).map(of).collect(), "x");
    assert_eq!(page, again);
    // More than there is room for is counted.
    let [page, summary, _] = rendered((0..20_000).map(of).collect(), &"long ".repeat(100_000));
    assert!(page.len() < 20_000_000, "{}", page.len());
    assert!(page.contains("more comparisons are not on this page"));
    assert!(summary.contains("that do not hold"));
}

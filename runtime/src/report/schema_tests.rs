//! Every kind of thing that a report in JSON can hold, against the schema that is published of it.

use boon::{Compiler, Schemas};
use rbld_lang::derivation::{DerivationId, InputRef};
use rbld_lang::digest::Digest;
use rbld_lang::plan::{Category, Equality, Expect, Places, Relation};
use rbld_lang::span::Sources;
use rbld_lang::vary::Axis;
use serde_json::Value;

use super::{Report, SCHEMA, json};
use crate::compare::cause::{self, Candidate, Observation, Observed};
use crate::compare::difference::{Class, Difference, Finding, Side, What, Window};
use crate::compare::{
    Against, Agreed, Changed, ComparisonReport, Confirmed, Evidence, ExpectedOutcome, GroupOutcome, Identity,
    LeftOut, News, Outcome, OutputState, Party, PublishedFile, Run, Same, Sample, Sampled, Share, Shown,
    Subject, Trend, Unsteady, Varied, Verdict, Voice, Word,
};
use crate::packing::Codec;
use crate::store::Object;
use crate::vary::Variant;
use crate::vary::search::Effect;

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

/// What in a value isn't as the schema has it, fields that it doesn't name included.
fn wrong(value: &Value) -> Option<String> {
    let mut schema: Value = serde_json::from_str(SCHEMA).ok()?;
    close(&mut schema);
    let (mut compiler, mut schemas) = (Compiler::new(), Schemas::new());
    let place = "file:///report.schema.json";
    if let Err(error) = compiler.add_resource(place, schema) {
        return Some(error.to_string());
    }
    match compiler.compile(place, &mut schemas) {
        Ok(index) => schemas.validate(value, index).err().map(|error| format!("{error:#}")),
        Err(error) => Some(error.to_string()),
    }
}

fn close(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if fields.contains_key("properties") && fields.get("type").is_some_and(|of| of == "object") {
                fields.entry("additionalProperties").or_insert(false.into());
            }
            fields.values_mut().for_each(close);
        }
        Value::Array(parts) => parts.iter_mut().for_each(close),
        _ => {}
    }
}

fn findings() -> Vec<Finding> {
    let text = || Some("a".to_owned());
    let names = || vec!["a".to_owned()];
    let window = || Window { start: 0, bytes: vec![1, 255] };
    let whats = [
        What::Bytes { offset: 1, left: window(), right: Window { start: 0, bytes: Vec::new() } },
        What::Line { number: 1, offset: 2, left: text(), right: None },
        What::Fact { name: "mtime".to_owned(), left: None, right: text(), members: 3 },
        What::Only { side: Side::Right, names: names(), count: 2 },
        What::Order { position: 1, left: "a".to_owned(), right: "b".to_owned() },
        What::Framing,
        What::Compression {
            left: Codec::Gzip,
            right: Codec::Gzip,
            header: vec![("mtime".to_owned(), "1".to_owned(), "2".to_owned())],
        },
        What::More { members: 2, names: names() },
        What::Unread("too large".to_owned()),
    ];
    whats.into_iter().map(|what| Finding { path: vec!["data.tar".to_owned()], what }).collect()
}

fn identity() -> Identity {
    Identity { folder: false, digest: digest("f") }
}

/// A witness for each thing that one can say.
fn agreed() -> Agreed {
    let word = |word| Voice {
        name: "alice".to_owned(),
        span: None,
        by: None,
        signer: Some("0123".to_owned()),
        why: Some("ours".to_owned()),
        word,
    };
    let other = Word::Other(vec![("a.tar".to_owned(), digest("o"))]);
    let words = [Word::Same, Word::Again { first: 0 }, other, Word::Nothing("no key".to_owned())];
    Agreed { k: 2, voices: words.map(word).into() }
}

/// A cause of each effect, and what has none.
fn varied() -> Varied {
    let variant = |run| Variant { run, axes: [Axis::Time].into(), held: [Axis::Umask].into() };
    let shown = |difference| Shown {
        without: Variant::default(),
        with: variant(1),
        output: "dist".to_owned(),
        difference,
    };
    let difference =
        || Difference { classes: [Class::Contents].into(), findings: findings(), leaves: Vec::new() };
    let cause = |effect| Confirmed {
        axes: [Axis::Time, Axis::Umask].into(),
        held: [Axis::Locale].into(),
        effect,
        places: vec!["data.tar".to_owned()],
        shown: shown(Ok(difference())),
        line: None,
    };
    let unsteady = || Unsteady { place: "data.tar".to_owned(), shown: shown(Err("it failed".to_owned())) };
    let run = |changed| Run { variant: variant(2), cached: true, changed };
    Varied {
        axes: [Axis::Time].into(),
        not_varied: vec![(Axis::Umask, "no".to_owned())],
        runs: vec![run(Ok(1)), run(Err("it failed".to_owned()))],
        causes: [Effect::Changes, Effect::Sometimes { hits: 1, tries: 2 }, Effect::Holds].map(cause).into(),
        flaky: vec![unsteady()],
        unexplained: vec![unsteady()],
        complete: true,
    }
}

/// One of each class.
fn observation() -> Observation {
    let observed = cause::Class::ALL.map(|class| Observed {
        class,
        detail: "mtime".to_owned(),
        axes: vec![Axis::Time],
        path: vec!["data.tar".to_owned()],
        offset: Some(3),
        line: None,
        left: "1".to_owned(),
        right: "2".to_owned(),
        packages: vec!["gcc-12".to_owned()],
        places: 2,
        fix: "use SOURCE_DATE_EPOCH",
    });
    let candidate = Candidate {
        package: "gcc-12".to_owned(),
        arch: "amd64".to_owned(),
        left: Some("12.2".to_owned()),
        right: None,
        toolchain: Some("gcc"),
    };
    Observation { observed: observed.to_vec(), candidates: vec![candidate], ..Observation::default() }
}

fn news() -> Vec<News> {
    let identity = Identity { folder: true, digest: digest("a") };
    vec![
        News::Split { group: 0 },
        News::Merged { groups: (0, 9), identity },
        News::SharedBuild { groups: (0, 0) },
        News::OneBuild { members: vec![0, 1] },
        News::TooFew { group: 0 },
        News::NotRealised { member: 1 },
        News::NothingExpected { member: 0, why: "x".to_owned() },
        News::NonePublished { member: 0 },
        News::Equal,
        News::Executable { with: vec![0], without: vec![1] },
        News::BelowShare,
        News::NoLongerDifferent,
        News::Expired { until: 1_800_000_000 },
        News::BytesEqual,
        News::Nothing,
    ]
}

fn members() -> Vec<Subject> {
    let output = || InputRef { derivation: DerivationId(digest("d")), output: "dist".into() };
    let file = Object::File { digest: digest("f"), size: 3, executable: true };
    let ready = |object| OutputState::Ready { object, key: digest("k") };
    let tree = ready(Object::Tree { digest: digest("t"), size: 3 });
    let published = ExpectedOutcome::Published {
        by: "debian".to_owned(),
        files: vec![PublishedFile { name: "a.deb".to_owned(), expected: digest("a"), found: digest("b") }],
        unbuilt: vec!["b.deb".to_owned()],
        unpublished: Vec::new(),
    };
    let held = [
        None,
        Some(ExpectedOutcome::Digest(digest("a"))),
        Some(ExpectedOutcome::Output {
            output: output(),
            state: OutputState::Missing("not tried".to_owned()),
        }),
        Some(ExpectedOutcome::Output { output: output(), state: tree.clone() }),
        Some(published),
    ];
    let states =
        [ready(file), tree, OutputState::Failed("x".to_owned()), OutputState::Missing("x".to_owned())];
    let both = held.iter().flat_map(|held| states.iter().map(move |state| (held, state)));
    both.map(|(held, state)| Subject {
        key: "t[sid]".to_owned(),
        output: output(),
        state: state.clone(),
        against: held.clone().map(|expected| Against { verdict: Verdict::Inconclusive, expected }),
    })
    .collect()
}

#[test]
fn all_that_a_report_can_hold_is_in_the_schema() {
    let difference = Difference {
        classes: [Class::Contents, Class::Order].into(),
        findings: findings(),
        leaves: Vec::new(),
    };
    let evidence = |difference| Evidence {
        left: Party::Expected,
        right: Party::Member(0),
        file: Some("a.deb".to_owned()),
        difference,
        observation: observation(),
        objects: (identity(), identity()),
        diffoscope: Some(Err("not installed".to_owned())),
    };
    let classes = vec![Same { identity: identity(), members: vec![0], builds: 1 }];
    let group = GroupOutcome {
        name: "old".to_owned(),
        members: vec![0],
        classes: classes.clone(),
        builds: 1,
        verdict: None,
    };
    let outcome = Outcome {
        name: "x".to_owned(),
        span: None,
        form: "identical",
        verdict: Verdict::Mismatch,
        observed: Verdict::Match,
        expect: Expect::Different {
            why: "why".to_owned(),
            until: Some(1_800_000_000),
            category: Some(Category::Upstream),
            owner: None,
        },
        relation: Relation { equality: Equality::Content, why: Some("why".to_owned()) },
        places: Places::default(),
        share: Share { holding: 1, total: 2, files: Some((1, 2)), at_least: Some(3000) },
        members: members(),
        groups: vec![group],
        classes,
        news: news(),
        evidence: vec![evidence(Ok(difference)), evidence(Err("too large".to_owned()))],
        stages: None,
        agreed: Some(agreed()),
        varied: Some(varied()),
    };
    let left = LeftOut { comparison: "y".to_owned(), whole: false, members: vec!["t[sid]".to_owned()] };
    let sample = Sampled { sample: Sample::of(1000, 0), looked_at: 1, left_out: vec![left] };
    let changed = |member: Option<&str>| Changed {
        comparison: "x".to_owned(),
        member: member.map(str::to_owned),
        before: Verdict::Match,
        now: Verdict::Mismatch,
    };
    let (regressed, improved) = (vec![changed(None)], vec![changed(Some("t[sid]"))]);
    let trend = Trend { since: Some(0), regressed, improved, ..Trend::default() };
    let compared = ComparisonReport { outcomes: vec![outcome], sample: Some(sample), trend: Some(trend) };
    let report = Report {
        sources: &Sources::default(),
        diagnostics: &[],
        derivations: &[],
        comparisons: Some(&compared),
        failures: &[],
        now: Some(1_700_000_000),
    };
    let mut written = json(&report);
    assert_eq!(wrong(&written), None);
    // The schema does refuse.
    written["comparisons"][0]["news"][0]["what"] = "else".into();
    assert!(wrong(&written).is_some());
}

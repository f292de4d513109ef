//! The report as JSON, version 1: `spec/12-reports.md` says what each field means. Fields are only ever added.

use rbld_lang::derivation::InputRef;
use rbld_lang::plan::Expect;
use serde_json::{Map, Value, json};

use super::comparisons::last_day;
use super::diagnostics::fix_json;
use super::fixes::fixes;
use super::{Failed, Realised, Report, agreed, causes, diagnostics_json, stages, trend, varied};
use crate::compare::difference::{Difference, Finding, Side, What, Window};
use crate::compare::{
    Against, Evidence, ExpectedOutcome, GroupOutcome, Identity, News, Outcome, OutputState, Party, Same,
    Subject,
};
use crate::failure::Failure;
use crate::store::Object;

/// The version of the structure; raised when a field changes its meaning or goes.
pub(super) const FORMAT: u32 = 1;

/// The schema of it, as it is published.
pub const SCHEMA: &str = include_str!("../../../spec/report.schema.json");

/// The whole report.
pub fn json(report: &Report<'_>) -> Value {
    let compared = report.comparisons.map(|compared| {
        compared.outcomes.iter().map(|outcome| comparison_json(outcome, report)).collect::<Vec<_>>()
    });
    json!({
        "rbld": env!("CARGO_PKG_VERSION"),
        "format": FORMAT,
        "now": report.now.and_then(super::differences::date),
        "exit": { "code": report.exit_code(), "all": report.exit_codes() },
        "diagnostics": diagnostics_json(report.diagnostics, report.sources),
        "derivations": report.derivations.iter().map(derivation).collect::<Vec<_>>(),
        "comparisons": compared,
        "sample": report.comparisons.and_then(trend::sample_json),
        "trend": report.comparisons.and_then(trend::trend_json),
        "failures": report.failures.iter().map(failed).collect::<Vec<_>>(),
    })
}

/// A failure.
pub fn failure_json(failure: &Failure) -> Value {
    json!({
        "exit": failure.exit_code(),
        "message": failure.message,
        "facts": failure.facts,
        "help": failure.help,
    })
}

fn failed(failed: &Failed) -> Value {
    let mut value = json!({ "name": failed.name, "derivation": failed.id });
    if let (Value::Object(value), Value::Object(facts)) = (&mut value, failure_json(&failed.failure)) {
        value.extend(facts);
    }
    value
}

fn derivation(realised: &Realised) -> Value {
    let outputs: Map<String, Value> =
        realised.outputs.iter().map(|(name, object)| (name.clone(), object_json(object))).collect();
    json!({
        "id": realised.id,
        "name": realised.name,
        "kind": realised.kind,
        "status": realised.status,
        "key": realised.key,
        "outputs": outputs,
        "facts": realised.facts,
    })
}

/// A store object: its kind and digest, and for a file its size and executable bit.
pub fn object_json(object: &Object) -> Value {
    match object {
        Object::File { digest, size, executable } => {
            json!({ "kind": "file", "digest": digest, "size": size, "executable": executable })
        }
        Object::Tree { digest, .. } => json!({ "kind": "folder", "digest": digest }),
    }
}

/// What one comparison came to.
pub fn comparison_json(outcome: &Outcome, report: &Report<'_>) -> Value {
    let span = outcome.span.filter(|span| report.sources.iter().any(|(id, _)| id == span.file));
    let at = span.map(|span| {
        let (line, column) = report.sources.position(span);
        json!({ "file": report.sources.get(span.file).name, "line": line, "column": column })
    });
    let share = outcome.share;
    json!({
        "name": outcome.name,
        "form": outcome.form,
        "at": at,
        "verdict": outcome.verdict,
        "observed": outcome.observed,
        "expect_different": match &outcome.expect {
            Expect::Different { why, .. } => Some(why),
            _ => None,
        },
        "expect": expect(&outcome.expect),
        "tolerated": outcome.tolerated(),
        "compare": { "equality": outcome.relation.equality, "why": outcome.relation.why },
        "share": {
            "holding": share.holding,
            "total": share.total,
            "at_least_hundredths_of_percent": share.at_least,
            "files": share.files.map(|(holding, total)| json!({ "holding": holding, "total": total })),
        },
        "members": outcome.members.iter().map(member).collect::<Vec<_>>(),
        "groups": outcome.groups.iter().map(|one| group(outcome, one)).collect::<Vec<_>>(),
        "classes": classes(outcome, &outcome.classes),
        "news": outcome.news.iter().map(|one| news(outcome, one)).collect::<Vec<_>>(),
        "evidence": outcome.evidence.iter().map(|one| evidence(outcome, one)).collect::<Vec<_>>(),
        "stages": stages::json(outcome),
        "agreed": agreed::json(outcome),
        "fixes": fixes(outcome, report.sources)
            .iter()
            .map(|fix| fix_json(fix, report.sources))
            .collect::<Vec<_>>(),
        "varied": varied::json(outcome, report.sources),
    })
}

fn expect(expect: &Expect) -> Value {
    match expect {
        Expect::Holds => Value::Null,
        Expect::Different { why, until, category, owner } => json!({
            "is": "different",
            "why": why,
            "until": until.map(last_day),
            "category": category,
            "owner": owner,
        }),
        Expect::Flaky { why, owner } => {
            json!({ "is": "flaky", "why": why, "until": null, "category": null, "owner": owner })
        }
    }
}

fn output_json(output: &InputRef) -> Value {
    json!({ "derivation": output.derivation, "output": &*output.output })
}

fn state(state: &OutputState) -> Value {
    match state {
        OutputState::Ready { object, key } => {
            json!({ "status": "ready", "key": key, "object": object_json(object) })
        }
        OutputState::Failed(why) => json!({ "status": "failed", "why": why }),
        OutputState::Missing(why) => json!({ "status": "missing", "why": why }),
    }
}

fn member(subject: &Subject) -> Value {
    let mut value = json!({ "name": subject.key, "of": output_json(&subject.output) });
    if let (Value::Object(value), Value::Object(state)) = (&mut value, state(&subject.state)) {
        value.extend(state);
        if let Some(against) = &subject.against {
            value.insert("verdict".to_owned(), json!(against.verdict));
            value.insert("expected".to_owned(), expected(against));
        }
    }
    value
}

fn expected(against: &Against) -> Value {
    match &against.expected {
        ExpectedOutcome::Digest(digest) => json!({ "digest": digest }),
        ExpectedOutcome::Output { output, state: is } => {
            json!({ "of": output_json(output), "state": state(is) })
        }
        ExpectedOutcome::Published { by, files, unbuilt, unpublished } => {
            let file = |file: &crate::compare::PublishedFile| {
                json!({
                    "name": file.name,
                    "expected": file.expected,
                    "found": file.found,
                    "equal": file.expected == file.found,
                })
            };
            json!({
                "by": by,
                "files": files.iter().map(file).collect::<Vec<_>>(),
                "unbuilt": unbuilt,
                "unpublished": unpublished,
            })
        }
    }
}

fn identity(identity: Identity) -> Value {
    json!({ "kind": if identity.folder { "folder" } else { "file" }, "digest": identity.digest })
}

fn classes(outcome: &Outcome, classes: &[Same]) -> Vec<Value> {
    let class = |class: &Same| {
        json!({
            "object": identity(class.identity),
            "builds": class.builds,
            "members": names(outcome, &class.members),
        })
    };
    classes.iter().map(class).collect()
}

fn group(outcome: &Outcome, group: &GroupOutcome) -> Value {
    json!({
        "name": group.name,
        "verdict": group.verdict,
        "builds": group.builds,
        "members": names(outcome, &group.members),
        "classes": classes(outcome, &group.classes),
    })
}

fn names(outcome: &Outcome, members: &[usize]) -> Vec<String> {
    members.iter().filter_map(|index| outcome.members.get(*index)).map(|member| member.key.clone()).collect()
}

fn news(outcome: &Outcome, news: &News) -> Value {
    let group = |index: usize| outcome.groups.get(index).map(|group| group.name.clone());
    let member = |index: usize| outcome.members.get(index).map(|member| member.key.clone());
    match news {
        News::Split { group: index } => json!({ "what": "split", "group": group(*index) }),
        News::Merged { groups: (one, other), identity: shared } => {
            json!({ "what": "merged", "groups": [group(*one), group(*other)], "object": identity(*shared) })
        }
        News::SharedBuild { groups: (one, other) } => {
            json!({ "what": "shared_build", "groups": [group(*one), group(*other)] })
        }
        News::OneBuild { members } => json!({ "what": "one_build", "members": names(outcome, members) }),
        News::TooFew { group: index } => json!({ "what": "too_few", "group": group(*index) }),
        News::NotRealised { member: index } => json!({ "what": "not_realised", "member": member(*index) }),
        News::NothingExpected { member: index, why } => {
            json!({ "what": "nothing_expected", "member": member(*index), "why": why })
        }
        News::NonePublished { member: index } => {
            json!({ "what": "none_published", "member": member(*index) })
        }
        News::Equal => json!({ "what": "equal" }),
        News::Executable { with, without } => json!({
            "what": "executable",
            "with": names(outcome, with),
            "without": names(outcome, without),
        }),
        News::BelowShare => json!({ "what": "below_share" }),
        News::NoLongerDifferent => json!({ "what": "no_longer_different" }),
        News::Expired { until } => json!({ "what": "expired", "until": last_day(*until) }),
        News::BytesEqual => json!({ "what": "bytes_equal" }),
        News::Nothing => json!({ "what": "nothing" }),
    }
}

fn evidence(outcome: &Outcome, evidence: &Evidence) -> Value {
    let party = |party: Party| match party {
        Party::Member(index) => json!({ "member": outcome.members.get(index).map(|member| &member.key) }),
        Party::Expected => json!({ "expected": true }),
    };
    let mut value = json!({
        "left": party(evidence.left),
        "right": party(evidence.right),
        "file": evidence.file,
    });
    let difference = match &evidence.difference {
        Ok(difference) => difference_json(difference),
        Err(why) => json!({ "classes": [], "findings": [], "why": why }),
    };
    if let (Value::Object(value), Value::Object(difference)) = (&mut value, difference) {
        value.extend(difference);
        value.insert("observed".to_owned(), causes::json(&evidence.observation));
        let page = evidence.diffoscope.as_ref().map(|page| match page {
            Ok(page) => json!({ "page": page }),
            Err(why) => json!({ "why": why }),
        });
        value.insert("diffoscope".to_owned(), json!(page));
    }
    value
}

/// How two objects differ.
pub fn difference_json(difference: &Difference) -> Value {
    json!({
        "classes": difference.classes.iter().map(|class| class.word()).collect::<Vec<_>>(),
        "findings": difference.findings.iter().map(finding).collect::<Vec<_>>(),
    })
}

fn finding(finding: &Finding) -> Value {
    let side = |side: Side| if side == Side::Left { "left" } else { "right" };
    let mut value = match &finding.what {
        What::Bytes { offset, left, right } => {
            json!({ "what": "bytes", "offset": offset, "left": window(left), "right": window(right) })
        }
        What::Line { number, offset, left, right } => {
            json!({ "what": "line", "line": number, "offset": offset, "left": left, "right": right })
        }
        What::Fact { name, left, right, members } => {
            json!({ "what": "fact", "fact": name, "left": left, "right": right, "members": members })
        }
        What::Only { side: who, names, count } => {
            json!({ "what": "only", "side": side(*who), "names": names, "count": count })
        }
        What::Order { position, left, right } => {
            json!({ "what": "order", "position": position, "left": left, "right": right })
        }
        What::Framing => json!({ "what": "framing" }),
        What::Compression { left, right, header } => {
            let header: Vec<Value> = header
                .iter()
                .map(|(name, left, right)| json!({ "fact": name, "left": left, "right": right }))
                .collect();
            json!({ "what": "compression", "left": left.name(), "right": right.name(), "header": header })
        }
        What::More { members, names } => json!({ "what": "more", "members": members, "names": names }),
        What::Unread(why) => json!({ "what": "unread", "why": why }),
    };
    if let Value::Object(value) = &mut value {
        value.insert("path".to_owned(), json!(finding.path));
    }
    value
}

fn window(window: &Window) -> Value {
    let hex: String = window.bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    json!({ "start": window.start, "hex": hex })
}

//! A report as SARIF 2.1.0, for code scanning: rules with what `rbld explain` says, results with all places and with the
//! edits that mend them.

use rbld_lang::diagnostic::Fix;
use rbld_lang::span::{Sources, Span};
use serde_json::{Value, json};

use super::Report;
use super::diagnostics::columns_of;
use super::findings::{Finding, Level, Rule, findings};

/// The whole report. `folder`: the project's folder below the repository's, empty or with a `/` at its end.
pub fn sarif(report: &Report<'_>, folder: &str) -> Value {
    let found = findings(report);
    let mut rules: Vec<Rule> = found.iter().map(|finding| finding.rule).collect();
    rules.sort();
    rules.dedup();
    let place = Place { sources: report.sources, folder };
    let results: Vec<Value> = found.iter().map(|finding| result(finding, &rules, &place)).collect();
    // What is wrong is a result; a run that ended early hasn't found all of it.
    let complete = [0, 1, 2, 6].contains(&report.exit_code());
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "rbld",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules.iter().map(rule).collect::<Vec<_>>(),
            } },
            "columnKind": "unicodeCodePoints",
            "originalUriBaseIds": { "%SRCROOT%": { "description": { "text": "the repository's folder" } } },
            "invocations": [{
                "executionSuccessful": complete,
                "exitCode": report.exit_code(),
            }],
            "results": results,
        }],
    })
}

fn rule(rule: &Rule) -> Value {
    json!({
        "id": rule.id,
        "shortDescription": { "text": rule.title },
        "fullDescription": { "text": rule.title },
        "help": { "text": rule.explanation },
    })
}

fn result(finding: &Finding<'_>, rules: &[Rule], place: &Place<'_>) -> Value {
    let message = match finding.help {
        Some(help) => format!("{}\nhelp: {help}", finding.message),
        None => finding.message.clone(),
    };
    let mut result = json!({
        "ruleId": finding.rule.id,
        "ruleIndex": rules.iter().position(|rule| rule.id == finding.rule.id),
        "level": match finding.level {
            Level::Error => "error",
            Level::Warning => "warning",
        },
        "message": { "text": message },
        "locations": [{ "physicalLocation": place.physical(finding.span) }],
        "partialFingerprints": { "rbld/v1": finding.fingerprint },
    });
    if !finding.related.is_empty() {
        let related = finding.related.iter().enumerate().map(|(index, label)| {
            json!({
                "id": index,
                "message": { "text": label.text },
                "physicalLocation": place.physical(label.span),
            })
        });
        result["relatedLocations"] = related.collect();
    }
    if !finding.fixes.is_empty() {
        result["fixes"] = finding.fixes.iter().map(|fix| place.fix(fix)).collect();
    }
    result
}

/// How places are written.
struct Place<'a> {
    sources: &'a Sources,
    folder: &'a str,
}

impl Place<'_> {
    fn artifact(&self, span: Span) -> Value {
        let name = &self.sources.get(span.file).name;
        json!({ "uri": uri(&format!("{}{name}", self.folder)), "uriBaseId": "%SRCROOT%" })
    }

    fn physical(&self, span: Span) -> Value {
        json!({ "artifactLocation": self.artifact(span), "region": self.region(span) })
    }

    fn region(&self, span: Span) -> Value {
        let ((line, column), (end_line, end_column)) = columns_of(span, self.sources);
        json!({ "startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column })
    }

    fn fix(&self, fix: &Fix) -> Value {
        json!({
            "description": { "text": fix.title },
            "artifactChanges": [{
                "artifactLocation": self.artifact(fix.span),
                "replacements": [{
                    "deletedRegion": self.region(fix.span),
                    "insertedContent": { "text": fix.text },
                }],
            }],
        })
    }
}

/// A path as a relative URI.
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(byte.into())
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

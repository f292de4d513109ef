//! A report as the code-quality artifact of GitLab and others: a subset of Code Climate's format, one object a finding.

use serde_json::{Value, json};

use super::Report;
use super::diagnostics::columns_of;
use super::findings::{Level, findings};

/// The whole report. `folder`: the project's folder below the repository's, empty or with a `/` at its end.
pub fn code_quality(report: &Report<'_>, folder: &str) -> Value {
    let found = findings(report);
    let one = found.iter().map(|finding| {
        let ((line, _), (end, _)) = columns_of(finding.span, report.sources);
        let name = &report.sources.get(finding.span.file).name;
        let description = match finding.help {
            Some(help) => format!("{}; {help}", finding.message),
            None => finding.message.clone(),
        };
        json!({
            "description": description,
            "check_name": finding.rule.id,
            "fingerprint": finding.fingerprint,
            "severity": match finding.level {
                Level::Error => "critical",
                Level::Warning => "minor",
            },
            "location": { "path": format!("{folder}{name}"), "lines": { "begin": line, "end": end } },
        })
    });
    one.collect()
}

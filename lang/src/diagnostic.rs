//! Diagnostics: what is wrong with a file, where, why it matters and what to type next.
//!
//! Collected, never thrown: a run reports all of them at once. This module holds the
//! data; the runtime's `report` renders it for a person (miette), as JSON or as SARIF.

use crate::span::Span;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing runs.
    Error,
    /// Everything runs, and this is said.
    Warning,
}

/// A stable code, such as `E0203`; its row in [`crate::codes`] says what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Code(pub &'static str);

/// A place and what is to be said of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// A few words, lower case.
    pub text: String,
}

/// An edit that the help names: once made, what was wrong isn't.
#[derive(Clone, Debug, PartialEq)]
pub struct Fix {
    /// What it does, as an imperative: "change to `debian`".
    pub title: String,
    /// What is replaced; empty where something is put in.
    pub span: Span,
    /// By what.
    pub text: String,
}

/// One finding.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnostic {
    /// Its stable code.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// A lower-case sentence without a full stop, the user's words in backticks.
    pub message: String,
    /// The places that matter, the primary one first; they may lie in several files.
    pub labels: Vec<Label>,
    /// What to type next.
    pub help: Option<String>,
    /// The edits that the help names, where it names some exactly, the likeliest first.
    pub fixes: Vec<Fix>,
}

impl Diagnostic {
    /// An error at a place.
    pub fn error(code: Code, message: impl Into<String>, span: Span, label: impl Into<String>) -> Diagnostic {
        Diagnostic {
            code,
            severity: Severity::Error,
            message: message.into(),
            labels: vec![Label { span, text: label.into() }],
            help: None,
            fixes: Vec::new(),
        }
    }

    /// A warning at a place.
    pub fn warning(
        code: Code,
        message: impl Into<String>,
        span: Span,
        label: impl Into<String>,
    ) -> Diagnostic {
        Diagnostic { severity: Severity::Warning, ..Diagnostic::error(code, message, span, label) }
    }

    /// Adds a second place.
    #[must_use]
    pub fn label(mut self, span: Span, text: impl Into<String>) -> Diagnostic {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    /// Adds what to type next.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }

    /// Adds an edit that the help names.
    #[must_use]
    pub fn fix(mut self, title: impl Into<String>, span: Span, text: impl Into<String>) -> Diagnostic {
        self.fixes.push(Fix { title: title.into(), span, text: text.into() });
        self
    }

    /// Adds the edit that writes something else at a place, where it is known what is meant.
    #[must_use]
    pub fn change(self, span: Span, meant: Option<impl Into<String>>) -> Diagnostic {
        match meant.map(Into::into) {
            Some(meant) => self.fix(format!("change to `{meant}`"), span, meant),
            None => self,
        }
    }
}

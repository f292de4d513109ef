//! A difference as diffoscope's JSON, version 1: the same findings, for whatever reads that.

use serde_json::{Map, Value, json};

use crate::compare::cause::Observation;
use crate::compare::difference::{Difference, Finding, Leaf, Nature, Side, What, Window};

/// One node: a file, or a member of an archive, and what is beneath it.
#[derive(Default)]
struct Node {
    sources: (String, String),
    comments: Vec<String>,
    hunks: Vec<Hunk>,
    details: Vec<Node>,
}

/// A few lines of both sides, and the numbers of their first ones.
struct Hunk {
    at: u64,
    left: Vec<String>,
    right: Vec<String>,
}

/// The whole document; `left` and `right` are what the sides are called.
pub fn json(difference: &Difference, observation: &Observation, left: &str, right: &str) -> Value {
    let mut root = Node { sources: (left.to_owned(), right.to_owned()), ..Node::default() };
    for finding in &difference.findings {
        root.beneath(&finding.path).take(finding);
    }
    for leaf in &difference.leaves {
        root.beneath(&leaf.path).hunks.extend(leaf_hunks(leaf));
    }
    for one in &observation.observed {
        let what = format!("looks like {}: {}", super::causes::word(one.class), one.detail);
        root.beneath(&one.path).comments.push(what);
    }
    let mut document = Map::from_iter([("diffoscope-json-version".to_owned(), json!(1))]);
    if let Value::Object(node) = root.json() {
        document.extend(node);
    }
    Value::Object(document)
}

impl Node {
    fn beneath(&mut self, path: &[String]) -> &mut Node {
        let mut node = self;
        for step in path {
            let at = node.details.iter().position(|child| child.sources.0 == *step);
            let at = at.unwrap_or_else(|| {
                let sources = (step.clone(), step.clone());
                node.details.push(Node { sources, ..Node::default() });
                node.details.len() - 1
            });
            node = &mut node.details[at];
        }
        node
    }

    fn take(&mut self, finding: &Finding) {
        let mut lines = |name: &str, left: &str, right: &str| {
            let line = |value: &str| vec![format!("{name}: {value}")];
            self.hunks.push(Hunk { at: 1, left: line(left), right: line(right) });
        };
        match &finding.what {
            // The leaf has these places and more.
            What::Bytes { .. } | What::Line { .. } => {}
            What::Fact { name, left, right, members } => {
                lines(name, left.as_deref().unwrap_or_default(), right.as_deref().unwrap_or_default());
                if *members > 1 {
                    self.comments.push(format!("{name} of {members} members differs"));
                }
            }
            What::Only { side, names, count } => {
                let (mut ours, mut theirs) = (Vec::new(), Vec::new());
                let side = if *side == Side::Left { &mut ours } else { &mut theirs };
                side.extend(names.iter().cloned());
                if *count > names.len() {
                    side.push(format!("and {} more", count - names.len()));
                }
                self.hunks.push(Hunk { at: 1, left: ours, right: theirs });
            }
            What::Order { left, right, position } => lines(&format!("member {}", position + 1), left, right),
            What::Framing => self.comments.push("headers, padding or end differ".to_owned()),
            What::Compression { left, right, header } => {
                if left != right || header.is_empty() {
                    lines("compression", left.name(), right.name());
                }
                header.iter().for_each(|(name, left, right)| lines(name, left, right));
            }
            What::More { members, names } => {
                self.comments.push(format!("{members} more differ: {}", names.join(", ")));
            }
            What::Unread(why) => self.comments.push(format!("not looked into: {why}")),
        }
    }

    fn json(&self) -> Value {
        let mut node = Map::new();
        node.insert("source1".to_owned(), json!(self.sources.0));
        node.insert("source2".to_owned(), json!(self.sources.1));
        if !self.comments.is_empty() {
            node.insert("comments".to_owned(), json!(self.comments));
        }
        let unified: String = self.hunks.iter().map(Hunk::unified).collect();
        node.insert("unified_diff".to_owned(), if unified.is_empty() { Value::Null } else { json!(unified) });
        if !self.details.is_empty() {
            node.insert("details".to_owned(), self.details.iter().map(Node::json).collect());
        }
        Value::Object(node)
    }
}

impl Hunk {
    fn unified(&self) -> String {
        let range = |lines: &[String]| match lines.len() {
            0 => format!("{},0", self.at.saturating_sub(1)),
            count => format!("{},{count}", self.at),
        };
        let mut text = format!("@@ -{} +{} @@\n", range(&self.left), range(&self.right));
        for (sign, lines) in [('-', &self.left), ('+', &self.right)] {
            lines.iter().for_each(|line| text += &format!("{sign}{line}\n"));
        }
        text
    }
}

/// The places of a leaf: lines of text, sixteen bytes a line of everything else.
fn leaf_hunks(leaf: &Leaf) -> Vec<Hunk> {
    let hunk = |part: &crate::compare::difference::Part| {
        let whole = |side: &[u8]| [&*part.before, side, &*part.after].concat();
        if leaf.nature == Some(Nature::Text) {
            let lines = |side: &[u8]| {
                if side.is_empty() && part.before.is_empty() && part.after.is_empty() {
                    return Vec::new();
                }
                String::from_utf8_lossy(&whole(side)).lines().map(str::to_owned).collect()
            };
            return Hunk { at: part.line.unwrap_or(1), left: lines(&part.left), right: lines(&part.right) };
        }
        let lines = |side: &[u8]| {
            let rows = side.chunks(16).enumerate();
            rows.map(|(row, bytes)| {
                let start = part.offset + row as u64 * 16;
                super::differences::hex(&Window { start, bytes: bytes.to_vec() })
            })
            .collect()
        };
        Hunk { at: part.offset / 16 + 1, left: lines(&part.left), right: lines(&part.right) }
    };
    leaf.parts.iter().map(hunk).collect()
}

//! YAML with the line of every value. Anchors, aliases and merge keys are followed here; how deep, how long and how large a
//! file may be is bounded, and so is what its aliases would come to if they were written out.

use std::collections::BTreeMap;
use std::rc::Rc;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use crate::failure::{Failure, Result};

/// The longest file, in bytes.
const LONGEST: usize = 1 << 20;
/// How deep values nest.
const DEEPEST: usize = 64;
/// How many values there are, aliases written out.
const MOST: usize = 100_000;

/// A value.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Where it begins.
    pub(super) line: usize,
    /// What it is.
    pub(super) value: Value,
    /// How many values it holds, itself included.
    size: usize,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// A text, number, or whatever else is no collection.
    Text(String),
    /// Nothing.
    Null,
    /// A list.
    List(Vec<Rc<Node>>),
    /// A map, in the order of the file.
    Map(Vec<(String, Rc<Node>)>),
    /// `!reference [job, key]`.
    Reference(Vec<String>),
}

impl Node {
    /// The text, if it is one.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value of a key of a map.
    pub(super) fn get(&self, key: &str) -> Option<&Rc<Node>> {
        self.entries().iter().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    /// The entries of a map; none of anything else.
    pub(super) fn entries(&self) -> &[(String, Rc<Node>)] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The elements of a list; the value itself, if it is none.
    pub(super) fn elements(self: &Rc<Node>) -> Vec<Rc<Node>> {
        match &self.value {
            Value::List(elements) => elements.clone(),
            Value::Null => Vec::new(),
            _ => vec![self.clone()],
        }
    }

    /// A map of these entries.
    pub(super) fn map(line: usize, entries: Vec<(String, Rc<Node>)>) -> Rc<Node> {
        let size = entries.iter().map(|(_, node)| node.size).sum::<usize>() + 1;
        Rc::new(Node { line, value: Value::Map(entries), size })
    }
}

/// Reads the first document of a file.
pub(super) fn read(name: &str, text: &str) -> Result<Rc<Node>> {
    let wrong = |line: usize, what: &str| {
        Failure::input(format!("`{name}` can't be read")).fact(format!("line {line}: {what}"))
    };
    if text.len() > LONGEST {
        return Err(Failure::input(format!("`{name}` is too long to be a pipeline"))
            .fact(format!("it has {} bytes, the most is {LONGEST}", text.len())));
    }
    let mut reader = Reader { open: Vec::new(), anchors: BTreeMap::new(), root: None };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            wrong(error.marker().line(), error.info())
                .help("it isn't YAML: GitLab's own `CI lint` page shows what it makes of the file")
        })?;
        if matches!(event, Event::DocumentEnd) {
            break;
        }
        reader.take(event, &span).map_err(|what| wrong(span.start.line(), &what))?;
    }
    reader.root.ok_or_else(|| wrong(1, "it holds nothing"))
}

/// A collection that is being read.
enum Open {
    List {
        line: usize,
        anchor: usize,
        reference: bool,
        elements: Vec<Rc<Node>>,
    },
    Map {
        line: usize,
        anchor: usize,
        entries: Vec<(String, Rc<Node>)>,
        key: Option<String>,
        merged: Vec<Rc<Node>>,
    },
}

struct Reader {
    open: Vec<Open>,
    anchors: BTreeMap<usize, Rc<Node>>,
    root: Option<Rc<Node>>,
}

impl Reader {
    fn take(&mut self, event: Event<'_>, span: &Span) -> Result<(), String> {
        let line = span.start.line();
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let null = style == ScalarStyle::Plain && matches!(&*text, "" | "~" | "null");
                let value = if null { Value::Null } else { Value::Text(text.into_owned()) };
                self.put(Rc::new(Node { line, value, size: 1 }), anchor)
            }
            Event::Alias(anchor) => {
                let node =
                    self.anchors.get(&anchor).cloned().ok_or("an alias names an anchor that holds itself")?;
                self.put(node, 0)
            }
            Event::SequenceStart(anchor, tag) => {
                let reference = tag.is_some_and(|tag| is_reference(&tag));
                self.push(Open::List { line, anchor, reference, elements: Vec::new() })
            }
            Event::MappingStart(anchor, _) => {
                self.push(Open::Map { line, anchor, entries: Vec::new(), key: None, merged: Vec::new() })
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            _ => Ok(()),
        }
    }

    fn push(&mut self, open: Open) -> Result<(), String> {
        if self.open.len() >= DEEPEST {
            return Err(format!("values are nested more than {DEEPEST} deep"));
        }
        self.open.push(open);
        Ok(())
    }

    fn close(&mut self) -> Result<(), String> {
        let (node, anchor) = match self.open.pop() {
            Some(Open::List { line, anchor, reference, elements }) => {
                let size = elements.iter().map(|node| node.size).sum::<usize>() + 1;
                let value = if reference {
                    Value::Reference(
                        elements.iter().filter_map(|node| node.text().map(str::to_owned)).collect(),
                    )
                } else {
                    Value::List(elements)
                };
                (Rc::new(Node { line, value, size }), anchor)
            }
            Some(Open::Map { line, anchor, mut entries, merged, .. }) => {
                for from in merged {
                    for (key, value) in from.entries() {
                        if !entries.iter().any(|(known, _)| known == key) {
                            entries.push((key.clone(), value.clone()));
                        }
                    }
                }
                (Node::map(line, entries), anchor)
            }
            None => return Err("a collection ends that never began".to_owned()),
        };
        self.put(node, anchor)
    }

    /// Puts a value where it belongs.
    fn put(&mut self, node: Rc<Node>, anchor: usize) -> Result<(), String> {
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        if node.size > MOST {
            return Err(format!("with its aliases written out it holds more than {MOST} values"));
        }
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::List { elements, .. }) => elements.push(node),
            Some(Open::Map { entries, key, merged, .. }) => match key.take() {
                None => match &node.value {
                    Value::Text(text) => *key = Some(text.clone()),
                    _ => return Err("a key is a text".to_owned()),
                },
                Some(name) if name == "<<" => merged.extend(node.elements()),
                Some(name) => {
                    // Of two equal keys the later holds, as GitLab has it.
                    entries.retain(|(known, _)| *known != name);
                    entries.push((name, node));
                }
            },
        }
        Ok(())
    }
}

fn is_reference(tag: &Tag) -> bool {
    tag.suffix == "reference"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(text: &str) -> String {
        read("a.yml", text).unwrap_err().to_string()
    }

    #[test]
    fn anchors_and_merges_are_followed() {
        let root =
            read("a.yml", "a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  y: 3\nc: [*a, ~]\nd: !reference [a, x]\n")
                .unwrap();
        let b = root.get("b").unwrap();
        assert_eq!((b.get("x").unwrap().text(), b.get("y").unwrap().text()), (Some("1"), Some("3")));
        assert_eq!(b.get("y").unwrap().line, 4);
        assert_eq!(root.get("c").unwrap().elements().len(), 2);
        assert!(matches!(&root.get("d").unwrap().value, Value::Reference(path) if path == &["a", "x"]));
    }

    #[test]
    fn hostile_files_are_refused() {
        assert!(failure(&"- ".repeat(100)).contains("nested more than 64 deep"));
        assert!(failure(&"[".repeat(100_000)).contains("recursion limit"));
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for n in 1..20 {
            let alias = format!("*a{}", n - 1);
            bomb.push_str(&format!("a{n}: &a{n} [{}]\n", [&*alias; 10].join(", ")));
        }
        assert!(failure(&bomb).contains("more than 100000 values"));
        assert!(failure(&"a: b\n".repeat(300_000)).contains("too long"));
        assert!(failure("a: &a [*a]\n").contains("line 1"));
        assert!(failure("a: [b\n").contains("can't be read"));
        assert!(failure("{}: x\n? [a]\n: b\n").contains("a key is a text"));
        assert!(failure("").contains("holds nothing"));
    }
}

//! Assertions: the members, their groups and what is expected of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use indexmap::IndexMap;

use super::{Eval, Evaluator, Stop};
use crate::check::{self, Within};
use crate::codes;
use crate::digest::Digest;
use crate::ir::Ir;
use crate::lock::SuiteAt;
use crate::nearest::{listed, nearest};
use crate::plan::{Across, Equality, Expect, Places, Relation};
use crate::span::Span;
use crate::value::{Key, Output, Value};
use crate::vary::Axis;

/// An assertion, its members not yet derivations.
#[derive(Clone, Debug)]
pub(crate) struct Comparison {
    /// The text in quotes.
    pub name: Arc<str>,
    /// The item.
    pub span: Span,
    /// What is compared.
    pub form: Form,
    /// The share that must match, in hundredths of a percent.
    pub at_least: Option<u32>,
    /// What is expected of it.
    pub expect: Expect,
    /// What counts as equal.
    pub relation: Relation,
    /// Where its modifiers stand.
    pub places: Places,
}

/// A form with its values.
#[derive(Clone, Debug)]
pub(crate) enum Form {
    /// `identical`.
    Identical {
        /// The members with the names that a report has for them.
        members: Vec<Member>,
        /// The groups: name, indexes of members, place.
        groups: Vec<(String, Vec<usize>, Span)>,
        /// Whether groups must differ.
        across: Across,
        /// The place of the members.
        place: Span,
    },
    /// `matches`.
    Matches {
        /// The members.
        members: Vec<Member>,
        /// What is expected of each.
        expected: Vec<Expected>,
        /// The place of what is expected.
        place: Span,
    },
    /// `differ`.
    Differ {
        /// One.
        a: Member,
        /// The other.
        b: Member,
    },
    /// `fixpoint`.
    Fixpoint {
        /// What the outputs of a stage are called.
        names: Vec<String>,
        /// The stages.
        stages: Vec<Vec<Member>>,
        /// The place of the chain.
        place: Span,
    },
    /// `reproducible`.
    Reproducible {
        /// What a person calls the build.
        name: String,
        /// The outputs compared, all of one build.
        outputs: Vec<Member>,
        /// How often it is made.
        times: u32,
        /// What is varied.
        vary: Vec<Axis>,
    },
    /// `agreed`.
    Agreed {
        /// The output.
        member: Member,
        /// How many witnesses must say the same.
        k: u32,
        /// The witnesses.
        of: Vec<Witness>,
        /// The place of the witnesses.
        place: Span,
    },
}

/// Somebody else's word.
#[derive(Clone, Debug)]
pub(crate) struct Witness {
    /// What a person calls it.
    pub name: String,
    /// Where it is written.
    pub span: Span,
    /// How it says so.
    pub says: Says,
}

/// How a witness says what it built; lists, signatures and keys are inputs or outputs.
#[derive(Clone, Debug)]
pub(crate) enum Says {
    /// A signed list.
    Signed {
        /// The list, or the folder that holds it.
        sums: Value,
        /// Its path in the folder.
        at: Option<Arc<str>>,
        /// The signature.
        signature: Option<Value>,
        /// The keys.
        keys: Value,
    },
    /// A list without signature.
    Unsigned {
        /// The list, or the folder that holds it.
        sums: Value,
        /// Its path in the folder.
        at: Option<Arc<str>>,
        /// Why it is believed.
        why: Arc<str>,
    },
    /// An output of another build.
    Output(Member),
}

/// A member and the name that a report has for it.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// Its key, or its full name where keys alone would not tell members apart.
    pub key: String,
    /// The output.
    pub output: Arc<Output>,
}

/// What a member is expected to be.
#[derive(Clone, Debug)]
pub(crate) enum Expected {
    /// This digest.
    Digest(Digest, Span),
    /// Another output.
    Output(Arc<Output>),
    /// What an archive publishes.
    Published(SuiteAt),
}

impl Evaluator<'_> {
    /// Evaluates an assertion.
    pub(super) fn comparison(&mut self, checked: &check::Comparison, name: &Arc<str>) -> Eval<Comparison> {
        let at_least = match &checked.at_least {
            None => None,
            Some(ir) => match self.eval(ir)? {
                Value::Percent(share) if (1..=10_000).contains(&share) => Some(share),
                _ => return Err(Stop),
            },
        };
        let expect = match &checked.expect {
            None => Expect::Holds,
            Some(ir) => match self.eval(ir)? {
                Value::Expect(expect) => (*expect).clone(),
                _ => return Err(Stop),
            },
        };
        let relation = match &checked.relation {
            None => Relation::default(),
            Some(ir) => match self.eval(ir)? {
                Value::Relation(relation) => (*relation).clone(),
                _ => return Err(Stop),
            },
        };
        let expected_different = matches!(expect, Expect::Different { .. });
        let form = match &checked.form {
            check::Form::Identical { members, within, across } => {
                self.identical(members, within.as_ref(), across.as_ref(), expected_different)?
            }
            check::Form::Matches { members, expected, of_each } => {
                self.matches(members, expected, *of_each)?
            }
            check::Form::Differ { a, b } => {
                let outputs = [self.output(a)?, self.output(b)?];
                let [a, b] = <[Member; 2]>::try_from(members_of(&outputs)).map_err(|_| Stop)?;
                self.apart(&[&a, &b], checked.span)?;
                Form::Differ { a, b }
            }
            check::Form::Fixpoint(chain) => self.fixpoint(chain)?,
            check::Form::Reproducible { of, times, vary } => {
                self.reproducible(of, times.as_ref(), vary.as_ref())?
            }
            check::Form::Agreed { member, k, of } => self.agreed(member, k, of)?,
        };
        self.has_bytes(&form, &relation, checked.places)?;
        let (name, span, places) = (name.clone(), checked.span, checked.places);
        Ok(Comparison { name, span, form, at_least, expect, relation, places })
    }

    fn output(&mut self, ir: &Ir) -> Eval<Arc<Output>> {
        match self.eval(ir)? {
            Value::Output(output) => Ok(output),
            _ => Err(Stop),
        }
    }

    /// One output or a list of them.
    fn outputs(&mut self, ir: &Ir) -> Eval<Vec<Arc<Output>>> {
        let output = |value: &Value| match value {
            Value::Output(output) => Ok(output.clone()),
            _ => Err(Stop),
        };
        match self.eval(ir)? {
            Value::List(items) => items.iter().map(output).collect(),
            one => output(&one).map(|output| vec![output]),
        }
    }

    fn identical(
        &mut self,
        members: &Ir,
        within: Option<&Within>,
        across: Option<&Ir>,
        expected_different: bool,
    ) -> Eval<Form> {
        let place = members.span;
        let outputs = self.outputs(members)?;
        let across_place = across.map(|ir| ir.span);
        let across = match across {
            None => Across::Any,
            Some(ir) => match self.eval(ir)? {
                Value::Variant(_, 1) => Across::Differ,
                _ => Across::Any,
            },
        };
        if outputs.len() < 2 {
            let count = outputs.len();
            let message = match count {
                0 => "`identical` compares nothing here".to_owned(),
                _ => "`identical` compares one output with nothing".to_owned(),
            };
            let help = "a comparison needs two that were built apart: give the matrix more cells";
            return self.stop(codes::ALONE, message, place, format!("{count} member(s)"), help);
        }
        let members = members_of(&outputs);
        let groups = match within {
            None => Vec::new(),
            Some(within) => self.groups(within, &members, across, expected_different)?,
        };
        self.apart(&members.iter().collect::<Vec<_>>(), place)?;
        for (_, held, span) in &groups {
            self.apart(&held.iter().map(|index| &members[*index]).collect::<Vec<_>>(), *span)?;
        }
        if across == Across::Differ && groups.len() < 2 {
            let (message, help) = match within {
                None => (
                    "`across = differ` needs groups, and there is no `within`",
                    "name the groups: `within = { old = [a], modern = [b, c] }`; two outputs that must not be equal are \
                     `differ(a, b)`",
                ),
                Some(_) => (
                    "`across = differ` has one group and nothing to differ from it",
                    "divide it, or leave `across` out",
                ),
            };
            return self.stop(
                codes::ALONE,
                message,
                across_place.unwrap_or(place),
                "nothing to tell apart",
                help,
            );
        }
        Ok(Form::Identical { members, groups, across, place })
    }

    /// Reports a weaker equality with a digest, of which there are no bytes.
    fn has_bytes(&mut self, form: &Form, relation: &Relation, places: Places) -> Eval<()> {
        let Form::Matches { expected, .. } = form else { return Ok(()) };
        let digest = expected.iter().find_map(|expected| match expected {
            Expected::Digest(_, place) => Some(*place),
            _ => None,
        });
        let (Some(digest), false) = (digest, relation.equality == Equality::Bytes) else { return Ok(()) };
        let message =
            format!("a digest is of bytes: nothing can be equal to it in its `{}`", relation.equality);
        let help =
            "compare with what has bytes, an output of another build or an archive, or leave `compare` out";
        let place = places.compare.unwrap_or(digest);
        self.stop(codes::RELATION, message, place, "there are no bytes to look at", help)
    }

    /// Reports members that are all one build: no lock is needed to know that.
    pub(super) fn apart(&mut self, members: &[&Member], place: Span) -> Eval<()> {
        let [first, rest @ ..] = members else { return Ok(()) };
        let same = |member: &&Member| Arc::ptr_eq(&member.output.build, &first.output.build);
        if rest.is_empty() || !rest.iter().all(same) {
            return Ok(());
        }
        let name = first.output.build.name.as_ref().map_or_else(|| first.key.clone(), ToString::to_string);
        let message = format!("`{name}` would be compared with itself");
        let help = "what is compared is built apart: in another environment, from another input, or by another script";
        self.stop(codes::SAME, message, place, "one build", help)
    }

    /// The groups of an `identical`: each member in exactly one.
    fn groups(
        &mut self,
        within: &Within,
        members: &[Member],
        across: Across,
        expected_different: bool,
    ) -> Eval<Vec<(String, Vec<usize>, Span)>> {
        let place = within.groups.span;
        let written = self.written_groups(&within.groups)?;
        let by_key = by_key(members);
        let mut groups: Vec<(String, Vec<usize>, Span)> = Vec::with_capacity(written.len());
        let mut taken: Vec<Option<(usize, Span)>> = vec![None; members.len()];
        let mut broken = false;
        for (index, (name, span, keys)) in written.iter().enumerate() {
            let mut held: BTreeSet<usize> = BTreeSet::new();
            for (at, value) in keys.iter().enumerate() {
                let key_place =
                    within.places.get(index).and_then(|places| places.get(at)).copied().unwrap_or(*span);
                let found = self.members_with(value, &by_key, key_place)?;
                if found.is_empty() {
                    self.outside(value, &by_key, name, key_place);
                    broken = true;
                }
                for member in found {
                    match taken[member] {
                        None => taken[member] = Some((index, key_place)),
                        Some((other, first)) => {
                            let message = match other == index {
                                true => format!("`{}` stands twice in group `{name}`", members[member].key),
                                false => format!(
                                    "`{}` is in two groups, `{}` and `{name}`",
                                    members[member].key, written[other].0
                                ),
                            };
                            let wrong = crate::diagnostic::Diagnostic::error(
                                codes::GROUPS,
                                message,
                                key_place,
                                "again here",
                            );
                            self.report(wrong.label(first, "first here").help("a key is in one group"));
                            broken = true;
                        }
                    }
                    held.insert(member);
                }
            }
            groups.push((name.clone(), held.into_iter().collect(), *span));
        }
        if broken {
            return Err(Stop);
        }
        let left: Vec<&str> = taken
            .iter()
            .zip(members)
            .filter(|(taken, _)| taken.is_none())
            .map(|(_, member)| member.key.as_str())
            .collect();
        if !left.is_empty() {
            let message = format!(
                "{} {} in no group",
                listed(left.iter().copied()),
                if left.len() == 1 { "is" } else { "are" }
            );
            let help = "every member is in one group: a group of one key is allowed with `across = differ`";
            return self.stop(codes::GROUPS, message, place, "not all members", help);
        }
        for (name, held, span) in &groups {
            if held.len() < 2 && across != Across::Differ {
                let count = held.len();
                let message = format!("group `{name}` has {count} member(s): nothing in it is compared");
                let help = match expected_different {
                    true => {
                        "what is expected to differ is compared with something: put it in a group with others"
                    }
                    false => {
                        "put a second key in it, or write `across = differ` when it has to differ from the others"
                    }
                };
                return self.stop(codes::ALONE, message, *span, "compares nothing", help);
            }
        }
        Ok(groups)
    }

    /// Names, places and keys of groups, as written.
    fn written_groups(&mut self, ir: &Ir) -> Eval<Vec<(String, Span, Vec<Value>)>> {
        let list = |value: &Value| match value {
            Value::List(items) => Ok(items.to_vec()),
            _ => Err(Stop),
        };
        match self.eval(ir)? {
            Value::Record(record) => record
                .iter()
                .enumerate()
                .map(|(index, (name, value))| {
                    let span = record.shape.spans.get(index).copied().unwrap_or(ir.span);
                    Ok((name.to_string(), span, list(value)?))
                })
                .collect(),
            Value::Map(map) => {
                map.iter().map(|(name, value)| Ok((name.to_string(), ir.span, list(value)?))).collect()
            }
            _ => Err(Stop),
        }
    }

    /// The members that a key of a group stands for: the cells with that key, or the build of that name.
    fn members_with(&mut self, value: &Value, by_key: &ByKey, place: Span) -> Eval<Vec<usize>> {
        if let Value::Build(build) = value
            && let Some(cell) = &build.name
        {
            return Ok(by_key.builds.get(&cell.to_string()).cloned().unwrap_or_default());
        }
        match value.key() {
            Some(key) => Ok(by_key.keys.get(&key).cloned().unwrap_or_default()),
            None => self.stop(
                codes::GROUPS,
                "this has no name, by which it could be a key of a group",
                place,
                "not an item",
                "groups name the keys of a matrix: `{ old = [bullseye], modern = [bookworm, trixie] }`",
            ),
        }
    }

    fn outside(&mut self, value: &Value, by_key: &ByKey, group: &str, place: Span) {
        let written = match value {
            Value::Build(build) => build.name.as_ref().map(|cell| cell.to_string()),
            _ => value.key().map(|key| key.to_string()),
        };
        let written = written.unwrap_or_default();
        let names: Vec<String> = match value {
            Value::Build(_) => by_key.builds.keys().cloned().collect(),
            _ => by_key.keys.keys().map(Key::to_string).collect(),
        };
        let help = match nearest(&written, names.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None if names.len() <= 12 => format!("the keys are {}", listed(names.iter().map(String::as_str))),
            None => format!("none of the {} keys is called so", names.len()),
        };
        let message = format!("group `{group}` names `{written}`, which is no key of what is compared");
        let wrong = crate::diagnostic::Diagnostic::error(codes::GROUPS, message, place, "not a key");
        self.report(wrong.help(help));
    }

    fn matches(&mut self, members: &Ir, expected: &Ir, of_each: check::Expectation) -> Eval<Form> {
        let outputs = self.outputs(members)?;
        if outputs.is_empty() {
            let help = "a comparison needs at least one output: give the matrix cells";
            return self.stop(
                codes::ALONE,
                "`matches` compares nothing here",
                members.span,
                "no members",
                help,
            );
        }
        let value = self.eval(expected)?;
        let one = |value: &Value, span: Span| match value {
            Value::Digest(digest) => Ok(Expected::Digest(**digest, span)),
            Value::Output(output) => Ok(Expected::Output(output.clone())),
            Value::Archive(archive) => Ok(Expected::Published(archive.at.clone())),
            _ => Err(Stop),
        };
        let place = expected.span;
        let expected: Vec<Expected> = match (&value, of_each) {
            (Value::List(items), check::Expectation::Each) => {
                if items.len() != outputs.len() {
                    let message =
                        format!("{} outputs are compared with a list of {}", outputs.len(), items.len());
                    return self.stop(
                        codes::TYPE,
                        message,
                        place,
                        format!("{} expected", items.len()),
                        "a list has what is expected of each output, in their order",
                    );
                }
                let spans = |index: usize| match &expected.kind {
                    crate::ir::Kind::List(list) => list.get(index).map_or(place, |ir| ir.span),
                    _ => place,
                };
                items
                    .iter()
                    .enumerate()
                    .map(|(index, value)| one(value, spans(index)))
                    .collect::<Eval<_>>()?
            }
            (value, _) => {
                let expected = one(value, place)?;
                outputs.iter().map(|_| expected.clone()).collect()
            }
        };
        if let Some(Expected::Published(at)) = expected.first() {
            let known = self.order.iter().any(
                |request| matches!(&**request, crate::lock::Request::Source { suite, .. } if suite == at),
            );
            if !known {
                return self.stop(
                    codes::ALONE,
                    "nothing of this archive is known to compare with",
                    place,
                    "no source package of it is built",
                    "what an archive publishes is known for the source packages that are taken from it: \
                     `archive.source(\"name\")`",
                );
            }
        }
        let members = members_of(&outputs);
        for (member, expected) in members.iter().zip(&expected) {
            if let Expected::Output(output) = expected {
                let other = Member { key: String::new(), output: output.clone() };
                self.apart(&[member, &other], place)?;
            }
        }
        Ok(Form::Matches { members, expected, place })
    }
}

/// Members by what a group may call them.
struct ByKey {
    keys: IndexMap<Key, Vec<usize>>,
    builds: IndexMap<String, Vec<usize>>,
}

fn by_key(members: &[Member]) -> ByKey {
    let mut by_key = ByKey { keys: IndexMap::new(), builds: IndexMap::new() };
    for (index, member) in members.iter().enumerate() {
        let Some(cell) = &member.output.build.name else { continue };
        by_key.builds.entry(cell.to_string()).or_default().push(index);
        for key in cell.keys.iter() {
            let of_key = by_key.keys.entry(key.clone()).or_default();
            if of_key.last() != Some(&index) {
                of_key.push(index);
            }
        }
    }
    by_key
}

/// Gives members their names: keys where these tell them apart, else full names.
fn members_of(outputs: &[Arc<Output>]) -> Vec<Member> {
    let items: BTreeSet<&str> =
        outputs.iter().filter_map(|output| output.build.name.as_ref()).map(|cell| &*cell.item).collect();
    let unnamed = outputs.iter().any(|output| output.build.name.is_none());
    let kinds: BTreeSet<&str> = outputs.iter().map(|output| &*output.output).collect();
    let short = items.len() == 1 && !unnamed;
    outputs
        .iter()
        .enumerate()
        .map(|(index, output)| {
            let mut key = match &output.build.name {
                Some(cell) if short => cell.key(),
                Some(cell) => cell.to_string(),
                None => format!("{} {}", output.build.recipe, index + 1),
            };
            if kinds.len() > 1 {
                key.push('.');
                key.push_str(&output.output);
            }
            Member { key, output: output.clone() }
        })
        .collect()
}

//! Evidence: which pairs of results are worth showing, and how they differ.

use std::collections::BTreeSet;
use std::io;
use std::rc::Rc;

use rbld_lang::digest::Digest;
use rbld_lang::plan::{Comparison, Expected, Form};

use super::cause::{self, Context};
use super::difference::{self, Difference, Entry, Finding, Opener, Side, What};
use super::outcome::{Evidence, ExpectedOutcome, Identity, Outcome, Party, Verdict};
use super::{Options, OutputState};
use crate::failure::Failure;
use crate::store::{Store, tree};

/// Two results to be looked into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) left: Party,
    pub(super) right: Party,
    file: Option<String>,
    objects: (Identity, Identity),
}

impl Pair {
    /// Has other objects looked into than those that were compared, where both parties have such.
    pub(super) fn look_into(&mut self, instead: &dyn Fn(Party) -> Option<Identity>) {
        if let (None, Some(left), Some(right)) = (&self.file, instead(self.left), instead(self.right)) {
            self.objects = (left, right);
        }
    }
}

/// The pairs worth showing: a group's majority against each odd one out, what was expected against what was found.
pub(super) fn pairs(outcome: &Outcome, limit: usize) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for group in outcome.groups.iter().filter(|group| group.verdict.is_some()) {
        let Some((majority, odd)) = group.classes.split_first() else { continue };
        pairs.extend(odd.iter().filter_map(|odd| {
            let (left, right) = (*majority.members.first()?, *odd.members.first()?);
            let objects = (majority.identity, odd.identity);
            Some(Pair { left: Party::Member(left), right: Party::Member(right), file: None, objects })
        }));
    }
    for (index, member) in outcome.members.iter().enumerate() {
        let Some(against) = member.against.as_ref().filter(|against| against.verdict == Verdict::Mismatch)
        else {
            continue;
        };
        let Some(found) = member.identity() else { continue };
        let pair = |expected, found, file| Pair {
            left: Party::Expected,
            right: Party::Member(index),
            file,
            objects: (expected, found),
        };
        match &against.expected {
            ExpectedOutcome::Digest(digest) => {
                pairs.push(pair(Identity { folder: found.folder, digest: *digest }, found, None));
            }
            ExpectedOutcome::Output { state: OutputState::Ready { object, .. }, .. } => {
                pairs.push(pair(object.into(), found, None));
            }
            ExpectedOutcome::Output { .. } => {}
            ExpectedOutcome::Published { files, .. } => {
                let file = |digest| Identity { folder: false, digest };
                let differing = files.iter().filter(|file| file.expected != file.found);
                pairs.extend(
                    differing.map(|one| pair(file(one.expected), file(one.found), Some(one.name.clone()))),
                );
            }
        }
    }
    pairs.extend(steps(outcome));
    // Several members may have come to the same two results.
    let mut seen = Vec::new();
    pairs.retain(|pair: &Pair| {
        let new = !seen.contains(&pair.objects);
        seen.push(pair.objects);
        new
    });
    pairs.truncate(limit);
    pairs
}

/// What doesn't settle, in the last two stages of a chain.
fn steps(outcome: &Outcome) -> Vec<Pair> {
    let Some(stages) = &outcome.stages else { return Vec::new() };
    let Some([.., before, last]) = Some(stages.members.as_slice()) else { return Vec::new() };
    let pair = |output: usize| {
        let (left, right) = (*before.get(output)?, *last.get(output)?);
        let objects = (outcome.members.get(left)?.identity()?, outcome.members.get(right)?.identity()?);
        Some(Pair { left: Party::Member(left), right: Party::Member(right), file: None, objects })
    };
    stages.moving.iter().filter_map(|moving| pair(moving.output)).collect()
}

/// Looks into each pair; `around` says what is known of its two builds.
pub(super) fn gather(
    comparison: &Comparison,
    pairs: Vec<Pair>,
    store: &Store,
    options: &Options<'_>,
    around: &dyn Fn(&Pair) -> Context,
) -> Vec<Evidence> {
    let look = |pair: Pair| {
        let difference = bring(comparison, &pair, store, options).and_then(|()| {
            between(pair.objects.0, pair.objects.1, store, &options.limits).map_err(|failure| failure.message)
        });
        let observation = difference
            .as_ref()
            .map(|difference| cause::observe(difference, &around(&pair)))
            .unwrap_or_default();
        let Pair { left, right, file, objects } = pair;
        Evidence { left, right, file, difference, observation, objects, diffoscope: None }
    };
    let mut evidence: Vec<Evidence> = pairs.into_iter().map(look).collect();
    // An expected digest whose bytes nobody has says nothing that the verdict doesn't.
    evidence.retain(|one| !matches!(&one.difference, Err(why) if why.is_empty()));
    evidence
}

/// Sees to it that what was expected is in the store; an empty reason if nobody can bring it.
fn bring(comparison: &Comparison, pair: &Pair, store: &Store, options: &Options<'_>) -> Result<(), String> {
    let expected = pair.objects.0;
    if pair.left != Party::Expected || store.has_blob(expected.digest).map_err(|failure| failure.message)? {
        return Ok(());
    }
    let Form::Matches { expected: wanted, .. } = &comparison.form else { return Ok(()) };
    let file = wanted.iter().find_map(|wanted| match wanted {
        Expected::Published { files, archive, .. } => {
            files.iter().find(|file| file.digest == expected.digest).map(|file| (archive, file))
        }
        _ => None,
    });
    match (file, options.published) {
        (Some((archive, file)), Some(published)) => published(archive, file)
            .map_err(|failure| format!("it could not be fetched: {}", failure.message)),
        _ => Err(String::new()),
    }
}

/// How two objects of a store differ.
pub fn between(
    left: Identity,
    right: Identity,
    store: &Store,
    limits: &difference::Limits,
) -> crate::failure::Result<Difference> {
    if left.folder != right.folder {
        return Ok(of_two_kinds(left.folder));
    }
    if !left.folder {
        return Ok(difference::between_files(
            opener(store, left.digest),
            opener(store, right.digest),
            limits,
        ));
    }
    // What an image is made of is told by documents in it, and what two have in common may have another role in each.
    let marked = |tree| -> crate::failure::Result<bool> {
        Ok(tree::read_one(store, tree)?.contains_key("oci-layout"))
    };
    let image = marked(left.digest)? && marked(right.digest)?;
    let mut apart = Apart { store, image, ours: Vec::new(), theirs: Vec::new() };
    apart.folders("", left.digest, right.digest)?;
    let Apart { ours, theirs, .. } = apart;
    let open = |side, index: usize| {
        let entry: &Entry = match side {
            Side::Left => &ours[index],
            Side::Right => &theirs[index],
        };
        opener(store, entry.contents.unwrap_or_else(|| Digest::of(b"")))
    };
    Ok(difference::between_entries(&ours, &theirs, &open, limits))
}

/// The difference of a file and a folder; `folder` says that the left one is that.
pub fn of_two_kinds(folder: bool) -> Difference {
    let kind = |folder: bool| Some(if folder { "folder" } else { "file" }.to_owned());
    let what = What::Fact { name: "kind".to_owned(), left: kind(folder), right: kind(!folder), members: 1 };
    let findings = vec![Finding { path: Vec::new(), what }];
    Difference { classes: [difference::Class::Contents].into(), findings, leaves: Vec::new() }
}

/// All entries of a tree, folders only where they are empty.
pub fn entries(store: &Store, tree: Digest) -> crate::failure::Result<Vec<Entry>> {
    let mut apart = Apart { store, image: false, ours: Vec::new(), theirs: Vec::new() };
    for (name, node) in &tree::read_one(store, tree)? {
        apart.list(Side::Left, name, node)?;
    }
    Ok(apart.ours)
}

/// Opens a file of the store from its front.
pub fn opener(store: &Store, digest: Digest) -> Opener<'_> {
    Rc::new(move || store.open_blob(digest).map_err(|failure| io::Error::other(failure.message)))
}

/// The entries of two trees as far as these differ: a folder that is the same in both is never read. Of images all are.
struct Apart<'s> {
    store: &'s Store,
    image: bool,
    ours: Vec<Entry>,
    theirs: Vec<Entry>,
}

impl Apart<'_> {
    fn folders(&mut self, prefix: &str, left: Digest, right: Digest) -> crate::failure::Result<()> {
        self.bounded(prefix)?;
        let (ours, theirs) = (tree::read_one(self.store, left)?, tree::read_one(self.store, right)?);
        let names: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
        for name in names {
            let path = format!("{prefix}{name}");
            match (ours.get(name), theirs.get(name)) {
                (Some(one), Some(other)) if one == other && !self.image => {}
                (
                    Some(tree::Entry::Folder { digest: one, .. }),
                    Some(tree::Entry::Folder { digest: other, .. }),
                ) => self.folders(&format!("{path}/"), *one, *other)?,
                (one, other) => {
                    one.map_or(Ok(()), |one| self.list(Side::Left, &path, one))?;
                    other.map_or(Ok(()), |other| self.list(Side::Right, &path, other))?;
                }
            }
        }
        Ok(())
    }

    /// An entry of one side with all beneath it, folders only where they are empty.
    fn list(&mut self, side: Side, path: &str, node: &tree::Entry) -> crate::failure::Result<()> {
        self.bounded(path)?;
        let fact = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let (facts, contents) = match node {
            tree::Entry::File { digest, executable, .. } => {
                let executable = if *executable { "yes" } else { "no" };
                ([fact("kind", "file"), fact("executable", executable)].into(), Some(*digest))
            }
            tree::Entry::Link { target } => {
                ([fact("kind", "symbolic link"), fact("link", target)].into(), None)
            }
            tree::Entry::Folder { digest, .. } => {
                let inner = tree::read_one(self.store, *digest)?;
                for (name, node) in &inner {
                    self.list(side, &format!("{path}/{name}"), node)?;
                }
                if !inner.is_empty() {
                    return Ok(());
                }
                ([fact("kind", "folder")].into(), None)
            }
        };
        let entries = if side == Side::Left { &mut self.ours } else { &mut self.theirs };
        entries.push(Entry { name: path.to_owned(), facts, contents });
        Ok(())
    }

    /// A tree may come from elsewhere, and a few messages that name each other often be one without end.
    fn bounded(&self, path: &str) -> crate::failure::Result<()> {
        if path.len() <= tree::PATH_LIMIT && self.ours.len().max(self.theirs.len()) < tree::ENTRY_LIMIT {
            return Ok(());
        }
        Err(Failure::world("a tree that is compared has more entries, or lies deeper, than a tree may"))
    }
}

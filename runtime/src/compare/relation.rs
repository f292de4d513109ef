//! Judging by less than bytes: the same judgement over the digests of normal forms, reported with the objects that they are of.
//!
//! Bytes go first. What is equal in them needs no weaker equality, and the report says so.

use std::cell::RefCell;
use std::collections::BTreeMap;

use rbld_lang::derivation::InputRef;
use rbld_lang::digest::Digest;
use rbld_lang::plan::{Comparison, Equality, Expected, Form};

use super::outcome::{ExpectedOutcome, Identity, News, Outcome, Same, Verdict};
use super::{Context, Options, OutputState, judge, normal};
use crate::failure::Result;
use crate::store::{Object, Store};

/// Judges a comparison in its equality.
pub(super) fn judge_in(
    comparison: &Comparison,
    context: &Context<'_>,
    store: &Store,
    options: &Options<'_>,
) -> Outcome {
    let equality = comparison.equality.equality;
    let bytes = judge(comparison, context);
    if equality == Equality::Bytes {
        return bytes;
    }
    let differ = matches!(comparison.form, Form::Differ { .. });
    if bytes.observed == Verdict::Match && !differ {
        let mut outcome = bytes;
        outcome.news.push(News::BytesEqual);
        return outcome;
    }
    let forms = Forms { store, options, equality, known: RefCell::default() };
    let state = |input: &InputRef| match (context.state)(input) {
        OutputState::Ready { object, key } => OutputState::Ready { object: forms.stand_in(&object), key },
        other => other,
    };
    let files = |object: &Object, output: &InputRef| {
        // What stands in isn't in the store: the files are those of the object itself.
        let object = match (context.state)(output) {
            OutputState::Ready { object, .. } => object,
            _ => *object,
        };
        let files = (context.files)(&object, output)?;
        Ok(forms.as_published(comparison, files))
    };
    let seen = Context { state: &state, files: &files, ..*context };
    let mut outcome = judge(comparison, &seen);
    restore(&mut outcome, context);
    outcome
}

struct Forms<'a> {
    store: &'a Store,
    options: &'a Options<'a>,
    equality: Equality,
    known: RefCell<BTreeMap<Digest, Digest>>,
}

impl Forms<'_> {
    /// An object of the same kind whose digest is that of the normal form; itself if it can't be read.
    fn stand_in(&self, object: &Object) -> Object {
        let known = self.known.borrow().get(&object.digest()).copied();
        let normal = known
            .map_or_else(|| normal::of_object(self.store, object, self.equality, &self.options.limits), Ok);
        let normal = normal.unwrap_or_else(|_| object.digest());
        self.known.borrow_mut().insert(object.digest(), normal);
        match object {
            Object::File { size, executable, .. } => {
                Object::File { digest: normal, size: *size, executable: *executable }
            }
            Object::Tree { size, .. } => Object::Tree { digest: normal, size: *size },
        }
    }

    /// Built files, each with the published digest if it is equal to the published file of its name.
    fn as_published(
        &self,
        comparison: &Comparison,
        files: BTreeMap<String, Digest>,
    ) -> BTreeMap<String, Digest> {
        let Form::Matches { expected, .. } = &comparison.form else { return files };
        let equal = |(path, digest): (String, Digest)| {
            let name = path.rsplit('/').next().unwrap_or(&path);
            let published = expected.iter().find_map(|expected| match expected {
                Expected::Published { files, archive, .. } => {
                    files.iter().find(|file| file.name == name).map(|file| (archive, file))
                }
                _ => None,
            });
            let Some((archive, file)) = published.filter(|(_, file)| file.digest != digest) else {
                return (path, digest);
            };
            let same = || -> Result<bool> {
                if !self.store.has_blob(file.digest)?
                    && let Some(fetch) = self.options.published
                {
                    fetch(archive, file)?;
                }
                let form = |digest| normal::of_blob(self.store, digest, self.equality, &self.options.limits);
                Ok(form(digest)? == form(file.digest)?)
            };
            let digest = if same().unwrap_or(false) { file.digest } else { digest };
            (path, digest)
        };
        files.into_iter().map(equal).collect()
    }
}

/// Puts the objects themselves where stand-ins are: of members that are equal, the first one's.
fn restore(outcome: &mut Outcome, context: &Context<'_>) {
    for member in &mut outcome.members {
        member.state = (context.state)(&member.output);
        if let Some(against) = &mut member.against
            && let ExpectedOutcome::Output { output, state } = &mut against.expected
        {
            *state = (context.state)(output);
        }
    }
    let identities: Vec<Option<Identity>> = outcome.members.iter().map(|member| member.identity()).collect();
    let mut meant: BTreeMap<Identity, Identity> = BTreeMap::new();
    let own = |class: &mut Same, meant: &mut BTreeMap<Identity, Identity>| {
        if let Some(Some(identity)) = class.members.first().and_then(|first| identities.get(*first)) {
            meant.insert(class.identity, *identity);
            class.identity = *identity;
        }
    };
    for group in &mut outcome.groups {
        group.classes.iter_mut().for_each(|class| own(class, &mut meant));
    }
    outcome.classes.iter_mut().for_each(|class| own(class, &mut meant));
    for news in &mut outcome.news {
        if let News::Merged { identity, .. } = news
            && let Some(own) = meant.get(identity)
        {
            *identity = *own;
        }
    }
}

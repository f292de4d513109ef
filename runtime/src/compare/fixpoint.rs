//! `fixpoint`: each stage of a chain against the one before it, by digest; equal keys are the proof.
//!
//! The last stage decides: it is what the stage before it was, or it isn't. The others tell since when
//! it has been so, what never settles, and what goes round instead.

use std::collections::BTreeMap;

use rbld_lang::digest::Digest;

use super::outcome::{Moving, News, Outcome, Share, Stages, Subject, Verdict};
use super::{FilesOf, OutputState, identical};

/// Names of differing files kept for one output.
const FILES: usize = 20;

/// Judges `fixpoint(stages)`; `names` are those of the outputs of a stage.
pub(super) fn judge(
    names: &[String],
    stages: Vec<Vec<Subject>>,
    at_least: Option<u32>,
    files: FilesOf<'_>,
) -> Outcome {
    let width = names.len();
    let mut subjects = Vec::new();
    let mut numbers: Vec<Vec<usize>> = Vec::new();
    for stage in stages {
        let from = subjects.len();
        subjects.extend(stage);
        numbers.push((from..subjects.len()).collect());
    }
    let chain = Chain { subjects: &subjects, stages: &numbers };
    let last = numbers.len().saturating_sub(1);
    let equal: Vec<Option<bool>> = (0..width).map(|at| chain.equal(last, at)).collect();
    let count = |wanted: Option<bool>| equal.iter().filter(|equal| **equal == wanted).count() as u64;
    let share = Share { holding: count(Some(true)), total: width as u64, files: None, at_least };
    let mut news = chain.unrealised();
    for at in 0..width {
        news.extend(chain.executable_bits(last, at));
    }
    let verdict = match at_least {
        _ if width == 0 || last == 0 => Verdict::Inconclusive,
        Some(_) if share.reached_by(share.holding) => Verdict::Match,
        Some(_) if share.reached_by(share.holding + count(None)) => Verdict::Inconclusive,
        Some(_) => Verdict::Mismatch,
        None if count(Some(false)) > 0 => Verdict::Mismatch,
        None if count(None) > 0 => Verdict::Inconclusive,
        None => Verdict::Match,
    };
    if at_least.is_some() && verdict == Verdict::Mismatch {
        news.push(News::BelowShare);
    }
    let settled: Vec<Option<usize>> = (0..width).map(|at| chain.settled(at)).collect();
    let moving =
        (0..width).filter(|at| equal[*at] == Some(false)).map(|at| chain.moving(at, files)).collect();
    let again = (0..numbers.len()).map(|stage| chain.again(stage)).collect();
    let reached =
        settled.iter().copied().collect::<Option<Vec<usize>>>().and_then(|all| all.into_iter().max());
    let found = Stages { names: names.to_vec(), reached, settled, again, moving, members: numbers.clone() };
    let all: Vec<usize> = (0..subjects.len()).collect();
    let classes = identical::classes(&subjects, &all);
    let outcome = identical::outcome("fixpoint", subjects, Vec::new(), classes, verdict, share, news);
    Outcome { stages: Some(found), ..outcome }
}

struct Chain<'a> {
    subjects: &'a [Subject],
    /// The members of each stage, as indexes.
    stages: &'a [Vec<usize>],
}

impl Chain<'_> {
    fn subject(&self, stage: usize, at: usize) -> Option<&Subject> {
        self.stages.get(stage)?.get(at).and_then(|index| self.subjects.get(*index))
    }

    /// What wasn't realised of the first stage that isn't whole: those after it stand on it.
    fn unrealised(&self) -> Vec<News> {
        let missing =
            |stage: &&Vec<usize>| stage.iter().any(|index| self.subjects[*index].identity().is_none());
        let Some(stage) = self.stages.iter().find(missing) else { return Vec::new() };
        let missing = stage.iter().copied().filter(|index| self.subjects[*index].identity().is_none());
        missing.map(|member| News::NotRealised { member }).collect()
    }

    /// Whether an output of a stage is what it was in the stage before; nothing where that can't be told.
    fn equal(&self, stage: usize, at: usize) -> Option<bool> {
        let now = self.subject(stage, at)?.identity()?;
        let before = self.subject(stage.checked_sub(1)?, at)?.identity()?;
        Some(now == before)
    }

    /// The stage since which an output is what it was before, if it is so in the last one.
    fn settled(&self, at: usize) -> Option<usize> {
        let equal = |stage: &usize| self.equal(*stage, at) == Some(true);
        (1..self.stages.len()).rev().take_while(equal).last()
    }

    /// Whether a stage is the stage before by its keys alone: all that goes into it is equal.
    fn again(&self, stage: usize) -> bool {
        let Some(before) = stage.checked_sub(1) else { return false };
        let width = self.stages.get(stage).map_or(0, Vec::len);
        width > 0
            && (0..width).all(|at| {
                let key = |stage| self.subject(stage, at).and_then(Subject::build);
                key(stage).is_some() && key(stage) == key(before)
            })
    }

    fn executable_bits(&self, last: usize, at: usize) -> Vec<News> {
        let pair: Option<Vec<usize>> = last.checked_sub(1).and_then(|before| {
            [before, last].iter().map(|stage| self.stages.get(*stage)?.get(at).copied()).collect()
        });
        pair.map(|pair| identical::executable_bits(self.subjects, &pair)).unwrap_or_default()
    }

    fn moving(&self, at: usize, files: FilesOf<'_>) -> Moving {
        let last = self.stages.len().saturating_sub(1);
        let identity = |stage: usize| self.subject(stage, at).and_then(Subject::identity);
        let like =
            (0..last).rev().find(|stage| identity(*stage).is_some() && identity(*stage) == identity(last));
        let always = (1..=last).all(|stage| self.equal(stage, at) == Some(false));
        let files = self.differing(last, at, files);
        Moving {
            output: at,
            always,
            like,
            count: files.len(),
            files: files.into_iter().take(FILES).collect(),
        }
    }

    /// The files of an output that aren't what they were in the stage before, sorted.
    fn differing(&self, last: usize, at: usize, files: FilesOf<'_>) -> Vec<String> {
        let listed = |stage: Option<usize>| -> BTreeMap<String, Digest> {
            match stage.and_then(|stage| self.subject(stage, at)) {
                Some(Subject { state: OutputState::Ready { object, .. }, output, .. }) => {
                    files(object, output).unwrap_or_default()
                }
                _ => BTreeMap::new(),
            }
        };
        let (before, now) = (listed(last.checked_sub(1)), listed(Some(last)));
        let mut names: Vec<String> = now
            .iter()
            .filter(|(name, digest)| before.get(*name) != Some(digest))
            .map(|(name, _)| name.clone())
            .collect();
        names.extend(before.keys().filter(|name| !now.contains_key(*name)).cloned());
        names.sort();
        names
    }
}

#[cfg(test)]
#[path = "fixpoint_tests.rs"]
mod tests;

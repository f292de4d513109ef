//! `matches`: each member against what is expected of it, by digest.

use std::collections::BTreeMap;

use rbld_lang::derivation::{InputRef, PoolFile};
use rbld_lang::digest::Digest;
use rbld_lang::plan::Expected;

use super::outcome::{
    Against, ExpectedOutcome, Identity, News, Outcome, PublishedFile, Share, Subject, Verdict,
};
use super::{FilesOf, OutputState, identical};
use crate::store::Object;

/// Judges `matches(members, expected)`.
pub(super) fn judge(
    mut members: Vec<Subject>,
    expected: &[Expected],
    at_least: Option<u32>,
    state: &dyn Fn(&InputRef) -> OutputState,
    files: FilesOf<'_>,
) -> Outcome {
    let mut news = identical::unrealised(&members);
    for (index, member) in members.iter_mut().enumerate() {
        let against = match expected.get(index) {
            Some(expected) => held_against(index, member, expected, state, files, &mut news),
            None => continue,
        };
        member.against = Some(against);
    }
    let share = Share { at_least, files: count_files(&members), ..count_builds(&members) };
    let open = undecided(&members);
    let observed = if share.total == 0 {
        news.push(News::Nothing);
        Verdict::Inconclusive
    } else if at_least.is_none() {
        members.iter().map(verdict_of).reduce(Verdict::and).unwrap_or(Verdict::Inconclusive)
    } else if share.reached_by(share.holding) {
        Verdict::Match
    } else if share.reached_by(share.holding + open) {
        Verdict::Inconclusive
    } else {
        news.push(News::BelowShare);
        Verdict::Mismatch
    };
    let all: Vec<usize> = (0..members.len()).collect();
    let classes = identical::classes(&members, &all);
    identical::outcome("matches", members, Vec::new(), classes, observed, share, news)
}

fn held_against(
    index: usize,
    member: &Subject,
    expected: &Expected,
    state: &dyn Fn(&InputRef) -> OutputState,
    files: FilesOf<'_>,
    news: &mut Vec<News>,
) -> Against {
    match expected {
        Expected::Digest { digest, .. } => {
            let verdict = match member.identity() {
                Some(found) if found.digest == *digest => Verdict::Match,
                Some(_) => Verdict::Mismatch,
                None => Verdict::Inconclusive,
            };
            Against { verdict, expected: ExpectedOutcome::Digest(*digest) }
        }
        Expected::Output(output) => {
            let state = state(output);
            let verdict = against_output(index, member, &state, news);
            Against { verdict, expected: ExpectedOutcome::Output { output: output.clone(), state } }
        }
        Expected::Published { by, files: published, .. } => {
            let found = match &member.state {
                OutputState::Ready { object, .. } => files(object, &member.output),
                _ => return unrealised_against(by),
            };
            match found {
                Ok(found) => against_files(index, by, published, &found, news),
                Err(why) => {
                    news.push(News::NothingExpected { member: index, why });
                    unrealised_against(by)
                }
            }
        }
    }
}

fn against_output(index: usize, member: &Subject, state: &OutputState, news: &mut Vec<News>) -> Verdict {
    match (&member.state, state) {
        (OutputState::Ready { object: found, key }, OutputState::Ready { object, key: other }) => {
            if Identity::from(found) != Identity::from(object) {
                return Verdict::Mismatch;
            }
            if key == other {
                let why = "both are one build: their resolved keys are equal".to_owned();
                news.push(News::NothingExpected { member: index, why });
                return Verdict::Inconclusive;
            }
            if let (Object::File { executable: found, .. }, Object::File { executable, .. }) = (found, object)
                && found != executable
            {
                let (with, without) = if *found { (vec![index], vec![]) } else { (vec![], vec![index]) };
                news.push(News::Executable { with, without });
            }
            Verdict::Match
        }
        (_, OutputState::Failed(why) | OutputState::Missing(why)) => {
            news.push(News::NothingExpected { member: index, why: why.clone() });
            Verdict::Inconclusive
        }
        _ => Verdict::Inconclusive,
    }
}

fn unrealised_against(by: &str) -> Against {
    let (files, unbuilt, unpublished) = (Vec::new(), Vec::new(), Vec::new());
    let expected = ExpectedOutcome::Published { by: by.to_owned(), files, unbuilt, unpublished };
    Against { verdict: Verdict::Inconclusive, expected }
}

/// Each published file against the built one of that name, wherever in the folder it lies.
fn against_files(
    index: usize,
    by: &str,
    published: &[PoolFile],
    found: &BTreeMap<String, Digest>,
    news: &mut Vec<News>,
) -> Against {
    let name = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    let mut files = Vec::new();
    let mut unbuilt = Vec::new();
    for file in published {
        let mut built = found.iter().filter(|(path, _)| name(path) == file.name).peekable();
        if built.peek().is_none() {
            unbuilt.push(file.name.clone());
        }
        files.extend(built.map(|(_, digest)| PublishedFile {
            name: file.name.clone(),
            expected: file.digest,
            found: *digest,
        }));
    }
    let listed = |path: &str| published.iter().any(|file| file.name == name(path));
    let unpublished = found.keys().filter(|path| !listed(path)).cloned().collect();
    let verdict = if files.is_empty() {
        news.push(News::NonePublished { member: index });
        Verdict::Inconclusive
    } else if files.iter().all(|file| file.expected == file.found) {
        Verdict::Match
    } else {
        Verdict::Mismatch
    };
    Against {
        verdict,
        expected: ExpectedOutcome::Published { by: by.to_owned(), files, unbuilt, unpublished },
    }
}

fn verdict_of(member: &Subject) -> Verdict {
    member.against.as_ref().map_or(Verdict::Inconclusive, |against| against.verdict)
}

/// One verdict for each build's output: members that share both key and output are counted once.
fn verdicts(members: &[Subject]) -> Vec<Verdict> {
    let mut built: BTreeMap<(Digest, &str), Verdict> = BTreeMap::new();
    let mut others = Vec::new();
    for member in members {
        let verdict = verdict_of(member);
        match member.build() {
            Some(key) => {
                let known = built.entry((key, &member.output.output)).or_insert(verdict);
                *known = known.and(verdict);
            }
            None => others.push(verdict),
        }
    }
    others.extend(built.into_values());
    others
}

fn count_builds(members: &[Subject]) -> Share {
    let verdicts = verdicts(members);
    let holding = verdicts.iter().filter(|verdict| **verdict == Verdict::Match).count() as u64;
    Share { holding, total: verdicts.len() as u64, ..Share::default() }
}

fn undecided(members: &[Subject]) -> u64 {
    verdicts(members).iter().filter(|verdict| **verdict == Verdict::Inconclusive).count() as u64
}

fn count_files(members: &[Subject]) -> Option<(u64, u64)> {
    let mut counts = None;
    for member in members {
        if let Some(Against { expected: ExpectedOutcome::Published { files, .. }, .. }) = &member.against {
            let (holding, total) = counts.get_or_insert((0, 0));
            *holding += files.iter().filter(|file| file.expected == file.found).count() as u64;
            *total += files.len() as u64;
        }
    }
    counts
}

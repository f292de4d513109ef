//! `identical` and `differ`: members against each other, by digest; builds counted by key.

use std::collections::{BTreeMap, BTreeSet};

use rbld_lang::plan::{Across, Expect, Group, Places, Relation};

use super::OutputState;
use super::outcome::{GroupOutcome, News, Outcome, Same, Share, Subject, Verdict};
use crate::store::Object;

/// Judges `identical(members, within = groups, across)`.
pub(super) fn judge(
    members: Vec<Subject>,
    groups: &[Group],
    across: Across,
    at_least: Option<u32>,
) -> Outcome {
    let mut news = builds_seen_twice(&members);
    news.extend(unrealised(&members));
    news.extend(executable_bits(&members, &(0..members.len()).collect::<Vec<_>>()));
    let groups = parted(&members, groups, across);
    for (group, outcome) in groups.iter().enumerate() {
        if outcome.verdict.is_some() && outcome.classes.len() > 1 {
            news.push(News::Split { group });
        } else if outcome.verdict == Some(Verdict::Inconclusive) && outcome.builds < 2 {
            news.push(News::TooFew { group });
        }
    }
    let share = share(&groups, at_least);
    let mut verdict = within(&groups, &share);
    if at_least.is_some() && verdict == Some(Verdict::Mismatch) {
        news.push(News::BelowShare);
    }
    if across == Across::Differ {
        for one in 0..groups.len() {
            for other in one + 1..groups.len() {
                let (between, found) = between(&members, &groups, (one, other));
                news.extend(found);
                verdict = Some(verdict.map_or(between, |verdict| verdict.and(between)));
            }
        }
    }
    if verdict.is_none() {
        news.push(News::Nothing);
    }
    let verdict = verdict.unwrap_or(Verdict::Inconclusive);
    let all: Vec<usize> = (0..members.len()).collect();
    let classes = classes(&members, &all);
    outcome("identical", members, groups, classes, verdict, share, news)
}

/// Judges `differ(a, b)`.
pub(super) fn differ(members: Vec<Subject>) -> Outcome {
    let mut news = unrealised(&members);
    let classes = classes(&members, &[0, 1]);
    let one_build = members[0].build().is_some() && members[0].build() == members[1].build();
    let verdict = if !news.is_empty() {
        Verdict::Inconclusive
    } else if classes.len() > 1 {
        Verdict::Match
    } else if one_build {
        news.extend(builds_seen_twice(&members));
        Verdict::Inconclusive
    } else {
        news.push(News::Equal);
        Verdict::Mismatch
    };
    let share = Share { holding: u64::from(verdict == Verdict::Match), total: 1, ..Share::default() };
    outcome("differ", members, Vec::new(), classes, verdict, share, news)
}

/// Members by what they are: most builds first, then most members, then the file's order.
pub(super) fn classes(members: &[Subject], which: &[usize]) -> Vec<Same> {
    let mut found: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for index in which {
        if let Some(identity) = members[*index].identity() {
            found.entry(identity).or_default().push(*index);
        }
    }
    let same = |(identity, indexes): (_, Vec<usize>)| {
        let builds = builds(members, &indexes);
        Same { identity, members: indexes, builds }
    };
    let mut classes: Vec<Same> = found.into_iter().map(same).collect();
    classes.sort_by_key(|class| {
        (std::cmp::Reverse((class.builds, class.members.len())), class.members.first().copied())
    });
    classes
}

/// How many builds realised members are: distinct resolved keys.
fn builds(members: &[Subject], which: &[usize]) -> usize {
    which.iter().filter_map(|index| members[*index].build()).collect::<BTreeSet<_>>().len()
}

/// The members that are one build with another.
pub(super) fn builds_seen_twice(members: &[Subject]) -> Vec<News> {
    let mut keys: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (index, member) in members.iter().enumerate() {
        if let Some(key) = member.build() {
            keys.entry(key).or_default().push(index);
        }
    }
    let mut shared: Vec<Vec<usize>> = keys.into_values().filter(|members| members.len() > 1).collect();
    shared.sort();
    shared.into_iter().map(|members| News::OneBuild { members }).collect()
}

/// The members that weren't realised.
pub(super) fn unrealised(members: &[Subject]) -> Vec<News> {
    let missing = members.iter().enumerate().filter(|(_, subject)| subject.identity().is_none());
    missing.map(|(member, _)| News::NotRealised { member }).collect()
}

/// Equal bytes whose executable bits differ: no mismatch of bytes, but not to be hidden either.
pub(super) fn executable_bits(members: &[Subject], which: &[usize]) -> Vec<News> {
    let mut found: BTreeMap<_, (Vec<usize>, Vec<usize>)> = BTreeMap::new();
    for index in which {
        if let OutputState::Ready { object: Object::File { digest, executable, .. }, .. } =
            &members[*index].state
        {
            let (with, without) = found.entry(*digest).or_default();
            if *executable { with.push(*index) } else { without.push(*index) }
        }
    }
    let mixed = found.into_values().filter(|(with, without)| !with.is_empty() && !without.is_empty());
    mixed.map(|(with, without)| News::Executable { with, without }).collect()
}

fn parted(members: &[Subject], groups: &[Group], across: Across) -> Vec<GroupOutcome> {
    let all = || (String::new(), (0..members.len()).collect());
    let written = groups.iter().map(|group| (group.name.clone(), group.members.clone()));
    let groups: Vec<(String, Vec<usize>)> = if groups.is_empty() { vec![all()] } else { written.collect() };
    let outcome = |(name, which): (String, Vec<usize>)| {
        let which: Vec<usize> = which.into_iter().filter(|index| *index < members.len()).collect();
        let (classes, builds) = (classes(members, &which), builds(members, &which));
        let unrealised = which.iter().any(|index| members[*index].identity().is_none());
        let verdict = match classes.len() {
            _ if which.len() == 1 && across == Across::Differ => None,
            0 | 1 if unrealised || builds < 2 => Some(Verdict::Inconclusive),
            0 | 1 => Some(Verdict::Match),
            _ => Some(Verdict::Mismatch),
        };
        GroupOutcome { name, members: which, classes, builds, verdict }
    };
    groups.into_iter().map(outcome).collect()
}

/// Builds that agree with another one: each group's majority, which one build alone never is.
fn share(groups: &[GroupOutcome], at_least: Option<u32>) -> Share {
    let mut share = Share { at_least, ..Share::default() };
    for group in groups.iter().filter(|group| group.verdict.is_some()) {
        share.holding += agreeing(largest(group));
        share.total += (group.builds + unrealised_in(group)) as u64;
    }
    share
}

fn agreeing(builds: usize) -> u64 {
    if builds < 2 { 0 } else { builds as u64 }
}

fn largest(group: &GroupOutcome) -> usize {
    group.classes.first().map_or(0, |class| class.builds)
}

fn unrealised_in(group: &GroupOutcome) -> usize {
    group.members.len() - group.classes.iter().map(|class| class.members.len()).sum::<usize>()
}

/// The verdict on what must be identical; `None` if no group asks for anything.
fn within(groups: &[GroupOutcome], share: &Share) -> Option<Verdict> {
    let asked = || groups.iter().filter(|group| group.verdict.is_some());
    let all = asked().filter_map(|group| group.verdict).reduce(Verdict::and)?;
    if share.at_least.is_none() {
        return Some(all);
    }
    let best = asked().map(|group| agreeing(largest(group) + unrealised_in(group))).sum();
    let one_build = asked().any(|group| group.builds < 2 && unrealised_in(group) == 0);
    Some(if !one_build && share.reached_by(share.holding) {
        Verdict::Match
    } else if share.reached_by(best) || one_build {
        Verdict::Inconclusive
    } else {
        Verdict::Mismatch
    })
}

/// Whether two groups share no result.
fn between(
    members: &[Subject],
    groups: &[GroupOutcome],
    (one, other): (usize, usize),
) -> (Verdict, Option<News>) {
    let mut shared_build = false;
    for class in &groups[one].classes {
        let Some(theirs) = groups[other].classes.iter().find(|theirs| theirs.identity == class.identity)
        else {
            continue;
        };
        let both: Vec<usize> = class.members.iter().chain(&theirs.members).copied().collect();
        if builds(members, &both) > 1 {
            return (
                Verdict::Mismatch,
                Some(News::Merged { groups: (one, other), identity: class.identity }),
            );
        }
        shared_build = true;
    }
    if shared_build {
        return (Verdict::Inconclusive, Some(News::SharedBuild { groups: (one, other) }));
    }
    let complete = unrealised_in(&groups[one]) + unrealised_in(&groups[other]) == 0;
    let empty = groups[one].members.is_empty() || groups[other].members.is_empty();
    (if complete && !empty { Verdict::Match } else { Verdict::Inconclusive }, None)
}

pub(super) fn outcome(
    form: &'static str,
    members: Vec<Subject>,
    groups: Vec<GroupOutcome>,
    classes: Vec<Same>,
    observed: Verdict,
    share: Share,
    news: Vec<News>,
) -> Outcome {
    Outcome {
        name: String::new(),
        span: None,
        form,
        verdict: observed,
        observed,
        expect: Expect::Holds,
        relation: Relation::default(),
        places: Places::default(),
        share,
        members,
        groups,
        classes,
        news,
        evidence: Vec::new(),
        stages: None,
        agreed: None,
        varied: None,
    }
}

//! Comparisons as text: the verdicts in a column, and for what doesn't hold the groups and the evidence.

use rbld_lang::plan::{Category, Equality, Expect};
use rbld_lang::span::Sources;

use super::fixes::beaten;
use super::style::{Style, columns, printable};
use super::{agreed, causes, differences, stages, trend, varied};
use crate::compare::{
    Against, ComparisonReport, Evidence, ExpectedOutcome, GroupOutcome, Identity, News, Outcome, OutputState,
    Party, Same, Subject, Verdict, percent,
};

/// Columns of the verdict.
const VERDICT: usize = 14;

/// Lines listed of one kind at most.
const LISTED: usize = 20;

/// All comparisons for a person, and how many hold; ends in a newline.
pub fn comparisons(report: &ComparisonReport, sources: &Sources, style: &Style) -> String {
    let mut text = String::new();
    for outcome in &report.outcomes {
        text += &one(outcome, sources, style);
    }
    text += &total(report, style);
    text
}

fn total(report: &ComparisonReport, style: &Style) -> String {
    let judged = || report.outcomes.iter().filter(|outcome| !outcome.tolerated());
    let count = |verdict| judged().filter(|outcome| outcome.verdict == verdict).count();
    let mut parts: Vec<String> = [Verdict::Match, Verdict::Mismatch, Verdict::Inconclusive]
        .into_iter()
        .filter(|verdict| count(*verdict) > 0)
        .map(|verdict| painted(verdict, &format!("{} {}", count(verdict), verdict.word()), style))
        .collect();
    let flaky = report.outcomes.len() - judged().count();
    if flaky > 0 {
        parts.push(style.yellow(&format!("{flaky} flaky")));
    }
    let all = report.outcomes.len();
    let parts = if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) };
    format!("\n{all} comparison{}{parts}\n{}", plural(all), trend::text(report, style))
}

/// A comparison for a person: a line, and below it what doesn't hold.
pub(super) fn one(outcome: &Outcome, sources: &Sources, style: &Style) -> String {
    let (word, verdict) = match outcome.tolerated() {
        true => ("flaky", style.yellow("flaky")),
        false => (outcome.verdict.word(), painted(outcome.verdict, outcome.verdict.word(), style)),
    };
    let name = printable(&outcome.name);
    let summary = summary(outcome);
    let used = VERDICT + columns(&name) + 2 + columns(&summary);
    let mut text = format!("{verdict}{:1$}", "", VERDICT - word.len());
    if used <= style.width {
        let gap = style.width.min(80).saturating_sub(used) + 2;
        text += &format!("{}{:gap$}{}\n", style.bold(&name), "", style.dim(&summary));
    } else {
        let lines: Vec<String> = style
            .lines(VERDICT, &name)
            .into_iter()
            .map(|line| style.bold(&line))
            .chain([style.dim(&summary)])
            .collect();
        text += &lines.join(&format!("\n{:VERDICT$}", ""));
        text.push('\n');
    }
    if outcome.verdict != Verdict::Match
        && let Some(span) = outcome.span.filter(|span| sources.iter().any(|(id, _)| id == span.file))
    {
        let (line, _) = sources.position(span);
        text +=
            &format!("    {}\n", style.dim(&format!("{}:{line}", printable(&sources.get(span.file).name))));
    }
    text += &share(outcome, style);
    text += &stages::text(outcome, style);
    text += &agreed::text(outcome, style);
    text += &varied::text(outcome, sources, style);
    text += &found(outcome, style);
    text += &news(outcome, style);
    // A difference that is expected and there needs no proof.
    if outcome.verdict != Verdict::Match || outcome.expect == Expect::Holds {
        text += &outcome.evidence.iter().map(|evidence| shown(outcome, evidence, style)).collect::<String>();
    }
    text
}

fn painted(verdict: Verdict, text: &str, style: &Style) -> String {
    match verdict {
        Verdict::Match => style.green(text),
        Verdict::Mismatch => style.red(text),
        Verdict::Inconclusive => style.yellow(text),
    }
}

pub(super) fn summary(outcome: &Outcome) -> String {
    if let Some(stages) = &outcome.stages {
        return stages::summary(stages);
    }
    if let Some(agreed) = &outcome.agreed {
        return agreed::summary(outcome, agreed);
    }
    if let Some(varied) = &outcome.varied {
        return varied::summary(varied);
    }
    let mut keys: Vec<_> = outcome.members.iter().filter_map(Subject::build).collect();
    keys.sort();
    keys.dedup();
    let results = outcome.classes.len();
    format!("{} build{}, {results} result{}", keys.len(), plural(keys.len()), plural(results))
}

/// How many hold of how many, where that is asked for.
pub(super) fn share(outcome: &Outcome, style: &Style) -> String {
    let share = outcome.share;
    let mut text = String::new();
    if let Some(at_least) = share.at_least {
        let wanted = percent(u64::from(at_least));
        let what = if outcome.stages.is_some() { "outputs have settled" } else { "builds hold" };
        text += &style.wrapped("    ", &format!("{share} {what}; at least {wanted} % are asked for"));
        if let Some(beaten) = beaten(outcome) {
            let floor = rbld_lang::value::percent(beaten);
            text += &style.wrapped("    ", &format!("the share is beaten: raise it, `at_least = {floor}`"));
        }
    }
    if let Some((holding, total)) = share.files.filter(|(_, total)| *total > 0) {
        let files =
            format!("{holding} of {total} published file{} built bit for bit", plural(total as usize));
        text += &style.wrapped("    ", &files);
    }
    text
}

/// What was found where it isn't what was asked for.
fn found(outcome: &Outcome, style: &Style) -> String {
    let mut text = String::new();
    if outcome.verdict != Verdict::Match {
        for group in &outcome.groups {
            text += &grouped(outcome, group, style);
        }
    }
    let odd = outcome.members.iter().filter_map(|member| {
        let against = member.against.as_ref()?;
        (against.verdict == Verdict::Mismatch).then(|| expectation(member, against, style))
    });
    let odd: Vec<String> = odd.collect();
    text += &odd.iter().take(LISTED).cloned().collect::<String>();
    if odd.len() > LISTED {
        text += &format!("    and {} more that differ\n", odd.len() - LISTED);
    }
    text
}

fn grouped(outcome: &Outcome, group: &GroupOutcome, style: &Style) -> String {
    let mut text = String::new();
    if !group.name.is_empty() {
        let results = group.classes.len();
        let verdict = group.verdict.map_or("alone".to_owned(), |verdict| verdict.word().to_owned());
        let counts =
            format!("{} build{}, {results} result{}", group.builds, plural(group.builds), plural(results));
        text += &format!("    {}: {verdict}, {counts}\n", style.bold(&printable(&group.name)));
    }
    for class in group.classes.iter().take(LISTED) {
        text += &row(outcome, class, style);
    }
    if group.classes.len() > LISTED {
        text += &format!("      and {} more results\n", group.classes.len() - LISTED);
    }
    text
}

/// A result and who came to it.
fn row(outcome: &Outcome, class: &Same, style: &Style) -> String {
    let mut lines = style.lines(20, &keys(outcome, &class.members)).into_iter();
    let digest = class.identity.digest.short();
    let mut text = format!("      {digest}  {}\n", lines.next().unwrap_or_default());
    for line in lines {
        text += &format!("{:20}{line}\n", "");
    }
    text
}

fn expectation(member: &Subject, against: &Against, style: &Style) -> String {
    let found = member.identity();
    let both = |expected: Identity| {
        let found = found.map_or_else(String::new, |found| found.digest.to_hex());
        format!("    expected {}\n    found    {found}\n", expected.digest)
    };
    let key = format!("    {}\n", style.bold(&printable(&member.key)));
    match &against.expected {
        ExpectedOutcome::Digest(digest) => key + &both(Identity { folder: false, digest: *digest }),
        ExpectedOutcome::Output { state: OutputState::Ready { object, .. }, .. } => {
            key + &both(object.into())
        }
        ExpectedOutcome::Output { .. } => key,
        ExpectedOutcome::Published { by, files, .. } => {
            let odd: Vec<_> = files.iter().filter(|file| file.expected != file.found).collect();
            let (bad, all) = (odd.len(), files.len());
            let head = format!("{}: {bad} of {all} file{} differ from {by}", member.key, plural(all));
            let mut text = style.wrapped("    ", &head);
            for file in odd.iter().take(LISTED) {
                text += &format!("      {}\n", printable(&file.name));
                let (expected, found) = (file.expected.short(), file.found.short());
                text += &format!("        published {expected}, built {found}\n");
            }
            if odd.len() > LISTED {
                text += &format!("      and {} more\n", odd.len() - LISTED);
            }
            text
        }
    }
}

/// What a person must know, in sentences.
pub(super) fn news(outcome: &Outcome, style: &Style) -> String {
    let mut sentences: Vec<String> = outcome.news.iter().filter_map(|news| sentence(outcome, news)).collect();
    sentences.extend(expected(outcome));
    sentences.extend(relaxed(outcome));
    let mut text = String::new();
    for sentence in sentences.iter().take(LISTED) {
        text += &style.wrapped("    ", sentence);
    }
    if sentences.len() > LISTED {
        text += &format!("    and {} more such notes\n", sentences.len() - LISTED);
    }
    text
}

/// Why it may differ, and whose matter that is.
fn expected(outcome: &Outcome) -> Option<String> {
    match &outcome.expect {
        Expect::Holds => None,
        Expect::Different { why, until, category, owner } => {
            if outcome.observed != Verdict::Mismatch {
                return None;
            }
            let until = until.map(|until| format!("until {}", last_day(until)));
            let category = category.map(|category| match category {
                Category::Upstream => "upstream's".to_owned(),
                Category::Environment => "the environment's".to_owned(),
                Category::NewerInputs => "newer inputs'".to_owned(),
            });
            let owner = owner.as_ref().map(|owner| format!("seen to by {owner}"));
            let more: Vec<String> = [category, owner, until].into_iter().flatten().collect();
            let more = if more.is_empty() { String::new() } else { format!(" ({})", more.join(", ")) };
            Some(match outcome.verdict {
                Verdict::Match => format!("different, as expected: {why}{more}"),
                _ => format!("it was expected to differ: {why}{more}"),
            })
        }
        Expect::Flaky { why, owner } => Some(match outcome.verdict {
            Verdict::Match => format!("flaky, and held this time: {why} (seen to by {owner})"),
            _ => format!("flaky: {why} (seen to by {owner})"),
        }),
    }
}

/// What counted as equal if that isn't the same bytes, and why.
fn relaxed(outcome: &Outcome) -> Option<String> {
    let what = match outcome.relation.equality {
        Equality::Bytes => return None,
        // Nothing was left out of sight.
        _ if outcome.news.contains(&News::BytesEqual) => return None,
        Equality::Tree => "their trees",
        Equality::Deb => "their packages' trees",
        Equality::Content => "content",
    };
    let why = outcome.relation.why.as_deref().unwrap_or_default();
    Some(match outcome.observed {
        Verdict::Match => format!("equal in {what} only: {why}"),
        _ => format!("compared in {what} only: {why}"),
    })
}

/// The last day on which a difference is expected.
pub(super) fn last_day(until: i64) -> String {
    rbld_lang::syntax::show_date(until.div_euclid(86_400) - 1)
}

fn sentence(outcome: &Outcome, news: &News) -> Option<String> {
    let key = |member: usize| outcome.members.get(member).map_or("", |subject| subject.key.as_str());
    let group = |index: usize| outcome.groups.get(index).map_or("", |group| group.name.as_str());
    Some(match news {
        // The groups' tables and the share's line say these.
        News::Split { .. } | News::BelowShare => return None,
        News::Merged { groups: (one, other), identity } => {
            let (one, other) = (group(*one), group(*other));
            format!("`{one}` and `{other}` were to differ, but both have {}", identity.digest.short())
        }
        News::SharedBuild { groups: (one, other) } => {
            let (one, other) = (group(*one), group(*other));
            format!("`{one}` and `{other}` hold one and the same build: nothing was compared")
        }
        News::OneBuild { members } => {
            format!("{} are one build: all that goes into them is equal", keys(outcome, members))
        }
        News::TooFew { group: index } if group(*index).is_empty() => {
            "fewer than two builds: nothing was compared".to_owned()
        }
        News::TooFew { group: index } => {
            format!("`{}` has fewer than two builds: nothing was compared", group(*index))
        }
        News::NotRealised { member } => {
            let why = match outcome.members.get(*member).map(|subject| &subject.state) {
                Some(OutputState::Failed(why) | OutputState::Missing(why)) => why.as_str(),
                _ => "it is not there",
            };
            format!("{} was not realised: {why}", key(*member))
        }
        News::NothingExpected { member, why } => {
            format!("{} has nothing to be held against: {why}", key(*member))
        }
        News::NonePublished { member } => {
            format!("none of the files published for {} was built", key(*member))
        }
        News::Equal => "they were to differ, and are the same".to_owned(),
        News::Executable { with, without } => {
            let (with, without) = (keys(outcome, with), keys(outcome, without));
            let who = if with.is_empty() { format!("all but {without}") } else { with };
            format!("equal bytes, but executable only in {who}")
        }
        News::NoLongerDifferent => {
            "nothing differs any more: take `expect = different(…)` out of this assertion".to_owned()
        }
        News::Expired { until } => format!(
            "it was to differ until {} only: mend what differs, or give it a new day and say why",
            last_day(*until)
        ),
        News::BytesEqual => "the bytes are equal too: take `compare = …` out of this assertion".to_owned(),
        News::Nothing => "there was nothing to compare".to_owned(),
    })
}

fn shown(outcome: &Outcome, evidence: &Evidence, style: &Style) -> String {
    let (left, right) = (party(outcome, evidence.left), party(outcome, evidence.right));
    let file = evidence.file.as_ref().map(|file| format!("{file}: ")).unwrap_or_default();
    let mut text = style.wrapped("    ", &format!("{file}{left} (-) and {right} (+)"));
    text += &match &evidence.difference {
        Ok(difference) => {
            differences::difference(difference, &left, &right, style)
                + &causes::text(&evidence.observation, style)
        }
        Err(why) => style.wrapped("      ", &format!("not looked into: {why}")),
    };
    match &evidence.diffoscope {
        Some(Ok(page)) => text += &style.wrapped("      ", &format!("diffoscope's page: {page}")),
        Some(Err(why)) => text += &style.wrapped("      ", &format!("no page of diffoscope: {why}")),
        None => {}
    }
    text
}

/// What a side of some evidence is called.
pub(super) fn party(outcome: &Outcome, party: Party) -> String {
    match party {
        Party::Member(index) => outcome.members.get(index).map_or(String::new(), |one| one.key.clone()),
        Party::Expected => "expected".to_owned(),
    }
}

fn keys(outcome: &Outcome, members: &[usize]) -> String {
    let keys: Vec<String> = members
        .iter()
        .filter_map(|index| outcome.members.get(*index))
        .map(|one| printable(&one.key))
        .collect();
    keys.join(", ")
}

pub(super) fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

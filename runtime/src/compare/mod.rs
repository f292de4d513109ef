//! Comparing: from realised outputs to verdicts, and the evidence for them.
//!
//! The verdicts follow from digests and keys alone (`identical`, `matches`); bytes are read only to show
//! where two results differ (`evidence`, `difference`). Knows nothing of how outputs were made, and prints
//! nothing: `report` does.

use std::collections::BTreeMap;

use rbld_lang::derivation::{ArchiveId, Derivation, InputRef, OutputSpec, PoolFile};
use rbld_lang::digest::Digest;
use rbld_lang::plan::{Comparison, Form, Plan};

mod agreed;
pub mod cause;
pub mod difference;
mod evidence;
mod expect;
mod fixpoint;
mod identical;
mod matches;
mod normal;
mod outcome;
mod relation;
mod sample;
#[cfg(test)]
mod store_tests;
mod sums;
#[cfg(test)]
mod tests;
mod trend;
mod varied;

pub use evidence::{between, entries, of_two_kinds, opener};
pub use outcome::{
    Against, Agreed, ComparisonReport, Evidence, ExpectedOutcome, GroupOutcome, Identity, Moving, News,
    Outcome, Party, PublishedFile, Same, Share, Stages, Subject, Verdict, Voice, Word, percent,
};
pub use sample::{LeftOut, Sample, Sampled};
pub use trend::{Changed, Past, PastOne, Trend};
pub use varied::{Confirmed, Run, Shown, Unsteady, Varied};

use crate::failure::Result;
use crate::progress::{Progress, Step};
use crate::store::{Object, Store, tree};

/// What became of an output.
#[derive(Clone, Debug, PartialEq)]
pub enum OutputState {
    /// It is in the store.
    Ready {
        /// What it is.
        object: Object,
        /// The resolved key of the derivation that gave it: equal keys are one build.
        key: Digest,
    },
    /// Its derivation, or one that it needs, failed: the reason in a sentence.
    Failed(String),
    /// It was not realised for another reason, such as `--fail-fast`: in a sentence.
    Missing(String),
}

/// Brings a published file into the store, to show how it differs.
pub type Published<'a> = &'a dyn Fn(&ArchiveId, &PoolFile) -> Result<()>;

/// What the build of an output is known to have had around it.
pub type Around<'a> = &'a dyn Fn(&InputRef) -> cause::Surroundings;

/// What varying the build of a comparison came to.
pub type VariedOf<'a> = &'a dyn Fn(&Comparison) -> Option<Varied>;

/// How evidence is gathered.
pub struct Options<'a> {
    /// What varying builds came to; without it nothing is known of `reproducible`.
    pub varied: Option<VariedOf<'a>>,
    /// Brings a published file into the store; without it only files that are there are looked into.
    pub published: Option<Published<'a>>,
    /// Pairs of results looked into for each comparison.
    pub pairs: usize,
    /// How far looking goes for each pair.
    pub limits: difference::Limits,
    /// What a build is known to have had around it; without it classes are told from bytes alone.
    pub surroundings: Option<Around<'a>>,
    /// Who is told.
    pub progress: Progress,
    /// The instant that counts as now, seconds since 1970; without it no day is over.
    pub now: Option<i64>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        let limits = difference::Limits::default();
        Options {
            varied: None,
            published: None,
            pairs: 3,
            limits,
            surroundings: None,
            progress: Progress::silent(),
            now: None,
        }
    }
}

/// Judges every comparison of a plan, in the file's order, and gathers the evidence.
///
/// Never fails: an output that can't be read back from the store counts as not realised.
pub fn compare(
    plan: &Plan,
    state: &dyn Fn(&InputRef) -> OutputState,
    store: &Store,
    options: &Options<'_>,
) -> ComparisonReport {
    let files = |object: &Object, output: &InputRef| files_of(plan, store, object, output);
    let outcomes = plan.comparisons.iter().map(|comparison| {
        let context = Context { state, files: &files, store: Some(store), now: options.now };
        let varied = options.varied.and_then(|varied| varied(comparison));
        let mut outcome = match (&comparison.form, varied) {
            (Form::Reproducible { outputs, .. }, Some(varied)) => {
                judged(reproducible(outputs, state, varied), comparison, options.now)
            }
            _ => relation::judge_in(comparison, &context, store, options),
        };
        let mut wanted = evidence::pairs(&outcome, options.pairs);
        for pair in &mut wanted {
            let other = pair.right;
            pair.look_into(&|party| image_of(plan, &outcome, party, other, state));
        }
        if !wanted.is_empty() {
            let task = options.progress.begin(Step::Compare, &comparison.name);
            let output = |party: Party| match party {
                Party::Member(index) => outcome.members.get(index).map(|member| &member.output),
                Party::Expected => None,
            };
            let around = |pair: &evidence::Pair| {
                context_of(plan, output(pair.left), output(pair.right), options.surroundings)
            };
            let evidence = evidence::gather(comparison, wanted, store, options, &around);
            outcome.evidence = evidence;
            task.done("");
        }
        outcome
    });
    ComparisonReport { outcomes: outcomes.collect(), ..ComparisonReport::default() }
}

/// The folder of an image, for a party that is its manifest: that names all by digest, and shows nothing itself. `other` is the
/// member that something expected is held against.
fn image_of(
    plan: &Plan,
    outcome: &Outcome,
    party: Party,
    other: Party,
    state: &dyn Fn(&InputRef) -> OutputState,
) -> Option<Identity> {
    let member = |party: Party| match party {
        Party::Member(index) => outcome.members.get(index),
        Party::Expected => None,
    };
    let output = match party {
        Party::Member(_) => &member(party)?.output,
        Party::Expected => match &member(other)?.against.as_ref()?.expected {
            ExpectedOutcome::Output { output, .. } => output,
            _ => return None,
        },
    };
    let image =
        matches!(plan.derivations.get(&output.derivation)?, Derivation::Image(_) | Derivation::ImageIndex(_));
    if !image || &*output.output != "manifest" {
        return None;
    }
    match state(&InputRef { output: "layout".into(), ..output.clone() }) {
        OutputState::Ready { object, .. } => Some((&object).into()),
        _ => None,
    }
}

/// What is known of the two builds that outputs come from.
pub fn context_of(
    plan: &Plan,
    left: Option<&InputRef>,
    right: Option<&InputRef>,
    around: Option<Around<'_>>,
) -> cause::Context {
    let packages = |output: Option<&InputRef>| match plan.derivations.get(&output?.derivation)? {
        Derivation::Build(build) => match plan.derivations.get(&build.env.derivation)? {
            Derivation::Environment(environment) => Some(&environment.packages),
            _ => None,
        },
        _ => None,
    };
    let mut context = match (packages(left), packages(right)) {
        (Some(ours), Some(theirs)) => cause::Context::of_packages(ours, theirs),
        _ => cause::Context::default(),
    };
    let known = |output: Option<&InputRef>| output.zip(around).map(|(output, around)| around(output));
    (context.left, context.right) = (known(left).unwrap_or_default(), known(right).unwrap_or_default());
    context
}

/// What varying a build's surroundings came to, as an outcome without a name.
pub fn reproducible(
    members: &[rbld_lang::plan::Member],
    state: &dyn Fn(&InputRef) -> OutputState,
    varied: Varied,
) -> Outcome {
    let members = Subject::all(members, state);
    let news = members.iter().enumerate().filter(|(_, member)| member.identity().is_none());
    let news = news.map(|(member, _)| News::NotRealised { member }).collect();
    let (verdict, share) = (varied.verdict(), Share::default());
    let mut outcome =
        identical::outcome("reproducible", members, Vec::new(), Vec::new(), verdict, share, news);
    outcome.varied = Some(varied);
    outcome
}

/// The files of an object by name, with their digests; the reason if it can't be read.
type FilesOf<'a> = &'a dyn Fn(&Object, &InputRef) -> Result<BTreeMap<String, Digest>, String>;

/// What a judgement may ask.
#[derive(Clone, Copy)]
struct Context<'a> {
    /// What became of outputs.
    state: &'a dyn Fn(&InputRef) -> OutputState,
    /// What files they have.
    files: FilesOf<'a>,
    /// Where lists of witnesses are read from.
    store: Option<&'a Store>,
    /// The instant that counts as now.
    now: Option<i64>,
}

/// The verdict of one comparison, without evidence. Reads no bytes but lists of files and what witnesses say.
fn judge(comparison: &Comparison, context: &Context<'_>) -> Outcome {
    let Context { state, files, store, now } = *context;
    let outcome = match &comparison.form {
        Form::Identical { members, groups, across } => {
            identical::judge(Subject::all(members, state), groups, *across, comparison.at_least)
        }
        Form::Matches { members, expected } => {
            matches::judge(Subject::all(members, state), expected, comparison.at_least, state, files)
        }
        Form::Differ { a, b } => identical::differ(Subject::all(&[a.clone(), b.clone()], state)),
        Form::Fixpoint { names, stages } => {
            let stages = stages.iter().map(|stage| Subject::all(stage, state)).collect();
            fixpoint::judge(names, stages, comparison.at_least, files)
        }
        Form::Reproducible { outputs, .. } => unjudged("reproducible", Subject::all(outputs, state)),
        Form::Agreed { member, k, of } => {
            let mut subjects = Subject::all(std::slice::from_ref(member), state);
            agreed::judge(subjects.remove(0), *k, of, &agreed::Asked { state, files, store, now })
        }
    };
    judged(outcome, comparison, now)
}

/// An outcome with what its assertion says beside the form.
fn judged(mut outcome: Outcome, comparison: &Comparison, now: Option<i64>) -> Outcome {
    outcome.name.clone_from(&comparison.name);
    outcome.span = Some(comparison.span);
    outcome.relation.clone_from(&comparison.equality);
    outcome.places = comparison.places;
    expect::apply(&mut outcome, &comparison.expect, now);
    outcome
}

/// What nothing here can judge.
fn unjudged(form: &'static str, members: Vec<Subject>) -> Outcome {
    let news = vec![News::Nothing];
    let share = Share::default();
    identical::outcome(form, members, Vec::new(), Vec::new(), Verdict::Inconclusive, share, news)
}

fn files_of(
    plan: &Plan,
    store: &Store,
    object: &Object,
    output: &InputRef,
) -> Result<BTreeMap<String, Digest>, String> {
    match object {
        Object::File { digest, .. } => Ok(BTreeMap::from([(file_name(plan, output), *digest)])),
        Object::Tree { digest, .. } => {
            let folder = tree::read(store, *digest).map_err(|failure| failure.message)?;
            let files = folder.files().filter_map(|(path, node)| match node {
                tree::Node::File { digest, .. } => Some((path, *digest)),
                _ => None,
            });
            Ok(files.collect())
        }
    }
}

/// The name of an output that is one file: as declared, or as its URL has it.
fn file_name(plan: &Plan, output: &InputRef) -> String {
    let path = match plan.derivations.get(&output.derivation) {
        Some(Derivation::Build(build)) => match build.outputs.get(&output.output).map(|spec| &**spec) {
            Some(OutputSpec::File(path) | OutputSpec::Files(path)) => path.as_str(),
            None => &output.output,
        },
        Some(Derivation::Fetch(rbld_lang::derivation::Fetch::Url { name, .. })) => name.as_str(),
        Some(Derivation::Fetch(rbld_lang::derivation::Fetch::Local { path, .. })) => path.as_str(),
        _ => &output.output,
    };
    path.rsplit('/').next().unwrap_or(path).to_owned()
}

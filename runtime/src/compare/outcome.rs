//! What a comparison came to: the values that `report` renders. No logic but counting.

use std::fmt;

use rbld_lang::derivation::InputRef;
use rbld_lang::digest::Digest;
use rbld_lang::plan::{Expect, Member, Places, Relation};
use rbld_lang::span::Span;

use super::OutputState;
use super::cause::Observation;
use super::difference::Difference;
use super::sample::Sampled;
use super::trend::Trend;
use crate::store::Object;

/// Whether an assertion holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It holds.
    Match,
    /// It is proven not to.
    Mismatch,
    /// It couldn't be told.
    Inconclusive,
}

impl Verdict {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Match => "match",
            Verdict::Mismatch => "mismatch",
            Verdict::Inconclusive => "inconclusive",
        }
    }

    /// The verdict on both: a mismatch is never masked, and what can't be told is never a match.
    #[must_use]
    pub fn and(self, other: Verdict) -> Verdict {
        match (self, other) {
            (Verdict::Mismatch, _) | (_, Verdict::Mismatch) => Verdict::Mismatch,
            (Verdict::Inconclusive, _) | (_, Verdict::Inconclusive) => Verdict::Inconclusive,
            _ => Verdict::Match,
        }
    }
}

/// The outcomes of all comparisons, in the file's order.
#[derive(Clone, Debug, Default)]
pub struct ComparisonReport {
    /// One a comparison.
    pub outcomes: Vec<Outcome>,
    /// What wasn't looked at, if not all was to be.
    pub sample: Option<Sampled>,
    /// How it stands to an earlier run.
    pub trend: Option<Trend>,
}

/// What one comparison came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The text in quotes.
    pub name: String,
    /// The item, for a comparison that a file states.
    pub span: Option<Span>,
    /// `identical`, `matches`, `differ`, `fixpoint`, `reproducible` or `agreed`.
    pub form: &'static str,
    /// Whether the assertion holds.
    pub verdict: Verdict,
    /// The verdict before `expect = different(…)` turned it round.
    pub observed: Verdict,
    /// What is expected of it.
    pub expect: Expect,
    /// What counts as equal.
    pub relation: Relation,
    /// Where its modifiers stand.
    pub places: Places,
    /// How many builds hold, of how many.
    pub share: Share,
    /// The members, in the file's order.
    pub members: Vec<Subject>,
    /// The groups of `identical`; one without a name when none are written.
    pub groups: Vec<GroupOutcome>,
    /// All realised members by what they are, the majority first.
    pub classes: Vec<Same>,
    /// What a person must know.
    pub news: Vec<News>,
    /// Where results differ.
    pub evidence: Vec<Evidence>,
    /// The stages of `fixpoint`.
    pub stages: Option<Stages>,
    /// The witnesses of `agreed`.
    pub agreed: Option<Agreed>,
    /// What varying the surroundings of `reproducible` came to.
    pub varied: Option<super::Varied>,
}

/// What others say of a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// How many of them must say the same.
    pub k: u32,
    /// Each of them, in the file's order.
    pub voices: Vec<Voice>,
}

/// A witness, and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voice {
    /// What a person calls it.
    pub name: String,
    /// Where it is written.
    pub span: Option<Span>,
    /// What it is counted by, once: `key …`, `list …`, `build …`; none where that couldn't be told.
    pub by: Option<String>,
    /// The fingerprint of the primary key of whoever signed.
    pub signer: Option<String>,
    /// Why it is believed without a signature.
    pub why: Option<String>,
    /// What it says.
    pub word: Word,
}

/// What a witness says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// That it built the same.
    Same,
    /// The same as an earlier one, by whose key, list or build it is: it isn't counted again.
    Again {
        /// The earlier one, as an index.
        first: usize,
    },
    /// That it built something else: the files and what it has instead; one without a name for another build.
    Other(Vec<(String, Digest)>),
    /// Nothing, or nothing that can be verified: the reason.
    Nothing(String),
}

/// The stages of a chain. Their numbers begin with 0; an output is known by its place in a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stages {
    /// What the outputs of a stage are called; empty for the only one.
    pub names: Vec<String>,
    /// The members of each stage, as indexes.
    pub members: Vec<Vec<usize>>,
    /// The stage since which nothing changes any more; `None` while something does.
    pub reached: Option<usize>,
    /// The same for each output.
    pub settled: Vec<Option<usize>>,
    /// Of each stage, whether it has the keys of the stage before: it was not run again.
    pub again: Vec<bool>,
    /// The outputs that are proven not to be what they were in the stage before the last.
    pub moving: Vec<Moving>,
}

/// An output that doesn't settle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moving {
    /// Which.
    pub output: usize,
    /// Whether every stage is known to have given something else than the stage before.
    pub always: bool,
    /// An earlier stage that gave the same as the last: it goes round.
    pub like: Option<usize>,
    /// How many of its files differ from those of the stage before.
    pub count: usize,
    /// The first of them, sorted.
    pub files: Vec<String>,
}

impl Stages {
    /// The number of the last stage.
    pub fn last(&self) -> usize {
        self.members.len().saturating_sub(1)
    }
}

/// An object apart from its executable bit: what `bytes` equality compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    /// A folder, or a file.
    pub folder: bool,
    /// The digest of the file's bytes or of the folder's tree.
    pub digest: Digest,
}

impl From<&Object> for Identity {
    fn from(object: &Object) -> Identity {
        match object {
            Object::File { digest, .. } => Identity { folder: false, digest: *digest },
            Object::Tree { digest, .. } => Identity { folder: true, digest: *digest },
        }
    }
}

/// A member and what became of it.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Its key in the matrix, as a person writes it.
    pub key: String,
    /// Which output.
    pub output: InputRef,
    /// What became of it.
    pub state: OutputState,
    /// What it was held against, in `matches`.
    pub against: Option<Against>,
}

impl Subject {
    /// The members with their states.
    pub(super) fn all(members: &[Member], state: &dyn Fn(&InputRef) -> OutputState) -> Vec<Subject> {
        let subject = |member: &Member| Subject {
            key: member.key.clone(),
            output: member.output.clone(),
            state: state(&member.output),
            against: None,
        };
        members.iter().map(subject).collect()
    }

    /// What it is, if it was realised.
    pub fn identity(&self) -> Option<Identity> {
        match &self.state {
            OutputState::Ready { object, .. } => Some(object.into()),
            _ => None,
        }
    }

    /// The resolved key that it was built by, if it was realised.
    pub fn build(&self) -> Option<Digest> {
        match &self.state {
            OutputState::Ready { key, .. } => Some(*key),
            _ => None,
        }
    }
}

/// What a member of `matches` was held against.
#[derive(Clone, Debug)]
pub struct Against {
    /// Whether it holds.
    pub verdict: Verdict,
    /// What was expected.
    pub expected: ExpectedOutcome,
}

/// What was expected of a member, and what of it was found.
#[derive(Clone, Debug)]
pub enum ExpectedOutcome {
    /// A digest written in the file.
    Digest(Digest),
    /// Another output.
    Output {
        /// Which.
        output: InputRef,
        /// What became of it.
        state: OutputState,
    },
    /// Files that an archive publishes.
    Published {
        /// By whom.
        by: String,
        /// The files that were built and are published, by name.
        files: Vec<PublishedFile>,
        /// Published files that weren't built.
        unbuilt: Vec<String>,
        /// Built files that aren't published.
        unpublished: Vec<String>,
    },
}

/// A file that was built and is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedFile {
    /// Its name.
    pub name: String,
    /// The published digest.
    pub expected: Digest,
    /// The built file's.
    pub found: Digest,
}

/// A group and what its members came to.
#[derive(Clone, Debug)]
pub struct GroupOutcome {
    /// Its name; empty when all members are one group.
    pub name: String,
    /// Its members, as indexes.
    pub members: Vec<usize>,
    /// Its realised members by what they are, the majority first.
    pub classes: Vec<Same>,
    /// How many builds its realised members are.
    pub builds: usize,
    /// Whether its members are identical; `None` for a group of one, which only takes part across groups.
    pub verdict: Option<Verdict>,
}

/// Members that are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Same {
    /// What they are.
    pub identity: Identity,
    /// The members, as indexes.
    pub members: Vec<usize>,
    /// How many builds they are.
    pub builds: usize,
}

/// How many builds hold, of how many. Builds that weren't realised count as not holding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Builds that hold.
    pub holding: u64,
    /// All builds.
    pub total: u64,
    /// Files that hold and all files, for published files.
    pub files: Option<(u64, u64)>,
    /// What is asked for, in hundredths of a percent.
    pub at_least: Option<u32>,
}

impl Share {
    /// True if this many of the total are enough.
    pub(super) fn reached_by(&self, holding: u64) -> bool {
        let wanted = u128::from(self.at_least.unwrap_or(10_000));
        u128::from(holding) * 10_000 >= wanted * u128::from(self.total)
    }

    /// The share in hundredths of a percent, rounded down, so that 99.995 % is never shown as all.
    pub fn hundredths(&self) -> u64 {
        if self.total == 0 { 0 } else { (u128::from(self.holding) * 10_000 / u128::from(self.total)) as u64 }
    }
}

/// Hundredths of a percent as a person writes them: `30`, `99.5`, `33.33`, without the sign.
pub fn percent(hundredths: u64) -> String {
    let (whole, part) = (hundredths / 100, hundredths % 100);
    match part {
        0 => whole.to_string(),
        part if part % 10 == 0 => format!("{whole}.{}", part / 10),
        part => format!("{whole}.{part:02}"),
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} ({} %)", self.holding, self.total, percent(self.hundredths()))
    }
}

/// What a person must know beside the verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A group that was to agree came apart.
    Split {
        /// The group.
        group: usize,
    },
    /// Two groups that were to differ have a result in common.
    Merged {
        /// The groups.
        groups: (usize, usize),
        /// What they share.
        identity: Identity,
    },
    /// Two groups that were to differ hold one and the same build, so nothing was compared.
    SharedBuild {
        /// The groups.
        groups: (usize, usize),
    },
    /// These members are one build: their resolved keys are equal.
    OneBuild {
        /// The members, as indexes.
        members: Vec<usize>,
    },
    /// A group has fewer than two builds: nothing was compared with anything.
    TooFew {
        /// The group.
        group: usize,
    },
    /// A member wasn't realised.
    NotRealised {
        /// The member.
        member: usize,
    },
    /// A member's expected output wasn't realised, or can't be read.
    NothingExpected {
        /// The member.
        member: usize,
        /// Why.
        why: String,
    },
    /// None of the files that are published for a member was built.
    NonePublished {
        /// The member.
        member: usize,
    },
    /// Two outputs that were to differ are the same.
    Equal,
    /// Equal bytes, but some of these files are executable and others aren't.
    Executable {
        /// Executable members.
        with: Vec<usize>,
        /// Others.
        without: Vec<usize>,
    },
    /// Fewer builds hold than are asked for.
    BelowShare,
    /// A difference was expected and is gone: `expect` can be taken out.
    NoLongerDifferent,
    /// A difference was expected until a day that is over.
    Expired {
        /// The first second at which it was no longer expected.
        until: i64,
    },
    /// Equal in less than their bytes was enough, and the bytes are equal: `compare` can be taken out.
    BytesEqual,
    /// There was nothing to compare.
    Nothing,
}

/// Two results and where they differ.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// One: the majority's, or what was expected.
    pub left: Party,
    /// The other.
    pub right: Party,
    /// The published file, when files are compared by name.
    pub file: Option<String>,
    /// How they differ; the reason if that couldn't be looked at.
    pub difference: Result<Difference, String>,
    /// What that looks like.
    pub observation: Observation,
    /// The two results.
    pub objects: (Identity, Identity),
    /// Where diffoscope's page on them is, or why there is none; nothing where none was asked for.
    pub diffoscope: Option<Result<String, String>>,
}

/// A side of some evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    /// A member, by its index.
    Member(usize),
    /// What was expected of the other side.
    Expected,
}

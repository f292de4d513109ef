//! Which pins are meant, and what each of them follows.

use rbld_lang::eval::pins::Pin;
pub(super) use rbld_lang::eval::pins::{Placed as Place, Question as Subject};
use rbld_lang::loader::Project;
use rbld_lang::nearest::{listed, nearest};
use rbld_lang::package::Reference;

use crate::failure::Failure;

/// A literal that is to be asked for: one, though several questions may have it for an answer.
pub(super) struct Wanted {
    /// The items that lead to it.
    pub names: Vec<String>,
    /// What it answers.
    pub subjects: Vec<Subject>,
    /// Where it is.
    pub place: Place,
}

/// The pins that names mean; without names, those that move.
pub(super) fn wanted(pins: &[Pin], names: &[String]) -> Vec<Wanted> {
    let mut all: Vec<Wanted> = Vec::new();
    for pin in pins {
        let known = all.iter_mut().find(|wanted| wanted.place == pin.place);
        let Some(known) = known else {
            all.push(Wanted {
                names: pin.names.clone(),
                subjects: vec![pin.question.clone()],
                place: pin.place,
            });
            continue;
        };
        known.subjects.push(pin.question.clone());
        for name in &pin.names {
            if !known.names.contains(name) {
                known.names.push(name.clone());
            }
        }
    }
    all.retain(|wanted| match names {
        [] => wanted.subjects.iter().any(moves),
        names => wanted.names.iter().any(|name| names.contains(name)),
    });
    all
}

/// Whether an answer may be another than the one that is written.
fn moves(subject: &Subject) -> bool {
    match subject {
        Subject::Git { reference, commit, .. } => {
            reference.is_some() || commit.as_ref().is_none_or(|commit| is_zero(commit))
        }
        Subject::Url { digest, .. } => digest.is_none_or(|digest| digest.is_zero()),
        Subject::Image { name, digest } => name.tag.is_some() || digest.is_none_or(|digest| digest.is_zero()),
        Subject::Snapshot { .. } => true,
    }
}

/// Whether a commit stands for one that isn't known yet.
pub(super) fn is_zero(commit: &str) -> bool {
    commit.bytes().all(|digit| digit == b'0')
}

/// What a commit follows, for a person.
pub(super) fn follows(reference: Option<&Reference>) -> String {
    match reference {
        Some(Reference::Tag(tag)) => format!("tag {tag}"),
        Some(Reference::Branch(branch)) => format!("branch {branch}"),
        None => "HEAD".to_owned(),
    }
}

/// Whether an item of the project has a name.
pub(super) fn is_item(lang: &Project, name: &str) -> bool {
    let own = lang.modules.iter().filter(|module| !module.std && module.package.is_none());
    own.flat_map(|module| &module.ast.items).any(|item| rbld_lang::check::name_of(item) == name)
}

/// The failure for a name that means no pin.
pub(super) fn unknown(lang: &Project, pins: &[Pin], name: &str) -> Failure {
    let packages =
        lang.manifest.iter().flat_map(|manifest| &manifest.requires).map(|of| of.name.node.as_str());
    let known: Vec<&str> =
        pins.iter().flat_map(|pin| pin.names.iter().map(String::as_str)).chain(packages).collect();
    if is_item(lang, name) {
        return Failure::input(format!("`{name}` has no pin that an update could move")).help(
            "pins are of `fetch.git`, `fetch.url`, images, snapshots and required packages; what has an error has none",
        );
    }
    let failure = Failure::input(format!("nothing here is pinned by the name `{name}`"));
    match nearest(name, known.iter().copied()) {
        Some(near) => failure.help(format!("did you mean `{near}`?")),
        None => {
            let mut known = known;
            known.sort_unstable();
            known.dedup();
            failure.help(format!("what has pins is {}", listed(known)))
        }
    }
}

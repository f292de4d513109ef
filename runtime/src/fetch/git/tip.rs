//! What a tag or branch is at now: the one question to a repository whose answer may be another tomorrow.

use std::path::Path;

use rbld_lang::package::Reference;

use super::objects::Repository;
use super::origin::Origin;
use super::{Access, transport};
use crate::failure::{Failure, Result};
use crate::store::Store;

/// The full id of the commit that a tag or branch is at, or the repository's `HEAD`. An annotated tag is at the commit
/// that it names. Mirrors are asked as for everything else.
pub fn tip(
    store: &Store,
    project: &Path,
    url: &str,
    reference: Option<&Reference>,
    access: Access<'_>,
) -> Result<String> {
    let wanted = match reference {
        Some(reference) => {
            let name = reference.name();
            if !is_name(name) {
                return Err(Failure::input(format!("`{name}` can't be the name of a tag or branch")));
            }
            vec![format!("refs/tags/{name}"), format!("refs/heads/{name}")]
        }
        None => vec!["HEAD".to_owned()],
    };
    let place = match Origin::parse(url, project)? {
        Origin::Folder { .. } => vec![url.to_owned()],
        Origin::Network(url) => access.mirrors.rewritten(&url),
    };
    let mut tried: Vec<String> = Vec::new();
    for place in &place {
        let found = match Origin::parse(place, project) {
            Ok(Origin::Folder { path, .. }) => {
                Repository::open(&path, &Origin::parse(place, project)?).map(|repository| {
                    wanted.iter().filter_map(|name| Some((name.clone(), repository.peeled(name)?))).collect()
                })
            }
            Ok(Origin::Network(_)) if access.offline => Err(Failure::world(format!(
                "what moved isn't known without asking {place}, and `--offline` forbids it"
            ))),
            Ok(Origin::Network(place)) => {
                let scratch = store.scratch("git")?;
                let account = transport::account(access.mirrors, &place)?;
                transport::references(&place, account, &scratch.path().join("refs"), &wanted)
            }
            Err(failure) => Err(failure),
        };
        match found.and_then(|found| choose(&found, place, reference)) {
            Ok(commit) => return Ok(commit),
            Err(mut failure) if place == url => {
                failure.facts.extend(tried);
                return Err(failure);
            }
            Err(failure) => tried.push(format!("its mirror {place}: {}", failure.message)),
        }
    }
    let mut failure = Failure::world(format!("`{url}` can't be asked"));
    failure.facts.extend(tried);
    Err(failure)
}

/// What is asked for among what was found.
fn choose(found: &[(String, gix::ObjectId)], place: &str, reference: Option<&Reference>) -> Result<String> {
    let (wanted, other, what) = match reference {
        Some(Reference::Tag(name)) => (format!("refs/tags/{name}"), format!("refs/heads/{name}"), "tag"),
        Some(Reference::Branch(name)) => {
            (format!("refs/heads/{name}"), format!("refs/tags/{name}"), "branch")
        }
        None => ("HEAD".to_owned(), String::new(), "branch"),
    };
    let at = |name: &str| found.iter().find(|(of, _)| of == name).map(|(_, id)| id.to_string());
    if let Some(commit) = at(&wanted) {
        return Ok(commit);
    }
    let Some(reference) = reference else {
        return Err(Failure::input(format!("`{place}` has no commit yet")).help("name a `tag` or `branch`"));
    };
    let failure = Failure::input(format!("`{place}` has no {what} `{}`", reference.name()));
    Err(match (at(&other), what) {
        (Some(_), "tag") => {
            failure.help(format!("there is a branch of that name: write `branch = \"{}\"`", reference.name()))
        }
        (Some(_), _) => {
            failure.help(format!("there is a tag of that name: write `tag = \"{}\"`", reference.name()))
        }
        _ => failure.help(format!("`git ls-remote {place}` lists what it has")),
    })
}

/// Whether git takes a text for the name of a tag or branch, and only for that: no pattern, no option, no path.
fn is_name(name: &str) -> bool {
    let odd = |letter: char| letter.is_control() || letter.is_whitespace() || "~^:?*[\\".contains(letter);
    !name.is_empty()
        && name.len() <= 1000
        && !name.contains(odd)
        && !name.starts_with(['-', '/', '.'])
        && !name.ends_with(['/', '.'])
        && !name.contains("..")
        && !name.contains("//")
        && !name.contains("@{")
}

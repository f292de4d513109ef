//! Any folder: a tarball of what is in it.

use super::facts::{Built, Facts};
use super::files::Folder;
use crate::draft::quoted;
use crate::failure::Result;

pub(super) fn read(folder: &Folder) -> Result<Facts> {
    let name =
        folder.name().filter(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || "+-._".contains(c)));
    let name = name.filter(|name| !name.starts_with('.')).unwrap_or_else(|| "source".to_owned());
    let given = vec![("tarball", quoted(&format!("{name}.tar.gz"))), ("prefix", quoted(&name))];
    Ok(Facts {
        kind: "a folder of files",
        learnt: vec!["the folder's name"],
        module: "reproducible",
        name: Some(name),
        builds: vec![Built {
            item: "packed",
            recipe: "reproducible.tarball",
            given,
            output: "tarball",
            says: "the tarball, made twice",
        }],
        notes: vec![
            "A recipe of the project's own says what else to build: `rbld explain E0402` shows the fields of one."
                .to_owned(),
        ],
        ..Facts::default()
    })
}

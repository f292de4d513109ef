//! The other language of a varied build, made in its own environment. Knows nothing of what is built.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use rbld_lang::derivation::Arch;

use super::node::World;
use crate::executor::{Exit, Mount, Request, Root, User};
use crate::failure::{Doing, Result};
use crate::vary::{Variant, locale};

/// Where it is seen, by the program that makes it and by the build.
const MADE: &str = "/build";
const SEEN: &str = "/opt/another/locale";

/// Compiles it, and asks it how it writes a fraction: a comma says that it is there and in use.
const SCRIPT: &str = "localedef --no-archive -c -i /inputs/locale/definitions -f /inputs/locale/letters \
     \"/build/$LC_ALL\" >/dev/null 2>&1 || :\nexec locale decimal_point\n";

/// Adds another language to a build's variables and mounts; says which. An environment that can make none has C's
/// alone, and that is another than the plain build's too.
pub(super) fn add(
    world: &World,
    (root, arch, emulator): (&Path, Arch, Option<&Path>),
    env: &mut BTreeMap<String, String>,
    mounts: &mut Vec<Mount>,
    scratch: &Path,
) -> Result<&'static str> {
    let folder = scratch.join("locale");
    let sources = folder.join("sources");
    let doing = || format!("write the sources of a locale into {}", sources.display());
    std::fs::create_dir_all(&sources).doing(doing)?;
    let texts = locale::sources();
    std::fs::write(sources.join("definitions"), texts.definitions).doing(doing)?;
    std::fs::write(sources.join("letters"), texts.letters).doing(doing)?;
    let mut variables = env.clone();
    for (name, value) in [("LANG", locale::NAME), ("LC_ALL", locale::NAME), ("LOCPATH", MADE)] {
        variables.insert(name.to_owned(), value.to_owned());
    }
    let mut said = Vec::new();
    let finished = world.executor.run(Request {
        root: Root::Overlay { lower: root },
        scratch: &folder,
        arch,
        emulator,
        mounts: vec![Mount { from: sources.clone(), at: "/inputs/locale".to_owned() }],
        copies: Vec::new(),
        argv: ["/bin/sh", "-c", SCRIPT].map(str::to_owned).into(),
        env: variables.clone(),
        cwd: MADE.to_owned(),
        user: User::Build,
        variant: &Variant::default(),
        timeout: Some(Duration::from_secs(600)),
        log: &mut |bytes| said.extend_from_slice(bytes),
        cancel: &world.cancel,
    })?;
    let made = finished.exit == Exit::Code(0) && said == b",\n";
    let values = if made { [locale::NAME, locale::NAME, locale::LANGUAGES] } else { ["C"; 3] };
    for (name, value) in ["LANG", "LC_ALL", "LANGUAGE"].into_iter().zip(values) {
        env.insert(name.to_owned(), value.to_owned());
    }
    if made {
        env.insert("LOCPATH".to_owned(), SEEN.to_owned());
        mounts.push(Mount { from: finished.upper.join(&MADE[1..]), at: SEEN.to_owned() });
    }
    Ok(values[0])
}

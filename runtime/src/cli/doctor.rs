//! `rbld doctor`: what this machine grants, and which settings are in force.

use std::path::Path;

use serde_json::json;

use super::args::Format;
use super::project::host_arch;
use super::{context, output};
use crate::config::{Config, user_file};
use crate::failure::Result;
use crate::fetch::mirrors::Mirrors;
use crate::sandbox;

/// Prints what was probed; 4 when builds can't run here.
pub(super) fn run(store: Option<&Path>, format: Format) -> Result<i32> {
    let here = std::env::current_dir().ok();
    let project =
        here.as_deref().and_then(|here| here.ancestors().find(|folder| folder.join("build.rbld").is_file()));
    let config = Config::load(project)?;
    let store = context::store(store)?;
    let grade = sandbox::probe_with(Path::new("/proc/self/exe"), store.root());
    let arch = host_arch()?.name();
    let mirrors = Mirrors::from_machine(&config).all();
    if format == Format::Json {
        output::line(&format!(
            "{:#}",
            json!({
                "arch": arch,
                "cores": context::cores(),
                "store": store.root(),
                "sandbox": grade,
                "settings": config.origins,
                "mirrors": mirrors.into_iter().collect::<std::collections::BTreeMap<_, _>>(),
                "from": config.from,
            })
        ));
    } else {
        output::line(&format!("architecture          {}, {} cores", arch, context::cores()));
        output::line(&format!("store                 {}", store.root().display()));
        output::line("");
        table(&grade);
        output::line("");
        output::line("Where things are asked for, the first place first");
        for (archive, places) in [("everything".to_owned(), config.from.clone())].into_iter().chain(mirrors) {
            for (index, place) in places.iter().enumerate() {
                output::line(&match index {
                    0 if archive.len() > 21 => format!("{archive}\n{:22}{place}", ""),
                    0 => format!("{archive:22}{place}"),
                    _ => format!("{:22}{place}", ""),
                });
            }
        }
        output::line("");
        match &config.origins[..] {
            [] => output::line(&format!(
                "settings              none; yours would be in {}",
                user_file().map_or_else(|| "config.toml".to_owned(), |file| file.display().to_string())
            )),
            origins => {
                for (key, origin) in origins {
                    output::line(&format!("{key:22}set in {origin}"));
                }
            }
        }
    }
    Ok(if grade.sufficient() { 0 } else { 4 })
}

fn table(grade: &sandbox::Grade) {
    for (feature, grant) in &grade.features {
        let needed = if feature.hard() { "needed" } else { "useful" };
        match grant {
            sandbox::Grant::Granted => output::line(&format!("{:22}granted", feature.name())),
            sandbox::Grant::Refused { why, setting } => {
                output::line(&format!("{:22}refused ({needed}): {why}", feature.name()));
                if let Some(setting) = setting {
                    output::line(&format!("{:22}help: {setting}", ""));
                }
            }
        }
    }
}

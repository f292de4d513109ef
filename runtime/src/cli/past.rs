//! What earlier runs came to, by project and file: kept in the store, or read from a report.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rbld_lang::digest::{Hasher, Manifest as _};
use rbld_lang::plan::Comparison;

use super::project::{self, Project};
use crate::compare::{ComparisonReport, Past};
use crate::failure::{Doing, Failure, Result};
use crate::store::Store;

/// The largest file that is read.
const LIMIT: u64 = 1 << 30;

/// The names that a project has: its assertions, and the members of each.
pub(super) struct Names(BTreeMap<String, BTreeSet<String>>);

impl Names {
    /// All of them; taken before anything is left out of the plan.
    pub(super) fn of(project: &Project) -> Names {
        let one = |comparison: &Comparison| {
            let members = project::members(comparison).iter().map(|member| member.key.clone()).collect();
            (comparison.name.clone(), members)
        };
        Names(project.plan.comparisons.iter().map(one).collect())
    }

    fn has(&self, comparison: &str, member: Option<&str>) -> bool {
        self.0.get(comparison).is_some_and(|members| member.is_none_or(|member| members.contains(member)))
    }
}

/// Puts into a report how it stands to the last run, or to the report that `--against` names, and keeps what is known now.
pub(super) fn trend(
    store: &Store,
    project: &Project,
    names: &Names,
    against: Option<&Path>,
    now: i64,
    report: &mut ComparisonReport,
) -> Result<()> {
    let path = path(store, project);
    let (trend, kept) = recall(&path).update(report, now, &|name, member| names.has(name, member));
    let trend = match against {
        None => trend,
        Some(file) => read(file)?.update(report, now, &|name, member| names.has(name, member)).0,
    };
    remember(&path, &kept)?;
    report.trend = Some(trend);
    Ok(())
}

fn path(store: &Store, project: &Project) -> PathBuf {
    let mut hasher = Hasher::new("rbld-past-1");
    hasher.field("project", project.root.as_os_str().as_encoded_bytes());
    hasher.field("file", project.file.as_bytes());
    store.root().join("past").join(hasher.finish().to_hex())
}

/// What was kept; nothing where nothing was, or where it can't be read.
fn recall(path: &Path) -> Past {
    std::fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

fn remember(path: &Path, past: &Past) -> Result<()> {
    let doing = || format!("write {}", path.display());
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).doing(doing)?;
    let text = serde_json::to_vec(past).map_err(|error| Failure::bug(error.to_string()))?;
    let file = tempfile::NamedTempFile::new_in(folder).doing(doing)?;
    std::fs::write(file.path(), text).doing(doing)?;
    file.persist(path).map_err(|error| error.error).doing(doing)?;
    Ok(())
}

/// An earlier report.
pub(super) fn read(file: &Path) -> Result<Past> {
    let shown = file.display();
    let doing = || format!("read `{shown}`");
    let length = std::fs::metadata(file).doing(doing)?.len();
    let wrong = |why: String| {
        Failure::input(format!("`{shown}` is no report to hold this run against: {why}"))
            .help("give what `rbld check --format json` printed, or `--report json=FILE` wrote")
    };
    if length > LIMIT {
        return Err(wrong("it is too large".to_owned()));
    }
    let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    Past::from_json(&text).map_err(wrong)
}

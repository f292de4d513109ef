//! `rbld store`: how much room it takes, what may go, what is damaged.

use std::path::Path;
use std::time::Duration;

use super::args::StoreCommand;
use super::check::plural;
use super::{context, output};
use crate::display;
use crate::failure::Result;
use crate::store::{Amount, Collect, Store, Verified};

/// Runs one of the store's commands.
pub(super) fn run(store: Option<&Path>, command: &StoreCommand) -> Result<i32> {
    let store = context::store(store)?;
    match command {
        StoreCommand::Du => du(&store),
        StoreCommand::Gc { keep, dry_run } => gc(store, *keep, *dry_run),
        StoreCommand::Verify => {
            let seen = store.verify(&|_, _| {})?;
            say(&seen);
            if seen.damage.is_empty() {
                return Ok(0);
            }
            output::note("help: `rbld store repair` puts what is damaged aside, so that it is made again");
            Ok(4)
        }
        StoreCommand::Repair => {
            let seen = store.repair(true, &|_, _| {})?;
            say(&seen);
            if !seen.damage.is_empty() {
                output::line("put aside, in the store's folder `damaged`: it will be made again");
            }
            Ok(0)
        }
    }
}

fn du(store: &Store) -> Result<i32> {
    let usage = store.du()?;
    let rows = [
        ("objects", usage.objects),
        ("ready folders", usage.ready),
        ("logs", usage.logs),
        ("database", usage.database),
        ("in use now", usage.scratch),
        ("damaged", usage.damaged),
    ];
    for (name, amount) in rows {
        output::line(&format!("{name:15}{:>10}  {:>9}", display::size(amount.bytes), amount.count));
    }
    output::line(&format!(
        "{:15}{:>10}  in {}",
        "total",
        display::size(usage.total()),
        store.root().display()
    ));
    Ok(0)
}

fn gc(store: Store, days: u32, dry: bool) -> Result<i32> {
    let keep = Duration::from_secs(u64::from(days) * 86_400);
    let removed = store.gc(Collect { keep, dry, wait: true })?;
    let say = |noun: &str, amount: Amount| {
        format!("{} ({})", plural(amount.count as usize, noun), display::size(amount.bytes))
    };
    output::line(&format!(
        "{} {}, {}, {}, {}",
        if dry { "would remove" } else { "removed" },
        plural(removed.realisations as usize, "realisation"),
        say("object", removed.objects),
        say("ready folder", removed.ready),
        say("log", removed.logs),
    ));
    Ok(0)
}

fn say(seen: &Verified) {
    for damage in &seen.damage {
        output::line(&format!("damaged: {damage}"));
    }
    output::line(&format!(
        "{} ({}), {}, {} verified: {}",
        plural(seen.blobs as usize, "object"),
        display::size(seen.bytes),
        plural(seen.realisations as usize, "realisation"),
        plural(seen.ready as usize, "ready folder"),
        if seen.damage.is_empty() {
            "nothing wrong".to_owned()
        } else {
            plural(seen.damage.len(), "thing") + " wrong"
        },
    ));
}

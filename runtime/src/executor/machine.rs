//! What a variant shows of the machine: another kernel, other processors; and the files of `/proc` that tell of them.
//!
//! Processors are taken away really, so all that counts them agrees. A machine with one can't take any away: there the
//! build is told of a second one.

use std::path::Path;

use rbld_lang::vary::Axis;
use rustix::thread::CpuSet;

use crate::failure::{Doing, Result};
use crate::sandbox::protocol::Bind;
use crate::vary::Variant;

pub(super) use crate::vary::KERNEL;

/// The processors of a varied build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Processors {
    /// Those that it may use; as many as there are if none.
    pub(super) allowed: Vec<usize>,
    /// How many it is told of, if that isn't how many it may use.
    pub(super) told: Option<u32>,
}

/// The processors of a variant on this machine.
pub(super) fn processors(variant: &Variant) -> Result<Processors> {
    if !variant.varies(Axis::Cpus) {
        return Ok(Processors { allowed: Vec::new(), told: None });
    }
    let set = rustix::thread::sched_getaffinity(None).doing(|| "ask which processors there are")?;
    Ok(other(&(0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect::<Vec<_>>()))
}

/// Half of them, or two where there is one.
fn other(all: &[usize]) -> Processors {
    match all.len() {
        0 | 1 => Processors { allowed: all.to_vec(), told: Some(2) },
        count => Processors { allowed: all[..count / 2].to_vec(), told: None },
    }
}

/// Writes the files of `/proc` that tell of a variant's machine; says where they are to be seen.
pub(super) fn covers(variant: &Variant, scratch: &Path) -> Result<Vec<Bind>> {
    let mut files: Vec<(&str, String)> = Vec::new();
    if variant.varies(Axis::Kernel) {
        let (release, version) = KERNEL;
        files.push(("version", format!("Linux version {release} (another@another) (cc 98) {version}\n")));
        files.push(("sys/kernel/osrelease", format!("{release}\n")));
        files.push(("sys/kernel/version", format!("{version}\n")));
    }
    let processors = processors(variant)?;
    if variant.varies(Axis::Cpus) {
        let read = |name: &str| {
            std::fs::read_to_string(Path::new("/proc").join(name)).doing(|| format!("read /proc/{name}"))
        };
        files.push(("cpuinfo", information(&read("cpuinfo")?, &processors)));
        files.push(("stat", statistics(&read("stat")?, &processors)));
    }
    let mut binds = Vec::new();
    for (name, text) in files {
        let from = scratch.join(format!("proc-{}", name.replace('/', "-")));
        std::fs::write(&from, text).doing(|| format!("write `{}`", from.display()))?;
        binds.push(Bind { from, at: format!("/proc/{name}"), writable: false });
    }
    Ok(binds)
}

/// `/proc/cpuinfo` with these processors: a block for each, where this machine's has such blocks.
fn information(text: &str, processors: &Processors) -> String {
    let number = |block: &str| -> Option<usize> {
        let line = block.lines().find(|line| line.starts_with("processor"))?;
        line.split(':').nth(1)?.trim().parse().ok()
    };
    let mut kept = String::new();
    for block in text.split_inclusive("\n\n") {
        match (number(block), processors.told) {
            (Some(cpu), _) if !processors.allowed.contains(&cpu) => {}
            (Some(cpu), Some(told)) => {
                for copy in 0..usize::try_from(told).unwrap_or(1) {
                    let line = |cpu: usize| format!("processor\t: {cpu}\n");
                    kept.push_str(&block.replacen(&line(cpu), &line(copy), 1));
                }
            }
            _ => kept.push_str(block),
        }
    }
    kept
}

/// `/proc/stat` with these processors.
fn statistics(text: &str, processors: &Processors) -> String {
    let mut kept = String::new();
    for line in text.split_inclusive('\n') {
        let word = line.split(' ').next().unwrap_or("");
        match (word.strip_prefix("cpu").and_then(|number| number.parse::<usize>().ok()), processors.told) {
            (Some(cpu), _) if !processors.allowed.contains(&cpu) => {}
            (Some(_), Some(told)) => {
                for copy in 0..told {
                    kept.push_str(&line.replacen(word, &format!("cpu{copy}"), 1));
                }
            }
            _ => kept.push_str(line),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const CPUINFO: &str = "processor\t: 0\nmodel\t: A\n\nprocessor\t: 1\nmodel\t: A\n\n";
    const STAT: &str = "cpu  9 9\ncpu0 4 4\ncpu1 5 5\nintr 7\n";

    #[test]
    fn half_of_them_are_left() {
        assert_eq!(other(&[2, 3, 5]).allowed, [2]);
        assert_eq!(other(&[0, 1, 2, 3]).allowed, [0, 1]);
        let one = other(&[0, 1]);
        assert_eq!(information(CPUINFO, &one), "processor\t: 0\nmodel\t: A\n\n");
        assert_eq!(statistics(STAT, &one), "cpu  9 9\ncpu0 4 4\nintr 7\n");
    }

    #[test]
    fn a_machine_with_one_seems_to_have_two() {
        let two = other(&[1]);
        assert_eq!(two.told, Some(2));
        assert_eq!(information(CPUINFO, &two), CPUINFO);
        assert_eq!(statistics(STAT, &two), "cpu  9 9\ncpu0 5 5\ncpu1 5 5\nintr 7\n");
    }

    #[test]
    fn what_has_no_blocks_stays() {
        assert_eq!(information("vendor_id : IBM\n", &other(&[0])), "vendor_id : IBM\n");
    }
}

//! Places that follow from others: a program's build-id from the program, a list of checksums from the files.

use rbld_lang::vary::Axis;

use super::super::difference::{Difference, Leaf, Nature, What};
use super::{Class, Look, Sighting, shown};

/// The sections that name the debug information of a program.
const SECTIONS: [&str; 3] = [".note.gnu.build-id", ".gnu_debuglink", ".gnu_debugaltlink"];

/// Whether a section is one of them.
fn is_section(leaf: &Leaf) -> bool {
    leaf.within == Some(Nature::Elf) && leaf.path.last().is_some_and(|last| SECTIONS.contains(&last.as_str()))
}

/// What a leaf as a whole looks like; nothing if its places are to be looked at.
pub(super) fn look(leaf: &Leaf, difference: &Difference) -> Option<Look> {
    if is_section(leaf) {
        return Some(section(leaf, difference));
    }
    let sums = leaf.path.iter().rev().find(|step| *step != "(unpacked)").is_some_and(|name| is_sums(name));
    let hex = |part: &super::Part| {
        let digits = |bytes: &[u8]| bytes.iter().filter(|byte| byte.is_ascii_hexdigit()).count();
        part.left.len() == part.right.len() && digits(&part.left) * 10 >= part.left.len() * 9
    };
    (sums && !leaf.parts.is_empty() && leaf.parts.iter().all(hex)).then_some(Look::Follows)
}

fn section(leaf: &Leaf, difference: &Difference) -> Look {
    let program = &leaf.path[..leaf.path.len() - 1];
    let inside = |path: &[String]| path.len() == program.len() + 1 && path.starts_with(program);
    let other = difference.leaves.iter().any(|other| inside(&other.path) && !is_section(other))
        || difference
            .findings
            .iter()
            .any(|finding| inside(&finding.path) && !matches!(finding.what, What::Bytes { .. }));
    // The linker makes a build-id of all that it writes.
    if other {
        return Look::Follows;
    }
    let (left, right) =
        leaf.parts.first().map_or((Vec::new(), Vec::new()), |part| (part.left.clone(), part.right.clone()));
    let detail = "build-id and debug-link".to_owned();
    let axes = vec![Axis::BuildPath];
    Look::Seen(vec![Sighting {
        class: Class::BuildId,
        detail,
        axes,
        left: shown(&left),
        right: shown(&right),
    }])
}

/// Whether a file is a list of checksums, by its name.
fn is_sums(name: &str) -> bool {
    let last = name.rsplit('/').next().unwrap_or(name);
    matches!(
        last,
        "md5sums" | "RECORD" | "MANIFEST.MF" | "index.json" | "Packages" | "Release" | "SHA256SUMS"
    ) || last.ends_with("SUMS")
        || [".sha256", ".sha512", ".md5", ".buildinfo", ".changes", ".dsc", ".SF"]
            .iter()
            .any(|end| last.ends_with(end))
        || last.starts_with("manifest ")
        || last.ends_with("configuration")
}

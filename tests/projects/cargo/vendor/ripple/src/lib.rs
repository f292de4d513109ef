//! A crate that a project has in its folder of vendored crates.

/// The sum of the numbers up to one; a panic would name this file.
pub fn spread(to: u32) -> u32 {
    assert!(to < 1000, "too far");
    (1..=to).sum()
}

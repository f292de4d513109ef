//! The nearest of the names that exist to the one that was written.

/// How long a name may be to be compared, in bytes: nobody misspells a longer one, and comparing takes its square.
const LONGEST: usize = 64;

/// How many names are compared: among more of them, something is always near.
const MOST: usize = 300;

/// The most similar name, when one is similar enough to be meant.
pub fn nearest<'a>(written: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if written.len() > LONGEST {
        return None;
    }
    let folded = written.to_lowercase();
    let mut best: Option<(f64, &str)> = None;
    for name in names.into_iter().filter(|name| name.len() <= LONGEST).take(MOST) {
        if name == written {
            continue;
        }
        let lower = name.to_lowercase();
        let score = strsim::jaro_winkler(&folded, &lower);
        let one_edit =
            || lower.len().abs_diff(folded.len()) <= 4 && strsim::damerau_levenshtein(&folded, &lower) == 1;
        let meant = score > 0.84 || name.len() > 2 && one_edit();
        if meant && best.is_none_or(|(top, _)| score > top) {
            best = Some((score, name));
        }
    }
    best.map(|(_, name)| name)
}

/// How many names are listed; of more, so many are, and how many others there are.
const LISTED: usize = 20;

/// Names in a row for a person: `` `a`, `b` and `c` ``.
pub fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut names = names.into_iter();
    let mut shown: Vec<String> = names.by_ref().take(LISTED).map(|name| format!("`{name}`")).collect();
    match names.count() {
        0 => {}
        others => shown.push(format!("{others} more")),
    }
    match shown.split_last() {
        None => "nothing".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, first)) => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_be_meant_is_near() {
        assert_eq!(nearest("pakages", ["build_depends", "packages"]), Some("packages"));
        assert_eq!(nearest("dits", ["dist", "git_archive"]), Some("dist"));
        assert_eq!(nearest("Env", ["env"]), Some("env"));
        assert_eq!(nearest("tarball", ["e", "at"]), None);
        assert_eq!(nearest(&"a".repeat(65), [&*"a".repeat(64)]), None, "too long to be compared");
    }

    #[test]
    fn lists_read_like_a_sentence() {
        assert_eq!(listed([]), "nothing");
        assert_eq!(listed(["a"]), "`a`");
        assert_eq!(listed(["a", "b", "c"]), "`a`, `b` and `c`");
        assert!(listed(["a"; 25]).ends_with("`a` and 5 more"));
    }
}

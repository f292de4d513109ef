//! The nearest of the names that exist to the one that was written.

/// The most similar name, when one is similar enough to be meant.
pub fn nearest<'a>(written: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = written.to_lowercase();
    let mut best: Option<(f64, &str)> = None;
    for name in names {
        if name == written {
            continue;
        }
        let score = strsim::jaro_winkler(&folded, &name.to_lowercase());
        let edits = strsim::damerau_levenshtein(&folded, &name.to_lowercase());
        let meant = score > 0.84 || edits == 1 && name.len() > 2;
        if meant && best.is_none_or(|(top, _)| score > top) {
            best = Some((score, name));
        }
    }
    best.map(|(_, name)| name)
}

/// Names in a row for a person: `` `a`, `b` and `c` ``.
pub fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match names.split_last() {
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
    }

    #[test]
    fn lists_read_like_a_sentence() {
        assert_eq!(listed([]), "nothing");
        assert_eq!(listed(["a"]), "`a`");
        assert_eq!(listed(["a", "b", "c"]), "`a`, `b` and `c`");
    }
}

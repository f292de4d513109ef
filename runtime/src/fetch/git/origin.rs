//! Where a repository is, and where one is that it names relative to itself.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Result};
use crate::fetch::local;

/// Where a repository is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Behind an `https` or `http` URL.
    Network(String),
    /// A folder of this machine.
    Folder {
        /// As written.
        written: String,
        /// Where it is.
        path: PathBuf,
        /// Whether it is written as a path inside the project, rather than as a `file:` URL.
        inside: bool,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Network(url) => f.write_str(url),
            Origin::Folder { written, .. } => f.write_str(written),
        }
    }
}

impl Origin {
    /// The origin that a file of the project names.
    pub(super) fn parse(url: &str, project: &Path) -> Result<Origin> {
        if url.starts_with("https://") || url.starts_with("http://") {
            let authority = url.split('/').nth(2).unwrap_or_default();
            if authority.is_empty() {
                return Err(Failure::input(format!("`{url}` names no server")));
            }
            if authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':')) {
                return Err(Failure::input("the URL of a repository holds a password")
                    .help("take the password out: whoever reads the file would have it"));
            }
            return Ok(Origin::Network(url.trim_end_matches('/').to_owned()));
        }
        if let Some(path) = url.strip_prefix("file://") {
            if !path.starts_with('/') {
                return Err(Failure::input(format!("`{url}` isn't the URL of a folder"))
                    .help("write `file:///` and the folder's whole path"));
            }
            let path = PathBuf::from(path);
            return Ok(Origin::Folder { written: url.to_owned(), path, inside: false });
        }
        let scp = url.find(':').is_some_and(|colon| !url[..colon].contains('/'));
        if url.contains("://") || scp {
            return Err(Failure::input(format!("`{url}` isn't reached by https, http or file"))
                .help("write the repository's `https://` address"));
        }
        let path = local::inside(project, url)?;
        Ok(Origin::Folder { written: url.to_owned(), path, inside: true })
    }

    /// The origin that `.gitmodules` of this one names: a URL, or a path relative to this origin.
    pub(super) fn relative(&self, url: &str, project: &Path) -> Result<Origin> {
        let relative = url.starts_with("./") || url.starts_with("../");
        let found = if relative {
            Origin::parse(&joined(&self.to_string(), url)?, project)?
        } else {
            match Origin::parse(url, project) {
                // A path that isn't marked as relative is one of the machine that the commit was made on.
                Ok(Origin::Folder { inside: true, .. }) => {
                    return Err(Failure::input(format!("`{url}` is a path of another machine")));
                }
                other => other?,
            }
        };
        match (self, &found) {
            (Origin::Network(_), Origin::Folder { .. }) => Err(Failure::input(format!(
                "`{url}` would make a repository of the network read this machine's files"
            ))),
            _ => Ok(found),
        }
    }
}

/// A path relative to a URL or path, as git reads it: relative to the repository as if that were a folder.
fn joined(base: &str, relative: &str) -> Result<String> {
    let mut base = base.trim_end_matches('/').to_owned();
    let mut rest = relative;
    loop {
        if let Some(after) = rest.strip_prefix("./") {
            rest = after;
        } else if let Some(after) = rest.strip_prefix("../") {
            rest = after;
            let root = base.find("://").map_or(0, |scheme| scheme + 3);
            match base[root..].rfind('/') {
                Some(slash) if root + slash > root => base.truncate(root + slash),
                _ if root == 0 && !base.is_empty() && base != "." => base = ".".to_owned(),
                _ => return Err(Failure::input(format!("`{relative}` leads above `{base}`"))),
            }
        } else {
            return Ok(format!("{base}/{rest}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_urls_are_read_as_git_does() {
        let cases = [
            ("https://host/a/b.git", "../c.git", "https://host/a/c.git"),
            ("https://host/a/b.git/", "./c", "https://host/a/b.git/c"),
            ("https://host/a/b", "../../c/d", "https://host/c/d"),
            ("file:///srv/a", "../b", "file:///srv/b"),
            ("repos/a", "../b", "repos/b"),
            ("a", "../b", "./b"),
        ];
        for (base, relative, expected) in cases {
            assert_eq!(joined(base, relative).as_deref(), Ok(expected), "{base} {relative}");
        }
        assert!(joined("https://host/a", "../../b").is_err());
        assert!(joined("a", "../../b").is_err());
    }

    #[test]
    fn only_known_ways_lead_to_a_repository() {
        let project = tempfile::tempdir().unwrap();
        std::fs::create_dir(project.path().join("repo")).unwrap();
        let parse = |url: &str| Origin::parse(url, project.path());
        for wrong in [
            "git@host:a/b.git",
            "ssh://host/a",
            "git://host/a",
            "https://user:word@host/a",
            "https://",
            "file://host/a",
            "../outside",
            "/etc",
            "nowhere",
            "ext::sh -c id",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        assert!(parse("./repo").is_ok());
        let network = parse("https://host/a/b.git").unwrap();
        assert_eq!(network, Origin::Network("https://host/a/b.git".to_owned()));
        for wrong in ["file:///srv/b", "/srv/b", "repo", "git@host:b"] {
            assert!(network.relative(wrong, project.path()).is_err(), "{wrong}");
        }
        let folder = parse("repo").unwrap();
        assert!(folder.relative("https://host/x", project.path()).is_ok());
        assert!(folder.relative("/srv/b", project.path()).is_err());
    }
}

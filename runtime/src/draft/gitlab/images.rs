//! Images, and the release of Debian that one is.

/// What an image comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Release {
    /// The suite.
    pub(super) suite: &'static str,
    /// Packages that the image has beside the essential ones.
    pub(super) packages: &'static [&'static str],
    /// What is different here, if anything is.
    pub(super) note: Option<&'static str>,
}

const SUITES: [(&str, &str); 8] = [
    ("bullseye", "bullseye"),
    ("bookworm", "bookworm"),
    ("trixie", "trixie"),
    ("sid", "sid"),
    ("unstable", "sid"),
    ("11", "bullseye"),
    ("12", "bookworm"),
    ("13", "trixie"),
];

/// The release, or why there is none.
pub(super) fn release(image: &str) -> Result<Release, String> {
    let (image, digest) =
        image.split_once('@').map_or((image, None), |(image, digest)| (image, Some(digest)));
    let known = ["docker.io/library/", "docker.io/", "registry-1.docker.io/library/", "library/"];
    let bare = known.iter().find_map(|prefix| image.strip_prefix(prefix)).unwrap_or(image);
    let (name, tag) = bare.split_once(':').unwrap_or((bare, ""));
    let packages: &[&str] =
        match name {
            "debian" => &[],
            "buildpack-deps" => &["build-essential", "curl", "git", "pkg-config"],
            _ => return Err(
                "environments are made of Debian's packages so far, and nothing says what this image holds"
                    .to_owned(),
            ),
        };
    let first = tag.split(['-', '.']).next().unwrap_or_default();
    let suite = SUITES.iter().find(|(known, _)| *known == first).map(|(_, suite)| *suite);
    let note = if digest.is_some()
        || tag.split('-').any(|part| part.len() == 8 && part.bytes().all(|b| b.is_ascii_digit()))
    {
        Some("the image was pinned: say its day in `at` for the packages of that day")
    } else if suite.is_none() {
        Some("which release this image is changes; trixie is taken")
    } else if name == "buildpack-deps" {
        Some("of what this image holds only a few packages are named")
    } else {
        None
    };
    match suite {
        Some(suite) => Ok(Release { suite, packages, note }),
        None if matches!(tag, "" | "latest" | "stable" | "stable-slim") => {
            Ok(Release { suite: "trixie", packages, note })
        }
        None => Err(format!("no release of Debian is known by the tag `{tag}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_of_debian_are_releases() {
        let suite = |image| release(image).map(|release| (release.suite, release.note.is_some()));
        assert_eq!(suite("debian:bookworm"), Ok(("bookworm", false)));
        assert_eq!(suite("docker.io/library/debian:12-slim"), Ok(("bookworm", false)));
        assert_eq!(suite("debian:trixie-20250811"), Ok(("trixie", true)));
        assert_eq!(suite("debian@sha256:00"), Ok(("trixie", true)));
        assert_eq!(suite("debian"), Ok(("trixie", true)));
        assert!(suite("debian:buster").is_err());
        assert!(suite("ubuntu:24.04").is_err());
        assert!(suite("registry.example.org/debian:bookworm").is_err());
    }
}

//! Container images: as environments, and as what is built.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::{Arch, InputRef, input, text};
use crate::digest::{Digest, Manifest};

/// The rules of this edition by which an image becomes an environment.
pub const IMAGE_RULES: u32 = 1;

/// The format in which this edition writes images.
pub const IMAGE_FORMAT: u32 = 1;

/// The root filesystem that an image's layers come to. Its realisation has the outputs `out`, a tree, and `vars`.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageRoot {
    /// The architecture of its programs; chooses among the images of an index.
    pub arch: Arch,
    /// Where the image is.
    pub from: ImageSource,
    /// Which rules made it an environment: a change of rules is a change of keys.
    pub rules: u32,
}

/// Where an image is.
#[derive(Clone, Debug, PartialEq)]
pub enum ImageSource {
    /// In a registry.
    Registry {
        /// Its name there. Not in the key.
        name: ImageName,
        /// The digest of its manifest, or of an index.
        digest: Digest,
    },
    /// In a folder.
    Folder {
        /// The folder: in the image layout, or an unpacked archive of docker.
        from: InputRef,
        /// Which one it is, where there are several.
        digest: Option<Digest>,
    },
}

/// An image to be written. Its realisation has the outputs `layout`, a folder in the image layout, and `manifest`.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    /// What it is for.
    pub arch: Arch,
    /// The environment whose tree is its lowest layer.
    pub base: Option<InputRef>,
    /// What lies at which absolute path, sorted.
    pub files: BTreeMap<Arc<str>, InputRef>,
    /// What it says of itself.
    pub settings: ImageSettings,
}

/// What an image says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImageSettings {
    /// What a container runs.
    pub entrypoint: Vec<String>,
    /// The arguments for that, or what is run if there is none.
    pub cmd: Vec<String>,
    /// Environment variables.
    pub vars: BTreeMap<String, String>,
    /// Where a container starts; `/` if empty.
    pub workdir: String,
    /// As whom; root if empty.
    pub user: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// When it says it was made, seconds since 1970.
    pub created: Option<i64>,
    /// The name it has in its folder.
    pub name: String,
}

/// An index of images, one an architecture. Its realisation has the outputs of an image.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageIndex {
    /// The `layout` of each.
    pub images: Vec<InputRef>,
    /// The name it has in its folder.
    pub name: String,
}

impl ImageRoot {
    pub(super) fn manifest(&self, to: &mut impl Manifest) {
        text(to, "kind", "image root");
        text(to, "rules", &self.rules.to_string());
        text(to, "arch", self.arch.name());
        match &self.from {
            ImageSource::Registry { digest, .. } => text(to, "digest", &digest.to_hex()),
            ImageSource::Folder { from, digest } => {
                input(to, "from", from);
                if let Some(digest) = digest {
                    text(to, "digest", &digest.to_hex());
                }
            }
        }
    }
}

impl Image {
    pub(super) fn manifest(&self, to: &mut impl Manifest) {
        text(to, "kind", "image");
        text(to, "format", &IMAGE_FORMAT.to_string());
        text(to, "arch", self.arch.name());
        if let Some(base) = &self.base {
            input(to, "base", base);
        }
        to.open("files", self.files.len());
        for (path, from) in &self.files {
            input(to, path, from);
        }
        to.close();
        self.settings.manifest(to);
    }
}

impl ImageSettings {
    /// Walks all of it, in one fixed order.
    pub fn manifest(&self, to: &mut impl Manifest) {
        for (name, words) in [("entrypoint", &self.entrypoint), ("cmd", &self.cmd)] {
            to.open(name, words.len());
            for (index, word) in words.iter().enumerate() {
                text(to, &index.to_string(), word);
            }
            to.close();
        }
        for (name, pairs) in [("vars", &self.vars), ("labels", &self.labels)] {
            to.open(name, pairs.len());
            for (name, value) in pairs {
                text(to, name, value);
            }
            to.close();
        }
        text(to, "workdir", &self.workdir);
        text(to, "user", &self.user);
        text(to, "created", &self.created.map(|seconds| seconds.to_string()).unwrap_or_default());
        text(to, "name", &self.name);
    }
}

impl ImageIndex {
    pub(super) fn manifest(&self, to: &mut impl Manifest) {
        text(to, "kind", "image index");
        text(to, "format", &IMAGE_FORMAT.to_string());
        to.open("images", self.images.len());
        for (index, image) in self.images.iter().enumerate() {
            input(to, &index.to_string(), image);
        }
        to.close();
        text(to, "name", &self.name);
    }
}

/// The name of an image in a registry: `registry.example/team/tool:1.0`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageName {
    /// The registry, with its port if it is written.
    pub host: String,
    /// The repository.
    pub repository: String,
    /// The tag, if one is written.
    pub tag: Option<String>,
}

/// Why a text isn't the name of an image, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageNameError {
    /// Why.
    pub why: &'static str,
    /// What to do.
    pub help: String,
}

impl ImageName {
    /// Reads a name. The registry must be written: which one a short name means, every tool guesses for itself.
    pub fn parse(written: &str) -> Result<ImageName, ImageNameError> {
        let error = |why, help: &str| Err(ImageNameError { why, help: help.to_owned() });
        if written.contains("://") {
            return error("begins with a scheme", "leave it out: `registry.example/name`");
        }
        if let Some((name, digest)) = written.split_once('@') {
            let help = format!("write `oci.image(\"{name}\", digest = {digest})`");
            return Err(ImageNameError { why: "has a digest in it", help });
        }
        let Some((host, rest)) = written.split_once('/').filter(|(host, _)| is_host(host)) else {
            let path = if written.contains('/') { written.to_owned() } else { format!("library/{written}") };
            let help = format!("say from which registry: `docker.io/{path}` is Docker Hub's");
            return Err(ImageNameError { why: "names no registry", help });
        };
        let (repository, tag) = match rest.rsplit_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (rest, None),
        };
        let part = |part: &str| {
            let inner = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit();
            let bytes = part.as_bytes();
            let ends = bytes.first().is_some_and(|byte| inner(*byte))
                && bytes.last().is_some_and(|byte| inner(*byte));
            ends && bytes.iter().all(|byte| inner(*byte) || b"._-".contains(byte))
        };
        if repository.len() > 255 || !repository.split('/').all(part) {
            let help = "it is of small letters, digits, `.`, `_` and `-`, in parts between slashes";
            return error("has no repository's name after the registry", help);
        }
        if let Some(tag) = tag {
            let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            if tag.is_empty() || tag.len() > 128 || !tag.bytes().all(valid) || tag.starts_with(['.', '-']) {
                return error(
                    "has an odd tag",
                    "a tag is of letters, digits, `.`, `_` and `-`, at most 128 of them",
                );
            }
        }
        Ok(ImageName {
            host: host.to_ascii_lowercase(),
            repository: repository.to_owned(),
            tag: tag.map(str::to_owned),
        })
    }
}

/// Whether the first part of a name is a registry, by the rule that all tools share.
fn is_host(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
    let (name, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => {
            let colons =
                address.contains(':') && address.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':');
            if !colons {
                return false;
            }
            ("v6", port.strip_prefix(':'))
        }
        None => match text.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (text, None),
        },
    };
    let sound = !name.is_empty() && name.bytes().all(letter) && !name.starts_with(['.', '-']);
    let port_sound = port.is_none_or(|port| port.parse::<u16>().is_ok());
    sound
        && port_sound
        && (port.is_some() || text.starts_with('[') || name.contains('.') || name == "localhost")
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.repository)?;
        match &self.tag {
            Some(tag) => write!(f, ":{tag}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_their_registry() {
        let read = |text: &str| ImageName::parse(text).map(|name| name.to_string());
        for right in [
            "registry.example/name",
            "registry.example:5000/a/b-c/d_e:1.0-rc",
            "localhost/x",
            "localhost:5000/x",
            "127.0.0.1:5000/x",
            "[::1]:5000/x",
            "docker.io/library/debian:bookworm",
        ] {
            assert_eq!(read(right).as_deref(), Ok(right));
        }
        for (wrong, why) in [
            ("debian", "names no registry"),
            ("library/debian:1", "names no registry"),
            ("https://registry.example/a", "begins with a scheme"),
            ("registry.example/a@sha256:00", "has a digest in it"),
            ("registry.example/A", "has no repository's name after the registry"),
            ("registry.example/", "has no repository's name after the registry"),
            ("registry.example/../a", "has no repository's name after the registry"),
            ("registry.example/a:", "has an odd tag"),
            ("registry.example/a:b c", "has an odd tag"),
            ("evil.example:x/a", "names no registry"),
            ("user:pass@registry.example/a", "has a digest in it"),
        ] {
            assert_eq!(ImageName::parse(wrong).unwrap_err().why, why, "{wrong}");
        }
    }
}

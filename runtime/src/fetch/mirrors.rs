//! Where the files of an archive may be had, best first. Fetches nothing.
//!
//! Configured mirrors come first, then the mirror that this machine's own apt uses, then the snapshot archive,
//! which is slow and rations its answers. Since a digest says what the bytes must be, any place is as good.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rbld_lang::derivation::ArchiveId;

use super::date;
use super::debian::stanza;
use super::vendored::Vendored;
use crate::config::{Config, Credential};
use crate::failure::Result;

/// Why a place is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The settings or the environment name it.
    Configured,
    /// The machine's own apt uses it: holds the archive as it is today.
    Host,
    /// The snapshot archive: holds it as it was.
    Snapshot,
}

/// A place that holds an archive: `dists` and `pool` are below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// Its URL, without a slash at the end.
    pub url: String,
    /// Why it is asked.
    pub origin: Origin,
}

/// The places of each archive.
#[derive(Clone, Debug, Default)]
pub struct Mirrors {
    configured: BTreeMap<String, Vec<String>>,
    host: Vec<String>,
    /// Who the user is, by how addresses begin.
    credentials: BTreeMap<String, Credential>,
    /// Archives whose places were all given by the environment.
    only: BTreeMap<String, Vec<String>>,
    /// What is asked before any of them, for whatever is known by digest.
    vendored: Vendored,
}

/// Where Debian's snapshot archive is, which holds several archives by name.
const SNAPSHOT: &str = "http://snapshot.debian.org/archive";

/// Archives that are elsewhere, best first. Ubuntu's snapshots begin in March 2023; what the other places hold is the
/// archive as it is today. Trisquel keeps no older state of itself.
const ELSEWHERE: [(&str, &[&str]); 2] = [
    (
        "ubuntu",
        &[
            "https://snapshot.ubuntu.com/ubuntu/{instant}",
            "http://archive.ubuntu.com/ubuntu",
            "http://ports.ubuntu.com/ubuntu-ports",
        ],
    ),
    ("trisquel", &["https://archive.trisquel.org/trisquel", "https://archive.trisquel.info/trisquel"]),
];

/// The archives that can be named by the environment, and how.
const OVERRIDES: [(&str, &str); 5] = [
    ("debian", "RBLD_MIRROR_DEBIAN"),
    ("debian-security", "RBLD_MIRROR_DEBIAN_SECURITY"),
    ("ubuntu", "RBLD_MIRROR_UBUNTU"),
    ("trisquel", "RBLD_MIRROR_TRISQUEL"),
    ("guix", "RBLD_MIRROR_GUIX"),
];

/// The servers that Guix itself asks for what it hasn't built.
const GUIX: [&str; 2] = ["https://bordeaux.guix.gnu.org", "https://ci.guix.gnu.org"];

/// Whether an archive can be had as it once was.
pub(crate) fn has_snapshots(archive: &str) -> bool {
    match ELSEWHERE.iter().find(|(name, _)| *name == archive) {
        Some((_, places)) => places.iter().any(|place| place.contains("{instant}")),
        None => !archive.contains("://") || archive.contains("{instant}"),
    }
}

impl Mirrors {
    /// The places by settings, environment and the machine's apt.
    ///
    /// `RBLD_MIRROR_DEBIAN` (base URLs separated by blanks) replaces all places of `debian`: nothing else is asked.
    /// Each archive that has a name has such a variable.
    pub fn from_machine(config: &Config) -> Mirrors {
        let mut mirrors = Mirrors::new(config, &host_bases(Path::new("/etc/apt")));
        for (archive, variable) in OVERRIDES {
            if let Ok(value) = std::env::var(variable) {
                let bases: Vec<String> = value.split_whitespace().map(str::to_owned).collect();
                if !bases.is_empty() {
                    mirrors = mirrors.only(archive, bases);
                }
            }
        }
        mirrors
    }

    /// The places by settings and a list of what apt uses.
    pub fn new(config: &Config, host: &[String]) -> Mirrors {
        Mirrors {
            configured: config.mirrors.clone(),
            host: host.to_vec(),
            credentials: config.credentials.clone(),
            only: BTreeMap::new(),
            vendored: Vendored::of(&config.from),
        }
    }

    /// Asks these vendored folders, named on the command line, before those of the settings.
    pub fn from_vendored(mut self, places: &[String]) -> Result<Mirrors> {
        if !places.is_empty() {
            self.vendored = Vendored::named(places)?.then(&self.vendored);
        }
        Ok(self)
    }

    /// The vendored folders, which are asked first.
    pub fn vendored(&self) -> &Vendored {
        &self.vendored
    }

    /// Asks nothing but these places for an archive.
    #[must_use]
    pub fn only(mut self, archive: &str, bases: Vec<String>) -> Mirrors {
        self.only.insert(archive.to_owned(), bases);
        self
    }

    /// The places of an archive as of an instant, best first for files whose digest is known.
    pub fn bases(&self, archive: &ArchiveId) -> Vec<Base> {
        let mut bases: Vec<Base> = Vec::new();
        let mut add = |url: &str, origin| {
            let url =
                url.replace("{instant}", &date::stamp(archive.instant)).trim_end_matches('/').to_owned();
            if !bases.iter().any(|base| base.url == url) {
                bases.push(Base { url, origin });
            }
        };
        if let Some(only) = self.only.get(&archive.name) {
            only.iter().for_each(|url| add(url, Origin::Configured));
            return bases;
        }
        if archive.name.contains("://") {
            // Known by its address: wherever the settings say that this may be had, then there.
            let own = archive.name.as_str();
            for url in self.rewritten(own) {
                add(&url, if url == own { Origin::Snapshot } else { Origin::Configured });
            }
            return bases;
        }
        self.configured.get(&archive.name).into_iter().flatten().for_each(|url| add(url, Origin::Configured));
        self.host.iter().filter(|url| holds(url, &archive.name)).for_each(|url| add(url, Origin::Host));
        match ELSEWHERE.iter().find(|(name, _)| *name == archive.name) {
            Some((_, places)) => places.iter().for_each(|url| add(url, Origin::Snapshot)),
            None => add(&format!("{SNAPSHOT}/{}/{{instant}}", archive.name), Origin::Snapshot),
        }
        bases
    }

    /// The addresses of snapshot services that hold an archive as Debian's does, best first: `/archive/NAME/{instant}` and what
    /// answers questions about files, `/mr`, are below.
    pub fn services(&self, archive: &str) -> Vec<String> {
        let end = format!("/archive/{archive}/{{instant}}");
        let own = [format!("{SNAPSHOT}/{archive}/{{instant}}")];
        let places: Vec<&String> = match self.only.get(archive) {
            Some(only) => only.iter().collect(),
            None => self.configured.get(archive).into_iter().flatten().chain(&own).collect(),
        };
        let root = |place: &&String| place.trim_end_matches('/').strip_suffix(&end).map(str::to_owned);
        let http = |root: &String| !root.starts_with("file:");
        places.iter().filter_map(root).filter(http).collect()
    }

    /// The servers of Guix's store items: the configured ones, then Guix's own.
    pub fn guix(&self) -> Vec<String> {
        if let Some(only) = self.only.get("guix") {
            return only.clone();
        }
        let mut servers = self.configured.get("guix").cloned().unwrap_or_default();
        servers.extend(GUIX.iter().map(|server| (*server).to_owned()));
        servers
    }

    /// Every archive that has places, with these, best first; those of archives that are known by an address are named by it.
    /// For `rbld doctor`.
    pub fn all(&self) -> Vec<(String, Vec<String>)> {
        let named = OVERRIDES.iter().map(|(name, _)| *name);
        let mut names: Vec<&str> = named.collect();
        let others = self.configured.keys().chain(self.only.keys()).map(String::as_str);
        names.extend(others.filter(|name| !OVERRIDES.iter().any(|(known, _)| known == name)));
        let places = |name: &str| match name {
            "guix" => self.guix(),
            _ if name.contains("://") => self.configured.get(name).cloned().unwrap_or_default(),
            _ => self
                .bases(&ArchiveId { name: name.to_owned(), instant: 0 })
                .into_iter()
                .map(|base| base.url)
                .collect(),
        };
        let shown = |url: String| url.replace(&date::stamp(0), "{instant}");
        names
            .into_iter()
            .map(|name| (name.to_owned(), places(name).into_iter().map(shown).collect()))
            .collect()
    }

    /// The places to ask for a signed index: the snapshot archive, which knows what was current, before the
    /// mirror of the machine's apt, which knows what is.
    pub fn index_bases(&self, archive: &ArchiveId) -> Vec<Base> {
        let mut bases = self.bases(archive);
        bases.sort_by_key(|base| match base.origin {
            Origin::Configured => 0,
            Origin::Snapshot => 1,
            Origin::Host => 2,
        });
        bases
    }

    /// The URLs to try for one that a file names. One of the snapshot archive's pool stands for the same file on
    /// every mirror: the file is known by digest, so the nearest may have it. Any other stands for itself.
    pub fn expand(&self, url: &str) -> Vec<String> {
        let pool = |url: &str| {
            let rest = url.split_once("://snapshot.debian.org/archive/")?.1;
            let (name, rest) = rest.split_once('/')?;
            let (stamp, path) = rest.split_once('/')?;
            let archive = ArchiveId { name: name.to_owned(), instant: date::read_stamp(stamp)? };
            path.starts_with("pool/").then(|| self.urls(&archive, path))
        };
        pool(url).unwrap_or_else(|| self.rewritten(url))
    }

    /// The addresses to try for one that a file names: where the settings say that what begins like it may be had,
    /// then itself.
    pub fn rewritten(&self, url: &str) -> Vec<String> {
        let mut urls: Vec<String> = Vec::new();
        let mut begins: Vec<(&str, &Vec<String>, &str)> = Vec::new();
        for (begin, bases) in self.configured.iter().filter(|(begin, _)| begin.contains("://")) {
            begins.extend(after(begin, url).map(|rest| (begin.as_str(), bases, rest)));
        }
        // The longest beginning says it most exactly.
        begins.sort_by_key(|(begin, ..)| std::cmp::Reverse(begin.len()));
        for (_, bases, rest) in begins {
            urls.extend(bases.iter().map(|base| match rest.is_empty() {
                true => base.clone(),
                false => format!("{}/{rest}", base.trim_end_matches('/')),
            }));
        }
        urls.push(url.to_owned());
        urls
    }

    /// Who the user is to the server of an address, by the longest beginning that is named.
    pub fn credential(&self, url: &str) -> Option<&Credential> {
        let fitting = self.credentials.iter().filter(|(begin, _)| after(begin, url).is_some());
        fitting.max_by_key(|(begin, _)| begin.len()).map(|(_, credential)| credential)
    }

    /// The URLs of a file of an archive (`pool/main/…`), best first.
    pub fn urls(&self, archive: &ArchiveId, path: &str) -> Vec<String> {
        self.bases(archive).into_iter().map(|base| format!("{}/{path}", base.url)).collect()
    }
}

/// What follows in an address that begins so. A beginning ends where a part of the address does: not in the middle of a
/// host's name.
fn after<'u>(begin: &str, url: &'u str) -> Option<&'u str> {
    let rest = url.strip_prefix(begin)?;
    (rest.is_empty() || begin.ends_with('/') || rest.starts_with('/')).then(|| rest.trim_start_matches('/'))
}

/// Whether a text can be a base.
pub(crate) fn is_base(url: &str) -> bool {
    ["http://", "https://", "file:///"]
        .iter()
        .any(|scheme| url.starts_with(scheme) && url.len() > scheme.len())
}

/// Whether a base of apt's is one of an archive, by the last part of its path.
fn holds(url: &str, archive: &str) -> bool {
    url.trim_end_matches('/').rsplit('/').next() == Some(archive)
}

/// The bases that apt uses by the files in its folder, in the order apt reads them; none when they can't be read.
fn host_bases(etc: &Path) -> Vec<String> {
    let mut files = vec![etc.join("sources.list")];
    let mut parts: Vec<PathBuf> = std::fs::read_dir(etc.join("sources.list.d"))
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .collect();
    parts.sort();
    files.extend(parts);
    let mut bases: Vec<String> = Vec::new();
    for file in files {
        let Ok(text) = std::fs::read_to_string(&file) else { continue };
        let found = match file.extension().and_then(|extension| extension.to_str()) {
            Some("list") => one_line(&text),
            Some("sources") => deb822(&text),
            _ => continue,
        };
        for url in found {
            if is_base(&url) && !bases.contains(&url) {
                bases.push(url);
            }
        }
    }
    bases
}

/// `deb [options] URI suite component…`, one a line.
fn one_line(text: &str) -> Vec<String> {
    let uri = |line: &str| {
        let line = line.split('#').next().unwrap_or("").trim();
        let rest = line.strip_prefix("deb-src").or_else(|| line.strip_prefix("deb"))?;
        let rest = rest.strip_prefix(|c: char| c.is_ascii_whitespace())?.trim_start();
        let rest = match rest.strip_prefix('[') {
            Some(options) => options.split_once(']')?.1,
            None => rest,
        };
        rest.split_ascii_whitespace().next().map(str::to_owned)
    };
    text.lines().filter_map(uri).collect()
}

/// Stanzas with `URIs:`.
fn deb822(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let without_comments: String =
        text.lines().filter(|line| !line.starts_with('#')).flat_map(|line| [line, "\n"]).collect();
    for stanza in stanza::stanzas(without_comments.as_bytes()) {
        let field = |name: &str| stanza.get(name).unwrap_or("").to_owned();
        if matches!(field("Enabled").to_ascii_lowercase().as_str(), "no" | "false" | "0") {
            continue;
        }
        found.extend(field("URIs").split_ascii_whitespace().map(str::to_owned));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive() -> ArchiveId {
        ArchiveId { name: "debian".to_owned(), instant: 1_795_305_600 }
    }

    #[test]
    fn a_snapshot_url_stands_for_the_file_on_every_mirror() {
        let mirrors = Mirrors::new(&Config::default(), &["http://a.example/debian".to_owned()]);
        assert_eq!(
            mirrors.expand("https://snapshot.debian.org/archive/debian/20261122T000000Z/pool/main/a.tar.xz"),
            [
                "http://a.example/debian/pool/main/a.tar.xz",
                "http://snapshot.debian.org/archive/debian/20261122T000000Z/pool/main/a.tar.xz",
            ]
        );
        assert_eq!(mirrors.expand("https://b.example/a.tar.xz"), ["https://b.example/a.tar.xz"]);
    }

    #[test]
    fn what_begins_like_an_address_is_asked_elsewhere_first() {
        let config = Config::from_text(
            "[mirrors]\n\"https://git.example/\" = [\"https://m.example/all/\"]\n\
             \"https://git.example/own\" = [\"file:///srv/own\"]\n",
        )
        .unwrap();
        let mirrors = Mirrors::new(&config, &[]);
        assert_eq!(
            mirrors.rewritten("https://git.example/own/a.git"),
            ["file:///srv/own/a.git", "https://m.example/all/own/a.git", "https://git.example/own/a.git"]
        );
        assert_eq!(
            mirrors.rewritten("https://git.example/owner"),
            ["https://m.example/all/owner", "https://git.example/owner"]
        );
        assert_eq!(mirrors.rewritten("https://git.example.evil/a"), ["https://git.example.evil/a"]);
    }

    #[test]
    fn configured_then_host_then_snapshot() {
        let config =
            Config::from_text("[mirrors]\ndebian = [\"http://127.0.0.1:1/{instant}/\", \"file:///srv\"]")
                .unwrap();
        let mirrors = Mirrors::new(
            &config,
            &["http://a.example/debian/".to_owned(), "http://a.example/debian-security".to_owned()],
        );
        let urls = mirrors.urls(&archive(), "dists/sid/InRelease");
        assert_eq!(
            urls,
            [
                "http://127.0.0.1:1/20261122T000000Z/dists/sid/InRelease",
                "file:///srv/dists/sid/InRelease",
                "http://a.example/debian/dists/sid/InRelease",
                "http://snapshot.debian.org/archive/debian/20261122T000000Z/dists/sid/InRelease",
            ]
        );
        let index: Vec<Origin> = mirrors.index_bases(&archive()).iter().map(|base| base.origin).collect();
        assert_eq!(index, [Origin::Configured, Origin::Configured, Origin::Snapshot, Origin::Host]);
        assert_eq!(
            mirrors.only("debian", vec!["file:///m".to_owned()]).urls(&archive(), "x"),
            ["file:///m/x"]
        );
    }

    #[test]
    fn other_archives_have_places_of_their_own() {
        let config = Config::from_text(
            "[mirrors]\ntrisquel = [\"file:///srv/t\"]\n\"https://apt.example/own\" = [\"file:///srv/own/{instant}\"]\n",
        )
        .unwrap();
        let mirrors = Mirrors::new(&config, &["http://m.example/ubuntu/".to_owned()]);
        let urls = |name: &str| mirrors.urls(&ArchiveId { name: name.to_owned(), ..archive() }, "x");
        assert_eq!(
            urls("ubuntu"),
            [
                "http://m.example/ubuntu/x",
                "https://snapshot.ubuntu.com/ubuntu/20261122T000000Z/x",
                "http://archive.ubuntu.com/ubuntu/x",
                "http://ports.ubuntu.com/ubuntu-ports/x",
            ]
        );
        assert_eq!(
            urls("trisquel"),
            [
                "file:///srv/t/x",
                "https://archive.trisquel.org/trisquel/x",
                "https://archive.trisquel.info/trisquel/x",
            ]
        );
        assert_eq!(
            urls("https://apt.example/own"),
            ["file:///srv/own/20261122T000000Z/x", "https://apt.example/own/x"]
        );
        assert_eq!(urls("https://apt.example/{instant}/a"), ["https://apt.example/20261122T000000Z/a/x"]);
        assert!(
            has_snapshots("ubuntu") && !has_snapshots("trisquel") && !has_snapshots("https://apt.example/a")
        );
    }

    #[test]
    fn apt_configuration_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        std::fs::create_dir(folder.path().join("sources.list.d")).unwrap();
        write(
            "sources.list",
            "# old\ndeb [arch=amd64 trusted=yes] http://one.example/debian sid main # x\ndebug\n",
        );
        write(
            "sources.list.d/b.list",
            "deb-src https://two.example/debian-security bookworm-security main\n",
        );
        write("sources.list.d/c.list.save", "deb http://no.example/debian sid main\n");
        write(
            "sources.list.d/a.sources",
            "Types: deb\n# no\nURIs: http://three.example/debian\n mirror+file:/etc/m\nSuites: sid\n\nEnabled: no\nURIs: http://no.example/debian\n",
        );
        assert_eq!(
            host_bases(folder.path()),
            [
                "http://one.example/debian",
                "http://three.example/debian",
                "https://two.example/debian-security",
            ]
        );
        assert_eq!(host_bases(Path::new("/nonexistent")), Vec::<String>::new());
    }
}

//! A user's settings, from `config.toml`. Reads them; knows neither flags nor what they are used for.
//!
//! ```toml
//! [mirrors]
//! debian = ["http://127.0.0.1:8080/archive/debian/{instant}", "file:///srv/mirror/debian"]
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::failure::{Doing, Failure, Result};

/// The settings of `config.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// By archive: base URLs, best first. `{instant}` stands for the pinned instant, as in `20261122T000000Z`.
    pub mirrors: BTreeMap<String, Vec<String>>,
}

impl Config {
    /// Where the user's own settings are: `$XDG_CONFIG_HOME/rbld/config.toml`, else in `$HOME/.config`.
    pub fn user_path() -> Option<PathBuf> {
        let absolute =
            |name| std::env::var_os(name).map(PathBuf::from).filter(|path: &PathBuf| path.is_absolute());
        let folder =
            absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")))?;
        Some(folder.join("rbld").join("config.toml"))
    }

    /// The user's own settings; the defaults when there is no such file.
    pub fn user() -> Result<Config> {
        Config::user_path().map_or_else(|| Ok(Config::default()), |path| Config::load(&path))
    }

    /// The settings in a file; the defaults when there is no such file.
    pub fn load(path: &Path) -> Result<Config> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Config::default()),
            Err(error) => return Err(error).doing(|| format!("read `{}`", path.display())),
        };
        Config::parse(&text).map_err(|failure| failure.fact(format!("in `{}`", path.display())))
    }

    /// The settings in a text.
    pub fn parse(text: &str) -> Result<Config> {
        let config: Config = toml::from_str(text).map_err(|error| {
            let line =
                error.span().map_or(1, |span| text[..span.start.min(text.len())].lines().count().max(1));
            Failure::input(format!("a setting is wrong: {}", error.message().trim_end()))
                .fact(format!("line {line}: {}", text.lines().nth(line - 1).unwrap_or("").trim()))
        })?;
        for (archive, bases) in &config.mirrors {
            if let Some(base) = bases.iter().find(|base| !crate::fetch::mirrors::is_base(base)) {
                return Err(Failure::input(format!("the mirror `{base}` of `{archive}` is no URL that rbld can fetch"))
                    .help("write a base URL: `http://…`, `https://…` or `file:///…`, with `{instant}` where the pin goes"));
            }
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_are_read() {
        let config = Config::parse("[mirrors]\ndebian = [\"file:///srv/mirror\"]\n").unwrap();
        assert_eq!(config.mirrors["debian"], ["file:///srv/mirror"]);
        assert_eq!(Config::parse("").unwrap(), Config::default());
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let failure = Config::parse("[mirrors]\ndebian = \"file:///srv\"\n").unwrap_err();
        assert!(failure.facts[0].starts_with("line 2: debian"), "{failure}");
        let failure = Config::parse("[mirrors]\ndebian = [\"ftp://example.org/debian\"]\n").unwrap_err();
        assert!(failure.message.contains("`ftp://example.org/debian`"), "{failure}");
        assert!(Config::parse("[miror]\n").is_err());
    }
}

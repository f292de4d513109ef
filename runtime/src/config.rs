//! Settings: `config.toml` of the user and of the project, and which of them won.
//!
//! A project's own file comes from whoever wrote the merge request, so it may choose
//! comfort only: a setting that names a cache, an executor or credentials, or that
//! weakens isolation, is an error there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Result};

/// The settings in force.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Base URLs by archive, best first; `{instant}` stands for the snapshot's.
    pub mirrors: BTreeMap<String, Vec<String>>,
    /// Who the user is to servers whose addresses begin so.
    pub credentials: BTreeMap<String, Credential>,
    /// Vendored folders and addresses of `rbld mirror serve`, which are asked before everything else, best first.
    pub from: Vec<String>,
    /// A file of public keys whose signatures count beside those of Guix's own servers.
    pub guix_keys: Option<PathBuf>,
    /// The Guix that is asked what its packages are.
    pub guix_program: Option<String>,
    /// Derivations realised at once.
    pub jobs: Option<usize>,
    /// Each setting and the file that set it, for `rbld doctor`.
    pub origins: Vec<(String, String)>,
}

/// Who the user is to a server: a name, and where the password is. The password itself is in no settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// The user's name there.
    pub user: String,
    /// Where the password, or token, is read when it is needed.
    pub secret: Secret,
}

/// Where a password is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    /// In an environment variable.
    Variable(String),
    /// In a file, the first line of it.
    File(PathBuf),
}

impl Credential {
    /// The password.
    pub fn password(&self) -> Result<String> {
        match &self.secret {
            Secret::Variable(name) => std::env::var(name).map_err(|_| {
                Failure::input(format!(
                    "the settings take a password from the variable `{name}`, which isn't set"
                ))
                .help(format!("set `{name}`, or write `file = \"…\"` in your config.toml"))
            }),
            Secret::File(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| {
                    Failure::input(format!(
                        "the settings take a password from `{}`, which can't be read: {error}",
                        path.display()
                    ))
                })?;
                Ok(text.lines().next().unwrap_or_default().to_owned())
            }
        }
    }
}

/// Settings that only a user's own file may hold, and why.
const USERS_ONLY: [(&str, &str); 7] = [
    ("cache", "a cache decides which results are believed"),
    ("executor", "an executor is given everything that a build reads"),
    ("credentials", "credentials are the user's"),
    ("from", "folders of this machine and servers of its network are the user's to name"),
    ("guix", "it says whose store items are believed, and which program is run"),
    ("isolation", "isolation never weakens without the user's word"),
    ("store", "a store decides which results are believed"),
];

/// Where the user's settings are: `$XDG_CONFIG_HOME/rbld/config.toml`, else `~/.config/rbld/config.toml`.
pub fn user_file() -> Option<PathBuf> {
    let home = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = home("XDG_CONFIG_HOME").or_else(|| home("HOME").map(|home| home.join(".config")))?;
    Some(folder.join("rbld/config.toml"))
}

/// The project's settings.
pub fn project_file(project: &Path) -> PathBuf {
    project.join(".rbld/config.toml")
}

impl Config {
    /// Reads both files; the user's wins.
    pub fn load(project: Option<&Path>) -> Result<Config> {
        let mut config = Config::default();
        if let Some(project) = project {
            config.read(&project_file(project), false)?;
        }
        if let Some(user) = user_file() {
            config.read(&user, true)?;
        }
        Ok(config)
    }

    fn read(&mut self, path: &Path, users: bool) -> Result<()> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => {
                return Err(Failure::input(format!(
                    "could not read the settings in `{}`: {error}",
                    path.display()
                )));
            }
        };
        self.read_text(&text, path, users)
    }

    /// A user's settings from a text.
    pub fn from_text(text: &str) -> Result<Config> {
        let mut config = Config::default();
        config.read_text(text, Path::new("config.toml"), true)?;
        Ok(config)
    }

    fn read_text(&mut self, text: &str, path: &Path, users: bool) -> Result<()> {
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            Failure::input(format!("`{}` isn't valid TOML: {}", path.display(), error.message()))
        })?;
        for (key, value) in table {
            if !users && let Some((_, why)) = USERS_ONLY.iter().find(|(name, _)| key.starts_with(name)) {
                return Err(Failure::input(format!("a project's own settings can't set `{key}`"))
                    .fact(format!("in {}", path.display()))
                    .fact(format!("{why}, and a project's file may come from a stranger"))
                    .help(match user_file() {
                        Some(user) => format!("take it out, and set it in your own `{}`", user.display()),
                        None => "take it out".to_owned(),
                    }));
            }
            self.set(path, &key, value, users)?;
            self.origins.push((key, path.display().to_string()));
        }
        Ok(())
    }

    fn set(&mut self, path: &Path, key: &str, value: toml::Value, users: bool) -> Result<()> {
        let wrong =
            |expected: &str| Failure::input(format!("`{key}` in `{}` must be {expected}", path.display()));
        match key {
            "jobs" => {
                let jobs =
                    value.as_integer().and_then(|jobs| usize::try_from(jobs).ok()).filter(|jobs| *jobs > 0);
                self.jobs = Some(jobs.ok_or_else(|| wrong("a whole number from 1, such as `jobs = 2`"))?);
            }
            "mirrors" => {
                let example = "a table of lists, such as `[mirrors]` and `debian = [\"https://…\"]`";
                let table = value.as_table().ok_or_else(|| wrong(example))?;
                for (archive, urls) in table {
                    let urls: Option<Vec<String>> = urls
                        .as_array()
                        .and_then(|urls| urls.iter().map(|url| url.as_str().map(str::to_owned)).collect());
                    let urls = urls.ok_or_else(|| wrong(example))?;
                    if let Some(base) = urls.iter().find(|base| !crate::fetch::mirrors::is_base(base)) {
                        return Err(Failure::input(format!(
                            "the mirror `{base}` of `{archive}` in `{}` is no URL that rbld can fetch",
                            path.display()
                        ))
                        .help("a base URL: `http://…`, `https://…` or `file:///…`, `{instant}` where the pin goes"));
                    }
                    let local = urls.iter().find(|base| base.starts_with("file:"));
                    if let Some(base) = local.filter(|_| !users && archive.contains("://")) {
                        return Err(Failure::input(format!(
                            "a project's own settings can't name `{base}` as a mirror of `{archive}`"
                        ))
                        .fact(format!("in {}", path.display()))
                        .fact("a project's file may come from a stranger, and your folders are yours")
                        .help("take it out, and set it in your own config.toml"));
                    }
                    self.mirrors.insert(archive.clone(), urls);
                }
            }
            "credentials" => self.set_credentials(path, value)?,
            "from" => {
                let example = "a list of whole paths and addresses, such as `from = [\"/srv/vendor\", \"http://mirror.example:7253\"]`";
                let list = value.as_array().ok_or_else(|| wrong(example))?;
                let place = |place: &toml::Value| {
                    let place = place.as_str()?;
                    let known =
                        ["/", "http://", "https://", "file:///"].iter().any(|begin| place.starts_with(begin));
                    known.then(|| place.to_owned())
                };
                self.from = list.iter().map(place).collect::<Option<_>>().ok_or_else(|| wrong(example))?;
            }
            "guix" => {
                let example = "a table of `keys = \"/etc/guix/acl\"` and `program = \"guix\"`";
                let table = value.as_table().ok_or_else(|| wrong(example))?;
                for (name, value) in table {
                    let text = value.as_str().map(str::to_owned).ok_or_else(|| wrong(example))?;
                    match name.as_str() {
                        "keys" => self.guix_keys = Some(PathBuf::from(text)),
                        "program" => self.guix_program = Some(text),
                        _ => return Err(wrong(example)),
                    }
                }
            }
            _ => {
                return Err(Failure::input(format!("there is no setting `{key}`"))
                    .fact(format!("in {}", path.display()))
                    .help("the settings are `jobs`, `from`, `[mirrors]`, `[credentials]` and `[guix]`"));
            }
        }
        Ok(())
    }
}

impl Config {
    fn set_credentials(&mut self, path: &Path, value: toml::Value) -> Result<()> {
        let wrong = |what: String| {
            Failure::input(what).fact(format!("in {}", path.display())).help(
                "a table such as `[credentials]` and `\"https://git.example.org/\" = { user = \"me\", env = \"TOKEN\" }`, or \
                 `file = \"/run/secrets/token\"` in place of `env`",
            )
        };
        let toml::Value::Table(table) = value else {
            return Err(wrong("`credentials` is a table".to_owned()));
        };
        for (address, value) in table {
            let plain = ["http://127.0.0.1", "http://localhost", "http://[::1]"];
            if !address.starts_with("https://") && !plain.iter().any(|begin| address.starts_with(begin)) {
                return Err(wrong(format!("`{address}` would have a password sent for everybody to read")));
            }
            let text = |name: &str| value.get(name).and_then(toml::Value::as_str).map(str::to_owned);
            let known = ["user", "env", "file"];
            let odd =
                value.as_table().is_none_or(|table| table.keys().any(|key| !known.contains(&key.as_str())));
            let (user, secret) = match (text("user"), text("env"), text("file")) {
                (Some(user), Some(name), None) if !odd => (user, Secret::Variable(name)),
                (Some(user), None, Some(file)) if !odd => (user, Secret::File(PathBuf::from(file))),
                _ => {
                    return Err(wrong(format!(
                        "the credentials for `{address}` are a `user` and one of `env` and `file`"
                    )));
                }
            };
            self.credentials.insert(address, Credential { user, secret });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_can_not_choose_what_is_believed() {
        for text in
            ["cache = \"https://cache.example\"", "executors = []", "isolation = \"none\"", "store = \"/x\""]
        {
            let failure = Config::default().read_text(text, Path::new("config.toml"), false).unwrap_err();
            assert!(failure.message.starts_with("a project's own settings can't set"), "{failure}");
            assert_eq!(failure.exit_code(), 2);
        }
    }

    #[test]
    fn wrong_settings_say_what_is_right() {
        assert!(Config::from_text("jobs = 0").unwrap_err().message.contains("whole number"));
        assert!(Config::from_text("mirors = {}").unwrap_err().message.contains("no setting `mirors`"));
        assert!(
            Config::from_text("[mirrors]\ndebian = [\"ftp://a\"]").unwrap_err().message.contains("no URL")
        );
        assert!(Config::from_text("=").unwrap_err().message.contains("TOML"));
        assert_eq!(Config::from_text("jobs = 3").unwrap().jobs, Some(3));
        for wrong in [
            "[credentials]\n\"http://git.example/\" = { user = \"me\", env = \"T\" }",
            "[credentials]\n\"https://git.example/\" = { user = \"me\", password = \"T\" }",
            "[credentials]\n\"https://git.example/\" = { user = \"me\", env = \"T\", file = \"f\" }",
            "credentials = 1",
        ] {
            assert_eq!(Config::from_text(wrong).unwrap_err().exit_code(), 2, "{wrong}");
        }
        let right = "[credentials]\n\"https://git.example/\" = { user = \"me\", file = \"/nowhere\" }";
        let credential = Config::from_text(right).unwrap().credentials["https://git.example/"].clone();
        assert!(credential.password().unwrap_err().message.contains("can't be read"));
    }
}

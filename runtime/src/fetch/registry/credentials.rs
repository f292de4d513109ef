//! Who the user is to a registry: by rbld's settings, else by what docker and podman keep.
//!
//! Nothing is sent from here. A helper program is run only if the user's own file names it, by the name that docker
//! gives such programs.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use base64::Engine;
use serde::Deserialize;

use crate::failure::{Doing, Failure, Result};
use crate::fetch::mirrors::Mirrors;

/// Who the user is, and where that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Login {
    /// A name and a password, or a token in its place.
    pub secret: Secret,
    /// Where it was found, for a person.
    pub from: String,
}

/// What proves who the user is.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Secret {
    /// A name and a password.
    Password(String, String),
    /// A token for a new token.
    Refresh(String),
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Secret::Password(user, _) => write!(f, "password of {user:?}"),
            Secret::Refresh(_) => f.write_str("token"),
        }
    }
}

#[derive(Default, Deserialize)]
struct Kept {
    #[serde(default)]
    auths: std::collections::BTreeMap<String, Entry>,
    #[serde(rename = "credHelpers", default)]
    helpers: std::collections::BTreeMap<String, String>,
    #[serde(rename = "credsStore", default)]
    store: Option<String>,
}

#[derive(Default, Deserialize)]
struct Entry {
    #[serde(default)]
    auth: String,
    #[serde(rename = "identitytoken", default)]
    identity: String,
}

#[derive(Deserialize)]
struct Helped {
    #[serde(rename = "Username")]
    user: String,
    #[serde(rename = "Secret")]
    secret: String,
}

/// Who the user is to a registry at `url` (scheme, host and repository), by the settings or by the files of docker and
/// podman; nobody in particular if neither says.
pub(super) fn login(mirrors: &Mirrors, url: &str, host: &str, repository: &str) -> Result<Option<Login>> {
    if let Some(credential) = mirrors.credential(url) {
        let secret = Secret::Password(credential.user.clone(), credential.password()?);
        return Ok(Some(Login { secret, from: "rbld's config.toml".to_owned() }));
    }
    for path in files() {
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
                ) =>
            {
                continue;
            }
            Err(error) => {
                return Err(Failure::input(format!(
                    "could not read the logins in `{}`: {error}",
                    path.display()
                )));
            }
        };
        let kept: Kept = serde_json::from_str(&text).map_err(|error| {
            Failure::input(format!("the logins in `{}` can't be read: {error}", path.display()))
        })?;
        if let Some(secret) = of(&kept, host, repository)
            .map_err(|failure| failure.fact(format!("as `{}` says", path.display())))?
        {
            return Ok(Some(Login { secret, from: path.display().to_string() }));
        }
    }
    Ok(None)
}

/// The files that hold logins, in the order that podman and skopeo read them.
fn files() -> Vec<PathBuf> {
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(only) = named("REGISTRY_AUTH_FILE") {
        return vec![only];
    }
    let home = named("HOME");
    let mut files = Vec::new();
    files.extend(named("XDG_RUNTIME_DIR").map(|folder| folder.join("containers/auth.json")));
    let config = named("XDG_CONFIG_HOME").or_else(|| home.as_ref().map(|home| home.join(".config")));
    files.extend(config.map(|folder| folder.join("containers/auth.json")));
    let docker = named("DOCKER_CONFIG").or_else(|| home.map(|home| home.join(".docker")));
    files.extend(docker.map(|folder| folder.join("config.json")));
    files
}

fn of(kept: &Kept, host: &str, repository: &str) -> Result<Option<Secret>> {
    let names = names(host, repository);
    if let Some((name, helper)) = names.iter().find_map(|name| Some((name, kept.helpers.get(name)?))) {
        return ask(helper, name);
    }
    for name in &names {
        let Some(entry) = kept.auths.get(name) else { continue };
        if !entry.identity.is_empty() {
            return Ok(Some(Secret::Refresh(entry.identity.clone())));
        }
        if !entry.auth.is_empty() {
            return decoded(&entry.auth).map(Some);
        }
    }
    match &kept.store {
        Some(helper) if names.iter().any(|name| kept.auths.contains_key(name)) => ask(helper, &key(host)),
        _ => Ok(None),
    }
}

/// The names that a login may be kept under, the most exact first.
fn names(host: &str, repository: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut path = format!("{host}/{repository}");
    while path.contains('/') {
        names.push(path.clone());
        path.truncate(path.rfind('/').unwrap_or(0));
    }
    names.push(host.to_owned());
    names.extend(["", "/v1/", "/v2/"].map(|end| format!("https://{host}{end}")));
    if host == "docker.io" {
        names.push(key(host));
    }
    names
}

/// What docker keeps the login of a registry under.
fn key(host: &str) -> String {
    if host == "docker.io" { "https://index.docker.io/v1/".to_owned() } else { host.to_owned() }
}

fn decoded(auth: &str) -> Result<Secret> {
    let wrong = || Failure::input("a login is damaged: it isn't a name and a password in base64");
    let bytes = base64::engine::general_purpose::STANDARD.decode(auth.trim()).map_err(|_| wrong())?;
    let text = String::from_utf8(bytes).map_err(|_| wrong())?;
    let (user, password) = text.split_once(':').ok_or_else(wrong)?;
    Ok(Secret::Password(user.to_owned(), password.trim_end_matches('\0').to_owned()))
}

/// Asks a helper program of docker's, which keeps the password.
fn ask(helper: &str, host: &str) -> Result<Option<Secret>> {
    let program = format!("docker-credential-{helper}");
    if helper.is_empty() || !helper.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    {
        return Err(Failure::input(format!("`{helper}` can't be the name of a program that keeps logins")));
    }
    let doing = || format!("ask `{program}` for the login of {host}");
    let mut child = Command::new(&program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| {
            Failure::input(format!("the login of {host} is kept by `{program}`, which can't be run: {error}"))
                .help("install it, or name the login in rbld's own config.toml under `[credentials]`")
        })?;
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that doesn't read says why in its output.
        let _ = stdin.write_all(host.as_bytes());
    }
    let output = child.wait_with_output().doing(doing)?;
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        if said.contains("credentials not found") {
            return Ok(None);
        }
        return Err(Failure::input(format!("`{program}` didn't give the login of {host}"))
            .fact(said.trim().chars().take(200).collect::<String>()));
    }
    let helped: Helped = serde_json::from_str(&said).map_err(|_| {
        Failure::input(format!("`{program}` didn't give the login of {host} in the form of docker's helpers"))
    })?;
    Ok(Some(match helped.user.as_str() {
        "<token>" => Secret::Refresh(helped.secret),
        _ => Secret::Password(helped.user, helped.secret),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(text: &str) -> Kept {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn the_most_exact_login_is_taken() {
        let kept = kept(
            r#"{"auths": {"r.example": {"auth": "YTpi"}, "r.example/team": {"auth": "YzpkOmU="},
                "https://index.docker.io/v1/": {"identitytoken": "t"}}}"#,
        );
        let of = |host: &str, repository: &str| of(&kept, host, repository).unwrap();
        let password = |user: &str, word: &str| Some(Secret::Password(user.to_owned(), word.to_owned()));
        assert_eq!(of("r.example", "team/tool"), password("c", "d:e"));
        assert_eq!(of("r.example", "other"), password("a", "b"));
        assert_eq!(of("docker.io", "library/debian"), Some(Secret::Refresh("t".to_owned())));
        assert_eq!(of("s.example", "a"), None);
    }

    #[test]
    fn a_helper_that_is_missing_or_odd_is_said() {
        let missing = kept(r#"{"credHelpers": {"r.example": "rbld-has-no-such"}}"#);
        let failure = of(&missing, "r.example", "a").unwrap_err();
        assert!(
            failure.message.contains("`docker-credential-rbld-has-no-such`, which can't be run"),
            "{failure}"
        );
        let odd = kept(r#"{"credHelpers": {"r.example": "../../bin/sh"}}"#);
        assert!(of(&odd, "r.example", "a").unwrap_err().message.contains("can't be the name"));
        assert!(decoded("!").is_err());
        assert!(decoded("YQ==").is_err());
    }
}

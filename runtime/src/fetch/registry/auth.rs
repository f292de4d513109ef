//! How a registry is told who asks: its challenge, and the token flow that the distribution specification took over
//! from docker.

use base64::Engine;
use reqwest::Url;
use reqwest::header::HeaderValue;
use serde::Deserialize;

use super::credentials::{Login, Secret};
use crate::failure::{Failure, Result};
use crate::fetch::http::Http;
use crate::fetch::transfer::Trouble;

/// The greatest answer with a token, in bytes.
const ANSWER_LIMIT: u64 = 1 << 20;

/// What a registry wants to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// A name and a password.
    Basic,
    /// A token, from `realm`.
    Bearer { realm: String, service: String, scope: String },
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
}

impl Challenge {
    /// What `WWW-Authenticate` says; a token is preferred.
    pub(super) fn parse(headers: &[String]) -> Option<Challenge> {
        let mut basic = None;
        for header in headers {
            let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
            if scheme.eq_ignore_ascii_case("bearer") {
                let find = |name: &str| parameter(rest, name).unwrap_or_default();
                let (realm, service, scope) = (find("realm"), find("service"), find("scope"));
                if !realm.is_empty() {
                    return Some(Challenge::Bearer { realm, service, scope });
                }
            } else if scheme.eq_ignore_ascii_case("basic") {
                basic = Some(Challenge::Basic);
            }
        }
        basic
    }

    /// What to send as `Authorization`. `scope` is asked for where the challenge names none.
    pub(super) fn answer(
        &self,
        http: &Http,
        host: &str,
        login: Option<&Login>,
        scope: &str,
    ) -> Result<HeaderValue> {
        match self {
            Challenge::Basic => match login.map(|login| (&login.secret, login)) {
                Some((Secret::Password(user, password), _)) => basic(user, password),
                Some((Secret::Refresh(_), login)) => Err(Failure::input(format!(
                    "{host} wants a name and a password, and there is only a token for it in {}",
                    login.from
                ))),
                None => Err(nobody(host)),
            },
            Challenge::Bearer { realm, service, scope: asked } => {
                let scope = if asked.is_empty() { scope } else { asked };
                let token = token(http, host, realm, service, scope, login)?;
                sensitive(&format!("Bearer {token}"))
            }
        }
    }
}

/// A parameter of a challenge: `name="value"`, or without quotes.
fn parameter(text: &str, wanted: &str) -> Option<String> {
    let mut rest = text;
    loop {
        let (name, after) = rest.split_once('=')?;
        let name = name.trim_start_matches([',', ' ']).trim();
        let (value, next) = match after.trim_start().strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_once(',').unwrap_or((after, "")),
        };
        if name.eq_ignore_ascii_case(wanted) {
            return Some(value.trim().to_owned());
        }
        rest = next;
    }
}

fn token(
    http: &Http,
    host: &str,
    realm: &str,
    service: &str,
    scope: &str,
    login: Option<&Login>,
) -> Result<String> {
    let wrong = |why: String| Failure::world(format!("{host} wants a token that can't be had: {why}"));
    let mut url =
        Url::parse(realm).map_err(|error| wrong(format!("`{}` is no URL: {error}", plain(realm))))?;
    let safe = url.scheme() == "https"
        || (url.scheme() == "http" && is_loopback(url.host_str().unwrap_or_default()));
    if !safe {
        return Err(wrong(format!("`{}` would have a password sent for everybody to read", plain(realm))));
    }
    let refresh = match login.map(|login| &login.secret) {
        Some(Secret::Refresh(token)) => Some(token.clone()),
        _ => None,
    };
    let authorization = match login.map(|login| &login.secret) {
        Some(Secret::Password(user, password)) => Some(basic(user, password)?),
        _ => None,
    };
    if refresh.is_none() {
        url.query_pairs_mut().append_pair("service", service).append_pair("scope", scope);
    }
    let form = refresh.map(|token| {
        url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "refresh_token")
            .append_pair("service", service)
            .append_pair("client_id", "rbld")
            .append_pair("scope", scope)
            .append_pair("refresh_token", &token)
            .finish()
    });
    let answer = http.ask(url.as_str(), ANSWER_LIMIT, &|client| {
        let mut request = match &form {
            Some(form) => client
                .post(url.clone())
                .header(reqwest::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form.clone()),
            None => client.get(url.clone()),
        };
        if let Some(value) = &authorization {
            request = request.header(reqwest::header::AUTHORIZATION, value);
        }
        Ok(request)
    });
    let answer = match answer {
        Ok(answer) => answer,
        Err(Trouble::Here(failure)) => return Err(failure),
        Err(trouble) => return Err(wrong(format!("{realm}: {trouble}"))),
    };
    match answer.status {
        200 => {}
        401 | 403 => return Err(refused(host, login)),
        status => return Err(wrong(format!("{} answers {status}", plain(realm)))),
    }
    let answer: Answer = serde_json::from_slice(&answer.body)
        .map_err(|_| wrong(format!("{} doesn't answer with a token", plain(realm))))?;
    match (answer.token, answer.access_token) {
        (token, _) if !token.is_empty() => Ok(token),
        (_, token) if !token.is_empty() => Ok(token),
        _ => Err(wrong(format!("{} answers without a token", plain(realm)))),
    }
}

/// The failure of a registry that doesn't let this user do what was asked.
pub(super) fn refused(host: &str, login: Option<&Login>) -> Failure {
    match login {
        Some(login) => Failure::world(format!("{host} refuses what is asked of it"))
            .fact(format!("the login is from {}", login.from))
            .help(format!("check the login (`podman login {host}`), and that its user may do this there")),
        None => nobody(host),
    }
}

fn nobody(host: &str) -> Failure {
    Failure::world(format!("{host} wants to know who asks, or has no such image"))
        .fact("there is no login for it, neither in rbld's config.toml nor in docker's or podman's files")
        .help(format!(
            "`podman login {host}` or `docker login {host}`, or name the login under `[credentials]` in config.toml"
        ))
}

fn basic(user: &str, password: &str) -> Result<HeaderValue> {
    sensitive(&format!(
        "Basic {}",
        base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"))
    ))
}

fn sensitive(text: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| Failure::world("a registry's token has characters that can't be sent"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Whether a host is this machine itself.
pub(super) fn is_loopback(host: &str) -> bool {
    let name = host.trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn plain(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read() {
        let read = |text: &str| Challenge::parse(&[text.to_owned()]);
        let bearer = Challenge::Bearer {
            realm: "https://auth.example/token".to_owned(),
            service: "registry.example".to_owned(),
            scope: "repository:a/b:pull,push".to_owned(),
        };
        assert_eq!(
            read(
                r#"Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull,push""#
            ),
            Some(bearer)
        );
        assert_eq!(read(r#"Basic realm="a, b=c""#), Some(Challenge::Basic));
        assert_eq!(read("basic"), Some(Challenge::Basic));
        assert_eq!(read("Bearer"), None);
        assert_eq!(read("Bearer realm=\"open"), None);
        assert_eq!(read("Negotiate"), None);
    }

    #[test]
    fn a_password_is_sent_to_nobody_in_the_open() {
        let http = Http::new(false).unwrap();
        let login =
            Login { secret: Secret::Password("a".to_owned(), "b".to_owned()), from: "here".to_owned() };
        let challenge = Challenge::parse(&["Bearer realm=\"http://auth.example/token\"".to_owned()]).unwrap();
        let failure = challenge.answer(&http, "r.example", Some(&login), "").unwrap_err();
        assert!(failure.message.contains("for everybody to read"), "{failure}");
        assert!(is_loopback("127.0.0.1") && is_loopback("[::1]") && is_loopback("localhost"));
        assert!(!is_loopback("localhost.example") && !is_loopback("10.0.0.1"));
    }
}

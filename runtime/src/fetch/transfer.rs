//! One transfer from one server, and what can go wrong with it. Knows HTTP; decides nothing about trying again.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_RANGE, ETAG, HeaderMap, IF_RANGE, LAST_MODIFIED, RANGE, RETRY_AFTER,
};
use reqwest::{StatusCode, Url};

use super::date;
use super::http::{Answer, Goal, Host, Inner, Meter, Sink};
use crate::failure::Failure;

/// What went wrong with one transfer.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It isn't there, or the server won't give it: asking again is useless.
    Gone(String),
    /// The server wants to know who asks: what it says of how.
    Denied(String, Vec<String>),
    /// The server can't be reached.
    Down(String),
    /// It broke off; the rest may come.
    Broken(String),
    /// The server asks for patience, and how much.
    Busy(String, Option<Duration>),
    /// It came, but isn't what was expected.
    Wrong(String),
    /// This machine failed, not the server.
    Here(Failure),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Gone(what) | Trouble::Down(what) | Trouble::Broken(what) | Trouble::Wrong(what) => {
                f.write_str(what)
            }
            Trouble::Busy(what, None) | Trouble::Denied(what, _) => f.write_str(what),
            Trouble::Busy(what, Some(wait)) => write!(f, "{what} (asks to wait {} s)", wait.as_secs()),
            Trouble::Here(failure) => failure.fmt(f),
        }
    }
}

impl Trouble {
    pub(super) fn into_failure(self, message: String) -> Failure {
        match self {
            Trouble::Here(failure) => failure,
            other => Failure::world(message).fact(other.to_string()),
        }
    }
}

/// The innermost cause of an error, which says most.
pub(super) fn cause(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// Host and port of a URL, lower case; the URL itself when it has none.
pub(super) fn host_of(url: &str) -> String {
    match Url::parse(url) {
        Ok(parsed) if parsed.host_str().is_some() => {
            let port = parsed.port_or_known_default().unwrap_or(0);
            format!("{}:{port}", parsed.host_str().unwrap_or(""))
        }
        _ => url.to_owned(),
    }
}

/// The path of a `file:` URL.
pub(super) fn local_path(url: &str) -> Result<Option<PathBuf>, Trouble> {
    if !url.starts_with("file:") {
        return Ok(None);
    }
    let parsed = Url::parse(url).map_err(|error| Trouble::Gone(format!("is no URL: {error}")))?;
    match parsed.to_file_path() {
        Ok(path) => Ok(Some(path)),
        Err(()) => Err(Trouble::Gone("is no path of this machine".to_owned())),
    }
}

/// Copies a file of this machine.
pub(super) fn copy(
    path: &Path,
    goal: &Goal,
    sink: &mut dyn Sink,
    meter: &mut Meter<'_>,
) -> Result<(), Trouble> {
    let gone = |error: std::io::Error| Trouble::Gone(error.to_string());
    let metadata = std::fs::metadata(path).map_err(gone)?;
    if !metadata.is_file() {
        return Err(Trouble::Gone("is no file".to_owned()));
    }
    let mut file = std::fs::File::open(path).map_err(gone)?;
    let mut buffer = vec![0; 256 << 10];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => meter.take(&buffer[..count], goal, sink)?,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(gone(error)),
        }
    }
}

/// Asks once, for the rest when something came already, and takes what comes.
pub(super) async fn once(
    http: &Inner,
    host: &Host,
    url: &str,
    goal: &Goal,
    sink: &mut dyn Sink,
    meter: &mut Meter<'_>,
) -> Result<(), Trouble> {
    if http.offline && !http.allowed.iter().any(|begin| url.starts_with(begin)) {
        return Err(Trouble::Gone("not asked, by `--offline`".to_owned()));
    }
    let parsed = Url::parse(url).map_err(|error| Trouble::Gone(format!("is no URL: {error}")))?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(Trouble::Gone(format!("`{}:` isn't supported", parsed.scheme())));
    }
    let _place = host.places.acquire().await.map_err(|error| Trouble::Gone(error.to_string()))?;
    let mut request =
        http.client.get(parsed).headers(goal.headers.clone()).header(ACCEPT_ENCODING, "identity");
    if meter.have > 0 {
        request = request.header(RANGE, format!("bytes={}-", meter.have));
        if let Some((of, version)) = &meter.version
            && of == url
        {
            request = request.header(IF_RANGE, version);
        }
    }
    let mut response = request.send().await.map_err(|error| failed(http, &error))?;
    host.down.store(false, Ordering::Relaxed);
    let status = response.status();
    if status == StatusCode::RANGE_NOT_SATISFIABLE && meter.have > 0 {
        meter.spoilt = true;
        return Err(Trouble::Broken("has fewer bytes than came from elsewhere".to_owned()));
    }
    accepted(status, response.headers())?;
    if status == StatusCode::PARTIAL_CONTENT {
        if meter.have == 0 || range_start(response.headers()) != Some(meter.have) {
            meter.spoilt = true;
            return Err(Trouble::Broken("sent another part than was asked for".to_owned()));
        }
    } else {
        meter.restart(sink)?;
    }
    let coming = response.content_length().map(|length| length + meter.have);
    let size = goal.expect.and_then(|expect| expect.size);
    if let (Some(coming), Some(size)) = (coming, size)
        && coming != size
    {
        return Err(Trouble::Wrong(format!("has {coming} bytes instead of {size}")));
    }
    if coming.is_some_and(|coming| coming > goal.limit) {
        return Err(Trouble::Wrong(format!("has {} bytes, more than {}", coming.unwrap_or(0), goal.limit)));
    }
    meter.version = version(response.headers()).map(|version| (url.to_owned(), version));
    while let Some(chunk) = response.chunk().await.map_err(|error| failed(http, &error))? {
        meter.take(&chunk, goal, sink)?;
        if goal.all.is_some_and(|all| meter.have >= all) {
            return Ok(());
        }
    }
    match size.or(goal.all).or(coming) {
        Some(size) if meter.have < size => {
            Err(Trouble::Broken(format!("ended after {} of {size} bytes", meter.have)))
        }
        _ => Ok(()),
    }
}

/// Makes a request and reads its whole answer, whatever its status says.
pub(super) async fn ask(
    http: &Inner,
    host: &Host,
    request: reqwest::RequestBuilder,
    limit: u64,
) -> Result<Answer, Trouble> {
    if http.offline {
        return Err(Trouble::Gone("not asked, by `--offline`".to_owned()));
    }
    let _place = host.places.acquire().await.map_err(|error| Trouble::Gone(error.to_string()))?;
    let mut response = request.send().await.map_err(|error| failed(http, &error))?;
    let status = response.status();
    if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        return Err(Trouble::Busy(format!("answers {status}"), retry_after(response.headers())));
    }
    let headers = response.headers().clone();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failed(http, &error))? {
        body.extend_from_slice(&chunk);
        if body.len() as u64 > limit {
            return Err(Trouble::Wrong(format!("answers with more than {limit} bytes")));
        }
    }
    Ok(Answer { status: status.as_u16(), headers, body })
}

/// How a server wants to be told who asks.
pub(super) fn challenges(headers: &HeaderMap) -> Vec<String> {
    let all = headers.get_all(reqwest::header::WWW_AUTHENTICATE).iter();
    all.filter_map(|value| value.to_str().ok().map(str::to_owned)).collect()
}

/// Sorts statuses.
fn accepted(status: StatusCode, headers: &HeaderMap) -> Result<(), Trouble> {
    match status {
        StatusCode::OK | StatusCode::PARTIAL_CONTENT => Ok(()),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            Err(Trouble::Busy(format!("answers {status}"), retry_after(headers)))
        }
        StatusCode::UNAUTHORIZED => Err(Trouble::Denied(format!("answers {status}"), challenges(headers))),
        StatusCode::REQUEST_TIMEOUT => Err(Trouble::Broken(format!("answers {status}"))),
        status if status.is_server_error() => Err(Trouble::Broken(format!("answers {status}"))),
        status => Err(Trouble::Gone(format!("answers {status}"))),
    }
}

fn failed(http: &Inner, error: &reqwest::Error) -> Trouble {
    let why = cause(error);
    if error.is_redirect() {
        return Trouble::Gone(format!("redirects too often or to nowhere: {why}"));
    }
    if error.is_builder() {
        return Trouble::Gone(why);
    }
    if error.is_connect() {
        return Trouble::Down(if error.is_timeout() {
            format!("no connection within {} s", http.patience.connect.as_secs())
        } else {
            format!("no connection: {why}")
        });
    }
    if error.is_timeout() {
        return Trouble::Broken(format!("sent nothing for {} s", http.patience.stall.as_secs_f32()));
    }
    Trouble::Broken(format!("broke off: {why}"))
}

/// Seconds, or the distance between the server's own clock and the date it names.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let now = headers.get(reqwest::header::DATE)?.to_str().ok()?;
    u64::try_from(date::parse(value)? - date::parse(now)?).ok().map(Duration::from_secs)
}

/// `bytes 100-199/200` begins at 100.
fn range_start(headers: &HeaderMap) -> Option<u64> {
    let value = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    value.strip_prefix("bytes")?.trim_start().split('-').next()?.parse().ok()
}

/// What names the version of the bytes: a strong entity tag, else a date.
fn version(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    text(ETAG).filter(|tag| !tag.starts_with("W/")).or_else(|| text(LAST_MODIFIED))
}

//! A registry that takes tokens, and who issues them: Debian's `docker-registry` checks each with the certificate that it is
//! given, so what is issued here is signed, by a key of the test's own.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use libtest_mimic::Failed;

use crate::images::{Registry, Tools, program, project, pulled, says};
use crate::place::{Place, Who};

/// Names, passwords, and what each may do with any repository.
const USERS: [(&str, &str, &[&str]); 2] =
    [("me", "secret", &["pull", "push"]), ("reader", "words", &["pull"])];

/// What stands for `me` in a file of docker's, in place of a password.
const REFRESH: &str = "a token for more tokens";

/// Whose images everybody may have.
const OPEN: &str = "open/";

/// Who issues tokens, at an address of the loopback; it ends with the test.
struct Issuer {
    address: std::net::SocketAddr,
}

impl Issuer {
    /// Starts one whose key and certificate lie in a folder.
    fn start(folder: &Path) -> Result<Issuer, Failed> {
        let openssl = program("openssl", "openssl")?;
        let made = Command::new(&openssl)
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=issuer"])
            .args(["-keyout", "key.pem", "-out", "certificate.pem"])
            .current_dir(folder)
            .output()?;
        if !made.status.success() {
            return Err(format!("no key: {}", String::from_utf8_lossy(&made.stderr)).into());
        }
        let certificate = std::fs::read_to_string(folder.join("certificate.pem"))?;
        let certificate: String = certificate.lines().filter(|line| !line.starts_with('-')).collect();
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let key = folder.join("key.pem");
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // A client that goes away is no fault of the test's.
                let _ = stream.and_then(|stream| answer(&stream, &openssl, &key, &certificate));
            }
        });
        Ok(Issuer { address })
    }

    /// What a registry's configuration says of it.
    fn settings(&self, folder: &Path) -> String {
        format!(
            "auth: {{token: {{realm: \"http://{}/token\", service: registry, issuer: tests, rootcertbundle: {}/certificate.pem}}}}\n",
            self.address,
            folder.display()
        )
    }
}

/// Answers one question, and closes.
fn answer(mut stream: &TcpStream, openssl: &Path, key: &Path, certificate: &str) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let (mut authorization, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        match name.to_ascii_lowercase().as_str() {
            "authorization" => authorization = value.trim().to_owned(),
            "content-length" => length = value.trim().parse().unwrap_or(0),
            _ => {}
        }
    }
    let mut body = String::new();
    reader.take(length).read_to_string(&mut body)?;
    let posted = first.starts_with("POST ");
    let query = first.split_once('?').and_then(|(_, rest)| rest.split(' ').next()).unwrap_or_default();
    let asked = url::form_urlencoded::parse(if posted { body.as_bytes() } else { query.as_bytes() });
    let asked: BTreeMap<String, String> = asked.into_owned().collect();
    let said = |name: &str| asked.get(name).map_or("", String::as_str);
    let (status, body) = match may(&authorization, posted.then(|| said("refresh_token")), said("scope")) {
        _ if said("service") != "registry" => ("400 Bad Request", String::new()),
        None => ("401 Unauthorized", String::new()),
        Some((user, actions)) => {
            let token = token(openssl, key, certificate, &user, said("scope"), &actions)?;
            // Of a token for more tokens the answer is called otherwise.
            let name = if posted { "access_token" } else { "token" };
            ("200 OK", format!("{{\"{name}\": \"{token}\", \"expires_in\": 300}}"))
        }
    };
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

/// Who asks, and which of the actions of a scope they may do; none if they aren't who they say.
fn may(authorization: &str, refresh: Option<&str>, scope: &str) -> Option<(String, Vec<String>)> {
    let (user, may) = match (authorization.strip_prefix("Basic "), refresh) {
        (_, Some(token)) if token == REFRESH => ("me", USERS[0].2),
        (_, Some(_)) => return None,
        (Some(login), None) => {
            let login = String::from_utf8(STANDARD.decode(login).ok()?).ok()?;
            let (name, password) = login.split_once(':')?;
            let user = USERS.iter().find(|user| (user.0, user.1) == (name, password))?;
            (user.0, user.2)
        }
        (None, None) if scope.starts_with(&format!("repository:{OPEN}")) => ("", &["pull"][..]),
        (None, None) => ("", &[][..]),
    };
    let wanted = scope.rsplit(':').next().unwrap_or_default().split(',');
    Some((user.to_owned(), wanted.filter(|action| may.contains(action)).map(str::to_owned).collect()))
}

/// A signed token for a scope.
fn token(
    openssl: &Path,
    key: &Path,
    certificate: &str,
    user: &str,
    scope: &str,
    actions: &[String],
) -> std::io::Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_secs());
    let parts: Vec<&str> = scope.splitn(2, ':').collect();
    let name = parts.get(1).and_then(|rest| rest.rsplit_once(':')).map_or("", |(name, _)| name);
    let access = match actions {
        [] => Vec::new(),
        actions => vec![serde_json::json!({"type": parts[0], "name": name, "actions": actions})],
    };
    let header = serde_json::json!({"typ": "JWT", "alg": "RS256", "x5c": [certificate]});
    let claims = serde_json::json!({
        "iss": "tests", "sub": user, "aud": "registry", "jti": "1", "access": access,
        "iat": now, "nbf": now.saturating_sub(10), "exp": now + 300,
    });
    let encoded = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let signed = encoded.join(".");
    let mut signer = Command::new(openssl)
        .args(["dgst", "-sha256", "-sign"])
        .arg(key)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    if let Some(mut input) = signer.stdin.take() {
        input.write_all(signed.as_bytes())?;
    }
    let signature = signer.wait_with_output()?.stdout;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// Writes a login as docker keeps it.
fn login(place: &Place, host: &str, entry: &str) -> Result<(), Failed> {
    let file = format!("{{\"auths\": {{\"{host}\": {entry}}}}}");
    place.expect(
        &format!("mkdir -p \"$HOME/.docker\" && printf '%s' '{file}' > \"$HOME/.docker/config.json\""),
        0,
    )?;
    Ok(())
}

fn password(user: &str, password: &str) -> String {
    format!("{{\"auth\": \"{}\"}}", STANDARD.encode(format!("{user}:{password}")))
}

/// The test.
pub(crate) fn tokens() -> Result<(), Failed> {
    let who = Who::ordinary();
    let folder = tempfile::Builder::new().prefix("rbld-registry-").tempdir()?;
    let issuer = Issuer::start(folder.path())?;
    let settings = issuer.settings(folder.path());
    let registry = Registry::with(folder, &settings)?;
    let host = registry.host();

    let Tools { place, _folder } = project(who)?;
    let push = format!("rbld push 'small[amd64]' {host}/team/small:1.0");
    says(&place.expect(&push, 4)?, &format!("podman login {host}"))?;
    login(&place, &host, &password("me", "other"))?;
    says(&place.expect(&push, 4)?, "refuses what is asked of it")?;
    // Who may only read gets a token, and the registry refuses what it isn't for.
    login(&place, &host, &password("reader", "words"))?;
    says(&place.expect(&push, 4)?, "refuses what is asked of it")?;
    login(&place, &host, &password("me", "secret"))?;
    let pushed = place.expect(&push, 0)?;
    let digest = pushed.stdout.trim().rsplit('@').next().unwrap_or_default().to_owned();
    place.expect(&format!("rbld push both {host}/team/both:1.0"), 0)?;
    place.expect(&format!("rbld push 'small[amd64]' {host}/{OPEN}small:1.0"), 0)?;
    program("skopeo", "skopeo")?;
    let inspect =
        format!("skopeo inspect --tls-verify=false --creds reader:words docker://{host}/team/small:1.0");
    says(&place.expect(&inspect, 0)?, &digest)?;

    // From empty stores: by a name, by a token for more tokens, by nobody what everybody may have, and nothing else.
    let token = format!("{{\"auth\": \"{}\", \"identitytoken\": \"{REFRESH}\"}}", STANDARD.encode("me:"));
    let wrong = token.replace(REFRESH, "made up");
    let cases = [
        ("team/small", Some(password("reader", "words")), 0),
        ("team/small", Some(token), 0),
        ("team/small", Some(wrong), 4),
        ("team/small", None, 4),
        ("open/small", None, 0),
    ];
    for (name, entry, code) in cases {
        let Tools { place: other, _folder: _other } = project(who)?;
        if let Some(entry) = &entry {
            login(&other, &host, entry)?;
        }
        other.write("pulled.rbld", &pulled(&format!("{host}/{name}"), &digest))?;
        other.expect("rbld build pulled.rbld inside", code)?;
    }
    Ok(())
}

//! A git server for tests: the real `git http-backend` behind a few lines of http on loopback.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::tools::Tool;

/// Each test uses another part of this; to the compiler all of it is used here.
const _: fn(PathBuf, &'static str) -> Server = Server::start_private;
const _: fn(&Server) -> usize = Server::requests;

/// Runs git in a folder, with no configuration but these settings, and gives what it wrote.
pub(crate) fn run(folder: &Path, home: &Path, settings: &[&str], arguments: &[&str]) -> String {
    std::fs::create_dir_all(folder).unwrap();
    let git = Tool::find("usr/bin/git", "git");
    let output = Command::new(&git.program)
        .current_dir(folder)
        .args(settings.iter().flat_map(|setting| ["-c", setting]))
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home)
        .envs(git.git_variables())
        .envs([("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_AUTHOR_NAME", "a"), ("GIT_AUTHOR_EMAIL", "a@b")])
        .envs([("GIT_COMMITTER_NAME", "a"), ("GIT_COMMITTER_EMAIL", "a@b")])
        .envs([("GIT_AUTHOR_DATE", "1700000000 +0000"), ("GIT_COMMITTER_DATE", "1700000000 +0000")])
        .output()
        .unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// `git http-backend` on a loopback port; an old one doesn't pass on which protocol the client speaks, so that it
/// gives no commit by id.
pub(crate) struct Server {
    /// `http://127.0.0.1:PORT`.
    pub(crate) address: String,
    requests: Arc<AtomicUsize>,
}

impl Server {
    /// Serves the repositories below a folder.
    pub(crate) fn start(root: PathBuf, old: bool) -> Server {
        Server::start_for(root, old, None)
    }

    /// Serves the repositories below a folder to those who send this `Authorization`.
    pub(crate) fn start_private(root: PathBuf, authorization: &'static str) -> Server {
        Server::start_for(root, false, Some(authorization))
    }

    fn start_for(root: PathBuf, old: bool, wants: Option<&'static str>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = requests.clone();
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                counted.fetch_add(1, Ordering::Relaxed);
                let root = root.clone();
                // A client that goes away is its own matter.
                std::thread::spawn(move || answer(&connection, &root, old, wants).ok());
            }
        });
        Server { address, requests }
    }

    /// How many connections there were.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

fn answer(connection: &TcpStream, root: &Path, old: bool, wants: Option<&str>) -> std::io::Result<()> {
    let mut reader = BufReader::new(connection);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let mut body = Vec::new();
    if headers.contains_key("transfer-encoding") {
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let size = u64::from_str_radix(line.trim(), 16).unwrap_or(0);
            reader.by_ref().take(size).read_to_end(&mut body)?;
            reader.read_line(&mut line)?;
            if size == 0 {
                break;
            }
        }
    } else {
        let size = headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        reader.by_ref().take(size).read_to_end(&mut body)?;
    }
    let (path, query) = words[1].split_once('?').unwrap_or((&words[1], ""));
    let header = |name: &str| headers.get(name).cloned().unwrap_or_default();
    if wants.is_some_and(|wants| header("authorization") != wants) {
        let mut connection = connection;
        let head = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"git\"\r\n";
        return write!(connection, "{head}Connection: close\r\nContent-Length: 0\r\n\r\n");
    }
    let git = Tool::find("usr/bin/git", "git");
    let mut backend = Command::new(&git.program);
    backend
        .args(["-c", "safe.directory=*", "http-backend"])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .envs(git.git_variables())
        .env("GIT_PROJECT_ROOT", root)
        .envs([("GIT_HTTP_EXPORT_ALL", "1"), ("REQUEST_METHOD", &words[0]), ("PATH_INFO", path)])
        .envs([("QUERY_STRING", query), ("CONTENT_TYPE", &header("content-type"))])
        .envs([
            ("CONTENT_LENGTH", &body.len().to_string()),
            ("HTTP_CONTENT_ENCODING", &header("content-encoding")),
        ]);
    if !old {
        backend.env("GIT_PROTOCOL", header("git-protocol"));
    }
    let mut child = backend.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut stdin = child.stdin.take().expect("it is piped");
    let feeder = std::thread::spawn(move || stdin.write_all(&body));
    let output = child.wait_with_output()?.stdout;
    let _ = feeder.join();
    let end = output.windows(4).position(|four| four == b"\r\n\r\n").map_or(0, |at| at + 4);
    let head = String::from_utf8_lossy(&output[..end]);
    let status = head.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK").to_owned();
    let mut connection = connection;
    write!(
        connection,
        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n{head}",
        output.len() - end
    )?;
    connection.write_all(&output[end..])
}

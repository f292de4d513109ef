//! Fetching a commit over http into a bare repository in a scratch folder.
//!
//! First the commit alone by its id, then the tip of its tag or branch, then everything: what a server allows
//! differs. Bytes are bounded, a silent server is given up, and nobody is asked for a password: the settings name one,
//! or there is none.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use gix::ObjectId;
use gix::protocol::transport::client::blocking_io::http;
use gix::remote::Direction;
use gix::remote::fetch::{Shallow, Tags};

use super::objects::{Repository, causes, isolated};
use super::origin::Origin;
use crate::failure::{Doing, Failure, Kind, Result};
use crate::fetch::mirrors::Mirrors;
use crate::progress::Task;

/// The most that is fetched of one repository, in bytes.
const BYTES_LIMIT: u64 = 16 << 30;

/// How long a server may be silent.
const PATIENCE: Duration = Duration::from_secs(120);

/// How often it is looked how much has come.
const LOOK: Duration = Duration::from_millis(200);

/// What is to be fetched.
pub(super) struct Wanted<'a> {
    pub(super) url: &'a str,
    pub(super) id: ObjectId,
    pub(super) reference: Option<&'a str>,
    pub(super) account: Option<Account>,
}

/// Who the user is to a server.
pub(super) type Account = gix::sec::identity::Account;

/// Who the user is to the server of an address, if the settings say.
pub(super) fn account(mirrors: &Mirrors, url: &str) -> Result<Option<Account>> {
    let Some(credential) = mirrors.credential(url) else { return Ok(None) };
    let (username, password) = (credential.user.clone(), credential.password()?);
    Ok(Some(Account { username, password, oauth_refresh_token: None }))
}

/// Answers a server that asks who the user is: by what the settings say, else as if nobody were there.
fn introduce(
    account: Option<Account>,
) -> impl FnMut(
    gix::credentials::helper::Action,
) -> std::result::Result<Option<gix::credentials::protocol::Outcome>, gix::Error> {
    move |action| match (action, &account) {
        (gix::credentials::helper::Action::Get(context), Some(account)) => {
            Ok(Some(gix::credentials::protocol::Outcome { identity: account.clone(), next: context.into() }))
        }
        _ => Ok(None),
    }
}

/// What to type when a server can't be had, by why.
fn reach_help(why: &str) -> &'static str {
    let words = ["credential", "401", "403", "authenticat", "Unauthorized"];
    match words.iter().any(|word| why.contains(word)) {
        true => {
            "it asks who you are: `[credentials]` in your own config.toml, `\"https://…/\" = { user = \"…\", env = \"TOKEN\" }`"
        }
        false => "see whether the address is right and the server up; what is fetched once is kept",
    }
}

/// One way to ask a server.
#[derive(Clone)]
struct Way {
    /// What it is called in a failure.
    name: String,
    specs: Vec<String>,
    shallow: bool,
}

/// Fetches a commit into a new repository below `scratch`.
pub(super) fn fetch(
    wanted: &Wanted<'_>,
    scratch: &Path,
    stopped: &dyn Fn() -> bool,
    task: &Task,
) -> Result<Repository> {
    let mut tried = Vec::new();
    for (number, way) in ways(wanted).into_iter().enumerate() {
        let folder = scratch.join(number.to_string());
        match watched(wanted, &folder, &way, stopped, task) {
            Ok(()) => {}
            Err(Trouble::Server(why)) => {
                return Err(Failure::world(format!("`{}` can't be reached as a git repository", wanted.url))
                    .help(reach_help(&why))
                    .fact(why));
            }
            Err(Trouble::Way(why)) => {
                tried.push(format!("{}: {why}", way.name));
                continue;
            }
            Err(Trouble::Failed(failure)) => return Err(failure),
        }
        let origin = Origin::Network(wanted.url.to_owned());
        let repository = Repository::open(&folder, &origin)?;
        if repository.has(wanted.id) {
            return Ok(repository);
        }
        tried.push(format!("{}: the commit isn't in it", way.name));
    }
    let mut failure = Failure::world(format!("`{}` doesn't give commit {}", wanted.url, wanted.id));
    for tried in tried {
        failure = failure.fact(tried);
    }
    Err(failure.help("see whether the commit still is on a branch or tag of that repository"))
}

fn ways(wanted: &Wanted<'_>) -> Vec<Way> {
    let mut ways = vec![Way {
        name: "by its id".to_owned(),
        specs: vec![format!("{}:refs/rbld/commit", wanted.id)],
        shallow: true,
    }];
    if let Some(reference) = wanted.reference {
        for kind in ["tags", "heads"] {
            ways.push(Way {
                name: format!("by refs/{kind}/{reference}"),
                specs: vec![format!("+refs/{kind}/{reference}:refs/rbld/{kind}")],
                shallow: true,
            });
        }
    }
    ways.push(Way {
        name: "by fetching all branches and tags".to_owned(),
        specs: vec!["+refs/heads/*:refs/rbld/heads/*".to_owned(), "+refs/tags/*:refs/rbld/tags/*".to_owned()],
        shallow: false,
    });
    ways
}

enum Trouble {
    /// The server doesn't answer as a git server: no other way will do.
    Server(String),
    /// It doesn't allow this way.
    Way(String),
    /// Something else went wrong.
    Failed(Failure),
}

/// Fetches in a thread of its own, and watches from here how much comes. A thread that a silent server holds up
/// when the run is to end is left behind.
fn watched(
    wanted: &Wanted<'_>,
    folder: &Path,
    way: &Way,
    stopped: &dyn Fn() -> bool,
    task: &Task,
) -> Result<(), Trouble> {
    let stop = Arc::new(AtomicBool::new(false));
    let (done, result) = mpsc::channel();
    let url = wanted.url;
    let (address, account) = (url.to_owned(), wanted.account.clone());
    let (place, way, interrupt) = (folder.to_owned(), way.clone(), stop.clone());
    let fetch = move || {
        // Nobody waits any more if this can't be sent.
        let _ = done.send(attempt(&address, account, &place, &way, &interrupt));
    };
    let spawned = std::thread::Builder::new().name("git".to_owned()).spawn(fetch);
    spawned.doing(|| "start a thread").map_err(Trouble::Failed)?;
    let mut seen = 0;
    loop {
        let outcome = result.recv_timeout(LOOK);
        let now = size(&folder.join("objects/pack"));
        task.advance(now.saturating_sub(seen));
        seen = seen.max(now);
        if now > BYTES_LIMIT {
            stop.store(true, Ordering::Relaxed);
            let failure = Failure::world(format!("`{url}` sends more than {BYTES_LIMIT} bytes"));
            return Err(Trouble::Failed(failure));
        }
        match outcome {
            Ok(outcome) => return outcome,
            Err(mpsc::RecvTimeoutError::Timeout) if stopped() => {
                stop.store(true, Ordering::Relaxed);
                let failure =
                    Failure::new(Kind::Interrupted(2), format!("stopped while `{url}` was fetched"));
                return Err(Trouble::Failed(failure));
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                return Err(Trouble::Failed(Failure::bug("the git library gave up without a word")));
            }
        }
    }
}

/// The bytes of the files in a folder.
fn size(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|facts| facts.len()).sum()
}

fn attempt(
    url: &str,
    account: Option<Account>,
    folder: &Path,
    way: &Way,
    stop: &AtomicBool,
) -> Result<(), Trouble> {
    let failed = |error: gix::Error| {
        Trouble::Failed(Failure::world("could not make a git repository").fact(causes(&error)))
    };
    std::fs::create_dir_all(folder)
        .doing(|| "make a folder for a git repository")
        .map_err(Trouble::Failed)?;
    let options = gix::create::Options { destination_must_be_empty: Some(true), ..Default::default() };
    let repository =
        gix::ThreadSafeRepository::init_opts(folder, gix::create::Kind::Bare, options, isolated());
    let repository = repository.map_err(failed)?.to_thread_local();
    let remote =
        repository.remote_at_without_url_rewrite(url).map_err(|error| Trouble::Server(causes(&error)))?;
    let remote = remote.with_fetch_tags(Tags::None);
    let specs = way.specs.iter().map(String::as_str);
    let remote =
        remote.with_refspecs(specs, Direction::Fetch).map_err(|error| Trouble::Way(causes(&error)))?;
    let server = |error: gix::Error| Trouble::Server(causes(&error));
    let connection = remote.connect(Direction::Fetch).map_err(server)?;
    let connection =
        connection.with_credentials(introduce(account)).with_transport_options(Box::new(http_options()));
    let prepared = connection.prepare_fetch(gix::progress::Discard, Default::default()).map_err(server)?;
    let shallow = if way.shallow { Shallow::DepthAtRemote(NonZeroU32::MIN) } else { Shallow::NoChange };
    let received = prepared.with_shallow(shallow).receive(gix::progress::Discard, stop);
    received.map(|_| ()).map_err(|error| Trouble::Way(causes(&error)))
}

/// The commits that references of a server are at, tags peeled, by their whole names: only of those asked for, if the
/// server can tell them apart.
pub(super) fn references(
    url: &str,
    account: Option<Account>,
    folder: &Path,
    wanted: &[String],
) -> Result<Vec<(String, ObjectId)>> {
    let reach = |error: gix::Error| {
        let why = causes(&error);
        Failure::world(format!("`{url}` can't be reached as a git repository"))
            .help(reach_help(&why))
            .fact(why)
    };
    let options = gix::create::Options { destination_must_be_empty: Some(true), ..Default::default() };
    std::fs::create_dir_all(folder).doing(|| "make a folder for a git repository")?;
    let repository =
        gix::ThreadSafeRepository::init_opts(folder, gix::create::Kind::Bare, options, isolated())
            .map_err(|error| Failure::world("could not make a git repository").fact(causes(&error)))?
            .to_thread_local();
    let remote = repository.remote_at_without_url_rewrite(url).map_err(reach)?.with_fetch_tags(Tags::None);
    let specs = wanted.iter().map(String::as_str);
    let remote = remote.with_refspecs(specs, Direction::Fetch).map_err(|error| {
        Failure::input(format!("{} can't be the name of a tag or branch", wanted.join(", ")))
            .fact(causes(&error))
    })?;
    let connection = remote.connect(Direction::Fetch).map_err(reach)?;
    let connection =
        connection.with_credentials(introduce(account)).with_transport_options(Box::new(http_options()));
    let (map, _) = connection.ref_map(gix::progress::Discard, Default::default()).map_err(reach)?;
    let found = map.remote_refs.into_iter().filter_map(|found| {
        use gix::protocol::handshake::Ref;
        let (name, object) = match found {
            Ref::Peeled { full_ref_name, object, .. }
            | Ref::Direct { full_ref_name, object }
            | Ref::Symbolic { full_ref_name, object, .. } => (full_ref_name, object),
            Ref::Unborn { .. } => return None,
        };
        Some((name.to_string(), object))
    });
    Ok(found.collect())
}

fn http_options() -> http::Options {
    let client = http::reqwest::Options {
        configure_client: Some(Box::new(|builder| {
            Ok(builder.user_agent(concat!("git/rbld-", env!("CARGO_PKG_VERSION"))).timeout(PATIENCE))
        })),
        configure_request: None,
    };
    http::Options { backend: Some(Arc::new(Mutex::new(client))), ..Default::default() }
}

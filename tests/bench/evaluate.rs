//! What `rbld eval` does with a project, without the command around it: for a profiler, and for short builds.
//! `evaluate FOLDER EXPRESSION` prints the value, or the digest of the derivation, of `FOLDER/build.rbld`.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "the language is pure, what measures it is not"
)]

use rbld_lang::derivation::Arch;
use rbld_lang::loader::{LoadError, Local};
use rbld_lang::lock::parse;
use rbld_lang::session::Session;
use rbld_lang::{Host, Loader, derivations};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A folder whose files are read and nothing else.
struct Folder(String);

impl Loader for Folder {
    fn source(&self, path: &str) -> Result<String, LoadError> {
        std::fs::read_to_string(format!("{}/{path}", self.0)).map_err(|_| LoadError::Missing)
    }

    fn local(&self, _path: &str) -> Result<Local, LoadError> {
        Err(LoadError::Missing)
    }
}

fn main() {
    let mut words = std::env::args().skip(1);
    let (Some(folder), Some(expression)) = (words.next(), words.next()) else {
        println!("evaluate FOLDER EXPRESSION");
        return;
    };
    let lock = std::fs::read_to_string(format!("{folder}/rbld.lock")).ok();
    let lock = lock.and_then(|lock| parse(&lock).ok());
    let loader = Folder(folder);
    let host = Host { arch: Arch::Amd64 };
    let mut session = Session::new(Some("build.rbld"), &loader, host);
    let answer = session.last("<expression>", &expression);
    for wrong in &answer.diagnostics {
        println!("{}: {}", wrong.code.0, wrong.message);
    }
    for part in &answer.parts {
        let (found, plan) = derivations(&part.single, lock.as_ref(), &host);
        match (found.first(), &part.single.value) {
            (Some((name, id)), _) => println!("{name} {id:?} {}", plan.derivations.len()),
            (None, value) => println!("{:?}", value.as_ref().map(rbld_lang::value::Value::show)),
        }
    }
    std::mem::forget((session, answer));
}

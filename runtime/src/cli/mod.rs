//! The command line's commands: argv in, exit code out. The only place that prints.

mod args;
mod beside;
mod build;
mod check;
mod context;
mod diff;
mod diffoscope;
mod doc;
mod doctor;
mod eval;
mod fmt;
mod graph;
mod import;
mod init;
mod keyrings;
mod lock;
mod log;
mod mirror;
mod output;
mod past;
mod plan;
mod project;
mod push;
mod repl;
mod replace;
mod reports;
mod resolved;
mod store;
mod test;
mod update;
mod vary;
mod vendor;
mod why;

use clap::Parser;
use clap::error::ErrorKind;

use crate::failure::{Failure, Result};
use args::{Cli, Command};

/// Runs the command that argv names and returns the exit code.
pub fn main() -> i32 {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            // A closed pipe is no reason to fail: whoever asked for help has gone.
            let _ = error.print();
            return if asked { 0 } else { 2 };
        }
    };
    match run(cli) {
        Ok(code) => code,
        Err(failure) => {
            output::failure(&failure);
            failure.exit_code()
        }
    }
}

fn run(cli: Cli) -> Result<i32> {
    let store = cli.store.as_deref();
    match cli.command.unwrap_or(Command::Check(args::Check::default())) {
        Command::Check(args) => check::run(store, &args),
        Command::Build(args) => build::run(store, &args),
        Command::Push(args) => push::run(store, &args),
        Command::Lock(args) => lock::run(store, &args),
        Command::Update(args) => update::run(store, &args),
        Command::Diff(args) => diff::run(store, &args),
        Command::Eval(args) => eval::run(store, &args),
        Command::Repl { file } => repl::run(store, file.as_deref()),
        Command::Vendor(args) => vendor::run(store, &args),
        Command::Mirror { command } => mirror::run(&command),
        Command::Plan(args) => plan::run(store, &args),
        Command::Graph(args) => graph::run(store, &args),
        Command::Why(args) => plan::why(store, &args),
        Command::Log(args) => log::run(store, &args),
        Command::Fmt(args) => fmt::run(&args),
        Command::Init(args) => init::run(&args),
        Command::Test(args) => test::run(store, &args),
        Command::Doc(args) => doc::run(store, &args),
        Command::Import(args) => import::run(&args),
        Command::Explain { code } => explain(&code),
        Command::Store { command } => store::run(store, &command),
        Command::Lsp => crate::lsp::run(store),
        Command::Doctor { format } => doctor::run(store, format),
        Command::Completions { shell } => completions(shell),
    }
}

fn explain(code: &str) -> Result<i32> {
    if code == "report" {
        output::text(crate::report::SCHEMA);
        return Ok(0);
    }
    let wanted = code.trim().to_ascii_uppercase();
    let wanted = wanted.strip_prefix("RBLD::").unwrap_or(&wanted);
    match rbld_lang::codes::find(wanted) {
        Some(row) => {
            output::line(&format!("{}: {}\n\n{}", row.code.0, row.title, row.explanation.trim_end()));
            Ok(0)
        }
        None => Err(Failure::input(format!("there is no code `{code}`"))
            .help("a code is a letter and four digits, such as E0203, as shown in a diagnostic; `report` is the schema of \
                    `--format json`")),
    }
}

fn completions(shell: clap_complete::Shell) -> Result<i32> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut <Cli as clap::CommandFactory>::command(), "rbld", &mut script);
    output::text(&String::from_utf8_lossy(&script));
    Ok(0)
}

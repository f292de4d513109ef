//! The command line: what may be typed, and nothing of what it does.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::draft::folder::Kind;

/// Pinned environments, reproducible recipes, and whether the bytes agree.
#[derive(Debug, Parser)]
#[command(name = "rbld", version, about, max_term_width = 100, disable_help_subcommand = true)]
pub(super) struct Cli {
    /// What to do; `check` when nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Where the store is.
    #[arg(long, global = true, value_name = "DIR", env = "RBLD_STORE", hide_env_values = true)]
    pub store: Option<PathBuf>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Build what the assertions compare, compare it, and say the verdict
    Check(Check),
    /// Build outputs and put them, with SHA256SUMS, into a folder
    Build(Build),
    /// Build an image and push it to a registry
    Push(Push),
    /// Resolve what isn't locked yet and write rbld.lock
    Lock(Lock),
    /// Move pins to what they follow, editing the file
    Update(Update),
    /// Show where two files, folders or outputs differ and what that looks like; of two locks, which packages changed
    Diff(Diff),
    /// Evaluate an expression, or an item of the project
    Eval(Eval),
    /// Evaluate expressions and add items at a prompt
    Repl {
        /// A `.rbld` file, or a folder that holds `build.rbld`, whose items are known at the prompt
        file: Option<PathBuf>,
    },
    /// Write everything that a check fetches into a folder, so that it needs no network
    Vendor(Vendor),
    /// Serve vendored folders to others
    Mirror {
        /// What to do.
        #[command(subcommand)]
        command: MirrorCommand,
    },
    /// Show the derivations and which of them are in the store
    Plan(Plan),
    /// Draw the derivations: what needs what, and which of them are in the store
    Graph(Graph),
    /// Say why a build isn't in the store: which field of its key changed
    Why(Why),
    /// Show the log of a build's or environment's last run
    Log(Why),
    /// Lay files out in the one style
    Fmt(Fmt),
    /// Write a first build.rbld for what a folder holds
    Init(Init),
    /// Run the tests of a file and of the project's files that it uses
    Test(Test),
    /// Show the documentation of the project's items, or of the standard library
    Doc(Doc),
    /// Write a first .rbld file for the compare pipeline of a .gitlab-ci.yml
    Import(Import),
    /// Explain a diagnostic's code, such as E0203, or print the schema of reports in JSON
    Explain {
        /// The code; `report` for the schema of `--format json`
        code: String,
    },
    /// Serve an editor, over standard input and output
    Lsp,
    /// Look after the store
    Store {
        /// What to do with it.
        #[command(subcommand)]
        command: StoreCommand,
    },
    /// Say what this machine can isolate and run, and which settings are in force
    Doctor {
        /// How to print it.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Print completions for a shell
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// What is meant: a file and names in it.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct Target {
    /// A `.rbld` file, or a folder that holds `build.rbld` (found upwards from here when left out); then names of
    /// assertions, builds or environments, all of them when left out
    #[arg(value_name = "FILE] [NAMES")]
    pub words: Vec<String>,
}

/// How things are run.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct Running {
    /// How many derivations are realised at once [default: the cores there are]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// Keep the folder of a build that fails
    #[arg(long)]
    pub keep_failed: bool,
    /// Build what is asked for again although its result is in the store
    #[arg(long)]
    pub rebuild: bool,
    /// Don't write rbld.lock, not even an environment's tree digest
    #[arg(long)]
    pub locked: bool,
    /// Use no network but what `--from` names
    #[arg(long)]
    pub offline: bool,
    /// Take what is fetched from a folder of `rbld vendor`, or from an address of `rbld mirror serve`, where it has it;
    /// may be given several times
    #[arg(long, value_name = "DIR|URL", value_hint = clap::ValueHint::DirPath)]
    pub from: Vec<String>,
    /// Start nothing more after the first failure
    #[arg(long)]
    pub fail_fast: bool,
    /// The instant that counts as now, as in `2027-01-31T00:00:00Z` [default: RBLD_NOW, else the clock]
    #[arg(long, value_name = "INSTANT", value_parser = instant)]
    pub now: Option<i64>,
}

/// A share as it is written in the language, in hundredths of a percent.
pub(super) fn share(text: &str) -> std::result::Result<u32, String> {
    let wrong = || "it is written as in `10%`, more than `0%` and at most `100%`".to_owned();
    let (whole, part) =
        text.strip_suffix('%').map(|text| text.split_once('.').unwrap_or((text, ""))).ok_or_else(wrong)?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 3 || part.len() > 2 || !digits(whole) || !digits(part) {
        return Err(wrong());
    }
    let number = format!("{whole}{part:0<2}").parse::<u32>().map_err(|_| wrong())?;
    if (1..=10_000).contains(&number) { Ok(number) } else { Err(wrong()) }
}

/// An instant as it is written in the language.
pub(super) fn instant(text: &str) -> std::result::Result<i64, String> {
    rbld_lang::syntax::read_instant(text)
        .ok_or_else(|| "it is written as in `2027-01-31T00:00:00Z`, in UTC".to_owned())
}

/// `rbld check`.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct Check {
    /// What to check.
    #[command(flatten)]
    pub target: Target,
    /// How to run it.
    #[command(flatten)]
    pub running: Running,
    /// Look at a share of it a day, `10%`, so that in ten days all has had its turn
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub sample: Option<u32>,
    /// Say what changed since a report in JSON, not since the last run
    #[arg(long, value_name = "REPORT", value_hint = clap::ValueHint::FilePath)]
    pub against: Option<PathBuf>,
    /// Run each build that is compared or named in other surroundings too, and find what of them changes its bytes: all
    /// axes, those named, or all but those after a minus (`--vary=time,umask`, `--vary=-jobs`)
    #[arg(long, value_name = "AXES", num_args = 0..=1, require_equals = true, default_missing_value = "all")]
    pub vary: Option<String>,
    /// How often each of these builds is run with nothing varied; one time fewer with everything [default: 2]
    #[arg(long, value_name = "N", requires = "vary", value_parser = clap::value_parser!(u32).range(2..=100))]
    pub times: Option<u32>,
    /// Write diffoscope's page on each pair of results that differ into a folder, where diffoscope is installed
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub diffoscope: Option<PathBuf>,
    /// How to print the verdict
    #[arg(long, value_enum, default_value_t)]
    pub format: ReportFormat,
    /// Write the report into a file too, beside what is printed: `html=report.html`, `junit=junit.xml`, `markdown=…`,
    /// `json=…`, `sarif=…`, `code-quality=…`; may be given several times
    #[arg(long = "report", value_name = "FORM=FILE", value_parser = ReportFile::parse)]
    pub reports: Vec<ReportFile>,
}

/// A report that is to be written into a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReportFile {
    /// What it is.
    pub form: Form,
    /// The file.
    pub path: PathBuf,
}

/// The forms of a report in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    /// One page for a browser.
    Html,
    /// All of it for a program.
    Json,
    /// For CI systems that show tests.
    Junit,
    /// For a comment on a merge request, or a job's summary.
    Markdown,
    /// What doesn't hold, as SARIF 2.1.0.
    Sarif,
    /// What doesn't hold, as code quality.
    CodeQuality,
}

impl ReportFile {
    fn parse(text: &str) -> Result<ReportFile, String> {
        let forms = "html, json, junit, markdown, sarif, code-quality";
        let Some((form, path)) = text.split_once('=').filter(|(_, path)| !path.is_empty()) else {
            let form = match text.rsplit('.').next() {
                Some("html" | "htm") => "html",
                Some("xml") => "junit",
                Some("md") => "markdown",
                Some("sarif") => "sarif",
                Some("json") => "json",
                _ => "FORM",
            };
            let text = text.trim_end_matches('=');
            return Err(format!("it doesn't say which form: `--report {form}={text}` (forms: {forms})"));
        };
        match Form::from_str(form, false) {
            Ok(form) => Ok(ReportFile { form, path: PathBuf::from(path) }),
            Err(_) => Err(format!("there is no form `{form}` (forms: {forms})")),
        }
    }
}

/// `rbld build`.
#[derive(Args, Clone, Debug)]
pub(super) struct Build {
    /// What to build.
    #[command(flatten)]
    pub target: Target,
    /// The folder for the outputs
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// How to run it.
    #[command(flatten)]
    pub running: Running,
    /// How to print what was built
    #[arg(long, value_enum, default_value_t)]
    pub format: ReportFormat,
}

/// `rbld push`.
#[derive(Args, Clone, Debug)]
pub(super) struct Push {
    /// A `.rbld` file, or a folder that holds `build.rbld` (found upwards from here when left out); the name of an
    /// image; then where it goes: `registry.example/team/tool:1.0`
    #[arg(value_name = "FILE] [NAME] [REGISTRY/REPOSITORY:TAG", required = true)]
    pub words: Vec<String>,
    /// How to run it.
    #[command(flatten)]
    pub running: Running,
}

/// `rbld lock`.
#[derive(Args, Clone, Debug)]
pub(super) struct Lock {
    /// What to lock.
    #[command(flatten)]
    pub target: Target,
    /// Only say whether the lock is complete
    #[arg(long)]
    pub check: bool,
    /// Where to fetch from.
    #[command(flatten)]
    pub reach: Reach,
}

/// Where things are fetched from.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct Reach {
    /// Use no network but what `--from` names
    #[arg(long)]
    pub offline: bool,
    /// Take what is fetched from a folder of `rbld vendor`, or from an address of `rbld mirror serve`, where it has it;
    /// may be given several times
    #[arg(long, value_name = "DIR|URL", value_hint = clap::ValueHint::DirPath)]
    pub from: Vec<String>,
}

/// `rbld vendor`.
#[derive(Args, Clone, Debug)]
pub(super) struct Vendor {
    /// The folder to write: empty, or one that was vendored before
    #[arg(value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub folder: PathBuf,
    /// A `.rbld` file, or a folder that holds `build.rbld` (found upwards from here when left out)
    #[arg(value_name = "FILE")]
    pub file: Option<String>,
    /// Where to fetch from what isn't in the store.
    #[command(flatten)]
    pub reach: Reach,
    /// How to print what was written
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `rbld mirror …`.
#[derive(Debug, Subcommand)]
pub(super) enum MirrorCommand {
    /// Serve a vendored folder over HTTP until it is stopped
    Serve {
        /// The folder that `rbld vendor` wrote
        #[arg(value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
        folder: PathBuf,
        /// The address to listen at; port 0 takes one that is free
        #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7253")]
        listen: std::net::SocketAddr,
    },
}

/// `rbld update`.
#[derive(Args, Clone, Debug)]
pub(super) struct Update {
    /// What to update.
    #[command(flatten)]
    pub target: UpdateTarget,
    /// Write nothing: show what would change
    #[arg(long)]
    pub dry_run: bool,
    /// The instant that snapshots are moved to [default: the newest that the archive has]
    #[arg(long, value_name = "INSTANT")]
    pub to: Option<String>,
    /// How to print what moved
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `rbld diff`.
#[derive(Args, Clone, Debug)]
pub(super) struct Diff {
    /// A file, a folder, an object of the store (`sha256:…`) or an output of the project (`t[bookworm].dist`); or the
    /// older lock, or the file that it is of [default: the lock of the project's last commit]
    #[arg(value_name = "A", value_hint = clap::ValueHint::AnyPath)]
    pub left: Option<std::ffi::OsString>,
    /// What it is compared with; or the newer lock, or the file that it is of [default: the project's lock]
    #[arg(value_name = "B", value_hint = clap::ValueHint::AnyPath)]
    pub right: Option<std::ffi::OsString>,
    /// Compare the bytes of locks and of projects' folders too, not their packages
    #[arg(long)]
    pub bytes: bool,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    pub format: DiffFormat,
}

/// How a difference is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum DiffFormat {
    /// For a person.
    #[default]
    Text,
    /// For a program.
    Json,
    /// As diffoscope writes it, for what reads that.
    DiffoscopeJson,
}

/// What is meant: a file and names of pins in it.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct UpdateTarget {
    /// A `.rbld` file, or a folder that holds `build.rbld` (found upwards from here when left out); then names of
    /// required packages and of items whose pins are to move, all that move when left out
    #[arg(value_name = "FILE] [NAMES")]
    pub words: Vec<String>,
}

/// `rbld eval`.
#[derive(Args, Clone, Debug)]
pub(super) struct Eval {
    /// A `.rbld` file or a folder that holds one (`build.rbld` found upwards from here when left out, and nothing when
    /// there is none); then a name or an expression
    #[arg(value_name = "FILE] [EXPRESSION", required = true)]
    pub words: Vec<String>,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `rbld plan`.
#[derive(Args, Clone, Debug)]
pub(super) struct Plan {
    /// What to show.
    #[command(flatten)]
    pub target: Target,
    /// Take required packages from a folder of `rbld vendor`, or from an address of `rbld mirror serve`; may be given
    /// several times
    #[arg(long, value_name = "DIR|URL", value_hint = clap::ValueHint::DirPath)]
    pub from: Vec<String>,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    pub format: ReportFormat,
}

/// `rbld graph`.
#[derive(Args, Clone, Debug)]
pub(super) struct Graph {
    /// What to draw, with all that it needs.
    #[command(flatten)]
    pub target: Target,
    /// Take required packages from a folder of `rbld vendor`, or from an address of `rbld mirror serve`; may be given
    /// several times
    #[arg(long, value_name = "DIR|URL", value_hint = clap::ValueHint::DirPath)]
    pub from: Vec<String>,
    /// How to draw it
    #[arg(long, value_enum, default_value_t)]
    pub format: GraphFormat,
}

/// How a graph is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum GraphFormat {
    /// A tree for a terminal.
    #[default]
    Text,
    /// A picture.
    Svg,
    /// For Graphviz.
    Dot,
    /// For Markdown that draws Mermaid.
    Mermaid,
}

/// `rbld why`, `rbld log`.
#[derive(Args, Clone, Debug)]
pub(super) struct Why {
    /// A file, when it isn't `build.rbld`, and the name of a build or environment
    #[arg(value_name = "FILE] [NAME", required = true)]
    pub words: Vec<String>,
}

/// `rbld fmt`.
#[derive(Args, Clone, Debug)]
pub(super) struct Fmt {
    /// Files, and folders whose `.rbld` files are meant; `-` for standard input. All of the project's folder (that of
    /// the `build.rbld` found upwards from here) when left out
    #[arg(value_name = "FILE")]
    pub paths: Vec<PathBuf>,
    /// Write nothing: show what would change, and exit with 1 if anything would
    #[arg(long)]
    pub check: bool,
}

/// `rbld init`.
#[derive(Args, Clone, Debug)]
pub(super) struct Init {
    /// The project's folder
    #[arg(value_name = "DIR", default_value = ".", hide_default_value = true)]
    pub folder: PathBuf,
    /// What kind of project it is, when that isn't to be found out; `plain` is a tarball of any files
    #[arg(long, value_name = "KIND", value_parser = clap::builder::PossibleValuesParser::new(Kind::NAMES))]
    pub kind: Option<String>,
    /// The instant to pin, as 2026-11-01T00:00:00Z [default: yesterday's beginning]
    #[arg(long, value_name = "INSTANT")]
    pub at: Option<String>,
}

/// `rbld test`.
#[derive(Args, Clone, Debug)]
pub(super) struct Test {
    /// A `.rbld` file, or a folder that holds `build.rbld` (found upwards from here when left out); then names of tests,
    /// whole or in part, all of them when left out
    #[arg(value_name = "FILE] [NAMES")]
    pub words: Vec<String>,
    /// Keep what `unchanged(…)` is asked of as it is now, beside the file
    #[arg(long)]
    pub bless: bool,
    /// How to print what the tests came to
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `rbld doc`.
#[derive(Args, Clone, Debug)]
pub(super) struct Doc {
    /// A `.rbld` file, or a folder that holds `build.rbld` (found upwards from here when left out); or a name: of an item,
    /// `std` for the standard library, `std.debian` for a module of it, `debian.snapshot` for an item of that
    #[arg(value_name = "FILE|NAME")]
    pub what: Option<String>,
    /// How to show it
    #[arg(long, value_enum, default_value_t)]
    pub format: DocFormat,
    /// Write it into a folder instead
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
}

/// How documentation is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum DocFormat {
    /// For a terminal.
    #[default]
    Text,
    /// For other documentation; a file for each module.
    Markdown,
    /// One page for a browser, with a search.
    Html,
    /// For a program.
    Json,
}

/// `rbld import`.
#[derive(Args, Clone, Debug)]
pub(super) struct Import {
    /// The pipeline
    #[arg(value_name = "FILE", default_value = ".gitlab-ci.yml")]
    pub file: PathBuf,
    /// The file to write; `-` for standard output [default: build.rbld beside the pipeline]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The instant to pin, as 2026-11-01T00:00:00Z [default: yesterday's beginning]
    #[arg(long, value_name = "INSTANT")]
    pub at: Option<String>,
}

/// `rbld store …`.
#[derive(Debug, Subcommand)]
pub(super) enum StoreCommand {
    /// Show how much room the store takes
    Du,
    /// Remove what no run used lately
    Gc {
        /// Keep what was used within so many days
        #[arg(long, value_name = "DAYS", default_value_t = 30)]
        keep: u32,
        /// Only say what would be removed
        #[arg(long)]
        dry_run: bool,
    },
    /// Hash everything again and name what is damaged
    Verify,
    /// Put damaged objects aside, so that they are made again
    Repair,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For a person.
    #[default]
    Text,
    /// For a program.
    Json,
}

/// How a report is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum ReportFormat {
    /// For a person.
    #[default]
    Text,
    /// All of it for a program.
    Json,
    /// What doesn't hold, as SARIF 2.1.0 for code scanning.
    Sarif,
    /// What doesn't hold, as the code-quality artifact of GitLab and others.
    CodeQuality,
}

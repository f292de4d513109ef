//! `rbld repl`: expressions and items at a prompt. An error is said and forgotten. Without a terminal, the input is
//! read to its end and no prompt is printed.

use std::cell::RefCell;
use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rbld_lang::session::{Answer, Session};
use rbld_lang::syntax;
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{CompletionType, Config, Context, Editor, Helper};

use super::args::Format;
use super::eval::{Opened, show};
use super::output;
use super::project;
use crate::failure::{Failure, Result};

const HELP: &str = "\
EXPRESSION     evaluate it
let x = …      add an item of any kind; one of the same name is replaced
:type X        the type of an expression, what a function takes and gives
:doc NAME      the documentation of an item: `:doc debian.snapshot`
:load FILE     take the items of a file, and forget what was entered
:reload        read the file again, and forget what was entered
:help          this
:quit          end, as Ctrl-D does
Brackets and \"\"\" that are open at the end of a line go on on the next; an empty line gives up.";

const COMMANDS: [&str; 6] = [":doc", ":help", ":load", ":quit", ":reload", ":type"];

/// How many lines are remembered.
const REMEMBERED: usize = 2000;

/// Runs the prompt until its input ends.
pub(super) fn run(store: Option<&Path>, file: Option<&Path>) -> Result<i32> {
    let mut file = match file {
        Some(file) => Some(project::choose(&[file.display().to_string()])?.file),
        None => project::above()?,
    };
    let mut source = Source::new()?;
    loop {
        // What was typed may name it until the process ends.
        let opened: &'static Opened = Box::leak(Box::new(Opened::new(file.as_deref(), store)?));
        let session = Rc::new(RefCell::new(opened.session()?));
        let name = opened.name.clone();
        source.attach(name.as_deref(), &session);
        match (Prompt { opened, session }).run(&mut source) {
            End::Quit => return Ok(0),
            End::Load(Some(next)) => file = Some(next),
            End::Load(None) => {}
        }
        source.detach();
    }
}

/// Why a prompt ended.
enum End {
    Quit,
    /// Another file, or the same again.
    Load(Option<PathBuf>),
}

struct Prompt {
    opened: &'static Opened,
    session: Rc<RefCell<Session<'static>>>,
}

impl Prompt {
    fn run(&self, source: &mut Source) -> End {
        let session = self.session.borrow();
        output::diagnostics(&session.project.sources, session.file_diagnostics());
        drop(session);
        let mut count = 0;
        while let Some(text) = source.read() {
            count += 1;
            let text = text.trim();
            if text.is_empty() {
                continue;
            }
            match text.strip_prefix(':') {
                None => self.enter(&format!("<entry {count}>"), text),
                Some(command) => {
                    let (word, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
                    match self.command(word, rest.trim()) {
                        Ok(None) => {}
                        Ok(Some(end)) => return end,
                        Err(failure) => output::failure(&failure),
                    }
                }
            }
        }
        End::Quit
    }

    fn enter(&self, name: &str, text: &str) {
        let mut session = self.session.borrow_mut();
        let answer = session.enter(name, text);
        output::diagnostics(&session.project.sources, &answer.diagnostics);
        if answer.diagnostics.is_empty() {
            self.say(&answer);
        }
    }

    /// The value of an expression, or what the items that were added mean.
    fn say(&self, answer: &Answer) {
        for part in &answer.parts {
            let (name, known) = (&part.name, &part.single.known.shown);
            match &part.single.value {
                Some(_) if name.is_empty() => match show(part, self.opened.lock.as_ref(), Format::Text) {
                    Ok(text) => output::line(&text),
                    Err(failure) => output::failure(&failure),
                },
                Some(rbld_lang::value::Value::Bool(holds)) if known.is_empty() => {
                    output::line(&format!("test \"{name}\" {}", if *holds { "holds" } else { "fails" }));
                }
                Some(_) => output::line(&format!("{name}: {known}")),
                None if !known.is_empty() => output::line(known),
                None => {}
            }
        }
    }

    fn command(&self, word: &str, rest: &str) -> Result<Option<End>> {
        match word {
            "quit" | "q" => return Ok(Some(End::Quit)),
            "help" | "h" | "?" => output::line(HELP),
            "type" | "t" => self.describe(rest, false),
            "doc" | "d" => self.describe(rest, true),
            "reload" | "r" => return Ok(Some(End::Load(None))),
            "load" | "l" if rest.is_empty() => {
                return Err(Failure::input("load what?")
                    .help("`:load FILE`, a `.rbld` file or a folder that holds one"));
            }
            "load" | "l" => {
                let words = [if rest.ends_with(".rbld") { rest.to_owned() } else { format!("{rest}/") }];
                return Ok(Some(End::Load(Some(project::choose(&words)?.file))));
            }
            _ => {
                return Err(Failure::input(format!("there is no command `:{word}`"))
                    .help(format!("there are {}", COMMANDS.join(", "))));
            }
        }
        Ok(None)
    }

    fn describe(&self, text: &str, docs: bool) {
        if text.is_empty() {
            return output::note("of what? name an item, or write an expression");
        }
        let mut session = self.session.borrow_mut();
        match session.describe("<expression>", text) {
            Ok((known, lines)) => {
                output::line(&known);
                if docs {
                    lines.iter().for_each(|line| output::line(&format!("  {line}")));
                    if lines.is_empty() {
                        output::note(
                            "  nothing is written above it: documentation is lines that begin with `##`",
                        );
                    }
                }
            }
            Err(diagnostics) => output::diagnostics(&session.project.sources, &diagnostics),
        }
    }
}

/// Where what is entered comes from.
enum Source {
    /// A person.
    Terminal(Box<Editor<Typing, FileHistory>>, Option<PathBuf>),
    /// A file or pipe.
    Lines(std::io::StdinLock<'static>),
}

impl Source {
    fn new() -> Result<Source> {
        let stdin = std::io::stdin();
        if !stdin.is_terminal() {
            return Ok(Source::Lines(stdin.lock()));
        }
        let config = Config::builder()
            .completion_type(CompletionType::List)
            .max_history_size(REMEMBERED)
            .and_then(|config| config.history_ignore_dups(true))
            .map_err(|error| terminal(&error))?
            .build();
        let mut editor = Editor::with_config(config).map_err(|error| terminal(&error))?;
        let history = history();
        if let Some(history) = &history {
            // The first time there is none.
            let _ = editor.load_history(history);
        }
        Ok(Source::Terminal(Box::new(editor), history))
    }

    /// Completes with what a session knows.
    fn attach(&mut self, file: Option<&str>, session: &Rc<RefCell<Session<'static>>>) {
        if let Source::Terminal(editor, _) = self {
            editor.set_helper(Some(Typing { session: session.clone() }));
            let of = file.map_or_else(|| "no file".to_owned(), |file| format!("`{file}`"));
            output::note(&format!(
                "rbld {}, {of}; `:help` says what can be typed",
                env!("CARGO_PKG_VERSION")
            ));
        }
    }

    fn detach(&mut self) {
        if let Source::Terminal(editor, _) = self {
            editor.set_helper(None);
        }
    }

    /// The next text, which may be of several lines; `None` at the end.
    fn read(&mut self) -> Option<String> {
        match self {
            Source::Terminal(editor, history) => loop {
                match editor.readline("rbld> ") {
                    Ok(text) => {
                        let _ = editor.add_history_entry(text.as_str());
                        if let Some(history) = history {
                            // A history that can't be kept is no reason to stop.
                            let _ = history.parent().map(std::fs::create_dir_all);
                            let _ = editor.append_history(history);
                        }
                        return Some(text);
                    }
                    Err(ReadlineError::Interrupted) => {}
                    Err(_) => return None,
                }
            },
            Source::Lines(lines) => {
                let mut text = String::new();
                loop {
                    let mut line = Vec::new();
                    let length = lines.read_until(b'\n', &mut line).unwrap_or(0);
                    let line = String::from_utf8_lossy(&line);
                    text += &line;
                    let ended = length == 0 || line.trim().is_empty() || !goes_on(&text);
                    if ended {
                        return (length > 0 || !text.is_empty()).then_some(text);
                    }
                }
            }
        }
    }
}

fn goes_on(text: &str) -> bool {
    !text.trim_start().starts_with(':') && syntax::is_unfinished(text)
}

fn terminal(error: &ReadlineError) -> Failure {
    Failure::world(format!("can't use this terminal: {error}"))
}

/// Where the lines typed are remembered: the user's state folder.
fn history() -> Option<PathBuf> {
    let named = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = named("XDG_STATE_HOME").or_else(|| named("HOME").map(|home| home.join(".local/state")))?;
    Some(state.join("rbld/history"))
}

/// What happens while something is typed.
struct Typing {
    session: Rc<RefCell<Session<'static>>>,
}

impl Helper for Typing {}
impl Highlighter for Typing {}
impl Hinter for Typing {
    type Hint = String;
}

impl Validator for Typing {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let text = context.input();
        let given_up = text.ends_with("\n\n");
        Ok(match goes_on(text) && !given_up {
            true => ValidationResult::Incomplete,
            false => ValidationResult::Valid(None),
        })
    }
}

impl Completer for Typing {
    type Candidate = String;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        let before = &line[..at];
        if before.starts_with(':') && !before.contains(' ') {
            let commands = COMMANDS.iter().filter(|command| command.starts_with(before));
            return Ok((0, commands.map(|command| (*command).to_owned()).collect()));
        }
        let word = before.rfind(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).map_or(0, |at| at + 1);
        let names = self.session.try_borrow_mut().map(|mut session| session.complete(before));
        Ok((word, names.unwrap_or_default()))
    }
}

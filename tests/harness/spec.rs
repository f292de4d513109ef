//! The examples of the specification as tests: every section of `spec/*.md` that holds an example is one.
//!
//! A fence ```` ```rbld ```` is a file: the one that a line `` `name.rbld`: `` before it names, else
//! `build.rbld`; the unnamed fences of a section are one file, and get the line `rbld 1` if they lack it. Other fences are
//! files where they are named (```` ```lock ```` is `rbld.lock`). An example must be right, but for the findings that
//! it announces, each on its own line or the line above: `# error: [E0201] "a part of the text"`, and
//! `# warning: […]`; warnings that aren't announced are passed over. That an example has no lock is an
//! error only where it says so. ```` ```diagnostic ```` and ```` ```plan ```` hold what `rbld plan` prints of the section's files
//! to its error stream and its output, ```` ```key ```` the digests of its derivations; `RBLD_BLESS=1` rewrites these three.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use libtest_mimic::{Failed, Trial};
use rbld_lang::derivation::Arch;
use rbld_lang::diagnostic::Severity;
use rbld_lang::loader::MemoryLoader;
use rbld_lang::{Host, lock};

use crate::bless;
use crate::place::Place;

/// The error that a lock is missing or stale.
const LOCK: &str = "E0204";
/// The fences that say what is printed.
const EXPECTED: [&str; 3] = ["diagnostic", "plan", "key"];

/// A section of a chapter.
#[derive(Debug, Default)]
struct Section {
    name: String,
    files: BTreeMap<String, String>,
    expected: Vec<Fence>,
}

/// A fenced block.
#[derive(Debug)]
struct Fence {
    /// The word after the backquotes.
    kind: String,
    /// The name in the line before.
    name: Option<String>,
    text: String,
    /// The lines of the chapter that hold the text.
    lines: std::ops::Range<usize>,
}

/// A test for each section with an example.
pub(crate) fn trials(folder: &Path) -> Result<Vec<Trial>, Failed> {
    let mut trials = Vec::new();
    for file in crate::files_below(folder, "md")? {
        let text = std::fs::read_to_string(&file)?;
        for section in sections(&text).map_err(|e| format!("{}: {e}", file.display()))? {
            let name = format!("spec/{}: {}", crate::name_below(folder, &file), section.name);
            let file = file.clone();
            trials.push(Trial::test(name, move || run(&file, &section)));
        }
    }
    Ok(trials)
}

/// The sections of a chapter that hold an example.
fn sections(text: &str) -> Result<Vec<Section>, String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut path: Vec<&str> = Vec::new();
    let mut sections = vec![Section::default()];
    let mut at = 0;
    while at < lines.len() {
        if let Some(kind) = lines[at].strip_prefix("```") {
            let end = (at + 1..lines.len()).find(|i| lines[*i].trim_end() == "```");
            let end = end.ok_or(format!("line {}: the fence isn't closed", at + 1))?;
            let text: String = lines[at + 1..end].iter().flat_map(|line| [line, "\n"]).collect();
            let name = lines[..at]
                .iter()
                .rev()
                .find(|line| !line.trim().is_empty())
                .and_then(|line| file_name(line));
            let fence = Fence { kind: kind.trim().to_owned(), name, text, lines: at + 1..end };
            if let Some(section) = sections.last_mut() {
                section.take(fence);
            }
            at = end;
        } else if let Some((depth, title)) = header(lines[at]) {
            path.truncate(depth - 1);
            path.push(title);
            sections.push(Section { name: path.join(" - "), ..Section::default() });
        }
        at += 1;
    }
    sections.retain(|section| !section.files.is_empty() || !section.expected.is_empty());
    Ok(sections)
}

fn header(line: &str) -> Option<(usize, &str)> {
    let title = line.trim_start_matches('#');
    let depth = line.len() - title.len();
    (depth > 0 && title.starts_with(' ')).then(|| (depth, title.trim()))
}

/// The name in a line `` `name`: ``.
fn file_name(line: &str) -> Option<String> {
    let name = line.trim().strip_prefix('`')?.strip_suffix("`:")?;
    (!name.contains('`')).then(|| name.to_owned())
}

impl Section {
    fn take(&mut self, fence: Fence) {
        if EXPECTED.contains(&fence.kind.as_str()) {
            self.expected.push(fence);
            return;
        }
        let usual = match fence.kind.as_str() {
            "rbld" => Some("build.rbld"),
            "lock" => Some("rbld.lock"),
            _ => None,
        };
        let Some(name) = fence.name.as_deref().or(usual) else { return };
        self.files.entry(name.to_owned()).or_default().push_str(&fence.text);
    }

    /// The files, with the first line of `build.rbld` put in where it is left out.
    fn complete(&self) -> BTreeMap<String, String> {
        let mut files = self.files.clone();
        if let Some(text) = files.get_mut("build.rbld") {
            let first = text.lines().find(|line| !line.trim().is_empty() && !line.starts_with('#'));
            if !first.is_some_and(|line| line.starts_with("rbld ")) {
                text.insert_str(0, "rbld 1\n");
            }
        }
        files
    }
}

fn run(chapter: &Path, section: &Section) -> Result<(), Failed> {
    let files = section.complete();
    let found = if files.contains_key("build.rbld") { check(&files)? } else { Found::default() };
    let mut printed = Vec::new();
    for fence in &section.expected {
        let text = match fence.kind.as_str() {
            "key" => found.keys.clone(),
            kind => print(&files, kind)?,
        };
        if let Err(error) = bless::require(&fence.kind, &fence.text, &text) {
            if !bless::blessing() {
                return Err(error);
            }
            printed.push((fence, text));
        }
    }
    if printed.is_empty() { Ok(()) } else { rewrite(chapter, printed) }
}

/// What an example came to.
#[derive(Default)]
struct Found {
    keys: String,
}

/// Evaluates `build.rbld` and holds its findings against the announced ones.
fn check(files: &BTreeMap<String, String>) -> Result<Found, Failed> {
    let loader = MemoryLoader { files: files.clone() };
    let host = Host { arch: Arch::Amd64 };
    let project = rbld_lang::load("build.rbld", &loader);
    let evaluated = rbld_lang::evaluate(&project, &loader, &host);
    let lock =
        files.get("rbld.lock").map(|text| lock::parse(text)).transpose().map_err(|e| format!("{e:?}"))?;
    let (plan, instantiated) = rbld_lang::instantiate(&evaluated, lock.as_ref(), &host);

    let mut open = announced(files);
    let mut wrong = Vec::new();
    let mut seen = Vec::new();
    for diagnostic in project.diagnostics.iter().chain(&evaluated.diagnostics).chain(&instantiated) {
        if seen.contains(&diagnostic) {
            continue;
        }
        seen.push(diagnostic);
        let place = diagnostic.labels.first().map(|label| {
            let (line, _) = project.sources.position(label.span);
            (project.sources.get(label.span.file).name.clone(), line)
        });
        let said = format!("[{}] \"{}\"", diagnostic.code.0, diagnostic.message);
        let fits = |a: &Announced| {
            a.code == diagnostic.code.0
                && diagnostic.message.contains(&a.text)
                && place.as_ref().is_some_and(|(file, line)| *file == a.file && *line == a.line)
        };
        if let Some(at) = open.iter().position(fits) {
            open.remove(at);
        } else if diagnostic.severity == Severity::Error && (diagnostic.code.0 != LOCK || lock.is_some()) {
            let (file, line) = place.unwrap_or_default();
            wrong.push(format!("{file}:{line}: error: {said}, not announced"));
        }
    }
    wrong.extend(
        open.iter()
            .map(|a| format!("{}:{}: announced, not found: [{}] \"{}\"", a.file, a.line, a.code, a.text)),
    );
    if !wrong.is_empty() {
        return Err(wrong.join("\n").into());
    }
    let mut keys = String::new();
    for named in &plan.names {
        writeln!(keys, "{} {}", named.name, named.id.0)?;
    }
    Ok(Found { keys })
}

/// A finding that an example announces.
struct Announced {
    file: String,
    line: usize,
    code: String,
    text: String,
}

fn announced(files: &BTreeMap<String, String>) -> Vec<Announced> {
    let mut found = Vec::new();
    for (file, text) in files.iter().filter(|(name, _)| name.ends_with(".rbld")) {
        let lines: Vec<&str> = text.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            let Some((before, code, text)) = announcement(line) else { continue };
            let below = (index + 1..lines.len())
                .find(|i| announcement(lines[*i]).is_none_or(|(before, ..)| !before.is_empty()));
            let line = if before.is_empty() { below.unwrap_or(index) } else { index };
            found.push(Announced {
                file: file.clone(),
                line: line + 1,
                code: code.to_owned(),
                text: text.to_owned(),
            });
        }
    }
    found
}

/// What stands before an announcement, its code and its text.
fn announcement(line: &str) -> Option<(&str, &str, &str)> {
    let at = line.find("# error: [").or_else(|| line.find("# warning: ["))?;
    let (_, rest) = line[at..].split_once('[')?;
    let (code, rest) = rest.split_once(']')?;
    let text = rest.trim().trim_matches('"');
    Some((line[..at].trim(), code, text))
}

/// What `rbld plan` prints of the files.
fn print(files: &BTreeMap<String, String>, kind: &str) -> Result<String, Failed> {
    let place = Place::new()?;
    for (name, text) in files {
        place.write(name, text)?;
    }
    let ran = place.run("rbld plan")?;
    Ok(if kind == "plan" { ran.stdout } else { ran.stderr })
}

/// Puts what was printed into the chapter. Sections run side by side, so the fences are found by their old text.
fn rewrite(chapter: &Path, printed: Vec<(&Fence, String)>) -> Result<(), Failed> {
    static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _one = ONE.lock().map_err(|_| "another section's rewriting failed")?;
    let mut text = std::fs::read_to_string(chapter)?;
    for (fence, new) in printed {
        let (old, new) =
            (format!("```{}\n{}```", fence.kind, fence.text), format!("```{}\n{new}```", fence.kind));
        let from = text.find(&old).ok_or(format!("line {}: the fence is gone", fence.lines.start))?;
        text.replace_range(from..from + old.len(), &new);
    }
    std::fs::write(chapter, text)?;
    Ok(())
}

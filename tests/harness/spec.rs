//! The examples of the specification as tests.
//!
//! In `spec/*.md` each block ```` ```rbld ```` is an example: a file `build.rbld`, which gets the line `rbld 1` if it lacks
//! it. A block of any kind after a line `` `name`: `` is a further file, of the example that follows it in the section, or
//! else of the one before. An example must be right, but for the findings that it announces, each on its own
//! line or the line above: `# error: [E0201] "a part of the text"`, and `# warning: […]`; warnings that
//! aren't announced are passed over, and that an example has no lock is an error only where it says so. `# => value`
//! after a `let` of the example is what it comes to.
//! ```` ```diagnostic ```` and ```` ```plan ```` hold what `rbld plan` prints of the example before to its error stream and its output,
//! ```` ```key ```` the digests of its derivations, ```` ```json ```` the values of its
//! `let` items; `RBLD_BLESS=1` rewrites these four. ```` ```rbld parse ```` isn't evaluated:
//! the parser's own tests read it. A file whose name begins with `<NAME>/` is one of a package in the store: what `package.rbld`
//! pins it by is the digest of its real tree, which a failing example names.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use libtest_mimic::{Failed, Trial};
use rbld::store::Store;
use rbld::store::tree::{self, Folder, Node};
use rbld_lang::derivation::Arch;
use rbld_lang::diagnostic::Severity;
use rbld_lang::digest::Digest;
use rbld_lang::loader::MemoryLoader;
use rbld_lang::{Host, lock};

use crate::bless;
use crate::place::Place;

/// The error that a lock is missing or stale.
const LOCK: &str = "E0204";

/// An example of a chapter.
#[derive(Debug, Default)]
struct Example {
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
    /// The line of the chapter where it begins.
    line: usize,
}

/// A test for each example.
pub(crate) fn trials(folder: &Path) -> Result<Vec<Trial>, Failed> {
    let mut trials = Vec::new();
    for file in crate::files_below(folder, "md")? {
        let text = std::fs::read_to_string(&file)?;
        for example in examples(&text).map_err(|e| format!("{}: {e}", file.display()))? {
            let name = format!("spec/{}: {}", crate::name_below(folder, &file), example.name);
            let file = file.clone();
            trials.push(Trial::test(name, move || run(&file, &example)));
        }
    }
    Ok(trials)
}

/// The examples of a chapter, named by the headers above them and, from the second of a section on, a number.
fn examples(text: &str) -> Result<Vec<Example>, String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut path: Vec<&str> = Vec::new();
    let mut examples = Vec::new();
    let mut section = Section::default();
    let mut at = 0;
    while at < lines.len() {
        if let Some(kind) = lines[at].strip_prefix("```") {
            let end = (at + 1..lines.len()).find(|i| lines[*i].trim_end() == "```");
            let end = end.ok_or(format!("line {}: the fence isn't closed", at + 1))?;
            let text: String = lines[at + 1..end].iter().flat_map(|line| [line, "\n"]).collect();
            let above = lines[..at].iter().rev().find(|line| !line.trim().is_empty());
            let name = above.and_then(|line| file_name(line));
            section.take(Fence { kind: kind.trim().to_owned(), name, text, line: at + 1 })?;
            at = end;
        } else if let Some((depth, title)) = header(lines[at]) {
            examples.extend(std::mem::take(&mut section).close(&path.join(" - "))?);
            path.truncate(depth - 1);
            path.push(title);
        }
        at += 1;
    }
    examples.extend(section.close(&path.join(" - "))?);
    Ok(examples)
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

/// The blocks of a section so far.
#[derive(Default)]
struct Section {
    examples: Vec<Example>,
    /// Named files that no example followed yet.
    open: BTreeMap<String, String>,
}

impl Section {
    fn take(&mut self, fence: Fence) -> Result<(), String> {
        let last = self.examples.last_mut();
        match (fence.kind.as_str(), &fence.name) {
            ("diagnostic" | "plan" | "key" | "json", _) => {
                last.ok_or(format!("line {}: no example stands before", fence.line))?.expected.push(fence);
            }
            (_, Some(name)) => {
                self.open.insert(name.clone(), fence.text);
            }
            ("rbld", None) => {
                let mut files = std::mem::take(&mut self.open);
                files.insert("build.rbld".to_owned(), fence.text);
                self.examples.push(Example { files, ..Example::default() });
            }
            _ => {}
        }
        Ok(())
    }

    fn close(mut self, name: &str) -> Result<Vec<Example>, String> {
        match self.examples.last_mut() {
            Some(last) => last.files.extend(self.open),
            None if self.open.contains_key("build.rbld") => {
                self.examples.push(Example { files: self.open, ..Example::default() });
            }
            None if self.open.keys().any(|name| name.ends_with(".rbld")) => {
                return Err(format!("`{name}`: files without an example"));
            }
            None => {}
        }
        for (index, example) in self.examples.iter_mut().enumerate() {
            example.name = if index == 0 { name.to_owned() } else { format!("{name} ({})", index + 1) };
        }
        Ok(self.examples)
    }
}

impl Example {
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

fn run(chapter: &Path, example: &Example) -> Result<(), Failed> {
    let files = example.complete();
    let (keys, values) = check(&files)?;
    let mut printed = Vec::new();
    for fence in &example.expected {
        let text = match fence.kind.as_str() {
            "key" => keys.clone(),
            "json" => values.clone(),
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

/// Evaluates `build.rbld`, holds its findings against the announced ones, and lists its derivations and, as JSON,
/// the values of its `let` items.
fn check(files: &BTreeMap<String, String>) -> Result<(String, String), Failed> {
    let packages = packages(files)?;
    let mut loader = MemoryLoader::default();
    for (name, text) in files.iter().filter(|(name, _)| !name.starts_with('<')) {
        loader.files.insert(name.clone(), text.clone());
    }
    loader.packages = packages.values().map(|package| (package.tree, package.files.clone())).collect();
    let host = Host { arch: Arch::Amd64 };
    let project = rbld_lang::load("build.rbld", &loader);
    let evaluated = rbld_lang::evaluate(&project, &loader, &host);
    let lock =
        files.get("rbld.lock").map(|text| lock::parse(text)).transpose().map_err(|e| format!("{e:?}"))?;
    let (plan, instantiated) = rbld_lang::instantiate(&evaluated, lock.as_ref(), &host);

    let mut open = announced(files);
    let mut wrong = Vec::new();
    let mut seen = Vec::new();
    for diagnostic in evaluated.diagnostics.iter().chain(&instantiated) {
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
    for (name, expected) in files.get("build.rbld").into_iter().flat_map(|text| values(text)) {
        match evaluated.values.get(name).map(|value| value.show()) {
            Some(value) if value == expected => {}
            Some(value) => wrong.push(format!("`{name}` is {value}, not {expected}")),
            None => wrong.push(format!("`{name}` has no value")),
        }
    }
    for example in
        project.modules.first().into_iter().flat_map(|root| rbld_lang::examples::examples(&project, root))
    {
        let ran = rbld_lang::examples::run(&example, &loader, &host);
        wrong.extend(
            ran.wrong.iter().map(|found| format!("{}: [{}] {}", example.name, found.code.0, found.message)),
        );
    }
    if !wrong.is_empty() {
        wrong.extend(
            packages.iter().map(|(name, package)| format!("the tree of <{name}> is sha256:{}", package.tree)),
        );
        return Err(wrong.join("\n").into());
    }
    let mut keys = String::new();
    for named in &plan.names {
        writeln!(keys, "{} {}", named.name, named.id.0)?;
    }
    let mut values = String::new();
    let lets = files.get("build.rbld").into_iter().flat_map(|text| text.lines());
    let names = lets.filter_map(|line| line.strip_prefix("let ")?.split([' ', ':', '=']).next());
    for (name, value) in names.filter_map(|name| Some((name, evaluated.values.get(name)?))) {
        writeln!(values, "{name} {}", rbld_lang::layout::json(value))?;
    }
    Ok((keys, values))
}

/// The names of `let` items and the values that the example says they have.
fn values(text: &str) -> Vec<(&str, &str)> {
    let value = |line| {
        let (item, value): (&str, &str) = str::split_once(line, "# => ")?;
        let name = item.strip_prefix("let ")?.split(|c: char| !c.is_alphanumeric() && c != '_').next()?;
        Some((name, value.trim()))
    };
    text.lines().filter_map(value).collect()
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
            // What an example in documentation announces is its own.
            if line.starts_with("##") {
                continue;
            }
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

/// A package of an example.
struct Package {
    files: BTreeMap<String, String>,
    folder: Folder,
    tree: Digest,
}

impl Package {
    /// Puts it into a store, as a fetched one is.
    fn keep(&self, store: &Store) -> rbld::failure::Result<()> {
        let batch = store.batch()?;
        for text in self.files.values() {
            batch.bytes(text.as_bytes())?;
        }
        let object = tree::write(&batch, &self.folder)?;
        rbld::packages::keep(batch, &object, &[])
    }
}

/// The packages among the files of an example, by name.
fn packages(files: &BTreeMap<String, String>) -> Result<BTreeMap<String, Package>, Failed> {
    let mut packages: BTreeMap<String, Package> = BTreeMap::new();
    for (name, text) in files {
        let Some((name, path)) = name.strip_prefix('<').and_then(|name| name.split_once(">/")) else {
            continue;
        };
        let package = packages.entry(name.to_owned()).or_insert_with(|| Package {
            files: BTreeMap::new(),
            folder: Folder::default(),
            tree: Folder::default().digest(),
        });
        let node =
            Node::File { digest: Digest::of(text.as_bytes()), size: text.len() as u64, executable: false };
        package.folder.insert(path, node).map_err(|failure| failure.to_string())?;
        package.files.insert(path.to_owned(), text.clone());
        package.tree = package.folder.digest();
    }
    Ok(packages)
}

/// What `rbld plan` prints of the files.
fn print(files: &BTreeMap<String, String>, kind: &str) -> Result<String, Failed> {
    let place = Place::new()?;
    for (name, text) in files.iter().filter(|(name, _)| !name.starts_with('<')) {
        place.write(name, text)?;
    }
    let packages = packages(files)?;
    if !packages.is_empty() {
        let store = Store::open(place.store()).map_err(|failure| failure.to_string())?;
        for package in packages.values() {
            package.keep(&store).map_err(|failure| failure.to_string())?;
        }
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
        let from = text.find(&old).ok_or(format!("line {}: the fence is gone", fence.line))?;
        text.replace_range(from..from + old.len(), &new);
    }
    std::fs::write(chapter, text)?;
    Ok(())
}

//! The file: runs that differ in little are builds of one recipe.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use rbld_lang::derivation::Arch;
use rbld_lang::diagnostic::Severity;
use rbld_lang::digest::Digest;
use rbld_lang::loader::{LoadError, Loader, Local};
use rbld_lang::{Host, codes};

use super::Note;
use super::paths::{Output, ident, is_pattern, unique};
use super::runs::{Comparison, Run};
use super::shell::Installed;
use crate::draft::{comment, quoted};
use crate::failure::{Failure, Result};

/// How often a draft is mended: variables that aren't set, names that variables can't have.
const MENDED: usize = 20;

/// What GitLab sets in every job and means something here.
const KNOWN: [(&str, &str); 3] = [("CI", "true"), ("GITLAB_CI", "true"), ("CI_BUILDS_DIR", "/build")];

/// What a variable of a recipe holds.
#[derive(Clone, Debug)]
enum Held {
    Text(String),
    Parameter(String),
    /// Nothing in the pipeline says.
    Unknown,
}

/// A recipe and its builds.
struct Group<'a> {
    recipe: String,
    build: String,
    /// The names of the builds, one a run, when they are no matrix.
    builds: Vec<String>,
    runs: Vec<(usize, &'a Run)>,
    outputs: Vec<Output>,
    variables: BTreeMap<String, Held>,
    /// Parameters beside the environment: the name, and each run's value as the language writes it.
    parameters: Vec<(String, Vec<String>)>,
    /// Whether the builds are one matrix over environments.
    matrix: bool,
    /// Whether no job compares them.
    guessed: bool,
}

/// Writes the file, and notes what it doesn't say.
pub(super) fn file(
    name: &str,
    at: &str,
    arch: Arch,
    runs: &[Run],
    comparisons: &[Comparison],
    notes: &mut Vec<Note>,
) -> Result<String> {
    let mut taken: Vec<String> = ["at", "src"].map(str::to_owned).to_vec();
    let mut environments: Vec<(String, &'static str, &Installed)> = Vec::new();
    let mut of_run: Vec<String> = Vec::new();
    let mut groups = groups(runs, comparisons, notes);
    for run in runs {
        let known = environments.iter().find(|(_, suite, set)| *suite == run.suite && **set == run.installed);
        let name = match known {
            Some((name, ..)) => name.clone(),
            None => unique(run.suite.to_owned(), &mut taken),
        };
        if known.is_none() {
            environments.push((name.clone(), run.suite, &run.installed));
        }
        of_run.push(name);
    }
    environments.retain(|(name, ..)| {
        groups.iter().any(|group| group.runs.iter().any(|(run, _)| of_run[*run] == *name))
    });
    for group in &mut groups {
        group.vary(&of_run);
        group.build = unique(ident(&group.runs[0].1.job), &mut taken);
        group.recipe = unique(format!("{}_job", group.build), &mut taken);
        if !group.matrix && group.runs.len() > 1 {
            let one = group.runs.iter().all(|(_, run)| run.job == group.runs[0].1.job);
            for number in 0..group.runs.len() {
                let name = if one {
                    format!("{}_{}", group.build, number + 1)
                } else {
                    ident(&group.runs[number].1.job)
                };
                let name = if number == 0 && !one { group.build.clone() } else { unique(name, &mut taken) };
                group.builds.push(name);
            }
        }
    }
    let assertions = assertions(&groups, comparisons, &of_run, notes);
    let mut body =
        format!("let at = {at}\n\n## The project's folder, without what git ignores.\ninput src = ./\n\n");
    for (name, suite, installed) in &environments {
        body.push_str(&environment(name, suite, arch, installed));
    }
    for _ in 0..MENDED {
        let text = format!("{}{body}{}{assertions}", head(name, notes), written(&groups, &of_run));
        if !mend(&text, &mut groups, notes)? {
            return Ok(text);
        }
    }
    Err(Failure::bug("a draft can't be mended").help("please report it, with the pipeline"))
}

/// Runs by script and outputs. Of what is compared nowhere, only what could be is kept.
fn groups<'a>(runs: &'a [Run], comparisons: &[Comparison], notes: &mut Vec<Note>) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    for (number, run) in runs.iter().enumerate() {
        let compared = |output: &&Output| {
            comparisons.iter().any(|comparison| comparison.members.contains(&(number, output.name.clone())))
        };
        let mut outputs: Vec<Output> = run.outputs.iter().filter(compared).cloned().collect();
        let guessed = outputs.is_empty();
        if guessed {
            outputs.clone_from(&run.outputs);
        }
        let alike = |group: &&mut Group<'a>| {
            let names = |outputs: &[Output]| {
                outputs.iter().map(|o| (o.name.clone(), o.is_file())).collect::<Vec<_>>()
            };
            group.runs[0].1.script == run.script
                && names(&group.outputs) == names(&outputs)
                && group.guessed == guessed
        };
        match groups.iter_mut().find(alike) {
            Some(group) => group.runs.push((number, run)),
            None => groups.push(Group {
                recipe: String::new(),
                build: String::new(),
                builds: Vec::new(),
                runs: vec![(number, run)],
                outputs,
                variables: BTreeMap::new(),
                parameters: Vec::new(),
                matrix: false,
                guessed,
            }),
        }
    }
    groups.retain(|group| {
        let alone = group.guessed && group.runs.len() < 2;
        if alone {
            let line = group.outputs.first().map_or(1, |output| output.line);
            notes.push(Note::new(
                line,
                format!("nothing is compared with what job `{}` leaves", group.runs[0].1.job),
            ));
        }
        !alone
    });
    groups
}

impl Group<'_> {
    /// Finds what differs between the runs, which the recipe then takes as parameters.
    fn vary(&mut self, of_run: &[String]) {
        let mut taken: Vec<String> = vec!["e".to_owned(), "src".to_owned()];
        let names: Vec<String> =
            self.runs.iter().flat_map(|(_, run)| run.variables.keys().cloned()).collect();
        for name in names {
            if self.variables.contains_key(&name) {
                continue;
            }
            let values: Vec<String> = self
                .runs
                .iter()
                .map(|(_, run)| run.variables.get(&name).cloned().unwrap_or_default())
                .collect();
            let held = if values.iter().all(|value| *value == values[0]) {
                Held::Text(values[0].clone())
            } else {
                let parameter = unique(ident(&name), &mut taken);
                self.parameters.push((parameter.clone(), values.iter().map(|value| quoted(value)).collect()));
                Held::Parameter(parameter)
            };
            self.variables.insert(name, held);
        }
        for output in &mut self.outputs {
            let of = |run: &Run| run.outputs.iter().find(|o| o.name == output.name).map(|o| o.path.clone());
            let paths: Vec<String> = self.runs.iter().map(|(_, run)| of(run).unwrap_or_default()).collect();
            if let Some(template) = template(&paths, &self.parameters) {
                output.path = template;
            } else if paths.iter().any(|path| *path != paths[0]) {
                let parameter = unique(format!("{}_path", output.name), &mut taken);
                self.parameters.push((parameter, paths.iter().map(|path| quoted(path)).collect()));
            }
        }
        let key = |at: usize| {
            let values: Vec<&str> = self.parameters.iter().map(|(_, values)| values[at].as_str()).collect();
            (of_run[self.runs[at].0].as_str(), values)
        };
        let count = self.runs.len();
        let twins = (0..count).any(|one| (0..one).any(|other| key(one) == key(other)));
        self.matrix = count > 1 && self.parameters.is_empty() && !twins;
        if twins {
            // Runs that differ in nothing are built apart by a number.
            let parameter = unique("round".to_owned(), &mut taken);
            self.parameters.push((parameter.clone(), (1..=count).map(|number| number.to_string()).collect()));
            self.variables.insert("ROUND".to_owned(), Held::Parameter(parameter));
        }
    }

    /// How the language names a run's build.
    fn reference(&self, at: usize, of_run: &[String]) -> String {
        match (self.matrix, self.runs.len()) {
            (true, _) => format!("{}[{}]", self.build, of_run[self.runs[at].0]),
            (false, 1) => self.build.clone(),
            (false, _) => self.builds[at].clone(),
        }
    }

    fn recipe(&self) -> String {
        let mut text = format!("\nrecipe {}(e: Env", self.recipe);
        for (name, values) in &self.parameters {
            let number = values.iter().all(|value| value.parse::<u64>().is_ok());
            let _ = write!(text, ", {name}: {}", if number { "Int" } else { "String" });
        }
        text.push_str(") {\n  env = e\n  inputs = { src }\n  workdir = \"src\"\n  shell = \"bash\"\n");
        if !self.variables.is_empty() {
            text.push_str("  vars = {\n");
            for (name, held) in &self.variables {
                let _ = match held {
                    Held::Text(value) => writeln!(text, "    {name} = {}", quoted(value)),
                    Held::Parameter(parameter) => writeln!(text, "    {name} = {parameter}"),
                    Held::Unknown => {
                        writeln!(text, "    {name} = \"\"  # nothing in the pipeline says what it holds")
                    }
                };
            }
            text.push_str("  }\n");
        }
        text.push_str(&script(&self.runs[0].1.script));
        text.push_str("  outputs = {\n");
        for output in &self.outputs {
            let parameter = format!("{}_path", output.name);
            let path = match self.parameters.iter().any(|(name, _)| *name == parameter) {
                true => parameter,
                false => literal(&output.path, &self.parameters),
            };
            let form = if output.is_file() { "file" } else { "files" };
            let _ = writeln!(text, "    {} = {form}({path})", output.name);
        }
        text.push_str("  }\n}\n");
        text
    }

    fn builds(&self, of_run: &[String]) -> String {
        if self.matrix {
            let keys: Vec<&str> = self.runs.iter().map(|(run, _)| of_run[*run].as_str()).collect();
            return format!("\nbuild {} for e in [{}] = {}(e)\n", self.build, keys.join(", "), self.recipe);
        }
        let mut text = String::from("\n");
        for (at, (run, _)) in self.runs.iter().enumerate() {
            let _ = write!(text, "build {} = {}({}", self.reference(at, of_run), self.recipe, of_run[*run]);
            for (name, values) in &self.parameters {
                let _ = write!(text, ", {name} = {}", values[at]);
            }
            text.push_str(")\n");
        }
        text
    }
}

/// A path that all runs have once a parameter is filled in, if one differs by nothing else: `out-@{release}/a.tar`.
fn template(paths: &[String], parameters: &[(String, Vec<String>)]) -> Option<String> {
    if paths.iter().all(|path| *path == paths[0]) {
        return None;
    }
    parameters.iter().find_map(|(name, values)| {
        let made = |at: usize| {
            let value = values[at].trim_matches('"');
            (!value.is_empty()).then(|| paths[at].replace(value, &format!("@{{{name}}}")))
        };
        let first = made(0)?;
        (0..paths.len()).all(|at| made(at).as_ref() == Some(&first)).then_some(first)
    })
}

/// A path as the language writes it, parameters left to be filled in.
fn literal(path: &str, parameters: &[(String, Vec<String>)]) -> String {
    let mut text = quoted(path);
    for (name, _) in parameters {
        text = text.replace(&format!("\\@{{{name}}}"), &format!("@{{{name}}}"));
    }
    text
}

fn written(groups: &[Group<'_>], of_run: &[String]) -> String {
    groups.iter().map(|group| group.recipe() + &group.builds(of_run)).collect()
}

fn head(name: &str, notes: &mut Vec<Note>) -> String {
    const SHOWN: usize = 60;
    notes.sort();
    notes.dedup();
    let mut text = String::from("rbld 1\n");
    text.push_str(&comment(&format!(
        "Drafted by `rbld import` from {name}. Scripts are as they were there."
    )));
    if !notes.is_empty() {
        text.push_str("#\n# Not carried over, or not as it was; by line of that file:\n");
    }
    for note in notes.iter().take(SHOWN) {
        text.push_str(&comment(&format!("{}: {}", note.line, note.text)));
    }
    if notes.len() > SHOWN {
        let _ = writeln!(text, "# and {} more", notes.len() - SHOWN);
    }
    text + "\nuse std.debian\n\n"
}

fn environment(name: &str, suite: &str, arch: Arch, installed: &Installed) -> String {
    let list = |names: &[String]| names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ");
    const WIDE: usize = 40;
    let wide = list(&installed.packages).len() + list(&installed.build_depends).len() > WIDE;
    let break_at = if wide { "\n  " } else { " " };
    let mut text = format!("env {name} = debian.snapshot({suite}, at).env({}", arch.name());
    if !installed.packages.is_empty() {
        let _ = write!(text, ",{break_at}packages = [{}]", list(&installed.packages));
    }
    if !installed.build_depends.is_empty() {
        let _ = write!(text, ",{break_at}build_depends = [{}]", list(&installed.build_depends));
    }
    text + ")\n"
}

/// The script as it is: its lines indented, between more quotes than stand in it.
fn script(script: &str) -> String {
    let mut longest = 0;
    let mut run = 0;
    for letter in script.chars() {
        run = if letter == '"' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let quotes = "\"".repeat(longest.max(2) + 1);
    let mut text = format!("  run = {quotes}\n");
    for line in script.replace("\r\n", "\n").lines() {
        let line: String = line.chars().map(|c| if c.is_control() && c != '\t' { ' ' } else { c }).collect();
        let _ = writeln!(text, "{}{line}", if line.trim().is_empty() { "" } else { "    " });
    }
    let _ = writeln!(text, "    {quotes}");
    text
}

fn assertions(
    groups: &[Group<'_>],
    comparisons: &[Comparison],
    of_run: &[String],
    notes: &mut Vec<Note>,
) -> String {
    let mut text = String::from("\n");
    let mut taken = Vec::new();
    let place = |run: usize| {
        groups.iter().find_map(|group| Some((group, group.runs.iter().position(|(known, _)| *known == run)?)))
    };
    for Comparison { name, line, members, digest } in comparisons {
        let mut references = Vec::new();
        let (mut kinds, mut patterns) = (Vec::new(), false);
        for (run, output) in members {
            let Some((group, at)) = place(*run) else { continue };
            let found = group.outputs.iter().find(|known| known.name == *output);
            kinds.extend(found.map(Output::is_file));
            patterns |= found.is_some_and(|output| is_pattern(&output.path));
            references.push(format!("{}.{output}", group.reference(at, of_run)));
        }
        kinds.dedup();
        let whole = members.first().and_then(|(run, output)| {
            let (group, _) = place(*run)?;
            let all = group.matrix
                && group.runs.len() == members.len()
                && members
                    .iter()
                    .all(|(run, other)| other == output && group.runs.iter().any(|(known, _)| known == run));
            all.then(|| format!("{}.*.{output}", group.build))
        });
        let list = whole.unwrap_or_else(|| match references.len() {
            1 => references[0].clone(),
            _ => format!("[{}]", references.join(", ")),
        });
        let name = unique(name.clone(), &mut taken);
        match (digest, kinds.as_slice()) {
            (Some(digest), [true]) if digest.bytes().any(|digit| digit != b'0') => {
                let _ = writeln!(text, "assert {} matches({list}, sha256:{digest})", quoted(&name));
            }
            (None, [_]) => {
                let _ = writeln!(text, "assert {} identical({list})", quoted(&name));
                if patterns {
                    let what = "names of files that a pattern matches are compared too: where they differ from job to \
                                job, give the file one name and write `file(\"NAME\")`";
                    notes.push(Note::new(*line, format!("`{name}`: {what}")));
                }
            }
            _ => notes.push(Note::new(
                *line,
                format!("`{name}`: files and folders, or a digest of more than a file, aren't compared"),
            )),
        }
    }
    for group in groups.iter().filter(|group| group.guessed) {
        text.push_str("# A guess: no job was found that compares these.\n");
        for output in &group.outputs {
            let name = unique(format!("{}: {}", group.runs[0].1.job, output.name), &mut taken);
            let list: Vec<String> = (0..group.runs.len())
                .map(|at| format!("{}.{}", group.reference(at, of_run), output.name))
                .collect();
            let list = match group.matrix {
                true => format!("{}.*.{}", group.build, output.name),
                false => format!("[{}]", list.join(", ")),
            };
            let _ = writeln!(text, "assert {} identical({list})", quoted(&name));
        }
    }
    text
}

/// A project of the draft alone: its folder is some folder.
struct Alone<'a>(&'a str);

impl Loader for Alone<'_> {
    fn source(&self, path: &str) -> std::result::Result<String, LoadError> {
        if path == "build.rbld" { Ok(self.0.to_owned()) } else { Err(LoadError::Missing) }
    }

    fn local(&self, _path: &str) -> std::result::Result<Local, LoadError> {
        Ok(Local { digest: Digest::of(b""), folder: true, executable: false })
    }
}

/// Mends what checking finds; says whether there was anything.
fn mend(text: &str, groups: &mut [Group<'_>], notes: &mut Vec<Note>) -> Result<bool> {
    let loader = Alone(text);
    let project = rbld_lang::load("build.rbld", &loader);
    let evaluated = rbld_lang::evaluate(&project, &loader, &Host { arch: Arch::Amd64 });
    let wrong = evaluated
        .diagnostics
        .iter()
        .filter(|found| found.severity == Severity::Error && found.code != codes::LOCK);
    let mut mended = false;
    let mut left = Vec::new();
    for found in wrong {
        let name = found.message.split('`').nth(1).unwrap_or_default().trim_start_matches('$').to_owned();
        let mut used = false;
        for group in groups.iter_mut() {
            let script = &group.runs[0].1.script;
            let mentions = [format!("${name}"), format!("${{{name}")];
            let mentions = |text: &str| mentions.iter().any(|mention| text.contains(mention));
            let line =
                group.runs[0].1.lines.iter().find(|line| mentions(&line.text)).map_or(1, |line| line.line);
            if group.variables.remove(&name).is_some() {
                notes.push(Note::new(
                    line,
                    format!("variable `{name}` is the same in every build, or a shell's own"),
                ));
                used = true;
            } else if found.code == codes::VARIABLE && mentions(script) {
                let known =
                    KNOWN.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
                let held = known.map_or(Held::Unknown, Held::Text);
                if matches!(held, Held::Unknown) {
                    notes.push(Note::new(
                        line,
                        format!("nothing says what `${name}` holds: it is empty until you say"),
                    ));
                }
                group.variables.insert(name.clone(), held);
                used = true;
            }
        }
        mended |= used;
        if !used {
            left.push(found.message.clone());
        }
    }
    match left.first() {
        Some(first) if !mended => Err(Failure::bug("the draft doesn't check")
            .fact(first.clone())
            .help("please report it, with the pipeline")),
        _ => Ok(mended),
    }
}

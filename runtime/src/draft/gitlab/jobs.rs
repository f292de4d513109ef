//! The jobs of a pipeline, as GitLab would run them: defaults, `extends` and `!reference` followed, matrices written out. What
//! they do isn't looked at here.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::Note;
use super::yaml::{Node, Value};

/// Keys at the top that are no jobs.
const WORDS: [&str; 13] = [
    "after_script",
    "before_script",
    "cache",
    "default",
    "image",
    "include",
    "pages:deploy",
    "services",
    "spec",
    "stages",
    "types",
    "variables",
    "workflow",
];

/// How many templates a job may extend, one through another.
const EXTENDS: usize = 11;

/// The most jobs, matrices written out.
const MOST: usize = 500;

/// Where the project is in a build.
pub(super) const PROJECT: &str = "/build/src";

/// A line of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Where it stands.
    pub(super) line: usize,
    /// Its text, which may be several lines.
    pub(super) text: String,
}

/// One run of a job: of a matrix, one combination.
#[derive(Clone, Debug)]
pub(super) struct Job {
    /// Its name in the file.
    pub(super) name: String,
    /// Where it stands.
    pub(super) line: usize,
    /// The image, variables filled in, and where it stands.
    pub(super) image: Option<(String, usize)>,
    /// Its variables.
    pub(super) variables: BTreeMap<String, String>,
    /// `before_script` and `script`.
    pub(super) script: Vec<Line>,
    /// The paths of its artifacts, and where they stand.
    pub(super) artifacts: Vec<(String, usize)>,
}

/// The jobs, in the order of the file, and what of the pipeline means nothing here.
pub(super) fn jobs(root: &Rc<Node>) -> (Vec<Job>, Vec<Note>) {
    let mut notes = Vec::new();
    let mut jobs = Vec::new();
    if let Some(include) = root.get("include") {
        notes.push(Note::new(include.line, "`include` isn't followed: jobs of other files aren't here"));
    }
    for (name, node) in root.entries() {
        let is_job = !WORDS.contains(&name.as_str()) && !name.starts_with('.');
        if !is_job || !matches!(node.value, Value::Map(_)) {
            continue;
        }
        let whole = extended(root, node, &mut notes, 0);
        if whole.get("trigger").is_some() {
            notes.push(Note::new(node.line, format!("job `{name}` starts another pipeline")));
            continue;
        }
        for combination in matrix(&whole, &mut notes) {
            if jobs.len() < MOST {
                jobs.push(job(root, name, &whole, combination, &mut notes));
            }
        }
    }
    (jobs, notes)
}

/// A job with what it extends: maps are merged, everything else is the job's own.
fn extended(root: &Rc<Node>, job: &Rc<Node>, notes: &mut Vec<Note>, depth: usize) -> Rc<Node> {
    let Some(extends) = job.get("extends") else { return job.clone() };
    let mut whole: Option<Rc<Node>> = None;
    for parent in extends.elements() {
        let name = parent.text().unwrap_or_default();
        let Some(found) = root.get(name) else {
            notes.push(Note::new(
                parent.line,
                format!("`extends: {name}` names a job that isn't in this file"),
            ));
            continue;
        };
        if depth >= EXTENDS {
            notes.push(Note::new(
                parent.line,
                format!("`extends` goes on for more than {EXTENDS} jobs; GitLab refuses that"),
            ));
            return job.clone();
        }
        let found = extended(root, found, notes, depth + 1);
        whole = Some(match whole {
            None => found,
            Some(whole) => merged(&whole, &found),
        });
    }
    whole.map_or_else(|| job.clone(), |whole| merged(&whole, job))
}

fn merged(below: &Rc<Node>, above: &Rc<Node>) -> Rc<Node> {
    let (Value::Map(lower), Value::Map(upper)) = (&below.value, &above.value) else { return above.clone() };
    let mut entries: Vec<(String, Rc<Node>)> = lower.clone();
    for (key, value) in upper {
        match entries.iter_mut().find(|(known, _)| known == key) {
            Some((_, known)) => *known = merged(known, value),
            None => entries.push((key.clone(), value.clone())),
        }
    }
    Node::map(above.line, entries)
}

/// The combinations of `parallel: matrix`, one empty one without.
fn matrix(job: &Rc<Node>, notes: &mut Vec<Note>) -> Vec<BTreeMap<String, String>> {
    let Some(parallel) = job.get("parallel") else { return vec![BTreeMap::new()] };
    let Some(matrix) = parallel.get("matrix") else {
        notes.push(Note::new(
            parallel.line,
            "`parallel` with a number: runs that differ in nothing are one build",
        ));
        return vec![BTreeMap::new()];
    };
    let mut all = Vec::new();
    for entry in matrix.elements() {
        let mut combinations = vec![BTreeMap::new()];
        for (name, values) in entry.entries() {
            let values: Vec<String> =
                values.elements().iter().filter_map(|value| value.text().map(str::to_owned)).collect();
            let with = |base: &BTreeMap<String, String>, value: &String| {
                let mut base = base.clone();
                base.insert(name.clone(), value.clone());
                base
            };
            combinations = combinations
                .iter()
                .flat_map(|base| values.iter().map(move |value| with(base, value)))
                .take(MOST)
                .collect();
        }
        all.extend(combinations);
    }
    all.truncate(MOST);
    if all.is_empty() { vec![BTreeMap::new()] } else { all }
}

fn job(
    root: &Rc<Node>,
    name: &str,
    job: &Rc<Node>,
    matrix: BTreeMap<String, String>,
    notes: &mut Vec<Note>,
) -> Job {
    let default = root.get("default");
    let inherited = |key: &str| {
        job.get(key).or_else(|| default.and_then(|d| d.get(key))).or_else(|| root.get(key)).cloned()
    };
    let mut variables = BTreeMap::new();
    for from in [root.get("variables"), job.get("variables")].into_iter().flatten() {
        for (name, value) in from.entries() {
            let value = value.get("value").unwrap_or(value);
            variables.insert(name.clone(), value.text().unwrap_or_default().to_owned());
        }
    }
    variables.extend(matrix.clone());
    variables.insert("CI_JOB_NAME".to_owned(), named(name, &matrix));
    variables.insert("CI_PROJECT_DIR".to_owned(), PROJECT.to_owned());
    let plain = variables.clone();
    for value in variables.values_mut() {
        *value = filled(value, &plain);
    }
    let image = inherited("image").and_then(|image| {
        let named = image.get("name").cloned().unwrap_or(image);
        Some((filled(named.text()?, &variables), named.line))
    });
    let mut script = Vec::new();
    for key in ["before_script", "script"] {
        if let Some(lines) = inherited(key) {
            flatten(root, &lines, &mut script, notes, 0);
        }
    }
    let paths = inherited("artifacts").and_then(|artifacts| artifacts.get("paths").cloned());
    let artifacts = paths.map(|paths| paths.elements()).unwrap_or_default();
    let artifacts =
        artifacts.iter().filter_map(|path| Some((filled(path.text()?, &variables), path.line))).collect();
    for (key, why) in [
        ("services", "no other program runs beside a recipe"),
        ("after_script", "a recipe ends with its script"),
        ("secrets", "a recipe has no secrets"),
        ("retry", "a build that fails now and then is a failure"),
        ("tags", "which machine builds isn't said here; environments are of this machine's architecture"),
        ("timeout", "a recipe has one hour, or its own `timeout`"),
        ("allow_failure", "say `expect = different(\"why\")` at an assertion that is known not to hold"),
    ] {
        if let Some(found) = job.get(key) {
            notes.push(Note::new(found.line, format!("`{key}`: {why}")));
        }
    }
    Job { name: name.to_owned(), line: job.line, image, variables, script, artifacts }
}

/// How GitLab names a job of a matrix.
fn named(name: &str, matrix: &BTreeMap<String, String>) -> String {
    if matrix.is_empty() {
        return name.to_owned();
    }
    format!("{name}: [{}]", matrix.values().map(String::as_str).collect::<Vec<_>>().join(", "))
}

/// The lines of a script, lists in lists and references followed.
fn flatten(root: &Rc<Node>, node: &Rc<Node>, lines: &mut Vec<Line>, notes: &mut Vec<Note>, depth: usize) {
    const NESTED: usize = 10;
    match &node.value {
        Value::Text(text) => lines.push(Line { line: node.line, text: text.trim_end().to_owned() }),
        Value::List(elements) if depth < NESTED => {
            for element in elements {
                flatten(root, element, lines, notes, depth + 1);
            }
        }
        Value::Reference(path) if depth < NESTED => {
            match path.iter().try_fold(root.clone(), |node, key| node.get(key).cloned()) {
                Some(found) => flatten(root, &found, lines, notes, depth + 1),
                None => notes
                    .push(Note::new(node.line, format!("`!reference [{}]` leads nowhere", path.join(", ")))),
            }
        }
        Value::Null => {}
        _ => notes.push(Note::new(node.line, "this is no line of a script")),
    }
}

/// A text with the variables that are known filled in.
pub(super) fn filled(text: &str, variables: &BTreeMap<String, String>) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        filled.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let (braced, body) = match after.strip_prefix('{') {
            Some(body) => (true, body),
            None => (false, after),
        };
        let end = body.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(body.len());
        let closes = !braced || body[end..].starts_with('}');
        match variables.get(&body[..end]).filter(|_| closes) {
            Some(value) => {
                filled.push_str(value);
                rest = &body[end + usize::from(braced)..];
            }
            None => {
                filled.push('$');
                rest = after;
            }
        }
    }
    filled.push_str(rest);
    filled
}

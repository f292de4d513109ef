//! Values as the texts that `unchanged(…)` keeps: data as it is written in a file, and of environments, inputs and builds
//! all that the file says of them, with all that they stand on.
//!
//! The text is the same on every machine and knows no lock: which packages a request came to, and which bytes a file of
//! the project holds, is no part of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::derivation::{OutputSpec, Shell};
use crate::digest::Manifest;
use crate::layout;
use crate::loader::Place;
use crate::lock::Request;
use crate::syntax::show_instant;
use crate::value::{Build, Env, EnvSource, Image, ImageAt, Input, Record, Source, Staged, Value};

/// The most that is kept of one value, in bytes.
const MOST: u64 = 16 << 20;

/// The text that is kept of a value, in lines; nothing when that is too much.
pub fn text(value: &Value) -> Option<String> {
    let mut outline = Outline { left: MOST, ..Outline::default() };
    outline.meet(value, &mut MOST.clone())?;
    let whole = match value {
        // What has a part of its own below isn't named above it as well.
        Value::Build(_) | Value::Env(_) | Value::Input(_) | Value::Matrix(_) => String::new(),
        _ => layout::layout(value) + "\n",
    };
    outline.write(&whole)?;
    while let Some(part) = outline.open.pop_front() {
        let before = std::mem::take(&mut outline.text);
        outline.part(part)?;
        let part = std::mem::replace(&mut outline.text, before);
        if outline.told.contains(&part) {
            continue;
        }
        if !outline.text.is_empty() {
            outline.text.push('\n');
        }
        outline.text.push_str(&part);
        outline.told.insert(part);
    }
    Some(outline.text)
}

/// Takes off `left` what a value takes at least as text, if there is enough: parts that are shared within it count as
/// often as they stand in it.
pub(crate) fn weigh(value: &Value, left: &mut u64) -> Option<()> {
    *left = left.checked_sub(1)?;
    match value {
        Value::Text(text) => *left = left.checked_sub(text.len() as u64)?,
        Value::List(items) => items.iter().try_for_each(|item| weigh(item, left))?,
        Value::Record(record) => record.values.iter().try_for_each(|value| weigh(value, left))?,
        Value::Map(map) => map.values().try_for_each(|value| weigh(value, left))?,
        _ => {}
    }
    Some(())
}

/// What is described apart.
#[derive(Clone, Copy)]
enum Part<'v> {
    Env(&'v Env),
    Input(&'v Input),
    Build(&'v Build),
}

/// A text that grows, and what it has still to tell.
#[derive(Default)]
struct Outline<'v> {
    text: String,
    left: u64,
    open: VecDeque<Part<'v>>,
    /// What was met, by address; environments by what they ask for.
    met: BTreeSet<usize>,
    environments: BTreeSet<&'v Request>,
    /// The parts that were written: what was made anew for each cell of a matrix is told once.
    told: BTreeSet<String>,
}

impl<'v> Outline<'v> {
    fn write(&mut self, text: &str) -> Option<()> {
        self.left = self.left.checked_sub(text.len() as u64)?;
        self.text.push_str(text);
        Some(())
    }

    fn fact(&mut self, name: &str, value: &str) -> Option<()> {
        self.write(&format!("  {name} = {value}\n"))
    }

    /// Notes the environments, inputs and builds in a value.
    fn meet(&mut self, value: &'v Value, left: &mut u64) -> Option<()> {
        *left = left.checked_sub(1)?;
        match value {
            Value::Text(text) => *left = left.checked_sub(text.len() as u64)?,
            Value::List(items) => items.iter().try_for_each(|item| self.meet(item, left))?,
            Value::Record(record) => record.values.iter().try_for_each(|value| self.meet(value, left))?,
            Value::Map(map) => map.values().try_for_each(|value| self.meet(value, left))?,
            Value::Env(env) => self.meet_env(env),
            Value::Input(input) => self.meet_input(input),
            Value::Build(build) => self.meet_build(build),
            Value::Output(output) => self.meet_build(&output.build),
            Value::Matrix(matrix) => matrix.cells.values().for_each(|build| self.meet_build(build)),
            _ => {}
        }
        Some(())
    }

    fn meet_env(&mut self, env: &'v Arc<Env>) {
        let new = match env.request() {
            // One request may be laid over several environments.
            Some(_) if env.base().is_some() => self.met.insert(Arc::as_ptr(env) as usize),
            Some(request) => self.environments.insert(request),
            None => self.met.insert(Arc::as_ptr(env) as usize),
        };
        if new {
            self.open.push_back(Part::Env(env));
        }
    }

    fn meet_input(&mut self, input: &'v Arc<Input>) {
        if self.met.insert(Arc::as_ptr(input) as usize) {
            self.open.push_back(Part::Input(input));
        }
    }

    fn meet_build(&mut self, build: &'v Arc<Build>) {
        if self.met.insert(Arc::as_ptr(build) as usize) {
            self.open.push_back(Part::Build(build));
        }
    }

    fn part(&mut self, part: Part<'v>) -> Option<()> {
        match part {
            Part::Env(env) => {
                self.write(&format!("{}\n", env_name(env)))?;
                match &env.source {
                    EnvSource::Packages(request) => self.request(request),
                    EnvSource::Staged(staged) => self.staged(staged),
                    EnvSource::Guix { request, base, emulator } => {
                        if let Some(base) = base {
                            self.meet_env(base);
                            self.fact("base", &env_name(base))?;
                        }
                        self.request(request)?;
                        self.emulator(*emulator)
                    }
                    EnvSource::Image(image) => self.image_at(image),
                }
            }
            Part::Input(input) => self.input(input),
            Part::Build(build) => self.build(build),
        }
    }

    fn image_at(&mut self, image: &'v ImageAt) -> Option<()> {
        for value in &image.from {
            let from = self.read(value);
            self.fact("from", &from)?;
        }
        if let Some(digest) = image.digest {
            self.fact("digest", &format!("sha256:{digest}"))?;
        }
        self.fact("arch", image.arch.name())?;
        self.emulator(image.emulator)
    }

    fn emulator(&mut self, instant: Option<i64>) -> Option<()> {
        match instant {
            Some(instant) => self.fact("emulator", &show_instant(instant)),
            None => Some(()),
        }
    }

    fn request(&mut self, request: &Request) -> Option<()> {
        let mut facts = Facts::default();
        request.manifest(&mut facts);
        self.write(&facts.text)
    }

    fn staged(&mut self, staged: &'v Staged) -> Option<()> {
        self.meet_env(&staged.base);
        self.fact("base", &env_name(&staged.base))?;
        for package in &staged.packages {
            let from = self.read(package);
            self.fact("packages", &from)?;
        }
        staged.add.iter().try_for_each(|name| self.fact("add", name))
    }

    fn input(&mut self, input: &'v Input) -> Option<()> {
        self.write(&format!("{}\n", input_name(input)))?;
        match &input.source {
            Source::Url { digest, name, .. } => {
                self.fact("name", &Value::text(name).show())?;
                self.fact("digest", &format!("sha256:{digest}"))
            }
            Source::Git { commit, submodules, .. } => {
                self.fact("commit", commit)?;
                self.fact("submodules", &submodules.to_string())
            }
            Source::Local { place, local } => {
                let kind = if local.folder { "folder" } else { "file" };
                self.fact(kind, &local_name(place))
            }
            Source::Package(request) => self.request(request),
            Source::Unpack { from, strip } => {
                let name = self.read(from);
                self.fact("unpack", &name)?;
                self.fact("strip", &strip.to_string())
            }
        }
    }

    fn build(&mut self, build: &'v Build) -> Option<()> {
        let name = build.name.as_ref().map_or_else(|| format!("of {}", build.recipe), ToString::to_string);
        self.write(&format!("build {name}\n"))?;
        if let Some(env) = &build.env {
            self.meet_env(env);
            self.fact("env", &env_name(env))?;
        }
        for (name, value) in build.inputs.iter() {
            let from = self.read(value);
            self.fact(&format!("inputs.{name}"), &from)?;
        }
        if let Some(image) = &build.image {
            return self.image(image);
        }
        if let Some(workdir) = &build.workdir {
            self.fact("workdir", workdir)?;
        }
        let shell = match build.shell {
            Shell::Sh => "sh",
            Shell::Bash => "bash",
        };
        self.fact("shell", shell)?;
        for (name, value) in sorted(&build.vars) {
            let value = value.to_text().unwrap_or_default();
            self.fact(&format!("vars.{name}"), &Value::text(value).show())?;
        }
        for (name, value) in sorted(&build.outputs) {
            let value = match value {
                Value::Spec(spec) => match &**spec {
                    OutputSpec::File(path) => format!("file({})", Value::text(path).show()),
                    OutputSpec::Files(pattern) => format!("files({})", Value::text(pattern).show()),
                },
                other => other.show(),
            };
            self.fact(&format!("outputs.{name}"), &value)?;
        }
        self.script(&build.script)
    }

    fn image(&mut self, image: &Image) -> Option<()> {
        match image {
            Image::One(arch, settings) => {
                self.fact("arch", arch.name())?;
                let mut facts = Facts::default();
                settings.manifest(&mut facts);
                self.write(&facts.text)
            }
            Image::Index(name) => self.fact("name", name),
        }
    }

    fn script(&mut self, script: &str) -> Option<()> {
        if !script.contains('\n') {
            return self.fact("run", &Value::text(script).show());
        }
        self.write("  run = \"\"\"\n")?;
        for line in script.split_inclusive('\n') {
            let indent = if line == "\n" { "" } else { "    " };
            self.write(indent)?;
            self.write(line)?;
        }
        self.write(if script.ends_with('\n') { "    \"\"\"\n" } else { "\"\"\"\n" })
    }

    /// What something that is read is called, noting it.
    fn read(&mut self, value: &'v Value) -> String {
        match value {
            Value::Input(input) => match (&input.name, &input.source) {
                (None, Source::Local { place, .. }) => local_name(place),
                _ => {
                    self.meet_input(input);
                    input_name(input)
                }
            },
            Value::Output(output) => {
                self.meet_build(&output.build);
                value.show().trim_matches(['<', '>']).to_owned()
            }
            other => other.show(),
        }
    }
}

/// The fields of a request, each on its line, and so each of the names in a list.
#[derive(Default)]
struct Facts {
    text: String,
    inside: bool,
}

impl Manifest for Facts {
    fn field(&mut self, name: &str, value: &[u8]) {
        let value = String::from_utf8_lossy(value);
        match (self.inside, name) {
            (true, _) => self.text += &format!("    {value}\n"),
            // The heading has it.
            (false, "kind") => {}
            (false, _) => self.text += &format!("  {name} = {value}\n"),
        }
    }

    fn open(&mut self, name: &str, count: usize) {
        self.inside = true;
        if count > 0 {
            self.text += &format!("  {name} =\n");
        }
    }

    fn close(&mut self) {
        self.inside = false;
    }
}

fn env_name(env: &Env) -> String {
    match &env.name {
        Some(name) => format!("environment {name}"),
        None => env.title(),
    }
}

fn input_name(input: &Input) -> String {
    match (&input.name, &input.source) {
        (Some(name), _) => format!("input {name}"),
        (None, Source::Url { name, .. }) => format!("url {}", Value::text(name).show()),
        (None, Source::Git { commit, .. }) => format!("git {commit}"),
        (None, Source::Local { place, .. }) => local_name(place),
        (None, Source::Package(request)) => request.title(),
        (None, Source::Unpack { .. }) => "unpacked".to_owned(),
    }
}

/// A file or folder of the project, or of a package, whose commit is no part of what is kept.
fn local_name(place: &Place) -> String {
    match place.package {
        None => format!("./{}", place.path),
        Some(_) => format!("<package>/{}", place.path),
    }
}

/// The fields of a record by name.
fn sorted(record: &Record) -> BTreeMap<&str, &Value> {
    record.iter().map(|(name, value)| (&**name, value)).collect()
}

//! Values: what expressions come to. Small, shared and immutable.
//!
//! Environments, inputs and builds are descriptions, not yet derivations: what a lock has to
//! say is added by `eval::instantiate`. An item's value knows the item's name, by which a
//! matrix has it as a key.

use std::fmt;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::derivation::{Arch, ImageName, ImageSettings, OutputSpec, Shell};
use crate::digest::Digest;
use crate::lock::{Request, SuiteAt};
use crate::plan::{Expect, Relation};
use crate::span::Span;
use crate::syntax::{show_date, show_instant};
use crate::types::{EnumType, Shape};

/// A value.
#[derive(Clone, Debug)]
pub enum Value {
    /// `none`.
    None,
    /// Of type `Bool`.
    Bool(bool),
    /// Of type `Int`.
    Int(i64),
    /// Seconds since 1970.
    Instant(i64),
    /// Days since 1970.
    Date(i64),
    /// Seconds.
    Duration(u64),
    /// Bytes.
    Size(u64),
    /// Hundredths of a percent.
    Percent(u32),
    /// Of type `String` or `Url`.
    Text(Arc<str>),
    /// Of type `Digest`.
    Digest(Arc<Digest>),
    /// Of type `Commit`: its digits.
    Commit(Arc<str>),
    /// A variant of an enum, by index.
    Variant(Arc<EnumType>, u32),
    /// Of type `List[T]`.
    List(Arc<[Value]>),
    /// A record.
    Record(Arc<Record>),
    /// Of type `Map[K, V]`, in the order written.
    Map(Arc<IndexMap<Key, Value>>),
    /// Of type `Archive`.
    Archive(Arc<Archive>),
    /// Of type `Env`.
    Env(Arc<Env>),
    /// Of type `Input`.
    Input(Arc<Input>),
    /// Of type `Build`.
    Build(Arc<Build>),
    /// An output of a build, of type `File` or `Files`.
    Output(Arc<Output>),
    /// A matrix.
    Matrix(Arc<Matrix>),
    /// `file(…)`, `files(…)`.
    Spec(Arc<OutputSpec>),
    /// `different(…)`, `flaky(…)`.
    Expect(Arc<Expect>),
    /// `tree(…)`, `deb(…)`, `content(…)`.
    Relation(Arc<Relation>),
    /// `signed(…)`, `unsigned(…)`.
    Witness(Arc<Witness>),
}

/// A record's names and values.
#[derive(Debug)]
pub struct Record {
    /// The names.
    pub shape: Arc<Shape>,
    /// The values, in the order of the names.
    pub values: Vec<Value>,
}

impl Record {
    /// Names and values in pairs.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Value)> {
        self.shape.names.iter().zip(&self.values)
    }
}

/// A key of a matrix or map.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// An item, by its name.
    Item(Arc<str>),
    /// A text.
    Text(Arc<str>),
    /// A number.
    Int(i64),
    /// A variant of an enum.
    Variant(Arc<str>),
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Key::Item(text) | Key::Text(text) | Key::Variant(text) => f.write_str(text),
            Key::Int(number) => write!(f, "{number}"),
        }
    }
}

/// A distribution's archive as of an instant.
#[derive(Clone, Debug)]
pub struct Archive {
    /// Which suites of what, and when.
    pub at: SuiteAt,
    /// Packages that every environment of it holds.
    pub always: Vec<String>,
    /// The item it is the value of.
    pub name: Option<Arc<str>>,
}

/// An environment as asked for.
#[derive(Clone, Debug)]
pub struct Env {
    /// What it is made of.
    pub source: EnvSource,
    /// Where it was asked for.
    pub span: Span,
    /// The item it is the value of.
    pub name: Option<Arc<str>>,
}

/// What an environment is made of.
#[derive(Clone, Debug)]
pub enum EnvSource {
    /// Packages of a distribution, locked: always a [`Request::Environment`].
    Packages(Arc<Request>),
    /// Another environment, packages that builds made in place of its own.
    Staged(Staged),
    /// Store items of Guix, locked, by themselves or laid over an environment.
    Guix {
        /// Always a [`Request::Guix`].
        request: Arc<Request>,
        /// What they are laid over.
        base: Option<Arc<Env>>,
        /// The instant of the archive that an emulator would come from, where the file names one.
        emulator: Option<i64>,
    },
    /// A container image.
    Image(ImageAt),
}

/// An environment with packages in place of those of equal name and architecture.
#[derive(Clone, Debug)]
pub struct Staged {
    /// Where they come in: made of packages, or itself staged.
    pub base: Arc<Env>,
    /// Where the packages are: each an [`Value::Input`] or [`Value::Output`].
    pub packages: Vec<Value>,
    /// Names of packages that come in although `base` has none of that name.
    pub add: Vec<String>,
    /// How many environments it is staged over, one on the other.
    pub layers: u32,
    /// How many inputs and builds lie below it.
    pub depth: u32,
}

impl Env {
    /// What has to be locked for it, where anything has.
    pub fn request(&self) -> Option<&Arc<Request>> {
        match &self.source {
            EnvSource::Packages(request) | EnvSource::Guix { request, .. } => Some(request),
            EnvSource::Staged(_) | EnvSource::Image(_) => None,
        }
    }

    /// The architecture of its programs.
    pub fn arch(&self) -> Option<Arch> {
        let bottom = self.bottom();
        if let EnvSource::Image(image) = &bottom.source {
            return Some(image.arch);
        }
        match bottom.request().map(|request| &**request) {
            Some(Request::Environment { arch, .. } | Request::Guix { arch, .. }) => Some(*arch),
            _ => None,
        }
    }

    /// The environment that all stages below it began with.
    fn bottom(&self) -> &Env {
        let mut env = self;
        while let EnvSource::Staged(staged) = &env.source {
            env = &staged.base;
        }
        env
    }

    /// How many inputs and builds lie below it.
    pub fn depth(&self) -> u32 {
        match &self.source {
            EnvSource::Packages(_) => 0,
            EnvSource::Guix { base, .. } => base.as_ref().map_or(0, |base| base.depth()),
            EnvSource::Staged(staged) => staged.depth,
            EnvSource::Image(image) => image.depth,
        }
    }

    /// The instant that its archive is pinned to, from which an emulator comes too; of what has no archive, the one
    /// that the file names for an emulator.
    pub fn instant(&self) -> Option<i64> {
        match &self.bottom().source {
            EnvSource::Packages(request) => request.suite().map(|suite| suite.instant),
            EnvSource::Guix { base, emulator, .. } => match base {
                Some(base) => base.instant(),
                None => *emulator,
            },
            EnvSource::Image(image) => image.emulator,
            EnvSource::Staged(_) => None,
        }
    }

    /// The environment that it is made over, where it is made over one.
    pub fn base(&self) -> Option<&Arc<Env>> {
        match &self.source {
            EnvSource::Packages(_) | EnvSource::Image(_) => None,
            EnvSource::Staged(staged) => Some(&staged.base),
            EnvSource::Guix { base, .. } => base.as_ref(),
        }
    }

    /// The inputs and outputs that it is made from.
    pub fn reads(&self) -> &[Value] {
        match &self.source {
            EnvSource::Packages(_) | EnvSource::Guix { .. } => &[],
            EnvSource::Staged(staged) => &staged.packages,
            EnvSource::Image(image) => &image.from,
        }
    }

    /// It in words, when it has no name.
    pub fn title(&self) -> String {
        match &self.source {
            EnvSource::Packages(request) => request.title(),
            EnvSource::Staged(_) => format!("{} with built packages", self.bottom().title()),
            EnvSource::Guix { request, base: None, .. } => request.title(),
            EnvSource::Guix { request, base: Some(base), .. } => {
                format!("{} on {}", request.title(), base.title())
            }
            EnvSource::Image(image) => image.title(),
        }
    }
}

/// A container image that is an environment.
#[derive(Clone, Debug)]
pub struct ImageAt {
    /// Its name in a registry, where it is from one.
    pub name: Option<ImageName>,
    /// The folder it is in, where it is in one: a [`Value::Input`] or [`Value::Output`].
    pub from: Vec<Value>,
    /// Which one it is: always there for one from a registry.
    pub digest: Option<Digest>,
    /// The architecture.
    pub arch: Arch,
    /// The instant of the archive that an emulator would come from, where the file names one.
    pub emulator: Option<i64>,
    /// How many inputs and builds lie below it.
    pub depth: u32,
}

impl ImageAt {
    fn title(&self) -> String {
        let digest = self.digest.map(|digest| format!(" sha256:{}", digest.short())).unwrap_or_default();
        match &self.name {
            Some(name) => format!("image {name}{digest} {}", self.arch.name()),
            None => format!("image{digest} {}", self.arch.name()),
        }
    }
}

/// Something that a build reads.
#[derive(Clone, Debug)]
pub struct Input {
    /// What it is.
    pub source: Source,
    /// Where it was written.
    pub span: Span,
    /// The item it is the value of.
    pub name: Option<Arc<str>>,
    /// How many inputs and builds lie below it.
    pub depth: u32,
}

/// What an input is made from.
#[derive(Clone, Debug)]
pub enum Source {
    /// `fetch.url`.
    Url {
        /// Where it may be had.
        urls: Vec<String>,
        /// Its digest.
        digest: Digest,
        /// Its file name.
        name: String,
    },
    /// `fetch.git`.
    Git {
        /// The repository.
        url: String,
        /// The commit.
        commit: String,
        /// Its tag or branch.
        reference: Option<String>,
        /// Whether submodules are filled in.
        submodules: bool,
    },
    /// `./path`.
    Local {
        /// Where it is.
        place: crate::loader::Place,
        /// What the loader said of it.
        local: crate::loader::Local,
    },
    /// `archive.source(…)`: the request, always [`Request::Source`].
    Package(Arc<Request>),
    /// `fetch.unpack(…)`.
    Unpack {
        /// What is unpacked: an [`Value::Input`] or [`Value::Output`].
        from: Value,
        /// Leading parts of names left out.
        strip: u32,
    },
}

/// Somebody else's word for what a build gives.
#[derive(Clone, Debug)]
pub struct Witness {
    /// What a person calls it.
    pub name: String,
    /// Where it is written.
    pub span: Span,
    /// The list of sums, or the folder that holds it: a [`Value::Input`] or [`Value::Output`], as the others here.
    pub sums: Value,
    /// Its path in the folder.
    pub at: Option<Arc<str>>,
    /// How it is believed.
    pub trust: Trust,
}

/// Why a witness is believed.
#[derive(Clone, Debug)]
pub enum Trust {
    /// By one of these keys.
    Keys {
        /// The signature, where it is in a file of its own that isn't beside the list.
        signature: Option<Value>,
        /// The keys.
        keys: Value,
    },
    /// For this reason.
    Reason(Arc<str>),
}

/// A recipe applied.
#[derive(Clone, Debug)]
pub struct Build {
    /// The name of the recipe.
    pub recipe: Arc<str>,
    /// Its environment; an image that is written needs none.
    pub env: Option<Arc<Env>>,
    /// The image that it writes, where it runs nothing: its environment is the lowest layer, and what it reads are its
    /// files by their paths, or the images of an index.
    pub image: Option<Arc<Image>>,
    /// What it reads: [`Value::Input`] or [`Value::Output`] by name.
    pub inputs: Arc<Record>,
    /// The input where the script starts.
    pub workdir: Option<Arc<str>>,
    /// The script.
    pub script: Arc<str>,
    /// What runs it.
    pub shell: Shell,
    /// The variables given to it, values with a text.
    pub vars: Arc<Record>,
    /// The declared outputs: [`Value::Spec`] by name.
    pub outputs: Arc<Record>,
    /// Seconds.
    pub timeout: u64,
    /// Where it was applied.
    pub span: Span,
    /// The cell or item it is the value of.
    pub name: Option<Cell>,
    /// How many inputs and builds lie below it.
    pub depth: u32,
}

/// A container image, or an index of several, that is written.
#[derive(Clone, Debug)]
pub enum Image {
    /// An image.
    One(Arch, ImageSettings),
    /// An index, and the name that it has in its folder.
    Index(String),
}

impl Drop for Env {
    fn drop(&mut self) {
        let mut open = Vec::new();
        self.lay_open(&mut open);
        take_apart(open);
    }
}

impl Drop for Build {
    fn drop(&mut self) {
        let mut open = Vec::new();
        self.lay_open(&mut open);
        take_apart(open);
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        let mut open = Vec::new();
        self.lay_open(&mut open);
        take_apart(open);
    }
}

impl Env {
    fn lay_open(&mut self, open: &mut Vec<Value>) {
        match &mut self.source {
            EnvSource::Packages(_) | EnvSource::Guix { .. } => {}
            EnvSource::Staged(staged) => open.append(&mut staged.packages),
            EnvSource::Image(image) => open.append(&mut image.from),
        }
    }
}

impl Build {
    /// Gives away what it stands on, if nobody else has it.
    fn lay_open(&mut self, open: &mut Vec<Value>) {
        if let Some(inputs) = Arc::get_mut(&mut self.inputs) {
            open.append(&mut inputs.values);
        }
        open.extend(self.env.take().map(Value::Env));
    }
}

impl Input {
    fn lay_open(&mut self, open: &mut Vec<Value>) {
        if let Source::Unpack { from, .. } = &mut self.source {
            open.push(std::mem::replace(from, Value::None));
        }
    }
}

/// Drops what builds stand on one by one: a tower of them may be higher than the stack is deep.
fn take_apart(mut open: Vec<Value>) {
    while let Some(value) = open.pop() {
        match value {
            Value::Output(output) => {
                if let Some(mut build) =
                    Arc::into_inner(output).and_then(|output| Arc::into_inner(output.build))
                {
                    build.lay_open(&mut open);
                }
            }
            Value::Input(input) => {
                if let Some(mut input) = Arc::into_inner(input) {
                    input.lay_open(&mut open);
                }
            }
            Value::Env(env) => {
                if let Some(mut env) = Arc::into_inner(env) {
                    env.lay_open(&mut open);
                }
            }
            _ => {}
        }
    }
}

/// The name of a build: an item, and the keys in its matrix.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    /// The item.
    pub item: Arc<str>,
    /// Its keys; none for a single build.
    pub keys: Arc<[Key]>,
}

impl Cell {
    /// The keys as a person writes them, without the item: `trisquel11`, `amd64, ucf`; the item for a single build.
    pub fn key(&self) -> String {
        if self.keys.is_empty() {
            return self.item.to_string();
        }
        self.keys.iter().map(Key::to_string).collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.keys.is_empty() {
            true => f.write_str(&self.item),
            false => write!(f, "{}[{}]", self.item, self.key()),
        }
    }
}

/// An output of a build.
#[derive(Clone, Debug)]
pub struct Output {
    /// Whose.
    pub build: Arc<Build>,
    /// Which.
    pub output: Arc<str>,
}

/// A matrix of builds.
#[derive(Clone, Debug)]
pub struct Matrix {
    /// The item.
    pub name: Arc<str>,
    /// How many keys each cell has.
    pub axes: usize,
    /// The cells, in the order of the axes.
    pub cells: IndexMap<Arc<[Key]>, Arc<Build>>,
}

impl Value {
    /// A text.
    pub fn text(text: impl AsRef<str>) -> Value {
        Value::Text(Arc::from(text.as_ref()))
    }

    /// What a script, a `@{…}` and `text(…)` see of it; `None` for what has no text.
    pub fn to_text(&self) -> Option<String> {
        Some(match self {
            Value::Bool(value) => value.to_string(),
            Value::Int(value) => value.to_string(),
            Value::Instant(seconds) => show_instant(*seconds),
            Value::Date(days) => show_date(*days),
            Value::Duration(value) | Value::Size(value) => value.to_string(),
            Value::Percent(value) => percent(*value),
            Value::Text(text) | Value::Commit(text) => text.to_string(),
            Value::Digest(digest) => digest.to_hex(),
            Value::Variant(of, index) => of.variants.get(*index as usize)?.clone(),
            _ => return None,
        })
    }

    /// It as it would be written in a file, or nearly; what can't be written, such as an environment, in angle
    /// brackets.
    pub fn show(&self) -> String {
        let list = |items: &mut dyn Iterator<Item = String>| items.collect::<Vec<_>>().join(", ");
        match self {
            Value::None => "none".to_owned(),
            Value::Text(text) => format!("\"{}\"", escaped(text)),
            Value::Digest(digest) => format!("sha256:{digest}"),
            Value::Commit(commit) => format!("commit:{commit}"),
            Value::Duration(seconds) => {
                measured(*seconds, &[("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)])
            }
            Value::Size(bytes) => {
                measured(*bytes, &[("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)])
            }
            Value::List(items) => format!("[{}]", list(&mut items.iter().map(Value::show))),
            Value::Record(record) if record.values.is_empty() => "{}".to_owned(),
            Value::Record(record) => {
                let pair = |(name, value): (&Arc<str>, &Value)| format!("{name} = {}", value.show());
                format!("{{ {} }}", list(&mut record.iter().map(pair)))
            }
            Value::Map(map) => {
                let pair = |(key, value): (&Key, &Value)| format!("{key} = {}", value.show());
                format!("{{ {} }}", list(&mut map.iter().map(pair)))
            }
            Value::Archive(archive) => {
                let at = &archive.at;
                format!("<archive {} {} {}>", at.archive, at.suite, show_instant(at.instant))
            }
            Value::Env(env) => format!("<{}>", env.title()),
            Value::Input(input) => format!("<input {}>", input.name.as_deref().unwrap_or("without a name")),
            Value::Build(build) => match &build.name {
                Some(cell) => format!("<build {cell}>"),
                None => format!("<build of {}>", build.recipe),
            },
            Value::Output(output) => {
                let build = output
                    .build
                    .name
                    .as_ref()
                    .map_or_else(|| output.build.recipe.to_string(), Cell::to_string);
                format!("<output {build}.{}>", output.output)
            }
            Value::Matrix(matrix) => format!("<matrix {} of {}>", matrix.name, matrix.cells.len()),
            Value::Spec(spec) => match &**spec {
                OutputSpec::File(path) => format!("file(\"{}\")", escaped(path)),
                OutputSpec::Files(pattern) => format!("files(\"{}\")", escaped(pattern)),
            },
            Value::Expect(expect) => show_expect(expect),
            Value::Relation(relation) => {
                let why = relation.why.as_deref().unwrap_or_default();
                format!("{}(\"{}\")", relation.equality, escaped(why))
            }
            Value::Witness(witness) => format!("<witness {}>", witness.name),
            other => other.to_text().unwrap_or_default(),
        }
    }

    /// The key that this value is in a matrix or map; `None` for what has none, as an environment that isn't an
    /// item.
    pub fn key(&self) -> Option<Key> {
        match self {
            Value::Int(number) => Some(Key::Int(*number)),
            Value::Text(text) => Some(Key::Text(text.clone())),
            Value::Variant(of, index) => {
                of.variants.get(*index as usize).map(|name| Key::Variant(Arc::from(name.as_str())))
            }
            Value::Env(env) => env.name.clone().map(Key::Item),
            Value::Input(input) => input.name.clone().map(Key::Item),
            Value::Archive(archive) => archive.name.clone().map(Key::Item),
            Value::Build(build) => match &build.name {
                Some(Cell { keys, .. }) if keys.len() == 1 => keys.first().cloned(),
                Some(cell) => Some(Key::Item(Arc::from(cell.to_string()))),
                None => None,
            },
            _ => None,
        }
    }

    /// Whether two values of one comparable type are equal; nothing when that takes more than `steps`, of which each
    /// pair of values takes one: parts that are shared within a value are looked at as often as they stand in it.
    pub fn same(&self, other: &Value, steps: &mut u64) -> Option<bool> {
        *steps = steps.checked_sub(1)?;
        let mut all = |pairs: &mut dyn Iterator<Item = (&Value, &Value)>| {
            for (a, b) in pairs {
                if !a.same(b, steps)? {
                    return Some(false);
                }
            }
            Some(true)
        };
        Some(match (self, other) {
            (Value::None, Value::None) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Int(a), Value::Int(b))
            | (Value::Instant(a), Value::Instant(b))
            | (Value::Date(a), Value::Date(b)) => a == b,
            (Value::Duration(a), Value::Duration(b)) | (Value::Size(a), Value::Size(b)) => a == b,
            (Value::Percent(a), Value::Percent(b)) => a == b,
            (Value::Text(a), Value::Text(b)) | (Value::Commit(a), Value::Commit(b)) => a == b,
            (Value::Digest(a), Value::Digest(b)) => a == b,
            (Value::Variant(_, a), Value::Variant(_, b)) => a == b,
            (Value::List(a), Value::List(b)) => a.len() == b.len() && all(&mut a.iter().zip(b.iter()))?,
            (Value::Record(a), Value::Record(b)) => {
                a.values.len() == b.values.len() && all(&mut a.values.iter().zip(&b.values))?
            }
            (Value::Map(a), Value::Map(b)) => {
                a.len() == b.len()
                    && a.keys().all(|key| b.contains_key(key))
                    && all(&mut a.iter().filter_map(|(key, a)| Some((a, b.get(key)?))))?
            }
            _ => false,
        })
    }
}

/// A modifier as it is written.
fn show_expect(expect: &Expect) -> String {
    match expect {
        Expect::Holds => "holds".to_owned(),
        Expect::Different { why, until, category, owner } => {
            let until = until.map(|end| format!(", until = {}", show_date(end.div_euclid(86_400) - 1)));
            let category = category.map(|category| format!(", category = {}", category.name()));
            let owner = owner.as_ref().map(|owner| format!(", owner = \"{}\"", escaped(owner)));
            let more = [until, category, owner].map(Option::unwrap_or_default).concat();
            format!("different(\"{}\"{more})", escaped(why))
        }
        Expect::Flaky { why, owner } => {
            format!("flaky(\"{}\", owner = \"{}\")", escaped(why), escaped(owner))
        }
    }
}

/// A text as it stands between quotes.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '"' => escaped.push_str("\\\""),
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '\t' => escaped.push_str("\\t"),
            other => escaped.push(other),
        }
    }
    escaped.replace("@{", "\\@{")
}

/// A number of the largest unit that divides it.
fn measured(value: u64, units: &[(&str, u64)]) -> String {
    let unit = units.iter().find(|(_, size)| value != 0 && value.is_multiple_of(*size));
    match unit.or(units.last()) {
        Some((unit, size)) => format!("{}{unit}", value / size),
        None => value.to_string(),
    }
}

/// `30%`, `97.5%` of hundredths of a percent.
pub fn percent(hundredths: u32) -> String {
    let (whole, part) = (hundredths / 100, hundredths % 100);
    match (part, part % 10) {
        (0, _) => format!("{whole}%"),
        (_, 0) => format!("{whole}.{}%", part / 10),
        _ => format!("{whole}.{part:02}%"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_sizes_and_texts_read_as_they_are_written() {
        assert_eq!(percent(3000), "30%");
        assert_eq!(percent(9750), "97.5%");
        assert_eq!(percent(9905), "99.05%");
        assert_eq!(Value::Duration(5400).show(), "90m");
        assert_eq!(Value::Size(0).show(), "0B");
        assert_eq!(Value::text("a\"\n@{b}").show(), r#""a\"\n\@{b}""#);
    }
}

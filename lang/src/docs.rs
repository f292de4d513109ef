//! Documentation: the items of a project's files or of the standard library with their types, the `##` lines above them,
//! and the parts that can be documented: parameters, fields, values and outputs.
//!
//! Gathers what the checker and the sources say. How it is shown is not known here.

use crate::check::index::{Index, Shown};
use crate::check::{self, Program};
use crate::ir::ItemId;
use crate::loader::{Module, ModuleId, Project};
use crate::span::{Sources, Span};
use crate::syntax::ast::{Item, ItemKind};
use crate::types::{Outputs, Type};

/// How wide a declaration may be before each of its parameters has a line.
const WIDTH: usize = 96;

/// A documented file.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct ModuleDocs {
    /// `std.debian`, or the path of a file of the project.
    pub name: String,
    /// The `use` by which others have it.
    pub usage: String,
    /// The lines of the comment above its first line.
    pub docs: Vec<String>,
    /// Its items, in the order of the file.
    pub items: Vec<ItemDocs>,
}

/// A documented item.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct ItemDocs {
    /// The keyword that it begins with.
    pub kind: &'static str,
    /// Its name; the text of an assertion.
    pub name: String,
    /// Its declaration, without its body, in one line or several.
    pub signature: String,
    /// Its `##` lines.
    pub docs: Vec<String>,
    /// Its parameters, fields, values and outputs.
    pub parts: Vec<PartDocs>,
    /// The file that it is in, as people know it.
    pub file: String,
    /// Its line there, from one.
    pub line: usize,
}

/// A documented part of an item.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct PartDocs {
    /// What it is.
    pub kind: PartKind,
    /// Its name.
    pub name: String,
    /// Its type; nothing for a value of an enum.
    #[serde(rename = "type")]
    pub ty: Option<String>,
    /// What it is when left out, as written.
    pub default: Option<String>,
    /// The `##` lines above it.
    pub docs: Vec<String>,
}

/// The kinds of part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PartKind {
    /// Of a function or recipe.
    Parameter,
    /// Of a record type.
    Field,
    /// Of an enum.
    Value,
    /// Of a recipe or build.
    Output,
}

/// The documentation of some modules of a checked project.
pub fn docs(
    project: &Project,
    program: &Program,
    index: &Index,
    wanted: impl Fn(&Module) -> bool,
) -> Vec<ModuleDocs> {
    let of = |(id, module): (usize, &Module)| {
        let id = ModuleId(id as u32);
        let items = (0..program.items.len()).filter(|at| program.items[*at].module == id);
        ModuleDocs {
            name: module.path.clone(),
            usage: usage(module),
            docs: above_file(project, module),
            items: items
                .zip(&module.ast.items)
                .filter_map(|(at, item)| {
                    item_docs(project, item, index.meanings.get(ItemId(at as u32).index())?)
                })
                .collect(),
        }
    };
    project.modules.iter().enumerate().filter(|(_, module)| wanted(module)).map(of).collect()
}

/// The `use` by which another file has a module.
pub fn usage(module: &Module) -> String {
    if module.std {
        return format!("use {}", module.path);
    }
    let file = module.path.rsplit('/').next().unwrap_or(&module.path);
    let name: String = name_of(module);
    match file.strip_suffix(".rbld") == Some(&name) {
        true => format!("use ./{file}"),
        false => format!("use ./{file} as {name}"),
    }
}

/// The name that a module has in files that use it.
pub fn name_of(module: &Module) -> String {
    let last = match module.std {
        true => module.path.rsplit('.').next(),
        false => module.path.rsplit('/').next().map(|file| file.strip_suffix(".rbld").unwrap_or(file)),
    };
    let letter =
        |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '_' };
    let name: String = last.unwrap_or_default().chars().map(letter).collect();
    if name.starts_with(|first: char| first.is_ascii_digit()) { format!("_{name}") } else { name }
}

fn item_docs(project: &Project, item: &Item, meaning: &Shown) -> Option<ItemDocs> {
    let (name, place) = (check::name_of(item), item.span);
    if matches!(item.kind, ItemKind::Use { .. } | ItemKind::Test { .. }) || name.starts_with('_') {
        return None;
    }
    let one_line = signature(item, meaning, &project.sources);
    let signature = if one_line.chars().count() > WIDTH { broken(item, meaning, one_line) } else { one_line };
    Some(ItemDocs {
        kind: item.kind.keyword(),
        name: name.to_owned(),
        signature,
        docs: item.docs.clone(),
        parts: parts(item, meaning, &project.sources),
        file: project.sources.get(place.file).name.clone(),
        line: project.sources.position(place).0,
    })
}

/// The declaration of an item without its body, in one line; of a type as it is written.
pub fn signature(item: &Item, meaning: &Shown, sources: &Sources) -> String {
    let (keyword, name) = (item.kind.keyword(), check::name_of(item));
    match (&item.kind, &meaning.signature) {
        (ItemKind::Recipe { .. }, Some(signature)) => {
            let shown = signature.to_string();
            let head = shown.rsplit_once(" -> ").map_or("", |(head, _)| head);
            format!("recipe {head} {}", leaves(&signature.result))
        }
        (_, Some(signature)) => format!("{keyword} {signature}"),
        (ItemKind::Type { .. }, _) => undocumented(sources.slice(item.span)),
        (ItemKind::Assert { .. }, _) => format!("assert {}", quoted(name)),
        (ItemKind::Test { .. }, _) => format!("test {}", quoted(name)),
        _ => format!("{keyword} {name}: {}", meaning.ty),
    }
}

fn quoted(text: &str) -> String {
    crate::value::Value::text(text).show()
}

/// A type as written, without the comments in it.
fn undocumented(written: &str) -> String {
    let lines = written.lines().filter(|line| !line.trim_start().starts_with('#'));
    lines.collect::<Vec<_>>().join("\n")
}

/// What a recipe leaves behind.
fn leaves(result: &Type) -> String {
    let outputs =
        outputs(result).map(|outputs| outputs.outputs.keys().cloned().collect::<Vec<_>>().join(", "));
    format!("leaves {{ {} }}", outputs.unwrap_or_default())
}

/// A declaration with each parameter on its line.
fn broken(item: &Item, meaning: &Shown, one_line: String) -> String {
    let Some(signature) = &meaning.signature else { return one_line };
    let mut text = format!("{} {}(\n", item.kind.keyword(), signature.name);
    for param in &signature.params {
        text += &format!("  {param},\n");
    }
    match item.kind {
        ItemKind::Recipe { .. } => text + ") " + &leaves(&signature.result),
        _ => format!("{text}) -> {}", signature.result),
    }
}

fn outputs(ty: &Type) -> Option<&Outputs> {
    match ty {
        Type::Build(outputs) => outputs.as_deref(),
        Type::Matrix(matrix) => matrix.outputs.as_deref(),
        _ => None,
    }
}

/// The parts of an item, in the order written.
fn parts(item: &Item, meaning: &Shown, sources: &Sources) -> Vec<PartDocs> {
    let part = |kind, name: &str, ty: Option<String>, default: &str, span: Option<Span>| PartDocs {
        kind,
        name: name.to_owned(),
        ty,
        default: Some(default.to_owned()).filter(|default| !default.is_empty()),
        docs: span.map(|span| above(sources, span)).unwrap_or_default(),
    };
    let mut parts = Vec::new();
    let mut result = &meaning.ty;
    if let Some(signature) = &meaning.signature {
        result = &signature.result;
        parts.extend(signature.params.iter().map(|param| {
            part(PartKind::Parameter, &param.name, Some(param.ty.to_string()), &param.shown, param.place)
        }));
    }
    match (&item.kind, &meaning.ty) {
        (ItemKind::Type { .. }, Type::Enum(of)) if of.span.is_some() => {
            let places = of.variants.iter().zip(&of.places);
            parts.extend(places.map(|(name, place)| part(PartKind::Value, name, None, "", Some(*place))));
        }
        (ItemKind::Type { .. }, Type::Record(record)) => {
            let fields = record.fields.iter().map(|field| {
                let default = field.default.as_ref().map_or("", |default| sources.slice(default.span));
                part(PartKind::Field, &field.name, Some(field.ty.to_string()), default, Some(field.span))
            });
            parts.extend(fields);
        }
        _ => {}
    }
    if matches!(item.kind, ItemKind::Recipe { .. } | ItemKind::Build { .. }) {
        let outputs = outputs(result).into_iter().flat_map(|outputs| &outputs.outputs);
        parts.extend(outputs.map(|(name, (kind, place))| {
            part(PartKind::Output, name, Some(kind.ty().to_string()), "", Some(*place))
        }));
    }
    parts
}

/// The `##` lines right above the line that a name begins: of a parameter, field, value or output.
pub fn above(sources: &Sources, name: Span) -> Vec<String> {
    let text = &sources.get(name.file).text;
    let Some(before) = text.get(..name.start as usize) else { return Vec::new() };
    let line = before.rfind('\n').map_or(0, |at| at + 1);
    if !before[line..].trim().is_empty() {
        return Vec::new();
    }
    // In column 0 they belong to the next item.
    let indented = |line: &&str| line.starts_with([' ', '\t']) && line.trim_start().starts_with("##");
    let mut docs: Vec<String> =
        before[..line].lines().rev().take_while(indented).map(|line| doc(line.trim_start(), "##")).collect();
    docs.reverse();
    docs
}

/// A line of documentation without its mark and one blank.
fn doc(line: &str, mark: &str) -> String {
    let line = line.strip_prefix(mark).unwrap_or(line);
    line.strip_prefix(' ').unwrap_or(line).trim_end().to_owned()
}

/// The comment right above the first line of a file.
fn above_file(project: &Project, module: &Module) -> Vec<String> {
    let lines = lines_above_file(project, module);
    lines.into_iter().map(|(_, line)| line).collect()
}

/// The lines of the comment right above the first line of a file, with their numbers.
pub(crate) fn lines_above_file(project: &Project, module: &Module) -> Vec<(usize, String)> {
    let text = &project.sources.get(module.file).text;
    let Some(edition) = &module.ast.edition else { return Vec::new() };
    let line = project.sources.position(edition.span).0;
    let lines: Vec<&str> = text.lines().take(line - 1).collect();
    let mut docs: Vec<(usize, String)> = lines
        .iter()
        .enumerate()
        .rev()
        .take_while(|(_, line)| line.starts_with('#'))
        .map(|(at, line)| (at + 1, doc(line, if line.starts_with("##") { "##" } else { "#" })))
        .collect();
    docs.reverse();
    docs
}

/// The lines of an item's documentation, with their numbers.
pub(crate) fn lines_above(project: &Project, item: &Item) -> Vec<(usize, String)> {
    let text = &project.sources.get(item.span.file).text;
    let line = project.sources.position(item.span).0;
    let lines: Vec<&str> = text.lines().take(line - 1).collect();
    let mut docs: Vec<(usize, String)> = lines
        .iter()
        .enumerate()
        .rev()
        .filter(|(_, line)| line.starts_with("##"))
        .take(item.docs.len())
        .map(|(at, line)| (at + 1, doc(line, "##")))
        .collect();
    docs.reverse();
    docs
}

/// A function, method or type that is built into the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Builtin {
    /// Its name.
    pub name: &'static str,
    /// What it takes and gives.
    pub signature: &'static str,
    /// What it does.
    pub docs: &'static str,
}

/// What needs no `use`.
pub const BUILTINS: &[Builtin] = &[
    Builtin {
        name: "file",
        signature: "file(path: String)",
        docs: "In a recipe's `outputs`: one regular file that the script leaves, relative to where it starts.",
    },
    Builtin {
        name: "files",
        signature: "files(pattern: String)",
        docs: "In a recipe's `outputs`: the files that a pattern matches, at least one; with `/` at its end, a folder with all it holds.",
    },
    Builtin {
        name: "length",
        signature: "length(x: List[T] | Map[K, V] | matrix) -> Int",
        docs: "How many elements a list, a map or a matrix has.",
    },
    Builtin {
        name: "join",
        signature: "join(list: List[String], sep: String) -> String",
        docs: "The texts of a list with `sep` between them.",
    },
    Builtin {
        name: "text",
        signature: "text(value: T) -> String",
        docs: "The text of a value, as `@{value}` writes it.",
    },
    Builtin {
        name: "default",
        signature: "default(value: T?, otherwise: T) -> T",
        docs: "The value, or `otherwise` when it is `none`.",
    },
    Builtin {
        name: "iterate",
        signature: "iterate(n: Int, start: T, function: fn(T) -> T) -> List[T]",
        docs: "`start` and what `function` makes of the last element, `n` times, at most 1000. A function of two parameters is also given the round, from 1.",
    },
    Builtin {
        name: "different",
        signature: "different(why: String, until: Date? = none, category: upstream | environment | newer_inputs = none, owner: String? = none)",
        docs: "What `expect =` of an assertion takes: it is to fail, for this reason, and says so once it doesn't, or once the day `until` is over. `category` and `owner` say whose matter it is.",
    },
    Builtin {
        name: "flaky",
        signature: "flaky(why: String, owner: String)",
        docs: "What `expect =` of an assertion takes: it fails now and then, for this reason. A mismatch is shown and counted and is no failure.",
    },
    Builtin {
        name: "tree",
        signature: "tree(why: String)",
        docs: "What `compare =` of an assertion takes: archives are compared by the trees that they hold, names, bytes, executable bits and links, not by times, owners, order or how they are packed.",
    },
    Builtin {
        name: "deb",
        signature: "deb(why: String)",
        docs: "What `compare =` of an assertion takes: Debian's packages are compared by the trees of their control and data, with owners and modes, not by times, order or how they are packed; all else by its bytes.",
    },
    Builtin {
        name: "content",
        signature: "content(why: String)",
        docs: "What `compare =` of an assertion takes: archives are compared by the names and contents of their files, also of those packed inside of others.",
    },
    Builtin {
        name: "signed",
        signature: "signed(sums: Input, keys: Input, at: String? = none, signature: Input? = none)",
        docs: "A witness of `agreed`: a list of sha256 sums, signed by one of the keys. `sums` is the list, or a folder that holds it `at` a path; the signature is in the list itself, in `signature`, or beside it in the folder.",
    },
    Builtin {
        name: "unsigned",
        signature: "unsigned(sums: Input, why: String, at: String? = none)",
        docs: "A witness of `agreed`: a list of sha256 sums that nobody signed, and why it is believed.",
    },
    Builtin {
        name: "identical",
        signature: "assert \"…\" identical(members, within = groups, across = any | differ, at_least = percent, expect = different(why) | flaky(why, owner), compare = bytes | tree(why) | deb(why) | content(why))",
        docs: "The outputs are equal, or those of each group are; with `across = differ` no two groups are.",
    },
    Builtin {
        name: "matches",
        signature: "assert \"…\" matches(members, digest | output | archive, at_least = percent, expect = different(why))",
        docs: "Each output has the digest, equals the other output, or the files that an archive publishes.",
    },
    Builtin {
        name: "differ", signature: "assert \"…\" differ(a, b)", docs: "The two outputs aren't equal."
    },
    Builtin {
        name: "reproducible",
        signature: "assert \"…\" reproducible(build, times = 2, vary = [axis] | all, expect = different(why), compare = bytes)",
        docs: "The build, or the one output named, gives the same each time it is made: first as it is, then with what `vary` names changed.",
    },
    Builtin {
        name: "agreed",
        signature: "assert \"…\" agreed(output, k, of = [signed(…), unsigned(…), output], expect = different(why))",
        docs: "At least `k` witnesses, each counted once, say that the output is what they have built, and none says that it isn't.",
    },
    Builtin {
        name: "fixpoint",
        signature: "assert \"…\" fixpoint(chain, by = \"output\", at_least = percent, expect = different(why))",
        docs: "The last stage of a chain gives what the stage before gave: outputs, lists of outputs, or builds, of which `by` names the outputs.",
    },
    Builtin {
        name: "unchanged",
        signature: "test \"…\" unchanged(value: T)",
        docs: "The value, or the plan of the builds in it, is the one that `rbld test --bless` kept beside the file.",
    },
    Builtin {
        name: "env",
        signature: "ARCHIVE.env(arch: Arch, packages: List[String] = [], build_depends: List[String] = []) -> Env",
        docs: "An environment of an archive's packages and what they need, and of what the source packages named in `build_depends` are built with.",
    },
    Builtin {
        name: "source",
        signature: "ARCHIVE.source(name: String, arch: Arch = amd64) -> Input",
        docs: "A source package: a folder of its `.dsc` and the files that names.",
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loader::{MemoryLoader, library, load, load_library};

    fn of(text: &str) -> Vec<ModuleDocs> {
        let project = load("a-file.rbld", &MemoryLoader::new([("a-file.rbld", text)]));
        let (program, index) = check::index(&project, None);
        assert!(
            program.diagnostics.is_empty() && project.diagnostics.is_empty(),
            "{:?}",
            program.diagnostics
        );
        docs(&project, &program, &index, |module| !module.std)
    }

    #[test]
    fn what_is_said_of_a_part_stands_right_above_it() {
        let modules = of("# Of the file,\n## twice.\nrbld 1\n\n# not this\n## Of the item.\ntype T = {\n  \
                          ## Of a.\n  ##\n  ## More.\n  a: Int = 1\n## Of the next item.\n  b: Int, c: Int\n}\n\
                          fn f(\n  # not this\n  x: Int,\n  ## Of y.\n  y: T?, z: Int = 2,\n) -> Int = x\n");
        let [module] = &modules[..] else { panic!("{modules:?}") };
        assert_eq!(module.docs, ["Of the file,", "twice."]);
        assert_eq!(module.usage, "use ./a-file.rbld as a_file");
        let [ty, function] = &module.items[..] else { panic!("{module:?}") };
        assert_eq!(ty.docs, ["Of the item."]);
        assert_eq!(function.docs, ["Of the next item."]);
        assert_eq!((ty.line, function.line), (7, 15));
        let said = |item: &ItemDocs| -> Vec<(String, String)> {
            item.parts.iter().map(|part| (part.name.clone(), part.docs.join("/"))).collect()
        };
        let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, docs)| ((*name).to_owned(), (*docs).to_owned())).collect()
        };
        assert_eq!(said(ty), pairs(&[("a", "Of a.//More."), ("b", ""), ("c", "")]));
        assert_eq!(said(function), pairs(&[("x", ""), ("y", "Of y."), ("z", "")]));
        assert_eq!(ty.parts[0].default.as_deref(), Some("1"));
        assert_eq!(function.signature, "fn f(x: Int, y: T?, z: Int = 2) -> Int");
    }

    #[test]
    fn the_standard_library_is_documented() {
        for (name, _) in library() {
            let project = load_library(name, &MemoryLoader::default()).unwrap_or_else(|| panic!("{name}"));
            let (program, index) = check::index(&project, None);
            let modules = docs(&project, &program, &index, |module| module.path == name);
            let [module] = &modules[..] else { panic!("{name}") };
            assert!(!module.docs.is_empty(), "{name} says nothing above its first line");
            for item in &module.items {
                assert!(!item.docs.is_empty(), "{name}.{} is not documented", item.name);
            }
        }
    }

    #[test]
    fn what_is_built_in_is_documented() {
        let known: Vec<&str> = BUILTINS.iter().map(|builtin| builtin.name).collect();
        for name in check::builtin_names() {
            assert!(known.contains(&name), "{name}");
        }
    }
}

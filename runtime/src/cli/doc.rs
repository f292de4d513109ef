//! `rbld doc`: the documentation of a project's files, of the standard library, or of one name.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use rbld_lang::check;
use rbld_lang::diagnostic::Severity;
use rbld_lang::docs::{self, BUILTINS, Builtin, ModuleDocs};
use rbld_lang::loader::{self, MemoryLoader};
use rbld_lang::nearest::nearest;

use super::args::{self, DocFormat};
use super::output;
use super::project::{self, choose};
use crate::failure::{Doing, Failure, Result};
use crate::files::Files;
use crate::report::{self, Docs};

/// Prints the documentation of what is meant, or writes it into a folder.
pub(super) fn run(store: Option<&Path>, args: &args::Doc) -> Result<i32> {
    let Some(docs) = meant(args.what.as_deref(), store)? else { return Ok(2) };
    let files = rendered(&docs, args.format, args.output.is_some());
    match &args.output {
        None => files.iter().for_each(|(_, text)| output::text(text)),
        Some(folder) => {
            for (name, text) in &files {
                let path = folder.join(name);
                write(&path, text)?;
                output::line(&path.display().to_string());
            }
        }
    }
    Ok(0)
}

/// The files that documentation comes to, and their names.
fn rendered(docs: &Docs, format: DocFormat, into_files: bool) -> Vec<(PathBuf, String)> {
    let style = if into_files { report::Style::plain() } else { output::style() };
    match format {
        DocFormat::Text => vec![("docs.txt".into(), report::docs_text(docs, &style))],
        DocFormat::Html => vec![("index.html".into(), report::docs_html(docs))],
        DocFormat::Json => vec![("docs.json".into(), format!("{:#}\n", report::docs_json(docs)))],
        DocFormat::Markdown => {
            let mut files: Vec<(PathBuf, String)> = docs
                .modules
                .iter()
                .map(|module| (format!("{}.md", module.name).into(), report::module_markdown(module)))
                .collect();
            if !docs.builtins.is_empty() {
                files.push(("builtin.md".into(), report::builtins_markdown(&docs.builtins)));
            }
            for (_, text) in files.iter_mut().skip(1).filter(|_| !into_files) {
                text.insert(0, '\n');
            }
            files
        }
    }
}

/// What is documented; nothing when the file is wrong, which was said.
fn meant(what: Option<&str>, store: Option<&Path>) -> Result<Option<Docs>> {
    let Some(what) = what else { return of_file(&choose(&[])?.file, store) };
    if what == "std" {
        let modules = loader::library().filter_map(|(name, _)| library(name)).collect();
        let title = "The standard library of rbld".to_owned();
        return Ok(Some(Docs { title, modules, builtins: BUILTINS.to_vec() }));
    }
    // A folder that holds no project may well be called as an item is.
    if what.ends_with(".rbld") || what.contains('/') || Path::new(what).join("build.rbld").is_file() {
        return of_file(&choose(&[what.to_owned()])?.file, store);
    }
    let mut known: Vec<String> = BUILTINS.iter().map(|builtin| builtin.name.to_owned()).collect();
    if !what.starts_with("std.")
        && let Some(file) = project::above()?
    {
        let Some(project) = of_file(&file, store)? else { return Ok(None) };
        known.extend(names(&project.modules, &project.modules));
        if let Some(found) = within(what, project.modules) {
            return Ok(Some(found));
        }
    }
    let modules: Vec<ModuleDocs> = loader::library().filter_map(|(name, _)| library(name)).collect();
    known.extend(names(&modules, &[]));
    if let Some(found) = within(what.strip_prefix("std.").unwrap_or(what), modules) {
        return Ok(Some(found));
    }
    let builtins: Vec<Builtin> = BUILTINS.iter().filter(|builtin| builtin.name == what).copied().collect();
    if !builtins.is_empty() {
        return Ok(Some(Docs { title: what.to_owned(), modules: Vec::new(), builtins }));
    }
    let failure = Failure::input(format!("nothing is named `{what}` here or in the standard library"));
    Err(match nearest(what.strip_prefix("std.").unwrap_or(what), known.iter().map(String::as_str)) {
        Some(near) => failure.help(format!("did you mean `{near}`?")),
        None => failure.help("`rbld doc` shows the project's items, `rbld doc std` the standard library"),
    })
}

/// The name that a module has where it is used.
fn short(module: &ModuleDocs) -> &str {
    let used = module.usage.rsplit(' ').next().unwrap_or(&module.usage);
    let file = used.rsplit(['/']).next().unwrap_or(used);
    match file.strip_suffix(".rbld") {
        Some(name) => name,
        None => file.rsplit('.').next().unwrap_or(file),
    }
}

/// The names by which modules and their items can be asked for; those of `own` without the module before them.
fn names(modules: &[ModuleDocs], own: &[ModuleDocs]) -> Vec<String> {
    let own = own.iter().flat_map(|module| module.items.iter().map(|item| item.name.clone()));
    let of = |module: &ModuleDocs| {
        let items = module.items.iter().map(|item| format!("{}.{}", short(module), item.name));
        items.chain([short(module).to_owned()]).collect::<Vec<_>>()
    };
    own.chain(modules.iter().flat_map(of)).collect()
}

/// What a name means among modules: an item of the first, a module, an item of a module, an item anywhere.
fn within(name: &str, modules: Vec<ModuleDocs>) -> Option<Docs> {
    let in_project = modules.first().is_some_and(|module| !module.name.starts_with("std."));
    let only = |mut module: ModuleDocs, name: &str| {
        module.items.retain(|item| item.name == name);
        module.docs.clear();
        module
    };
    let has = |module: &ModuleDocs, name: &str| module.items.iter().any(|item| item.name == name);
    let mut found: Vec<ModuleDocs> = Vec::new();
    if let Some(first) = modules.first().filter(|first| in_project && has(first, name)) {
        found.push(only(first.clone(), name));
    } else if let Some(module) = modules.iter().find(|module| short(module) == name) {
        found.push(module.clone());
    } else if let Some((of, item)) = name.split_once('.') {
        let module = modules.iter().find(|module| short(module) == of && has(module, item));
        found.extend(module.map(|module| only(module.clone(), item)));
    } else if in_project {
        found.extend(modules.into_iter().filter(|module| has(module, name)).map(|module| only(module, name)));
    }
    (!found.is_empty()).then(|| Docs { title: name.to_owned(), modules: found, builtins: Vec::new() })
}

/// The documentation of a file and of the project's files that it uses.
fn of_file(file: &Path, store: Option<&Path>) -> Result<Option<Docs>> {
    let file = file.canonicalize().doing(|| format!("open `{}`", file.display()))?;
    let (root, name) = project::parts(&file)?;
    let loader = Files { root: root.to_owned(), packages: project::packages(store) };
    let lang = project::with_packages(name, root, &loader, store, project::Fetching::Yes(&[]))?;
    let (program, index) = check::index(&lang, None);
    let mut found = lang.diagnostics.clone();
    found.extend(program.diagnostics.iter().cloned());
    if found.iter().any(|found| found.severity == Severity::Error) {
        output::diagnostics(&lang.sources, &found);
        return Ok(None);
    }
    let modules = docs::docs(&lang, &program, &index, |module| {
        // What the folder is as a package has no items to use.
        module.is_own() && (module.path != rbld_lang::package::FILE || module.path == name)
    });
    let folder = root.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let title = if name == "build.rbld" { folder } else { name.to_owned() };
    Ok(Some(Docs { title, modules, builtins: Vec::new() }))
}

/// The documentation of a module of the standard library.
fn library(name: &str) -> Option<ModuleDocs> {
    let lang = rbld_lang::load_library(name, &MemoryLoader::default())?;
    let (program, index) = check::index(&lang, None);
    docs::docs(&lang, &program, &index, |module| module.path == name).pop()
}

/// Writes a file whole or not at all, with the folders that it is in.
fn write(path: &Path, text: &str) -> Result<()> {
    let doing = || format!("write `{}`", path.display());
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).doing(doing)?;
    let mut file = tempfile::Builder::new().prefix(".rbld.doc.").tempfile_in(folder).doing(doing)?;
    file.write_all(text.as_bytes()).doing(doing)?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    file.as_file().set_permissions(mode).doing(doing)?;
    file.persist(path).map_err(|error| error.error).doing(doing)?;
    Ok(())
}

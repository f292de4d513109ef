//! `rbld test`: the tests of a file and of the project's files that it uses, listed, and what is wrong with those that
//! fail. No lock is read, no store opened, nothing run.

use std::collections::BTreeMap;
use std::path::Path;

use rbld_lang::diagnostic::{Diagnostic, Severity};
use rbld_lang::eval::{Outcome, Test};
use rbld_lang::examples::{self, Example};
use rbld_lang::nearest::nearest;
use rbld_lang::span::{FileId, Sources};
use rbld_lang::{Evaluated, Host, codes};
use similar::TextDiff;

use super::args::{self, Format};
use super::output;
use super::project::{self, choose};
use crate::failure::{Doing, Failure, Result};
use crate::files::Files;
use crate::kept::{self, Kept};
use crate::report::{self, TestKind, TestOutcome, Tested};

/// Runs the tests that are named, all of them when none is.
pub(super) fn run(store: Option<&Path>, args: &args::Test) -> Result<i32> {
    let chosen = choose(&args.words)?;
    let file = chosen.file.canonicalize().doing(|| format!("open `{}`", chosen.file.display()))?;
    let (root, name) = project::parts(&file)?;
    let loader = Files { root: root.to_owned(), packages: project::packages(store) };
    let lang = project::with_packages(name, root, &loader, store, project::Fetching::Yes(&[]))?;
    let host = Host { arch: project::host_arch()? };
    let evaluated = rbld_lang::evaluate(&lang, &loader, &host);
    let wrong = |found: &Diagnostic| found.severity == Severity::Error && found.code != codes::TEST;
    if evaluated.diagnostics.iter().any(wrong) {
        say(args.format, 2, &evaluated.diagnostics, &lang.sources, &[]);
        return Ok(2);
    }
    let asked = asked(&lang, &evaluated);
    let mut run = Run {
        lang: &lang,
        root,
        kept: BTreeMap::new(),
        tested: Vec::new(),
        wrong: Vec::new(),
        sources: lang.sources.clone(),
    };
    for asked in select(&asked, &chosen.names, name)? {
        match asked {
            Asked::Test(test) => run.test(test, args.bless)?,
            Asked::Example(example) => run.example(example, &loader, &host),
        }
    }
    if chosen.names.is_empty() {
        run.left_over(&evaluated, args.bless)?;
    }
    if run.tested.is_empty() {
        return Err(Failure::input(format!(
            "`{name}` has no test and no example, so there is nothing to run"
        ))
        .help("add one: `test \"what holds\" version == \"1.0\"`, or `rbld check` for its assertions"));
    }
    if args.bless {
        for (path, kept) in &run.kept {
            kept.write(&kept::path(root, path))?;
        }
    }
    let code = i32::from(run.tested.iter().any(|test| test.outcome == TestOutcome::Fails));
    say(args.format, code, &run.wrong, &run.sources, &run.tested);
    Ok(code)
}

/// Prints what the tests came to.
fn say(format: Format, code: i32, found: &[Diagnostic], sources: &Sources, tested: &[Tested]) {
    match format {
        Format::Json => {
            output::line(&format!("{:#}", report::tested_json(code, found, sources, tested)));
        }
        Format::Text => {
            if !tested.is_empty() {
                output::text(&report::tested(tested, &output::style()));
            }
            output::diagnostics(sources, found);
        }
    }
}

/// What can be asked for.
enum Asked<'a> {
    Test(&'a Test),
    Example(Example),
}

impl Asked<'_> {
    fn name(&self) -> &str {
        match self {
            Asked::Test(test) => &test.name,
            Asked::Example(example) => &example.name,
        }
    }
}

/// The tests and the documentation's examples, by file.
fn asked<'a>(lang: &rbld_lang::Project, evaluated: &'a Evaluated) -> Vec<Asked<'a>> {
    let mut asked = Vec::new();
    for module in lang.modules.iter().filter(|module| module.is_own()) {
        let tests = evaluated.tests.iter().filter(|test| test.span.file == module.file);
        asked.extend(tests.map(Asked::Test));
        asked.extend(examples::examples(lang, module).into_iter().map(Asked::Example));
    }
    asked
}

/// Those that names mean: one of exactly this text, else all whose text holds it.
fn select<'t, 'a>(asked: &'t [Asked<'a>], names: &[String], file: &str) -> Result<Vec<&'t Asked<'a>>> {
    if names.is_empty() {
        return Ok(asked.iter().collect());
    }
    let mut chosen = vec![false; asked.len()];
    for name in names {
        let exact = asked.iter().any(|asked| asked.name() == name);
        let meant =
            |asked: &Asked<'_>| if exact { asked.name() == name } else { asked.name().contains(&**name) };
        let hits: Vec<usize> = (0..asked.len()).filter(|at| meant(&asked[*at])).collect();
        for at in &hits {
            chosen[*at] = true;
        }
        if hits.is_empty() {
            let failure = Failure::input(format!("`{file}` has no test `{name}`"));
            return Err(match nearest(name, asked.iter().map(Asked::name)) {
                Some(near) => failure.help(format!("did you mean \"{near}\"?")),
                None => failure.help("`rbld test` lists them; a part of a test's text is enough"),
            });
        }
    }
    Ok(asked.iter().zip(chosen).filter(|(_, chosen)| *chosen).map(|(asked, _)| asked).collect())
}

/// A run of tests.
struct Run<'a> {
    lang: &'a rbld_lang::Project,
    root: &'a Path,
    /// What is kept, by source; read when first asked for.
    kept: BTreeMap<String, Kept>,
    tested: Vec<Tested>,
    wrong: Vec<Diagnostic>,
    /// The project's texts, and those of examples in which something is wrong.
    sources: Sources,
}

impl Run<'_> {
    fn example(&mut self, example: &Example, loader: &Files, host: &Host) {
        let ran = examples::run(example, loader, host);
        let outcome = if ran.wrong.is_empty() { TestOutcome::Holds } else { TestOutcome::Fails };
        self.tested.push(Tested {
            file: self.lang.sources.get(example.file).name.clone(),
            line: example.line,
            name: example.name.clone(),
            kind: TestKind::Example,
            outcome,
            difference: String::new(),
        });
        let mut known: BTreeMap<FileId, FileId> = BTreeMap::new();
        for mut wrong in ran.wrong {
            for span in wrong
                .labels
                .iter_mut()
                .map(|label| &mut label.span)
                .chain(wrong.fixes.iter_mut().map(|fix| &mut fix.span))
            {
                let (sources, file) = (&mut self.sources, span.file);
                span.file = *known.entry(file).or_insert_with(|| {
                    let text = ran.sources.get(file);
                    sources.add(text.name.clone(), text.text.clone())
                });
            }
            self.wrong.push(wrong);
        }
    }

    fn test(&mut self, test: &Test, bless: bool) -> Result<()> {
        let source = self.lang.sources.get(test.span.file).name.clone();
        let (line, _) = self.lang.sources.position(test.span);
        let mut tested = Tested {
            file: source.clone(),
            line,
            name: test.name.to_string(),
            kind: TestKind::Condition,
            outcome: TestOutcome::Holds,
            difference: String::new(),
        };
        match &test.outcome {
            Outcome::Holds => {}
            Outcome::Fails(why) => {
                tested.outcome = TestOutcome::Fails;
                self.wrong.push((**why).clone());
            }
            Outcome::Unchanged(now) => {
                tested.kind = TestKind::Unchanged;
                let before = self.kept(&source)?.get(&test.name).map(str::to_owned);
                if before.as_deref() != Some(&**now) {
                    tested.difference =
                        before.as_deref().map(|before| difference(before, now)).unwrap_or_default();
                    if bless {
                        tested.outcome = TestOutcome::Kept;
                        self.kept(&source)?.set(&test.name, now);
                    } else {
                        tested.outcome = TestOutcome::Fails;
                        self.wrong.push(changed(test, &source, before.is_some()));
                    }
                }
            }
        }
        self.tested.push(tested);
        Ok(())
    }

    /// What is kept for a source.
    fn kept(&mut self, source: &str) -> Result<&mut Kept> {
        if !self.kept.contains_key(source) {
            let kept = Kept::read(&kept::path(self.root, source))?;
            self.kept.insert(source.to_owned(), kept);
        }
        Ok(self.kept.entry(source.to_owned()).or_default())
    }

    /// What is kept for tests that aren't there any more: a renamed test would pass over what it was asked before.
    fn left_over(&mut self, evaluated: &Evaluated, bless: bool) -> Result<()> {
        let lang = self.lang;
        for module in lang.modules.iter().filter(|module| module.is_own()) {
            let asks =
                |test: &&Test| test.span.file == module.file && matches!(test.outcome, Outcome::Unchanged(_));
            let tests: Vec<&str> = evaluated.tests.iter().filter(asks).map(|test| &*test.name).collect();
            let source = lang.sources.get(module.file).name.clone();
            let mut current = self.kept(&source)?.clone();
            current.retain(tests.iter().copied());
            let known = self.kept(&source)?;
            let gone: Vec<String> = known
                .tests()
                .filter(|name| !current.tests().any(|kept| kept == *name))
                .map(str::to_owned)
                .collect();
            if bless {
                *known = current;
                continue;
            }
            for name in gone {
                let shown = shown(&source);
                self.tested.push(Tested {
                    file: shown.clone(),
                    line: 1,
                    name: format!("test {name}, which `{source}` doesn't have"),
                    kind: TestKind::Unchanged,
                    outcome: TestOutcome::Fails,
                    difference: String::new(),
                });
                let top = rbld_lang::span::Span { file: module.file, start: 0, end: 0 };
                let message = format!("`{shown}` keeps something for a test {name} that isn't there");
                self.wrong.push(
                    Diagnostic::error(codes::CHANGED, message, top, "no test of this file is called so").help(
                        "if it was renamed or taken out, `rbld test --bless` lets go what was kept; if it was lost, \
                         write it again",
                    ),
                );
            }
        }
        Ok(())
    }
}

/// The file that keeps what a source's tests ask for, as people know it.
fn shown(source: &str) -> String {
    kept::path(Path::new(""), source).display().to_string()
}

fn changed(test: &Test, source: &str, known: bool) -> Diagnostic {
    let (message, label, help) = match known {
        true => (
            format!("what `{}` asks to stay unchanged has changed", test.name),
            format!("isn't what `{}` keeps; the lines are listed with the test", shown(source)),
            "if the change is meant, `rbld test --bless` keeps it, to be committed with it",
        ),
        false => (
            format!("nothing is kept for `{}` yet", test.name),
            format!("not in `{}`", shown(source)),
            "`rbld test --bless` keeps what it is now; read the file, then commit it",
        ),
    };
    Diagnostic::error(codes::CHANGED, message, test.span, label).help(help)
}

fn difference(before: &str, now: &str) -> String {
    TextDiff::from_lines(before, now).unified_diff().missing_newline_hint(false).to_string()
}

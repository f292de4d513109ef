//! A run as one page for a browser: everything in the file, nothing loaded, the same in twenty years.
//!
//! Whatever a name, a log or a difference holds is text here: it is escaped where it is written, and the page's policy lets
//! nothing run or load but its own style and script, by digest. A page has an end: `Room` says how much each part may take.

mod body;
mod made;
mod matrix;
mod shell;
mod sides;
#[cfg(test)]
mod tests;
mod verdicts;

use std::fmt::Write as _;

use super::Whole;
use super::markup::escaped;
use super::status::Status;
use super::trend;

/// Bytes that parts of the page may take, so that it stays below ten megabytes.
struct Room;

impl Room {
    /// The rows of all comparisons.
    const ROWS: usize = 2_500_000;
    /// All that is below the rows.
    const BODIES: usize = 3_500_000;
    /// The matrix.
    const MATRIX: usize = 700_000;
    /// The table of derivations.
    const DERIVATIONS: usize = 900_000;
    /// What environments are made of.
    const LOCKS: usize = 900_000;
    /// The ends of logs.
    const LOGS: usize = 700_000;
}

/// The page.
pub fn page(whole: &Whole<'_>) -> String {
    let report = whole.report;
    let outcomes = report.comparisons.map_or(&[][..], |compared| &compared.outcomes);
    let mut sections: Vec<(&str, &str, String)> = Vec::new();
    let mut section = |id: &'static str, title: &'static str, html: String| {
        if !html.is_empty() {
            sections.push((id, title, html));
        }
    };
    section("wrong", "What went wrong", made::failures(whole));
    section("verdicts", "Verdicts", since(whole) + &verdicts::section(outcomes, report.sources));
    section("matrix", "Environments by result", matrix::section(outcomes));
    section("graph", "Graph", made::graph(whole.graph));
    section("derivations", "Derivations", made::derivations(whole));
    section("environments", "What environments are made of", made::locks(whole.locked));
    section("logs", "Logs", made::logs(whole.logs));
    let mut main = head(whole);
    let mut links = String::new();
    for (id, title, html) in &sections {
        let _ = writeln!(links, "<a href=\"#{id}\">{title}</a>");
        let _ = write!(
            main,
            "<section id=\"{id}\" aria-labelledby=\"{id}-h\">\n<h2 id=\"{id}-h\">{title}</h2>\n{html}</section>\n"
        );
    }
    shell::page(&escaped(&format!("{}: {}", whole.file, headline(whole))), &links, &main)
}

/// What was not looked at, and how the run stands to an earlier one.
fn since(whole: &Whole<'_>) -> String {
    let text =
        whole.report.comparisons.map(|compared| trend::text(compared, &body::UNWRAPPED)).unwrap_or_default();
    if text.is_empty() {
        return String::new();
    }
    let lines: String = text.lines().map(|line| format!("<li>{}</li>\n", escaped(line.trim()))).collect();
    format!("<ul class=\"news\">\n{lines}</ul>\n")
}

/// What it came to in a few words.
fn headline(whole: &Whole<'_>) -> String {
    let outcomes = whole.report.comparisons.map_or(&[][..], |compared| &compared.outcomes);
    let flaky = match Status::Flaky.count(outcomes) {
        0 => String::new(),
        count => format!(", {count} flaky"),
    };
    let (held, all) = (Status::Match.count(outcomes), outcomes.len());
    let odd = Status::Mismatch.count(outcomes) + Status::Inconclusive.count(outcomes);
    match (odd, all) {
        (_, 0) if whole.report.exit_code() == 0 => "nothing was compared".to_owned(),
        (_, 0) => "nothing could be compared".to_owned(),
        (0, 1) if held == 1 => "the one comparison holds".to_owned(),
        (0, all) if held == all => format!("all {all} comparisons hold"),
        (0, all) => format!("{held} of {all} comparisons hold{flaky}"),
        (1, 1) => "the one comparison does not hold".to_owned(),
        (1, all) => format!("1 of {all} comparisons does not hold{flaky}"),
        (odd, all) => format!("{odd} of {all} comparisons do not hold{flaky}"),
    }
}

/// What an exit code means.
fn meaning(code: i32) -> &'static str {
    match code {
        0 => "everything holds",
        1 => "a comparison is a mismatch",
        2 => "the file, the lock, a pin or the command line is wrong",
        3 => "a build failed",
        4 => "the world failed or lied: network, digest, signature, isolation, disk",
        5 => "a defect of rbld",
        6 => "nothing failed, but a verdict is inconclusive",
        _ => "interrupted",
    }
}

fn head(whole: &Whole<'_>) -> String {
    let report = whole.report;
    let code = report.exit_code();
    let tone = match code {
        0 => "match",
        1 => "mismatch",
        6 => "inconclusive",
        _ => "failed",
    };
    let mut html = format!(
        "<header class=\"{tone}\"><p class=\"file\">{}</p>\n<h1>{}</h1>\n<p>Exit code <b>{code}</b>: {}.",
        escaped(whole.file),
        escaped(&capital(&headline(whole))),
        meaning(code),
    );
    let others: Vec<String> =
        report.exit_codes().iter().skip(1).map(|code| format!("<b>{code}</b>, {}", meaning(*code))).collect();
    if !others.is_empty() {
        let _ = write!(html, " Also: {}.", others.join("; "));
    }
    html.push_str("</p>\n<p class=\"facts\">");
    if let Some(now) = report.now.and_then(super::differences::date) {
        let _ = write!(html, "<span>{now}</span> ");
    }
    let cached = count(whole, "cached");
    let _ = writeln!(
        html,
        "<span>{} derivation{}: {cached} from the store, {} made, {} failed or not tried</span> <span>rbld {}</span></p>",
        report.derivations.len(),
        super::comparisons::plural(report.derivations.len()),
        count(whole, "realised"),
        count(whole, "failed") + count(whole, "missing"),
        env!("CARGO_PKG_VERSION")
    );
    html.push_str("</header>\n");
    html
}

fn count(whole: &Whole<'_>, status: &str) -> usize {
    whole.report.derivations.iter().filter(|realised| realised.status == status).count()
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().collect::<String>()).unwrap_or_default();
    first + letters.as_str()
}

/// How a class of equal results is called: `A` is the largest.
fn letter(class: usize) -> String {
    match u8::try_from(class) {
        Ok(index) if index < 26 => char::from(b'A' + index).to_string(),
        _ => (class + 1).to_string(),
    }
}

/// The styles of a class: a colour, and past the eighth a pattern.
fn swatch(class: usize) -> String {
    match class / 8 {
        0 => format!("k{}", class % 8),
        round => format!("k{} p{}", class % 8, (round - 1) % 3),
    }
}

//! Witnesses: what each of them says, and by what it is believed.

use serde_json::{Value, json};

use super::style::{Style, printable};
use crate::compare::{Agreed, Outcome, Word};

/// Names listed of one witness.
const LISTED: usize = 5;

/// In a few words: `2 of 3 witnesses agree`.
pub(super) fn summary(outcome: &Outcome, agreed: &Agreed) -> String {
    let all = agreed.voices.len();
    let plural = if all == 1 { "" } else { "es" };
    format!("{} of {all} witness{plural}, {} asked for", outcome.share.holding, agreed.k)
}

/// A line for each witness that was not counted, and for each that is believed for a reason.
pub(super) fn text(outcome: &Outcome, style: &Style) -> String {
    let Some(agreed) = &outcome.agreed else { return String::new() };
    let mut text = String::new();
    for voice in &agreed.voices {
        let name = printable(&voice.name);
        let by = match (&voice.signer, &voice.why) {
            (Some(signer), _) => format!(" (signed by {signer})"),
            (None, Some(why)) => format!(" (not signed: {why})"),
            (None, None) => String::new(),
        };
        let sentence = match &voice.word {
            Word::Same => format!("{name} says the same{by}"),
            Word::Again { first } => {
                let first = agreed.voices.get(*first).map_or("", |voice| voice.name.as_str());
                format!("{name} says the same, and is counted with {}: both are one{by}", printable(first))
            }
            Word::Other(files) => {
                let mut what: Vec<String> = files
                    .iter()
                    .take(LISTED)
                    .map(|(file, digest)| match file.is_empty() {
                        true => digest.short(),
                        false => format!("{} is {}", printable(file), digest.short()),
                    })
                    .collect();
                if files.len() > LISTED {
                    what.push(format!("and {} more", files.len() - LISTED));
                }
                format!("{name} disagrees: {}{by}", what.join(", "))
            }
            Word::Nothing(why) => format!("{name} isn't counted: {why}"),
        };
        text += &style.wrapped("    ", &sentence);
    }
    text
}

/// The same for programs.
pub(super) fn json(outcome: &Outcome) -> Option<Value> {
    let agreed = outcome.agreed.as_ref()?;
    let voices = agreed.voices.iter().map(|voice| {
        let (says, files, first, nothing) = match &voice.word {
            Word::Same => ("same", None, None, None),
            Word::Again { first } => {
                ("same_again", None, agreed.voices.get(*first).map(|one| &one.name), None)
            }
            Word::Other(files) => ("other", Some(files), None, None),
            Word::Nothing(why) => ("nothing", None, None, Some(why)),
        };
        let files: Vec<Value> = files
            .into_iter()
            .flatten()
            .map(|(name, digest)| json!({ "name": name, "digest": digest }))
            .collect();
        json!({
            "name": voice.name,
            "says": says,
            "files": files,
            "counted_with": first,
            "why_not": nothing,
            "signer": voice.signer,
            "believed_for": voice.why,
        })
    });
    Some(
        json!({ "asked": agreed.k, "agree": outcome.share.holding, "witnesses": voices.collect::<Vec<_>>() }),
    )
}

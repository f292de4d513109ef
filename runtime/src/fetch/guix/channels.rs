//! Which Guix is meant: `channels.scm`, or what `guix describe -f channels` prints.
//!
//! Only lists of channels that pin a commit are read. A file may compute its channels by any program; such a file
//! pins nothing by itself, and the answer says what to run instead. Nothing is evaluated.

use super::path::shown;
use super::sexp::{self, Sexp};
use crate::failure::{Failure, Result};

/// A channel: a git repository at a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Its name; Guix itself is `guix`.
    pub name: String,
    /// The repository.
    pub url: String,
    /// The branch, where one is named.
    pub branch: Option<String>,
    /// 40 hexadecimal digits.
    pub commit: String,
    /// From where on its commits are signed.
    pub introduction: Option<Introduction>,
}

/// The commit from which on a channel's commits are signed, and the first signer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Introduction {
    /// 40 hexadecimal digits.
    pub commit: String,
    /// The OpenPGP fingerprint, 40 hexadecimal digits in upper case without blanks.
    pub fingerprint: String,
}

/// Reads a file of channels; `guix` is among them, and each pins a commit.
pub fn parse(text: &str) -> Result<Vec<Channel>> {
    read(text).map_err(|why| {
        Failure::input(format!("the channels can't be read: {why}"))
            .fact("read is a list of channels with commits: `(list (channel (name 'guix) (url \"…\") (commit \"…\")))`")
            .help("`guix describe -f channels` prints the channels of a Guix with their commits")
    })
}

fn read(text: &str) -> std::result::Result<Vec<Channel>, String> {
    let mut forms = sexp::parse(text)?;
    forms.retain(|form| form.tail("use-modules").is_none());
    let [form] = &forms[..] else {
        return Err("they aren't one list".to_owned());
    };
    let Some(list) = form.tail("list") else {
        return Err("they are computed by a program, not listed with `list`".to_owned());
    };
    let channels: Vec<Channel> = list.iter().map(channel).collect::<std::result::Result<_, _>>()?;
    for (index, channel) in channels.iter().enumerate() {
        if channels[..index].iter().any(|earlier| earlier.name == channel.name) {
            return Err(format!("the channel `{}` is there twice", channel.name));
        }
    }
    match channels.iter().any(|channel| channel.name == "guix") {
        true => Ok(channels),
        false => Err("no channel is called `guix`".to_owned()),
    }
}

fn channel(form: &Sexp) -> std::result::Result<Channel, String> {
    if form.tail("channel").is_none() {
        return Err("one of them isn't `(channel …)`".to_owned());
    }
    let name = form.only("name").and_then(Sexp::word).ok_or("a channel has no name")?;
    let text = |key: &str| form.only(key).and_then(Sexp::text);
    let of = |what: &str| format!("the channel `{}` {what}", shown(name));
    let commit = text("commit").ok_or_else(|| of("pins no commit"))?;
    let introduction = match form.only("introduction") {
        None => None,
        Some(form) => Some(introduction(form).ok_or_else(|| of("has an introduction that isn't one"))?),
    };
    Ok(Channel {
        name: shown(name),
        url: text("url").ok_or_else(|| of("has no `url`"))?.to_owned(),
        branch: text("branch").map(str::to_owned),
        commit: hex40(commit)
            .ok_or_else(|| of(&format!("has the commit `{}`, not 40 digits", shown(commit))))?,
        introduction,
    })
}

/// `(make-channel-introduction "COMMIT" (openpgp-fingerprint "FINGERPRINT"))`
fn introduction(form: &Sexp) -> Option<Introduction> {
    let [Sexp::Text(commit), fingerprint] = form.tail("make-channel-introduction")? else { return None };
    let [Sexp::Text(fingerprint)] = fingerprint.tail("openpgp-fingerprint")? else { return None };
    let digits: String = fingerprint.chars().filter(|c| !c.is_whitespace()).collect();
    Some(Introduction {
        commit: hex40(commit)?,
        fingerprint: hex40(&digits.to_ascii_lowercase())?.to_ascii_uppercase(),
    })
}

fn hex40(text: &str) -> Option<String> {
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (text.len() == 40 && text.bytes().all(digit)).then(|| text.to_owned())
}

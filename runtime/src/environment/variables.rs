//! The variables that an environment brings along: what an image's configuration or a profile's search paths set.
//! They are the output `vars` of its realisation, a text with a line `NAME=VALUE` each, sorted by name. Knows nothing
//! of recipes, whose own variables win.

use std::collections::BTreeMap;

use rbld_lang::digest::Digest;

use crate::failure::{Failure, Result};
use crate::store::{Realisation, Store};

/// The name of the output.
pub const OUTPUT: &str = "vars";

/// The longest text of variables, in bytes.
pub const LIMIT: u64 = 1 << 20;

/// The text of variables. A name that isn't one, or a value of several lines, is an error that says which.
pub fn print(variables: &BTreeMap<String, String>) -> Result<String> {
    let mut text = String::new();
    for (name, value) in variables {
        if !is_name(name) {
            return Err(Failure::world(format!("`{}` can't be the name of a variable", name.escape_debug())));
        }
        if value.contains(['\n', '\0']) {
            return Err(Failure::world(format!(
                "the variable `{name}` of the environment has several lines"
            )));
        }
        text += &format!("{name}={value}\n");
    }
    match text.len() as u64 > LIMIT {
        true => Err(Failure::world(format!("the environment's variables are longer than {LIMIT} bytes"))),
        false => Ok(text),
    }
}

/// The variables of an environment's realisation; none where it brings none.
pub fn of(store: &Store, environment: &Realisation) -> Result<BTreeMap<String, String>> {
    match environment.outputs.get(OUTPUT) {
        Some(object) => read(store, object.digest()),
        None => Ok(BTreeMap::new()),
    }
}

fn read(store: &Store, digest: Digest) -> Result<BTreeMap<String, String>> {
    let damaged = || Failure::world("the variables of an environment in the store are damaged");
    let text = String::from_utf8(store.read_blob(digest, LIMIT)?).map_err(|_| damaged())?;
    text.lines()
        .map(|line| {
            let (name, value) = line.split_once('=').filter(|(name, _)| is_name(name)).ok_or_else(damaged)?;
            Ok((name.to_owned(), value.to_owned()))
        })
        .collect()
}

/// Whether something can be a variable with this value.
pub fn fits(name: &str, value: &str) -> bool {
    is_name(name) && !value.contains(['\n', '\0'])
}

fn is_name(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    let mut bytes = name.bytes();
    bytes.next().is_some_and(letter) && bytes.all(|byte| letter(byte) || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_each() {
        let variables =
            BTreeMap::from([("PATH".to_owned(), "/bin".to_owned()), ("A".to_owned(), "b=c".to_owned())]);
        assert_eq!(print(&variables).unwrap(), "A=b=c\nPATH=/bin\n");
    }

    #[test]
    fn what_is_no_variable_is_refused() {
        for (name, value) in [("", ""), ("1A", ""), ("A B", ""), ("A=", ""), ("A", "two\nlines"), ("A", "\0")]
        {
            assert!(
                print(&BTreeMap::from([(name.to_owned(), value.to_owned())])).is_err(),
                "{name:?} {value:?}"
            );
        }
    }
}

//! Nars: one store item as a stream of bytes, read into the store as it comes.
//!
//! The bytes are hostile until their digest was checked, which is only known at their end: so every length, name and
//! depth is bounded before anything is kept, and nothing is written anywhere but to blobs. There is one way to write a
//! tree as a nar; whatever is written in another way is refused.

use std::io::{self, Read, Write};

use rbld_lang::digest::Digest;

use crate::failure::{Doing, Failure};
use crate::store::Batch;
use crate::store::tree::{Folder, Node};

/// The longest name of an entry, in bytes.
const NAME: u64 = 255;
/// The longest target of a link, in bytes.
const TARGET: u64 = 4095;
/// The longest path, in bytes.
const PATH: usize = 4000;
/// How deep folders may lie in folders.
const DEEPEST: usize = 200;
/// The most entries of all folders together.
const ENTRIES: usize = 2_000_000;
/// How many bytes of a file are read at once.
const PIECE: usize = 128 << 10;

/// Why a nar couldn't be read.
#[derive(Debug)]
pub enum Wrong {
    /// What comes isn't a nar that can be a tree, or doesn't come to its end: a sentence without subject.
    Nar(String),
    /// This machine failed.
    Here(Failure),
}

impl From<io::Error> for Wrong {
    fn from(error: io::Error) -> Wrong {
        Wrong::Nar(match error.kind() {
            io::ErrorKind::UnexpectedEof => "ends too early".to_owned(),
            _ => format!("can't be read: {error}"),
        })
    }
}

/// Reads a nar up to its last byte, files into the batch. What follows isn't looked at.
pub fn unpack(nar: &mut dyn Read, batch: &Batch) -> Result<Node, Wrong> {
    let mut reader = Reader { nar, batch, entries: 0, path: 0, piece: vec![0; PIECE] };
    reader.expect("nix-archive-1")?;
    reader.node(0)
}

/// Writes a node as a nar, whose files `open` gives: the one way to write it, so its digest is the one that it came by.
pub fn pack(
    node: &Node,
    open: &dyn Fn(Digest) -> crate::failure::Result<std::fs::File>,
    nar: &mut dyn Write,
) -> io::Result<()> {
    word(nar, b"nix-archive-1")?;
    pack_node(node, open, nar)
}

fn pack_node(
    node: &Node,
    open: &dyn Fn(Digest) -> crate::failure::Result<std::fs::File>,
    nar: &mut dyn Write,
) -> io::Result<()> {
    let words =
        |nar: &mut dyn Write, words: &[&str]| words.iter().try_for_each(|one| word(nar, one.as_bytes()));
    words(nar, &["(", "type"])?;
    match node {
        Node::Link { target } => words(nar, &["symlink", "target", target])?,
        Node::Folder(folder) => {
            words(nar, &["directory"])?;
            for (name, inner) in &folder.entries {
                words(nar, &["entry", "(", "name", name, "node"])?;
                pack_node(inner, open, nar)?;
                words(nar, &[")"])?;
            }
        }
        Node::File { digest, size, executable } => {
            words(nar, &["regular"])?;
            if *executable {
                words(nar, &["executable", ""])?;
            }
            words(nar, &["contents"])?;
            nar.write_all(&size.to_le_bytes())?;
            let mut file = open(*digest).map_err(io::Error::other)?.take(*size);
            if io::copy(&mut file, nar)? != *size {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            fill_up(nar, *size)?;
        }
    }
    words(nar, &[")"])
}

/// Bytes with their length before them, filled up to eight.
fn word(nar: &mut dyn Write, bytes: &[u8]) -> io::Result<()> {
    nar.write_all(&(bytes.len() as u64).to_le_bytes())?;
    nar.write_all(bytes)?;
    fill_up(nar, bytes.len() as u64)
}

fn fill_up(nar: &mut dyn Write, length: u64) -> io::Result<()> {
    nar.write_all(&[0; 8][..(8 - length % 8) as usize % 8])
}

struct Reader<'a> {
    nar: &'a mut dyn Read,
    batch: &'a Batch,
    entries: usize,
    /// How long the path of what is read is.
    path: usize,
    piece: Vec<u8>,
}

fn wrong<T>(why: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong::Nar(why.into()))
}

impl Reader<'_> {
    fn length(&mut self) -> Result<u64, Wrong> {
        let mut bytes = [0; 8];
        self.nar.read_exact(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// The zeros that fill up eight bytes.
    fn padding(&mut self, length: u64) -> Result<(), Wrong> {
        let mut bytes = [0; 8];
        let count = (8 - length % 8) as usize % 8;
        self.nar.read_exact(&mut bytes[..count])?;
        if bytes == [0; 8] { Ok(()) } else { wrong("is filled up with something else than zeros") }
    }

    /// Bytes of at most `limit`; never takes memory for a length that isn't allowed.
    fn bytes(&mut self, limit: u64, what: &str) -> Result<Vec<u8>, Wrong> {
        let length = self.length()?;
        if length > limit {
            return wrong(format!("has a {what} of {length} bytes, where at most {limit} can be"));
        }
        let mut bytes = vec![0; length as usize];
        self.nar.read_exact(&mut bytes)?;
        self.padding(length)?;
        Ok(bytes)
    }

    fn word(&mut self) -> Result<Vec<u8>, Wrong> {
        self.bytes(16, "word")
    }

    fn expect(&mut self, word: &str) -> Result<(), Wrong> {
        let found = self.word()?;
        if found == word.as_bytes() {
            return Ok(());
        }
        wrong(format!("has `{}` where `{word}` belongs", found.escape_ascii()))
    }

    fn text(&mut self, limit: u64, what: &str) -> Result<String, Wrong> {
        let bytes = self.bytes(limit, what)?;
        String::from_utf8(bytes).or_else(|error| {
            wrong(format!("has the {what} `{}`, which isn't UTF-8", error.as_bytes().escape_ascii()))
        })
    }

    /// What stands between `(` and `)`.
    fn node(&mut self, depth: usize) -> Result<Node, Wrong> {
        self.expect("(")?;
        self.expect("type")?;
        match self.word()?.as_slice() {
            b"regular" => self.file(),
            b"symlink" => {
                self.expect("target")?;
                let target = self.text(TARGET, "link's target")?;
                self.expect(")")?;
                match target.is_empty() || target.contains('\0') {
                    true => wrong("has a link to nowhere"),
                    false => Ok(Node::Link { target }),
                }
            }
            b"directory" if depth < DEEPEST => self.folder(depth).map(Node::Folder),
            b"directory" => wrong(format!("has folders more than {DEEPEST} deep")),
            other => wrong(format!("has an entry of the type `{}`", other.escape_ascii())),
        }
    }

    fn file(&mut self) -> Result<Node, Wrong> {
        let mut word = self.word()?;
        let executable = word == b"executable";
        if executable {
            if !self.word()?.is_empty() {
                return wrong("has a mark of an executable that isn't empty");
            }
            word = self.word()?;
        }
        // A file of no bytes has them written out all the same.
        if word != b"contents" {
            return wrong(format!("has `{}` where `contents` belongs", word.escape_ascii()));
        }
        let size = self.length()?;
        let here = |failure| Wrong::Here(failure);
        let mut writer = self.batch.writer().map_err(here)?;
        let mut left = size;
        while left > 0 {
            let want = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            self.nar.read_exact(&mut self.piece[..want])?;
            writer.write_all(&self.piece[..want]).doing(|| "write into the store").map_err(here)?;
            left -= want as u64;
        }
        self.padding(size)?;
        self.expect(")")?;
        let blob = writer.finish(executable).map_err(here)?;
        Ok(Node::File { digest: blob.digest, size: blob.size, executable })
    }

    fn folder(&mut self, depth: usize) -> Result<Folder, Wrong> {
        let mut folder = Folder::default();
        loop {
            match self.word()?.as_slice() {
                b")" => return Ok(folder),
                b"entry" => {}
                other => return wrong(format!("has `{}` where an entry belongs", other.escape_ascii())),
            }
            self.entries += 1;
            if self.entries > ENTRIES {
                return wrong(format!("has more than {ENTRIES} entries"));
            }
            self.expect("(")?;
            self.expect("name")?;
            let name = self.text(NAME, "name")?;
            if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
                return wrong(format!("has an entry called `{}`, which is no name", name.escape_debug()));
            }
            if folder.entries.last_key_value().is_some_and(|(last, _)| *last >= name) {
                return wrong(format!(
                    "has the entry `{}` twice, or not in its sorted place",
                    name.escape_debug()
                ));
            }
            self.expect("node")?;
            self.path += name.len() + 1;
            if self.path > PATH {
                return wrong(format!("has a path of more than {PATH} bytes"));
            }
            let node = self.node(depth + 1)?;
            self.path -= name.len() + 1;
            self.expect(")")?;
            folder.entries.insert(name, node);
        }
    }
}

//! ISO 9660 images: the folders of the first volume, with the names of Rock Ridge or Joliet where they are.
//!
//! A folder that is met a second time is a loop and an error; so are records that run out of their sector.

use std::collections::{BTreeSet, VecDeque};
use std::io;

use super::malformed;

/// The bytes of a sector.
const SECTOR: u64 = 2048;

/// Where the first descriptor of a volume lies.
const DESCRIPTORS: u64 = 16;

/// The longest folder that is read, in bytes, and how many descriptors a volume may have.
const FOLDER_LIMIT: u64 = 16 << 20;
const DESCRIPTOR_LIMIT: u64 = 64;

/// How many folders may lie inside each other.
const DEPTH_LIMIT: usize = 64;

/// A file or folder of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its path, folders parted by `/`.
    pub name: Vec<u8>,
    /// Whether it is a folder.
    pub folder: bool,
    /// Where its contents begin, in bytes.
    pub offset: u64,
    /// Length of its contents in bytes.
    pub size: u64,
    /// What is said of it.
    pub facts: Vec<(&'static str, String)>,
}

/// What an image holds.
pub struct Listed {
    /// What the descriptor of its volume says.
    pub facts: Vec<(&'static str, String)>,
    /// Its files and folders, sorted by path.
    pub entries: Vec<Entry>,
}

/// Reads so many bytes from an offset on; fewer where the file ends.
pub type Part<'p> = dyn FnMut(u64, u64) -> io::Result<Vec<u8>> + 'p;

/// Where the name of the standard lies in an image.
pub const MAGIC_AT: u64 = DESCRIPTORS * SECTOR + 1;

/// The name of the standard.
pub const MAGIC: &[u8; 5] = b"CD001";

/// All that the first volume holds.
pub fn directory(part: &mut Part<'_>, members: usize) -> io::Result<Listed> {
    let volume = volume(part)?;
    let facts = facts(&volume.descriptor);
    let (location, size) = extent(volume.descriptor.get(156..).unwrap_or_default())?;
    let mut entries: Vec<Entry> = Vec::new();
    let mut seen = BTreeSet::from([location]);
    let mut open = VecDeque::from([(Vec::new(), location, size, 0)]);
    while let Some((above, location, size, depth)) = open.pop_front() {
        if depth > DEPTH_LIMIT {
            return Err(malformed("its folders lie too deep"));
        }
        let Some(bytes) = folder(part, location, size)? else { continue };
        for record in records(&bytes)? {
            let Some(entry) = entry(record, &above, volume.wide)? else { continue };
            if entries.len() == members {
                return Err(malformed(format!("it has more than {members} members")));
            }
            if entry.folder {
                let (location, size) = extent(record)?;
                if !seen.insert(location) {
                    return Err(malformed("its folders run in a loop"));
                }
                open.push_back((entry.name.clone(), location, size, depth + 1));
            }
            entries.push(entry);
        }
    }
    entries.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(Listed { facts, entries })
}

struct Volume {
    descriptor: Vec<u8>,
    /// Names are of two bytes a letter.
    wide: bool,
}

/// The descriptor to go by: Joliet's only where no Rock Ridge is, whose names are the better ones.
fn volume(part: &mut Part<'_>) -> io::Result<Volume> {
    let (mut primary, mut joliet) = (None, None);
    for number in 0..DESCRIPTOR_LIMIT {
        let descriptor = part((DESCRIPTORS + number) * SECTOR, SECTOR)?;
        if descriptor.get(1..6) != Some(MAGIC) {
            break;
        }
        match descriptor[0] {
            1 if primary.is_none() => primary = Some(descriptor),
            2 if descriptor.get(88..90) == Some(b"%/") => joliet = Some(descriptor),
            255 => break,
            _ => {}
        }
    }
    let primary = primary.ok_or_else(|| malformed("an ISO image without a volume"))?;
    let (location, size) = extent(primary.get(156..).unwrap_or_default())?;
    let first = part(location * SECTOR, size.min(SECTOR))?;
    let rock = first.windows(6).any(|bytes| bytes == b"SP\x07\x01\xbe\xef");
    Ok(match joliet {
        Some(descriptor) if !rock => Volume { descriptor, wide: true },
        _ => Volume { descriptor: primary, wide: false },
    })
}

fn facts(descriptor: &[u8]) -> Vec<(&'static str, String)> {
    let text =
        |from: usize, to: usize| super::name(descriptor.get(from..to).unwrap_or_default().trim_ascii());
    vec![
        ("system", text(8, 40)),
        ("volume", text(40, 72)),
        ("set", text(190, 318)),
        ("publisher", text(318, 446)),
        ("preparer", text(446, 574)),
        ("application", text(574, 702)),
        ("created", text(813, 829)),
        ("modified", text(830, 846)),
        ("expires", text(847, 863)),
        ("effective", text(864, 880)),
    ]
}

fn folder(part: &mut Part<'_>, location: u64, size: u64) -> io::Result<Option<Vec<u8>>> {
    if size > FOLDER_LIMIT {
        return Err(malformed("a folder is too long"));
    }
    let bytes = part(location * SECTOR, size)?;
    if (bytes.len() as u64) < size {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok((size > 0).then_some(bytes))
}

fn records(bytes: &[u8]) -> io::Result<Vec<&[u8]>> {
    let mut records = Vec::new();
    for sector in bytes.chunks(SECTOR as usize) {
        let mut at = 0;
        while let Some(length) =
            sector.get(at).map(|length| usize::from(*length)).filter(|length| *length > 0)
        {
            let record = sector.get(at..at + length).filter(|_| length >= 34);
            records.push(record.ok_or_else(|| malformed("a folder of the image is damaged"))?);
            at += length;
        }
    }
    Ok(records)
}

/// Where what a record names lies, in sectors, and its length in bytes.
fn extent(record: &[u8]) -> io::Result<(u64, u64)> {
    let number = |at: usize| {
        let field = record.get(at..at + 4).and_then(|field| field.try_into().ok());
        field.map(u32::from_le_bytes).ok_or_else(|| malformed("a folder of the image is damaged"))
    };
    Ok((u64::from(number(2)?), u64::from(number(10)?)))
}

fn entry(record: &[u8], above: &[u8], wide: bool) -> io::Result<Option<Entry>> {
    let length = usize::from(record[32]);
    let written = record.get(33..33 + length).ok_or_else(|| malformed("a folder of the image is damaged"))?;
    if matches!(written, [0] | [1]) {
        return Ok(None);
    }
    let rest = record.get((33 + length).next_multiple_of(2)..).unwrap_or_default();
    let rock = rock_ridge(rest);
    let plain = || {
        if wide {
            let letters = written.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            char::decode_utf16(letters)
                .map(|letter| letter.unwrap_or('\u{fffd}'))
                .collect::<String>()
                .into_bytes()
        } else {
            written.strip_suffix(b";1").unwrap_or(written).to_vec()
        }
    };
    let own = rock.name.unwrap_or_else(plain);
    let name = if above.is_empty() { own } else { [above, b"/", &own].concat() };
    let (location, size) = extent(record)?;
    let folder = record[25] & 2 != 0;
    let date = &record[18..25];
    let mut facts = vec![
        ("kind", if folder { "folder" } else { "file" }.to_owned()),
        (
            "mtime",
            format!(
                "{:04}-{:02}-{:02} {:02}:{:02}:{:02}{:+}",
                1900 + u32::from(date[0]),
                date[1],
                date[2],
                date[3],
                date[4],
                date[5],
                i32::from(date[6] as i8) * 15
            ),
        ),
    ];
    facts.extend(rock.facts);
    Ok(Some(Entry { name, folder, offset: location * SECTOR, size: if folder { 0 } else { size }, facts }))
}

#[derive(Default)]
struct RockRidge {
    name: Option<Vec<u8>>,
    facts: Vec<(&'static str, String)>,
}

/// The fields after a record that say what Unix wants to know. What lies in a continuation is left out.
fn rock_ridge(mut fields: &[u8]) -> RockRidge {
    let mut found = RockRidge::default();
    while let [one, other, length, _, ..] = fields {
        let Some(field) = fields.get(4..usize::from(*length)).filter(|_| *length >= 4) else { break };
        let number = |at: usize| {
            let field = field.get(at..at + 4).and_then(|field| field.try_into().ok());
            field.map_or(0, u32::from_le_bytes)
        };
        match [*one, *other] {
            [b'N', b'M'] => {
                found.name.get_or_insert_with(Vec::new).extend_from_slice(field.get(1..).unwrap_or_default());
            }
            [b'P', b'X'] => {
                found.facts.push(("mode", format!("{:06o}", number(0))));
                found.facts.push(("uid", number(16).to_string()));
                found.facts.push(("gid", number(24).to_string()));
            }
            [b'S', b'L'] => found.facts.push(("link", super::name(field.get(1..).unwrap_or_default()))),
            _ => {}
        }
        fields = &fields[usize::from(*length)..];
    }
    found
}

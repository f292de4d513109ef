//! What archives and headers state, and which members there are.

use rbld_lang::vary::Axis;

use super::super::difference::{Finding, Side, What};
use super::{Class, Context, Look, Seen, Sighting, marks};

/// What a finding that isn't of bytes looks like. Names are judged in [`names`].
pub(super) fn look(what: &What, context: &Context) -> Look {
    match what {
        What::Fact { name, left, right, .. } => {
            fact(name, left.as_deref().unwrap_or_default(), right.as_deref().unwrap_or_default(), context)
        }
        What::Order { left, right, .. } => {
            seen(Class::Metadata, "order of members", vec![Axis::FileOrder, Axis::Locale], left, right)
        }
        What::Framing => seen(Class::Metadata, "headers, padding or end", Vec::new(), "", ""),
        What::Compression { left, right, header } => {
            let field = |name: &str| header.iter().find(|(field, _, _)| field == name);
            if let Some((_, one, other)) = field("mtime") {
                return seen(Class::Timestamp, "gzip header", vec![Axis::Time], one, other);
            }
            if let Some((_, one, other)) = field("name") {
                return seen(Class::Metadata, "name in the gzip header", Vec::new(), one, other);
            }
            let (one, other) = header
                .first()
                .map_or((left.name().to_owned(), right.name().to_owned()), |(name, one, other)| {
                    (format!("{name} {one}"), format!("{name} {other}"))
                });
            seen(Class::Compressor, "the compressed stream", Vec::new(), &one, &other)
        }
        // Those of bytes are judged by leaf, names in pairs.
        _ => Look::Seen(Vec::new()),
    }
}

fn seen(class: Class, detail: &str, axes: Vec<Axis>, left: &str, right: &str) -> Look {
    let (left, right) = (left.to_owned(), right.to_owned());
    Look::Seen(vec![Sighting { class, detail: detail.to_owned(), axes, left, right }])
}

fn fact(name: &str, left: &str, right: &str, context: &Context) -> Look {
    let metadata = |detail: &str, axes: Vec<Axis>| seen(Class::Metadata, detail, axes, left, right);
    match name {
        "mtime" | "atime" | "ctime" | "LIBARCHIVE.creationtime" => {
            let axes = if marks::is_another_zone(left, right) {
                vec![Axis::Timezone, Axis::Time]
            } else {
                vec![Axis::Time]
            };
            metadata("modification time", axes)
        }
        "mode" | "executable" | "attributes" => metadata("mode", vec![Axis::Umask]),
        "uid" | "gid" | "uname" | "gname" => metadata("owner", vec![Axis::User]),
        "inode" | "device" | "links" => metadata("numbers of the file system", vec![Axis::FileOrder]),
        "extra" => metadata("extra fields", vec![Axis::Time, Axis::User]),
        "header timestamp" | "chunk timestamp" => {
            seen(Class::Timestamp, "in the header", vec![Axis::Time], &date(left), &date(right))
        }
        "created" | "modified" | "expires" | "effective" => {
            seen(Class::Timestamp, "in the volume's descriptor", vec![Axis::Time], left, right)
        }
        "header python" | "header linker" | "made by" => {
            seen(Class::ToolVersion, name, Vec::new(), left, right)
        }
        "header checksum" | "header source size" | "header source hash" => Look::Follows,
        // A section grows with what is in it.
        "section size" => Look::Follows,
        _ if name.starts_with("section ") || name == "kind" => Look::Unknown,
        _ => match marks::look(b"", (left.as_bytes(), right.as_bytes()), b"", &Default::default(), context) {
            Look::Unknown if name != "link" => metadata("other", Vec::new()),
            look => look,
        },
    }
}

fn date(value: &str) -> String {
    match value.parse() {
        Ok(seconds) if (0..253_402_300_800).contains(&seconds) => crate::fetch::date::instant(seconds),
        _ => value.to_owned(),
    }
}

/// Members that only one side has: as many as the other has others, and each looks like its counterpart.
pub(super) fn names(findings: &[Finding], context: &Context, all: &mut Seen) {
    let only = |wanted: Side| {
        findings.iter().filter_map(move |finding| match &finding.what {
            What::Only { side, names, count } if *side == wanted => Some((&finding.path, names, *count)),
            _ => None,
        })
    };
    for (path, ours, count) in only(Side::Left) {
        let theirs = only(Side::Right).find(|(other, _, _)| *other == path);
        let Some((_, theirs, _)) = theirs.filter(|(_, _, other)| *other == count) else {
            all.take(Look::Unknown, path, None, None);
            continue;
        };
        for (one, other) in ours.iter().zip(theirs) {
            all.take(name(one, other, context), path, None, None);
        }
        all.observation.whole &= ours.len() == count;
    }
    for (path, _, count) in only(Side::Right) {
        let known = only(Side::Left).any(|(other, _, ours)| other == path && ours == count);
        if !known && !only(Side::Left).any(|(other, _, _)| other == path) {
            all.take(Look::Unknown, path, None, None);
        }
    }
}

fn name(left: &str, right: &str, context: &Context) -> Look {
    // Debug information is called by the build-id of the program that it is of.
    if left.contains(".build-id/") && right.contains(".build-id/") {
        return Look::Follows;
    }
    marks::look(b"", (left.as_bytes(), right.as_bytes()), b"", &Default::default(), context)
}

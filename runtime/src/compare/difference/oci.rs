//! Images in the layout of OCI: their blobs by what they are for, where their names are digests.
//!
//! `index.json` leads to manifests, a manifest to its configuration and layers. What it doesn't lead to keeps its name.

use std::collections::BTreeMap;
use std::io;

use serde_json::Value;

use super::search::Children;
use super::{Entry, Side};

/// The longest document that is read, and how many manifests.
const DOCUMENT: u64 = 4 << 20;
const MANIFESTS: usize = 64;
/// How many roles blobs may have.
const ROLES: usize = 10_000;

/// Entries, and the place that each had among those they were made of.
pub(super) struct Roles {
    pub(super) entries: Vec<Entry>,
    places: Vec<usize>,
}

impl Roles {
    /// Entries as they are.
    pub(super) fn none(entries: &[Entry]) -> Roles {
        Roles { entries: entries.to_vec(), places: (0..entries.len()).collect() }
    }

    /// The places of some of them.
    pub(super) fn places(&self, of: &[usize]) -> Vec<usize> {
        of.iter().map(|index| self.places[*index]).collect()
    }
}

/// The entries of an image with their blobs named by role, once for each; nothing of what is no image.
pub(super) fn roles(entries: &[Entry], side: Side, children: Children<'_, '_>) -> Option<Roles> {
    let places: BTreeMap<&str, usize> =
        entries.iter().enumerate().map(|(index, entry)| (plain(&entry.name), index)).collect();
    let read = |name: &str| {
        let layers = children(side, &[*places.get(name)?]).pop()?;
        let bytes = layers.read(|reader| {
            let mut bytes = Vec::new();
            io::Read::read_to_end(&mut io::Read::take(reader, DOCUMENT), &mut bytes).map(|_| bytes)
        });
        serde_json::from_slice::<Value>(&bytes.ok()?).ok()
    };
    let mut found = Found { roles: BTreeMap::new(), left: MANIFESTS, count: 0 };
    // `oci-layout` itself is the same on both sides, and may have been left out for that.
    found.documents(&read("index.json")?, "", &read);
    if found.roles.is_empty() {
        return None;
    }
    let mut named = Roles { entries: Vec::new(), places: Vec::new() };
    for (index, entry) in entries.iter().enumerate() {
        let own = [entry.name.clone()];
        for name in found.roles.get(plain(&entry.name)).map_or(&own[..], Vec::as_slice) {
            named.entries.push(Entry { name: name.clone(), ..entry.clone() });
            named.places.push(index);
        }
    }
    Some(named)
}

/// Puts what tells most first, layers before configurations, and leaves out documents that only name by digest what differs.
pub(super) fn telling(entries: &[Entry], differing: &mut Vec<(usize, usize)>) {
    let rank = |name: &str| match name.rsplit(", ").next().unwrap_or_default() {
        last if last.starts_with("layer ") => 0,
        "configuration" => 1,
        last if last.starts_with("manifest ") => 2,
        _ => 3,
    };
    let of = |pair: &(usize, usize)| entries.get(pair.0).map_or(3, |entry| rank(plain(&entry.name)));
    differing.sort_by_key(|pair| (of(pair), entries.get(pair.0).map(|entry| entry.name.clone())));
    if differing.iter().any(|pair| of(pair) < 2) {
        differing.retain(|pair| of(pair) < 2);
    }
}

fn plain(name: &str) -> &str {
    name.strip_prefix("./").unwrap_or(name)
}

struct Found {
    roles: BTreeMap<String, Vec<String>>,
    left: usize,
    count: usize,
}

impl Found {
    /// Names what an index or a manifest leads to.
    fn documents(&mut self, document: &Value, above: &str, read: &dyn Fn(&str) -> Option<Value>) {
        let list = |name: &str| document.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        for (number, manifest) in list("manifests").iter().enumerate() {
            let platform =
                |field: &str| manifest.pointer(&format!("/platform/{field}")).and_then(Value::as_str);
            let called = match (platform("os"), platform("architecture")) {
                (Some(os), Some(arch)) => format!("manifest {number} ({os}/{arch})"),
                _ => format!("manifest {number}"),
            };
            let role = join(above, &called);
            let Some(blob) = self.name(manifest, &role) else { continue };
            if self.left == 0 {
                continue;
            }
            self.left -= 1;
            if let Some(inner) = read(&blob) {
                self.documents(&inner, &role, read);
            }
        }
        if let Some(config) = document.get("config") {
            self.name(config, &join(above, "configuration"));
        }
        for (number, layer) in list("layers").iter().enumerate() {
            self.name(layer, &join(above, &format!("layer {number}")));
        }
    }

    /// Gives the blob of a descriptor its role, and says how it is called.
    fn name(&mut self, descriptor: &Value, role: &str) -> Option<String> {
        let (algorithm, hex) = descriptor.get("digest")?.as_str()?.split_once(':')?;
        let blob = format!("blobs/{algorithm}/{hex}");
        // One blob may have several roles: images of two architectures share a layer.
        self.count += 1;
        if self.count > ROLES {
            return None;
        }
        self.roles.entry(blob.clone()).or_default().push(role.to_owned());
        Some(blob)
    }
}

fn join(above: &str, name: &str) -> String {
    if above.is_empty() { name.to_owned() } else { format!("{above}, {name}") }
}

//! Indexes, manifests and configurations, as the image specification and docker write them: read from hostile bytes.
//!
//! Only what decides the root filesystem and its variables is read; everything else may be there and say anything.
//! Which image of several is meant is decided here, by architecture alone, the same on every machine.

use std::fmt::Write as _;

use rbld_lang::derivation::Arch;
use rbld_lang::digest::Digest;
use serde::Deserialize;

use crate::failure::{Failure, Result};

/// The types of documents, as the image specification names them and as docker does.
pub mod media {
    /// An index of images.
    pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    /// One image.
    pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    /// An image's configuration.
    pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    /// A layer that isn't compressed.
    pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
    /// Docker's index.
    pub const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    /// Docker's manifest.
    pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
}

/// The most layers an image may have; the kernel takes fewer.
const LAYER_LIMIT: usize = 1000;

/// The most bytes that its layers may have together, as they are sent.
const LAYERS_LIMIT: u64 = 64 << 30;

/// What points to a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// What it says of its kind; empty if nothing.
    pub media_type: String,
    /// Its sha256.
    pub digest: Digest,
    /// Its length in bytes; `None` where nobody says.
    pub size: Option<u64>,
}

/// One image of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its manifest.
    pub descriptor: Descriptor,
    /// What it is for: empty where the index doesn't say.
    pub platform: Platform,
    /// The name it has there.
    pub name: Option<String>,
}

/// What an image runs on, in the words of images.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Platform {
    /// `linux`.
    #[serde(default)]
    pub os: String,
    /// `amd64`, `arm`.
    #[serde(default)]
    pub architecture: String,
    /// `v7` of `arm`.
    #[serde(default)]
    pub variant: String,
}

impl Platform {
    /// What an architecture is called.
    pub fn of(arch: Arch) -> Platform {
        let (architecture, variant) = match arch {
            Arch::Amd64 => ("amd64", ""),
            Arch::Arm64 => ("arm64", "v8"),
            Arch::Armhf => ("arm", "v7"),
            Arch::I386 => ("386", ""),
            Arch::Ppc64el => ("ppc64le", ""),
            Arch::Riscv64 => ("riscv64", ""),
            Arch::S390x => ("s390x", ""),
        };
        Platform {
            os: "linux".to_owned(),
            architecture: architecture.to_owned(),
            variant: variant.to_owned(),
        }
    }

    /// How well an image of this platform serves an architecture: `None` if it doesn't; less is better.
    fn serves(&self, arch: Arch) -> Option<u8> {
        let wanted = Platform::of(arch);
        if self.os != wanted.os || self.architecture != wanted.architecture {
            return None;
        }
        match (arch, self.variant.as_str()) {
            (_, variant) if variant == wanted.variant => Some(0),
            (_, "") => Some(1),
            // Processors with hardware floating point run what is made for older ones.
            (Arch::Armhf, "v6") => Some(2),
            (Arch::Armhf, "v5") => Some(3),
            (Arch::Amd64, "v1") => Some(1),
            _ => None,
        }
    }
}

impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let unknown = |text: &str| if text.is_empty() { "unknown".to_owned() } else { shown(text) };
        write!(f, "{}/{}", unknown(&self.os), unknown(&self.architecture))?;
        if self.variant.is_empty() { Ok(()) } else { write!(f, "/{}", shown(&self.variant)) }
    }
}

/// What a document turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// Several images.
    Index(Vec<Entry>),
    /// One.
    Manifest(Manifest),
}

/// An image: its configuration and its layers, the lowest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The configuration.
    pub config: Descriptor,
    /// The layers.
    pub layers: Vec<Descriptor>,
}

/// What a configuration says that matters here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// What it runs on.
    pub platform: Platform,
    /// `NAME=VALUE`, as written.
    pub env: Vec<String>,
    /// The digests of the unpacked layers.
    pub diff_ids: Vec<Digest>,
}

#[derive(Deserialize)]
struct RawDocument {
    #[serde(rename = "schemaVersion", default)]
    schema: u32,
    #[serde(rename = "mediaType", default)]
    media_type: String,
    #[serde(default)]
    manifests: Option<Vec<RawDescriptor>>,
    #[serde(default)]
    config: Option<RawDescriptor>,
    #[serde(default)]
    layers: Option<Vec<RawDescriptor>>,
}

#[derive(Deserialize)]
struct RawDescriptor {
    #[serde(rename = "mediaType", default)]
    media_type: String,
    digest: String,
    size: u64,
    #[serde(default)]
    platform: Option<Platform>,
    #[serde(default)]
    annotations: Option<serde_json::Map<String, serde_json::Value>>,
}

#[derive(Deserialize)]
struct RawConfig {
    #[serde(flatten)]
    platform: Platform,
    #[serde(default)]
    config: Option<RawSettings>,
    rootfs: RawLayers,
}

#[derive(Deserialize)]
struct RawSettings {
    #[serde(rename = "Env", default)]
    env: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct RawLayers {
    #[serde(default)]
    diff_ids: Vec<String>,
}

/// Reads an index or a manifest.
pub fn document(bytes: &[u8]) -> Result<Document> {
    let raw: RawDocument = parse(bytes, "manifest")?;
    if raw.schema != 2 {
        return Err(Failure::world(format!("the image's manifest is of version {}, not 2", raw.schema))
            .help("push the image again with a tool of this decade, and pin what that gives"));
    }
    match (raw.manifests, raw.config, raw.layers) {
        (Some(manifests), None, None) => {
            let entries = manifests.into_iter().map(entry).collect::<Result<Vec<_>>>()?;
            Ok(Document::Index(entries))
        }
        (None, Some(config), Some(layers)) => {
            if layers.len() > LAYER_LIMIT {
                return Err(wrong("manifest", &format!("it has {} layers", layers.len())));
            }
            let layers = layers.into_iter().map(|layer| descriptor(&layer)).collect::<Result<Vec<_>>>()?;
            let bytes = layers.iter().filter_map(|layer| layer.size).fold(0, u64::saturating_add);
            if bytes > LAYERS_LIMIT {
                return Err(wrong("manifest", &format!("its layers have {bytes} bytes")));
            }
            Ok(Document::Manifest(Manifest { config: descriptor(&config)?, layers }))
        }
        _ => {
            let kind = if raw.media_type.is_empty() {
                String::new()
            } else {
                format!(" (it says `{}`)", shown(&raw.media_type))
            };
            Err(wrong("manifest", &format!("it is neither an image nor an index of images{kind}")))
        }
    }
}

/// Reads a configuration.
pub fn config(bytes: &[u8]) -> Result<Config> {
    let raw: RawConfig = parse(bytes, "configuration")?;
    let diff_ids =
        raw.rootfs.diff_ids.iter().map(|text| digest(text, "configuration")).collect::<Result<_>>()?;
    let env = raw.config.and_then(|settings| settings.env).unwrap_or_default();
    Ok(Config { platform: raw.platform, env, diff_ids })
}

/// The image of an index that serves an architecture: the best, and of equally good ones the first written.
pub fn choose(entries: &[Entry], arch: Arch) -> Result<&Entry> {
    let mut best: Option<(u8, &Entry)> = None;
    for entry in entries {
        // An index of one image needs not say what it is for: its configuration does.
        let open = entries.len() == 1 && entry.platform == Platform::default();
        let rank = if open { Some(9) } else { entry.platform.serves(arch) };
        if let Some(rank) = rank
            && best.is_none_or(|(other, _)| rank < other)
        {
            best = Some((rank, entry));
        }
    }
    if let Some((_, entry)) = best {
        return Ok(entry);
    }
    let mut there = String::new();
    for entry in entries.iter().filter(|entry| entry.platform.os != "unknown").take(40) {
        let comma = if there.is_empty() { "" } else { ", " };
        let _ = write!(there, "{comma}{}", entry.platform);
    }
    let there = if there.is_empty() { "nothing".to_owned() } else { there };
    Err(Failure::input(format!("the image isn't there for {}", arch.name()))
        .fact(format!("looked for {}", Platform::of(arch)))
        .fact(format!("the index has {there}"))
        .help("ask for another `arch`, or pin an image that has it"))
}

/// Whether a configuration's image serves an architecture.
pub fn check_arch(config: &Config, arch: Arch) -> Result<()> {
    if config.platform.serves(arch).is_some() {
        return Ok(());
    }
    Err(Failure::input(format!("the image is for {}, not for {}", config.platform, arch.name()))
        .help("write the architecture it has as `arch`, or pin an index that has yours"))
}

fn entry(raw: RawDescriptor) -> Result<Entry> {
    let name = raw
        .annotations
        .as_ref()
        .and_then(|all| all.get("org.opencontainers.image.ref.name"))
        .and_then(serde_json::Value::as_str)
        .map(str::to_owned);
    Ok(Entry { descriptor: descriptor(&raw)?, platform: raw.platform.unwrap_or_default(), name })
}

fn descriptor(raw: &RawDescriptor) -> Result<Descriptor> {
    let digest = digest(&raw.digest, "manifest")?;
    Ok(Descriptor { media_type: raw.media_type.clone(), digest, size: Some(raw.size) })
}

/// `sha256:…` of a document.
pub fn digest(text: &str, what: &str) -> Result<Digest> {
    let found = text.strip_prefix("sha256:").filter(|hex| hex.len() == 64).and_then(|hex| hex.parse().ok());
    found.ok_or_else(|| {
        let failure = wrong(what, &format!("`{}` is no sha256 digest", shown(text)));
        match text.starts_with("sha512:") {
            true => failure.help("rbld knows images by sha256 alone: push it again with sha256 digests"),
            false => failure,
        }
    })
}

fn parse<'b, T: Deserialize<'b>>(bytes: &'b [u8], what: &str) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| wrong(what, &error.to_string()))
}

fn wrong(what: &str, why: &str) -> Failure {
    Failure::world(format!("the image's {what} is damaged: {}", shown(why)))
}

/// Foreign text, short and without control characters.
pub(super) fn shown(text: &str) -> String {
    const LONGEST: usize = 200;
    let plain: String = text.chars().take(LONGEST).map(|c| if c.is_control() { '?' } else { c }).collect();
    if text.chars().count() > LONGEST { format!("{plain}…") } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(os: &str, architecture: &str, variant: &str, byte: u8) -> Entry {
        let platform = Platform {
            os: os.to_owned(),
            architecture: architecture.to_owned(),
            variant: variant.to_owned(),
        };
        let digest = Digest::from_bytes([byte; 32]);
        Entry {
            descriptor: Descriptor { media_type: String::new(), digest, size: Some(1) },
            platform,
            name: None,
        }
    }

    #[test]
    fn the_best_fitting_image_is_chosen_wherever_it_stands() {
        let arm = [
            entry("linux", "arm", "v6", 1),
            entry("windows", "arm", "v7", 2),
            entry("linux", "arm", "v7", 3),
        ];
        assert_eq!(choose(&arm, Arch::Armhf).unwrap().descriptor.digest, Digest::from_bytes([3; 32]));
        assert_eq!(choose(&arm[..2], Arch::Armhf).unwrap().descriptor.digest, Digest::from_bytes([1; 32]));
        let twice = [entry("linux", "amd64", "", 1), entry("linux", "amd64", "", 2)];
        assert_eq!(choose(&twice, Arch::Amd64).unwrap().descriptor.digest, Digest::from_bytes([1; 32]));
        let bare = [entry("linux", "arm64", "", 1)];
        assert_eq!(choose(&bare, Arch::Arm64).unwrap().descriptor.digest, Digest::from_bytes([1; 32]));
        assert!(choose(&[entry("", "", "", 1)], Arch::S390x).is_ok());
    }

    #[test]
    fn what_is_missing_is_said_with_what_is_there() {
        let there = [
            entry("linux", "amd64", "", 1),
            entry("linux", "arm", "v7", 2),
            entry("unknown", "unknown", "", 3),
        ];
        let failure = choose(&there, Arch::Riscv64).unwrap_err();
        assert_eq!(failure.exit_code(), 2);
        assert!(
            failure.facts.iter().any(|fact| fact == "the index has linux/amd64, linux/arm/v7"),
            "{failure}"
        );
    }

    #[test]
    fn documents_are_read_or_refused() {
        let hex = "a".repeat(64);
        let one = format!(
            "{{\"schemaVersion\":2,\"config\":{{\"digest\":\"sha256:{hex}\",\"size\":3}},\"layers\":[],\"more\":1}}"
        );
        assert!(matches!(document(one.as_bytes()), Ok(Document::Manifest(_))));
        for wrong in [
            "".to_owned(),
            "[]".to_owned(),
            "{\"schemaVersion\":1}".to_owned(),
            "{\"schemaVersion\":2}".to_owned(),
            one.replace("sha256", "sha512"),
            one.replace(&hex, "../../etc"),
            one.replace("3", "-3"),
            one.replace("\"layers\":[]", "\"layers\":[],\"manifests\":[]"),
        ] {
            assert!(document(wrong.as_bytes()).is_err(), "{wrong}");
        }
        let read =
            config(b"{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{\"Env\":null},\"rootfs\":{}}")
                .unwrap();
        assert_eq!(read.env, Vec::<String>::new());
        assert!(config(b"{\"rootfs\":{\"diff_ids\":[\"x\"]}}").is_err());
        assert!(config(b"{}").is_err());
    }
}

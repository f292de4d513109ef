//! Keys: the name under which a result is found, here and in any remote cache.
//!
//! A build whose inputs are known by digest is walked once into a [`Manifest`]; the
//! action writer turns the walk into a Remote Execution API v2 `Action`, whose digest is
//! the key, and the explainer turns the same walk into the lines that `rbld why`
//! compares. What a server needs to run it (timeouts, users, helpers) is not here.

use std::collections::BTreeMap;

use bazel_remote_apis::build::bazel::remote::execution::v2 as reapi;
use prost::Message;
use rbld_lang::derivation::{Build, Emulator, Environment, Guix, OutputSpec, Shell};
use rbld_lang::digest::{Digest, Explainer, Hasher, Manifest};

use crate::failure::{Failure, Result};
use crate::store::Object;
use crate::store::tree::reapi_digest;
use crate::vary::{PLAIN_FOLDER, Variant};

/// `SOURCE_DATE_EPOCH` of every build, and the time of every file that enters one: 2011-11-11T11:11:11Z.
pub const EPOCH: u64 = 1_321_009_871;

/// The variables that every build gets, whatever its recipe says; a change of one is a change of all keys.
pub const FIXED_VARIABLES: [(&str, &str); 10] = [
    ("HOME", "/build"),
    ("LANG", "C.UTF-8"),
    ("LC_ALL", "C.UTF-8"),
    ("LOGNAME", "build"),
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ("SOURCE_DATE_EPOCH", "1321009871"),
    ("TERM", "dumb"),
    ("TMPDIR", "/tmp"),
    ("TZ", "UTC"),
    ("USER", "build"),
];

/// A build with its environment and inputs replaced by what they turned out to be.
pub struct Resolved<'a> {
    /// The build.
    pub build: &'a Build,
    /// Its environment's tree.
    pub env: Object,
    /// The variables that its environment brings along.
    pub env_vars: BTreeMap<String, String>,
    /// Its inputs, by name.
    pub inputs: BTreeMap<String, Object>,
    /// How this run differs from the plain one.
    pub variant: Variant,
}

/// The messages that make a key.
pub struct KeyAction {
    /// The digest of the encoded `Action`.
    pub key: Digest,
    /// Every message that the action refers to and that isn't an input's own, encoded: action, command, folders.
    pub messages: Vec<Vec<u8>>,
}

/// Where things are inside: the paths of the fixed layout.
pub mod place {
    /// The folder a script starts in unless an input is its `workdir`.
    pub const BUILD: &str = crate::vary::PLAIN_FOLDER;
    /// The folder of the inputs.
    pub const INPUTS: &str = "/inputs";
}

/// Where a build's input is seen: in the build's own folder for its `workdir`, else `/inputs/NAME`.
pub fn input_path(build: &Build, name: &str, folder: &str) -> String {
    if build.workdir.as_deref() == Some(name) {
        format!("{folder}/{name}")
    } else {
        format!("{}/{name}", place::INPUTS)
    }
}

/// Where a build's script starts.
pub fn working_directory(build: &Build, folder: &str) -> String {
    match &build.workdir {
        Some(name) => format!("{folder}/{name}"),
        None => folder.to_owned(),
    }
}

/// The command a build runs.
pub fn arguments(build: &Build) -> Vec<String> {
    let shell: &[&str] = match build.shell {
        Shell::Sh => &["/bin/sh", "-eu", "-c"],
        Shell::Bash => &["/bin/bash", "-eu", "-o", "pipefail", "-c"],
    };
    shell.iter().map(|word| (*word).to_owned()).chain([build.script.to_string()]).collect()
}

/// The environment variables of a build, as its key holds them: the fixed ones, over them what its environment
/// brings along, over these its own. `folder`: the build's own.
pub fn variables(
    build: &Build,
    env_vars: &BTreeMap<String, String>,
    folder: &str,
) -> BTreeMap<String, String> {
    let mut variables: BTreeMap<String, String> =
        FIXED_VARIABLES.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    variables.extend(env_vars.iter().map(|(name, value)| (name.clone(), value.clone())));
    let start = working_directory(build, folder);
    let mut declared = Vec::new();
    for (name, spec) in build.outputs.iter() {
        let (kind, path) = match &**spec {
            OutputSpec::File(path) => ("file", path),
            OutputSpec::Files(pattern) => ("files", pattern),
        };
        variables.insert(name.to_string(), format!("{start}/{path}"));
        declared.push(format!("{name}={kind}:{path}"));
    }
    // The kinds of the outputs decide what is taken, so they must be in the key: this variable holds them.
    variables.insert("RBLD_OUTPUTS".to_owned(), declared.join("\n"));
    for name in build.inputs.keys() {
        variables.insert(name.to_string(), input_path(build, name, folder));
    }
    variables.extend(build.vars.iter().map(|(name, value)| (name.to_string(), value.to_string())));
    variables
}

impl Resolved<'_> {
    /// The key and its messages. `env_root` is the decoded `Directory` message of the environment's tree.
    pub fn action(&self, env_root: &reapi::Directory) -> Result<KeyAction> {
        let mut writer = ActionWriter { root: env_root.clone(), ..ActionWriter::default() };
        self.manifest(&mut writer);
        writer.finish()
    }

    /// The same facts as lines for a person.
    pub fn explain(&self) -> Vec<(String, String)> {
        let mut explainer = Explainer::default();
        self.manifest(&mut explainer);
        explainer.facts
    }

    /// Walks all that decides what comes out, in one fixed order.
    pub fn manifest(&self, to: &mut impl Manifest) {
        let build = self.build;
        let arguments = arguments(build);
        to.open("arguments", arguments.len());
        for (index, argument) in arguments.iter().enumerate() {
            let name = if index + 1 == arguments.len() { "script".to_owned() } else { index.to_string() };
            to.field(&name, argument.as_bytes());
        }
        to.close();
        // A variant's other paths and values are in the key by its name alone.
        let variables = variables(build, &self.env_vars, PLAIN_FOLDER);
        to.open("variables", variables.len());
        for (name, value) in &variables {
            to.field(name, value.as_bytes());
        }
        to.close();
        to.open("outputs", build.outputs.len());
        for (name, spec) in build.outputs.iter() {
            let (OutputSpec::File(path) | OutputSpec::Files(path)) = &**spec;
            to.field(name, path.as_bytes());
        }
        to.close();
        to.field("working directory", working_directory(build, PLAIN_FOLDER).as_bytes());
        to.field("environment", object_text(&self.env).as_bytes());
        to.open("inputs", self.inputs.len());
        for (name, object) in &self.inputs {
            to.field(&input_path(build, name, PLAIN_FOLDER), object_text(object).as_bytes());
        }
        to.close();
        to.open("platform", 2);
        to.field("ISA", build.arch.isa().as_bytes());
        to.field("OSFamily", b"linux");
        to.close();
        let variant = self.variant.salt();
        to.open("salt", usize::from(build.emulator.is_some()) + variant.len());
        if let Some(emulator) = &build.emulator {
            to.field("emulator", emulator_text(emulator).as_bytes());
        }
        for (name, value) in variant {
            to.field(name, value.as_bytes());
        }
        to.close();
    }
}

/// The key of an environment: an action whose input root holds its packages.
pub fn environment_key(environment: &Environment) -> Result<KeyAction> {
    let mut files: Vec<reapi::FileNode> = environment
        .packages
        .iter()
        .map(|package| reapi::FileNode {
            name: format!("{}_{}_{}.deb", package.name, package.version.replace(':', "%3a"), package.arch),
            digest: Some(reapi_digest(package.digest, package.size)),
            is_executable: false,
            node_properties: None,
        })
        .collect();
    files.sort_by(|a, b| a.name.cmp(&b.name));
    let mut writer =
        ActionWriter { root: reapi::Directory { files, ..Default::default() }, ..Default::default() };
    writer.command.arguments = vec!["rbld-environment".to_owned(), environment.rules.to_string()];
    writer.command.output_paths = vec!["out".to_owned()];
    writer.properties = vec![
        ("ISA".to_owned(), environment.arch.isa().to_owned()),
        ("OSFamily".to_owned(), "linux".to_owned()),
    ];
    if let Some(emulator) = &environment.emulator {
        writer.salt.push(format!("emulator={}", emulator_text(emulator)));
    }
    writer.finish()
}

/// The key of an environment of Guix: its closure, its profile, and what it is laid over.
pub fn guix_key(guix: &Guix, base: Option<&Object>, beneath: &BTreeMap<String, String>) -> KeyAction {
    let mut hasher = Hasher::new("rbld-guix-1");
    hasher.field("rules", guix.rules.to_string().as_bytes());
    hasher.field("arch", guix.arch.name().as_bytes());
    if let Some(base) = base {
        hasher.field("base", base.digest().as_bytes());
    }
    hasher.open("variables", beneath.len());
    for (name, value) in beneath {
        hasher.field(name, value.as_bytes());
    }
    hasher.close();
    guix.closure(&mut hasher);
    KeyAction { key: hasher.finish(), messages: Vec::new() }
}

fn emulator_text(emulator: &Emulator) -> String {
    format!("{} sha256:{}", emulator.host.name(), emulator.package.digest)
}

fn object_text(object: &Object) -> String {
    match object {
        Object::File { digest, size, executable } => {
            format!("{} {digest} {size}", if *executable { "executable" } else { "file" })
        }
        Object::Tree { digest, size } => format!("tree {digest} {size}"),
    }
}

/// The manifest that writes an `Action`.
#[derive(Default)]
struct ActionWriter {
    section: Option<String>,
    command: reapi::Command,
    properties: Vec<(String, String)>,
    salt: Vec<String>,
    root: reapi::Directory,
    /// What stands in `/inputs` and in `/build`.
    folders: BTreeMap<String, reapi::Directory>,
    messages: Vec<Vec<u8>>,
}

impl Manifest for ActionWriter {
    fn field(&mut self, name: &str, value: &[u8]) {
        let value = String::from_utf8_lossy(value).into_owned();
        match self.section.as_deref() {
            Some("arguments") => self.command.arguments.push(value),
            Some("variables") => {
                let name = name.to_owned();
                self.command.environment_variables.push(reapi::command::EnvironmentVariable { name, value });
            }
            Some("outputs") => self.command.output_paths.push(value),
            Some("inputs") => self.place(name, &value),
            Some("platform") => self.properties.push((name.to_owned(), value)),
            Some("salt") => self.salt.push(format!("{name}={value}")),
            // The environment is the root that the writer began with.
            _ if name == "working directory" => {
                self.command.working_directory = value.trim_start_matches('/').to_owned();
            }
            _ => {}
        }
    }

    fn open(&mut self, name: &str, _count: usize) {
        self.section = Some(name.to_owned());
    }

    fn close(&mut self) {
        self.section = None;
    }
}

impl ActionWriter {
    /// Puts an input's object at a path of the form `/FOLDER/NAME`.
    fn place(&mut self, path: &str, object: &str) {
        let Some((folder, name)) = path.trim_start_matches('/').split_once('/') else { return };
        let mut words = object.split(' ');
        let (kind, hash, size) =
            (words.next().unwrap_or(""), words.next().unwrap_or(""), words.next().unwrap_or(""));
        let digest =
            Some(reapi::Digest { hash: hash.to_owned(), size_bytes: size.parse().unwrap_or(i64::MAX) });
        let name = name.to_owned();
        let into = self.folders.entry(folder.to_owned()).or_default();
        if kind == "tree" {
            into.directories.push(reapi::DirectoryNode { name, digest });
        } else {
            let is_executable = kind == "executable";
            into.files.push(reapi::FileNode { name, digest, is_executable, node_properties: None });
        }
    }

    fn message(&mut self, message: &impl Message) -> reapi::Digest {
        let bytes = message.encode_to_vec();
        let digest = reapi_digest(Digest::of(&bytes), bytes.len() as u64);
        self.messages.push(bytes);
        digest
    }

    fn finish(mut self) -> Result<KeyAction> {
        let mut root = std::mem::take(&mut self.root);
        for (name, mut folder) in std::mem::take(&mut self.folders) {
            folder.files.sort_by(|a, b| a.name.cmp(&b.name));
            folder.directories.sort_by(|a, b| a.name.cmp(&b.name));
            let taken = root.files.iter().any(|file| file.name == name)
                || root.symlinks.iter().any(|link| link.name == name);
            if taken {
                return Err(Failure::world(format!(
                    "the environment has a file where `/{name}` must be a folder"
                ))
                .help("`/build` and `/inputs` belong to rbld; use an environment without such a file"));
            }
            let digest = Some(self.message(&folder));
            match root.directories.iter_mut().find(|directory| directory.name == name) {
                Some(directory) => directory.digest = digest,
                None => root.directories.push(reapi::DirectoryNode { name, digest }),
            }
        }
        root.directories.sort_by(|a, b| a.name.cmp(&b.name));
        let platform = reapi::Platform {
            properties: std::mem::take(&mut self.properties)
                .into_iter()
                .map(|(name, value)| reapi::platform::Property { name, value })
                .collect(),
        };
        let mut command = std::mem::take(&mut self.command);
        command.output_paths.sort();
        #[expect(deprecated, reason = "servers of REAPI 2.1 and older look for the platform here")]
        {
            command.platform = Some(platform.clone());
        }
        let action = reapi::Action {
            command_digest: Some(self.message(&command)),
            input_root_digest: Some(self.message(&root)),
            salt: self.salt.join("\n").into_bytes(),
            platform: Some(platform),
            ..Default::default()
        };
        let bytes = action.encode_to_vec();
        let key = Digest::of(&bytes);
        self.messages.push(bytes);
        Ok(KeyAction { key, messages: self.messages })
    }
}

#[cfg(test)]
#[path = "key_tests.rs"]
mod tests;

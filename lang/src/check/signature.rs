//! Signatures: what functions, recipes, builtins and methods take and give.

use std::fmt;
use std::sync::Arc;

use crate::ir::{Builtin, Ir, Kind};
use crate::plan::Equality;
use crate::span::Span;
use crate::types::{EnumType, OutputKind, Outputs, Plain, Type};
use crate::value::Value;

/// What something callable takes and gives.
#[derive(Debug)]
pub struct Signature {
    /// Its name.
    pub name: String,
    /// What it takes, in order.
    pub params: Vec<Param>,
    /// What it gives.
    pub result: Type,
}

/// A parameter.
#[derive(Debug)]
pub struct Param {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: Type,
    /// What it is when left out.
    pub default: Option<Arc<Ir>>,
    /// The default as written.
    pub shown: String,
    /// Where it is declared in a file of the project.
    pub span: Option<Span>,
    /// Where it is declared, in the standard library too.
    pub place: Option<Span>,
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.name)?;
        for (index, param) in self.params.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{param}")?;
        }
        match self.result {
            // A comparison gives nothing, and what it takes depends on what else it is given.
            Type::Unknown => f.write_str(")"),
            _ => write!(f, ") -> {}", self.result),
        }
    }
}

impl fmt::Display for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ty {
            Type::Unknown => f.write_str(&self.name)?,
            _ => write!(f, "{}: {}", self.name, self.ty)?,
        }
        match self.shown.is_empty() {
            true => Ok(()),
            false => write!(f, " = {}", self.shown),
        }
    }
}

/// The place that things built in have.
const NOWHERE: Span = Span { file: crate::span::FileId(0), start: 0, end: 0 };

fn param(name: &str, ty: impl Into<Type>) -> Param {
    Param {
        name: name.to_owned(),
        ty: ty.into(),
        default: None,
        shown: String::new(),
        span: None,
        place: None,
    }
}

fn optional(name: &str, ty: impl Into<Type>, default: Value, shown: &str) -> Param {
    let default = Some(Arc::new(Ir::new(NOWHERE, Kind::Const(default))));
    Param { default, shown: shown.to_owned(), ..param(name, ty) }
}

fn signature(name: &str, params: Vec<Param>, result: impl Into<Type>) -> Signature {
    Signature { name: name.to_owned(), params, result: result.into() }
}

fn texts() -> Type {
    Type::from(Plain::String).list()
}

fn no_texts() -> Value {
    Value::List(Arc::from([]))
}

/// The builtin functions whose parameters have fixed types.
pub(super) fn builtin(name: &str) -> Option<(Builtin, Signature)> {
    let text = |name| param(name, Plain::String);
    Some(match name {
        "file" => (Builtin::File, signature(name, vec![text("path")], Type::Spec(OutputKind::File))),
        "files" => (Builtin::Files, signature(name, vec![text("pattern")], Type::Spec(OutputKind::Files))),
        "join" => (Builtin::Join, signature(name, vec![param("list", texts()), text("sep")], Plain::String)),
        "flaky" => (Builtin::Flaky, signature(name, vec![text("why"), text("owner")], Type::Expect)),
        "signed" => {
            let params = vec![
                param("sums", Plain::Input),
                param("keys", Plain::Input),
                optional("at", Type::from(Plain::String).option(), Value::None, "none"),
                optional("signature", Type::from(Plain::Input).option(), Value::None, "none"),
            ];
            (Builtin::Signed, signature(name, params, Type::Witness))
        }
        "unsigned" => {
            let at = optional("at", Type::from(Plain::String).option(), Value::None, "none");
            let params = vec![param("sums", Plain::Input), text("why"), at];
            (Builtin::Unsigned, signature(name, params, Type::Witness))
        }
        _ => {
            let equality = weaker(name)?;
            (Builtin::Relation(equality), signature(name, vec![text("why")], Type::Relation))
        }
    })
}

/// `different`, whose parameters include a value of a builtin enum.
pub(super) fn different(category: &Arc<EnumType>) -> Signature {
    let maybe = |name: &str, ty: Type| optional(name, ty.option(), Value::None, "none");
    let params = vec![
        param("why", Plain::String),
        maybe("until", Plain::Date.into()),
        maybe("category", Type::Enum(category.clone())),
        maybe("owner", Plain::String.into()),
    ];
    signature("different", params, Type::Expect)
}

/// The equality that a function of this name stands for.
pub(super) fn weaker(name: &str) -> Option<Equality> {
    Equality::ALL.into_iter().skip(1).find(|equality| equality.name() == name)
}

/// All builtin functions, for the nearest name.
pub(super) const BUILTINS: [&str; 14] = [
    "file",
    "files",
    "length",
    "join",
    "text",
    "default",
    "different",
    "flaky",
    "iterate",
    "tree",
    "deb",
    "content",
    "signed",
    "unsigned",
];

/// What writing an image gives.
fn image() -> Type {
    let kind = |name: &str| if name == "manifest" { OutputKind::File } else { OutputKind::Files };
    let outputs = ["layout", "manifest"].map(|name| (name.to_owned(), (kind(name), NOWHERE)));
    Type::Build(Some(Arc::new(Outputs {
        recipe: "image".to_owned(),
        outputs: outputs.into_iter().collect(),
    })))
}

/// The intrinsics of `core` that are about container images.
fn core_image(name: &str, arch: &Arc<EnumType>) -> Option<(Builtin, Signature)> {
    let text = |name| param(name, Plain::String);
    let digest = || param("digest", Type::from(Plain::Digest).option());
    let instant = |name| param(name, Type::from(Plain::Instant).option());
    let arch = Type::Enum(arch.clone());
    let map = |of: Plain| Type::Map(Arc::new(Plain::String.into()), Arc::new(of.into()));
    Some(match name {
        "registry_image" => {
            let params = vec![text("name"), digest(), param("arch", arch), instant("emulator")];
            (Builtin::RegistryImage, signature(name, params, Plain::Env))
        }
        "folder_image" => {
            let params =
                vec![param("from", Plain::Input), digest(), param("arch", arch), instant("emulator")];
            (Builtin::FolderImage, signature(name, params, Plain::Env))
        }
        "image" => {
            let params = vec![
                param("base", Type::from(Plain::Env).option()),
                param("files", map(Plain::Input)),
                param("arch", arch.option()),
                param("entrypoint", texts()),
                param("cmd", texts()),
                param("vars", map(Plain::String)),
                text("workdir"),
                text("user"),
                param("labels", map(Plain::String)),
                instant("created"),
                text("name"),
            ];
            (Builtin::Image, signature(name, params, image()))
        }
        "image_index" => {
            let params = vec![param("images", Type::Build(None).list()), text("name")];
            (Builtin::ImageIndex, signature(name, params, image()))
        }
        _ => return None,
    })
}

/// The intrinsics of `core`, which only the standard library may use.
pub(super) fn core(name: &str, arch: &Arc<EnumType>) -> Option<(Builtin, Signature)> {
    let text = |name| param(name, Plain::String);
    let maybe = |name, plain: Plain| param(name, Type::from(plain).option());
    Some(match name {
        "url" => {
            let params = vec![
                maybe("url", Plain::String),
                param("urls", texts()),
                maybe("digest", Plain::Digest),
                maybe("name", Plain::String),
            ];
            (Builtin::Url, signature(name, params, Plain::Input))
        }
        "git" => {
            let params = vec![
                text("url"),
                maybe("commit", Plain::Commit),
                maybe("tag", Plain::String),
                maybe("branch", Plain::String),
                param("submodules", Plain::Bool),
            ];
            (Builtin::Git, signature(name, params, Plain::Input))
        }
        "unpack" => {
            let params = vec![param("from", Plain::Input), param("strip", Plain::Int)];
            (Builtin::Unpack, signature(name, params, Plain::Input))
        }
        "staged" => {
            let params = vec![
                param("base", Plain::Env),
                param("packages", Type::from(Plain::Input).list()),
                param("add", texts()),
            ];
            (Builtin::Staged, signature(name, params, Plain::Env))
        }
        "guix" => {
            let params = vec![
                maybe("base", Plain::Env),
                maybe("commit", Plain::Commit),
                maybe("channels", Plain::Input),
                param("packages", texts()),
                param("items", texts()),
                param("arch", Type::Enum(arch.clone()).option()),
                maybe("emulator", Plain::Instant),
            ];
            (Builtin::Guix, signature(name, params, Plain::Env))
        }
        "archive" => {
            let keyring = Type::from(Plain::Input).option();
            let params = vec![
                text("name"),
                text("suite"),
                param("components", texts()),
                maybe("at", Plain::Instant),
                optional("keyring", keyring, Value::None, "none"),
                optional("always", texts(), no_texts(), "[]"),
            ];
            (Builtin::Archive, signature(name, params, Plain::Archive))
        }
        "together" => {
            let archives = Type::from(Plain::Archive).list();
            (Builtin::Together, signature(name, vec![param("archives", archives)], Plain::Archive))
        }
        _ => return core_image(name, arch),
    })
}

/// The names of the methods of an archive.
pub(super) const ARCHIVE_METHODS: [&str; 3] = ["env", "source", "buildinfo"];

/// The methods of an archive; the archive itself is not among the parameters.
pub(super) fn archive_method(name: &str, arch: &Arc<EnumType>) -> Option<(Builtin, Signature)> {
    let of_arch = || Type::Enum(arch.clone());
    Some(match name {
        "env" => {
            let params = vec![
                param("arch", of_arch()),
                optional("packages", texts(), no_texts(), "[]"),
                optional("build_depends", texts(), no_texts(), "[]"),
            ];
            (Builtin::ArchiveEnv, signature(name, params, Plain::Env))
        }
        "source" => {
            let amd64 = Value::Variant(arch.clone(), 0);
            let params = vec![param("name", Plain::String), optional("arch", of_arch(), amd64, "amd64")];
            (Builtin::ArchiveSource, signature(name, params, Plain::Input))
        }
        "buildinfo" => {
            let packages = optional("packages", texts(), no_texts(), "[]");
            let params = vec![param("file", Plain::Input), packages];
            (Builtin::ArchiveBuildinfo, signature(name, params, Plain::Env))
        }
        _ => return None,
    })
}

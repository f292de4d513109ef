//! Container images: as environments, and as what is built.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{as_instant, as_text, as_texts, tower};
use crate::codes;
use crate::derivation::{Arch, ImageName, ImageSettings, OutputSpec};
use crate::eval::pins::Question;
use crate::eval::{Eval, Evaluator, Stop};
use crate::span::Span;
use crate::types::Shape;
use crate::value::{Build, Env, EnvSource, Image, ImageAt, Key, Output, Record, Value};

/// The outputs that every image has: the folder in the image layout, and the manifest, whose sha256 is the image's
/// digest.
pub(crate) const OUTPUTS: [&str; 2] = ["layout", "manifest"];

impl Evaluator<'_> {
    /// `core.registry_image(name, digest, arch, emulator)`.
    pub(super) fn registry_image(&mut self, args: &[Value], span: Span) -> Eval<Value> {
        let written = as_text(args.first())?;
        let name = match ImageName::parse(written) {
            Ok(name) => name,
            Err(error) => {
                let message = format!("`{written}` isn't the name of an image: it {}", error.why);
                return self.stop(codes::FIELD, message, span, error.why, error.help);
            }
        };
        let digest = as_digest(args.get(1));
        self.ask(|| Question::Image { name: name.clone(), digest }, span);
        let Some(digest) = digest else {
            let moving = match &name.tag {
                Some(tag) => format!("the tag `{tag}` may be moved"),
                None => "it names no image of many".to_owned(),
            };
            return self.stop(
                codes::UNPINNED,
                format!("`{name}` is not pinned: {moving}"),
                span,
                "no digest",
                format!(
                    "add `digest = sha256:…`; `rbld update` finds it, and `skopeo inspect --format \
                     '{{{{.Digest}}}}' docker://{name}` prints it"
                ),
            );
        };
        let (arch, emulator) = (arch(args.get(2))?, as_instant(args.get(3)));
        self.image_env(
            ImageAt { name: Some(name), from: Vec::new(), digest: Some(digest), arch, emulator, depth: 0 },
            span,
        )
    }

    /// `core.folder_image(from, digest, arch, emulator)`.
    pub(super) fn folder_image(&mut self, args: &[Value], span: Span) -> Eval<Value> {
        let from = args.first().cloned().ok_or(Stop)?;
        let depth = tower(&from);
        self.tower(depth, span)?;
        let (digest, arch) = (as_digest(args.get(1)), arch(args.get(2))?);
        let emulator = as_instant(args.get(3));
        self.image_env(ImageAt { name: None, from: vec![from], digest, arch, emulator, depth }, span)
    }

    fn image_env(&mut self, image: ImageAt, span: Span) -> Eval<Value> {
        let span = self.place(span);
        if let Some(instant) = image.emulator {
            self.emulated.entry((image.arch, instant)).or_insert(span);
        }
        Ok(Value::Env(Arc::new(Env { source: EnvSource::Image(image), span, name: None })))
    }

    /// `core.image(base, files, arch, entrypoint, cmd, vars, workdir, user, labels, created, name)`.
    pub(super) fn image(&mut self, args: &[Value], span: Span) -> Eval<Value> {
        let base = match args.first() {
            Some(Value::Env(env)) => Some(env.clone()),
            _ => None,
        };
        let Some(Value::Map(files)) = args.get(1) else { return Err(Stop) };
        let arch = self.image_arch(base.as_deref(), args.get(2), span)?;
        let created = as_instant(args.get(9));
        let settings = ImageSettings {
            entrypoint: as_texts(args.get(3))?,
            cmd: as_texts(args.get(4))?,
            vars: texts_by_name(args.get(5))?,
            workdir: as_text(args.get(6))?.to_owned(),
            user: as_text(args.get(7))?.to_owned(),
            labels: texts_by_name(args.get(8))?,
            created,
            name: as_text(args.get(10))?.to_owned(),
        };
        self.check_settings(&settings, span)?;
        let mut laid: BTreeMap<Arc<str>, Value> = BTreeMap::new();
        for (key, value) in files.iter() {
            let path = self.image_path(key, span)?;
            if laid.insert(path.clone(), value.clone()).is_some() {
                return self.stop(
                    codes::TWICE,
                    format!("`/{path}` is in the image twice"),
                    span,
                    "one path, two files",
                    "name it once",
                );
            }
        }
        if base.is_none() && laid.is_empty() {
            return self.stop(
                codes::FIELD,
                "an image of nothing",
                span,
                "neither files nor an environment",
                "add `files = { \"/usr/bin/tool\" = b.tool }`, or `base = e`",
            );
        }
        self.image_build("build_image", base, Image::One(arch, settings), laid.into_iter().collect(), span)
    }

    /// `core.image_index(images, name)`.
    pub(super) fn image_index(&mut self, args: &[Value], span: Span) -> Eval<Value> {
        let Some(Value::List(images)) = args.first() else { return Err(Stop) };
        let name = as_text(args.get(1))?.to_owned();
        self.check_name(&name, span)?;
        let mut read = Vec::new();
        let mut seen: Vec<Arch> = Vec::new();
        for (index, value) in images.iter().enumerate() {
            let Value::Build(build) = value else { return Err(Stop) };
            let Some(Image::One(arch, _)) = build.image.as_deref() else {
                let name = build.name.as_ref().map_or_else(|| build.recipe.to_string(), ToString::to_string);
                return self.stop(
                    codes::TYPE,
                    format!("`{name}` is no image"),
                    span,
                    "an index is of images",
                    "make one of it: `oci.build_image { files = … }`",
                );
            };
            if seen.contains(arch) {
                return self.stop(
                    codes::TWICE,
                    format!("two images of an index are for {}", arch.name()),
                    span,
                    "one architecture, two images",
                    "an index holds one image an architecture: leave out one of them, or say its `arch`",
                );
            }
            seen.push(*arch);
            let output = Output { build: build.clone(), output: Arc::from(OUTPUTS[0]) };
            read.push((Arc::from(index.to_string()), Value::Output(Arc::new(output))));
        }
        if read.is_empty() {
            return self.stop(
                codes::FIELD,
                "an index of no images",
                span,
                "holds nothing",
                "name its images: `oci.index([a, b])`",
            );
        }
        self.image_build("index", None, Image::Index(name), read, span)
    }

    fn image_build(
        &mut self,
        recipe: &str,
        base: Option<Arc<Env>>,
        image: Image,
        read: Vec<(Arc<str>, Value)>,
        span: Span,
    ) -> Eval<Value> {
        let depth = read.iter().map(|(_, value)| tower(value)).max().unwrap_or(0);
        let depth = depth.max(base.as_deref().map_or(0, Env::depth));
        self.tower(depth, span)?;
        let record = |pairs: Vec<(Arc<str>, Value)>| {
            let spans = vec![span; pairs.len()];
            let (names, values) = pairs.into_iter().unzip();
            Arc::new(Record { shape: Arc::new(Shape { names, spans }), values })
        };
        let spec = |name: &str| match name {
            "manifest" => OutputSpec::File(name.to_owned()),
            _ => OutputSpec::Files(format!("{name}/")),
        };
        let outputs = OUTPUTS.map(|name| (Arc::from(name), Value::Spec(Arc::new(spec(name)))));
        let build = Build {
            recipe: Arc::from(recipe),
            env: base,
            image: Some(Arc::new(image)),
            inputs: record(read),
            workdir: None,
            script: Arc::from(""),
            shell: crate::derivation::Shell::Sh,
            vars: record(Vec::new()),
            outputs: record(outputs.into()),
            timeout: 0,
            span: self.place(span),
            name: None,
            depth,
        };
        Ok(Value::Build(Arc::new(build)))
    }

    fn image_arch(&mut self, base: Option<&Env>, asked: Option<&Value>, span: Span) -> Eval<Arch> {
        let asked = match asked {
            Some(Value::None) | None => None,
            given => Some(arch(given)?),
        };
        let of = base.and_then(Env::arch);
        match (of, asked) {
            (Some(of), Some(asked)) if of != asked => {
                let message = format!("the image is for {}, and its base is of {}", asked.name(), of.name());
                self.stop(
                    codes::ARCH,
                    message,
                    span,
                    "two architectures",
                    "leave `arch` out: it is the base's",
                )
            }
            (of, asked) => Ok(asked.or(of).unwrap_or(Arch::Amd64)),
        }
    }

    /// Where a file of an image is: an absolute path, given back without the slash before it.
    fn image_path(&mut self, key: &Key, span: Span) -> Eval<Arc<str>> {
        let written = key.to_string();
        let path = written.trim_matches('/');
        let odd = path.split('/').any(|part| matches!(part, "." | "..") || part.len() > 255)
            || path.contains("//")
            || path.chars().any(char::is_control)
            || path.len() > 4000;
        if written.starts_with('/') && !odd {
            return Ok(Arc::from(path));
        }
        self.stop(
            codes::FIELD,
            format!("`{written}` can't be a path in an image"),
            span,
            "not an absolute path",
            "it begins with a slash and has neither `.` nor `..`: `\"/usr/bin/tool\"`",
        )
    }

    fn check_settings(&mut self, settings: &ImageSettings, span: Span) -> Eval<()> {
        self.check_name(&settings.name, span)?;
        let words = settings.entrypoint.iter().chain(&settings.cmd);
        let values = settings.vars.values().chain(settings.labels.values()).chain(settings.labels.keys());
        if words.chain(values).chain([&settings.workdir, &settings.user]).any(|text| text.contains('\0')) {
            return self.stop(
                codes::FIELD,
                "an image's settings have a zero byte in them",
                span,
                "here",
                "leave it out",
            );
        }
        if !settings.workdir.is_empty() && !settings.workdir.starts_with('/') {
            let message = format!("`{}` can't be where a container starts", settings.workdir);
            return self.stop(
                codes::FIELD,
                message,
                span,
                "not an absolute path",
                "write it from the root: `\"/srv\"`",
            );
        }
        let name = |name: &str| {
            let letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
            let mut bytes = name.bytes();
            bytes.next().is_some_and(letter) && bytes.all(|byte| letter(byte) || byte.is_ascii_digit())
        };
        match settings.vars.keys().find(|key| !name(key)) {
            Some(wrong) => {
                let message = format!("`{wrong}` can't be the name of a variable");
                self.stop(codes::FIELD, message, span, "not a name", "names are of letters, digits and `_`")
            }
            None => Ok(()),
        }
    }

    fn check_name(&mut self, name: &str, span: Span) -> Eval<()> {
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let sound = !name.is_empty()
            && name.len() <= 128
            && name.bytes().all(letter)
            && !name.starts_with(['.', '-']);
        match sound {
            true => Ok(()),
            false => self.stop(
                codes::FIELD,
                format!("`{name}` can't be an image's name in its folder"),
                span,
                "not a tag",
                "a tag is of letters, digits, `.`, `_` and `-`: `\"1.0\"`",
            ),
        }
    }
}

fn arch(value: Option<&Value>) -> Eval<Arch> {
    match value {
        Some(Value::Variant(_, index)) => Arch::ALL.get(*index as usize).copied().ok_or(Stop),
        _ => Err(Stop),
    }
}

fn as_digest(value: Option<&Value>) -> Option<crate::digest::Digest> {
    match value {
        Some(Value::Digest(digest)) => Some(**digest),
        _ => None,
    }
}

fn texts_by_name(value: Option<&Value>) -> Eval<BTreeMap<String, String>> {
    let Some(Value::Map(map)) = value else { return Err(Stop) };
    map.iter().map(|(key, value)| Ok((key.to_string(), as_text(Some(value))?.to_owned()))).collect()
}

//! Paths as files of a project write them: joined, judged before any loader sees them, and the nearest that is there.

use super::Loader;
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::nearest::nearest;
use crate::span::Span;

/// Why a path can't be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathError {
    /// It begins at the root of the file system or at a home folder.
    Absolute,
    /// It leads out of the project's folder.
    Beyond,
    /// It has a part that no file of a project has.
    Odd,
}

impl PathError {
    /// The error as a person reads it.
    pub fn diagnostic(self, written: &str, span: Span) -> Diagnostic {
        let (message, label) = match self {
            PathError::Absolute => (format!("`{written}` is an absolute path"), "begins outside the project"),
            PathError::Beyond => {
                (format!("`{written}` lies outside the project's folder"), "leads out of it")
            }
            PathError::Odd => (format!("`{written}` isn't a path of a project"), "has an empty or odd part"),
        };
        Diagnostic::error(codes::OUTSIDE, message, span, label).help(
            "a file may be checked by anyone, so it reads only its own project: copy what it needs into the \
             project's folder, or fetch it by digest with `fetch.url`",
        )
    }

    /// The error in a package's file.
    pub fn in_package(self, written: &str, span: Span) -> Diagnostic {
        let wrong = self.diagnostic(written, span);
        Diagnostic { message: wrong.message.replace("project's folder", "package's folder"), ..wrong }
            .help("a package reads only its own files: whoever keeps it has to mend this")
    }
}

/// The path `written` in the file `from`, relative to the project's folder, without `.` and `..`.
pub fn join(from: &str, written: &str) -> Result<String, PathError> {
    if written.starts_with('/') || written.starts_with('~') {
        return Err(PathError::Absolute);
    }
    if written.contains(['\0', '\n', '\\']) {
        return Err(PathError::Odd);
    }
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in written.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop().ok_or(PathError::Beyond)?;
            }
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}

/// What may be meant by a path of the project where nothing is: the first part of it that isn't there, and the name
/// nearest to that in its folder.
pub(crate) fn near_path<'p>(loader: &dyn Loader, path: &'p str) -> Option<(&'p str, String)> {
    let mut folder = "";
    let mut rest = path;
    loop {
        let (part, after) = rest.split_once('/').unwrap_or((rest, ""));
        let names = loader.names(folder);
        if !names.iter().any(|name| name == part) {
            let near = nearest(part, names.iter().map(String::as_str))?;
            return Some((rest, format!("{near}{}", &rest[part.len()..])));
        }
        if after.is_empty() {
            return None;
        }
        folder = &path[..path.len() - after.len() - 1];
        rest = after;
    }
}

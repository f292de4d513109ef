//! What usually mends a class, in a sentence.

use super::Class;

/// The usual fix of a class at a place.
pub(super) fn usual(class: Class, detail: &str, path: &[String]) -> &'static str {
    let within = |name: &str| path.iter().any(|step| step.ends_with(name));
    match class {
        Class::Compressor => {
            "use one compressor of one version at one level: name it in the recipe, take it from the environment"
        }
        Class::Metadata => match detail {
            "modification time" => {
                "give members the time of the source: `tar --mtime=@$SOURCE_DATE_EPOCH --clamp-mtime`, or touch the files before `zip`"
            }
            "owner" => "pack with `tar --owner=0 --group=0 --numeric-owner`, `zip -X`, `cpio -R 0:0`",
            "mode" => {
                "set the modes before packing: `umask 022`, `chmod -R u+w,go-w`, `tar --mode=go+u,go-w`"
            }
            "order of members" => {
                "sort what is packed: `tar --sort=name`, `find … | LC_ALL=C sort | cpio -o`"
            }
            "numbers of the file system" => "pack with `cpio --reproducible`",
            "name in the gzip header" | "extra fields" => "pack with `gzip -n`, `zip -X`",
            _ => "write the archive with one tool of one version",
        },
        Class::Timestamp => match detail {
            "gzip header" => "pack with `gzip -n`",
            _ if detail.contains("timezone") => "set `TZ=UTC`, or write times by `date -u`",
            _ if within(".pyc") || detail.contains("Python") => {
                "compile with `SOURCE_DATE_EPOCH` set, or `python3 -m compileall --invalidation-mode unchecked-hash`"
            }
            _ if detail.contains("header of a program") => {
                "link with `-Wl,--no-insert-timestamp`, or `/Brepro`"
            }
            _ => {
                "write `SOURCE_DATE_EPOCH` where the current time is written; of C, `-Wdate-time` finds `__DATE__` and `__TIME__`"
            }
        },
        Class::Surroundings => match detail {
            "build path" => {
                "map the path away: `-ffile-prefix-map=$PWD=.`, `--remap-path-prefix`, `-trimpath`; write relative paths"
            }
            "home folder" => "don't write `$HOME`; write relative paths, or a fixed one",
            "user" | "host" | "user and host" => {
                "don't write who built it and where, or let that be set from outside"
            }
            "kernel" => "don't write `uname`: it says where it was built, not where it runs",
            "locale" => "set `LC_ALL=C.UTF-8` for what writes or sorts text",
            "timezone" => "set `TZ=UTC`, or write times by `date -u`",
            "number of processors" => "don't write `nproc`; let results not depend on how the work is parted",
            "search path" => "don't write `$PATH`; write the tool's name, not where it was found",
            _ => "write only what follows from the source",
        },
        Class::BuildId => {
            "a build-id follows from what was compiled before it was stripped: compare the debug information, \
             and the compiler's version and the build path with it"
        }
        Class::ToolVersion => {
            "build in an environment with that version, or accept the other: the lock names both"
        }
        Class::Order => {
            "sort it before it is written: names of files by `LC_ALL=C sort`, keys of tables by name; for Python's sets `sorted()`"
        }
        Class::Random => match detail {
            "an address in memory" => "don't write addresses; print names or numbers of one's own",
            "a temporary name" => "give the file a fixed name, or don't write its name",
            _ => "derive it from the source (a digest, a fixed seed) instead of drawing it",
        },
    }
}

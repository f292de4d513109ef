//! Classes by what is known of the builds: values, times, packages. What bytes alone say is held by `tests/cases/causes`.

use rbld_lang::derivation::Package;
use rbld_lang::digest::Digest;

use super::super::difference::Part;
use super::*;

/// A difference of one line, or of one run of bytes.
fn one(nature: Nature, before: &[u8], left: &[u8], right: &[u8], after: &[u8]) -> Difference {
    let part = Part {
        offset: before.len() as u64,
        line: None,
        before: before.to_vec(),
        left: left.to_vec(),
        right: right.to_vec(),
        after: after.to_vec(),
    };
    let leaf = Leaf { nature: Some(nature), parts: vec![part], whole: true, ..Leaf::default() };
    Difference { leaves: vec![leaf], ..Difference::default() }
}

fn text(left: &str, right: &str) -> Difference {
    one(Nature::Text, b"", left.as_bytes(), right.as_bytes(), b"")
}

fn around(known: &[(Axis, &str)], times: &[i64]) -> Surroundings {
    let known = known.iter().map(|(axis, value)| (*axis, (*value).to_owned())).collect();
    Surroundings { known, times: times.to_vec() }
}

fn classes(difference: &Difference, context: &Context) -> Vec<(Class, String)> {
    let observation = observe(difference, context);
    assert_eq!(observation.unexplained > 0, observation.observed.is_empty(), "{observation:?}");
    observation.observed.into_iter().map(|one| (one.class, one.detail)).collect()
}

/// A number alone is no class; one that was the count of processors is.
#[test]
fn known_values_are_looked_for() {
    let rows = [
        (Axis::Cpus, "4", "1", "built with 4 jobs", "built with 1 jobs", "number of processors"),
        (Axis::User, "anna", "builder", "by anna", "by builder", "user"),
        (Axis::Hostname, "fast", "slow.example", "on fast.", "on slow.example.", "host"),
        (Axis::BuildPath, "/opt/x/one", "/opt/x/two", "in /opt/x/one/src", "in /opt/x/two/src", "build path"),
        (Axis::Locale, "C", "et_EE", "lang=C", "lang=et_EE", "locale"),
        (Axis::Timezone, "UTC", "Asia/Tokyo", "zone UTC", "zone Asia/Tokyo", "timezone"),
        (Axis::Kernel, "Linux 6.1", "Other", "os: Linux 6.1", "os: Other", "kernel"),
    ];
    for (axis, ours, theirs, left, right, detail) in rows {
        let context = Context {
            left: around(&[(axis, ours)], &[]),
            right: around(&[(axis, theirs)], &[]),
            candidates: Vec::new(),
        };
        let observation = observe(&text(left, right), &context);
        let [seen] = &observation.observed[..] else { panic!("{left}: {observation:?}") };
        assert_eq!((seen.class, seen.detail.as_str()), (Class::Surroundings, detail), "{left}");
        assert_eq!(seen.axes, [axis], "{left}");
        assert_eq!(observation.only(), Some(Class::Surroundings));
    }
    assert_eq!(classes(&text("built with 4 jobs", "built with 1 jobs"), &Context::default()), []);
}

/// The value of a build must stand on its own side.
#[test]
fn values_of_the_other_build_explain_nothing() {
    let context = Context {
        left: around(&[(Axis::Cpus, "4")], &[]),
        right: around(&[(Axis::Cpus, "1")], &[]),
        candidates: Vec::new(),
    };
    assert_eq!(classes(&text("jobs 1", "jobs 4"), &context), []);
}

#[test]
fn numbers_are_times_only_near_the_builds() {
    let bytes = |left: u32, right: u32| {
        one(Nature::Bytes, &[1, 2, 3, 4], &left.to_le_bytes(), &right.to_le_bytes(), &[5, 6])
    };
    let times = |left, right| Context {
        left: around(&[], &[left]),
        right: around(&[], &[right]),
        candidates: Vec::new(),
    };
    let (day, year) = (86_400, 31_536_000);
    let build = 1_764_288_000;
    let is_time = |difference, context| {
        classes(&difference, &context).first().is_some_and(|(class, _)| *class == Class::Timestamp)
    };
    assert!(is_time(bytes(build as u32 + 7, build as u32 + 500), times(build, build)));
    assert!(is_time(bytes(build as u32, (build + year) as u32), times(build, build + year)));
    assert!(!is_time(bytes(build as u32 + 3 * day, build as u32), times(build, build)));
    assert!(is_time(bytes(build as u32 + 3 * day, build as u32), Context::default()));
    assert!(!is_time(bytes(12, 4_000_000_000), Context::default()));
    assert!(is_time(text(&format!("{build}"), &format!("{}", build + 9)), times(build, build)));
    assert!(!is_time(text("1000000007", "1000000009"), times(build, build)));
}

fn package(name: &str, version: &str) -> Package {
    Package {
        name: name.to_owned(),
        arch: "amd64".to_owned(),
        version: version.to_owned(),
        digest: Digest::of(version.as_bytes()),
        size: 1,
        path: String::new(),
        origin: None,
    }
}

#[test]
fn a_version_is_led_back_to_its_package() {
    let old = [package("zlib1g", "1:1.2.13"), package("gcc-12", "12.2.0-14"), package("sed", "4.9-1")];
    let new =
        [package("zlib1g", "1:1.2.14"), package("gcc-12", "12.2.0-14+deb12u1"), package("sed", "4.9-1")];
    let context = Context::of_packages(&old, &new);
    let names: Vec<&str> = context.candidates.iter().map(|one| one.package.as_str()).collect();
    assert_eq!(names, ["gcc-12", "zlib1g"], "a toolchain's packages first, equal ones not at all");
    let difference = text("GCC: (Debian 12.2.0-14) 12.2.0", "GCC: (Debian 12.2.0-14+deb12u1) 12.2.0");
    let observation = observe(&difference, &context);
    assert_eq!(observation.observed[0].class, Class::ToolVersion);
    assert_eq!(observation.observed[0].packages, ["gcc-12"]);
    let observation = observe(&text("zlib 1.2.13", "zlib 1.2.14"), &context);
    assert_eq!(observation.observed[0].packages, ["zlib1g"]);
    let come = Context::of_packages(&old, &new[1..]);
    assert_eq!(come.candidates[1].right, None);
}

/// What isn't all explained isn't explained.
#[test]
fn one_word_too_many_is_no_class() {
    let known = ["2026-11-27 yes", "2026-11-28 no"];
    assert_eq!(classes(&text(known[0], known[1]), &Context::default()), []);
    let both = observe(&text("2026-11-27 at /build/a/x", "2026-11-28 at /build/b/x"), &Context::default());
    let seen: Vec<Class> = both.observed.iter().map(|one| one.class).collect();
    assert_eq!(seen, [Class::Timestamp, Class::Surroundings]);
    assert_eq!(both.only(), None);
}

proptest::proptest! {
    /// Whatever stands there, judging ends, and says the same each time.
    #[test]
    fn any_places_are_judged(before: Vec<u8>, left: Vec<u8>, right: Vec<u8>, after: Vec<u8>, text: bool) {
        let nature = if text { Nature::Text } else { Nature::Bytes };
        let difference = one(nature, &before, &left, &right, &after);
        let context = Context { left: around(&[(Axis::User, "u")], &[7]), ..Context::default() };
        proptest::prop_assert_eq!(observe(&difference, &context), observe(&difference, &context));
    }
}

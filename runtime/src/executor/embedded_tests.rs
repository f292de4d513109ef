use std::collections::BTreeMap;
use std::path::Path;

use super::*;
use crate::executor::{Cancel, Root};
use crate::failure::Kind;
use crate::vary::Variant;

/// What is said when a kernel has no binfmt_misc for user namespaces.
fn judged(arch: Arch, emulator: Option<&Path>) -> Result<Vec<Feature>> {
    let stumble = Stumble::new(Feature::Formats, "mount a binfmt_misc", Errno::PERM);
    let cancel = Cancel::new().unwrap();
    let request = Request {
        root: Root::Overlay { lower: Path::new("/") },
        scratch: Path::new("/"),
        arch,
        emulator,
        mounts: Vec::new(),
        copies: Vec::new(),
        argv: vec!["/bin/true".to_owned()],
        env: BTreeMap::new(),
        cwd: "/".to_owned(),
        user: User::Build,
        variant: &Variant::default(),
        timeout: None,
        log: &mut |_| {},
        cancel: &cancel,
    };
    accept(&[stumble], &request)
}

#[test]
fn an_old_kernel_is_enough_for_native_programs() {
    let own = host_arch().unwrap();
    assert_eq!(judged(own, None).unwrap(), [Feature::Formats]);
}

#[test]
fn on_an_old_kernel_foreign_programs_need_the_same_emulator_on_the_host() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = folder.path().join("qemu");
    // No host has registered this one.
    std::fs::write(&emulator, "an emulator").unwrap();
    let foreign = if host_arch() == Some(Arch::S390x) { Arch::Arm64 } else { Arch::S390x };
    let failure = judged(foreign, Some(&emulator)).unwrap_err();
    assert_eq!(failure.kind, Kind::World);
    let text = failure.to_string();
    assert!(text.contains("could not mount a binfmt_misc"), "{text}");
    assert!(
        text.contains("Linux 6.7 or later") && text.contains("register the emulator on the host"),
        "{text}"
    );
}

#[test]
fn emulators_are_the_same_if_their_bytes_are() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let (one, twin, other) = (file("one", "qemu"), file("twin", "qemu"), file("other", "qemu 2"));
    assert!(same_bytes(&one, &twin) && !same_bytes(&one, &other));
    assert!(!same_bytes(&one, &folder.path().join("none")));
}

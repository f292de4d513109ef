//! apt with folders of its own and local repositories: what it would install on an empty system.

use std::collections::BTreeSet;
use std::process::Command;

use rbld_lang::derivation::Arch;
use rbld_lang::digest::Digest;

use crate::Part;

/// An apt that knows the indexes of some suites.
pub(crate) struct Apt {
    folder: tempfile::TempDir,
}

impl Apt {
    pub(crate) fn new(arch: Arch, parts: &[Part]) -> Apt {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["lists/partial", "cache/archives/partial", "etc", "none"] {
            std::fs::create_dir_all(at(name)).unwrap();
        }
        std::fs::write(at("status"), "").unwrap();
        let mut list = String::new();
        for part in parts {
            let folder = at(&part.suite);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("Packages"), part.packages.as_slice()).unwrap();
            std::fs::write(folder.join("Release"), release(part)).unwrap();
            list.push_str(&format!("deb [trusted=yes] file:{} ./\n", folder.display()));
        }
        std::fs::write(at("etc/sources.list"), list).unwrap();
        let root = folder.path().display();
        let config = format!(
            "Dir::State \"{root}\";\nDir::State::lists \"{root}/lists\";\nDir::State::status \"{root}/status\";\n\
             Dir::Cache \"{root}/cache\";\nDir::Etc::sourcelist \"{root}/etc/sources.list\";\n\
             Dir::Etc::sourceparts \"{root}/none\";\nDir::Etc::parts \"{root}/none\";\nDir::Etc::main \"{root}/none/x\";\n\
             Dir::Etc::preferences \"{root}/none/x\";\nDir::Etc::preferencesparts \"{root}/none\";\n\
             APT::Architecture \"{0}\";\nAPT::Architectures {{ \"{0}\"; }};\nAcquire::Languages \"none\";\n\
             APT::Install-Recommends \"false\";\nAPT::Sandbox::User \"root\";\n",
            arch.name()
        );
        std::fs::write(at("apt.conf"), config).unwrap();
        let apt = Apt { folder };
        let (well, output) = apt.run(&["update"]);
        assert!(well, "{output}");
        apt
    }

    fn run(&self, arguments: &[&str]) -> (bool, String) {
        let output = Command::new("apt-get")
            .env("APT_CONFIG", self.folder.path().join("apt.conf"))
            .env("LC_ALL", "C.UTF-8")
            .args(arguments)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.success(), text)
    }

    /// What apt would install, as `name version`; else what it says.
    pub(crate) fn install(&self, names: &[String]) -> Result<BTreeSet<String>, String> {
        self.simulate("install", names)
    }

    /// What apt would install so that relations hold.
    pub(crate) fn satisfy(&self, relations: &[String]) -> Result<BTreeSet<String>, String> {
        self.simulate("satisfy", relations)
    }

    fn simulate(&self, command: &str, words: &[String]) -> Result<BTreeSet<String>, String> {
        let mut arguments = vec![command, "-s", "-y", "--no-install-recommends"];
        arguments.extend(words.iter().map(String::as_str));
        let (well, output) = self.run(&arguments);
        if !well {
            return Err(output);
        }
        let line = |line: &str| {
            let mut words = line.strip_prefix("Inst ")?.split_ascii_whitespace();
            let name = words.next()?;
            let name = name.split_once(':').map_or(name, |(name, _)| name);
            Some(format!("{name} {}", words.next()?.trim_start_matches('(')))
        };
        Ok(output.lines().filter_map(line).collect())
    }
}

/// A suite's `Release`, as far as apt ranks by it: backports aren't wanted automatically, their upgrades are.
fn release(part: &Part) -> String {
    let wanted = match part.rank {
        1 => "NotAutomatic: yes\n",
        100 => "NotAutomatic: yes\nButAutomaticUpgrades: yes\n",
        _ => "",
    };
    format!(
        "Suite: {}\n{wanted}SHA256:\n {} {} Packages\n",
        part.suite,
        Digest::of(&part.packages),
        part.packages.len()
    )
}

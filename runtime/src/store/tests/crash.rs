//! Killed processes, full disks, and several processes at once.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use super::*;

/// Names the folder that a child process of these tests works in; without it, the child's tests do nothing.
const CHILD: &str = "RBLD_STORE_TEST_CHILD";

fn child_place() -> Option<PathBuf> {
    std::env::var_os(CHILD).map(PathBuf::from)
}

fn this_test(name: &str) -> Vec<std::ffi::OsString> {
    let program = std::env::current_exe().unwrap().into_os_string();
    let rest = ["--exact", &format!("store::tests::crash::{name}"), "--nocapture"].map(Into::into);
    std::iter::once(program).chain(rest).collect()
}

fn child(name: &str, place: &Path) -> Child {
    let argv = this_test(name);
    Command::new(&argv[0]).args(&argv[1..]).env(CHILD, place).stdout(Stdio::piped()).spawn().unwrap()
}

/// The key of the child's round `number`, and what it stores then.
fn round(number: usize) -> (DerivationId, Digest, Vec<Vec<u8>>) {
    let name = format!("round {number}");
    let files = (0..number % 30).map(|index| format!("{name} file {}", index % 20).into_bytes()).collect();
    (DerivationId(Digest::of(name.as_bytes())), Digest::of(format!("key of {name}").as_bytes()), files)
}

fn make(store: &Store, number: usize) {
    let (id, key, files) = round(number);
    let batch = store.batch().unwrap();
    let mut folder = Folder::default();
    for (index, bytes) in files.iter().enumerate() {
        let blob = batch.bytes(bytes).unwrap();
        let node = Node::File { digest: blob.digest, size: blob.size, executable: false };
        folder.insert(&format!("{}/{index}", index % 3), node).unwrap();
    }
    let mut writer = batch.writer().unwrap();
    writer.write_all(&vec![number as u8; 2 << 20]).unwrap();
    let blob = writer.finish(true).unwrap();
    folder.insert("large", Node::File { digest: blob.digest, size: blob.size, executable: true }).unwrap();
    let object = tree::write(&batch, &folder).unwrap();
    let realisation =
        Realisation { key, outputs: BTreeMap::from([("out".to_owned(), object)]), facts: BTreeMap::new() };
    let placed = batch.place().unwrap();
    if number.is_multiple_of(2) {
        placed.record(&[(id, realisation)]).unwrap();
        store.ready(object.digest()).unwrap();
        return;
    }
    // As environments are made: the ready folder was another tree's before.
    let mut before = folder.clone();
    before.remove("large");
    before.remove("1");
    before.insert("2/more/link", Node::Link { target: "nowhere".to_owned() }).unwrap();
    let mut laid = store.lay_out(before).unwrap();
    laid.change(folder).unwrap();
    laid.keep(object.digest(), placed, &[(id, realisation)]).unwrap();
}

#[test]
fn child_that_writes_until_killed() {
    let Some(place) = child_place() else { return };
    let store = Store::open(&place.join("store")).unwrap();
    let first: usize = std::fs::read_to_string(place.join("next")).unwrap().parse().unwrap();
    for number in first.. {
        make(&store, number);
        writeln!(std::io::stdout(), "made {number}").unwrap();
    }
}

#[test]
fn killed_at_any_moment_nothing_is_lost_and_nothing_wrong_served() {
    let place = Place::new();
    let mut made = 0;
    for attempt in 0..10 {
        std::fs::write(place.path("next"), made.to_string()).unwrap();
        let mut child = child("child_that_writes_until_killed", place.dir.path());
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let wanted = 1 + attempt * 7 % 5;
        // The child goes on while this reads and kills, so it dies in the middle of whatever it then does.
        for line in lines.map_while(|line| line.ok()).filter(|line| line.starts_with("made ")).take(wanted) {
            made = line["made ".len()..].parse::<usize>().unwrap() + 1;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let store = place.store();
        let seen = store.verify(&|_, _| ()).unwrap();
        assert_eq!(seen.damage, vec![], "after attempt {attempt}");
        assert_eq!(scratch_names(&store), BTreeSet::new(), "the dead one's scratch is gone");
        for number in 0..made {
            let (id, key, _) = round(number);
            assert_eq!(
                store.key_of(id).unwrap(),
                Some(key),
                "round {number} is lost after attempt {attempt}"
            );
            assert!(
                store.realisation(key).unwrap().is_some(),
                "round {number} is lost after attempt {attempt}"
            );
        }
        // What was cut short is made again.
        make(&store, made);
        made += 1;
    }
    assert!(made >= 20);
}

#[test]
fn child_that_makes_each_key_once() {
    let Some(place) = child_place() else { return };
    let store = Store::open(&place.join("store")).unwrap();
    let mut log = std::fs::OpenOptions::new().append(true).create(true).open(place.join("log")).unwrap();
    for number in 0..25 {
        let (_, key, _) = round(number);
        let _lock = store.lock_key(key).unwrap();
        if store.realisation(key).unwrap().is_none() {
            make(&store, number);
            log.write_all(format!("{number}\n").as_bytes()).unwrap();
        }
        drop(_lock);
        let realisation = store.realisation(key).unwrap().unwrap();
        // All of them ask for one ready folder at once.
        assert!(store.ready(realisation.outputs["out"].digest()).unwrap().join("large").exists());
    }
}

#[test]
fn several_processes_make_each_key_once() {
    let place = Place::new();
    let children: Vec<Child> =
        (0..4).map(|_| child("child_that_makes_each_key_once", place.dir.path())).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    let log = std::fs::read_to_string(place.path("log")).unwrap();
    let mut made: Vec<usize> = log.lines().map(|line| line.parse().unwrap()).collect();
    made.sort();
    assert_eq!(made, (0..25).collect::<Vec<_>>());
    assert_eq!(place.store().verify(&|_, _| ()).unwrap().damage, vec![]);
}

#[test]
fn one_ready_folder_is_made_by_many_threads() {
    let place = Place::new();
    sample(&place.path("in"));
    let (tree, imported) = import_and_commit(&place.store(), &place.path("in"), Take::Copy);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let ready = place.store().ready(tree).unwrap();
                assert_eq!(tree::scan(&ready, &all).unwrap(), imported.folder);
            });
        }
    });
    assert_eq!(place.store().verify(&|_, _| ()).unwrap().damage, vec![]);
}

#[test]
fn child_that_fills_the_disk() {
    let Some(place) = child_place() else { return };
    let store = Store::open(&place.join("store")).unwrap();
    let (_, key, _) = round(4);
    make(&store, 4);
    let failure = (0..1000u32)
        .find_map(|number| {
            let batch = store.batch().unwrap();
            let bytes = vec![number as u8; 300_000];
            let written = batch.bytes(&[&number.to_le_bytes()[..], &bytes].concat());
            written.and_then(|_| batch.commit(&[])).err()
        })
        .expect("the disk has an end");
    assert_eq!(failure.exit_code(), 4, "{failure}");
    assert!(failure.to_string().contains("rbld store gc"), "{failure}");
    // Small things fill what is left, until the database has no room either.
    let failure = (0..100_000u32)
        .find_map(|number| {
            let batch = store.batch().err().map_or_else(|| store.batch(), Err);
            batch.and_then(|batch| batch.bytes(&number.to_le_bytes()).and_then(|_| batch.commit(&[]))).err()
        })
        .expect("the disk has an end");
    assert!(failure.to_string().contains("rbld store gc"), "{failure}");
    assert!(store.realisation(key).unwrap().is_some(), "what was there is still served");
    assert_eq!(store.verify(&|_, _| ()).unwrap().damage, vec![]);
    drop(store);
    let store = Store::open(&place.join("store")).unwrap();
    let removed = store.gc(Collect { keep: std::time::Duration::ZERO, dry: false, wait: true }).unwrap();
    assert!(removed.objects.count > 0);
    make(&Store::open(&place.join("store")).unwrap(), 5);
    writeln!(std::io::stdout(), "filled and cleaned").unwrap();
}

#[test]
fn a_full_disk_is_said_and_harms_nothing() {
    let place = Place::new();
    let argv = this_test("child_that_fills_the_disk");
    let script = r#"mount -t tmpfs -o size=6m tmpfs "$0" || { echo no mount; exit 0; }; exec "$@""#;
    let output = Command::new("unshare")
        .args(["-U", "-r", "-m", "sh", "-c", script])
        .arg(place.dir.path())
        .args(&argv)
        .env(CHILD, place.dir.path())
        .output();
    let Ok(output) = output else { return };
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    // A machine that grants no namespace can't show this.
    let granted = !text.contains("no mount") && !text.contains("unshare: ");
    assert!(!granted || text.contains("filled and cleaned"), "{text}");
}

//! `superblock registry`: producers that follow on each other, and what has expired.

use std::{fs, path::Path};

use circuits_core::Digest;
use circuits_files::file::{self, FileKind, SMALL_LIMIT};
use circuits_protocol::registry::{EnvironmentId, KernelEntry, Producer, Registry, RegistryEntry};
use environments_core::kernel::ProducerSecret;
use serde_json::{Value, json};

use crate::{
    command_line::{bundle, out},
    counters::{PRODUCER_SECRETS, copy, json as answer, superblock, text},
};

/// The generator of secp256k1, as somebody's key.
pub(crate) const SIGNING_KEY: &str = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
/// Twice and three times the generator.
const OTHER_KEYS: [&str; 2] = [
    "02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5",
    "02f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9",
];

/// A digest as text.
fn digest(byte: u8) -> String {
    format!("{byte:02x}").repeat(32)
}

/// What a command about the registry in `file` answers, with exit code `code`.
fn call(file: &Path, command: &str, arguments: &[&str], code: i32) -> Value {
    answer(&superblock(&[&["registry", command, text(file), "--json"], arguments].concat()), code)
}

/// Adds environment `id` with producer 2 and kernel 3.
fn add_environment(file: &Path, id: &str) {
    let (state, producer, kernel) = (digest(1), digest(2), digest(3));
    let producer = ["--producer", &producer, "--signing-key", SIGNING_KEY, "--kernel", &kernel];
    call(file, "add", &[&["--environment", id, "--genesis-state", &state][..], &producer].concat(), 0);
}

/// A new registry with environment 7.
fn registry(file: &Path) {
    call(file, "make", &["--chain-id", "5"], 0);
    add_environment(file, "7");
}

fn rotate(file: &Path, id: &str, producer: u8, key: &str, from: &str, extra: &[&str], code: i32) -> Value {
    let producer = digest(producer);
    let arguments = ["--environment", id, "--producer", &producer, "--signing-key", key, "--from", from];
    call(file, "rotate", &[&arguments[..], extra].concat(), code)
}

#[test]
fn a_producer_is_replaced_from_a_superblock_on_and_returns_only_if_that_is_said() {
    let root = tempfile::tempdir().expect("a directory");
    let file = root.path().join("registry");
    registry(&file);
    let before = call(&file, "root", &[], 0)["root"].clone();
    let rotated = rotate(&file, "7", 4, OTHER_KEYS[0], "42", &[], 0);
    assert_ne!(rotated["root"], before);
    let producer = |byte: u8, key: &str, from: u32, until: u32| {
        json!({"commitment": digest(byte),
        "signing_key": key, "valid_from": from, "valid_until": until})
    };
    let (first, second) = (producer(2, SIGNING_KEY, 1, 41), producer(4, OTHER_KEYS[0], 42, u32::MAX));
    assert_eq!(rotated["environments"][1]["entry"]["producers"], json!([first, second]));
    let shown = String::from_utf8(superblock(&["registry", "list", text(&file)]).stdout).expect("text");
    for part in ["in superblocks 1 to 41", "in superblocks 42 to 4294967295", SIGNING_KEY, OTHER_KEYS[0]] {
        assert!(shown.contains(part), "{shown}");
    }

    // The same secret, and the same signing key, as before.
    for (byte, key) in [(2, OTHER_KEYS[1]), (5, SIGNING_KEY)] {
        let error = rotate(&file, "7", byte, key, "60", &[], 3)["error"].to_string();
        assert!(error.contains("in superblocks 1 to 41") && error.contains("readmit"), "{error}");
    }
    assert_eq!(call(&file, "root", &[], 0)["root"], rotated["root"], "an error changes nothing");
    rotate(&file, "7", 2, SIGNING_KEY, "60", &["--readmit"], 0);
    rotate(&file, "8", 6, OTHER_KEYS[1], "60", &[], 3);
    // L1 has one producer, which everybody is, and starts in one state. Kernels of it may be listed and ended.
    let (state, producer) = (digest(1), digest(2));
    let entry = ["--genesis-state", &state, "--producer", &producer, "--signing-key", SIGNING_KEY];
    let error = call(&file, "add", &[&["--environment", "0"][..], &entry].concat(), 3)["error"].to_string();
    assert!(error.contains("environment 0 is L1"), "{error}");
    let kernel = format!("{}:50", digest(9));
    call(&file, "add", &["--environment", "0", "--kernel", &kernel, "--end-earlier", "49"], 0);
    let error = rotate(&file, "0", 6, OTHER_KEYS[1], "60", &[], 3)["error"].to_string();
    assert!(error.contains("environment 0 is L1"), "{error}");
    // No point of the curve, and a new environment whose producer has no key.
    let no_key = format!("02{}", "00".repeat(32));
    let usage = ["registry", "rotate", text(&file), "--environment", "7", "--from", "70", "--producer"];
    let usage = superblock(&[&usage[..], &[&digest(7), "--signing-key", &no_key]].concat());
    assert_eq!(usage.status.code(), Some(2));
    let add = ["registry", "add", text(&file), "--environment", "9", "--genesis-state"];
    let add = superblock(&[&add[..], &[&digest(1), "--producer", &digest(2)]].concat());
    assert_eq!(add.status.code(), Some(2));
}

#[test]
fn a_producer_learns_from_its_secret_what_a_registry_names_of_it() {
    let root = tempfile::tempdir().expect("a directory");
    let (file, secret) = (root.path().join("secret"), digest(7));
    fs::write(&file, format!("{secret}\n")).expect("writable");
    let named = call(&file, "producer", &[], 0);
    let expected = ProducerSecret::new(secret.parse().expect("a digest")).producer();
    assert_eq!(named["producer"], expected.commitment.to_string());
    assert_eq!(named["signing_key"], expected.signing_key.to_string());
    // It is what `run` registers of a scenario's producer.
    fs::write(&file, PRODUCER_SECRETS[0]).expect("writable");
    let named = call(&file, "producer", &[], 0);
    let listed = call(&out().join("registry.superblock"), "list", &[], 0);
    let producer = &listed["environments"][1]["entry"]["producers"][0];
    assert_eq!(
        (&named["producer"], &named["signing_key"]),
        (&producer["commitment"], &producer["signing_key"])
    );

    fs::write(&file, &secret[1..]).expect("writable");
    for file in [file.as_path(), Path::new(&secret)] {
        let refused = call(file, "producer", &[], 3).to_string();
        assert!(!refused.contains(&secret[1..20]), "{refused}");
    }
}

#[test]
fn expired_kernels_make_room_for_more_and_return_only_if_that_is_said() {
    let root = tempfile::tempdir().expect("a directory");
    let file = root.path().join("registry");
    registry(&file);
    let add = |kernels: &[String], extra: &[&str], code| {
        let flags = kernels.iter().flat_map(|kernel| ["--kernel", kernel.as_str()]);
        let arguments: Vec<_> =
            ["--environment", "7"].into_iter().chain(flags).chain(extra.iter().copied()).collect();
        call(&file, "add", &arguments, code)
    };
    // 32 of them, and the 33rd.
    let many: Vec<_> = (10..41).map(|byte| format!("{}:1:{byte}", digest(byte))).collect();
    let full = add(&many, &[], 0);
    let one_more = [format!("{}:20", digest(60))];
    let error = add(&one_more, &[], 3)["error"].to_string();
    assert!(error.contains("33 kernels") && error.contains("expired"), "{error}");
    assert_eq!(call(&file, "prune", &["--before", "10"], 3)["ok"], false, "none has expired");
    assert_eq!(call(&file, "root", &[], 0)["root"], full["root"]);

    let pruned = call(&file, "prune", &["--before", "12"], 0);
    let entry = &pruned["environments"][1]["entry"];
    assert_eq!(entry["kernels"].as_array().map(Vec::len), Some(30), "{entry}");
    let removed = json!({"key": digest(10), "valid_from": 1, "valid_until": 10});
    assert_eq!(entry["removed"]["kernels"][0], removed);
    assert_eq!(entry["removed"]["kernels"].as_array().map(Vec::len), Some(2));
    assert_eq!((&entry["genesis_state"], &entry["removed"]["producers"]), (&json!(digest(1)), &json!([])));
    add(&one_more, &[], 0);
    let shown = String::from_utf8(superblock(&["registry", "list", text(&file)]).stdout).expect("text");
    assert!(shown.contains("removed kernel") && shown.contains(&digest(10)), "{shown}");

    let again = [format!("{}:50", digest(10))];
    let error = add(&again, &[], 3)["error"].to_string();
    assert!(error.contains("in superblocks 1 to 10") && error.contains("readmit"), "{error}");
    add(&again, &["--readmit"], 0);
    assert_eq!(
        answer(&superblock(&["inspect", text(&file), "--json"]), 0)["content"]["root"],
        call(&file, "root", &[], 0)["root"]
    );
}

#[test]
fn processes_that_rotate_add_and_prune_lose_no_change_of_each_other() {
    let root = tempfile::tempdir().expect("a directory");
    let file = root.path().join("registry");
    call(&file, "make", &["--chain-id", "5"], 0);
    let ids = ["1", "2", "3", "4"];
    ids.iter().for_each(|id| add_environment(&file, id));
    std::thread::scope(|scope| {
        let file = &file;
        for id in ids {
            scope.spawn(move || rotate(file, id, 4, OTHER_KEYS[0], "20", &[], 0));
            scope.spawn(move || {
                let kernel = format!("{}:1:9", digest(5));
                call(file, "add", &["--environment", id, "--kernel", &kernel], 0)
            });
        }
        // It may come before anything has expired.
        scope.spawn(move || superblock(&["registry", "prune", text(file), "--before", "10"]));
    });
    let listed = call(&file, "list", &[], 0);
    // After environment 0, which nobody changes.
    for listed in &listed["environments"].as_array().expect("a list")[1..] {
        let entry = &listed["entry"];
        assert_eq!(entry["producers"].as_array().map(Vec::len), Some(2), "{listed}");
        let [kernels, removed] = [&entry["kernels"], &entry["removed"]["kernels"]];
        let count = |list: &Value| list.as_array().expect("a list").len();
        assert_eq!(count(kernels) + count(removed), 2, "{listed}");
    }
}

#[test]
fn a_registry_that_could_not_be_read_back_is_not_written() {
    let root = tempfile::tempdir().expect("a directory");
    let file = root.path().join("registry");
    let kernel = KernelEntry { key: Digest::ZERO, valid_from: 1, valid_until: 9 };
    let producer = Producer { commitment: Digest::ZERO, signing_key: SIGNING_KEY.parse().expect("a key") };
    let with = |count: usize| {
        let mut entry = RegistryEntry::new(Digest::ZERO, producer, vec![]);
        entry.removed.kernels = vec![kernel; count];
        let mut registry = Registry::default();
        registry.insert(EnvironmentId(7), entry).expect("valid");
        registry
    };
    // As many removed kernels as fit, so that one more kernel does not.
    let size = |count| file::encode(FileKind::Registry, &with(count), SMALL_LIMIT).map(|bytes| bytes.len());
    let (mut fits, mut too_many) = (0, SMALL_LIMIT as usize);
    while fits + 1 < too_many {
        let middle = fits.midpoint(too_many);
        if size(middle).is_ok() { fits = middle } else { too_many = middle }
    }
    file::create(FileKind::Registry, &file, &with(fits), SMALL_LIMIT).expect("it fits");
    let before = fs::read(&file).expect("written");
    let kernel = digest(5);
    let error = call(&file, "add", &["--environment", "7", "--kernel", &kernel], 5)["error"].to_string();
    assert!(error.contains("a registry has at most"), "{error}");
    assert_eq!(fs::read(&file).expect("written"), before);
}

#[test]
fn a_registry_of_the_earlier_layout_is_refused_by_name() {
    let root = tempfile::tempdir().expect("a directory");
    let file = root.path().join("registry");
    registry(&file);
    let mut bytes = fs::read(&file).expect("written");
    // The code of the kind follows the magic and the version.
    bytes[10..12].copy_from_slice(&1_u16.to_le_bytes());
    fs::write(&file, bytes).expect("writable");
    for command in ["list", "root"] {
        let error = call(&file, command, &[], 3)["error"].to_string();
        assert!(error.contains("the registry has the layout of an earlier version"), "{error}");
    }
}

#[test]
fn after_a_rotation_batch_and_verify_ask_for_the_new_root_and_the_earlier_producers_blocks_are_refused() {
    let root = tempfile::tempdir().expect("a directory");
    let (state, to, file) =
        (root.path().join("state"), root.path().join("out"), root.path().join("registry"));
    copy(&out().join("state"), &state);
    answer(&superblock(&["state", "rollback", text(&state), "1", "--json"]), 0);
    // Nobody has received the earlier superblock 2, which is not in the copy.
    fs::remove_file(state.join("location-00000002.superblock")).expect("it says where superblock 2 went");
    fs::copy(out().join("registry.superblock"), &file).expect("writable");
    let rotated = rotate(&file, "1", 4, OTHER_KEYS[0], "2", &[], 0)["root"].clone();

    let blocks = out().join("blocks/000002");
    let batch = |extra: &[&str], code| {
        let arguments = ["batch", "--json", "--quiet", "--blocks", text(&blocks), "--registry", text(&file)];
        let arguments = [&arguments[..], &["--state", text(&state), "--out", text(&to)], extra].concat();
        answer(&superblock(&arguments), code)
    };
    let theirs = out().join("trust.toml");
    let error = batch(&["--trust", text(&theirs)], 3)["error"].to_string();
    let root_of = |value: &Value| value.as_str().expect("a digest").to_owned();
    assert!(
        error.contains(&format!("superblock 2 would have the registry root {}", root_of(&rotated))),
        "{error}"
    );

    // L1 fixes the new root from superblock 2 on.
    let trust = root.path().join("trust.toml");
    let schedule = format!("\n[[registry]]\nfrom = 2\nroot = {rotated}\n");
    fs::write(&trust, fs::read_to_string(&theirs).expect("written by run") + &schedule).expect("writable");
    let made = batch(&["--trust", text(&trust)], 0);
    assert_eq!(made["superblock"]["number"], 2, "{made}");
    let refused = made["refused"].as_array().expect("a list");
    assert_eq!(refused.len(), 1, "{made}");
    let expected = format!("environment 1 has the producer {} in superblock 2", digest(4));
    assert!(refused[0]["reason"].as_str().is_some_and(|reason| reason.contains(&expected)), "{made}");

    let second = to.join("superblock-000002.superblock");
    let verify = |trust: &Path, code| {
        let arguments =
            ["verify", text(&bundle(1)), text(&second), "--trust", text(trust), "--json"].map(str::to_owned);
        answer(&superblock(&arguments.each_ref().map(String::as_str)), code)
    };
    assert_eq!(verify(&trust, 0)["anchored"], true, "superblock 1 states the root of its time");
    let error = verify(&theirs, 1)["error"].to_string();
    assert!(error.contains("registry") && error.contains(&root_of(&rotated)), "{error}");
}

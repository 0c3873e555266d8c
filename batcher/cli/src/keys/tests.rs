//! The commands over files that the tests make.

use std::{collections::BTreeMap, fs, path::Path};

use circuits_forging::fixtures::toy_key;
use circuits_keys::{DirectoryStore, Header, KeyFile, KeyStore as _};
use clap::Parser;
use serde_json::json;

use super::{Command, run_with};
use crate::{
    answer::{Answer, Failure},
    exit::ExitCode,
    options::Options,
};

#[derive(Parser)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

/// A directory `keys` with two keys and a damaged one, and the names of all three.
fn example() -> (tempfile::TempDir, DirectoryStore, [String; 3]) {
    let directory = tempfile::tempdir().expect("a directory");
    fs::write(directory.path().join("empty.toml"), b"").expect("writable");
    let store = DirectoryStore::new(directory.path().join("keys"));
    let names = ["damaged", "second", "used"].map(|identifier| {
        let (file, name) = (toy_key(identifier), toy_key(identifier).header().file_name());
        let mut bytes = file.bytes().to_vec();
        if identifier == "damaged" {
            *bytes.last_mut().expect("a payload") ^= 1;
        }
        store.write(&name, &bytes).expect("written");
        name
    });
    (directory, store, names)
}

fn call(root: &Path, line: &[&str], expected: &BTreeMap<String, Header>) -> Result<Answer, Failure> {
    let mut line: Vec<_> = ["keys"].iter().chain(line).map(ToString::to_string).collect();
    if line[1] != "inspect" {
        let path = |name| root.join(name).display().to_string();
        line.extend(["--config".to_owned(), path("empty.toml"), "--key-directory".to_owned(), path("keys")]);
    }
    let command = Line::try_parse_from(line).unwrap_or_else(|error| panic!("{error}")).command;
    let options = Options { json: false, quiet: true, strict: false };
    run_with(command, options, |_| Ok(expected.clone()))
}

/// The pinned file of a circuit.
fn expected(identifier: &str) -> BTreeMap<String, Header> {
    let header = toy_key(identifier).header().clone();
    [(header.file_name(), header)].into()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("paths of tests are text")
}

#[test]
fn list_tells_used_files_from_others() {
    let (root, store, [damaged, second, used]) = example();
    store.write(&second, b"another program's").expect("written");
    let answer = call(root.path(), &["list"], &expected("used")).unwrap_or_else(|_| panic!("listed"));
    let json = answer.json();
    let files = json["files"].as_array().expect("a list");
    let status: Vec<_> = files.iter().map(|file| (file["name"].as_str(), file["status"].as_str())).collect();
    // The payload of the damaged one is not read.
    let expected = [(&damaged, "unused"), (&second, "refused"), (&used, "pinned")];
    assert_eq!(status, expected.map(|(name, status)| (Some(name.as_str()), Some(status))));
    assert_eq!((&files[2]["circuit"], &files[2]["payload_bytes"]), (&json!("used"), &json!(7)));
    assert_eq!((answer.code(false), answer.code(true)), (ExitCode::Done, ExitCode::Invalid));
}

#[test]
fn list_says_which_parameter_makes_a_file_another_one_than_the_pinned_circuits() {
    let (root, store, [.., used]) = example();
    let file = toy_key("used");
    let mut pinned = file.header().clone();
    pinned.parameters.insert("extension_degree".to_owned(), 4);
    let pinned = pinned.identified();
    let mut quadratic = pinned.clone();
    quadratic.parameters.insert("extension_degree".to_owned(), 2);
    let quadratic = KeyFile::new(quadratic.identified(), file.payload());
    let name = quadratic.header().file_name();
    store.write(&name, quadratic.bytes()).expect("written");
    let expected = [(pinned.file_name(), pinned)].into();
    let answer = call(root.path(), &["list"], &expected).unwrap_or_else(|_| panic!("listed"));
    let json = answer.json();
    for (file, found) in [(&name, "2"), (&used, "absent")] {
        let reason = format!("parameters.extension_degree of the key is {found}, expected 4");
        let mut files = json["files"].as_array().expect("a list").iter();
        let listed = files.find(|listed| listed["name"] == **file).expect("listed");
        assert_eq!((&listed["status"], &listed["reason"]), (&json!("unused"), &json!(reason)));
        assert!(answer.text().contains(&format!("{file}: {reason}")), "{}", answer.text());
    }
}

#[test]
fn inspect_checks_name_and_checksum() {
    let (root, store, [damaged, _, used]) = example();
    let inspect =
        |name: &str| call(root.path(), &["inspect", text(&store.path().join(name))], &BTreeMap::new());
    let answer = inspect(&used).unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(answer.json()["header"]["kind"]["identifier"], "used");
    fs::copy(store.path().join(&used), store.path().join("renamed")).expect("writable");
    for (name, part) in
        [(damaged.as_str(), "checksum"), ("renamed", "is called renamed"), ("none", "cannot read")]
    {
        let failure = inspect(name).expect_err("refused");
        let message = failure.to_string();
        assert!(failure.code() == ExitCode::Rejected && message.contains(part), "{message}");
        assert!(message.contains(name), "{message}");
    }
}

#[test]
fn prune_removes_what_is_not_used_and_nothing_before_yes() {
    let (root, store, [damaged, second, used]) = example();
    let expected = expected("used");
    store.set_aside(&damaged, "damaged").expect("renamed");
    let all = store.list().expect("readable");
    let dry = call(root.path(), &["prune", "--dry-run"], &expected).unwrap_or_else(|_| panic!("listed"));
    assert_eq!(
        (dry.json()["files"].as_array().map(Vec::len), &dry.json()["removed"]),
        (Some(3), &json!(false)),
        "the second key, the damaged one, and its reason"
    );
    assert!(call(root.path(), &["prune", "--yes"], &BTreeMap::new()).is_err(), "all files count as unused");
    assert_eq!(store.list().expect("readable"), all);
    let done = call(root.path(), &["prune", "--yes"], &expected).unwrap_or_else(|_| panic!("removed"));
    assert_eq!(done.json()["removed"], json!(true));
    assert_eq!(store.list().expect("readable"), [used]);
    assert!(store.leftovers().expect("readable").is_empty());
    assert!(done.text().contains(&damaged) && done.text().contains(&second));
}

#[test]
fn export_and_import_copy_whole_files_only() {
    let (root, store, [damaged, second, used]) = example();
    let shipped = root.path().join("shipped");
    let answer =
        call(root.path(), &["export", text(&shipped)], &BTreeMap::new()).unwrap_or_else(|_| panic!("copied"));
    assert_eq!(answer.json()["copied"], json!([second, used]));
    assert!(answer.json()["refused"][0]["file"].as_str().is_some_and(|file| file.contains(&damaged)));
    assert_eq!((answer.code(false), answer.code(true)), (ExitCode::Done, ExitCode::Invalid));

    for name in [&used, &damaged] {
        store.remove(name).expect("removed");
    }
    let import = || call(root.path(), &["import", text(&shipped)], &BTreeMap::new());
    let answer = import().unwrap_or_else(|_| panic!("copied"));
    assert_eq!((&answer.json()["copied"], &answer.json()["present"]), (&json!([used]), &json!([second])));
    assert_eq!(store.read(&used, 10_000).expect("readable").expect("there"), toy_key("used").bytes());
    fs::remove_dir_all(&shipped).expect("ours");
    assert!(import().err().is_some_and(|failure| failure.to_string().contains("shipped")));
}

//! The configuration of keys, as its users write it.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use batcher_keys::config::{
    Config, DIRECTORIES_VARIABLE, FILE_NAME, FILE_VARIABLE, Flags, MEMORY_VARIABLE, Surroundings, TEMPLATE,
};
use serde_json::Value;

/// The binary with `root` as home and with `variables` only.
fn superblock(root: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_superblock"))
        .args(arguments)
        .arg("--json")
        .env_clear()
        .env("HOME", root)
        .envs(variables.iter().copied())
        .output()
        .expect("the binary runs")
}

fn json(output: &Output, code: i32) -> Value {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("paths of tests are text")
}

fn write(root: &Path, content: &str) -> PathBuf {
    let path = root.join("configuration.toml");
    fs::write(&path, content).expect("writable");
    path
}

fn surroundings(root: &Path, variables: &[(&'static str, &str)]) -> Surroundings {
    Surroundings {
        variables: variables.iter().map(|(name, value)| (*name, OsString::from(value))).collect(),
        config_directory: Some(root.join("config")),
        cache_directory: Some(root.join("cache")),
    }
}

#[test]
fn flags_come_before_variables_before_the_file_before_defaults() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    let none = Flags::default();
    let defaults = Config::load_in(&none, &surroundings(root, &[])).expect("defaults");
    assert_eq!(defaults.key_directories, [root.join("cache/superblock/keys")]);
    assert_eq!((defaults.file, defaults.memory_from.as_str()), (None, "default"));
    let homeless = Config::load_in(&none, &Surroundings::default()).expect("defaults");
    assert_eq!(homeless.key_directories, Vec::<PathBuf>::new());

    // The platform's file is read if it is there, and one that is named comes before it.
    fs::create_dir(root.join("config")).expect("writable");
    fs::write(root.join("config").join(FILE_NAME), "memory_bytes = 1").expect("writable");
    let file = write(root, "memory_bytes = 2\nkey_directories = [\"here\", \"/there\"]\n");
    let load = |flags: &Flags, variables: &[_]| {
        Config::load_in(flags, &surroundings(root, variables)).expect("valid")
    };
    assert_eq!(load(&none, &[]).memory_bytes, 1);
    let by_variable = load(&none, &[(FILE_VARIABLE, text(&file))]);
    assert_eq!(by_variable.memory_bytes, 2);
    assert_eq!(by_variable.key_directories, [root.join("here"), PathBuf::from("/there")]);
    let flags = Flags { config: Some(file.clone()), ..none };
    let by_flag = load(&flags, &[(FILE_VARIABLE, "/nowhere")]);
    assert_eq!((by_flag.memory_bytes, by_flag.file.as_ref()), (2, Some(&file)));

    let variables = [(DIRECTORIES_VARIABLE, "/a:/b"), (MEMORY_VARIABLE, "3")];
    let varied = load(&flags, &variables);
    assert_eq!(varied.key_directories, [PathBuf::from("/a"), PathBuf::from("/b")]);
    assert_eq!((varied.memory_bytes, varied.memory_from.as_str()), (3, MEMORY_VARIABLE));
    let flags = Flags { key_directories: vec!["/c".into()], memory_bytes: Some(4), ..flags };
    let flagged = load(&flags, &variables);
    assert_eq!((flagged.key_directories, flagged.memory_bytes), (vec![PathBuf::from("/c")], 4));
}

#[test]
fn the_template_has_every_field() {
    let directory = tempfile::tempdir().expect("a directory");
    let uncommented: String = TEMPLATE
        .lines()
        .filter_map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')))
        .flat_map(|line| [line, "\n"])
        .collect();
    let file = write(directory.path(), &uncommented);
    let config = Config::load_in(&Flags { config: Some(file), ..Flags::default() }, &Surroundings::default())
        .expect("well-formed");
    assert!(!config.key_directories.is_empty() && !config.keys.is_empty() && !config.pins.is_empty());
    assert_eq!(config.object_stores[0].options, BTreeMap::new());
    assert_eq!(config.memory_bytes, circuits_keys::DEFAULT_MEMORY_BYTES, "the template names the default");
}

#[test]
fn what_is_wrong_is_refused_with_file_field_and_what_was_expected() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    for (content, parts) in [
        ("memory = 1", &["memory", "memory_bytes"][..]),
        ("memory_bytes = -1", &["memory_bytes", "expected u64"]),
        ("\nmemory_bytes = \"much\"", &["line 2", "memory_bytes", "expected u64"]),
        ("key_directories = \"keys\"", &["key_directories", "expected a sequence"]),
        ("key_directories = [\"\"]", &["key_directories", "expected a path"]),
        ("keys = [{ kind = \"proving_key\", path = \"a\" }]", &["keys", "proving_key", "prover_key"]),
        ("keys = [{ kind = \"prover_key\" }]", &["keys", "path"]),
        ("object_stores = [{ url = \"file:///a\", secret = 1 }]", &["object_stores", "secret", "options"]),
    ] {
        let file = write(root, content);
        let answer = json(&superblock(root, &["config", "show", "--config", text(&file)], &[]), 3);
        let error = answer["error"].as_str().expect("text");
        for part in parts.iter().copied().chain(["configuration.toml"]) {
            assert!(error.contains(part), "{content}: {part} is not in {error}");
        }
    }
    for (variable, value) in [(MEMORY_VARIABLE, "2 GB"), (DIRECTORIES_VARIABLE, "/a::/b")] {
        let answer = json(&superblock(root, &["config", "show"], &[(variable, value)]), 3);
        let error = answer["error"].as_str().expect("text");
        assert!(error.contains(variable) && error.contains("expected"), "{error}");
    }
    let missing = root.join("missing.toml");
    json(&superblock(root, &["config", "show", "--config", text(&missing)], &[]), 3);
    let large = fs::File::create(root.join("large.toml")).expect("writable");
    large.set_len(17 << 20).expect("a sparse file");
    json(&superblock(root, &["config", "show", "--config", text(&root.join("large.toml"))], &[]), 5);
}

#[test]
fn validate_looks_at_what_the_configuration_names() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    fs::write(root.join("not-a-key"), b"junk").expect("writable");
    let validate = |content: &str, code| {
        let file = write(root, content);
        json(&superblock(root, &["config", "validate", "--config", text(&file)], &[]), code)
    };
    let valid = validate("object_stores = [{ url = \"memory:///keys\" }]", 0);
    assert_eq!(valid["stores"], 2);
    for (content, part) in [
        ("keys = [{ kind = \"prover_key\", path = \"not-a-key\" }]", "not-a-key"),
        ("pins = [\"not-a-key\"]", "not-a-key"),
        ("pins = [\"missing\"]", "missing"),
        ("object_stores = [{ url = \"ftp://host\" }]", "ftp://host"),
    ] {
        let answer = validate(content, 3);
        let error = answer["error"].as_str().expect("text");
        assert!(
            error.contains(part) && (error.contains("configuration.toml") || content.starts_with("pins")),
            "{error}"
        );
    }
    // A directory that does not exist yet is no mistake; a file in its place is.
    validate("key_directories = [\"later\"]", 0);
    let answer = validate("key_directories = [\"later\", \"not-a-key\"]", 4);
    assert!(answer["error"].as_str().is_some_and(|error| error.contains("not-a-key")), "{answer}");
}

#[cfg(unix)]
#[test]
fn a_configuration_that_is_there_and_cannot_be_read_is_not_passed_over() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    fs::create_dir(root.join("config")).expect("writable");
    let file = root.join("config").join(FILE_NAME);
    std::os::unix::fs::symlink(root.join("unmounted"), &file).expect("writable");
    let error = Config::load_in(&Flags::default(), &surroundings(root, &[])).expect_err("a link to nothing");
    assert!(error.to_string().contains(text(&file)), "{error}");
    fs::remove_file(&file).expect("ours");
    Config::load_in(&Flags::default(), &surroundings(root, &[])).expect("none");
}

#[cfg(unix)]
#[test]
fn paths_that_are_not_text_are_shown_as_well_as_can_be() {
    use std::os::unix::ffi::OsStringExt as _;
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path().join(OsString::from_vec(b"\xff".to_vec()));
    fs::create_dir(&root).expect("writable");
    let file = write(&root, "key_directories = [\"keys\"]\npins = []\n");
    for command in ["show", "validate"] {
        let output = Command::new(env!("CARGO_BIN_EXE_superblock"))
            .args(["config", command, "--json", "--config"])
            .arg(&file)
            .output()
            .expect("the binary runs");
        assert!(json(&output, 0)["file"].as_str().is_some_and(|file| file.contains("configuration.toml")));
    }
    let output = Command::new(env!("CARGO_BIN_EXE_superblock"))
        .args(["config", "init", "--json"])
        .arg(root.join("new.toml"))
        .output()
        .expect("the binary runs");
    json(&output, 0);
}

#[test]
fn init_writes_a_file_once_and_show_reads_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    let path =
        json(&superblock(root, &["config", "init"], &[]), 0)["file"].as_str().expect("a path").to_owned();
    assert_eq!(fs::read_to_string(&path).expect("written"), TEMPLATE);
    assert_eq!(json(&superblock(root, &["config", "show"], &[]), 0)["file"], path.as_str());
    fs::write(&path, "memory_bytes = 7").expect("writable");
    json(&superblock(root, &["config", "init"], &[]), 3);
    assert_eq!(json(&superblock(root, &["config", "show"], &[]), 0)["memory_bytes"], 7);
}

#[test]
fn secret_options_are_not_shown() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    let options = "options = { aws_secret_access_key = \"hunter2\" }";
    for (content, code) in [
        (format!("object_stores = [{{ url = \"s3://bucket\", {options} }}]"), 0),
        (format!("object_stores = [{{ url = 7, {options} }}]"), 3),
        ("object_stores = [{ url = \"s3://b\", options = \"hunter2\" }]".to_owned(), 3),
        ("object_stores = [{ url = \"https://name:hunter2@host/keys\" }]".to_owned(), 3),
        ("object_stores = [{ url = \"https://name:hunter2@a host/keys\" }]".to_owned(), 3),
    ] {
        let file = write(root, &content);
        let output = superblock(root, &["config", "show", "--config", text(&file)], &[]);
        json(&output, code);
        let shown = [output.stdout, output.stderr].concat();
        assert!(!String::from_utf8_lossy(&shown).contains("hunter2"), "{content}");
    }
    let config = Config::load_in(
        &Flags {
            config: Some(write(root, &format!("object_stores = [{{ url = \"s3://b\", {options} }}]"))),
            ..Flags::default()
        },
        &Surroundings::default(),
    );
    assert!(!format!("{config:?}").contains("hunter2"));
}

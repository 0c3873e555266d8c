//! `superblock keys`: key files, judged by their headers and checksums alone.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, IsTerminal as _, Read as _, Write},
    path::{Path, PathBuf},
};

use batcher_keys::{ListedError, config::Config, header_of};
use circuits_keys::{
    DirectoryStore, Header, KeyFile, KeyFileError, KeyStore, START_LIMIT, StoreError, read_header,
};
use serde_json::json;

use super::{
    Options,
    answer::{Answer, Coded, Failure, LIMIT, REJECTED, UNAVAILABLE, path_json},
    config::KeyArguments,
    generate::{self, expected_names},
};

/// Bytes of the longest answer that is read.
const ANSWER_LIMIT: u64 = 100;

impl Coded for StoreError {
    fn code(&self) -> u8 {
        if self.source.kind() == std::io::ErrorKind::FileTooLarge { LIMIT } else { UNAVAILABLE }
    }
}

impl Coded for ListedError {
    fn code(&self) -> u8 {
        REJECTED
    }
}

#[derive(clap::Subcommand)]
pub(super) enum Command {
    Generate(generate::Arguments),
    Verify(generate::VerifyArguments),
    /// List the key files of all stores of the configuration. Payloads are not read.
    List(KeyArguments),
    /// Show the header of a key file, and check name, hash, length and checksum.
    Inspect {
        /// The key file.
        file: PathBuf,
    },
    /// Remove key files that the pinned circuits of this program do not use from the key directories, and refused and
    /// unfinished ones.
    Prune {
        #[command(flatten)]
        keys: KeyArguments,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        /// Say what would be removed, and remove nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Copy the key files of all stores into a directory, and check each.
    Export {
        #[command(flatten)]
        keys: KeyArguments,
        /// The directory.
        directory: PathBuf,
    },
    /// Copy key files of a directory into the first key directory, and check each.
    Import {
        #[command(flatten)]
        keys: KeyArguments,
        /// The directory.
        directory: PathBuf,
    },
}

pub(super) fn run(command: Command, options: Options) -> Result<Answer, Failure> {
    run_with(command, options, expected_names)
}

/// Runs a command; `expected` names the files that the pins of a configuration ask for.
fn run_with(
    command: Command,
    options: Options,
    expected: impl Fn(&Config) -> Result<BTreeSet<String>, Failure>,
) -> Result<Answer, Failure> {
    match command {
        Command::Generate(arguments) => generate::run(&arguments, options),
        Command::Verify(arguments) => generate::verify(&arguments, options),
        Command::List(keys) => list(&keys, &expected(&keys.load()?)?),
        Command::Inspect { file } => inspect(&file),
        Command::Prune { keys, yes, dry_run } => {
            let config = keys.load()?;
            prune(&config.directories(), &expected(&config)?, yes, dry_run)
        }
        Command::Export { keys, directory } => {
            let stores = keys.load()?.stores()?;
            copy(stores.iter().map(AsRef::as_ref), &DirectoryStore::new(directory))
        }
        Command::Import { keys, directory } => {
            let directories = keys.load()?.directories();
            let Some(target) = directories.first() else {
                return Err(Failure::new(REJECTED, "the configuration has no key directory; expected one"));
            };
            if !directory.is_dir() {
                return Err(Failure::new(REJECTED, format!("{}: no such directory", directory.display())));
            }
            copy(std::iter::once(&DirectoryStore::new(directory) as &dyn KeyStore), target)
        }
    }
}

/// The header of a file of a store; `None` if the file went away.
fn header_in(store: &dyn KeyStore, name: &str) -> Result<Option<Result<Header, KeyFileError>>, StoreError> {
    let start = store.read_start(name, START_LIMIT)?;
    Ok(start.map(|start| read_header(name, &start).map(|(header, _)| header)))
}

fn list(keys: &KeyArguments, expected: &BTreeSet<String>) -> Result<Answer, Failure> {
    let (mut files, mut lines, mut blemished) = (vec![], vec![], false);
    for store in keys.load()?.stores()? {
        // A store that cannot be reached does not hide the others.
        let names = match store.list() {
            Ok(names) => names,
            Err(error) => {
                blemished = true;
                lines.push(format!("refused {error}"));
                files.push(
                    json!({ "store": store.location(), "status": "refused", "reason": error.to_string() }),
                );
                continue;
            }
        };
        for name in names {
            let read = match header_in(store.as_ref(), &name) {
                Ok(None) => continue,
                Ok(Some(read)) => read.map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            let mut file = json!({ "store": store.location(), "name": name });
            match read {
                Ok(header) => {
                    let status = if expected.contains(&name) { "pinned" } else { "unused" };
                    file["status"] = json!(status);
                    file["kind"] = json!(header.kind.kind);
                    file["circuit"] = json!(header.kind.identifier);
                    file["payload_bytes"] = json!(header.payload.bytes);
                    lines.push(format!(
                        "{status} {} of {}, {} bytes: {}/{name}",
                        header.kind.kind,
                        header.kind.identifier,
                        header.payload.bytes,
                        store.location()
                    ));
                }
                Err(reason) => {
                    blemished = true;
                    file["status"] = json!("refused");
                    file["reason"] = json!(reason);
                    lines.push(format!("refused {}/{name}: {reason}", store.location()));
                }
            }
            files.push(file);
        }
    }
    let text = if lines.is_empty() { "no key files".to_owned() } else { lines.join("\n") };
    Ok(Answer::new(json!({ "ok": true, "files": files }), text).blemished(blemished))
}

fn inspect(path: &Path) -> Result<Answer, Failure> {
    let header = header_of(path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let in_file = |error: KeyFileError| Failure::new(REJECTED, format!("{}: {error}", path.display()));
    let directory = path.parent().unwrap_or_else(|| Path::new(""));
    if name != header.file_name() {
        return Err(in_file(KeyFileError::Name { name, expected: header.file_name() }));
    }
    let bytes = read(&DirectoryStore::new(directory), &name)?
        .ok_or_else(|| Failure::new(REJECTED, format!("{}: it is gone", path.display())))?;
    let file = checked(&name, bytes).map_err(in_file)?;
    let value = serde_json::to_value(file.header()).unwrap_or_default();
    let mut text = format!("{}: name, hash, length and checksum are right", path.display());
    for (field, value) in value.as_object().into_iter().flatten() {
        let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        text += &format!("\n{field}: {shown}");
    }
    Ok(Answer::new(json!({ "ok": true, "file": path_json(path), "header": value }), text))
}

/// A file, once its header says how long it is: never more is read.
fn read(store: &dyn KeyStore, name: &str) -> Result<Option<Vec<u8>>, Failure> {
    let Some(header) = header_in(store, name)? else { return Ok(None) };
    Ok(match header {
        Ok(header) => store.read(name, header.file_limit())?,
        // Refused in any case; its start shows why.
        Err(_) => store.read_start(name, START_LIMIT)?,
    })
}

fn checked(name: &str, bytes: Vec<u8>) -> Result<KeyFile, KeyFileError> {
    let file = KeyFile::parse(name, bytes)?;
    file.check_payload()?;
    Ok(file)
}

/// Copies key files that are whole; the others are named.
fn copy<'a>(from: impl Iterator<Item = &'a dyn KeyStore>, to: &DirectoryStore) -> Result<Answer, Failure> {
    let (mut copied, mut present, mut refused) = (vec![], vec![], vec![]);
    for store in from {
        for name in store.list()? {
            let there = read(to, &name)?.is_some_and(|bytes| checked(&name, bytes).is_ok());
            if there {
                present.push(name);
                continue;
            }
            let result = match read(store, &name) {
                Ok(None) => continue,
                Ok(Some(bytes)) => checked(&name, bytes).map_err(|error| error.to_string()),
                Err(failure) => Err(failure.message),
            };
            match result {
                Ok(file) => {
                    to.write(&name, file.bytes())?;
                    copied.push(name);
                }
                Err(reason) => refused.push((format!("{}/{name}", store.location()), reason)),
            }
        }
    }
    let mut text = format!("{} copied to {}, {} there already", copied.len(), to.location(), present.len());
    for (file, reason) in &refused {
        text += &format!("\nrefused {file}: {reason}");
    }
    let refused: Vec<_> =
        refused.into_iter().map(|(file, reason)| json!({ "file": file, "reason": reason })).collect();
    let blemished = !refused.is_empty();
    let json = json!({ "ok": true, "copied": copied, "present": present, "refused": refused });
    Ok(Answer::new(json, text).blemished(blemished))
}

fn prune(
    directories: &[DirectoryStore],
    expected: &BTreeSet<String>,
    yes: bool,
    dry_run: bool,
) -> Result<Answer, Failure> {
    if expected.is_empty() {
        // Then every file would count as unused.
        return Err(Failure::new(REJECTED, "no pin says which key files are used; expected at least one"));
    }
    let (mut unused, mut leftovers) = (vec![], vec![]);
    for directory in directories {
        let names = directory.list()?.into_iter().filter(|name| !expected.contains(name));
        unused.extend(names.map(|name| (directory, name)));
        leftovers.extend(directory.leftovers()?);
    }
    let paths = unused.iter().map(|(directory, name)| directory.path().join(name));
    let shown: Vec<_> = paths.chain(leftovers.clone()).map(|path| path.display().to_string()).collect();
    let remove = !dry_run && !shown.is_empty() && (yes || agreed(&shown)?);
    if remove {
        for (directory, name) in &unused {
            directory.remove(name)?;
        }
        for path in &leftovers {
            let failed = |error| format!("{}: cannot remove it: {error}", path.display());
            fs::remove_file(path).map_err(|error| Failure::new(UNAVAILABLE, failed(error)))?;
        }
    }
    let verb = if remove { "removed" } else { "unused, not removed" };
    let text = shown.iter().fold(format!("{} files {verb}", shown.len()), |text, path| text + "\n" + path);
    Ok(Answer::new(json!({ "ok": true, "files": shown, "removed": remove }), text))
}

/// Asks whoever sits at the terminal.
fn agreed(paths: &[String]) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::new(
            REJECTED,
            format!("{} files would be removed; expected --yes or --dry-run without a terminal", paths.len()),
        ));
    }
    ask(paths, &mut std::io::stdin().lock(), &mut std::io::stderr())
        .map_err(|error| Failure::new(UNAVAILABLE, format!("terminal: cannot ask: {error}")))
}

/// Whether the answer to the question is yes; no without an answer.
fn ask(paths: &[String], answers: &mut impl BufRead, questions: &mut impl Write) -> std::io::Result<bool> {
    write!(questions, "{}\nremove these {} files? [y/N] ", paths.join("\n"), paths.len())?;
    questions.flush()?;
    let mut answer = String::new();
    answers.take(ANSWER_LIMIT).read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

#[cfg(test)]
mod tests {
    use circuits_forging::fixtures::toy_key;
    use clap::Parser;

    use super::*;

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

    fn call(root: &Path, line: &[&str], expected: &BTreeSet<String>) -> Result<Answer, Failure> {
        let mut line: Vec<_> = ["keys"].iter().chain(line).map(ToString::to_string).collect();
        if line[1] != "inspect" {
            let path = |name| root.join(name).display().to_string();
            line.extend([
                "--config".to_owned(),
                path("empty.toml"),
                "--key-directory".to_owned(),
                path("keys"),
            ]);
        }
        let command = Line::try_parse_from(line).unwrap_or_else(|error| panic!("{error}")).command;
        let options = Options { json: false, quiet: true, strict: false };
        run_with(command, options, |_| Ok(expected.clone()))
    }

    fn text(path: &Path) -> &str {
        path.to_str().expect("paths of tests are text")
    }

    #[test]
    fn list_tells_used_files_from_others() {
        let (root, store, [damaged, second, used]) = example();
        store.write(&second, b"another program's").expect("written");
        let answer =
            call(root.path(), &["list"], &[used.clone()].into()).unwrap_or_else(|_| panic!("listed"));
        let files = answer.json["files"].as_array().expect("a list");
        let status: Vec<_> =
            files.iter().map(|file| (file["name"].as_str(), file["status"].as_str())).collect();
        // The payload of the damaged one is not read.
        let expected = [(&damaged, "unused"), (&second, "refused"), (&used, "pinned")];
        assert_eq!(status, expected.map(|(name, status)| (Some(name.as_str()), Some(status))));
        assert_eq!((&files[2]["circuit"], &files[2]["payload_bytes"]), (&json!("used"), &json!(7)));
        assert_eq!((answer.code(false), answer.code(true)), (0, 1));
    }

    #[test]
    fn inspect_checks_name_and_checksum() {
        let (root, store, [damaged, _, used]) = example();
        let inspect =
            |name: &str| call(root.path(), &["inspect", text(&store.path().join(name))], &BTreeSet::new());
        let answer = inspect(&used).unwrap_or_else(|failure| panic!("{}", failure.message));
        assert_eq!(answer.json["header"]["kind"]["identifier"], "used");
        fs::copy(store.path().join(&used), store.path().join("renamed")).expect("writable");
        for (name, part) in
            [(damaged.as_str(), "checksum"), ("renamed", "is called renamed"), ("none", "cannot read")]
        {
            let failure = inspect(name).err().expect("refused");
            assert!(failure.code == REJECTED && failure.message.contains(part), "{}", failure.message);
            assert!(failure.message.contains(name), "{}", failure.message);
        }
    }

    #[test]
    fn prune_removes_what_is_not_used_and_nothing_before_it_is_told_so() {
        let (root, store, [damaged, second, used]) = example();
        let expected = [used.clone()].into();
        store.set_aside(&damaged, "damaged").expect("renamed");
        let all = store.list().expect("readable");
        let dry = call(root.path(), &["prune", "--dry-run"], &expected).unwrap_or_else(|_| panic!("listed"));
        assert_eq!(
            (dry.json["files"].as_array().map(Vec::len), &dry.json["removed"]),
            (Some(3), &json!(false)),
            "the second key, the damaged one, and its reason"
        );
        assert!(
            call(root.path(), &["prune", "--yes"], &BTreeSet::new()).is_err(),
            "all files count as unused"
        );
        assert_eq!(store.list().expect("readable"), all);
        let done = call(root.path(), &["prune", "--yes"], &expected).unwrap_or_else(|_| panic!("removed"));
        assert_eq!(done.json["removed"], json!(true));
        assert_eq!(store.list().expect("readable"), [used]);
        assert!(store.leftovers().expect("readable").is_empty());
        assert!(done.text.contains(&damaged) && done.text.contains(&second));
    }

    #[test]
    fn prune_takes_nothing_but_yes_for_an_answer() {
        let paths = ["first".to_owned(), "second".to_owned()];
        for (answer, agreed) in [
            ("y\n", true),
            ("Y\n", true),
            (" yes \r\n", true),
            ("", false),
            ("\n", false),
            ("n\n", false),
            ("no\ny\n", false),
            ("yesterday\n", false),
        ] {
            let mut question = vec![];
            let found = ask(&paths, &mut answer.as_bytes(), &mut question).expect("no terminal to fail");
            assert_eq!(found, agreed, "{answer:?}");
            let question = String::from_utf8(question).expect("text");
            assert_eq!(question, "first\nsecond\nremove these 2 files? [y/N] ");
        }
        // Bytes that are no text are no answer.
        assert!(ask(&paths, &mut &[0xff, b'\n'][..], &mut vec![]).is_err());
    }

    #[test]
    fn export_and_import_copy_whole_files_only() {
        let (root, store, [damaged, second, used]) = example();
        let shipped = root.path().join("shipped");
        let answer = call(root.path(), &["export", text(&shipped)], &BTreeSet::new())
            .unwrap_or_else(|_| panic!("copied"));
        assert_eq!(answer.json["copied"], json!([second, used]));
        assert!(answer.json["refused"][0]["file"].as_str().is_some_and(|file| file.contains(&damaged)));
        assert_eq!((answer.code(false), answer.code(true)), (0, 1));

        for name in [&used, &damaged] {
            store.remove(name).expect("removed");
        }
        let import = || call(root.path(), &["import", text(&shipped)], &BTreeSet::new());
        let answer = import().unwrap_or_else(|_| panic!("copied"));
        assert_eq!((&answer.json["copied"], &answer.json["present"]), (&json!([used]), &json!([second])));
        assert_eq!(store.read(&used, 10_000).expect("readable").expect("there"), toy_key("used").bytes());
        fs::remove_dir_all(&shipped).expect("ours");
        assert!(import().err().is_some_and(|failure| failure.message.contains("shipped")));
    }
}

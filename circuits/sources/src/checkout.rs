//! A checkout of the workspace: its manifests and its sources.

use std::{
    fmt::Display,
    fs, io,
    path::{Path, PathBuf},
};

use sha3::{Digest as _, Sha3_256};
use toml::{Table, Value};

/// The name of our table in the metadata of manifests.
const METADATA: &str = "superblock";

/// A checkout, by the folder of the workspace's manifest.
pub(crate) struct Checkout {
    root: PathBuf,
}

impl Checkout {
    pub(crate) const fn at(root: PathBuf) -> Self {
        Self { root }
    }

    /// The checkout that `folder` lies in, or `None` if no folder above it has a workspace's manifest.
    pub(crate) fn above(folder: &Path) -> Option<Self> {
        let is_root = |folder: &&Path| manifest(folder).is_ok_and(|found| found.contains_key("workspace"));
        folder.ancestors().find(is_root).map(|root| Self::at(root.to_owned()))
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Whether the workspace's manifest has our table.
    pub(crate) fn is_ours(&self) -> bool {
        manifest(&self.root).is_ok_and(|manifest| metadata(&manifest, "workspace", "pins").is_some())
    }

    /// See [`crate::manifests`].
    pub(crate) fn manifests(&self) -> io::Result<Vec<PathBuf>> {
        let mut found = vec![self.root.join("Cargo.toml"), self.root.join("Cargo.lock")];
        found.extend(self.members()?.iter().map(|member| member.join("Cargo.toml")));
        found.retain(|file| file.is_file());
        Ok(found)
    }

    /// The folders that crates may lie in: those in a folder of the root.
    fn members(&self) -> io::Result<Vec<PathBuf>> {
        let mut members = vec![];
        for group in self.folders(&self.root)? {
            members.extend(self.folders(&group)?);
        }
        members.sort();
        Ok(members)
    }

    /// The visible folders in `folder`, except for the one in the root that builds write to.
    fn folders(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let mut found = vec![];
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let is_output = name == "target" && folder == self.root;
            if entry.file_type()?.is_dir() && !is_output && !name.to_string_lossy().starts_with('.') {
                found.push(entry.path());
            }
        }
        Ok(found)
    }

    /// The path that the workspace's metadata gives for `key`.
    pub(crate) fn named_path(&self, key: &str) -> io::Result<PathBuf> {
        match metadata(&manifest(&self.root)?, "workspace", key) {
            Some(Value::String(path)) => Ok(self.root.join(path)),
            _ => Err(malformed(&self.root, format!("[workspace.metadata.{METADATA}] has no {key}"))),
        }
    }

    /// See [`crate::circuit_sources`].
    pub(crate) fn circuit_sources(&self) -> io::Result<Vec<PathBuf>> {
        let mut sources = vec![];
        for member in self.members()? {
            let is_marked = match manifest(&member) {
                Ok(manifest) => metadata(&manifest, "package", "circuits") == Some(&Value::Boolean(true)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => false,
                Err(error) => return Err(error),
            };
            if is_marked {
                sources.push(self.relative(&member.join("src"))?);
            }
        }
        Ok(sources)
    }

    /// See [`crate::checksum`].
    pub(crate) fn checksum(&self) -> io::Result<[u8; 32]> {
        let mut files = vec![];
        for source in self.circuit_sources()? {
            for file in self.rust_files_below(&self.root.join(source))? {
                if !is_test(&file) {
                    // The order of files must not depend on how a platform separates the parts of a path.
                    let parts: Vec<_> = file.iter().map(|part| part.to_string_lossy()).collect();
                    files.push((parts.join("/"), file));
                }
            }
        }
        files.sort();
        let mut hasher = Sha3_256::new();
        for (name, file) in files {
            // A checkout may have other line endings.
            let text = fs::read_to_string(self.root.join(file))?.replace('\r', "");
            hasher.update(format!("{name}\n{}\n", text.len()));
            hasher.update(text);
        }
        Ok(hasher.finalize().into())
    }

    /// See [`crate::rust_files`].
    pub(crate) fn rust_files(&self) -> io::Result<Vec<PathBuf>> {
        let mut files = self.rust_files_below(&self.root)?;
        files.sort();
        Ok(files)
    }

    /// The Rust files below `folder`, relative to the root.
    fn rust_files_below(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let mut files = vec![];
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_file() && path.extension().is_some_and(|extension| extension == "rs") {
                files.push(self.relative(&path)?);
            }
        }
        for folder in self.folders(folder)? {
            files.extend(self.rust_files_below(&folder)?);
        }
        Ok(files)
    }

    fn relative(&self, path: &Path) -> io::Result<PathBuf> {
        path.strip_prefix(&self.root).map(Path::to_owned).map_err(io::Error::other)
    }
}

/// Whether a Rust file, relative to the workspace, is a test: a part of its path is `tests` or ends with `_tests`.
///
/// The group of crates called `tests` has tests only.
#[must_use]
pub fn is_test(file: &Path) -> bool {
    file.iter().any(|part| {
        let stem = Path::new(part).file_stem().unwrap_or_default().to_string_lossy();
        stem == "tests" || stem.ends_with("_tests")
    })
}

/// What a manifest says under `[SECTION.metadata.superblock]`.
fn metadata<'a>(manifest: &'a Table, section: &str, key: &str) -> Option<&'a Value> {
    manifest.get(section)?.get("metadata")?.get(METADATA)?.get(key)
}

fn manifest(folder: &Path) -> io::Result<Table> {
    let text = fs::read_to_string(folder.join("Cargo.toml"))?;
    text.parse().map_err(|error: toml::de::Error| malformed(folder, error))
}

fn malformed(folder: &Path, reason: impl Display) -> io::Error {
    let path = folder.join("Cargo.toml");
    io::Error::new(io::ErrorKind::InvalidData, format!("{}: {reason}", path.display()))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn write(root: &Path, path: &str, content: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    const MARKED: &str = "[package.metadata.superblock]\ncircuits = true\n";

    /// A workspace with two marked crates and one that is not marked.
    fn example() -> (TempDir, Checkout) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        write(root, "Cargo.toml", "[workspace]\n[workspace.metadata.superblock]\npins = \"b/pins.toml\"\n");
        write(root, "a/two/Cargo.toml", MARKED);
        write(root, "a/two/src/lib.rs", "mod sub;\nmod tests;\n");
        write(root, "a/two/src/sub/mod.rs", "//! A module.\n");
        write(root, "a/two/src/tests.rs", "fn test() {}\n");
        write(root, "a/one/Cargo.toml", MARKED);
        write(root, "a/one/src/lib.rs", "//! Another crate.\n");
        write(root, "b/three/Cargo.toml", "[package]\n");
        write(root, "b/three/src/lib.rs", "//! No circuits.\n");
        let root = root.to_owned();
        (folder, Checkout::at(root))
    }

    fn checksum_after(path: &str, content: &str) -> [u8; 32] {
        let (_folder, checkout) = example();
        write(checkout.root(), path, content);
        checkout.checksum().unwrap()
    }

    #[test]
    fn a_workspace_is_the_nearest_one_above_a_folder() {
        let (_folder, checkout) = example();
        let found = Checkout::above(&checkout.root().join("a/two/src"));
        assert_eq!(found.unwrap().root(), checkout.root());
    }

    #[test]
    fn a_module_called_target_is_hashed_but_the_output_of_builds_is_not() {
        let before = example().1.checksum().unwrap();
        assert_ne!(checksum_after("a/two/src/target/mod.rs", "//! A module.\n"), before);
        let (_folder, checkout) = example();
        write(checkout.root(), "target/release/build/out.rs", "//! Made by a build.\n");
        let files = checkout.rust_files().unwrap();
        assert!(files.iter().all(|file| !file.starts_with("target")), "{files:?}");
    }

    #[test]
    fn the_manifests_are_those_of_the_workspace_and_its_crates() {
        let (_folder, checkout) = example();
        write(checkout.root(), "a/notes/about.md", "No crate.\n");
        let manifests = checkout.manifests().unwrap();
        let expected = ["Cargo.toml", "a/one/Cargo.toml", "a/two/Cargo.toml", "b/three/Cargo.toml"];
        assert_eq!(manifests, expected.map(|file| checkout.root().join(file)));
        assert!(checkout.is_ours());
        write(checkout.root(), "Cargo.toml", "[workspace]\n");
        assert!(!checkout.is_ours());
    }

    #[test]
    fn a_path_that_the_workspace_does_not_name_is_an_error_that_says_so() {
        let (_folder, checkout) = example();
        assert_eq!(checkout.named_path("pins").unwrap(), checkout.root().join("b/pins.toml"));
        let error = checkout.named_path("keys").unwrap_err().to_string();
        assert!(error.contains("Cargo.toml: [workspace.metadata.superblock] has no keys"), "{error}");
    }

    #[test]
    fn the_sources_of_marked_crates_are_listed_in_order() {
        let (_folder, checkout) = example();
        assert_eq!(checkout.circuit_sources().unwrap(), ["a/one/src", "a/two/src"].map(PathBuf::from));
    }

    #[test]
    fn a_manifest_that_cannot_be_parsed_is_not_passed_over() {
        let (_folder, checkout) = example();
        write(checkout.root(), "b/three/Cargo.toml", "[package");
        assert_eq!(checkout.circuit_sources().unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn the_checksum_ignores_tests_line_endings_and_crates_without_circuits() {
        let unchanged = checksum_after("README.md", "Not a source.");
        for (path, content) in [
            ("a/two/src/tests.rs", "fn another_test() {}\n"),
            ("a/two/src/tests/mod.rs", "fn test() {}\n"),
            ("a/two/src/sub/more_tests.rs", "fn test() {}\n"),
            ("a/two/tests/integration.rs", "fn test() {}\n"),
            ("a/two/src/lib.rs", "mod sub;\r\nmod tests;\r\n"),
            ("a/two/src/notes.md", "Not a Rust file.\n"),
            ("b/three/src/lib.rs", "//! Still no circuits.\n"),
            ("target/x/Cargo.toml", MARKED),
        ] {
            assert_eq!(checksum_after(path, content), unchanged, "{path}");
        }
    }

    #[test]
    fn the_checksum_changes_with_the_content_and_the_name_of_every_source() {
        let mut found = vec![checksum_after("README.md", "Not a source.")];
        for (path, content) in [
            ("a/one/src/lib.rs", "//! Another text.\n"),
            ("a/two/src/sub/mod.rs", "//! Another module.\n"),
            ("a/two/src/empty.rs", ""),
            ("a/two/src/other.rs", ""),
            ("b/three/Cargo.toml", MARKED),
        ] {
            let checksum = checksum_after(path, content);
            assert!(!found.contains(&checksum), "{path}");
            found.push(checksum);
        }
    }

    #[test]
    fn tests_are_known_by_their_path() {
        for path in ["a/b/tests/c.rs", "a/b/src/tests.rs", "a/b/src/c/key_tests.rs", "tests/tests/cases.rs"] {
            assert!(is_test(Path::new(path)), "{path}");
        }
        for path in ["a/b/src/testing.rs", "a/b/src/tests_of.rs", "a/contests/src/lib.rs"] {
            assert!(!is_test(Path::new(path)), "{path}");
        }
    }
}

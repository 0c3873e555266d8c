//! Everything that circuits are made of lies in the sources that [`circuits_sources::checksum`] covers, so that a key
//! file of other circuits never has the origin of these.

use std::{fs, path::Path};

use circuits_sources::{circuit_sources, is_test, rust_files, workspace};

/// The traits whose implementations determine a circuit.
const TRAITS: [&str; 5] = ["BlockDefinition", "Chain", "Definition", "SimpleGenerator", "Stark"];

/// Folders and files outside of the hashed sources that may contain circuits, and the reason.
const EXCEPTIONS: [(&str, &str); 2] = [
    ("circuits/forging/src", "attacks circuits in tests; the circuits of its own are fixtures"),
    ("batcher/bench/src", "measures circuits; the circuits of its own are fillers that no store keeps"),
];

/// The trait of [`TRAITS`] that an implementation with this header implements.
fn implements(header: &str) -> Option<&'static str> {
    let (header, _) = header.trim_start().strip_prefix("impl")?.split_once(" for ")?;
    // The name of the implemented trait comes last, before its parameters.
    let mut depth = 0;
    let outside: String = header
        .chars()
        .filter(|c| {
            depth += i32::from(*c == '<') - i32::from(*c == '>');
            depth == 0 && *c != '>'
        })
        .collect();
    let name = outside.rsplit([' ', ':']).find(|name| !name.is_empty())?;
    TRAITS.into_iter().find(|known| *known == name)
}

/// The headers of all implementations, each in one line.
fn headers(source: &str) -> impl Iterator<Item = String> {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let starts: Vec<_> = (0..lines.len()).filter(|&start| lines[start].starts_with("impl")).collect();
    starts.into_iter().map(move |start| {
        let end = lines[start..].iter().position(|line| line.contains('{')).unwrap_or_default();
        lines[start..=start + end].join(" ")
    })
}

/// Why a source belongs to circuits: a trait that it implements, or constraints that it adds.
fn circuit_part(source: &str) -> Option<&'static str> {
    let implemented = headers(source).find_map(|header| implements(&header));
    implemented.or_else(|| takes_builder(source).then_some("a builder"))
}

/// Whether something takes a circuit builder, by whatever path it is named, to add constraints to.
fn takes_builder(source: &str) -> bool {
    source.split("&mut ").skip(1).any(|rest| {
        let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
        let path = rest.split(|c| !is_path(c)).next().unwrap_or_default();
        matches!(path.rsplit("::").next(), Some("Builder" | "CircuitBuilder"))
    })
}

/// Whether a file is compiled for tests, examples or benchmarks only.
fn is_auxiliary(file: &Path) -> bool {
    is_test(file) || file.iter().any(|part| part == "examples" || part == "benches")
}

#[test]
fn all_parts_of_circuits_lie_in_the_hashed_sources() {
    let (root, hashed) = (workspace(), circuit_sources().unwrap());
    let (mut covered, mut used) = (0, vec![]);
    for file in rust_files().unwrap() {
        if is_auxiliary(&file) {
            continue;
        }
        let Some(part) = circuit_part(&fs::read_to_string(root.join(&file)).unwrap()) else { continue };
        if hashed.iter().any(|source| file.starts_with(source)) {
            covered += 1;
            continue;
        }
        let exception = EXCEPTIONS.iter().find(|(path, _)| file.starts_with(path));
        let Some((path, _)) = exception else {
            panic!(
                "{} contains {part}, but its crate's manifest does not say `circuits = true`",
                file.display()
            );
        };
        used.push(*path);
    }
    assert!(covered > 50, "only {covered} files with parts of circuits were found");
    for (path, _) in EXCEPTIONS {
        assert!(used.contains(&path), "{path} needs no exception");
    }
}

#[test]
fn implementations_are_recognised_with_their_generics() {
    for (line, expected) in [
        ("impl Definition for Wrapper {", Some("Definition")),
        ("    impl Definition for Counted {", Some("Definition")),
        ("impl<S: Chain> Definition for FoldDefinition<S> {", Some("Definition")),
        ("impl<K> BlockDefinition for K where", Some("BlockDefinition")),
        ("impl SimpleGenerator<F, D> for Hint {", Some("SimpleGenerator")),
        ("impl circuits_core::Definition for Kernel {", Some("Definition")),
        ("impl<Def: Definition> AnyCompiled for Compiled<Def> {", None),
        ("impl<Def: Definition + 'static> AnyDefinition for Def {", None),
        ("impl Definition {", None),
        ("for Definition in definitions {", None),
    ] {
        assert_eq!(implements(line), expected, "{line}");
    }
    let broken = "struct A;\n\nimpl<FE, const D: usize>\n    SimpleGenerator<FE, D> for A\nwhere\n    FE: Field,\n{\n}\n";
    assert_eq!(circuit_part(broken), Some("SimpleGenerator"));
    for builder in ["Builder", "CircuitBuilder<F, D>", "circuits_core::Builder"] {
        assert_eq!(circuit_part(&format!("fn add(builder: &mut {builder}) {{}}\n")), Some("a builder"));
    }
    assert_eq!(circuit_part("fn add(builder: &mut BuilderOfNames) {}\n"), None);
    assert_eq!(circuit_part("fn f() -> impl Iterator<Item = ()>;\n"), None);
}

#[test]
fn the_workspace_is_the_one_of_this_crate() {
    let root = workspace();
    assert!(root.join("circuits/sources/Cargo.toml").is_file());
    assert_eq!(Path::new(env!("CARGO_MANIFEST_DIR")), root.join("circuits/sources"));
    assert!(circuits_sources::lock_file().is_file());
}

#[test]
fn the_pins_and_the_embedded_keys_are_files_of_the_workspace() {
    for file in [circuits_sources::pins(), circuits_sources::embedded_keys()] {
        let file = file.unwrap();
        assert!(file.is_file() && file.starts_with(workspace()), "{}", file.display());
    }
}

#[test]
fn every_hashed_source_is_a_folder_with_rust_files() {
    let (root, files) = (workspace(), rust_files().unwrap());
    for source in circuit_sources().unwrap() {
        assert!(root.join(&source).is_dir(), "{}", source.display());
        assert!(files.iter().any(|file| file.starts_with(&source)), "{} has no sources", source.display());
    }
}

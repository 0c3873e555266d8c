//! The table of attacks in this crate's README names tests that exist.

use std::fs;

use circuits_sources::{rust_files, workspace};

/// The names of the tests in a source file.
fn tests(source: &str) -> Vec<String> {
    let mut names = vec![];
    let mut lines = source.lines().map(str::trim);
    while lines.by_ref().any(|line| line == "#[test]") {
        let function = lines.by_ref().find_map(|line| line.strip_prefix("fn ")).unwrap_or_default();
        names.extend(function.split(['(', '<']).next().map(str::to_owned));
    }
    names
}

#[test]
fn every_test_in_the_table_of_attacks_exists() {
    let workspace = workspace();
    let names: Vec<_> = rust_files()
        .unwrap()
        .iter()
        .flat_map(|file| tests(&fs::read_to_string(workspace.join(file)).unwrap()))
        .collect();
    let readme = fs::read_to_string(workspace.join("tests/README.md")).unwrap();
    let lines = readme.lines().filter(|line| line.starts_with("| ") && line.as_bytes()[2].is_ascii_digit());
    let mut cases = 0;
    for line in lines {
        let tests: Vec<_> = line.split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "no test: {line}");
        for test in tests {
            assert!(names.iter().any(|name| name == test), "there is no test {test}");
        }
        cases += 1;
    }
    assert!(cases > 40, "the table has {cases} cases");
}

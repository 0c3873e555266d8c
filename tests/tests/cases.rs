//! The table of attacks in this crate's README names tests that exist.

use std::{fs, path::Path};

/// Collects the names of the tests in all source files below `directory`.
fn collect_tests(directory: &Path, names: &mut Vec<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            collect_tests(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&path).unwrap();
            let mut lines = source.lines().map(str::trim);
            while lines.by_ref().any(|line| line == "#[test]") {
                let function = lines.by_ref().find_map(|line| line.strip_prefix("fn ")).unwrap_or_default();
                names.extend(function.split(['(', '<']).next().map(str::to_owned));
            }
        }
    }
}

#[test]
fn every_test_in_the_table_of_attacks_exists() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut names = vec![];
    for member in ["circuits", "environments", "bridge", "batcher", "tests"] {
        collect_tests(&workspace.join(member), &mut names);
    }
    let readme = fs::read_to_string(workspace.join("tests/README.md")).unwrap();
    let rows = readme.lines().filter(|line| line.starts_with("| ") && line.as_bytes()[2].is_ascii_digit());
    let mut cases = 0;
    for row in rows {
        let tests: Vec<_> = row.split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "no test: {row}");
        for test in tests {
            assert!(names.iter().any(|name| name == test), "there is no test {test}");
        }
        cases += 1;
    }
    assert!(cases > 40, "the table has {cases} rows");
}

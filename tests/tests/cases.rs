//! The list of attacks names tests that exist, and each test named after a case is in that case's row.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

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

/// The tests of each case, from the rows of the list that begin with a number.
fn listed_tests(attacks: &str) -> BTreeMap<u32, BTreeSet<&str>> {
    let mut cases = BTreeMap::new();
    for row in attacks.lines().filter(|line| line.starts_with("| ") && line.as_bytes()[2].is_ascii_digit()) {
        let case = row.split(' ').nth(1).and_then(|number| number.parse().ok());
        let case = case.unwrap_or_else(|| panic!("no number: {row}"));
        let tests = row.rsplit(" | ").next().unwrap_or_default();
        let tests: BTreeSet<_> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "no test: {row}");
        assert!(cases.insert(case, tests).is_none(), "case {case} is listed twice");
    }
    cases
}

#[test]
fn every_test_in_the_list_of_attacks_exists_and_every_numbered_test_is_in_the_list() {
    let workspace = workspace();
    let names: Vec<_> = rust_files()
        .unwrap()
        .iter()
        .flat_map(|file| tests(&fs::read_to_string(workspace.join(file)).unwrap()))
        .collect();
    let attacks = fs::read_to_string(workspace.join("docs/attacks.md")).unwrap();
    let cases = listed_tests(&attacks);
    for test in cases.values().flatten() {
        assert!(names.iter().any(|name| name == test), "there is no test {test}");
    }
    for name in &names {
        let Some(rest) = name.strip_prefix("case_") else { continue };
        let case = rest.split('_').next().and_then(|number| number.parse().ok());
        let case: u32 = case.unwrap_or_else(|| panic!("test {name} has no number"));
        let listed = cases.get(&case).is_some_and(|tests| tests.contains(name.as_str()));
        assert!(listed, "{name} is not listed under case {case}");
    }
    for case in 1..=79 {
        let explained = attacks.contains(&format!("\n- Case {case}, "));
        assert!(cases.contains_key(&case) != explained, "case {case} needs tests or a reason, not both");
    }
    assert!(cases.len() > 70, "the list has {} rows", cases.len());
}

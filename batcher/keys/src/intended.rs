//! Which circuits a change is meant to change. What else has changed is noticed before new pins take the place of the old ones.

use std::collections::BTreeSet;

use batcher_hop::circuits::KeccakHop;
use thiserror::Error;

use crate::pins::AllPins;

/// At its end, a pattern stands for every name that begins with the rest.
const WILDCARD: char = '*';

/// Circuits that are meant to change: each pattern is a name, or the beginning of names and a `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intended(Vec<String>);

/// The circuits that a change is meant to change are not those that it changes.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotIntended {
    /// No circuit has such a name.
    #[error("no circuit is called {pattern}")]
    NoCircuit { pattern: String },
    /// Circuits that were not named are new, gone or other ones.
    #[error("circuits that were not named have changed: {}; name them if that is intended", .names.join(" "))]
    Changed { names: Vec<String> },
}

impl Intended {
    /// The circuits that `patterns` name, among those of the pins and of the code.
    ///
    /// # Errors
    /// [`NotIntended::NoCircuit`] if one of them names none.
    pub fn new(
        patterns: Vec<String>,
        pinned: &AllPins,
        built: &BTreeSet<String>,
    ) -> Result<Self, NotIntended> {
        let names_none = |pattern: &&String| {
            let pinned = pinned.circuits.circuit.iter().map(|pin| &pin.name);
            let mut names = pinned.chain(built).map(String::as_str).chain([KeccakHop::NAME]);
            !names.any(|name| matches(pattern, name))
        };
        match patterns.iter().find(names_none) {
            Some(pattern) => Err(NotIntended::NoCircuit { pattern: pattern.clone() }),
            None => Ok(Self(patterns)),
        }
    }

    /// Checks that no other circuit differs between the pins and the code, new and gone ones included.
    ///
    /// # Errors
    /// [`NotIntended::Changed`] with the names of all that do, in order.
    pub fn check(&self, pinned: &AllPins, built: &AllPins) -> Result<(), NotIntended> {
        let differences = pinned.differences(built);
        let changed: BTreeSet<_> = differences.iter().map(|difference| difference.name()).collect();
        let intended = |name: &&str| self.0.iter().any(|pattern| matches(pattern, name));
        let names: Vec<_> = changed.into_iter().filter(|name| !intended(name)).map(str::to_owned).collect();
        if names.is_empty() { Ok(()) } else { Err(NotIntended::Changed { names }) }
    }
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix(WILDCARD) {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    }
}

#[cfg(test)]
mod tests {
    use circuits_keys::pins::Pins;

    use super::*;
    use crate::pins::embedded_all;

    fn intended(patterns: &[&str]) -> Result<Intended, NotIntended> {
        let patterns = patterns.iter().map(|&pattern| pattern.to_owned()).collect();
        let names = BTreeSet::from(["accounts-new".to_owned()]);
        Intended::new(patterns, &embedded_all().expect("well-formed"), &names)
    }

    /// What of a change is not intended.
    fn surprises(patterns: &[&str], change: impl FnOnce(&mut AllPins)) -> Vec<String> {
        let pinned = embedded_all().expect("well-formed");
        let mut built = pinned.clone();
        change(&mut built);
        match intended(patterns).expect("they exist").check(&pinned, &built) {
            Err(NotIntended::Changed { names }) => names,
            other => {
                assert_eq!(other, Ok(()));
                vec![]
            }
        }
    }

    fn change_rows(pins: &mut Pins, start: &str) {
        pins.circuit.iter_mut().filter(|pin| pin.name.starts_with(start)).for_each(|pin| pin.gates += 1);
    }

    #[test]
    fn a_circuit_that_was_not_named_is_listed() {
        assert!(surprises(&[], |_| ()).is_empty());
        let both = |pins: &mut AllPins| {
            change_rows(&mut pins.circuits, "notes-batch-");
            change_rows(&mut pins.circuits, "accounts-");
        };
        let notes: Vec<_> =
            surprises(&["notes-*"], both).into_iter().filter(|name| !name.starts_with("accounts-")).collect();
        assert!(notes.is_empty());
        let others = surprises(&["accounts-*", "notes-batch-3"], both);
        assert!(others.len() > 1 && others.iter().all(|name| name.starts_with("notes-batch-")));
        assert!(!others.contains(&"notes-batch-3".to_owned()));
        assert!(surprises(&["*"], both).is_empty());
    }

    #[test]
    fn circuits_that_come_and_go_are_named_too() {
        let replace = |pins: &mut AllPins| {
            let counter =
                pins.circuits.circuit.iter_mut().find(|pin| pin.name == "counter-kernel").expect("pinned");
            counter.name = "accounts-new".to_owned();
        };
        assert_eq!(surprises(&["counter-kernel"], replace), ["accounts-new"]);
        assert_eq!(surprises(&["accounts-new"], replace), ["counter-kernel"]);
        assert!(surprises(&["accounts-new", "counter-*"], replace).is_empty());
    }

    #[test]
    fn the_keccak_hop_is_named_like_all_others() {
        let change = |pins: &mut AllPins| {
            let pin = pins.keccak_hop.as_mut().expect("pinned");
            pin.outer_digest = "00".repeat(32);
        };
        assert_eq!(surprises(&[], change), ["hop-keccak"]);
        assert!(surprises(&["hop-keccak"], change).is_empty());
    }

    #[test]
    fn a_name_that_no_circuit_has_is_refused() {
        for pattern in ["notes-batch", "other-*", ""] {
            assert_eq!(intended(&[pattern]), Err(NotIntended::NoCircuit { pattern: pattern.to_owned() }));
        }
        let message = NotIntended::Changed { names: vec!["a".to_owned(), "b".to_owned()] }.to_string();
        assert!(message.contains("changed: a b;"));
    }
}

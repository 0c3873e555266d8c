#![doc = include_str!("../README.md")]

use environments_accounts::AccountsKind;
use environments_core::kind::Kind;
use environments_counter::CounterKind;
use environments_notes::NotesKind;

/// The kinds that this workspace's programs know, in the order in which their circuits are built.
pub const KINDS: [&dyn Kind; 3] = [&CounterKind, &NotesKind, &AccountsKind];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::KINDS;

    #[test]
    fn kinds_have_names_of_their_own() {
        let names: BTreeSet<_> = KINDS.iter().map(|kind| kind.name()).collect();
        assert_eq!(names.len(), KINDS.len());
    }
}

//! What a transaction finds in the state and leaves there, by which a pool tells who can come next.

use circuits_core::{Digest, trees::PRESENT};
use environments_core::pool::{Cell, Footprint};

use crate::{state::NotesState, transaction::TransactionStatement};

/// Account hashes by account id; zero for no account.
const ACCOUNTS: u8 = 0;
/// Whether there is a nullifier.
const NULLIFIERS: u8 = 1;
/// Whether there is a note, by its commitment.
const NOTES: u8 = 2;
/// Whether the note tree had a root at a block's end.
const PAST_ROOTS: u8 = 3;

impl TransactionStatement {
    /// The cells that [`NotesState::check`] compares with the transaction, and how it leaves them.
    #[must_use]
    pub fn footprint(&self) -> Footprint {
        let account = Cell { part: ACCOUNTS, name: self.account };
        let past_root = Cell { part: PAST_ROOTS, name: self.notes_root };
        let mut reads = vec![(account, self.before), (past_root, PRESENT)];
        let mut writes = vec![(account, self.after)];
        let named = |part, names: &[Digest]| {
            let names = names.iter().filter(|name| **name != Digest::ZERO);
            names.map(|&name| Cell { part, name }).collect::<Vec<_>>()
        };
        for nullifier in named(NULLIFIERS, &self.nullifiers) {
            reads.push((nullifier, Digest::ZERO));
            writes.push((nullifier, PRESENT));
        }
        reads.extend(named(NOTES, &self.unauthenticated).into_iter().map(|note| (note, PRESENT)));
        writes.extend(named(NOTES, &self.notes).into_iter().map(|note| (note, PRESENT)));
        Footprint { reads, writes }
    }
}

impl NotesState {
    /// What the state has in a cell; zero for nothing.
    #[must_use]
    pub fn cell(&self, Cell { part, name }: &Cell) -> Digest {
        let is_there = match *part {
            ACCOUNTS => return self.account(name).unwrap_or_default(),
            NULLIFIERS => self.is_spent(name),
            NOTES => self.has_note(name),
            PAST_ROOTS => self.root_heights.contains_key(name),
            _ => false,
        };
        if is_there { PRESENT } else { Digest::ZERO }
    }
}

//! What a transaction finds in the state and leaves there, by which a pool tells who can come next.

use bridge_core::AssetId;
use circuits_core::{Digest, trees::PRESENT};
use environments_core::pool::{Cell, Draw, Footprint};

use crate::{
    state::NotesState,
    transaction::{Authority, TransactionStatement, TransactionWitness},
};

/// Account hashes by account id; zero for no account.
const ACCOUNTS: u64 = 0;
/// Whether there is a nullifier.
const NULLIFIERS: u64 = 1;
/// Whether there is a note, by its commitment.
const NOTES: u64 = 2;
/// Whether the note tree had a root at a block's end.
const PAST_ROOTS: u64 = 3;
/// With a packed asset added to it: how much of the asset public accounts hold, by account id.
const HOLDINGS: u64 = 4;

/// What stands for the hash of an account after a trade, which may start from any state of it.
const TRADED: Digest = PRESENT;

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
        Footprint { reads, writes, draws: vec![] }
    }
}

impl TransactionWitness {
    /// The footprint of its statement, as a block executes it: a trade on whatever its order's account is by then, as long
    /// as that holds what the order pays.
    #[must_use]
    pub fn footprint(&self, statement: &TransactionStatement) -> Footprint {
        let mut footprint = statement.footprint();
        let (Authority::Exchange { order } | Authority::Owner { order, .. }) = self.authority else {
            return footprint;
        };
        let gives = order.terms().gives;
        let (added, spent) = self.moved_of(gives);
        let cell = Cell { part: HOLDINGS + gives.packed(), name: self.account.id };
        let taken = spent.saturating_sub(added);
        let mut needed = 0;
        if self.authority.is_trade(self.salt) {
            let is_account = |cell: &Cell| cell.part == ACCOUNTS;
            footprint.reads.retain(|(cell, _)| !is_account(cell));
            footprint
                .writes
                .iter_mut()
                .filter(|(cell, _)| is_account(cell))
                .for_each(|(_, hash)| *hash = TRADED);
            needed = taken;
        }
        footprint.draws.push(Draw { cell, needed, taken });
        footprint
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
            holdings => {
                let asset = holdings.checked_sub(HOLDINGS).and_then(|packed| AssetId::unpack(packed).ok());
                let held = asset.zip(self.public_account(name));
                let held = held.map_or(0, |(asset, account)| account.vault.balance(asset).get());
                return Cell::of_number(held);
            }
        };
        if is_there { PRESENT } else { Digest::ZERO }
    }
}

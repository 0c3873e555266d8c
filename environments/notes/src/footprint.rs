//! What a transaction finds in the state and leaves there, by which a pool tells who can come next.

use bridge_core::AssetId;
use circuits_core::{Digest, trees::PRESENT};
use environments_core::pool::{Cell, Condition, Draw, Footprint};

use crate::{
    account::Account,
    state::NotesState,
    transaction::{Authority, TransactionError, TransactionStatement, TransactionWitness},
};

/// Account hashes by account id; zero for no account.
const ACCOUNTS: u64 = 0;
/// Whether there is a nullifier.
const NULLIFIERS: u64 = 1;
/// Whether there is a note, by its commitment.
const NOTES: u64 = 2;
/// Whether the note tree had a root at a block's end.
const PAST_ROOTS: u64 = 3;
/// Authorisations of public accounts, by account id; zero for no account. Whoever writes one also writes all that its account
/// holds.
const AUTHORISATIONS: u64 = 4;
/// With a packed asset added to it: how much of the asset public accounts hold, by account id.
const HOLDINGS: u64 = 5;

/// How much of an asset a public account holds.
fn holding(asset: AssetId, account: Digest) -> Cell {
    Cell { part: HOLDINGS + asset.packed(), name: account }
}

impl TransactionStatement {
    /// The cells that [`NotesState::check`] compares with the transaction, and how it leaves them; `published` is the network
    /// account that it leaves.
    #[must_use]
    pub fn footprint(&self, published: Option<&Account>) -> Footprint {
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
        if let Some(Account { id, authorisation, vault, .. }) = published {
            writes.push((Cell { part: AUTHORISATIONS, name: *id }, *authorisation));
            let held = vault.slots().iter().flatten();
            writes.extend(held.map(|held| (holding(held.asset, *id), Cell::of_number(held.amount.get()))));
        }
        Footprint { reads, writes, ..Footprint::NONE }
    }
}

impl TransactionWitness {
    /// The footprint of its statement, as a block executes it: a trade on whatever its order's account is by then, as long
    /// as that holds what the order pays. Only from the account that the trade names it makes the notes that it states.
    ///
    /// # Errors
    /// As [`Self::account_after`].
    pub fn footprint(&self, statement: &TransactionStatement) -> Result<Footprint, TransactionError> {
        let footprint = statement.footprint(self.published()?.as_ref());
        let order = match self.authority {
            Authority::Exchange { order } if self.authority.is_trade(self.salt) => order,
            _ => return Ok(footprint),
        };
        let Account { id, authorisation, .. } = self.account;
        let account = Cell { part: ACCOUNTS, name: id };
        let public = Cell { part: AUTHORISATIONS, name: id };
        let Footprint { mut reads, writes, .. } = footprint;
        reads.retain(|(cell, _)| *cell != account);
        reads.push((public, authorisation));
        let (writes, conditional) = writes.into_iter().partition(|(cell, _)| cell.part == NULLIFIERS);
        let gives = order.terms().gives;
        let (added, spent) = self.moved_of(gives);
        let taken = spent.saturating_sub(added);
        Ok(Footprint {
            reads,
            writes,
            condition: Some(Condition { cell: account, expected: statement.before, writes: conditional }),
            draws: vec![Draw { cell: holding(gives, id), whole: Some(public), needed: taken, taken }],
        })
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
            PAST_ROOTS => self.root_height(name).is_some(),
            AUTHORISATIONS => {
                let account = self.public_account(name);
                return account.map_or(Digest::ZERO, |account| account.authorisation);
            }
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

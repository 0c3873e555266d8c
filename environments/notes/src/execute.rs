//! Executing transactions on the public state, natively.

use std::collections::BTreeSet;

use circuits_core::{
    Digest, F,
    amount::{AMOUNT_BITS, Amount},
    hash::{Domain, hash},
    trees::{InsertWitness, PRESENT, Path, SetWitness, TreeError},
};
use plonky2::field::types::{Field, PrimeField64};
use thiserror::Error;

use crate::{
    arrival::{MAX_ARRIVALS, SUBTREE, subtree},
    note::Membership,
    record::Record,
    state::{NotesState, OUTPUTS_HEIGHT},
    transaction::{MAX_INPUTS, MAX_OUTPUTS, TransactionStatement, emission::outbox_after},
};

/// Domain of the key that replaces the nullifier of an input that a transaction does not have.
const UNUSED: Domain = Domain::new("unused");

/// Why a transaction that is valid by itself cannot be applied to a state.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StateError {
    /// The transaction is for another deployment.
    #[error("the transaction is for chain {found}, but this is chain {expected}")]
    OtherChain {
        /// This chain.
        expected: u64,
        /// The transaction's.
        found: u64,
    },
    /// The transaction is for another environment.
    #[error("the transaction is for environment {found}, but this is environment {expected}")]
    OtherEnvironment {
        /// This environment.
        expected: u64,
        /// The transaction's.
        found: u64,
    },
    /// The transaction pays fees in another asset.
    #[error("the transaction pays fees in packed asset {found}, not {expected}")]
    OtherFeeAsset {
        /// This environment's.
        expected: u64,
        /// The transaction's.
        found: u64,
    },
    /// The transaction is made for another minimum fee.
    #[error("the transaction is made for a minimum fee of {found} for each note, not {expected}")]
    OtherMinimumFee {
        /// This environment's, for the account of the transaction.
        expected: u64,
        /// The transaction's.
        found: u64,
    },
    /// The transaction is not valid yet.
    #[error("the transaction is valid from height {not_before} on, but the block has height {height}")]
    TooEarly {
        /// First height.
        not_before: u64,
        /// The block's.
        height: u64,
    },
    /// The transaction is no longer valid.
    #[error("the transaction was valid until height {valid_until}, but the block has height {height}")]
    TooLate {
        /// Last height.
        valid_until: u64,
        /// The block's.
        height: u64,
    },
    /// The notes are opened under a root that the note tree never had at a block's end.
    #[error("{0} is not a past root of the note tree")]
    UnknownRoot(Digest),
    /// The transaction creates an account that exists.
    #[error("account {0} already exists")]
    AccountExists(Digest),
    /// The account does not exist.
    #[error("account {0} does not exist")]
    NoSuchAccount(Digest),
    /// The account has changed since, for example by another transaction with the same nonce.
    #[error("account {account} has hash {expected}, but the transaction starts from {found}")]
    StaleAccount {
        /// The account.
        account: Digest,
        /// Its hash.
        expected: Digest,
        /// What the transaction starts from.
        found: Digest,
    },
    /// The account, which is public, has made another transaction instead of this one.
    #[error("account {account} has made {made} transactions; one that follows on {before} comes too late")]
    NonceUsed {
        /// The account.
        account: Digest,
        /// Transactions that it has made.
        made: u32,
        /// Transactions that it must have made before this one.
        before: u32,
    },
    /// A note is already consumed.
    #[error("input {input} is already consumed: nullifier {nullifier} is in the set")]
    AlreadyConsumed {
        /// The input.
        input: usize,
        /// Its nullifier.
        nullifier: Digest,
    },
    /// A note does not exist yet.
    #[error("input {input}, the note {commitment}, does not exist")]
    NoSuchNote {
        /// The input.
        input: usize,
        /// Its commitment.
        commitment: Digest,
    },
    /// More messages arrive than a block takes in.
    #[error("{found} messages arrive, but a block takes in at most {MAX_ARRIVALS}")]
    TooManyArrivals {
        /// Messages found.
        found: usize,
    },
    /// A note is in the note tree already, or arrives twice: each note of a message covers its index.
    #[error("the note {0} that a message becomes is in the note tree already")]
    AlreadyArrived(Digest),
    /// The block's fees exceed an amount.
    #[error("the fees of one block stay below 2^{AMOUNT_BITS}, but this transaction adds {0}")]
    TooManyFees(u64),
    /// A tree has no room for what is added, or the note tree none for the block's fee note after it.
    #[error("the state cannot grow")]
    Tree(#[from] TreeError),
}

/// Checks that a tree of `depth` with `count` leaves takes `added` more.
fn check_room(count: u64, added: u64, depth: usize) -> Result<(), TreeError> {
    if count + added <= 1 << depth { Ok(()) } else { Err(TreeError::Full { count, added, depth }) }
}

/// How the block finds one input of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputApplication {
    /// The earlier transaction of the group, and the index of its output, that the input erases.
    pub matched: Option<(usize, usize)>,
    /// The position of the note in the tree before the group; only for unauthenticated inputs without a match.
    pub membership: Membership,
    /// Insertion of the nullifier, or of a substitute that is then discarded.
    pub insertion: InsertWitness,
}

/// What the prover must know of the trees before one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// Height of the past root.
    pub reference: u32,
    /// Its path.
    pub reference_path: Path,
    /// Creation or change of the account.
    pub account: SetWitness,
    /// Its inputs.
    pub inputs: [InputApplication; MAX_INPUTS],
    /// Path that the subtree of its outputs takes.
    pub outputs: Path,
}

/// A group of transactions after its application: a witness and a record for each of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// For the prover.
    pub applications: Vec<Application>,
    /// For the body.
    pub records: Vec<Record>,
}

/// The key whose insertion is proved and discarded if there is no nullifier to insert.
#[must_use]
pub fn substitute_key() -> Digest {
    hash(UNUSED, &[])
}

/// Where an unauthenticated note is: the earlier output (transaction, position) that it erases, if any, and else its
/// membership in the note tree.
type Found = (Option<(usize, usize)>, Membership);

impl NotesState {
    /// Checks that the note tree takes the notes of `count` messages, and the block's fee note after them.
    ///
    /// # Errors
    /// - [`StateError::TooManyArrivals`]
    /// - [`StateError::Tree`]
    pub fn check_arrivals(&self, count: usize) -> Result<(), StateError> {
        if count > MAX_ARRIVALS {
            return Err(StateError::TooManyArrivals { found: count });
        }
        let subtrees = count.div_ceil(SUBTREE) as u64;
        Ok(check_room(self.notes.count(), (subtrees + 1) << OUTPUTS_HEIGHT, self.notes.depth())?)
    }

    /// Appends the notes that messages become to the note tree, before the transactions of the block. Returns the paths
    /// of their subtrees, and that of the next one.
    ///
    /// # Errors
    /// In each case the state is unchanged.
    /// - [`StateError::TooManyArrivals`]
    /// - [`StateError::AlreadyArrived`]
    /// - [`StateError::Tree`]
    pub fn arrive(&mut self, notes: &[Digest]) -> Result<Vec<Path>, StateError> {
        self.check_arrivals(notes.len())?;
        let mut new = BTreeSet::new();
        if let Some(&note) = notes.iter().find(|&&note| self.has_note(&note) || !new.insert(note)) {
            return Err(StateError::AlreadyArrived(note));
        }
        let mut paths = vec![];
        for notes in notes.chunks(SUBTREE) {
            paths.push(self.append(&subtree(notes))?);
        }
        paths.push(self.next_path()?);
        Ok(paths)
    }

    /// Checks a transaction against the state in the middle of a block.
    ///
    /// # Errors
    /// One variant of [`StateError`] per rule.
    pub fn check(&self, statement: &TransactionStatement) -> Result<(), StateError> {
        self.check_context(statement)?;
        // First what no later block can cure.
        for (input, &nullifier) in statement.nullifiers.iter().enumerate() {
            let spent = nullifier != Digest::ZERO
                && (self.is_spent(&nullifier) || statement.nullifiers[..input].contains(&nullifier));
            if spent {
                return Err(StateError::AlreadyConsumed { input, nullifier });
            }
        }
        let account = statement.account;
        let found = statement.before;
        match self.accounts.get(&account) {
            None if found == Digest::ZERO => {}
            None => return Err(StateError::NoSuchAccount(account)),
            Some(_) if found == Digest::ZERO => return Err(StateError::AccountExists(account)),
            Some(expected) if expected == found => {}
            Some(expected) => return Err(StateError::StaleAccount { account, expected, found }),
        }
        for (input, &commitment) in statement.unauthenticated.iter().enumerate() {
            if commitment != Digest::ZERO && !self.has_note(&commitment) {
                return Err(StateError::NoSuchNote { input, commitment });
            }
        }
        self.fees_with(statement.fee)?;
        Ok(self.check_trees(statement)?)
    }

    /// Checks that the trees have room for the transaction, and the note tree for the block's fee note after it.
    fn check_trees(&self, statement: &TransactionStatement) -> Result<(), TreeError> {
        let created = u64::from(statement.before == Digest::ZERO);
        check_room(self.accounts.count(), created, self.accounts.depth())?;
        // For an input without a nullifier an insertion is proved and discarded, so the last input needs a slot anyway.
        let earlier = statement.nullifiers[..MAX_INPUTS - 1].iter();
        let earlier = earlier.filter(|&&nullifier| nullifier != Digest::ZERO).count() as u64;
        check_room(self.nullifiers.count(), earlier + 1, self.nullifiers.depth())?;
        check_room(self.notes.count(), 2 << OUTPUTS_HEIGHT, self.notes.depth())
    }

    fn check_context(&self, statement: &TransactionStatement) -> Result<(), StateError> {
        let context = self.context();
        let differ = |expected: F, found: F| {
            (expected != found).then(|| (expected.to_canonical_u64(), found.to_canonical_u64()))
        };
        if let Some((expected, found)) = differ(context.chain_id, statement.chain_id) {
            return Err(StateError::OtherChain { expected, found });
        }
        if let Some((expected, found)) = differ(context.environment, statement.environment) {
            return Err(StateError::OtherEnvironment { expected, found });
        }
        if let Some((expected, found)) = differ(context.fee_asset, statement.fee_asset) {
            return Err(StateError::OtherFeeAsset { expected, found });
        }
        let minimum_fee = self.deployment.minimum_fee_of(statement.network == F::ONE).to_field();
        if let Some((expected, found)) = differ(minimum_fee, statement.minimum_fee) {
            return Err(StateError::OtherMinimumFee { expected, found });
        }
        let height = u64::from(self.height) + 1;
        let not_before = statement.not_before.to_canonical_u64();
        if height < not_before {
            return Err(StateError::TooEarly { not_before, height });
        }
        let valid_until = statement.valid_until.to_canonical_u64();
        if height > valid_until {
            return Err(StateError::TooLate { valid_until, height });
        }
        if self.root_height(&statement.notes_root).is_none() {
            return Err(StateError::UnknownRoot(statement.notes_root));
        }
        Ok(())
    }

    fn fees_with(&self, fee: F) -> Result<Amount, StateError> {
        let fee = fee.to_canonical_u64();
        let added = Amount::new(fee).and_then(|fee| self.fees.checked_add(fee));
        added.map_err(|_| StateError::TooManyFees(fee))
    }

    /// Applies one transaction that [`Self::check`] accepts. On an error the state is unchanged.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn execute(&mut self, statement: &TransactionStatement) -> Result<(), StateError> {
        self.check(statement)?;
        self.apply_group(std::slice::from_ref(statement)).map(|_| ())
    }

    /// Applies transactions that one circuit applies together. An unauthenticated input erases the output of an
    /// earlier transaction of the group, or else must be in the note tree before the group.
    ///
    /// # Errors
    /// [`StateError`]; the state is then partly changed, so work on a copy unless each was checked before.
    pub fn apply_group(&mut self, statements: &[TransactionStatement]) -> Result<Group, StateError> {
        let mut outputs: Vec<[Digest; MAX_OUTPUTS]> =
            statements.iter().map(|statement| statement.notes).collect();
        let mut found: Vec<Vec<Found>> = vec![];
        for (position, statement) in statements.iter().enumerate() {
            let inputs = statement.unauthenticated.iter().enumerate();
            let inputs = inputs.map(|(input, &commitment)| {
                self.find(commitment, &mut outputs[..position])
                    .ok_or(StateError::NoSuchNote { input, commitment })
            });
            found.push(inputs.collect::<Result<_, _>>()?);
        }
        let mut group = Group::default();
        for ((statement, found), notes) in statements.iter().zip(found).zip(outputs) {
            let (application, record) = self.apply(statement, found, notes)?;
            group.applications.push(application);
            group.records.push(record);
        }
        Ok(group)
    }

    /// Finds an unauthenticated note among earlier outputs, which erases it there, or in the note tree.
    fn find(&self, commitment: Digest, outputs: &mut [[Digest; MAX_OUTPUTS]]) -> Option<Found> {
        let anywhere = Membership { index: 0, path: self.notes.path(0) };
        if commitment == Digest::ZERO {
            return Some((None, anywhere));
        }
        for (transaction, notes) in outputs.iter_mut().enumerate() {
            if let Some(output) = notes.iter().position(|&note| note == commitment) {
                notes[output] = Digest::ZERO;
                return Some((Some((transaction, output)), anywhere));
            }
        }
        let index = self.position(&commitment)?;
        Some((None, Membership { index, path: self.notes.path(index) }))
    }

    fn apply(
        &mut self,
        statement: &TransactionStatement,
        found: Vec<Found>,
        notes: [Digest; MAX_OUTPUTS],
    ) -> Result<(Application, Record), StateError> {
        let fees = self.fees_with(statement.fee)?;
        let root = statement.notes_root;
        let reference = self.root_height(&root).ok_or(StateError::UnknownRoot(root))?;
        let reference_path = self.past_roots.path(reference.into());
        let account = self.accounts.prove_set(statement.account)?;
        self.accounts.set(statement.account, statement.after)?;

        let mut nullifiers = statement.nullifiers;
        let mut inputs = Vec::with_capacity(MAX_INPUTS);
        for (nullifier, (matched, membership)) in nullifiers.iter_mut().zip(found) {
            if matched.is_some() {
                *nullifier = Digest::ZERO;
            }
            let insertion = if *nullifier == Digest::ZERO {
                self.nullifiers.prove_insert(&substitute_key())?
            } else {
                let insertion = self.nullifiers.prove_insert(nullifier)?;
                self.nullifiers.insert(*nullifier, PRESENT)?;
                insertion
            };
            inputs.push(InputApplication { matched, membership, insertion });
        }
        let record = Record {
            account: statement.account,
            after: statement.after,
            nullifiers,
            notes,
            fee: statement.fee,
            network: statement.network,
        };
        let outputs = self.add(&record, fees)?;
        self.outbox = outbox_after(self.outbox, statement.message);
        let inputs = inputs.try_into().unwrap_or_else(|_| unreachable!("one per nullifier"));
        Ok((Application { reference, reference_path, account, inputs, outputs }, record))
    }

    /// Applies one record of a body.
    ///
    /// # Errors
    /// [`StateError::Tree`] or [`StateError::TooManyFees`]; the state is then partly changed.
    pub fn apply_record(&mut self, record: &Record) -> Result<(), StateError> {
        let fees = self.fees_with(record.fee)?;
        self.accounts.set(record.account, record.after)?;
        for &nullifier in record.nullifiers.iter().filter(|&&nullifier| nullifier != Digest::ZERO) {
            self.nullifiers.insert(nullifier, PRESENT)?;
        }
        self.add(record, fees)?;
        Ok(())
    }
}

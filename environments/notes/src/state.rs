//! The public state: account hashes, nullifiers, note commitments and the past roots of the note tree.

use circuits_core::{
    Builder, Digest, DigestTarget, F,
    amount::Amount,
    hash::{Domain, hash, hash_circuit},
    late::LateMap,
    layout::Layout,
    trees::{AppendTree, IndexTree, KeyedTree, Path, TreeError},
};
use circuits_protocol::statement::empty_list;
use environments_core::{environment::EnvironmentId, instance::DeployedState};
use plonky2::{field::types::Field, iop::target::Target};

use crate::{
    account::Account,
    config::{Deployment, Genesis, GenesisError},
    note::{Membership, Note, fee_note},
    record::{Record, add_record, no_records},
};

/// Domain of state commitments.
pub const STATE: Domain = Domain::new("n-state");
/// Levels of all trees of the state.
pub const TREE_DEPTH: usize = 32;
/// Every transaction appends a subtree of this height to the note tree: its outputs, with empty leaves for
/// those that it does not have. So an append costs one path.
pub const OUTPUTS_HEIGHT: usize = 2;

circuits_core::layout! {
    /// What a state commitment covers.
    pub struct StateFields<T> {
        /// The deployment.
        pub chain_id: T,
        /// The environment.
        pub environment: T,
        /// The packed asset that fees are paid in.
        pub fee_asset: T,
        /// The minimum fee, for each note and message.
        pub minimum_fee: T,
        /// The minimum fee of network accounts.
        pub network_minimum_fee: T,
        /// The account that fee notes pay.
        pub fee_account: Digest<T>,
        /// Height of the last block.
        pub height: T,
        /// The trees that transactions change.
        pub trees: TreeRoots<T>,
        /// Root of the tree of past roots of the note tree, by height.
        pub past_roots: Digest<T>,
    }
}

circuits_core::layout! {
    /// Commitments of the three trees that transactions change.
    pub struct TreeRoots<T> {
        /// Root of the tree of account hashes, by account id.
        pub accounts: Digest<T>,
        /// Leaves of the account tree.
        pub account_count: T,
        /// Root of the set of nullifiers.
        pub nullifiers: Digest<T>,
        /// Leaves of the nullifier tree.
        pub nullifier_count: T,
        /// Root of the tree of note commitments.
        pub notes: Digest<T>,
        /// Leaves of the note tree, empty ones of subtrees included.
        pub note_count: T,
    }
}

circuits_core::layout! {
    /// The running state of a block, which its transactions move forward.
    pub struct Running<T> {
        /// The trees.
        pub trees: TreeRoots<T>,
        /// Fees so far.
        pub fees: T,
        /// Transactions so far.
        pub transactions: T,
        /// Digest of the records so far.
        pub records: Digest<T>,
        /// Digest of the messages emitted so far.
        pub outbox: Digest<T>,
    }
}

circuits_core::layout! {
    /// What a block checks every transaction against; the same for all of them.
    pub struct BlockContext<T> {
        /// The deployment.
        pub chain_id: T,
        /// The environment.
        pub environment: T,
        /// The packed asset that fees are paid in.
        pub fee_asset: T,
        /// The minimum fee, for each note and message.
        pub minimum_fee: T,
        /// The minimum fee of network accounts.
        pub network_minimum_fee: T,
        /// Height of the block.
        pub height: T,
        /// Root of the tree of past roots before the block.
        pub past_roots: Digest<T>,
    }
}

impl<T: Copy> StateFields<T> {
    /// What the next block, of this height, checks transactions against.
    pub(super) fn context(&self, height: T) -> BlockContext<T> {
        BlockContext {
            chain_id: self.chain_id,
            environment: self.environment,
            fee_asset: self.fee_asset,
            minimum_fee: self.minimum_fee,
            network_minimum_fee: self.network_minimum_fee,
            height,
            past_roots: self.past_roots,
        }
    }
}

/// The commitment to a state.
#[must_use]
pub fn state_commitment(fields: &StateFields) -> Digest {
    hash(STATE, &fields.encode())
}

/// In-circuit twin of [`state_commitment`].
pub fn state_commitment_circuit(builder: &mut Builder, fields: &StateFields<Target>) -> DigestTarget {
    hash_circuit(builder, STATE, &fields.encode())
}

/// The public state of a note-based environment, possibly in the middle of a block. Copies share what they have in
/// common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotesState {
    pub(super) deployment: Deployment,
    pub(super) height: u32,
    pub(super) accounts: KeyedTree,
    pub(super) nullifiers: KeyedTree,
    pub(super) notes: AppendTree,
    pub(super) past_roots: IndexTree,
    /// The note tree at the last block's end.
    pub(super) sealed_notes: AppendTree,
    /// Indices of note commitments.
    pub(super) positions: LateMap<Digest, u64>,
    /// Heights of past roots.
    pub(super) root_heights: LateMap<Digest, u32>,
    /// The accounts of the genesis, and network accounts as their last transactions left them.
    pub(super) public_accounts: LateMap<Digest, Account>,
    pub(super) fees: Amount,
    pub(super) transactions: u64,
    pub(super) records: Digest,
    pub(super) outbox: Digest,
}

/// What the prover must know of the state at a block's end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealWitness {
    /// Path of the fee note's subtree.
    pub fee_path: Path,
    /// Path of the block's height in the tree of past roots.
    pub past_root_path: Path,
}

// The other fields are those of the genesis at the end of a block.
environments_core::stored_state!(NotesState {
    values: [height],
    parts: [accounts, nullifiers, notes, past_roots, positions, root_heights, public_accounts],
    derived: |state| state.sealed_notes = state.notes.clone(),
    agrees: |state| state.indices_agree(),
});

impl DeployedState for NotesState {
    type Deployment = Deployment;

    fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    fn chain_id(&self) -> u64 {
        self.deployment.chain_id
    }

    fn environment(&self) -> EnvironmentId {
        self.deployment.environment
    }
}

impl NotesState {
    /// The state at height 0.
    ///
    /// # Errors
    /// [`GenesisError`]
    pub fn genesis(deployment: Deployment, genesis: &Genesis) -> Result<Self, GenesisError> {
        let public = genesis.accounts(&deployment)?;
        let accounts = public.iter().map(|account| (account.id, account.hash()));
        let notes = AppendTree::new(TREE_DEPTH);
        let mut state = Self {
            deployment,
            height: 0,
            accounts: KeyedTree::from_entries(TREE_DEPTH, accounts)?,
            nullifiers: KeyedTree::new(TREE_DEPTH),
            sealed_notes: notes.clone(),
            notes,
            past_roots: IndexTree::new(TREE_DEPTH),
            positions: LateMap::new(),
            root_heights: LateMap::new(),
            public_accounts: LateMap::new(),
            fees: Amount::ZERO,
            transactions: 0,
            records: no_records(),
            outbox: empty_list(),
        };
        state.past_roots.set(0, state.notes.root())?;
        state.root_heights.insert(state.notes.root(), 0);
        public.into_iter().for_each(|account| state.publish(account));
        Ok(state)
    }

    /// Height of the last block.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Transactions of the block that is being built.
    #[must_use]
    pub fn transactions(&self) -> u64 {
        self.transactions
    }

    /// The hash of an account, if it exists.
    #[must_use]
    pub fn account(&self, id: &Digest) -> Option<Digest> {
        self.accounts.get(id)
    }

    /// An account that everybody knows: a network account, or one that is as it was at genesis.
    #[must_use]
    pub fn public_account(&self, id: &Digest) -> Option<&Account> {
        let account = self.public_accounts.get(id)?;
        (self.accounts.get(id) == Some(account.hash())).then_some(account)
    }

    /// Takes note of a network account that a body publishes.
    pub(super) fn publish(&mut self, account: Account) {
        self.public_accounts.insert(account.id, account);
    }

    /// Whether a nullifier is in the set.
    #[must_use]
    pub fn is_spent(&self, nullifier: &Digest) -> bool {
        self.nullifiers.get(nullifier).is_some()
    }

    /// Whether a note is in the note tree.
    #[must_use]
    pub fn has_note(&self, commitment: &Digest) -> bool {
        self.position(commitment).is_some()
    }

    /// Whether notes, past roots and public accounts are found where the trees have them. Which accounts are public, nothing says.
    fn indices_agree(&self) -> bool {
        let notes = self.positions.iter().all(|(commitment, &index)| self.notes.get(index) == *commitment);
        let is_found = |leaf: Digest| leaf == Digest::ZERO || self.positions.contains_key(&leaf);
        let mut roots = self.root_heights.iter();
        notes
            && (0..self.notes.count()).all(|index| is_found(self.notes.get(index)))
            && roots.all(|(root, &height)| self.past_roots.get(height.into()) == *root)
            && self.past_roots.leaves().all(|(_, root)| self.root_heights.contains_key(&root))
            && self.public_accounts.iter().all(|(id, account)| account.id == *id)
    }

    /// The index of a note commitment in the note tree. One that is read late has to be what the tree has there.
    pub(super) fn position(&self, commitment: &Digest) -> Option<u64> {
        let is_there = |index: Option<&u64>| index.is_none_or(|&index| self.notes.get(index) == *commitment);
        self.positions.get_checked(commitment, is_there).copied()
    }

    /// The height at whose end the note tree had a root. One that is read late has to be what the tree of past roots has there.
    pub(super) fn root_height(&self, root: &Digest) -> Option<u32> {
        let is_there =
            |height: Option<&u32>| height.is_none_or(|&height| self.past_roots.get(height.into()) == *root);
        self.root_heights.get_checked(root, is_there).copied()
    }

    /// Root of the note tree at the last block's end, which transactions can use.
    #[must_use]
    pub fn notes_root(&self) -> Digest {
        self.sealed_notes.root()
    }

    /// The opening of a note under [`Self::notes_root`], if it was there by then.
    #[must_use]
    pub fn open(&self, note: &Note) -> Option<Membership> {
        let index = self.position(&note.commitment())?;
        let path = self.sealed_notes.path(index);
        (index < self.sealed_notes.count()).then_some(Membership { index, path })
    }

    /// Commitments of the trees.
    #[must_use]
    pub fn roots(&self) -> TreeRoots {
        TreeRoots {
            accounts: self.accounts.root(),
            account_count: F::from_canonical_u64(self.accounts.count()),
            nullifiers: self.nullifiers.root(),
            nullifier_count: F::from_canonical_u64(self.nullifiers.count()),
            notes: self.notes.root(),
            note_count: F::from_canonical_u64(self.notes.count()),
        }
    }

    /// What the commitment covers.
    #[must_use]
    pub fn fields(&self) -> StateFields {
        StateFields {
            chain_id: self.deployment.chain_id(),
            environment: self.deployment.environment.to_field(),
            fee_asset: self.deployment.fee_asset.to_field(),
            minimum_fee: self.deployment.minimum_fee.to_field(),
            network_minimum_fee: self.deployment.network_minimum_fee.to_field(),
            fee_account: self.deployment.fee_account,
            height: F::from_canonical_u32(self.height),
            trees: self.roots(),
            past_roots: self.past_roots.root(),
        }
    }

    /// The commitment. No block states the commitment of a state in the middle of a block.
    #[must_use]
    pub fn commitment(&self) -> Digest {
        state_commitment(&self.fields())
    }

    /// The running state of the block that is being built.
    #[must_use]
    pub fn running(&self) -> Running {
        Running {
            trees: self.roots(),
            fees: self.fees.to_field(),
            transactions: F::from_canonical_u64(self.transactions),
            records: self.records,
            outbox: self.outbox,
        }
    }

    /// What the block that is being built checks transactions against.
    #[must_use]
    pub fn context(&self) -> BlockContext {
        let fields = self.fields();
        fields.context(fields.height + F::ONE)
    }

    /// Puts a record's notes into the note tree and adds it to the block; the caller updates the other trees.
    pub(super) fn add(&mut self, record: &Record, fees: Amount) -> Result<Path, TreeError> {
        let path = self.append(&record.notes)?;
        self.fees = fees;
        self.transactions += 1;
        self.records = add_record(self.records, record);
        Ok(path)
    }

    /// The index that the next note takes, which is the first one of what arrives in the next block.
    #[must_use]
    pub fn next_note(&self) -> u64 {
        self.notes.count()
    }

    /// The path of the next subtree of the note tree.
    pub(super) fn next_path(&self) -> Result<Path, TreeError> {
        self.notes.next_subtree_path(OUTPUTS_HEIGHT)
    }

    /// Appends a subtree to the note tree.
    pub(super) fn append(&mut self, leaves: &[Digest]) -> Result<Path, TreeError> {
        let path = self.next_path()?;
        let first = self.notes.push_subtree(leaves)?;
        let notes = (first..).zip(leaves).filter(|(_, leaf)| **leaf != Digest::ZERO);
        self.positions.extend(notes.map(|(index, leaf)| (*leaf, index)));
        Ok(path)
    }

    /// The note that collects the fees of the block that is being built.
    #[must_use]
    pub fn fee_note(&self) -> Note {
        let Deployment { chain_id, environment, fee_asset, fee_account, .. } = self.deployment;
        fee_note(chain_id, environment, self.height.saturating_add(1), fee_asset, self.fees, fee_account)
    }

    /// Ends the block: appends the fee note and records the note tree's root under the block's height.
    ///
    /// # Errors
    /// [`TreeError::Full`] or [`TreeError::Index`] if the note tree or the heights are exhausted.
    pub fn seal(&mut self) -> Result<SealWitness, TreeError> {
        let depth = TREE_DEPTH;
        let height = self.height.checked_add(1).ok_or(TreeError::Index { index: 1 << depth, depth })?;
        let fee_note = self.fee_note().commitment();
        let fee_path = self.append(&[fee_note, Digest::ZERO, Digest::ZERO, Digest::ZERO])?;
        let past_root_path = self.past_roots.path(height.into());
        self.past_roots.set(height.into(), self.notes.root())?;
        self.root_heights.insert(self.notes.root(), height);
        self.sealed_notes = self.notes.clone();
        self.height = height;
        self.fees = Amount::ZERO;
        self.transactions = 0;
        self.records = no_records();
        self.outbox = empty_list();
        Ok(SealWitness { fee_path, past_root_path })
    }
}

//! One message, one step: natively.
//!
//! | step | actor | list that gains | leaf | balance of the actor |
//! |---|---|---|---|---|
//! | emit | an environment | its outbox | empty to message, unless it goes to L1 | origin +, else - |
//! | emit | L1: a deposit | L1 inbox | empty to message | origin +, else - |
//! | claim | an environment | its inbox | message to tombstone | origin -, else + |
//! | claim | L1: right after the emission | L1 outbox | none | origin -, else + |
//! | refund | an environment | its inbox | message to tombstone | origin -, else + |
//! | refund | L1: an expired deposit | L1 outbox | message to tombstone | origin -, else + |
//! | bounce | L1: a deposit that came too late | L1 inbox and L1 outbox | none | none |
//!
//! So L1 is an environment like the others, with the L1 inbox as its outbox and the L1 outbox as its inbox. A message to
//! L1 is final: the step after its emission consumes it, and it is never in the tree.
//!
//! Whoever knows a superblock's lists can compute the state that its steps lead to. Steps have one order: L1's deposits,
//! then its refunds, then the blocks, in each of which what it consumes comes before what it emits. Balances take their
//! slots in the order in which steps first move them. A list of its own says at which index each message is consumed, because
//! a dishonest kernel can emit one message twice.

use circuits_core::{
    Digest, F,
    amount::Amount,
    layout::Layout,
    trees::{InsertWitness, KeyedTree, LeafOpening, Path},
};
use circuits_protocol::{registry::EnvironmentId, statement::empty_list};
use plonky2::field::types::Field;

use crate::{
    asset::AssetId,
    balance::BalanceKey,
    block::BlockMessages,
    error::BridgeError,
    lists::{BridgeLists, append_index},
    message::{Consumption, Message, MessageFields, inbox_append, message_hash, outbox_append},
    rules::{Action, Holdings, Movement},
    state::{BridgeState, Location, Undo},
};

circuits_core::layout! {
    /// One step, in field elements.
    pub struct StepFields<T> {
        pub emit: T,
        pub claim: T,
        pub refund: T,
        /// Whether it is a deposit that goes straight back.
        pub bounce: T,
        /// Whether the block's messages end here.
        pub ends_block: T,
        pub actor: T,
        pub message: MessageFields<T>,
        /// The environment that issued its asset.
        pub asset_origin: T,
        /// Its index in the tree.
        pub index: T,
        /// What the actor's balance in the asset holds before.
        pub balance: T,
        /// Whether no message has moved the balance before.
        pub first: T,
    }
}

/// What a circuit must know of one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub fields: StepFields,
    /// The path of the message's leaf.
    pub path: Path,
    /// The leaf of the actor's balance in the asset, before.
    pub balance_leaf: LeafOpening,
}

/// A balance that is added, of amount 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewBalance {
    pub key: BalanceKey,
    /// What the insertion into the tree of balances must know.
    pub witness: InsertWitness,
}

/// What one circuit moves: balances are added first, then steps are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    pub new_balances: Vec<NewBalance>,
    /// A balance that could be added after these: fills the circuit's slots for balances that are left over.
    pub idle: NewBalance,
    pub steps: Vec<Step>,
}

/// A bridge while a superblock moves its messages: the state reached, and what was done.
#[derive(Clone, Debug)]
pub struct Crossing {
    pub chain_id: u64,
    pub number: u32,
    /// First height of the block whose messages are moved: recorded with each message.
    pub height: Option<u32>,
    pub state: BridgeState,
    /// The running lists reached.
    pub lists: BridgeLists,
    /// What was taken from L1's queue, in order.
    pub l1_inbox: Vec<Message>,
    /// What L1 must pay or give back, in order.
    pub l1_outbox: Vec<(Message, Consumption)>,
    /// The indices of the messages consumed, in order.
    pub consumed: Vec<u32>,
    /// The indices at which messages are to be consumed, if somebody else has chosen them.
    published: Option<Vec<u32>>,
    /// What was done since the last chunk ended.
    pub chunk: Chunk,
    /// What is needed to undo what the present block did.
    journal: Vec<Undo>,
}

impl Step {
    /// Fills a slot that does nothing. The only rules that apply to it are that its numbers have their bits.
    pub(crate) fn idle() -> Self {
        let nothing: StepFields =
            Layout::decode(&[F::ZERO; <StepFields as Layout<F>>::LEN]).expect("the length is the layout's");
        let message = MessageFields { amount: F::ONE, asset: F::ONE, ..nothing.message };
        let path = Path { siblings: vec![] };
        Self { fields: StepFields { message, ..nothing }, path, balance_leaf: no_balance() }
    }
}

/// Stands for the leaf of a balance that no rule looks at.
fn no_balance() -> LeafOpening {
    let path = Path { siblings: vec![] };
    LeafOpening { index: 0, key: Digest::ZERO, value: Digest::ZERO, next_key: Digest::ZERO, path }
}

impl Chunk {
    /// An empty chunk on these balances.
    fn new(balances: &KeyedTree) -> Result<Self, BridgeError> {
        Ok(Self { new_balances: vec![], idle: NewBalance::idle(balances)?, steps: vec![] })
    }
}

impl NewBalance {
    /// Adds a balance under `key`, which has none.
    fn of(key: BalanceKey, balances: &KeyedTree) -> Result<Self, BridgeError> {
        Ok(Self { key, witness: balances.prove_insert(&key.digest())? })
    }

    /// A balance that nothing has asked for.
    fn idle(balances: &KeyedTree) -> Result<Self, BridgeError> {
        let nobody = EnvironmentId(u16::MAX);
        let keys = (1..=u32::MAX).rev().filter_map(|local| {
            Some(BalanceKey { environment: nobody, asset: AssetId::new(nobody.0, local).ok()? })
        });
        let absent = keys.into_iter().find(|key| balances.get(&key.digest()).is_none());
        Self::of(absent.expect("the tree has fewer balances than there are numbers"), balances)
    }
}

impl Crossing {
    /// A superblock that has moved nothing yet.
    ///
    /// # Errors
    /// [`BridgeError::Tree`] if the tree of balances is full.
    pub fn new(
        chain_id: u64,
        number: u32,
        state: BridgeState,
        lists: BridgeLists,
    ) -> Result<Self, BridgeError> {
        let chunk = Chunk::new(&state.balance_tree)?;
        let (height, l1_inbox, l1_outbox, consumed, published, journal) = Default::default();
        Ok(Self {
            chain_id,
            number,
            height,
            state,
            lists,
            l1_inbox,
            l1_outbox,
            consumed,
            published,
            chunk,
            journal,
        })
    }

    /// Consumes messages at these indices, as another batcher did, and not each at the first index at which it is pending.
    #[must_use]
    pub fn following(self, consumed: Vec<u32>) -> Self {
        Self { published: Some(consumed), ..self }
    }

    /// Adds those of these balances that do not exist; messages must move them in this order. A circuit adds balances
    /// before it takes steps: balances that are opened after the first step of a chunk can be used in later chunks only.
    ///
    /// # Errors
    /// [`BridgeError::Tree`] if the tree of balances is full.
    pub fn open_balances(&mut self, keys: impl IntoIterator<Item = BalanceKey>) -> Result<(), BridgeError> {
        let before = self.chunk.new_balances.len();
        for key in keys {
            if !self.state.has_balance(key) {
                self.chunk.new_balances.push(NewBalance::of(key, &self.state.balance_tree)?);
                self.state.add_balance(key)?;
                self.lists.unused_balances += F::ONE;
            }
        }
        if self.chunk.new_balances.len() > before {
            self.chunk.idle = NewBalance::idle(&self.state.balance_tree)?;
        }
        Ok(())
    }

    /// Ends the chunk: what was done since the last one ended.
    ///
    /// # Errors
    /// [`BridgeError::Tree`] if the tree of balances is full.
    pub fn end_chunk(&mut self) -> Result<Chunk, BridgeError> {
        let next = Chunk::new(&self.state.balance_tree)?;
        Ok(std::mem::replace(&mut self.chunk, next))
    }

    /// Applies what a block emits and consumes. Nothing is changed on error.
    ///
    /// # Errors
    /// [`BridgeError`], the first rule broken.
    pub fn apply_block(&mut self, block: &BlockMessages) -> Result<(), BridgeError> {
        self.all_or_nothing(|crossing| block.movements().try_for_each(|movement| crossing.step(movement)))?;
        self.end_block(block);
        Ok(())
    }

    /// Marks the last step as the end of the block, and adds the block to those whose messages were moved.
    pub(crate) fn end_block(&mut self, block: &BlockMessages) {
        if let Some(last) = self.chunk.steps.last_mut().filter(|_| !block.is_empty()) {
            last.fields.ends_block = F::ONE;
            self.lists.append_block(block.element());
        }
    }

    /// Undoes what `steps` did if it ends with an error.
    fn all_or_nothing(
        &mut self,
        steps: impl FnOnce(&mut Self) -> Result<(), BridgeError>,
    ) -> Result<(), BridgeError> {
        let lists = self.lists;
        let lengths =
            (self.chunk.steps.len(), self.l1_inbox.len(), self.l1_outbox.len(), self.consumed.len());
        self.journal.clear();
        let result = steps(self);
        if result.is_err() {
            while let Some(change) = self.journal.pop() {
                self.state.undo(change)?;
            }
            self.lists = lists;
            self.chunk.steps.truncate(lengths.0);
            self.l1_inbox.truncate(lengths.1);
            self.l1_outbox.truncate(lengths.2);
            self.consumed.truncate(lengths.3);
        }
        result
    }

    /// Takes the next deposit from L1's queue. One whose deadline has passed goes straight back.
    ///
    /// # Errors
    /// [`BridgeError`], the first rule broken; nothing is changed then.
    pub fn deposit(&mut self, message: &Message) -> Result<(), BridgeError> {
        self.check_before_blocks()?;
        if self.lists.consumed != empty_list() {
            return Err(BridgeError::DepositAfterRefund);
        }
        self.all_or_nothing(|crossing| crossing.step(Movement::deposit(message, crossing.number)))
    }

    /// Sends a deposit back that nobody claimed in time.
    ///
    /// # Errors
    /// [`BridgeError`], the first rule broken; nothing is changed then.
    pub fn refund_deposit(&mut self, message: &Message) -> Result<(), BridgeError> {
        self.check_before_blocks()?;
        self.all_or_nothing(|crossing| crossing.step(Movement::deposit_refund(message)))
    }

    /// L1 comes first, so that whoever follows knows the order of all steps of a superblock.
    fn check_before_blocks(&self) -> Result<(), BridgeError> {
        if self.lists.applied == empty_list() { Ok(()) } else { Err(BridgeError::L1AfterBlock) }
    }

    /// Takes one step. What it changed is in the journal, also on error.
    fn step(&mut self, movement: Movement<'_>) -> Result<(), BridgeError> {
        let Movement { action, actor, message } = movement;
        let hash = message.hash();
        // Only L1 consumes what the step before emitted.
        let emitted = if actor == EnvironmentId::L1 { self.last_emitted() } else { None };
        let after = movement.check(self.chain_id, self.number, hash, emitted, &self.state)?;
        let key = movement.balance_key();
        let height = self.height.filter(|_| actor != EnvironmentId::L1);
        let location = Location { superblock: self.number, height };
        let index = match action {
            Action::Consume(_) if !movement.is_arrival(hash, emitted) => self.consumed_index(hash)?,
            Action::Consume(_) | Action::Emit | Action::Bounce => self.state.message_count(),
        };

        let step = self.open(&movement, index)?;
        if action != Action::Bounce {
            let undo = if self.state.is_unused(key) {
                self.check_turn(key)?;
                Undo::FirstUse(key)
            } else {
                Undo::Balance(key, self.state.balance(key))
            };
            self.state.set_balance(key, after)?;
            self.lists.unused_balances -= step.fields.first;
            self.journal.push(undo);
        }
        if movement.uses_tree() {
            match action {
                Action::Consume(consumption) => {
                    self.state.consume(index, consumption, location)?;
                    self.journal.push(Undo::Consume(index));
                    self.note_index(index);
                }
                Action::Emit | Action::Bounce => {
                    let known = self.state.knows(&hash);
                    self.state.push(message.clone(), location)?;
                    self.journal.push(Undo::Push { known });
                }
            }
        }
        self.note(&movement, hash);
        self.chunk.steps.push(step);
        Ok(())
    }

    /// Balances are moved for the first time in the order in which they were added.
    fn check_turn(&self, key: BalanceKey) -> Result<(), BridgeError> {
        match self.state.next_unused() {
            Some(next) if next != key => Err(BridgeError::OutOfTurn { key, next }),
            _ => Ok(()),
        }
    }

    /// The index at which the pending `message` is consumed: the published one, or the first if none was published.
    fn consumed_index(&self, message: Digest) -> Result<u64, BridgeError> {
        let published = self.published.as_ref().map(|indices| indices.get(self.consumed.len()).copied());
        let index = match published {
            None => self.state.pending(&message),
            Some(index) => index.map(u64::from).filter(|&index| self.state.is_pending_at(&message, index)),
        };
        index.ok_or(BridgeError::OtherIndex { message, index: published.flatten() })
    }

    /// Adds the index of a message that is consumed to the list of these.
    pub(crate) fn note_index(&mut self, index: u64) {
        self.lists.consumed = append_index(self.lists.consumed, F::from_canonical_u64(index));
        // The tree has 2^32 leaves.
        self.consumed.push(index as u32);
    }

    /// Adds the step to L1's lists, if L1 takes it.
    pub(crate) fn note(&mut self, movement: &Movement<'_>, hash: Digest) {
        let &Movement { action, actor, message } = movement;
        if actor != EnvironmentId::L1 {
            return;
        }
        let (sent, returned) = match action {
            Action::Emit => (true, None),
            Action::Consume(consumption) => (false, Some(consumption)),
            Action::Bounce => (true, Some(Consumption::Refund)),
        };
        if sent {
            self.lists.l1_inbox = outbox_append(self.lists.l1_inbox, hash);
            self.l1_inbox.push(message.clone());
        }
        if let Some(consumption) = returned {
            self.lists.l1_outbox = inbox_append(self.lists.l1_outbox, hash, consumption);
            self.l1_outbox.push((message.clone(), consumption));
        }
    }

    /// What a circuit must know to take the step from the present state, whether or not a rule forbids it.
    ///
    /// # Errors
    /// [`BridgeError::Tree`] if the balance was not opened.
    pub(crate) fn open(&self, movement: &Movement<'_>, index: u64) -> Result<Step, BridgeError> {
        let &Movement { action, actor, message } = movement;
        let key = movement.balance_key();
        let is = |other| F::from_bool(action == other);
        let fields = StepFields {
            emit: is(Action::Emit),
            claim: is(Action::Consume(Consumption::Claim)),
            refund: is(Action::Consume(Consumption::Refund)),
            bounce: is(Action::Bounce),
            ends_block: F::ZERO,
            actor: actor.to_field(),
            message: message.fields(),
            asset_origin: F::from_canonical_u16(message.asset.origin()),
            index: F::from_canonical_u64(index),
            balance: self.state.balance(key).to_field(),
            first: F::from_bool(action != Action::Bounce && self.state.is_unused(key)),
        };
        let balance_leaf = match action {
            // It changes no balance.
            Action::Bounce => no_balance(),
            Action::Emit | Action::Consume(_) => self.state.balance_tree.prove_update(&key.digest())?,
        };
        Ok(Step { fields, path: self.state.message_path(index), balance_leaf })
    }

    /// The hash of the message that the last step emitted, if it emitted one.
    fn last_emitted(&self) -> Option<Digest> {
        let last = self.chunk.steps.last().filter(|last| last.fields.emit == F::ONE)?;
        Some(message_hash(&last.fields.message))
    }
}

impl Holdings for BridgeState {
    fn balance(&self, key: BalanceKey) -> Amount {
        self.balance(key)
    }

    fn is_pending(&self, hash: &Digest) -> bool {
        self.pending(hash).is_some()
    }
}

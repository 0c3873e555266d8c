//! The bridge without its rules, as a dishonest prover moves it: for tests of circuits.

use circuits_protocol::registry::EnvironmentId;
use plonky2::field::types::Field;

use crate::{
    block::BlockMessages,
    lists::block_messages,
    message::{Consumption, Message},
    state::Location,
    step::{Action, Crossing, uses_tree},
};

impl Crossing {
    /// Takes in what a block emits and consumes and judges nothing. The lists go on as the circuit's do;
    /// messages and balances are moved as far as they can be.
    ///
    /// # Panics
    /// If a row was not opened.
    pub fn apply_unchecked(&mut self, block: &BlockMessages) {
        for (message, consumption) in &block.inbox {
            self.step_unchecked(Action::Consume(*consumption), block.environment, message);
        }
        for message in &block.outbox {
            self.step_unchecked(Action::Emit, block.environment, message);
            if message.destination == EnvironmentId::L1 {
                self.step_unchecked(Action::Consume(Consumption::Claim), EnvironmentId::L1, message);
            }
        }
        if let Some(last) = self.chunk.steps.last_mut().filter(|_| !block.is_empty()) {
            last.fields.ends_block = circuits_core::F::ONE;
            let element =
                block_messages(block.environment.to_field(), block.outbox_digest(), block.inbox_digest());
            self.lists.applied = self.lists.append_block(element);
        }
    }

    fn step_unchecked(&mut self, action: Action, actor: EnvironmentId, message: &Message) {
        let hash = message.hash();
        let consumed = || self.state.records().iter().position(|record| record.message == *message);
        let index = match action {
            Action::Consume(_) => self.state.pending(&hash).or_else(|| Some(consumed()? as u64)),
            Action::Emit | Action::Bounce => None,
        };
        let index = index.unwrap_or(self.state.message_count());
        let step = self.open(action, actor, message, index).expect("the row is open");

        let key = message.balance_key(actor);
        let balance = self.state.balance(key);
        let moved = match (action, key.is_origin()) {
            (Action::Bounce, _) => Ok(balance),
            (Action::Emit, true) | (Action::Consume(_), false) => balance.checked_add(message.amount),
            (Action::Emit, false) | (Action::Consume(_), true) => balance.checked_sub(message.amount),
        };
        if let Ok(after) = moved {
            self.state.set_balance(key, after).expect("the row is open");
        }
        let location = Location { superblock: self.number, height: None };
        if uses_tree(action, actor, message) {
            match action {
                Action::Consume(consumption) if index < self.state.message_count() => {
                    self.state.consume(index, consumption, location).expect("the index was used");
                }
                Action::Consume(_) => {}
                Action::Emit | Action::Bounce => {
                    self.state.push(message.clone(), location).expect("the tree has room");
                }
            }
        }
        if actor == EnvironmentId::L1 {
            self.note(action, message, hash);
        }
        self.chunk.steps.push(step);
    }
}

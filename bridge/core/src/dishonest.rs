//! The bridge without its rules, as a dishonest prover would move it, for tests of circuits.

use crate::{
    block::BlockMessages,
    rules::{Action, Movement},
    state::Location,
    step::Crossing,
};

impl Crossing {
    /// Moves what a block emits and consumes, without applying any rule. The lists continue as the circuit's do; messages
    /// and balances are moved as far as that is possible.
    ///
    /// # Panics
    /// If a balance was not opened.
    pub fn apply_unchecked(&mut self, block: &BlockMessages) {
        block.movements().for_each(|movement| self.step_unchecked(&movement));
        self.end_block(block);
    }

    fn step_unchecked(&mut self, movement: &Movement<'_>) {
        let &Movement { action, message, .. } = movement;
        let hash = message.hash();
        let consumed = || self.state.records().position(|record| record.message == *message);
        let index = match action {
            Action::Consume(_) => self.state.pending(&hash).or_else(|| Some(consumed()? as u64)),
            Action::Emit => None,
        };
        let index = index.unwrap_or(self.state.message_count());
        let step = self.open(movement, index).expect("the balance is open");

        let key = movement.balance_key();
        self.lists.unused_balances -= step.fields.first;
        if let Ok(after) = movement.balance_after(self.state.balance(key)) {
            self.state.set_balance(key, after).expect("the balance is open");
        }
        let location = Location { superblock: self.number, height: self.height };
        match action {
            Action::Consume(consumption) => {
                if index < self.state.message_count() {
                    self.state.consume(index, consumption, location).expect("the index was used");
                }
                self.note_index(index);
            }
            Action::Emit => {
                self.state.push(message.clone(), location).expect("the tree has room");
            }
        }
        self.chunk.steps.push(step);
    }
}

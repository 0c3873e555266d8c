//! Executing the blocks of a scenario's environments, superblock by superblock.

use std::collections::BTreeSet;

use bridge_core::{BalanceKey, BlockMessages, Capacity, MAX_BLOCK_STEPS};
use circuits_keys::CircuitCache;
use circuits_protocol::statement::BlockStatement;
use environments_core::ProducerError;

use super::{error::RunError, report::TransactionReport};
use crate::{
    delivery::{Deliveries, L1Effects, Undeliverable},
    planner::Room,
    scenario::{Participant, chain_of},
};

#[cfg(test)]
mod tests;

/// A block that was executed for a superblock and is not proved yet.
pub(super) struct ExecutedBlock {
    /// Position of the environment among the participants.
    pub(super) participant: usize,
    pub(super) height: u32,
    pub(super) statement: BlockStatement,
}

fn producer_failed(environment: u16, error: ProducerError) -> RunError {
    RunError::Producer { environment, reason: chain_of(&error) }
}

/// The most that the messages of one block take.
const LARGEST_BLOCK: Capacity = Capacity { new_balances: MAX_BLOCK_STEPS, steps: MAX_BLOCK_STEPS };

/// A scenario as far as it was executed.
pub(super) struct Execution<'a> {
    cache: &'a CircuitCache,
    participants: Vec<Participant>,
    deliveries: Deliveries,
    /// The balances that the bridge has by now.
    balances: BTreeSet<BalanceKey>,
    /// What the present superblock has room for, and what each one has at first.
    room: Room,
    whole_room: Room,
    /// The participant that has the first turn of the next superblock.
    first: usize,
    transactions: TransactionReport,
    undeliverable: Vec<Undeliverable>,
}

impl<'a> Execution<'a> {
    pub(super) fn new(cache: &'a CircuitCache, participants: Vec<Participant>) -> Self {
        Self {
            cache,
            participants,
            deliveries: Deliveries::default(),
            balances: BTreeSet::new(),
            room: Room::default().beside_l1(),
            whole_room: Room::default().beside_l1(),
            first: 0,
            transactions: TransactionReport::default(),
            undeliverable: vec![],
        }
    }

    pub(super) fn participants(&self) -> &[Participant] {
        &self.participants
    }

    /// What became of the transactions, those that are in no block included, and the messages that no environment took in.
    pub(super) fn finish(mut self) -> Result<(TransactionReport, Vec<Undeliverable>), RunError> {
        for one in &self.participants {
            let environment = one.producer.id().get();
            let leftovers = one.producer.leftovers();
            let leftovers = leftovers.map_err(|failure| producer_failed(environment, failure.into()))?;
            self.transactions.add_rejected(environment, &leftovers);
            self.transactions.add_lines(environment, one.unoffered());
        }
        Ok((self.transactions, self.undeliverable))
    }

    /// Takes over what the block of environment 0 of the superblock before did.
    pub(super) fn pass_l1(&mut self, effects: &L1Effects) {
        self.deliveries.pass_l1(effects);
    }

    /// Executes every environment's blocks for superblock `number`, all but that of environment 0. The environments take
    /// turns, one block each, so that an asset can go to another environment and back within one superblock. An environment
    /// makes no block if it has no transactions, or only some that wait for others; if all are refused, it makes an empty
    /// one, because a refusal is as final as the block that made it. Once the superblock may have no room for
    /// another block, none makes one: their transactions stay for the next superblock, in which the one whose turn it was
    /// begins.
    pub(super) fn execute_blocks(&mut self, number: u32) -> Result<Vec<ExecutedBlock>, RunError> {
        self.undeliverable.extend(self.deliveries.open(number, &mut self.participants));
        self.room = self.whole_room;
        let rounds = self.participants.iter().map(|one| one.blocks_per_superblock).max().unwrap_or(0);
        let (first, count) = (std::mem::take(&mut self.first), self.participants.len());
        let mut executed = vec![];
        for round in 0..rounds {
            for participant in (first..count).chain(0..first) {
                if self.room.check_block(LARGEST_BLOCK).is_err() {
                    self.first = participant;
                    return Ok(executed);
                }
                if round < self.participants[participant].blocks_per_superblock {
                    executed.extend(self.execute_block(number, participant)?);
                }
            }
        }
        Ok(executed)
    }

    /// Executes the next block of one environment, if it has transactions, and passes on what the block emits.
    fn execute_block(&mut self, number: u32, participant: usize) -> Result<Option<ExecutedBlock>, RunError> {
        let one = &mut self.participants[participant];
        let environment = one.producer.id().get();
        one.producer.expect_superblock(number);
        self.transactions.add_lines(environment, one.offer(self.cache));
        if one.producer.pending() == 0 {
            return Ok(None);
        }
        let failed = |error| producer_failed(environment, error);
        let report = one.producer.propose_block().map_err(failed)?;
        if report.included.is_empty() && report.rejected.is_empty() {
            one.producer.rollback(report.height).map_err(failed)?;
            return Ok(None);
        }
        self.transactions.add_block(environment, &report);
        let load = self.load(&report.messages);
        self.room.add_block(load);
        self.undeliverable.extend(self.deliveries.pass(number, &report, &mut self.participants));
        Ok(Some(ExecutedBlock { participant, height: report.height, statement: report.statement }))
    }

    /// What a block's messages take.
    fn load(&mut self, messages: &BlockMessages) -> Capacity {
        let new_balances = messages.balance_keys().filter(|&key| self.balances.insert(key)).count();
        Capacity { new_balances, steps: messages.steps() }
    }
}

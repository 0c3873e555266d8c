//! Blocks in an order in which their messages can be moved, and why some have no place in any.

use std::collections::{BTreeMap, BTreeSet};

use batcher_circuits::state::SuperblockState;
use bridge_core::{BlockMessages, BridgeError, BridgeLists, Crossing, Message};
use circuits_core::Digest;
use circuits_protocol::registry::EnvironmentId;

use super::{BlockName, Candidate, LeftOut, MAX_DEPOSITS};

/// Blocks of one environment, in their order.
struct Chain {
    blocks: Vec<usize>,
    /// Blocks placed.
    placed: usize,
    /// What keeps the next one.
    obstacle: Option<BridgeError>,
}

/// The superblock as far as it is planned.
pub(super) struct Placing<'c> {
    candidates: &'c [Candidate],
    chains: Vec<Chain>,
    /// `None` if the tree of balances is full, so that nothing with messages can be placed.
    crossing: Result<Crossing, BridgeError>,
    /// The blocks placed, in order.
    pub(super) order: Vec<usize>,
}

/// A block waits for a message of another one.
#[derive(Clone, Copy)]
struct Wait {
    message: Digest,
    /// The chain of the block that emits it, and the block's position there.
    chain: usize,
    position: usize,
}

/// Which candidate that is not placed emits a message.
#[derive(Clone, Copy)]
enum Emitter {
    /// One of a chain, at a position.
    Chained(usize, usize),
    /// One that continues nothing, by position.
    Other(usize),
}

/// What is known of a chain whose next block has no place.
#[derive(Clone)]
enum Verdict {
    Waits(Wait),
    /// The reason, and how many blocks of the chain share it.
    Settled(LeftOut, usize),
}

impl<'c> Placing<'c> {
    pub(super) fn new(state: &SuperblockState, candidates: &'c [Candidate], chains: Vec<Vec<usize>>) -> Self {
        let number = state.number.saturating_add(1);
        let lists = BridgeLists::start(state.l1_inbox);
        let crossing = Crossing::new(state.chain_id, number, state.bridge.clone(), lists);
        let chains = chains.into_iter().map(|blocks| Chain { blocks, placed: 0, obstacle: None }).collect();
        Self { candidates, chains, crossing, order: vec![] }
    }

    /// Takes as many deposits as one superblock may, up to the first that breaks a rule.
    pub(super) fn take_deposits(&mut self, deposits: &[Message]) -> (usize, Option<(usize, BridgeError)>) {
        let Ok(crossing) = &mut self.crossing else { return (0, None) };
        let offered = &deposits[..deposits.len().min(MAX_DEPOSITS)];
        for (index, message) in offered.iter().enumerate() {
            let taken = crossing
                .open_balances([message.balance_key(EnvironmentId::L1)])
                .and_then(|()| crossing.deposit(message));
            if let Err(error) = taken {
                return (index, Some((index, error)));
            }
        }
        (offered.len(), None)
    }

    /// Sends deposits back whose deadline has passed.
    pub(super) fn send_back(&mut self, state: &SuperblockState) -> Vec<Message> {
        let Ok(crossing) = &mut self.crossing else { return vec![] };
        let number = crossing.number;
        let expired = state.bridge.in_flight().map(|record| &record.message);
        let expired =
            expired.filter(|message| message.source == EnvironmentId::L1 && message.deadline < number);
        let mut sent = vec![];
        for message in expired.take(MAX_DEPOSITS) {
            if crossing.refund_deposit(message).is_ok() {
                sent.push(message.clone());
            }
        }
        sent
    }

    /// Places what can be placed: one block of each environment in turn, until a whole round places none.
    pub(super) fn place(&mut self) {
        loop {
            let before = self.order.len();
            for chain in &mut self.chains {
                let Some(&index) = chain.blocks.get(chain.placed) else { continue };
                match try_block(&mut self.crossing, &self.candidates[index].messages, chain.obstacle.as_ref())
                {
                    Ok(()) => {
                        chain.placed += 1;
                        chain.obstacle = None;
                        self.order.push(index);
                    }
                    Err(error) => chain.obstacle = Some(error),
                }
            }
            if self.order.len() == before {
                return;
            }
        }
    }

    /// Why each block that was not placed has no place. `others` are the candidates that continue nothing.
    pub(super) fn reasons(&self, others: &[(usize, LeftOut)]) -> Vec<(usize, LeftOut)> {
        let emitters = self.emitters(others);
        let mut verdicts: Vec<_> = self
            .chains
            .iter()
            .map(|chain| self.verdict(chain.obstacle.as_ref()?, &emitters, others))
            .collect();
        for chain in 0..verdicts.len() {
            self.settle(chain, &mut verdicts);
        }
        let mut reasons = vec![];
        for (chain, verdict) in self.chains.iter().zip(verdicts) {
            if let Some(Verdict::Settled(reason, count)) = verdict {
                let left = &chain.blocks[chain.placed..];
                let follows = LeftOut::Follows { block: self.name(left[0]), later: reason.may_come_later() };
                let all = std::iter::repeat_n(reason, count).chain(std::iter::repeat(follows));
                reasons.extend(left.iter().copied().zip(all));
            }
        }
        reasons
    }

    fn name(&self, index: usize) -> BlockName {
        self.candidates[index].name()
    }

    /// Who emits the messages that are waited for, among those not placed.
    fn emitters(&self, others: &[(usize, LeftOut)]) -> BTreeMap<Digest, Emitter> {
        let awaited: BTreeSet<Digest> = self
            .chains
            .iter()
            .filter_map(|chain| match chain.obstacle {
                Some(BridgeError::NotPending { message, .. }) => Some(message),
                _ => None,
            })
            .collect();
        let chained = self.chains.iter().enumerate().flat_map(|(number, chain)| {
            let left = chain.blocks.iter().enumerate().skip(chain.placed);
            left.map(move |(position, &index)| (index, Emitter::Chained(number, position)))
        });
        let others =
            others.iter().enumerate().map(|(position, &(index, _))| (index, Emitter::Other(position)));
        let mut emitters = BTreeMap::new();
        for (index, emitter) in chained.chain(others) {
            for message in &self.candidates[index].messages.outbox {
                let hash = message.hash();
                if awaited.contains(&hash) {
                    emitters.entry(hash).or_insert(emitter);
                }
            }
        }
        emitters
    }

    fn verdict(
        &self,
        obstacle: &BridgeError,
        emitters: &BTreeMap<Digest, Emitter>,
        others: &[(usize, LeftOut)],
    ) -> Option<Verdict> {
        let reason = match *obstacle {
            BridgeError::NotPending { message, .. } => match emitters.get(&message) {
                Some(&Emitter::Chained(chain, position)) => {
                    return Some(Verdict::Waits(Wait { message, chain, position }));
                }
                Some(&Emitter::Other(position)) => {
                    let (index, reason) = &others[position];
                    LeftOut::Missing { message, emitter: self.name(*index), later: reason.may_come_later() }
                }
                None if self.crossing.as_ref().is_ok_and(|crossing| crossing.state.knows(&message)) => {
                    LeftOut::Bridge(obstacle.clone())
                }
                None => LeftOut::NotEmitted { message },
            },
            _ => LeftOut::Bridge(obstacle.clone()),
        };
        Some(Verdict::Settled(reason, 1))
    }

    /// Follows who waits for whom from `start` on, to a chain that waits for none or to one that was passed: a cycle.
    fn settle(&self, start: usize, verdicts: &mut [Option<Verdict>]) {
        let mut path: Vec<(usize, Wait)> = vec![];
        let mut chain = start;
        while let Some(Verdict::Waits(wait)) = verdicts[chain] {
            if let Some(first) = path.iter().position(|&(passed, _)| passed == chain) {
                self.settle_cycle(&path.split_off(first), verdicts);
                break;
            }
            path.push((chain, wait));
            chain = wait.chain;
        }
        for (chain, Wait { message, chain: emitting, position }) in path.into_iter().rev() {
            let later = match &verdicts[emitting] {
                Some(Verdict::Settled(reason, _)) => reason.may_come_later(),
                // Every chain with a block that is not placed has an obstacle, and it is settled by now.
                Some(Verdict::Waits(_)) | None => false,
            };
            let emitter = self.name(self.chains[emitting].blocks[position]);
            verdicts[chain] = Some(Verdict::Settled(LeftOut::Missing { message, emitter, later }, 1));
        }
    }

    /// Each chain of `cycle` waits for a block of the next one: that block and those before it stand in the cycle.
    fn settle_cycle(&self, cycle: &[(usize, Wait)], verdicts: &mut [Option<Verdict>]) {
        let awaited =
            cycle.iter().map(|(_, wait)| (wait.chain, self.chains[wait.chain].placed..wait.position + 1));
        let awaited: Vec<_> = awaited.collect();
        let mut blocks: Vec<_> = awaited
            .iter()
            .flat_map(|(chain, positions)| self.chains[*chain].blocks[positions.clone()].iter())
            .map(|&index| self.name(index))
            .collect();
        blocks.sort_unstable();
        for (chain, positions) in awaited {
            let reason = LeftOut::Cycle { blocks: blocks.clone() };
            verdicts[chain] = Some(Verdict::Settled(reason, positions.len()));
        }
    }
}

/// Moves a block's messages, if they can be by now. `obstacle` is what kept the block before.
fn try_block(
    crossing: &mut Result<Crossing, BridgeError>,
    messages: &BlockMessages,
    obstacle: Option<&BridgeError>,
) -> Result<(), BridgeError> {
    if messages.is_empty() {
        return Ok(());
    }
    let crossing = crossing.as_mut().map_err(|error| error.clone())?;
    // Other blocks can bring a message, but change no other answer: rows are moved by their own environment only.
    match obstacle {
        Some(BridgeError::NotPending { message, .. }) if crossing.state.pending(message).is_some() => {}
        Some(error) => return Err(error.clone()),
        None => {}
    }
    crossing.open_balances(messages.balance_keys())?;
    crossing.apply_block(messages)
}

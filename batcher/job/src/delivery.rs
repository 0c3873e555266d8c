//! Passes messages between the block producers of a run: what one emits is offered to the others.
//!
//! A producer elsewhere watches the bridge's state for messages to it; here all producers run in one process,
//! ahead of the proofs, so what they emit is known before any superblock.
//!
//! Messages are known by their hashes, as in the pools. The producers of a run are honest and emit no two equal ones; of
//! equal messages, one would be offered.

use std::collections::{BTreeMap, BTreeSet};

use bridge_core::{
    BridgeState, Consumption, Message,
    state::{Location, Record},
};
use circuits_core::Digest;
use circuits_protocol::registry::EnvironmentId;
use environments_core::{DeliveryError, dynamic::BlockReport, producer::TransactionId};

use crate::scenario::{Participant, chain_of};

/// What the block of environment 0 of one superblock did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct L1Effects {
    /// The deposits that it sent on.
    pub emitted: Vec<Message>,
    /// What it paid out.
    pub consumed: Vec<Message>,
}

impl L1Effects {
    /// What the block of superblock `number` did, from the messages of that or a later superblock.
    #[must_use]
    pub fn of(number: u32, bridge: &BridgeState) -> Self {
        let is_here = |location: Location| location.superblock == number;
        let messages = |chosen: &dyn Fn(&Record) -> bool| {
            bridge.records().filter(|record| chosen(record)).map(|record| record.message).collect()
        };
        let consumer = |message: &Message, consumption| match consumption {
            Consumption::Claim => message.destination,
            Consumption::Refund => message.source,
        };
        Self {
            emitted: messages(&|one| one.message.source == EnvironmentId::L1 && is_here(one.emitted)),
            consumed: messages(&|one| {
                one.consumed.is_some_and(|(consumption, location)| {
                    consumer(&one.message, consumption) == EnvironmentId::L1 && is_here(location)
                })
            }),
        }
    }
}

/// Messages that were emitted and are not consumed yet.
#[derive(Debug, Default)]
pub struct Deliveries {
    flights: BTreeMap<Digest, Flight>,
    /// How many messages were added so far.
    count: u64,
}

#[derive(Debug)]
struct Flight {
    message: Message,
    /// How many messages were added before it. In this order they are offered: a hash is its sender's choice.
    number: u64,
    /// The transaction that waits in a pool to consume it.
    offered: Option<Offer>,
    /// Whether a block or a pool of this superblock gave it back. Before the next superblock it is not offered again: it
    /// would use the share of messages in every block.
    is_back: bool,
    /// The consumption for which the environment does not take the message in at all.
    refused: Option<Consumption>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Offer {
    environment: EnvironmentId,
    id: TransactionId,
    consumption: Consumption,
}

/// A message that an environment does not take in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undeliverable {
    pub environment: EnvironmentId,
    pub message: Digest,
    pub reason: String,
}

impl Deliveries {
    /// To be called before the blocks of superblock `number`. Offers all messages that wait, those that were rejected
    /// before among them. Expired messages are offered to their source. Nobody is offered what environment 0 consumes:
    /// its block is the batch's.
    pub fn open(&mut self, number: u32, participants: &mut [Participant]) -> Vec<Undeliverable> {
        self.flights.values_mut().for_each(|flight| flight.is_back = false);
        self.offer(number, participants)
    }

    /// To be called after a superblock was made, with what its block of environment 0 did.
    pub fn pass_l1(&mut self, effects: &L1Effects) {
        for message in &effects.consumed {
            self.flights.remove(&message.hash());
        }
        effects.emitted.iter().for_each(|message| self.add(message));
    }

    /// To be called after a block of superblock `number`. Drops the messages that it consumed, offers those that it
    /// emitted to their destinations, and lets those that its producer rejected wait for the next superblock.
    pub fn pass(
        &mut self,
        number: u32,
        report: &BlockReport,
        participants: &mut [Participant],
    ) -> Vec<Undeliverable> {
        let messages = &report.messages;
        for (message, _) in &messages.inbox {
            self.flights.remove(&message.hash());
        }
        messages.outbox.iter().for_each(|message| self.add(message));
        let rejected: BTreeSet<_> = report.rejected.iter().map(|(id, _)| *id).collect();
        for flight in self.flights.values_mut() {
            let is_rejected =
                |offer: &mut Offer| offer.environment == messages.environment && rejected.contains(&offer.id);
            flight.is_back |= flight.offered.take_if(is_rejected).is_some();
        }
        self.offer(number, participants)
    }

    fn add(&mut self, message: &Message) {
        let (message, number) = (message.clone(), self.count);
        self.count += 1;
        let flight = Flight { number, offered: None, is_back: false, refused: None, message };
        self.flights.insert(flight.message.hash(), flight);
    }

    /// Offers each message to the environment that may consume it now, if the run has that environment, and if the message
    /// is neither offered nor rejected yet.
    fn offer(&mut self, number: u32, participants: &mut [Participant]) -> Vec<Undeliverable> {
        let mut undeliverable = vec![];
        let mut flights: Vec<_> = self.flights.iter_mut().collect();
        flights.sort_unstable_by_key(|(_, flight)| flight.number);
        for (&hash, Flight { message, offered, is_back, refused, .. }) in flights {
            let (consumption, environment) = if message.deadline < number {
                (Consumption::Refund, message.source)
            } else {
                (Consumption::Claim, message.destination)
            };
            let Some(participant) = participants.iter_mut().find(|one| one.producer.id() == environment)
            else {
                continue;
            };
            let is_offered = offered.is_some_and(|offer| offer.consumption == consumption);
            if is_offered || *is_back || *refused == Some(consumption) {
                continue;
            }
            match participant.producer.deliver(message, consumption) {
                Ok(id) => *offered = Some(Offer { environment, id, consumption }),
                // The pool is full; the message waits for another offer.
                Err(DeliveryError::Producer(_)) => {}
                Err(error) => {
                    *refused = Some(consumption);
                    undeliverable.push(Undeliverable {
                        environment,
                        message: hash,
                        reason: chain_of(&error),
                    });
                }
            }
        }
        undeliverable
    }
}

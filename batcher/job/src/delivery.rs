//! Messages between the block producers of a simulation: what one emits, the others are given to consume.
//!
//! A producer elsewhere watches the bridge's state for messages to it; here all producers run in one process,
//! ahead of the proofs, so what they emit is known before any superblock.

use std::collections::BTreeMap;

use bridge_core::{Consumption, Message};
use circuits_core::Digest;
use circuits_protocol::registry::EnvironmentId;
use environments_core::{dynamic::BlockReport, producer::TransactionId};

use crate::scenario::{Participant, chain_of};

/// Messages that were emitted and are not consumed yet.
#[derive(Debug, Default)]
pub struct Deliveries {
    flights: BTreeMap<Digest, Flight>,
}

#[derive(Debug)]
struct Flight {
    message: Message,
    /// The transaction that waits in a pool to consume it.
    offered: Option<Offer>,
    /// What its beneficiary's environment does not take in at all.
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
    /// The environment.
    pub environment: EnvironmentId,
    /// The message.
    pub message: Digest,
    /// Why.
    pub reason: String,
}

impl Deliveries {
    /// Before the blocks of superblock `number`: adds the deposits that it takes, and offers what waits. What
    /// expired goes back to its source; for deposits the superblock itself does that.
    pub fn open(
        &mut self,
        number: u32,
        deposits: &[Message],
        participants: &mut [Participant],
    ) -> Vec<Undeliverable> {
        self.flights.retain(|_, flight| {
            flight.message.source != EnvironmentId::L1 || flight.message.deadline >= number
        });
        for message in deposits.iter().filter(|message| message.deadline >= number) {
            self.add(message);
        }
        self.offer(number, participants)
    }

    /// After a block of superblock `number`: what it consumes is done, what was refused waits for another
    /// offer, and what it emits is offered to whom it is for.
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
        // A message to L1 is final.
        for message in messages.outbox.iter().filter(|message| message.destination != EnvironmentId::L1) {
            self.add(message);
        }
        let undeliverable = self.offer(number, participants);
        for flight in self.flights.values_mut() {
            flight.offered.take_if(|offer| {
                offer.environment == messages.environment
                    && report.rejected.iter().any(|(id, _)| *id == offer.id)
            });
        }
        undeliverable
    }

    fn add(&mut self, message: &Message) {
        self.flights
            .insert(message.hash(), Flight { message: message.clone(), offered: None, refused: None });
    }

    /// Offers each message to the environment that may consume it now, if the simulation has it and it was not
    /// offered yet.
    fn offer(&mut self, number: u32, participants: &mut [Participant]) -> Vec<Undeliverable> {
        let mut undeliverable = vec![];
        for (&hash, Flight { message, offered, refused }) in &mut self.flights {
            let (consumption, environment) = if message.deadline < number {
                (Consumption::Refund, message.source)
            } else {
                (Consumption::Claim, message.destination)
            };
            let Some(participant) = participants.iter_mut().find(|one| one.producer.id() == environment)
            else {
                continue;
            };
            if offered.is_some_and(|offer| offer.consumption == consumption) || *refused == Some(consumption)
            {
                continue;
            }
            match participant.producer.deliver(message, consumption) {
                Ok(id) => *offered = Some(Offer { environment, id, consumption }),
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

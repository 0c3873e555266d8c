//! The conformance suite on the note-based environment.

use bridge_core::{Consumption, Message};
use circuits_core::Digest;
use environments_conformance::{
    Subject,
    messages::{MessageSubject, SUPERBLOCK},
};
use environments_core::{EnvironmentId, kernel::ProducerSecret};

use crate::{
    Notes, NotesTransaction,
    arrival::arrival_note,
    fixtures::{ELSEWHERE, EXCHANGE, NETWORK_MINIMUM_FEE, NEWCOMER, World, amount, emission},
    note::Script,
    state::NotesState,
};

struct NotesSubject;

impl NotesSubject {
    /// The environment's clients. They are not in the state, which knows hashes only, so each block has its own.
    fn world(environment: &Notes, state: &NotesState) -> World {
        let deployment = environment.deployment();
        let mut world = World::new(
            deployment.chain_id,
            deployment.environment,
            ProducerSecret::new(circuits_core::Digest::ZERO),
        );
        for _ in 0..state.height() {
            Self::transactions(&mut world);
        }
        world
    }

    fn transactions(world: &mut World) -> Vec<NotesTransaction> {
        let fee = world.payment(EXCHANGE, 0, 2 * NETWORK_MINIMUM_FEE);
        let mut outputs: Vec<_> = [1, NEWCOMER, EXCHANGE].map(|to| world.payment(to, 0, 10)).into();
        outputs.push(fee);
        // It pays most, so it is tried before what consumes its notes.
        let pay = world.request(0, &[], outputs, 2 * NETWORK_MINIMUM_FEE);
        let notes = world.notes(&pay);
        let take = world.take(NEWCOMER, &notes[1..2]);
        let deposit = world.trade(&notes[2..3], &notes[3..], vec![]);
        let send = world.send(0, 1, 3);
        [pay, take, deposit, send].map(NotesTransaction::from).to_vec()
    }
}

impl Subject for NotesSubject {
    type Environment = Notes;

    fn environment(&self, chain_id: u64, id: EnvironmentId, secret: ProducerSecret) -> Notes {
        World::new(chain_id, id, secret).environment.with_limit(4)
    }

    fn valid(&self, environment: &Notes, state: &NotesState) -> Vec<NotesTransaction> {
        Self::transactions(&mut Self::world(environment, state))
    }

    fn invalid(&self, environment: &Notes, state: &NotesState) -> Vec<NotesTransaction> {
        let mut world = Self::world(environment, state);
        let (pay, notes) = world.pay(1, &[0], 5);
        let mut overdrawn = pay.clone();
        overdrawn.fee = amount(1 << 57);
        let mut late = pay.clone();
        late.valid_until = state.height();
        let mut early = pay.clone();
        early.not_before = state.height() + 2;
        let mut stale = pay;
        stale.account.nonce += 1;
        let missing = world.take(0, &notes);
        let mut nothing = world.send(1, 0, 1);
        nothing.send.iter_mut().for_each(|send| send.amount = amount(0));
        let mut free = world.send(1, 0, 1);
        free.fee = amount(0);
        [overdrawn, late, early, stale, missing, nothing, free].map(NotesTransaction::from).to_vec()
    }

    fn believed(&self) -> &[&str] {
        // An account that has changed since the genesis is there as it was, and is public no more.
        &["state.public_accounts"]
    }
}

impl MessageSubject for NotesSubject {
    fn sends(&self, environment: &Notes, state: &NotesState) -> Vec<(NotesTransaction, Vec<Message>)> {
        let mut world = Self::world(environment, state);
        [(0, 1, 30), (1, 0, 4)]
            .map(|(client, of, value)| {
                let request = world.send(client, of, value);
                let (asked, deployment) = (emission(of, value), environment.deployment());
                let message = Message {
                    chain_id: deployment.chain_id,
                    source: deployment.environment,
                    destination: ELSEWHERE,
                    sequence: 4 * u64::from(request.account.nonce),
                    sender: request.account.id,
                    recipient: asked.recipient,
                    asset: world.asset(of),
                    amount: asked.amount,
                    deadline: asked.deadline,
                    data: Digest::ZERO,
                };
                (request.into(), vec![message])
            })
            .into()
    }

    fn deliveries(&self, environment: &Notes, state: &NotesState) -> Vec<(Message, Consumption)> {
        let world = Self::world(environment, state);
        let (claimed, sent) = (world.message_to(1, 1, 30, 0), world.message_to(0, 0, 20, 1));
        let returned = Message {
            source: sent.destination,
            destination: sent.source,
            sender: sent.recipient,
            recipient: sent.sender,
            deadline: SUPERBLOCK - 1,
            ..sent
        };
        vec![(claimed, Consumption::Claim), (returned, Consumption::Refund)]
    }

    /// There is a note that pays the beneficiary, and no account and no nullifier has changed.
    fn credited(
        &self,
        before: &NotesState,
        after: &NotesState,
        message: &Message,
        consumption: Consumption,
    ) -> bool {
        let note = arrival_note(message, consumption, before.next_note());
        let commitment = note.commitment();
        let target = message.beneficiary(consumption);
        (note.asset, note.amount, note.script) == (message.asset, message.amount, Script::Pay { target })
            && !before.has_note(&commitment)
            && after.has_note(&commitment)
            && (&before.accounts, &before.nullifiers) == (&after.accounts, &after.nullifiers)
    }
}

environments_conformance::conformance!(NotesSubject, messages);

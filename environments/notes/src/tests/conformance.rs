//! The conformance suite on the note-based environment.

use environments_conformance::Subject;
use environments_core::{EnvironmentId, kernel::ProducerSecret};

use crate::{
    Notes, NotesTransaction,
    fixtures::{EXCHANGE, NEWCOMER, World, amount},
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
        let (pay, notes) = world.pay(0, &[1, NEWCOMER, EXCHANGE], 10);
        let take = world.take(NEWCOMER, &notes[1..2]);
        let deposit = world.take(EXCHANGE, &notes[2..]);
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
        [overdrawn, late, early, stale, missing, nothing].map(NotesTransaction::from).to_vec()
    }
}

environments_conformance::conformance!(NotesSubject);

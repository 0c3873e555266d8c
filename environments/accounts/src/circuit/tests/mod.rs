//! The slots as a circuit of their own, without the shape and the padding of a chunk.

mod agree;
mod attacks;
mod ends;
mod hashing;
mod kernel;
mod messages;
mod rejects;
mod rows;
mod unchecked;

use std::{collections::BTreeMap, sync::OnceLock};

use bridge_core::{Consumption, Message};
use circuits_core::{
    Builder, Compiled, Definition, Witness,
    layout::{self, WitnessError},
};
use circuits_prover::basetypes::standard_config;
use environments_core::EnvironmentId;
use plonky2::{iop::target::Target, plonk::circuit_data::CircuitConfig};

use super::{SlotInput, SlotTargets, slots_circuit};
use crate::{
    execute::{Outcome, TransactionWitness},
    fixtures::{HOME, World, key},
    state::{BlockContext, Running},
    transaction::Action,
};

/// So many slots.
struct Slots(usize);

/// What their prover must know.
#[derive(Clone, Debug)]
struct SlotsInput {
    context: BlockContext,
    before: Running,
    slots: Vec<SlotInput>,
}

struct SlotsTargets {
    context: BlockContext<Target>,
    before: Running<Target>,
    slots: Vec<SlotTargets>,
}

impl Definition for Slots {
    type Statement = Running<Target>;
    type NativeStatement = Running;
    type Targets = SlotsTargets;
    type Input = SlotsInput;

    fn name(&self) -> String {
        format!("accounts-test-slots-{}", self.0)
    }

    fn config(&self) -> CircuitConfig {
        standard_config()
    }

    fn define(&self, builder: &mut Builder) -> (Running<Target>, SlotsTargets) {
        let context = layout::new_virtual(builder);
        let before = layout::new_virtual(builder);
        let (after, slots) = slots_circuit(builder, &context, &before, self.0);
        (after, SlotsTargets { context, before, slots })
    }

    fn assign(
        &self,
        targets: &SlotsTargets,
        input: &SlotsInput,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        layout::set(witness, &targets.context, &input.context)?;
        layout::set(witness, &targets.before, &input.before)?;
        targets.slots.iter().zip(&input.slots).try_for_each(|(slot, value)| slot.set_targets(witness, value))
    }
}

/// The circuit of 1, 2 or 5 slots.
fn slots(count: usize) -> &'static Compiled<Slots> {
    static BUILT: OnceLock<BTreeMap<usize, Compiled<Slots>>> = OnceLock::new();
    let build = || [1, 2, 5].map(|count| (count, Compiled::new(Slots(count)).unwrap())).into();
    &BUILT.get_or_init(build)[&count]
}

/// The environment.
const HERE: EnvironmentId = HOME;

fn world() -> World {
    World::new(7, HERE, environments_conformance::secret(1))
}

/// Executes an unsigned transaction of a client.
fn execute(world: &mut World, sender: usize, actions: &[Action]) -> TransactionWitness {
    let transaction = world.unsigned(sender, actions);
    world.state.execute_proven(&transaction, key(sender).public_key()).unwrap()
}

/// Takes messages in, and gives their slots, idle ones at the end.
fn taken(world: &mut World, count: usize, messages: &[(Message, Consumption)]) -> SlotsInput {
    let (context, before) = (world.state.context(), world.state.running());
    let mut take = |(message, consumption): &(Message, Consumption)| {
        SlotInput::of_arrival(&context, &world.state.arrive(message, *consumption).unwrap())
    };
    let mut slots: Vec<_> = messages.iter().map(&mut take).collect();
    slots.resize(count, SlotInput::idle(&context));
    SlotsInput { context, before, slots }
}

/// Executes transactions, and gives their slots, idle ones at the end.
fn input(world: &mut World, count: usize, transactions: &[(usize, &[Action])]) -> (SlotsInput, Vec<Outcome>) {
    let (context, before) = (world.state.context(), world.state.running());
    let executed: Vec<_> =
        transactions.iter().map(|(sender, actions)| execute(world, *sender, actions)).collect();
    let outcomes = executed.iter().map(|transaction| transaction.outcome).collect();
    let mut slots: Vec<_> =
        executed.iter().flat_map(|transaction| SlotInput::of_transaction(&context, transaction)).collect();
    slots.resize(count, SlotInput::idle(&context));
    (SlotsInput { context, before, slots }, outcomes)
}

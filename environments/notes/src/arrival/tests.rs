//! Taking messages in, natively and in-circuit. The circuit is the part that all block kernels begin with.

use std::sync::OnceLock;

use bridge_core::BlockMessages;
use circuits_core::{
    Compiled, Definition,
    layout::{Layout, set_target},
    trees::{AppendTree, TreeError},
};
use circuits_forging::{Kit, Mutator, assert_accepts, assert_rejects, check};
use circuits_prover::basetypes::standard_config;
use environments_core::Environment;
use plonky2::plonk::circuit_data::CircuitConfig;
use proptest::prelude::*;

use super::*;
use crate::{
    execute::StateError,
    fixtures::{ELSEWHERE, World, amount, secret},
    state::NotesState,
    tests::world,
};

/// The first slot of the last subtree.
const LAST: usize = MAX_ARRIVALS - SUBTREE;

/// Takes messages in.
struct Arriving;

/// The note tree before, and what arrives.
#[derive(Clone)]
struct ArrivingInput {
    notes: Digest,
    note_count: F,
    arrivals: ArrivalsWitness,
}

struct ArrivingTargets {
    notes: DigestTarget,
    note_count: Target,
    arrivals: ArrivalsTargets,
}

impl Definition for Arriving {
    type Statement = Arrived<Target>;
    type NativeStatement = Arrived;
    type Targets = ArrivingTargets;
    type Input = ArrivingInput;

    fn name(&self) -> String {
        "notes-test-arriving".to_owned()
    }

    fn config(&self) -> CircuitConfig {
        standard_config()
    }

    fn define(&self, builder: &mut Builder) -> (Arrived<Target>, ArrivingTargets) {
        let (notes, note_count) = (builder.new_digest(), builder.add_virtual_target());
        let (arrived, arrivals) = arrive_circuit(builder, notes, note_count);
        (arrived, ArrivingTargets { notes, note_count, arrivals })
    }

    fn assign(
        &self,
        targets: &ArrivingTargets,
        input: &ArrivingInput,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        set(witness, &targets.notes, &input.notes)?;
        set_target(witness, targets.note_count, input.note_count)?;
        targets.arrivals.set_targets(witness, &input.arrivals)
    }
}

fn arriving() -> &'static Compiled<Arriving> {
    static ARRIVING: OnceLock<Compiled<Arriving>> = OnceLock::new();
    ARRIVING.get_or_init(|| Compiled::new(Arriving).unwrap())
}

/// What the circuit states.
fn stated(input: &ArrivingInput) -> Arrived {
    Layout::decode(&check(arriving(), input).unwrap()).unwrap()
}

/// Message `n`: to client 1, or back to client 0.
fn arrival(world: &World, n: u64, consumption: Consumption) -> Arrival {
    let here = world.environment.id();
    let [(source, sender), (destination, recipient)] = match consumption {
        Consumption::Claim => [(ELSEWHERE, secret(90 + n)), (here, world.clients[1].id())],
        Consumption::Refund => [(here, world.clients[0].id()), (ELSEWHERE, secret(90 + n))],
    };
    let message = world.message_to(1, 0, 10 + n, n);
    let message =
        Message { source, sender, destination, recipient, deadline: 77, data: secret(n), ..message };
    Arrival::new(world.environment.deployment(), &message, consumption).unwrap()
}

/// Messages of which every third one is a refund.
fn arrivals(world: &World, count: usize) -> Vec<Arrival> {
    let kinds = [Consumption::Claim, Consumption::Refund, Consumption::Claim].into_iter().cycle();
    (0..).zip(kinds).map(|(n, kind)| arrival(world, n, kind)).take(count).collect()
}

/// A state whose note tree is not empty.
fn later(world: &mut World) -> NotesState {
    let mut state = world.genesis();
    let (pay, _) = world.pay(0, &[1], 5);
    state.execute(&world.environment.resolve(&state, &pay).check().unwrap()).unwrap();
    state.seal().unwrap();
    state
}

/// What arrives on top of `state`, and what that leads to.
fn input(world: &World, state: &NotesState, arrivals: &[Arrival]) -> (ArrivingInput, Arrived) {
    let mut after = state.clone();
    let notes: Vec<_> = arrivals.iter().map(|arrival| arrival.note().commitment()).collect();
    let paths = after.arrive(&notes).unwrap();
    let mut messages = BlockMessages::none(world.environment.id());
    messages.inbox.extend(arrivals.iter().map(|arrival| (arrival.message().clone(), arrival.consumption())));
    let mut commitments = [Digest::ZERO; MAX_ARRIVALS];
    commitments[..notes.len()].copy_from_slice(&notes);
    let (before, after) = (state.roots(), after.roots());
    let arrived = Arrived {
        notes: after.notes,
        note_count: after.note_count,
        inbox: messages.inbox_digest(),
        commitments,
    };
    let arrivals = ArrivalsWitness::new(arrivals, paths);
    (ArrivingInput { notes: before.notes, note_count: before.note_count, arrivals }, arrived)
}

#[test]
fn a_note_pays_what_its_message_says_to_whom_it_says() {
    let mut world = world();
    let state = later(&mut world);
    for consumption in [Consumption::Claim, Consumption::Refund] {
        // After four others, so that no later path depends on its note.
        let others = arrivals(&world, LAST);
        let all = [others.as_slice(), &[arrival(&world, 50, consumption)]].concat();
        let (honest, arrived) = input(&world, &state, &all);
        assert_eq!(stated(&honest), arrived);
        // Whatever is changed: amount, asset, recipient, sender or any other field, it is another message.
        let fields: Vec<F> = honest.arrivals.slots[LAST].message.encode();
        for position in 0..fields.len() {
            let mut fields = fields.clone();
            fields[position] += F::ONE;
            let mut changed = honest.clone();
            changed.arrivals.slots[LAST].message = Layout::decode(&fields).unwrap();
            let other = stated(&changed);
            assert_ne!(other.inbox, arrived.inbox, "field {position}");
            assert_ne!(other.commitments, arrived.commitments, "field {position}");
        }
        // Nor is a claim paid to the sender, or a refund to the recipient: that it is the other is in the inbox.
        let mut changed = honest.clone();
        let slot = &mut changed.arrivals.slots[LAST];
        slot.is_refund = F::ONE - slot.is_refund;
        let other = stated(&changed);
        assert_ne!(other.inbox, arrived.inbox);
        assert_ne!(other.commitments, arrived.commitments);
        // And what is dropped from the inbox makes no note.
        let mut changed = honest.clone();
        changed.arrivals.slots[LAST].used = F::ZERO;
        let (_, without) = input(&world, &state, &others);
        assert_eq!(stated(&changed), without);
    }
}

#[test]
fn messages_arrive_up_to_the_end_of_the_note_tree_less_the_fee_note() {
    let world = world();
    let full = |count, added| Err(StateError::Tree(TreeError::Full { count, added, depth: 4 }));
    for (taken, fit) in [(0, 8), (4, 8), (8, 4), (12, 0)] {
        let mut state = world.genesis();
        state.notes = AppendTree::new(4);
        for n in 0..taken / 4 {
            state.append(&[secret(n), Digest::ZERO, Digest::ZERO, Digest::ZERO]).unwrap();
        }
        let notes: Vec<_> = (100..100 + MAX_ARRIVALS as u64).map(secret).collect();
        if let Some(more) = notes.get(..fit + 1) {
            let before = state.clone();
            assert_eq!(state.arrive(more).map(drop), full(taken, fit as u64 + 8));
            assert_eq!(state, before);
        }
        state.arrive(&notes[..fit]).unwrap();
        state.seal().unwrap();
    }

    // The same in the circuit, which looks for a place for each subtree, whether or not it is used. All leaves of the
    // tree before are empty, so the paths of its first subtrees are those of its last ones.
    let (mut last, _) = input(&world, &world.genesis(), &arrivals(&world, SUBTREE));
    let end = F::from_canonical_u64(1 << TREE_DEPTH);
    let subtree = F::from_canonical_usize(SUBTREE);
    last.note_count = end - subtree - subtree;
    assert_eq!(stated(&last).note_count, end - subtree);
    last.note_count = end - subtree;
    assert_rejects(arriving(), &last);
}

/// Changes of honest arrivals that a single assertion refuses, each with the rule that it breaks.
fn lone_lies(world: &World, state: &NotesState) -> Vec<(&'static str, ArrivingInput)> {
    let (honest, _) = input(world, state, &arrivals(world, LAST + 2));
    let (none, _) = input(world, state, &[]);
    let changed = |honest: &ArrivingInput, change: &dyn Fn(&mut [ArrivalSlot; MAX_ARRIVALS])| {
        let mut input = honest.clone();
        change(&mut input.arrivals.slots);
        input
    };
    vec![
        ("a slot that is used twice", changed(&honest, &|slots| slots[LAST + 1].used = F::TWO)),
        ("a consumption that is neither", changed(&honest, &|slots| slots[LAST + 1].is_refund = F::TWO)),
        // It would be consumed without a note.
        ("a gap", changed(&none, &|slots| slots[1] = honest.arrivals.slots[1])),
    ]
}

#[test]
fn slots_are_used_or_not_and_leave_no_gap() {
    let mut world = world();
    let state = later(&mut world);
    for (what, lie) in lone_lies(&world, &state) {
        assert!(check(arriving(), &lie).is_err(), "accepted: {what}");
    }
}

const UNUSED: &str = "what an empty slot leaves out, and a used one binds";

#[test]
fn taking_messages_in_survives_the_forging_kit_and_needs_every_assertion() {
    let mut world = world();
    let state = later(&mut world);
    let honest: Vec<_> =
        [0, 3, 8].into_iter().map(|count| input(&world, &state, &arrivals(&world, count)).0).collect();
    honest.iter().for_each(|input| assert_accepts(arriving(), input));
    Kit::new(arriving()).inputs(&honest).masked(UNUSED).proofs(1).run().assert_sound();
    let lies: Vec<_> = lone_lies(&world, &state).into_iter().map(|(_, lie)| lie).collect();
    Mutator::new(&Arriving)
        .honest(&honest)
        .dishonest(&lies)
        .masked(UNUSED)
        .by_line()
        .elsewhere("circuits/core/src/trees/")
        .run()
        .assert_complete();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn messages_arrive_natively_as_in_circuit(
        kinds in proptest::collection::vec((any::<bool>(), 1..1000u64), 0..=MAX_ARRIVALS),
        is_later in any::<bool>(),
    ) {
        let mut world = world();
        let state = if is_later { later(&mut world) } else { world.genesis() };
        let arrivals: Vec<_> = (0..)
            .zip(kinds)
            .map(|(n, (refund, value))| {
                let kind = if refund { Consumption::Refund } else { Consumption::Claim };
                let mut arrival = arrival(&world, n, kind);
                arrival.message.amount = amount(value);
                arrival
            })
            .collect();
        let (input, arrived) = input(&world, &state, &arrivals);
        prop_assert_eq!(stated(&input), arrived);
    }
}

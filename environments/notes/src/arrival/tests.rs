//! Taking messages in, natively and in-circuit. The circuit is the part that all block kernels begin with.

use std::sync::OnceLock;

use bridge_core::BlockMessages;
use circuits_core::{
    Compiled, Definition,
    layout::{Layout, set_target},
    trees::{AppendTree, TreeError, subtree_root},
};
use circuits_forging::{Kit, Mutator, assert_accepts, assert_rejects, check};
use circuits_prover::basetypes::standard_config;
use environments_core::Environment;
use plonky2::plonk::circuit_data::CircuitConfig;
use proptest::prelude::*;

use super::*;
use crate::{
    NotesError, NotesTransaction,
    execute::StateError,
    fixtures::{ELSEWHERE, World, amount, secret},
    state::NotesState,
    tests::world,
};

/// Messages that the circuit of these tests takes in: slots are the same in all subtrees.
const CAPACITY: usize = 2 * SUBTREE;
/// The first slot of the last subtree.
const LAST: usize = CAPACITY - SUBTREE;

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
        let (arrived, arrivals) = arrive_circuit(builder, CAPACITY, notes, note_count);
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

/// The notes that messages become on top of `state`.
fn commitments(state: &NotesState, arrivals: &[Arrival]) -> Vec<Digest> {
    let arrivals = (state.next_note()..).zip(arrivals);
    arrivals.map(|(index, arrival)| arrival.note(index).commitment()).collect()
}

/// What arrives on top of `state`, and what that leads to.
fn input(world: &World, state: &NotesState, arrivals: &[Arrival]) -> (ArrivingInput, Arrived) {
    let mut after = state.clone();
    let notes = commitments(state, arrivals);
    let paths = after.arrive(&notes).unwrap();
    let mut messages = BlockMessages::none(world.environment.id());
    messages.inbox.extend(arrivals.iter().map(|arrival| (arrival.message().clone(), arrival.consumption())));
    let (before, after) = (state.roots(), after.roots());
    let arrived = Arrived {
        notes: after.notes,
        note_count: after.note_count,
        inbox: messages.inbox_digest(),
        list: arrivals_list(&notes),
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
            assert_ne!(other.list, arrived.list, "field {position}");
        }
        // Nor is a claim paid to the sender, or a refund to the recipient: that it is the other is in the inbox.
        let mut changed = honest.clone();
        let slot = &mut changed.arrivals.slots[LAST];
        slot.is_refund = F::ONE - slot.is_refund;
        let other = stated(&changed);
        assert_ne!(other.inbox, arrived.inbox);
        assert_ne!(other.list, arrived.list);
        // And what is dropped from the inbox makes no note.
        let mut changed = honest.clone();
        changed.arrivals.slots[LAST].used = F::ZERO;
        let (_, without) = input(&world, &state, &others);
        assert_eq!(stated(&changed), without);
    }
}

#[test]
fn case_92_two_copies_of_one_message_become_two_notes() {
    let mut world = world();
    let state = later(&mut world);
    let one = arrival(&world, 0, Consumption::Claim);
    let copies = [one.clone(), one.clone()];
    let notes: Vec<_> = (state.next_note()..).zip(&copies).map(|(index, copy)| copy.note(index)).collect();
    assert_ne!(notes[0].commitment(), notes[1].commitment());
    assert_ne!(notes[0].nullifier(), notes[1].nullifier());
    let (honest, arrived) = input(&world, &state, &copies);
    assert_eq!(stated(&honest), arrived);
    // In two blocks, too.
    let mut after = state.clone();
    after.arrive(&[notes[0].commitment()]).unwrap();
    after.seal().unwrap();
    assert_ne!(one.note(after.next_note()).nullifier(), notes[0].nullifier());

    // The index is the leaf's own: whatever the prover knows, the circuit states no other note. So the count before is the
    // one that all paths lead to.
    for shift in [SUBTREE, 1 << 20] {
        let mut elsewhere = honest.clone();
        elsewhere.note_count += F::from_canonical_usize(shift);
        assert_rejects(arriving(), &elsewhere);
    }
    let alone = input(&world, &state, &copies[..1]).1;
    let again = input(&world, &after, &copies[..1]).1;
    assert_ne!(alone.list, again.list, "the same message at another index is another note");
}

#[test]
fn messages_arrive_up_to_the_end_of_the_note_tree_less_the_fee_note() {
    let world = world();
    let full = |count, added| Err(StateError::Tree(TreeError::Full { count, added, depth: 4 }));
    for (taken, fit) in [(0, 12), (4, 8), (8, 4), (12, 0)] {
        let mut state = world.genesis();
        state.notes = AppendTree::new(4);
        for n in 0..taken / 4 {
            state.append(&[secret(n), Digest::ZERO, Digest::ZERO, Digest::ZERO]).unwrap();
        }
        let before = state.clone();
        let all = arrivals(&world, fit + 1);
        assert_eq!(state.arrive(&commitments(&state, &all)).map(drop), full(taken, fit as u64 + 8));
        assert_eq!(state, before);

        // A block takes what fits, and names the rest.
        let offered: Vec<_> =
            all.into_iter().map(|arrival| NotesTransaction::Arrival(Box::new(arrival))).collect();
        let proposal = world.environment.propose(&before, &offered.iter().collect::<Vec<_>>()).unwrap();
        assert_eq!(proposal.included, (0..fit).collect::<Vec<_>>());
        let refused = full(taken, fit as u64 + 8).unwrap_err();
        assert_eq!(proposal.rejected, [(fit, NotesError::State(refused))]);
    }

    // The same in the circuit, which looks for a place for each subtree, whether or not it is used. All leaves of the
    // tree before are empty, so the paths of its first subtrees are those of its last ones.
    let arrivals = arrivals(&world, SUBTREE);
    let (mut last, _) = input(&world, &world.genesis(), &arrivals);
    let first = (1 << TREE_DEPTH) - 2 * SUBTREE as u64;
    last.note_count = F::from_canonical_u64(first);
    let leaves: Vec<_> =
        (first..).zip(&arrivals).map(|(index, arrival)| arrival.note(index).commitment()).collect();
    last.arrivals.paths[1].siblings[0] = subtree_root(&leaves).unwrap();
    let subtree = F::from_canonical_usize(SUBTREE);
    assert_eq!(stated(&last).note_count, last.note_count + subtree);
    last.note_count += subtree;
    assert_rejects(arriving(), &last);
}

/// Changes of honest arrivals that a single assertion refuses, each with the rule that it breaks.
fn lone_lies(world: &World, state: &NotesState) -> Vec<(&'static str, ArrivingInput)> {
    let (honest, _) = input(world, state, &arrivals(world, LAST + 2));
    let (mut gap, _) = input(world, state, &[]);
    gap.arrivals.slots = vec![ArrivalSlot::empty(), honest.arrivals.slots[1]];
    let changed = |honest: &ArrivingInput, change: &dyn Fn(&mut [ArrivalSlot])| {
        let mut input = honest.clone();
        change(&mut input.arrivals.slots);
        input
    };
    vec![
        ("a slot that is used twice", changed(&honest, &|slots| slots[LAST + 1].used = F::TWO)),
        ("a consumption that is neither", changed(&honest, &|slots| slots[LAST + 1].is_refund = F::TWO)),
        // It would be consumed without a note.
        ("a gap", gap),
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
        kinds in proptest::collection::vec((any::<bool>(), 1..1000u64), 0..=CAPACITY),
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

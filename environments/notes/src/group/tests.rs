//! Each rule of applying transactions to the state, natively and in-circuit. The circuit is the one that batches and
//! blocks contain, without the proofs of the transactions: a lying client is one whose statement is anything.

use std::sync::OnceLock;

use circuits_core::{Compiled, Definition, layout};
use circuits_forging::{
    Exception, Kind, Kit, Mutator, assert_accepts, assert_rejects, assert_rejects_by_prover,
};
use circuits_prover::basetypes::standard_config;
use plonky2::plonk::circuit_data::CircuitConfig;

use super::*;
use crate::{
    execute::StateError,
    fixtures::{MINIMUM_FEE, NETWORK_MINIMUM_FEE, NEWCOMER, World, emission, secret},
    note::Note,
    state::NotesState,
    tests::{NO_NEW_ACCOUNT, world},
    transaction::Request,
};

mod ends;
mod opening;

/// Two transactions, applied.
struct Pair;

#[derive(Clone)]
struct PairInput {
    context: BlockContext,
    before: Running,
    statements: [TransactionStatement; 2],
    applications: Vec<Application>,
    /// Flags of the second transaction that the prover overwrites: which input consumes which output of the first.
    flags: Vec<(usize, usize, F)>,
}

struct PairTargets {
    context: BlockContext<Target>,
    before: Running<Target>,
    statements: [TransactionStatement<Target>; 2],
    group: GroupTargets,
}

impl Definition for Pair {
    type Statement = Running<Target>;
    type NativeStatement = Running;
    type Targets = PairTargets;
    type Input = PairInput;

    fn name(&self) -> String {
        "notes-test-pair".to_owned()
    }

    fn config(&self) -> CircuitConfig {
        standard_config()
    }

    fn define(&self, builder: &mut Builder) -> (Running<Target>, PairTargets) {
        let context = layout::new_virtual(builder);
        let before = layout::new_virtual(builder);
        let statements = [layout::new_virtual(builder), layout::new_virtual(builder)];
        let (after, group) = apply_group_circuit(builder, &context, &before, &statements);
        (after, PairTargets { context, before, statements, group })
    }

    fn assign(
        &self,
        targets: &PairTargets,
        input: &PairInput,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        layout::set(witness, &targets.context, &input.context)?;
        layout::set(witness, &targets.before, &input.before)?;
        for (target, statement) in targets.statements.iter().zip(&input.statements) {
            layout::set(witness, target, statement)?;
        }
        targets.group.set_targets(witness, &input.applications)?;
        for &(slot, output, value) in &input.flags {
            let flag = targets.group.0[1].inputs[slot].matches[0][output];
            witness.target_values.insert(flag.target, value);
        }
        Ok(())
    }
}

fn pair() -> &'static Compiled<Pair> {
    static PAIR: OnceLock<Compiled<Pair>> = OnceLock::new();
    PAIR.get_or_init(|| Compiled::new(Pair).unwrap())
}

fn input(state: &NotesState, statements: [TransactionStatement; 2]) -> PairInput {
    let applications = state.clone().apply_group(&statements).unwrap().applications;
    PairInput { context: state.context(), before: state.running(), statements, applications, flags: vec![] }
}

fn statements(world: &World, state: &NotesState, requests: [Request; 2]) -> [TransactionStatement; 2] {
    requests.map(|request| world.environment.resolve(state, &request).check().unwrap())
}

/// Client 0 pays clients 1 and 1; client 1 takes both notes in the same group, and sends a message.
fn payment() -> (World, NotesState, PairInput) {
    let mut world = world();
    let state = world.genesis();
    let (pay, notes) = world.pay(0, &[1, 1], 5);
    let take = world.request_with(1, &notes, vec![], Some(emission(1, 3)), 0);
    let statements = statements(&world, &state, [pay, take]);
    let input = input(&state, statements);
    (world, state, input)
}

/// Applies the first transaction, and expects the second one to be refused for `expected`; the circuit refuses both.
#[track_caller]
fn refused(state: &NotesState, input: &PairInput, expected: StateError) {
    let mut state = state.clone();
    let first = state.execute(&input.statements[0]);
    assert_eq!(first.and_then(|()| state.execute(&input.statements[1])), Err(expected));
    assert_rejects(pair(), input);
}

#[test]
fn the_circuit_leads_to_the_native_state() {
    let (_, state, input) = payment();
    assert_accepts(pair(), &input);
    let mut after = state;
    after.apply_group(&input.statements).unwrap();
    let running: Vec<F> = layout::Layout::encode(&after.running());
    assert_eq!(circuits_forging::check(pair(), &input).unwrap(), running);
}

#[test]
fn the_outbox_takes_the_messages_that_are_stated_in_order_and_no_others() {
    let (_, state, honest) = payment();
    let none = Digest::ZERO;
    // One that is zero in some elements is one.
    let almost_none = Digest([F::ZERO, F::ZERO, F::ONE, F::ZERO]);
    for messages in [[none, none], [secret(1), none], [none, secret(2)], [secret(1), almost_none]] {
        let mut statements = honest.statements;
        for (statement, message) in statements.iter_mut().zip(messages) {
            statement.message = message;
        }
        let input = input(&state, statements);
        let mut after = state.clone();
        after.apply_group(&statements).unwrap();
        let expected = messages.into_iter().filter(|&message| message != none);
        let expected =
            expected.fold(circuits_protocol::statement::empty_list(), bridge_core::message::outbox_append);
        assert_eq!(after.running().outbox, expected);
        let running: Vec<F> = layout::Layout::encode(&after.running());
        assert_eq!(circuits_forging::check(pair(), &input).unwrap(), running);
    }
}

#[test]
fn a_transaction_is_for_one_deployment_environment_fee_asset_and_minimum_fee() {
    let (_, state, honest) = payment();
    let [mut chain, mut environment, mut asset, mut fees, mut network] = [(); 5].map(|()| honest.clone());
    chain.statements[1].chain_id = F::from_canonical_u64(8);
    environment.statements[1].environment = F::from_canonical_u64(6);
    asset.statements[1].fee_asset = F::ONE;
    fees.statements[1].minimum_fee = F::ZERO;
    network.statements[1].network = F::ONE;
    let others = [
        (chain, StateError::OtherChain { expected: 7, found: 8 }),
        (environment, StateError::OtherEnvironment { expected: 1, found: 6 }),
        (asset, StateError::OtherFeeAsset { expected: 1 << 32 | 1, found: 1 }),
        (fees, StateError::OtherMinimumFee { expected: MINIMUM_FEE, found: 0 }),
        (network, StateError::OtherMinimumFee { expected: NETWORK_MINIMUM_FEE, found: MINIMUM_FEE }),
    ];
    for (other, expected) in others {
        assert_eq!(state.check(&other.statements[1]), Err(expected));
        // Both sides are one copy class here, so only the prover sees that they are given two values.
        assert_rejects_by_prover(pair(), &other);
    }
}

#[test]
fn a_transaction_is_valid_between_its_heights() {
    let (_, state, honest) = payment();
    let mut early = honest.clone();
    early.statements[1].not_before = F::TWO;
    refused(&state, &early, StateError::TooEarly { not_before: 2, height: 1 });
    let mut late = honest.clone();
    late.statements[1].valid_until = F::ZERO;
    refused(&state, &late, StateError::TooLate { valid_until: 0, height: 1 });
    // The first and the last height are included.
    let mut exact = honest;
    exact.statements[1].not_before = F::ONE;
    exact.statements[1].valid_until = F::ONE;
    assert_accepts(pair(), &exact);
}

#[test]
fn the_notes_root_is_one_of_an_earlier_height() {
    let (_, state, honest) = payment();
    let mut zero = honest.clone();
    zero.statements[1].notes_root = Digest::ZERO;
    zero.applications[1].reference = 1;
    refused(&state, &zero, StateError::UnknownRoot(Digest::ZERO));
    // The slot of the block's own height is empty; an empty leaf is no root although its path is right.
    zero.applications[1].reference_path = state.past_roots.path(1);
    assert_rejects(pair(), &zero);
    zero.applications[1].reference = 7;
    zero.applications[1].reference_path = state.past_roots.path(7);
    assert_rejects(pair(), &zero);
    let mut later = honest;
    let root = later.before.trees.accounts;
    later.statements[1].notes_root = root;
    refused(&state, &later, StateError::UnknownRoot(root));
}

#[test]
fn an_account_starts_from_what_it_is() {
    let (world, state, honest) = payment();
    let mut stale = honest.clone();
    let (account, expected) = (stale.statements[1].account, stale.statements[1].before);
    stale.statements[1].before = stale.statements[1].after;
    let found = stale.statements[1].before;
    refused(&state, &stale, StateError::StaleAccount { account, expected, found });
    let mut again = honest.clone();
    again.statements[1].before = Digest::ZERO;
    refused(&state, &again, StateError::AccountExists(account));
    let mut missing = honest;
    let account = world.clients[NEWCOMER].id();
    missing.statements[1].account = account;
    refused(&state, &missing, StateError::NoSuchAccount(account));
}

/// A state with a note for client 1, and two transactions of which the second takes it.
fn opened() -> (NotesState, PairInput, Note) {
    let mut world = world();
    let mut state = world.genesis();
    let (pay, notes) = world.pay(0, &[1, 1], 5);
    state.execute(&world.environment.resolve(&state, &pay).check().unwrap()).unwrap();
    state.seal().unwrap();
    let (other, _) = world.pay(2, &[2], 1);
    let take = world.take(1, &notes);
    let mut statements = statements(&world, &state, [other, take]);
    // Called that of a network account.
    statements[0].network = F::ONE;
    statements[0].minimum_fee = F::from_canonical_u64(NETWORK_MINIMUM_FEE);
    let input = input(&state, statements);
    (state, input, notes[0])
}

#[test]
fn a_note_is_consumed_once() {
    let (state, honest, _) = opened();
    assert_accepts(pair(), &honest);
    // The same note twice in one transaction.
    let mut twice = honest.clone();
    let nullifier = twice.statements[1].nullifiers[0];
    twice.statements[1].nullifiers[1] = nullifier;
    refused(&state, &twice, StateError::AlreadyConsumed { input: 1, nullifier });
    // With the insertion that would have been right for the first.
    twice.applications[1].inputs[1] = twice.applications[1].inputs[0].clone();
    assert_rejects(pair(), &twice);
    // In two transactions.
    let mut both = honest;
    both.statements[0].nullifiers[0] = nullifier;
    refused(&state, &both, StateError::AlreadyConsumed { input: 0, nullifier });
}

#[test]
fn an_opened_note_does_not_match_an_output_that_is_not_there() {
    let (_, honest, _) = opened();
    // Output 1 of transaction 0 is empty, and so is the commitment of an input that was opened. If they matched, the
    // input's nullifier would be erased and the note could be consumed again.
    let mut erased = honest;
    erased.applications[1].inputs[0].matched = Some((0, 1));
    erased.applications[1].inputs[0].insertion = erased.applications[1].inputs[3].insertion.clone();
    assert_rejects(pair(), &erased);
}

#[test]
fn one_output_is_matched_by_one_input() {
    let (_, state, honest) = payment();
    let mut twice = honest.clone();
    let commitment = twice.statements[1].unauthenticated[0];
    twice.statements[1].unauthenticated[1] = commitment;
    assert_eq!(
        state.clone().apply_group(&twice.statements).unwrap_err(),
        StateError::NoSuchNote { input: 1, commitment }
    );
    twice.applications[1].inputs[1].matched = Some((0, 0));
    assert_rejects(pair(), &twice);
    // Not an earlier one, and not one that differs.
    let mut other = honest.clone();
    other.applications[1].inputs[0].matched = Some((0, 1));
    assert_rejects(pair(), &other);
    let mut swapped = honest;
    swapped.statements.swap(0, 1);
    let commitment = swapped.statements[0].unauthenticated[0];
    refused(&state, &swapped, StateError::NoSuchNote { input: 0, commitment });
}

#[test]
fn an_unauthenticated_note_exists() {
    let (_, state, honest) = payment();
    let mut invented = honest.clone();
    let commitment = invented.statements[1].nullifiers[0];
    invented.statements[1].unauthenticated[0] = commitment;
    refused(&state, &invented, StateError::NoSuchNote { input: 0, commitment });
    let mut unmatched = honest;
    unmatched.applications[1].inputs[0].matched = None;
    assert_rejects(pair(), &unmatched);
}

#[test]
fn fees_stay_in_range() {
    let (_, state, honest) = payment();
    let mut rich = honest;
    let fee = (1 << 58) - 1;
    rich.statements[1].fee = F::from_canonical_u64(fee);
    refused(&state, &rich, StateError::TooManyFees(fee));
}

/// Changes of honest groups that a single assertion refuses, each with the rule that it breaks.
fn lone_lies() -> Vec<(&'static str, PairInput)> {
    let (_, state, payment) = payment();
    let (opened_state, opened, note) = opened();
    let changed = |honest: &PairInput, change: &dyn Fn(&mut PairInput)| {
        let mut input = honest.clone();
        change(&mut input);
        input
    };
    let paid = |change: &dyn Fn(&mut PairInput)| changed(&payment, change);
    let two = F::TWO;
    let minus = F::NEG_ONE;

    // What an input without a nullifier leads to, given to one that has a nullifier.
    let mut unspent = opened.statements;
    unspent[1].nullifiers[0] = Digest::ZERO;
    let mut kept = input(&opened_state, unspent);
    kept.statements = opened.statements;
    kept.applications[1].inputs[0].matched = Some((0, 1));

    // Two outputs that are one note, each consumed twice less once.
    let mut twins = payment.statements;
    twins[0].notes[1] = twins[0].notes[0];
    twins[1].unauthenticated[1] = twins[1].unauthenticated[0];
    let mut mixed = input(&state, twins);
    mixed.flags = vec![(0, 0, two), (0, 1, minus), (1, 0, minus), (1, 1, two)];

    // One input that erases two outputs, and is under the root as well.
    let commitment = note.commitment();
    let mut once = opened.statements;
    once[0].notes = [commitment, Digest::ZERO, Digest::ZERO, Digest::ZERO];
    once[1].nullifiers[0] = Digest::ZERO;
    once[1].unauthenticated[0] = commitment;
    let mut both = input(&opened_state, once);
    both.statements[0].notes[1] = commitment;
    both.applications[1].inputs[0].membership = opened_state.open(&note).expect("it is in the tree");
    both.flags = vec![(0, 1, F::ONE)];

    // One output that two inputs erase, which leaves its negation.
    let mut negated = payment.statements;
    negated[0].notes[0].0 = negated[0].notes[0].0.map(|element| -element);
    negated[1].unauthenticated = [Digest::ZERO; MAX_INPUTS];
    negated[1].nullifiers = [Digest::ZERO; MAX_INPUTS];
    let mut twice = input(&state, negated);
    twice.statements = payment.statements;
    twice.statements[1].unauthenticated[1] = twice.statements[1].unauthenticated[0];
    twice.flags = vec![(0, 0, F::ONE), (1, 0, F::ONE)];

    let fees = F::from_canonical_u64((1 << 58) - 1);
    vec![
        ("another chain", paid(&|input| input.statements[1].chain_id += F::ONE)),
        ("another environment", paid(&|input| input.statements[1].environment += F::ONE)),
        ("another minimum fee", paid(&|input| input.statements[1].minimum_fee += F::ONE)),
        ("the fee of other accounts", paid(&|input| input.statements[1].network = F::ONE)),
        ("another fee asset", paid(&|input| input.statements[1].fee_asset += F::ONE)),
        ("too early", paid(&|input| input.statements[1].not_before = two)),
        ("too late", paid(&|input| input.statements[1].valid_until = F::ZERO)),
        ("not a past root", paid(&|input| input.statements[1].notes_root = secret(5))),
        (
            "the empty root of this height",
            paid(&|input| {
                input.statements[1].notes_root = Digest::ZERO;
                input.applications[1].reference = 1;
                input.applications[1].reference_path = state.past_roots.path(1);
            }),
        ),
        ("another account before", paid(&|input| input.statements[1].before = secret(5))),
        ("too many fees", paid(&|input| input.statements[1].fee = fees)),
        (
            "a note that does not exist",
            changed(&opened, &|input| input.statements[1].unauthenticated[0] = secret(5)),
        ),
        (
            "notes that are not the ones erased",
            paid(&|input| {
                input.applications[1].inputs[0].matched = Some((0, 1));
                input.applications[1].inputs[1].matched = Some((0, 0));
            }),
        ),
        ("a nullifier erased by matching nothing with nothing", kept),
        ("flags that are not booleans", mixed),
        ("an input that erases two outputs", both),
        ("an output that two inputs erase", twice),
    ]
}

#[test]
fn lies_that_a_single_assertion_refuses_are_refused() {
    for (what, input) in lone_lies() {
        assert!(circuits_forging::check(pair(), &input).is_err(), "accepted: {what}");
    }
}

/// What is left free in a group whose proofs are left out.
fn unproved() -> Exception {
    // The first three targets of the context.
    Exception::new(
        Kind::Unconnected,
        "the proofs that are left out here bind chain id, environment and fee asset",
        |class| class.virtual_targets.iter().any(|&target| target < 3),
    )
}

const MASKED: &str = "what an absent input or a matched note leaves out, and a present one binds";

#[test]
fn every_assertion_of_applying_transactions_is_needed() {
    let (_, _, payment) = payment();
    let (_, opened, _) = opened();
    let lies: Vec<_> = lone_lies().into_iter().map(|(_, lie)| lie).collect();
    Mutator::new(&Pair)
        .honest([&payment, &opened])
        .dishonest(&lies)
        .except(unproved())
        .masked(MASKED)
        .by_line()
        .elsewhere("circuits/core/src/trees/")
        .run()
        .assert_complete();
}

#[test]
fn applying_transactions_survives_the_forging_kit() {
    let (_, _, payment) = payment();
    let (_, opened, _) = opened();
    Kit::new(pair())
        .inputs([&payment, &opened])
        .except(unproved())
        .masked(MASKED)
        .except(Exception::fields(
            Kind::Unstated,
            &["BlockContext.height", "TransactionStatement.not_before", "TransactionStatement.valid_until"],
            "a bound that the transactions keep: the block and the proofs that are left out here state it",
        ))
        .except(Exception::fields(
            Kind::Unstated,
            &["index", "membership.path.sibling"],
            "no transaction of these has a note that the group finds in the tree; some of the batch's test have",
        ))
        .except(Exception::fields(Kind::Unstated, &["account.slot.sibling"], NO_NEW_ACCOUNT))
        .except(Exception::fields(
            Kind::MessagesOnly,
            &["Running.outbox", "TransactionStatement.message"],
            "the block starts with an empty list, and the proof that is left out here states the message",
        ))
        .except(Exception::fields(
            Kind::Unranged,
            &["Running.fees", "Running.transactions", "Running.trees.account_count", "TransactionStatement.fee"],
            "the block starts with the state's counts and without fees, and the proof that is left out here states the fee",
        ))
        .run()
        .assert_sound();
}

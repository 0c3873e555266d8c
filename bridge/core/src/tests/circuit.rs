use std::{collections::BTreeMap, sync::LazyLock};

use circuits_core::{
    Builder, Compiled, Definition, Witness,
    layout::{WitnessError, new_virtual, set, set_target},
};
use circuits_forging::{Exception, Kind, Kit, Mutator, check};
use circuits_protocol::statement::SuperblockRoots;
use circuits_prover::basetypes::standard_config;
use plonky2::{iop::target::Target, plonk::circuit_data::CircuitConfig};

use super::*;
use crate::{
    balance::{BalanceKey, balance_value},
    circuit::{Capacity, CrossingTarget},
    rules::{Action, Movement},
    step::{Chunk, NewBalance, StepFields},
};

circuits_core::layout! {
    /// A run of steps leads from `before` to `after`.
    #[allow(unreachable_pub)]
    pub struct CrossingStatement<T> {
        /// The deployment.
        pub chain_id: T,
        /// The superblock.
        pub number: T,
        /// Roots before.
        pub before: SuperblockRoots<T>,
        /// Roots after.
        pub after: SuperblockRoots<T>,
        /// Lists before.
        pub lists_before: BridgeLists<T>,
        /// Lists after.
        pub lists_after: BridgeLists<T>,
    }
}

/// A circuit with slots for these numbers of balances and steps.
pub(super) struct CrossingCircuit {
    new_balances: usize,
    steps: usize,
}

#[derive(Clone, Debug)]
pub(super) struct Input {
    pub(super) chain_id: u64,
    pub(super) number: u32,
    pub(super) roots: SuperblockRoots,
    pub(super) lists: BridgeLists,
    pub(super) chunk: Chunk,
}

impl Definition for CrossingCircuit {
    type Statement = CrossingStatement<Target>;
    type NativeStatement = CrossingStatement;
    type Targets = (CrossingStatement<Target>, CrossingTarget);
    type Input = Input;

    fn name(&self) -> String {
        "crossing".to_owned()
    }

    fn config(&self) -> CircuitConfig {
        standard_config()
    }

    fn define(&self, builder: &mut Builder) -> (Self::Statement, Self::Targets) {
        let (chain_id, number) = (builder.add_virtual_target(), builder.add_virtual_target());
        let before: SuperblockRoots<Target> = new_virtual(builder);
        let lists_before: BridgeLists<Target> = new_virtual(builder);
        let (mut after, mut lists_after) = (before, lists_before);
        let target = CrossingTarget::apply(
            builder,
            Capacity { new_balances: self.new_balances, steps: self.steps },
            (chain_id, number),
            &mut after,
            &mut lists_after,
        );
        let statement = CrossingStatement { chain_id, number, before, after, lists_before, lists_after };
        (statement, (statement, target))
    }

    fn assign(
        &self,
        (statement, target): &Self::Targets,
        input: &Input,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        set_target(witness, statement.chain_id, F::from_canonical_u64(input.chain_id))?;
        set_target(witness, statement.number, F::from_canonical_u32(input.number))?;
        set(witness, &statement.before, &input.roots)?;
        set(witness, &statement.lists_before, &input.lists)?;
        target.set_targets(witness, &input.chunk)
    }
}

pub(super) static CIRCUIT: LazyLock<Compiled<CrossingCircuit>> =
    LazyLock::new(|| Compiled::new(CrossingCircuit { new_balances: 1, steps: 3 }).unwrap());

pub(super) fn roots(state: &BridgeState) -> SuperblockRoots {
    state.roots(digest(1))
}

/// A crossing from `state` on, with the input that it becomes.
struct Scene {
    crossing: Crossing,
    start: (SuperblockRoots, BridgeLists),
}

impl Scene {
    fn new(number: u32, state: &BridgeState) -> Self {
        let lists = BridgeLists { applied: digest(5), ..BridgeLists::start() };
        let crossing = Crossing::new(CHAIN, number, state.clone(), lists).unwrap();
        Self { crossing, start: (roots(state), lists) }
    }

    /// A crossing after a circuit that added these balances.
    fn opened(state: &BridgeState, keys: &[BalanceKey]) -> Self {
        let mut state = state.clone();
        keys.iter().for_each(|&key| state.add_balance(key).unwrap());
        let mut scene = Self::new(NUMBER, &state);
        let added = F::from_canonical_usize(keys.len());
        scene.start.1.unused_balances = added;
        scene.crossing.lists.unused_balances = added;
        scene
    }

    fn open(mut self, message: &Message, environment: EnvironmentId) -> Self {
        self.crossing.open_balances([message.balance_key(environment)]).unwrap();
        self
    }

    fn block(mut self, block: &BlockMessages) -> Self {
        self.crossing.apply_block(block).unwrap();
        self
    }

    /// A step that the native rules refuse.
    fn lie(mut self, action: Action, actor: EnvironmentId, message: &Message, index: u64) -> Self {
        let step = self.crossing.open(&Movement::new(action, actor, message), index).unwrap();
        self.crossing.chunk.steps.push(step);
        self.ending(true)
    }

    /// Changes a field of the last step.
    fn with(mut self, change: impl FnOnce(&mut StepFields)) -> Self {
        change(&mut self.crossing.chunk.steps.last_mut().unwrap().fields);
        self
    }

    fn ending(self, ends: bool) -> Self {
        self.with(|fields| fields.ends_block = F::from_bool(ends))
    }

    fn input(&self) -> Input {
        Input {
            chain_id: CHAIN,
            number: self.crossing.number,
            roots: self.start.0,
            lists: self.start.1,
            chunk: self.crossing.chunk.clone(),
        }
    }
}

const CLAIM: Action = Action::Consume(Consumption::Claim);
const REFUND: Action = Action::Consume(Consumption::Refund);

/// A state in which environment `B` holds 10 of the asset and another 10 are on their way to it.
fn busy() -> (BridgeState, Message) {
    let (first, second) = (message(A, B, 10), Message { sequence: 1, ..message(A, B, 10) });
    (after(NUMBER, &BridgeState::default(), &[emits(&first), claims(&first), emits(&second)]), second)
}

/// The same state, and a withdrawal by `B` that waits for L1 at index 2.
fn withdrawn() -> (BridgeState, Message) {
    let (state, _) = busy();
    let withdrawal = message(B, L1, 7);
    (after(NUMBER, &state, &[emits(&withdrawal)]), withdrawal)
}

/// A state in which L1 holds 7 of the asset.
fn paid() -> BridgeState {
    let (state, withdrawal) = withdrawn();
    after(NUMBER, &state, &[claims(&withdrawal)])
}

/// What L1 holds on its way back.
fn deposit() -> Message {
    message(L1, B, 5)
}

/// Every kind of step, in few circuits' worth.
fn honest() -> Vec<Scene> {
    let (state, pending) = busy();
    let unseen = Message { asset: asset(A, 2), ..message(A, B, 3) };
    let (leaving, withdrawal) = withdrawn();
    let deposited = after(NUMBER, &paid(), &[emits(&deposit())]);
    let block_of_l1 = BlockMessages { outbox: vec![deposit()], ..claims(&withdrawal) };
    let forward = BlockMessages {
        environment: B,
        inbox: vec![(pending.clone(), Consumption::Claim)],
        outbox: vec![message(B, A, 20)],
    };
    vec![
        Scene::new(NUMBER, &BridgeState::default()),
        Scene::new(NUMBER, &state).open(&unseen, A).block(&emits(&unseen)).block(&forward),
        Scene::opened(&state, &[unseen.balance_key(A)]).block(&emits(&unseen)),
        Scene::new(NUMBER, &state).block(&claims(&pending)).block(&emits(&withdrawal)),
        Scene::new(NUMBER, &leaving).open(&withdrawal, L1).block(&claims(&pending)).block(&block_of_l1),
        Scene::new(withdrawal.deadline + 1, &leaving).block(&refunds(&withdrawal)),
        Scene::new(NUMBER, &state).block(&claims(&pending)).block(&emits(&message(B, A, 20))),
        Scene::new(pending.deadline + 1, &state).block(&refunds(&pending)),
        Scene::new(NUMBER, &paid()).block(&emits(&deposit())).block(&claims(&deposit())),
        Scene::new(deposit().deadline + 1, &deposited).block(&refunds(&deposit())),
    ]
}

/// Crossings that each break one rule.
fn dishonest() -> Vec<(&'static str, Input)> {
    let (state, pending) = busy();
    let with = |message: &Message| Scene::new(NUMBER, &state).lie(Action::Emit, message.source, message, 2);
    let good = Message { sequence: 7, ..message(A, B, 1) };
    let late = pending.deadline + 1;
    let at = |number| Scene::new(number, &state);
    let (leaving, withdrawal) = withdrawn();
    let by_l1 = |message: &Message| Scene::new(NUMBER, &paid()).lie(Action::Emit, L1, message, 3);
    let deadline_in = |lifetime| Message { deadline: NUMBER + lifetime, ..deposit() };
    let mut cases = vec![
        ("another chain", with(&Message { chain_id: CHAIN + 1, ..good.clone() })),
        ("a message to itself", with(&Message { destination: A, ..good.clone() })),
        ("amount zero", with(&Message { amount: Amount::ZERO, ..good.clone() })),
        ("a deadline too near", with(&Message { deadline: NUMBER + 63, ..good.clone() })),
        ("a deadline too far", with(&Message { deadline: NUMBER + (1 << 20) + 1, ..good.clone() })),
        ("more than came in", with(&message(B, A, 11))),
        ("more than can be outstanding", with(&message(A, B, Amount::MAX.get()))),
        ("an index that is not the count", at(NUMBER).lie(Action::Emit, A, &good, 3)),
        ("an occupied slot", at(NUMBER).lie(Action::Emit, A, &good, 1)),
        ("emission for another", at(NUMBER).lie(Action::Emit, B, &good, 2)),
        ("a message that was never emitted", at(NUMBER).lie(CLAIM, B, &good, 1)),
        ("a claim of what was claimed", at(NUMBER).lie(CLAIM, B, &message(A, B, 10), 0)),
        ("another's claim", at(NUMBER).lie(CLAIM, A, &pending, 1)),
        ("another's refund", at(late).lie(REFUND, B, &pending, 1)),
        ("a claim after the deadline", at(late).lie(CLAIM, B, &pending, 1)),
        ("a refund at the deadline", at(pending.deadline).lie(REFUND, A, &pending, 1)),
        ("a refund of what was claimed", at(late).lie(REFUND, A, &message(A, B, 10), 0)),
        ("a claim by L1 of what is not to it", Scene::new(NUMBER, &paid()).lie(CLAIM, L1, &pending, 1)),
        (
            "a withdrawal that nobody emitted",
            Scene::new(NUMBER, &paid()).lie(CLAIM, L1, &message(B, L1, 1), 2),
        ),
        ("a withdrawal claimed by its source", Scene::new(NUMBER, &leaving).lie(CLAIM, B, &withdrawal, 2)),
        ("a withdrawal claimed twice", Scene::new(NUMBER, &paid()).lie(CLAIM, L1, &withdrawal, 2)),
        (
            "a withdrawal claimed too late",
            Scene::new(withdrawal.deadline + 1, &leaving).open(&withdrawal, L1).lie(
                CLAIM,
                L1,
                &withdrawal,
                2,
            ),
        ),
        (
            "a withdrawal refunded too early",
            Scene::new(withdrawal.deadline, &leaving).lie(REFUND, B, &withdrawal, 2),
        ),
        (
            "a withdrawal refunded that L1 has claimed",
            Scene::new(withdrawal.deadline + 1, &paid()).lie(REFUND, B, &withdrawal, 2),
        ),
        ("a deposit with a deadline too near", by_l1(&deadline_in(63))),
        ("a deposit with a deadline too far", by_l1(&deadline_in((1 << 20) + 1))),
        ("a deposit of more than L1 holds", by_l1(&Message { amount: amount(8), ..deposit() })),
        ("a deposit to L1 itself", by_l1(&Message { destination: L1, ..deposit() })),
    ];
    let honest = || at(NUMBER).block(&emits(&good));
    let weird = |change: fn(&mut StepFields)| honest().with(change);
    let beyond = |bits: u32| F::from_canonical_u64(1 << bits);
    cases.extend([
        ("a block that does not end", honest().ending(false)),
        ("a balance that is not in the leaf", weird(|fields| fields.balance += F::ONE)),
        ("a destination of 17 bits", honest().with(|fields| fields.message.destination = beyond(16))),
        ("a number of 35 bits", honest().with(|fields| fields.message.sequence = beyond(34))),
        // The same packed asset: 2^32 (2^32 - 1) is -1, so its number would be one more.
        ("an origin of 33 bits", weird(|fields| fields.asset_origin += F::from_canonical_u64((1 << 32) - 1))),
        ("an emission of less than nothing", {
            let minted = Message { sequence: 8, ..message(B, A, 1) };
            at(NUMBER).block(&emits(&minted)).with(|fields| fields.message.amount = -F::TWO)
        }),
        ("two actions in one", weird(|fields| fields.refund = F::ONE)),
        ("an action and its opposite", weird(|fields| fields.claim = F::NEG_ONE)),
        ("half an action", weird(|fields| (fields.emit, fields.claim) = (F::TWO, F::NEG_ONE))),
        ("a balance of another environment", {
            let mut other = at(NUMBER).block(&emits(&message(B, A, 1)));
            other.crossing.chunk.steps[0].balance_leaf =
                state.balance_tree.prove_update(&pending.balance_key(A).digest()).unwrap();
            other.with(|fields| fields.balance = amount(20).to_field())
        }),
        ("a balance of another tree", {
            let mut other = honest();
            other.crossing.chunk.steps[0].balance_leaf.path.siblings[31] = digest(1);
            other
        }),
        ("an asset of 33 bits, with a balance", {
            let mut state = state.clone();
            let wide = A.to_field() * beyond(32) + beyond(32);
            let key = Digest([A.to_field(), wide, F::ZERO, F::ZERO]);
            state.balance_tree.insert(key, balance_value(Amount::ZERO)).unwrap();
            let mut other = Scene::new(NUMBER, &state).lie(Action::Emit, A, &good, 2);
            other.crossing.chunk.steps[0].balance_leaf = state.balance_tree.prove_update(&key).unwrap();
            other.with(|fields| (fields.message.asset, fields.balance) = (wide, F::ZERO))
        }),
        ("an origin that is no environment", {
            // Another number of the asset, with the origin that makes up for it.
            let local = F::from_canonical_u32(good.asset.local() + 1);
            let origin = (good.asset.to_field() - local) / beyond(32);
            honest().with(|fields| fields.asset_origin = origin)
        }),
        ("two environments in one block", {
            let mut two = honest().block(&emits(&message(B, A, 1)));
            two.crossing.chunk.steps[0].fields.ends_block = F::ZERO;
            two
        }),
    ]);
    cases.extend(unfollowable(&state, &good));
    let mut inputs: Vec<_> = cases.into_iter().map(|(rule, scene)| (rule, scene.input())).collect();

    let existing = Scene::new(NUMBER, &state);
    let key = pending.balance_key(B);
    let idle = existing.crossing.chunk.idle.clone();
    let chunk = Chunk { new_balances: vec![NewBalance { key, ..idle }], ..existing.crossing.chunk.clone() };
    inputs.push(("a second balance for one key", Input { chunk, ..existing.input() }));
    inputs
}

/// Crossings whose end nobody can compute from the lists, or represent.
fn unfollowable(state: &BridgeState, good: &Message) -> Vec<(&'static str, Scene)> {
    let at = |state: &BridgeState, number| Scene::new(number, state);
    let unseen = Message { asset: asset(A, 2), ..good.clone() };
    let [ours, theirs] = [A, B].map(|environment| unseen.balance_key(environment));
    let first_use = || Scene::opened(state, &[ours]).block(&emits(&unseen));
    let beyond = |bits: u32| F::from_canonical_u64(1 << bits);
    vec![
        ("a first use that is denied", first_use().with(|fields| fields.first = F::ZERO)),
        ("a first use of what was used", {
            at(state, NUMBER).block(&emits(good)).with(|fields| fields.first = F::ONE)
        }),
        ("a first use out of turn", Scene::opened(state, &[theirs, ours]).lie(Action::Emit, A, &unseen, 2)),
        ("a balance in a slot that is not the next", {
            let mut other = at(state, NUMBER).open(&unseen, A).block(&emits(&unseen));
            other.start.1.unused_balances = F::ONE;
            other
        }),
        ("a claim after an emission", {
            let block = at(state, NUMBER).block(&emits(&message(B, A, 1)));
            let mut other = block.block(&claims(&Message { sequence: 1, ..message(A, B, 10) }));
            other.crossing.chunk.steps[0].fields.ends_block = F::ZERO;
            other
        }),
        ("a deadline of 33 bits, near the end of superblock numbers", {
            let number = u32::MAX - 10;
            let other = at(state, number).lie(Action::Emit, A, good, 2);
            other.with(|fields| fields.message.deadline = F::from_canonical_u64(u64::from(number) + 64))
        }),
        ("an asset of number 0", {
            let nothing = A.to_field() * beyond(32);
            let mut state = state.clone();
            let key = Digest([A.to_field(), nothing, F::ZERO, F::ZERO]);
            state.balance_tree.insert(key, balance_value(Amount::ZERO)).unwrap();
            let mut other = at(&state, NUMBER).lie(Action::Emit, A, good, 2);
            other.crossing.chunk.steps[0].balance_leaf = state.balance_tree.prove_update(&key).unwrap();
            other.with(|fields| (fields.message.asset, fields.balance) = (nothing, F::ZERO))
        }),
    ]
}

#[test]
fn native_and_circuit_agree_on_every_kind_of_step() {
    for scene in honest() {
        let public = check(&CIRCUIT, &scene.input()).unwrap();
        let statement = <CrossingStatement as circuits_core::layout::Layout<F>>::decode(&public).unwrap();
        assert_eq!(statement.after, roots(&scene.crossing.state));
        assert_eq!(statement.lists_after, scene.crossing.lists);
    }
}

#[test]
fn each_broken_rule_is_refused_in_circuit() {
    for (rule, input) in dishonest() {
        let accepted = check(&CIRCUIT, &input).is_ok();
        assert!(!accepted, "{rule}: accepted");
    }
}

#[test]
fn a_step_is_proved() {
    let scene = honest().swap_remove(1);
    let proof = CIRCUIT.prove(&scene.input()).unwrap();
    assert_eq!(CIRCUIT.statement(&proof).unwrap().after, roots(&scene.crossing.state));
}

/// What these tests hand through.
fn reviewed() -> Exception {
    Exception::new(Kind::Free, "the root of environments passes through untouched", |class| {
        class.public_input.is_some_and(|input| (2..6).contains(&input))
    })
}

#[test]
fn the_steps_withstand_the_forging_kit() {
    let inputs: Vec<_> = honest().iter().map(Scene::input).collect();
    let kit = Kit::new(&CIRCUIT).inputs(&inputs).masked("a slot that does nothing, or a branch not taken");
    let report = kit.except(reviewed()).proofs(2).run();
    eprintln!("{report}");
    report.assert_sound();
}

/// Flags of a step that are enforced one by one.
const FLAGS: usize = 5;

/// Assertions that nothing misses in a circuit of so many steps, by line, with how often.
fn survivors(steps: usize) -> BTreeMap<String, usize> {
    let fits = |input: &Input| input.chunk.new_balances.is_empty() && input.chunk.steps.len() <= steps;
    let honest: Vec<_> = honest().iter().map(Scene::input).filter(fits).collect();
    let dishonest: Vec<_> = dishonest().into_iter().map(|(_, input)| input).filter(fits).collect();
    let circuit = CrossingCircuit { new_balances: 0, steps };
    let reason = "a factor that is neither 0 nor 1 turns roots and lists into what is no hash";
    let mutator = Mutator::new(&circuit).honest(&honest).dishonest(&dishonest).masked("a branch not taken");
    let mutator = mutator.allow_up_to("enforce_bool", FLAGS * steps, reason);
    let mutations = mutator.except(reviewed()).run();
    eprintln!("{mutations}");
    assert!(mutations.intact.is_sound() && mutations.accepted.is_empty(), "{mutations}");
    let mut lines = BTreeMap::new();
    for survivor in mutations.survivors {
        *lines.entry(survivor.assertion.to_string()).or_default() += 1;
    }
    lines
}

#[test]
fn no_assertion_of_a_step_can_be_left_out() {
    // The order within a block shows in two steps only; there the other rules of each step are not attacked again.
    let two = survivors(2);
    let unnoticed: Vec<_> = survivors(1).into_keys().filter(|line| two.get(line) == Some(&2)).collect();
    assert!(unnoticed.is_empty(), "{unnoticed:#?}");
}

//! Whatever a batcher proves, others can follow.

use std::sync::LazyLock;

use batcher_verify::bundle::{BlockEntry, BundleError, Published, SuperblockBundle};
use bridge_core::{
    AssetId, BalanceKey, BlockMessages, BridgeError, Chunk, Consumption, CrossingTarget, Message,
    message::{MessageFields, inbox_append, message_hash, outbox_append},
};
use circuits_core::{
    Builder, Compiled, Definition, Digest, DigestTarget, F, Proof, Witness,
    amount::Amount,
    constrain::DigestOps,
    layout::{Layout, WitnessError, new_virtual, set},
};
use circuits_forging::check;
use circuits_protocol::{
    registry::EnvironmentId,
    statement::{BlockStatement, SegmentStatement, SuperblockStatement, empty_list},
};
use circuits_prover::basetypes::standard_config;
use plonky2::{
    field::types::{Field, Field64, PrimeField64},
    iop::target::Target,
    plonk::circuit_data::CircuitConfig,
};

use super::messages::{SMALL, Scene, after, scenes, start};
use crate::{
    apply::{AppliedBlock, AppliedBlockTarget},
    assembly::Assembly,
    follow::{FollowError, follow},
    messages::cross,
    packing::{Load, Share},
    segment::{empty_segment, set_start},
    superblock::{FrameTargets, SuperblockChildren, SuperblockInput},
    testing::{
        block, digest, free_key_digest, free_proof, free_registry_with_l1, l1_payouts, moves, talking,
    },
    transition::{Transition, TransitionError},
};

/// A superblock over one block whose proof is left out, so that an attack takes milliseconds.
struct Bare;

struct BareTargets {
    frame: FrameTargets,
    start: SegmentStatement<Target>,
    block: BlockStatement<Target>,
    key: DigestTarget,
    applied: AppliedBlockTarget,
    crossing: CrossingTarget,
}

#[derive(Clone, Debug)]
struct BareInput {
    superblock: SuperblockInput,
    block: BlockStatement,
    applied: AppliedBlock,
}

impl Definition for Bare {
    type Statement = SuperblockStatement<Target>;
    type NativeStatement = SuperblockStatement;
    type Targets = BareTargets;
    type Input = BareInput;

    fn name(&self) -> String {
        "superblock-bare".to_owned()
    }

    fn config(&self) -> CircuitConfig {
        standard_config()
    }

    fn define(&self, builder: &mut Builder) -> (Self::Statement, Self::Targets) {
        let frame = FrameTargets::new_virtual(builder);
        let start = empty_segment(builder);
        let mut segment = start;
        let (block, key) = (new_virtual(builder), builder.new_digest());
        let applied = AppliedBlockTarget::new_virtual(builder);
        applied.apply(
            builder,
            segment.registry_root,
            segment.number,
            key,
            &block,
            &mut segment.after,
            &mut segment.accumulated_after,
        );
        let crossing = cross(builder, SMALL, &mut segment);
        let root = builder.constant_digest(digest(3));
        let statement = frame.enclose(builder, &segment, root);
        (statement, BareTargets { frame, start, block, key, applied, crossing })
    }

    fn assign(
        &self,
        targets: &BareTargets,
        input: &BareInput,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        targets.frame.set_targets(witness, &input.superblock)?;
        set_start(witness, &targets.start, &input.superblock.segment)?;
        set(witness, &targets.block, &input.block)?;
        set(witness, &targets.key, &free_key_digest())?;
        targets.applied.set_targets(witness, &input.applied)?;
        targets.crossing.set_targets(witness, &input.superblock.chunk)
    }
}

static CIRCUIT: LazyLock<Compiled<Bare>> = LazyLock::new(|| Compiled::new(Bare).unwrap());

/// A proof that nobody looks at.
static PROOF: LazyLock<Proof> = LazyLock::new(|| free_proof(&block(1, 1)));

/// What the circuit states of the transition of `scene`, if it accepts it.
fn state_of(scene: &Scene, transition: &Transition) -> Option<SuperblockStatement> {
    let public = check(&CIRCUIT, &input(scene, transition)).ok()?;
    Some(SuperblockStatement::decode(&public).unwrap())
}

fn input(scene: &Scene, transition: &Transition) -> BareInput {
    BareInput {
        superblock: transition.superblock_input(SuperblockChildren::Segments(vec![])),
        block: scene.contents.blocks[0].statement,
        applied: transition.applied[0].clone(),
    }
}

fn bundle(transition: &Transition) -> SuperblockBundle {
    with_payouts(transition.bundle(&PROOF, digest(1)), &transition.statement)
}

/// The bundle with what its block of environment 0 pays, if it has one.
fn with_payouts(bundle: SuperblockBundle, statement: &SuperblockStatement) -> SuperblockBundle {
    let payouts = statement.l1_block().map(|_| l1_payouts(integer(statement.number)));
    bundle.with_payouts(payouts.unwrap_or_default())
}

#[test]
fn a_follower_reaches_the_state_of_the_batcher_from_its_bundle() {
    for scene in scenes() {
        let transition = scene.transition(false);
        assert_eq!(state_of(&scene, &transition), Some(transition.statement));
        let bundle = bundle(&transition);
        bundle.check_published(&transition.statement).unwrap();
        assert_eq!(follow(&scene.state, &bundle), Ok(transition.new_state));
        let other = bundle.with_payouts(l1_payouts(99)).check_published(&transition.statement);
        assert!(matches!(other, Err(BundleError::Payouts(_))), "{other:?}");
    }
}

#[test]
fn what_does_not_continue_the_state_is_not_followed() {
    let scene = scenes().swap_remove(1);
    let transition = scene.transition(false);
    let good = bundle(&transition);
    let not_next = |state: &crate::state::SuperblockState, expected: &str| {
        let error = follow(state, &good).unwrap_err();
        assert!(matches!(error, FollowError::NotNext { field, .. } if field == expected), "{error}");
    };
    not_next(&transition.new_state, "number");
    let mut other = scene.state.clone();
    other.chain_id += 1;
    not_next(&other, "chain id");
    let mut other = scene.state.clone();
    let later = other.history.iter().skip(1);
    other.history = std::iter::once(digest(5)).chain(later).collect::<Vec<_>>().try_into().unwrap();
    not_next(&other, "previous state");

    let refused = |change: fn(&mut SuperblockBundle)| {
        let mut changed = good.clone();
        change(&mut changed);
        follow(&scene.state, &changed).unwrap_err()
    };
    let silent = refused(|bundle| bundle.messages.clear());
    assert_eq!(silent, FollowError::Bundle(BundleError::Messages { index: 0 }));
    let ahead = refused(|bundle| bundle.blocks[0].first_height += 1);
    assert!(matches!(ahead, FollowError::Block { expected: 2, found: 3, .. }), "{ahead}");
    let elsewhere = refused(|bundle| bundle.blocks[0].new_state = Digest::ZERO);
    assert!(matches!(elsewhere, FollowError::OtherState { .. }), "{elsewhere}");
    let nowhere = refused(|bundle| bundle.consumed.clear());
    assert!(matches!(nowhere, FollowError::Bridge(BridgeError::OtherIndex { index: None, .. })), "{nowhere}");
}

/// A superblock whose batcher adds `balances` and consumes messages at the indices in `consumed`, and skips the rules about
/// whole superblocks.
fn unchecked(scene: &Scene, balances: &[BalanceKey], consumed: Option<Vec<u32>>) -> Transition {
    let registry = free_registry_with_l1(3);
    let mut assembly = Assembly::apply_blocks(&scene.state, &registry, digest(3), &scene.contents).unwrap();
    if let Some(consumed) = consumed {
        assembly.crossing = assembly.crossing.following(consumed);
    }
    assembly.open_balances(balances).unwrap();
    for one in scene.contents.moves() {
        assembly.carry_out(&one).unwrap();
    }
    assembly.end_chunk().unwrap();
    assembly.finish()
}

#[test]
fn case_80_a_balance_that_no_message_uses_is_in_no_superblock() {
    let junk = BalanceKey { environment: EnvironmentId(9), asset: AssetId::new(7, 7).unwrap() };
    let mut attacked = 0;
    for scene in scenes() {
        let needed = scene.contents.load(&scene.state).new_balances;
        assert!(state_of(&scene, &unchecked(&scene, &needed, None)).is_some());
        if needed.is_empty() {
            assert_eq!(state_of(&scene, &unchecked(&scene, &[junk], None)), None);
            attacked += 1;
        }
    }
    assert!(attacked > 0);
}

#[test]
fn a_balance_that_no_message_moves_is_refused_natively() {
    let scene = scenes().swap_remove(0);
    let junk = BalanceKey { environment: EnvironmentId(9), asset: AssetId::new(7, 7).unwrap() };
    let mut load = Load::default();
    load.new_balances.push(junk);
    let shares = [Share { new_balances: 0..1, ..Default::default() }];
    let error =
        Transition::new(&scene.state, &free_registry_with_l1(3), digest(3), &scene.contents, &load, &shares)
            .unwrap_err();
    assert_eq!(error, TransitionError::UnusedBalances);
}

/// A block that claims a message of which there are two.
fn emitted_twice() -> (Scene, Message) {
    let (state, pending) = start();
    let again = Scene::new(&state, vec![talking(2, moves(1, &[], &[&pending]))]);
    (Scene::new(&after(&again), vec![talking(2, moves(2, &[&pending], &[]))]), pending)
}

#[test]
fn a_message_that_was_emitted_twice_is_followed_whichever_is_claimed() {
    let (scene, pending) = emitted_twice();
    let hash = pending.hash();
    let indices: Vec<u32> = (0..)
        .zip(scene.state.bridge.records())
        .filter_map(|(index, record)| {
            (record.message == pending && record.consumed.is_none()).then_some(index)
        })
        .collect();
    assert_eq!(indices.len(), 2);
    let transitions = [0, 1].map(|which| unchecked(&scene, &[], Some(vec![indices[which]])));
    assert_ne!(transitions[0].statement.new_state, transitions[1].statement.new_state);
    for (which, transition) in transitions.iter().enumerate() {
        assert_eq!(state_of(&scene, transition), Some(transition.statement));
        let good = bundle(transition);
        good.check_published(&transition.statement).unwrap();
        assert_eq!(follow(&scene.state, &good).as_ref(), Ok(&transition.new_state));

        // The statement commits to the index.
        let mut other = good.clone();
        other.consumed = vec![indices[1 - which]];
        let error = other.check_published(&transition.statement).unwrap_err();
        assert!(matches!(error, BundleError::Blocks { consumed: 1, .. }), "{error}");
        let error = follow(&scene.state, &other).unwrap_err();
        assert!(matches!(error, FollowError::OtherState { .. }), "{error}");
        other.consumed.clear();
        let error = other.check_published(&transition.statement).unwrap_err();
        assert_eq!(error, BundleError::Indices { expected: 1, found: 0 });
        other.consumed = vec![0];
        let error = follow(&scene.state, &other).unwrap_err();
        assert_eq!(error, BridgeError::OtherIndex { message: hash, index: Some(0) }.into());
    }
}

/// How many attempts the batcher below makes on each scene.
const ATTEMPTS: usize = 300;

/// A batcher, with a kernel of his own, fills every place of his circuit at random: what is still proved is what everybody
/// computes, or continues another state.
#[test]
fn case_81_whatever_a_batcher_fills_in_is_refused_or_followed() {
    let mut scenes = scenes();
    scenes.push(emitted_twice().0);
    let mut random = Random(1);
    let (mut refused, mut followed) = (0, 0);
    for scene in scenes {
        let transition = scene.transition(false);
        let honest = input(&scene, &transition);
        for _ in 0..ATTEMPTS {
            let mut attempt = honest.clone();
            for _ in 0..=random.below(2) {
                fill(&mut attempt, &mut random);
            }
            name_messages(&mut attempt);
            let Ok(public) = check(&CIRCUIT, &attempt) else {
                refused += 1;
                continue;
            };
            let statement = SuperblockStatement::decode(&public).unwrap();
            if statement.previous_state == scene.state.commitment() {
                let bundle = published(&attempt, &statement);
                bundle.check_published(&statement).unwrap();
                let next =
                    follow(&scene.state, &bundle).unwrap_or_else(|error| panic!("{error}: {attempt:?}"));
                assert_eq!(statement.new_state, next.commitment());
                followed += 1;
            }
        }
    }
    eprintln!("{refused} refused, {followed} followed");
    assert!(refused > ATTEMPTS && followed > ATTEMPTS / 2);
}

/// Numbers that look random and are the same in every run (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// Another value for a place that holds `old`: small, at the end of some range, near the old one, or any.
    fn element(&mut self, old: F) -> F {
        let bits = [16, 32, 34, 48, 58, 63][self.below(6)];
        match self.below(7) {
            0 => F::ZERO,
            1 => F::ONE,
            2 => F::NEG_ONE,
            3 => F::from_canonical_u64(1 << bits),
            4 => F::from_canonical_u64((1 << bits) - 1),
            5 => old + [F::ONE, F::NEG_ONE][self.below(2)],
            _ => F::from_noncanonical_u64(self.next() % F::ORDER),
        }
    }

    /// `layout` with another value in one place.
    fn change<L: Layout<F>>(&mut self, layout: &L) -> L {
        let mut elements: Vec<F> = layout.encode();
        let place = self.below(elements.len());
        elements[place] = self.element(elements[place]);
        L::decode(&elements).expect("the length is the layout's")
    }
}

/// Fills some place with another value.
fn fill(input: &mut BareInput, random: &mut Random) {
    let Chunk { new_balances, steps, idle } = &mut input.superblock.chunk;
    let step = (!steps.is_empty()).then(|| random.below(steps.len()));
    match (random.below(16), step) {
        (0, _) => input.block = random.change(&input.block),
        (1, _) => input.applied.is_first ^= true,
        (2, _) => input.superblock.previous_number ^= 1 << random.below(32),
        (3, _) => input.superblock.chain_id ^= 1 << random.below(32),
        (4, _) => input.superblock.history_root = random.change(&input.superblock.history_root),
        (5, _) => input.superblock.segment = random.change(&input.superblock.segment),
        (6, _) => new_balances.push(idle.clone()),
        (9, None) => input.superblock.l1_body = random.change(&input.superblock.l1_body),
        (7, Some(step)) => steps[step].balance_leaf.index = random.next() % 4,
        (8, Some(step)) => {
            let other = random.below(steps.len());
            steps.swap(step, other);
        }
        (9, Some(step)) => {
            steps.remove(step);
        }
        (_, Some(step)) => {
            let fields = &mut steps[step].fields;
            // Most places of a step are its message's.
            match random.below(3) {
                0 => *fields = random.change(fields),
                _ => fields.message = random.change(&fields.message),
            }
        }
        (_, None) => input.block = random.change(&input.block),
    }
}

/// Makes the block of `input` one whose kernel names the messages of its steps.
fn name_messages(input: &mut BareInput) {
    let BlockStatement { outbox, inbox, .. } = &mut input.block;
    (*outbox, *inbox) = (empty_list(), empty_list());
    for step in &input.superblock.chunk.steps {
        let (fields, hash) = (step.fields, message_hash(&step.fields.message));
        if fields.emit == F::ONE {
            *outbox = outbox_append(*outbox, hash);
        }
        for (flag, consumption) in [(fields.claim, Consumption::Claim), (fields.refund, Consumption::Refund)]
        {
            if flag == F::ONE {
                *inbox = inbox_append(*inbox, hash, consumption);
            }
        }
    }
}

/// The bundle of the superblock that `input` proves. Whatever the circuit accepts can be written into it.
fn published(input: &BareInput, statement: &SuperblockStatement) -> SuperblockBundle {
    let environment = environment(input.block.environment);
    let mut block = BlockMessages::none(environment);
    let mut consumed = vec![];
    for step in &input.superblock.chunk.steps {
        let fields = step.fields;
        if fields.emit == F::ONE {
            block.outbox.push(message_of(&fields.message));
        }
        for (flag, consumption) in [(fields.claim, Consumption::Claim), (fields.refund, Consumption::Refund)]
        {
            if flag == F::ONE {
                block.inbox.push((message_of(&fields.message), consumption));
                consumed.push(integer(fields.index));
            }
        }
    }
    let entry = BlockEntry {
        environment: environment.get(),
        first_height: integer(input.block.first_height),
        last_height: integer(input.block.last_height),
        new_state: input.block.new_state,
        body: input.block.body,
        outbox: input.block.outbox,
        inbox: input.block.inbox,
    };
    let messages = if block.is_empty() { vec![] } else { vec![block] };
    let published = Published { blocks: vec![entry], messages, consumed };
    with_payouts(SuperblockBundle::new(statement, published, &PROOF, digest(1)), statement)
}

fn integer(element: F) -> u32 {
    u32::try_from(element.to_canonical_u64()).expect("32 bits")
}

fn environment(id: F) -> EnvironmentId {
    EnvironmentId(u16::try_from(id.to_canonical_u64()).expect("16 bits"))
}

/// What the circuit accepts, native code can represent.
fn message_of(fields: &MessageFields) -> Message {
    let message = Message {
        chain_id: fields.chain_id.to_canonical_u64(),
        source: environment(fields.source),
        destination: environment(fields.destination),
        sequence: fields.sequence.to_canonical_u64(),
        sender: fields.sender,
        recipient: fields.recipient,
        asset: AssetId::unpack(fields.asset.to_canonical_u64()).expect("an asset"),
        amount: Amount::new(fields.amount.to_canonical_u64()).expect("an amount"),
        deadline: integer(fields.deadline),
        data: fields.data,
    };
    assert_eq!(message.fields(), *fields);
    message
}

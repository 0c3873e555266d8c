//! The whole circuits of batches and blocks, with the proofs that they verify, under the forging kit. Their parts are
//! attacked beside their code, where lies are cheap.

use std::sync::Arc;

use bridge_core::Consumption;
use circuits_core::{Compiled, Digest, F, recursion::key_digest};
use circuits_forging::{Exception, Kind, Kit, Mutator, fixtures::cache};
use circuits_protocol::{fold::FoldChild, key_set::KeySet};
use environments_core::{Environment, kernel::Kernels as _};
use plonky2::field::types::Field;

use super::{NO_NEW_ACCOUNT, messages::returned, world};
use crate::{
    NotesTransaction,
    arrival::{Arrival, ArrivalsWitness},
    batch::{BatchInput, BatchLeaf},
    block::{MIN_BATCH, Variant},
    circuits::{KERNELS, prove_transaction, transaction_keys},
    fixtures::{World, emission, secret},
    kernel::{BlockInput, BlockKernel, BlockTransactions},
    state::NotesState,
    transaction::{MAX_INPUTS, Request},
};

/// Why a class may be free with one of two inputs.
const UNUSED: &str = "what an absent input or a matched note leaves out, and a present one binds";

/// Messages that fill every slot of a kernel, claims and refunds.
fn arrivals(world: &World, variant: Variant) -> Vec<Arrival> {
    let kinds = [Consumption::Claim, Consumption::Refund].into_iter().cycle();
    let arrivals = (0..).zip(kinds).take(variant.arrivals()).map(|(n, kind)| {
        let message = match kind {
            Consumption::Claim => world.message_to(1, 0, 10 + n, n),
            Consumption::Refund => returned(world, 0, 10 + n, n),
        };
        Arrival::new(world.environment.deployment(), &message, kind).unwrap()
    });
    arrivals.collect()
}

/// A world where client 1 can take `count` times four notes, none of them opened, and sends a message each time.
fn full(count: usize) -> (World, NotesState, Vec<Request>) {
    let mut world = world();
    let mut state = world.genesis();
    let paid: Vec<_> = (0..count).map(|_| world.pay(0, &[1; MAX_INPUTS], 5)).collect();
    for (pay, _) in &paid {
        state.execute(&world.environment.resolve(&state, pay).check().unwrap()).unwrap();
    }
    state.seal().unwrap();
    let takes = paid.iter().map(|(_, notes)| {
        let mut take = world.request_with(1, notes, vec![], Some(emission(1, 3)), 0);
        take.inputs.iter_mut().for_each(|input| input.unauthenticated = true);
        take
    });
    let takes = takes.collect();
    (world, state, takes)
}

#[test]
fn a_block_of_one_transaction_survives_the_forging_kit_and_needs_every_assertion() {
    let input = |world: &World, state: &NotesState, request: &Request, arrivals: Vec<Arrival>| {
        let arrivals = arrivals.into_iter().map(|arrival| NotesTransaction::Arrival(Box::new(arrival)));
        let transactions: Vec<_> = arrivals.chain([request.clone().into()]).collect();
        let offered: Vec<_> = transactions.iter().collect();
        let proposal = world.environment.propose(state, &offered).unwrap();
        assert_eq!(proposal.included.len(), offered.len());
        world.environment.kernel_input(cache(), proposal.block.witness()).unwrap()
    };
    let mut world = world();
    let (pay, _) = world.pay(0, &[1, 1], 5);
    let pays = input(&world, &world.genesis(), &pay, vec![]);
    let (world, state, requests) = full(1);
    let takes = input(&world, &state, &requests[0], arrivals(&world, Variant::Direct(1)));
    let kernel = KERNELS.get(cache(), Variant::Direct(1)).unwrap().circuit(cache()).unwrap();
    Kit::new(&kernel)
        .inputs([&pays, &takes])
        .masked(UNUSED)
        .except(Exception::fields(Kind::Unstated, &["account.slot.sibling"], NO_NEW_ACCOUNT))
        .proofs(1)
        .run()
        .assert_sound();

    // What the parts do not have: the height. It has 32 bits because the tree of past roots has no more leaves.
    Mutator::new(&kernel.definition)
        .honest([&pays, &takes])
        .masked(UNUSED)
        .by_line()
        .elsewhere("circuits/core/src/trees/")
        .elsewhere("environments/notes/src/group.rs")
        .elsewhere("environments/notes/src/arrival.rs")
        .elsewhere("environments/notes/src/batch.rs")
        .allow_up_to(
            "environments/core/src/kernel.rs",
            1,
            "the tree of past roots has no leaf for a height beyond 32 bits",
        )
        .run()
        .assert_complete();
}

/// What proves these transactions as one batch of the block after `state`, in a key set with this root; and the state
/// before and the end of that block, which takes in as many messages as it can.
fn batch(
    world: &World,
    state: &NotesState,
    requests: &[Request],
    key_set_root: Digest,
) -> (BatchInput, BlockInput) {
    let (mut proofs, mut statements, mut running) = (vec![], vec![], state.clone());
    let arrivals = arrivals(world, Variant::Batches(1));
    let notes: Vec<_> = (state.next_note()..)
        .zip(&arrivals)
        .map(|(index, arrival)| arrival.note(index).commitment())
        .collect();
    let arrivals = ArrivalsWitness::new(&arrivals, running.arrive(&notes).unwrap());
    let before = running.running();
    for request in requests {
        let witness = world.environment.resolve(state, request);
        statements.push(witness.check().unwrap());
        proofs.push(prove_transaction(cache(), &witness).unwrap());
    }
    let applications = running.apply_group(&statements).unwrap().applications;
    let context = state.context();
    let block = BlockInput {
        before: state.fields(),
        arrivals,
        transactions: BlockTransactions::Batches(vec![]),
        seal: running.seal().unwrap(),
        secret: environments_conformance::secret(0),
    };
    (BatchInput { key_set_root, context, before, proofs, applications }, block)
}

/// The circuit of the smallest batches, alone in its key set.
struct Batches {
    leaf: Arc<Compiled<BatchLeaf>>,
    keys: KeySet,
}

impl Batches {
    fn new() -> Self {
        let transactions = transaction_keys(cache()).unwrap();
        let leaf = cache().circuit(BatchLeaf::new(transactions, MIN_BATCH)).unwrap();
        let keys = KeySet::new(&[key_digest(leaf.key())]);
        Self { leaf, keys }
    }

    /// The block of one batch.
    fn block(&self, batch: &BatchInput, block: &BlockInput) -> BlockInput {
        let key = self.leaf.key().clone();
        let membership = self.keys.membership(key_digest(&key)).unwrap();
        let child = FoldChild { proof: self.leaf.prove(batch).unwrap(), key, membership };
        BlockInput { transactions: BlockTransactions::Batches(vec![child]), ..block.clone() }
    }
}

/// No block has a kernel of one batch. Those that blocks have repeat its constraints for each further batch.
#[test]
fn a_batch_and_a_block_of_it_survive_the_forging_kit_and_need_every_assertion() {
    let batches = Batches::new();
    let root = batches.keys.root();
    let mut world = world();
    let requests = world.ping_pong(MIN_BATCH - 1).into_iter().map(|transaction| match transaction {
        NotesTransaction::Request(request) => *request,
        NotesTransaction::Proven { .. } | NotesTransaction::Arrival(_) => {
            unreachable!("simulated clients send requests")
        }
    });
    // One of a network account, whose minimum fee binds that of the context.
    let mut requests: Vec<_> = requests.collect();
    requests.push(world.own(&[], vec![world.payment(0, 0, 5)], None, 0));
    let (matched, block) = batch(&world, &world.genesis(), &requests, root);
    let (found, _) = {
        let (world, state, requests) = full(MIN_BATCH);
        batch(&world, &state, &requests, root)
    };
    let key_set_root = Exception::new(Kind::Free, "the block pins the root of the key set", |class| {
        class.public_input.is_some_and(|position| position < 4)
    });
    Kit::new(&batches.leaf)
        .inputs([&matched, &found])
        .masked(UNUSED)
        .except(key_set_root)
        .except(Exception::fields(Kind::Unstated, &["account.slot.sibling"], NO_NEW_ACCOUNT))
        .run()
        .assert_sound();

    let honest = batches.block(&matched, &block);
    let other_set = batches.block(&BatchInput { key_set_root: secret(1), ..matched }, &block);
    let changed = |change: &dyn Fn(&mut BlockInput)| {
        let mut input = honest.clone();
        change(&mut input);
        input
    };
    let dishonest = [
        other_set,
        changed(&|input| input.before.chain_id += F::ONE),
        // A message less than the batch starts from.
        changed(&|input| input.arrivals.slots.truncate(Variant::Batches(1).arrivals() - 1)),
        changed(&|input| input.before.trees.accounts = secret(1)),
    ];
    let transactions = transaction_keys(cache()).unwrap();
    let kernel = Compiled::new(BlockKernel::new(Variant::Batches(1), transactions, root)).unwrap();
    Kit::new(&kernel).input(&honest).run().assert_sound();
    Mutator::new(&kernel.definition)
        .honest([&honest])
        .dishonest(&dishonest)
        .by_line()
        .elsewhere("circuits/core/src/trees/")
        .elsewhere("circuits/core/src/recursion/")
        .elsewhere("circuits/protocol/src/key_set.rs")
        .elsewhere("environments/notes/src/arrival.rs")
        .allow_up_to(
            "environments/core/src/kernel.rs",
            1,
            "the tree of past roots has no leaf for a height beyond 32 bits",
        )
        .run()
        .assert_complete();
}

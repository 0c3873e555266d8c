//! Block kernels and chunks, over substitutes for the proofs of signatures and hashes.

use std::sync::LazyLock;

use bridge_core::Consumption;
use circuits_core::{Compiled, Digest, F, amount::Amount, layout::Layout};
use circuits_forging::{Kit, Mutator, assert_accepts, assert_rejects, check, fixtures::cache};
use circuits_protocol::{fold::Chain, statement::BlockStatement, wrap::block_shape};
use circuits_tables::{
    ecdsa::{SignatureStatement, Signed},
    keccak::{Block, KeccakStatement},
};
use circuits_tasks::provable::Catalogue;
use environments_conformance::secrets::{Recorder, no_secret_is_in, prove_with_worker};
use environments_core::{
    Environment, ProposedBlock, ProvenBlock,
    kernel::{Kernels as _, ProducerSecret},
};
use plonky2::field::types::Field;

use super::{
    agree::give,
    attacks::element,
    unchecked::{Anything, LISTED, Unchecked},
    world,
};
use crate::{
    AccountsBlock,
    address::account_key,
    block::{CHUNK_SLOTS, DIRECT_SLOTS, UNSIGNED_SLOTS, Variant, chunk_sizes},
    chunk::{ChunkChain, ChunkStatement},
    circuit::SlotInput,
    circuits::{BlockKernels, ChunkCircuits},
    fixtures::{
        CLIENTS, COLLECTOR, FEE, MINIMUM_FEE, NEWCOMER, START, World, amount, asset, bridge, key, swap,
        transfer,
    },
    kernel::{BlockInput, BlockKernel, BlockTransactions},
    provables,
    prove::{self, block_graph, chunk_inputs, kernel_input},
    signatures,
    state::{AccountsState, BlockContext, SealWitness},
    transaction::{AccountsTransaction, Action, SignedTransaction},
};

/// The range of what the collector of the fees has.
const COLLECTED: &str = "enforce_range at environments/accounts/src/kernel.rs";
/// The root in which the collector is found.
const COLLECTOR_ROOT: &str = "enforce_digest_equal at environments/accounts/src/kernel.rs";
/// Why no test of a block with slots misses it.
const IN_SLOTS: &str =
    "the collector's root is shown by a block without transactions, where no slot looks at it";
/// Why no test of a block without fees misses it.
const NO_FEES: &str = "a block without transactions pays no fees; one with transactions shows it";

const KERNELS: BlockKernels = BlockKernels::new(&Unchecked, &Unchecked);

fn secret() -> ProducerSecret {
    environments_conformance::secret(1)
}

/// Transactions of clients that pay each other in turn, each with these actions.
fn transactions(count: usize, actions: &[Action]) -> (World, Vec<SignedTransaction>) {
    let world = world();
    let mut trial = world.clone();
    let signed = (0..count).map(|n| trial.act(n % (CLIENTS - 1), actions)).collect();
    (world, signed)
}

/// Takes `count` messages in, and then transactions.
fn propose_with(
    world: &World,
    count: usize,
    transactions: &[SignedTransaction],
) -> ProposedBlock<AccountsBlock> {
    let claim = |n| AccountsTransaction::Arrival {
        message: world.message(6, n as u64, n % 3, 1, 5),
        consumption: Consumption::Claim,
    };
    let signed = transactions.iter().cloned().map(AccountsTransaction::from);
    let offered: Vec<_> = signed.chain((0..count).map(claim)).collect();
    let proposal = world.environment.propose(&world.state, &offered.iter().collect::<Vec<_>>()).unwrap();
    assert_eq!(proposal.included.len(), offered.len());
    proposal.block
}

fn propose(world: &World, transactions: &[SignedTransaction]) -> ProposedBlock<AccountsBlock> {
    propose_with(world, 0, transactions)
}

/// Proves a block of the world.
fn prove_block(proposed: &ProposedBlock<AccountsBlock>) -> ProvenBlock {
    block_graph(cache(), KERNELS, secret(), proposed).unwrap().prove().unwrap()
}

fn verified(block: &ProvenBlock, proposed: &ProposedBlock<AccountsBlock>) {
    assert_eq!(block.statement(), proposed.statement());
    circuits_core::proof::verify(block.proof(), block.key(), &block_shape().common).unwrap();
}

#[test]
fn blocks_with_and_without_transactions_are_proven() {
    let (world, signed) = transactions(2, &[transfer(3, 0, 5), swap(0, 1000, 1)]);
    for transactions in [&signed[..], &[]] {
        let proposed = propose(&world, transactions);
        verified(&prove_block(&proposed), &proposed);
    }
}

#[test]
fn blocks_with_messages_are_proven() {
    // One takes a message in and sends some, of which one fails.
    let (world, mut signed) = transactions(1, &[transfer(3, 0, 5), bridge(6, 1, 9), bridge(0, 0, 9)]);
    signed.push(world.sign(1, world.unsigned(1, &[bridge(6, 1, 9), bridge(6, 1, 1 << 40)])));
    let proposed = propose_with(&world, 3, &signed);
    assert_eq!((proposed.messages().inbox.len(), proposed.messages().outbox.len()), (3, 2));
    verified(&prove_block(&proposed), &proposed);
    // The other only takes in.
    let proposed = propose_with(&world, 2, &[]);
    assert_eq!(proposed.witness().variant(), Some(Variant::Unsigned));
    verified(&prove_block(&proposed), &proposed);
}

#[test]
fn a_block_of_chunks_is_proven() {
    let (world, signed) =
        transactions(23, &[transfer(3, 0, 5), bridge(6, 0, 5), transfer(3, 1, 5), bridge(6, 1, 5)]);
    let proposed = propose_with(&world, 19, &signed);
    let (variant, input) = kernel_input(cache(), &KERNELS, secret(), proposed.witness()).unwrap();
    assert_eq!(variant, Variant::Chunks { children: 2, table: 60 });
    let kernel = KERNELS.get(cache(), variant).unwrap();
    let graph = block_graph(cache(), KERNELS, secret(), &proposed).unwrap();
    let (workers, store) =
        (provables::add_to(cache(), &KERNELS, Catalogue::default()).unwrap(), Recorder::default());
    verified(&prove_with_worker(&graph, &workers, &store), &proposed);
    no_secret_is_in(&store, &graph, &[secret().expose()]);

    // A chunk of another state, of another block, and one of a circuit that is not listed.
    let circuits = ChunkCircuits::new(cache()).unwrap();
    let [chunk, _] = &chunk_inputs(proposed.witness(), &circuits)[..] else { panic!("two chunks") };
    let BlockTransactions::Chunks(children) = &input.transactions else { panic!("chunks") };
    let with_first = |child| {
        let transactions = BlockTransactions::Chunks(vec![child, children[1].clone()]);
        BlockInput { transactions, ..input.clone() }
    };
    let with = |change: &dyn Fn(&mut crate::chunk::ChunkInput)| {
        let mut chunk = chunk.clone();
        change(&mut chunk);
        with_first(circuits.prove(cache(), &chunk).unwrap())
    };
    let kernel = kernel.circuit(cache()).unwrap();
    assert_rejects(&kernel, &with(&|chunk| chunk.before.fees = F::ONE));
    assert_rejects(&kernel, &with(&|chunk| chunk.before.outbox = Digest::ZERO));
    assert_rejects(&kernel, &with(&|chunk| chunk.before.inbox = Digest::ZERO));
    assert_rejects(&kernel, &with(&|chunk| chunk.before.hashes = Digest::ZERO));
    assert_rejects(&kernel, &with(&|chunk| chunk.before.blocks = F::ONE));
    assert_rejects(&kernel, &with(&|chunk| chunk.context.domain[0] += F::ONE));
    assert_rejects(&kernel, &with(&|chunk| chunk.key_set_root = Digest::ZERO));
    let mut unlisted = children[0].clone();
    unlisted.membership.index += 1;
    assert_rejects(&kernel, &with_first(unlisted));
}

#[test]
fn chunks_cover_a_block_without_a_gap() {
    let (world, signed) = transactions(80, &[transfer(3, 0, 5), transfer(3, 1, 5)]);
    let proposed = propose(&world, &signed);
    let block = proposed.witness();
    let sizes = chunk_sizes(&[2; 80]);
    assert_eq!(sizes, [31, 31, 18]);
    let starts = [0, 31, 62].map(|first: usize| block.transactions[first].before);
    assert_eq!(starts[1].transactions, element(31));
    let part = |from: usize, to: Option<usize>| ChunkStatement {
        key_set_root: Digest::ZERO,
        context: block.context,
        before: starts[from],
        after: to.map_or(block.moved, |to| starts[to]),
    };
    let (first, second, third) = (part(0, Some(1)), part(1, Some(2)), part(2, None));
    let both = ChunkChain::join(&first, &second).unwrap();
    assert_eq!(ChunkChain::join(&both, &third).unwrap(), part(0, None));
    assert_eq!(ChunkChain::join(&first, &third).unwrap_err().field, "running state");
    for change in [(|part| part.before.outbox = Digest::ZERO) as fn(&mut ChunkStatement), |part| {
        part.before.inbox = Digest::ZERO
    }] {
        let mut other = second;
        change(&mut other);
        assert_eq!(ChunkChain::join(&first, &other).unwrap_err().field, "running state");
    }
    let mut later = second;
    later.context.height += F::ONE;
    assert_eq!(ChunkChain::join(&first, &later).unwrap_err().field, "context");
    assert!(sizes.iter().all(|size| 2 * size <= CHUNK_SLOTS));
}

/// A kernel of fewer slots than any that is listed, which has the same rules and fewer rows.
const SMALL: Variant = Variant::Direct { slots: 4, table: 30 };

/// The input of a block for [`SMALL`].
fn small_input(block: &AccountsBlock) -> BlockInput {
    let (_, input) = kernel_input(cache(), &KERNELS, secret(), block).unwrap();
    BlockInput { transactions: prove::direct(block, SMALL), ..input }
}

static SMALL_KERNEL: LazyLock<Compiled<BlockKernel>> = LazyLock::new(|| {
    Compiled::new(BlockKernel::new(SMALL, Some(Unchecked.verified(cache())), Digest::ZERO)).unwrap()
});

/// The input of a block of two transactions for [`SMALL`], and the state before the fees are paid out.
fn direct() -> (BlockInput, AccountsState) {
    let (world, signed) = transactions(2, &[transfer(3, 0, 5)]);
    let mut state = world.state.clone();
    signed.iter().for_each(|transaction| drop(state.execute(transaction).unwrap()));
    (small_input(propose(&world, &signed).witness()), state)
}

/// Proofs of other lists of signatures than the block's.
fn other_signatures(input: &BlockInput) -> Vec<BlockInput> {
    let (world, signed) = transactions(2, &[transfer(3, 0, 5)]);
    let honest = propose(&world, &signed).witness().signatures.clone();
    let (world, signed) = transactions(2, &[transfer(3, 0, 6)]);
    let foreign = propose(&world, &signed).witness().signatures.clone();
    let mut lists = vec![
        honest[..1].to_vec(),
        vec![],
        vec![honest[1], honest[0]],
        [&honest[..], &honest[1..]].concat(),
        vec![honest[0], foreign[1]],
    ];
    // The signature of another key.
    let mut stolen = honest.clone();
    stolen[0].key = foreign[1].key;
    lists.push(stolen);
    let claims = |list: &[Signed]| list.iter().map(Signed::claim).collect::<Vec<_>>();
    let mut statements: Vec<_> = lists.iter().map(|list| SignatureStatement::new(&claims(list))).collect();
    let mut miscounted = SignatureStatement::new(&claims(&honest));
    miscounted.count += F::ONE;
    statements.push(miscounted);
    let anything = cache().circuit(Anything).unwrap();
    let proofs = statements.iter().map(|statement| anything.prove(statement).unwrap());
    proofs.map(|proof| BlockInput { signatures: Some(proof), ..input.clone() }).collect()
}

/// Proofs of other lists of hashes than the block's, and one by a circuit that is not listed.
fn other_hashes(input: &BlockInput) -> Vec<BlockInput> {
    let (world, signed) = transactions(2, &[transfer(3, 0, 5)]);
    let honest = blocks(propose(&world, &signed).witness());
    let (world, signed) = transactions(2, &[transfer(3, 0, 6)]);
    let foreign = blocks(propose(&world, &signed).witness());
    assert_eq!(honest.len(), foreign.len());
    let mut lists = vec![
        honest[..honest.len() - 1].to_vec(),
        honest[1..].to_vec(),
        vec![],
        [&honest[..], &honest[..1]].concat(),
        [&honest[1..2], &honest[..1], &honest[2..]].concat(),
        foreign,
    ];
    // Another digest, another word, and a message that goes on.
    for change in [
        (|block: &mut Block| block.digest[7] += F::ONE) as fn(&mut Block),
        |block| block.words[0] += F::ONE,
        |block| block.last = F::ZERO,
    ] {
        let mut changed = honest.clone();
        change(&mut changed[0]);
        lists.push(changed);
    }
    let statements: Vec<_> = lists.iter().map(|list| KeccakStatement::new(list)).collect();
    let mut miscounted = KeccakStatement::new(&honest);
    miscounted.blocks += F::ONE;
    let proofs = statements.iter().chain([&miscounted]).map(|statement| (0, *statement));
    let unlisted = (LISTED, KeccakStatement::new(&honest));
    let proofs =
        proofs.chain([unlisted]).map(|(circuit, statement)| Unchecked.state(cache(), circuit, &statement));
    proofs.map(|proof| BlockInput { hashes: Some(proof), ..input.clone() }).collect()
}

/// The blocks that a block's transactions hash.
fn blocks(block: &AccountsBlock) -> Vec<Block> {
    block.transactions.iter().flat_map(|transaction| transaction.blocks.clone()).collect()
}

#[test]
fn every_listed_table_of_hashes_is_accepted() {
    let (input, _) = direct();
    let (world, signed) = transactions(2, &[transfer(3, 0, 5)]);
    let statement = KeccakStatement::new(&blocks(propose(&world, &signed).witness()));
    for circuit in 0..LISTED {
        let hashes = Some(Unchecked.state(cache(), circuit, &statement));
        assert_accepts(&SMALL_KERNEL, &BlockInput { hashes, ..input.clone() });
    }
}

#[test]
fn a_block_holds_the_transactions_whose_signatures_and_hashes_are_proven() {
    let (input, state) = direct();
    let (signatures, hashes) = (other_signatures(&input), other_hashes(&input));
    assert_accepts(&SMALL_KERNEL, &input);
    signatures.iter().chain(&hashes).for_each(|other| assert_rejects(&SMALL_KERNEL, other));
    let astray = astray(&input, &state);
    let too_rich = small_input(&too_rich());
    assert_rejects(&SMALL_KERNEL, &too_rich);
    Mutator::new(&SMALL_KERNEL.definition)
        .honest([&input])
        // The last lies: a list, its count, and the circuit. Each breaks a rule of its own, and those before break no others.
        .dishonest(&signatures[signatures.len() - 2..])
        .dishonest(&hashes[hashes.len() - 3..])
        .dishonest(&astray)
        .dishonest([&too_rich])
        .elsewhere("circuits/core/src/")
        .elsewhere("circuits/protocol/src/")
        .elsewhere("circuits/tables/src/")
        .elsewhere("environments/accounts/src/circuit/")
        .elsewhere("environments/accounts/src/typed_data/")
        .elsewhere("environments/core/src/kernel.rs")
        .allow_up_to(COLLECTOR_ROOT, 1, IN_SLOTS)
        .inputs_only()
        .run()
        .assert_complete();
}

/// What shows with four slots and a substitute for the signatures shows in a kernel that registries list.
#[test]
fn the_listed_kernel_of_small_blocks_rejects_what_breaks_a_rule() {
    let (world, signed) = transactions(2, &[transfer(3, 0, 5)]);
    let mut state = world.state.clone();
    signed.iter().for_each(|transaction| drop(state.execute(transaction).unwrap()));
    let block = propose(&world, &signed);
    let (variant, input) = kernel_input(cache(), &signatures::KERNELS, secret(), block.witness()).unwrap();
    assert_eq!(variant, Variant::Direct { slots: DIRECT_SLOTS[0], table: 30 });
    let kernel = signatures::KERNELS.get(cache(), variant).unwrap().circuit(cache()).unwrap();
    assert_accepts(&kernel, &input);
    astray(&input, &state).iter().for_each(|other| assert_rejects(&kernel, other));

    // Other blocks than the one whose signatures are proved: with fewer transactions, in another order, and others.
    let with = |block: &AccountsBlock| BlockInput {
        before: block.before,
        transactions: prove::direct(block, variant),
        seal: block.seal.clone(),
        ..input.clone()
    };
    let (_, others) = transactions(2, &[transfer(3, 0, 6)]);
    let swapped = [signed[1].clone(), signed[0].clone()];
    for transactions in [&signed[..1], &[], &swapped, &others] {
        assert_rejects(&kernel, &with(propose(&world, transactions).witness()));
    }
    assert_rejects(&kernel, &with(&too_rich()));
}

#[test]
fn nobody_makes_a_transaction_in_a_block_without_signatures() {
    let world = world();
    let proposed = propose_with(&world, 2, &[]);
    let (variant, input) = kernel_input(cache(), &KERNELS, secret(), proposed.witness()).unwrap();
    let compiled = cache().circuit(BlockKernel::new(variant, None, Digest::ZERO)).unwrap();
    assert_accepts(&compiled, &input);
    // A good transaction, and one that fails, which would still pay a fee.
    let unsigned = |action| {
        let (world, signed) = transactions(1, &[action]);
        let proposed = propose_with(&world, 2, &signed);
        let (_, signed) = kernel_input(cache(), &KERNELS, secret(), proposed.witness()).unwrap();
        let BlockTransactions::Direct(mut slots) = signed.transactions else { panic!("slots") };
        slots.resize(UNSIGNED_SLOTS, SlotInput::idle(&proposed.witness().context));
        BlockInput {
            transactions: BlockTransactions::Direct(slots),
            signatures: None,
            hashes: None,
            seal: signed.seal,
            ..input.clone()
        }
    };
    let dishonest = [unsigned(transfer(3, 0, 5)), unsigned(transfer(0, 0, 5)), unsigned(bridge(6, 0, 5))];
    dishonest.iter().for_each(|other| assert_rejects(&compiled, other));
    let mut state = world.state.clone();
    for taken in &proposed.witness().arrivals {
        state.arrive(&taken.message, taken.consumption).unwrap();
    }
    Mutator::new(&compiled.definition)
        .honest([&input])
        .dishonest(&dishonest)
        .dishonest(&astray(&input, &state))
        .elsewhere("circuits/core/src/")
        .elsewhere("circuits/protocol/src/")
        .elsewhere("circuits/tables/src/")
        .elsewhere("environments/accounts/src/circuit/")
        .elsewhere("environments/accounts/src/typed_data/")
        .elsewhere("environments/core/src/kernel.rs")
        .allow_up_to(COLLECTED, 1, NO_FEES)
        .allow_up_to(COLLECTOR_ROOT, 1, IN_SLOTS)
        .inputs_only()
        .run()
        .assert_complete();
}

#[test]
fn case_89_a_block_charges_the_minimum_fee_of_its_state() {
    let (honest, state) = direct();
    let with = |minimum_fee: u64| {
        let mut input = honest.clone();
        input.before.minimum_fee = element(minimum_fee);
        let context = BlockContext { minimum_fee: element(minimum_fee), ..state.context() };
        if let BlockTransactions::Direct(slots) = &mut input.transactions {
            slots[2..].fill(SlotInput::idle(&context));
        }
        input
    };
    // Its two transactions pay it for their one action, and no more.
    let states = [MINIMUM_FEE, FEE].map(|minimum_fee| {
        let statement = check(&SMALL_KERNEL, &with(minimum_fee)).unwrap();
        let BlockStatement { previous_state, new_state, .. } = BlockStatement::decode(&statement).unwrap();
        (previous_state, new_state)
    });
    assert_rejects(&SMALL_KERNEL, &with(FEE + 1));
    assert_ne!(states[0].0, states[1].0);
    assert_ne!(states[0].1, states[1].1);
}

/// A block whose collector of the fees has almost all that an amount can hold, which no honest producer lets happen.
fn too_rich() -> AccountsBlock {
    let (mut world, signed) = transactions(2, &[transfer(3, 0, 5)]);
    let collector = key(COLLECTOR).address();
    give(&mut world, COLLECTOR, asset(0), amount(Amount::MAX.get() - START));
    let mut state = world.state.clone();
    let executed: Vec<_> = signed.iter().map(|signed| state.execute(signed).unwrap()).collect();
    let domain = state.deployment.signing_domain();
    let signatures =
        signed.iter().zip(&executed).map(|(signed, one)| signed.signed(&domain, one.key)).collect();
    let block = AccountsBlock {
        before: world.state.fields(),
        context: world.state.context(),
        arrivals: vec![],
        transactions: executed,
        signatures,
        positions: vec![0, 1],
        moved: state.running(),
        seal: SealWitness {
            account: state.account(&collector).unwrap().clone(),
            leaf: state.records.tree.prove_update(&account_key(collector)).unwrap(),
        },
    };
    assert!(state.seal().is_err());
    block
}

/// The same block, whose fees go astray.
fn astray(input: &BlockInput, state: &AccountsState) -> Vec<BlockInput> {
    let tree = &state.records.tree;
    let other = key(0).address();
    let mut stolen = input.clone();
    stolen.seal.account = state.account(&other).unwrap().clone();
    stolen.seal.leaf = tree.prove_update(&account_key(other)).unwrap();
    let mut absent = input.clone();
    absent.before.fee_account = key(NEWCOMER).address().limbs();
    let mut invented = input.clone();
    invented.seal.account.nonce = 9;
    let mut elsewhere = input.clone();
    elsewhere.before.root = Digest::ZERO;
    let mut last = input.clone();
    last.before.height = element((1 << 32) - 1);
    vec![stolen, absent, invented, elsewhere, last]
}

#[test]
fn the_fees_go_to_their_account() {
    let world = world();
    let (variant, input) = kernel_input(cache(), &KERNELS, secret(), propose(&world, &[]).witness()).unwrap();
    assert_eq!(variant, Variant::Empty);
    let compiled = cache().circuit(BlockKernel::new(variant, None, Digest::ZERO)).unwrap();
    assert_accepts(&compiled, &input);
    let dishonest = astray(&input, &world.state);
    dishonest.iter().for_each(|other| assert_rejects(&compiled, other));
    Kit::new(&compiled).input(&input).run().assert_sound();
    let collector = key(COLLECTOR).address();
    assert_eq!(input.before.fee_account, collector.limbs());
    Mutator::new(&compiled.definition)
        .honest([&input])
        .dishonest(&dishonest)
        .elsewhere("circuits/core/src/trees/")
        .allow_up_to(COLLECTED, 1, NO_FEES)
        .run()
        .assert_complete();
}

#[test]
fn a_producer_proves_its_own_blocks() {
    let (input, _) = direct();
    let producer = |input: &BlockInput| {
        let statement = check(&SMALL_KERNEL, input).unwrap();
        BlockStatement::decode(&statement).unwrap().producer
    };
    let other = BlockInput { secret: environments_conformance::secret(2), ..input.clone() };
    assert_ne!(producer(&input), producer(&other));
}

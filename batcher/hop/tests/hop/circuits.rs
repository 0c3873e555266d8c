//! A superblock proof of the smallest shape on its way through all circuits of the hop, and lies on that way.
//!
//! The superblock circuit is one that proves any statement: what a superblock must prove is tested where it is defined.

use std::{
    fs,
    path::Path,
    sync::{
        LazyLock, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use batcher_hop::{
    HopCircuits, HopProof, HopProveError, HopProver,
    circuits::{KeccakHop, PoseidonHop, Shrink, Source, keccak_common, poseidon_shape},
    file,
    fixture::Fixture,
    graph::{HopGraphError, STAGE_BYTES},
    keys::outer_digest,
    outer_circuit::OuterCompiled,
    stages::Stages,
};
use batcher_verify::{
    circuit::{SuperblockCircuit, superblock_shape},
    hop_keys::{HopKeys, OuterKeyText},
    keys::{KeyText, PinnedKeys},
};
use circuits_core::{
    Builder, Compiled, Definition, F, Proof, VerifierKey, Witness,
    constrain::Constrain as _,
    layout::{Layout, WitnessError, new_virtual, set},
    recursion::{Shape, key_digest},
    security::SecurityReport,
};
use circuits_forging::{Kit, Mutator, assert_accepts, assert_rejects};
use circuits_keys::CircuitCache;
use circuits_protocol::{fold::FoldChild, key_set::KeySet, statement::SuperblockStatement};
use circuits_prover::{basetypes::standard_config, outer::OuterKey};
use circuits_tasks::{
    coordinator::GraphRunError,
    folder::FolderStore,
    graph::Place,
    in_process::InProcess,
    progress::Progress,
    provable::{Catalogue, ProvableError},
    shared::Shared,
    store::{MemoryStore, Object, Store as _},
    worker::{TaskError, Worker},
};
use plonky2::{
    field::types::Field as _,
    hash::hash_types::HashOut,
    iop::target::{BoolTarget, Target},
    plonk::circuit_data::CircuitConfig,
};

/// Proves any statement in the shape of the smallest superblock proofs. Each flavour has a key of its own.
struct FreeSuperblock(u64);

impl Definition for FreeSuperblock {
    type Statement = SuperblockStatement<Target>;
    type NativeStatement = SuperblockStatement;
    type Targets = SuperblockStatement<Target>;
    type Input = SuperblockStatement;

    fn name(&self) -> String {
        format!("free-superblock-{}", self.0)
    }

    fn config(&self) -> CircuitConfig {
        standard_config()
    }

    fn shape(&self) -> Option<&Shape> {
        Some(superblock_shape(SuperblockCircuit::Blocks(1)))
    }

    fn define(&self, builder: &mut Builder) -> (Self::Statement, Self::Targets) {
        let statement: SuperblockStatement<Target> = new_virtual(builder);
        let flavour = builder.constant(F::from_canonical_u64(self.0));
        let same = builder.is_equal(flavour, flavour);
        builder.enforce_true(BoolTarget::new_unsafe(same.target));
        (statement, statement)
    }

    fn assign(
        &self,
        targets: &Self::Targets,
        input: &SuperblockStatement,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        set(witness, targets, input)
    }
}

fn statement() -> SuperblockStatement {
    let elements: Vec<_> =
        (1000..).map(F::from_canonical_u64).take(<SuperblockStatement as Layout<F>>::LEN).collect();
    SuperblockStatement::decode(&elements).expect("a statement")
}

/// The shrink of the first of two superblock circuits, its proof, and both circuits' proofs as it takes them.
struct Start {
    shrink: Compiled<Shrink>,
    listed: FoldChild,
    unlisted: FoldChild,
    shrunk: FoldChild,
    shrinks: KeySet,
}

static START: LazyLock<Start> = LazyLock::new(|| {
    let [listed, stranger] = [1, 2].map(|flavour| Compiled::new(FreeSuperblock(flavour)).expect("it fits"));
    let definition = Shrink::new(Source::Small, |circuit| match circuit {
        SuperblockCircuit::Blocks(_) => key_digest(listed.key()),
        SuperblockCircuit::Segments(_) => key_digest(&another(listed.key())),
    });
    let membership = definition.superblock_set().membership(key_digest(listed.key())).expect("a member");
    let child = |circuit: &Compiled<FreeSuperblock>| FoldChild {
        proof: circuit.prove(&statement()).expect("provable"),
        key: circuit.key().clone(),
        membership: membership.clone(),
    };
    let (listed, unlisted) = (child(&listed), child(&stranger));
    let shrink = Compiled::new(definition).expect("it fits");
    let shrinks = KeySet::new(&[key_digest(shrink.key())]);
    let shrunk = FoldChild {
        proof: shrink.prove(&listed).expect("provable"),
        key: shrink.key().clone(),
        membership: shrinks.membership(key_digest(shrink.key())).expect("a member"),
    };
    Start { shrink, listed, unlisted, shrunk, shrinks }
});

/// The hop over the shrinks of the start.
static HOP: LazyLock<Compiled<PoseidonHop>> =
    LazyLock::new(|| Compiled::new(PoseidonHop::new(START.shrinks.root())).expect("it fits"));

/// The same with what makes it false: another statement, another opening, another key, keys mixed of two.
fn lies(honest: &FoldChild, other: &FoldChild) -> Vec<FoldChild> {
    let changed = |change: fn(&mut Proof)| {
        let mut lie = honest.clone();
        change(&mut lie.proof);
        lie
    };
    let mixed = |proof: &Proof, cap: &VerifierKey, digest: &VerifierKey| FoldChild {
        proof: proof.clone(),
        key: VerifierKey {
            constants_sigmas_cap: cap.constants_sigmas_cap.clone(),
            circuit_digest: digest.circuit_digest,
        },
        membership: honest.membership.clone(),
    };
    vec![
        changed(|proof| proof.public_inputs[0] += F::ONE),
        changed(|proof| proof.public_inputs[38] += F::ONE),
        changed(|proof| proof.proof.openings.wires[0] += plonky2::field::types::Field::ONE),
        other.clone(),
        FoldChild { key: honest.key.clone(), ..other.clone() },
        mixed(&other.proof, &other.key, &honest.key),
        mixed(&honest.proof, &honest.key, &other.key),
    ]
}

#[test]
fn a_shrink_takes_proofs_of_its_superblock_circuits_and_no_others() {
    let Start { shrink, listed, unlisted, .. } = &*START;
    assert_accepts(shrink, listed);
    let lies = lies(listed, unlisted);
    lies.iter().for_each(|lie| assert_rejects(shrink, lie));
    Kit::new(shrink).input(listed).run().assert_sound();
    Mutator::new(&shrink.definition).honest([listed]).dishonest(&lies).run().assert_complete();
}

#[test]
fn a_hop_takes_proofs_of_its_shrinks_and_no_others() {
    let Start { shrunk, unlisted, .. } = &*START;
    assert_accepts(&*HOP, shrunk);
    // A shrink of the stranger, which is in no set.
    let stranger = Compiled::new(Shrink::new(Source::Small, |_| key_digest(&unlisted.key))).expect("it fits");
    let set = stranger.definition.superblock_set();
    let membership = set.membership(key_digest(&unlisted.key)).expect("a member");
    let other = FoldChild {
        proof: stranger.prove(&FoldChild { membership, ..unlisted.clone() }).expect("provable"),
        key: stranger.key().clone(),
        membership: shrunk.membership.clone(),
    };
    let lies = lies(shrunk, &other);
    lies.iter().for_each(|lie| assert_rejects(&*HOP, lie));
    Kit::new(&*HOP).input(shrunk).run().assert_sound();
}

#[test]
fn a_hop_makes_the_statement_of_the_superblock_and_of_no_other() {
    let Start { shrunk, listed, .. } = &*START;
    let hop = &*HOP;
    let hopped = hop.prove(shrunk).expect("provable");
    assert_eq!(hop.statement(&hopped).expect("a statement"), statement());
    let keccak = OuterCompiled::new(KeccakHop::new(hop.key().clone())).expect("the code exists");
    assert_eq!(&keccak.circuit().common, keccak_common());
    let mut other = hopped;
    other.public_inputs[7] += F::ONE;
    assert!(keccak.prove(&other).is_err(), "another statement was proved");
    let pinned = pinned(hop.key().clone(), keccak.key().clone());
    drop(keccak);

    let cache = CircuitCache::default();
    let superblock = SuperblockCircuit::Blocks(1);
    let directory = tempfile::tempdir().expect("a directory");
    let path = file::path_beside(&directory.path().join("superblock-000001.superblock"));
    let hop = resumed_hop(&pinned, &cache, &path);
    assert_eq!(hop.verify(pinned.hop.keccak.get()), Ok(()));
    assert_eq!(hop.statement().expect("a statement"), statement());
    assert_eq!(hop.outer_digest(), outer_digest(pinned.hop.keccak.get(), keccak_common()));
    let decoded = HopProof::from_calldata(hop.outer_digest(), &hop.to_calldata(), hop.public_inputs());
    assert_eq!(decoded.as_ref(), Ok(&hop));
    // The contract's tests refuse this proof: it is valid for another circuit of the last one's form.
    if let Some(path) = std::env::var_os("SUPERBLOCK_RECORD_OTHER_HOP") {
        let fixture =
            Fixture::new(hop.proof(), pinned.hop.keccak.get(), keccak_common()).expect("challenges");
        let text = serde_json::to_string_pretty(&fixture).expect("it serialises");
        std::fs::write(path, text + "\n").expect("writable");
    }

    file::write(&path, &hop).expect("writable");
    assert!(file::is_hop(&path));
    assert_eq!(file::read(&path).expect("readable"), hop);
    assert_eq!(file::first_difference(&hop, &statement()), None);
    let other = SuperblockStatement { block_count: F::ZERO, ..statement() };
    assert_eq!(file::first_difference(&hop, &other), Some(18));

    // The keys of other circuits are noticed where each circuit is used first.
    let stale = PinnedKeys { hop: PinnedKeys::embedded().hop.clone(), ..pinned };
    let store = MemoryStore::default();
    let stages = Stages::among(&store);
    let error =
        HopProver::new(&stale, &cache).prove(superblock, listed.proof.clone(), &stages).expect_err("stale");
    let HopProveError::Run(GraphRunError::GivenUp { label, given_up }) = &error else {
        panic!("{error}");
    };
    let is_other_key =
        matches!(&*given_up.error, TaskError::Provable { source: ProvableError::OtherKey { .. }, .. });
    assert!(label == "shrink" && is_other_key, "{error}");
    // Workers that do nothing are not waited for without end.
    let shared = Shared { queue: &InProcess::new(1, 0), store: &store, worker: None };
    let error = HopProver::new(&stale, &cache)
        .with_shared(Some(shared))
        .with_patience(Duration::from_millis(10))
        .prove(superblock, listed.proof.clone(), &stages)
        .expect_err("there are none");
    let HopProveError::Run(GraphRunError::Patience { label, memory, .. }) = &error else {
        panic!("{error}");
    };
    assert!(label == "shrink" && *memory == STAGE_BYTES, "{error}");
    let error = HopProver::new(&PinnedKeys { superblock: vec![], ..stale }, &cache)
        .prove(superblock, listed.proof.clone(), &stages)
        .expect_err("there is none");
    assert!(matches!(error, HopProveError::Graph(HopGraphError::UnknownSuperblock(_))), "{error}");
}

/// Asks to stop when a stage starts.
struct StopAt {
    stage: &'static str,
    stop: AtomicBool,
    /// The stages that were started, and those that an earlier run had made.
    started: Mutex<Vec<String>>,
    resumed: Mutex<Vec<String>>,
}

impl StopAt {
    fn new(stage: &'static str) -> Self {
        Self { stage, stop: AtomicBool::new(false), started: Mutex::default(), resumed: Mutex::default() }
    }
}

impl Progress for StopAt {
    fn begin(&self, _: usize) {}

    fn start(&self, task: &str) {
        self.started.lock().expect("no panic").push(task.to_owned());
        self.stop.store(task == self.stage, Ordering::Relaxed);
    }

    fn done(&self, task: &str, resumed: bool) {
        if resumed {
            self.resumed.lock().expect("no panic").push(task.to_owned());
        }
    }

    fn note(&self, message: &str) {
        panic!("{message}");
    }
}

/// The hop of the listed superblock, which stops twice on the way and makes no stage twice. A worker makes the last stage, with what
/// is beside the file as the store that it shares.
fn resumed_hop(pinned: &PinnedKeys, cache: &CircuitCache, path: &Path) -> HopProof {
    let proof = &START.listed.proof;
    let beside = FolderStore::new(&path.with_extension("hop.stages"));
    let hops = HopCircuits::new(pinned, cache);
    let catalogue = hops.add_to(Catalogue::default());
    let (queue, worker) = (InProcess::new(1, STAGE_BYTES), Worker::new(&catalogue, &beside, &()));
    let shared = Shared { queue: &queue, store: &beside, worker: Some(&worker) };
    let runs = [
        (StopAt::new("shrink"), None, vec!["shrink"], vec![]),
        (StopAt::new("Poseidon hop"), None, vec!["Poseidon hop"], vec!["shrink"]),
        (StopAt::new("never"), Some(shared), vec![], vec!["Poseidon hop"]),
    ];
    let mut made = None;
    for (progress, shared, started, resumed) in runs {
        let prover = HopProver::new(pinned, cache).with_progress(&progress).with_stop(&progress.stop);
        let prover = prover.with_shared(shared);
        let stages = prover.stages(path).expect("nobody else makes the hop");
        match prover.prove(SuperblockCircuit::Blocks(1), proof.clone(), &stages) {
            Ok(hop) => made = Some(hop),
            Err(error) => assert!(matches!(error, HopProveError::Stopped), "{error}"),
        }
        assert_eq!(*progress.started.lock().expect("no panic"), started);
        assert_eq!(*progress.resumed.lock().expect("no panic"), resumed);
    }
    let graph = hops.graph(SuperblockCircuit::Blocks(1), &statement()).expect("every key is there");
    // What is shared stays for others who make the hop.
    for (id, task) in graph.tasks().filter(|(_, task)| task.place == Place::Anywhere) {
        assert!(beside.has(&Object::Proof(id)).expect("readable"), "{}", task.label);
    }
    check_one_at_a_time(path);
    let left = fs::read_dir(path.parent().expect("a directory")).expect("readable").count();
    assert_eq!(left, 0, "a folder of stages");
    made.expect("the last run goes to its end")
}

/// Of two that make one hop at the same place, the second one waits until the first is done, or until it is asked to stop.
fn check_one_at_a_time(path: &Path) {
    let first = Stages::beside(path).expect("nobody is at it");
    assert!(Stages::beside(path).is_none());
    let (cache, stop) = (CircuitCache::default(), AtomicBool::new(true));
    let second = HopProver::new(PinnedKeys::embedded(), &cache).with_stop(&stop);
    assert!(matches!(second.stages(path), Err(HopProveError::Stopped)));
    stop.store(false, Ordering::Relaxed);
    let impatient = HopProver::new(PinnedKeys::embedded(), &cache).with_patience(Duration::from_millis(1));
    let stages = impatient.stages(path).expect("in memory");
    assert!(Stages::beside(path).is_none());
    stages.clear();
    assert!(Stages::beside(path).is_none(), "those of the first one are left alone");
    thread::scope(|scope| {
        let waits = scope.spawn(|| second.stages(path).map(Stages::clear));
        first.clear();
        waits.join().expect("no panic").expect("the first one is done");
    });
}

/// A key of no circuit.
fn another(key: &VerifierKey) -> VerifierKey {
    VerifierKey { circuit_digest: HashOut::ZERO, ..key.clone() }
}

/// Keys with those of the test's circuits: superblocks over blocks are the listed circuit.
fn pinned(poseidon: VerifierKey, keccak: OuterKey) -> PinnedKeys {
    let Start { listed, shrink, .. } = &*START;
    let key = |circuit| match circuit {
        SuperblockCircuit::Blocks(_) => listed.key.clone(),
        SuperblockCircuit::Segments(_) => another(&listed.key),
    };
    PinnedKeys {
        segment_set: vec![],
        superblock: SuperblockCircuit::all().map(|circuit| KeyText::new(key(circuit))).collect(),
        hop: HopKeys {
            shrink_set: vec![key_digest(shrink.key())],
            poseidon: KeyText::new(poseidon),
            keccak: OuterKeyText::new(keccak),
        },
    }
}

/// The Keccak hop with so short a code that the kit can build it under the workspace's configuration.
struct Short(KeccakHop);

impl Definition for Short {
    type Statement = SuperblockStatement<Target>;
    type NativeStatement = SuperblockStatement;
    type Targets = <KeccakHop as Definition>::Targets;
    type Input = Proof;

    fn name(&self) -> String {
        "hop-keccak-short".to_owned()
    }

    fn config(&self) -> CircuitConfig {
        let mut config = self.0.config();
        config.fri_config.rate_bits = standard_config().fri_config.rate_bits;
        config.security_bits = 60;
        config
    }

    fn define(&self, builder: &mut Builder) -> (Self::Statement, Self::Targets) {
        self.0.define(builder)
    }

    fn assign(
        &self,
        targets: &Self::Targets,
        input: &Proof,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        self.0.assign(targets, input, witness)
    }
}

/// Proves any statement in the shape of proofs of the Poseidon hop.
struct FreeHop;

impl Definition for FreeHop {
    type Statement = SuperblockStatement<Target>;
    type NativeStatement = SuperblockStatement;
    type Targets = SuperblockStatement<Target>;
    type Input = SuperblockStatement;

    fn name(&self) -> String {
        "free-hop".to_owned()
    }

    fn config(&self) -> CircuitConfig {
        poseidon_shape().common.config.clone()
    }

    fn shape(&self) -> Option<&Shape> {
        Some(poseidon_shape())
    }

    fn define(&self, builder: &mut Builder) -> (Self::Statement, Self::Targets) {
        let statement: SuperblockStatement<Target> = new_virtual(builder);
        (statement, statement)
    }

    fn assign(
        &self,
        targets: &Self::Targets,
        input: &SuperblockStatement,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        set(witness, targets, input)
    }
}

#[test]
fn the_last_circuit_survives_the_forging_kit() {
    let free = Compiled::new(FreeHop).expect("it fits");
    let honest = free.prove(&statement()).expect("provable");
    let last = Compiled::new(Short(KeccakHop::new(free.key().clone()))).expect("it builds");
    assert_accepts(&last, &honest);
    let mut lie = honest.clone();
    lie.public_inputs[0] += F::ONE;
    assert_rejects(&last, &lie);
    Kit::new(&last).input(&honest).run().assert_sound();
}

#[test]
fn every_superblock_circuit_has_a_shrink() {
    for circuit in SuperblockCircuit::all() {
        let source = Source::of(circuit);
        assert_eq!(source.degree_bits(), superblock_shape(circuit).common.degree_bits());
        assert!(source.circuits().any(|other| other == circuit));
    }
}

#[test]
fn the_last_circuit_has_the_required_bits() {
    SecurityReport::of_circuit(KeccakHop::NAME, keccak_common()).check().expect("100 bits");
}

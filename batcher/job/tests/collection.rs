//! What proving leaves in a collection is all that the same proofs need elsewhere, for our circuits and for others'.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::{Arc, Mutex, atomic::AtomicBool},
};

use batcher_circuits::engine::Engine;
use batcher_job::{batch::Batcher, output::OutputDirectory, planner::Planner, states::States};
use batcher_keys::{
    config::{Config, Flags, Surroundings},
    open, pins,
};
use batcher_verify::keys::PinnedKeys;
use circuits_core::{
    Builder, Definition, Digest, F, Witness,
    amount::Amount,
    circuit::named,
    hash::{Domain, hash_circuit},
    layout::{WitnessError, new_virtual, set},
};
use circuits_forging::fixtures::key_directory;
use circuits_keys::{CircuitCache, DirectoryStore, Event, KeyStore, Listener, MemoryStore};
use circuits_protocol::{
    registry::{KernelEntry, Registry, RegistryEntry},
    statement::BlockStatement,
};
use circuits_prover::basetypes::standard_config;
use circuits_tasks::progress::Quiet;
use environments_conformance::secret;
use environments_core::{
    BlockBundle, BlockProducer, Environment, EnvironmentId,
    kernel::{AnyKernel as _, Kernel},
};
use environments_counter::{Add, Counter};
use environments_l1::circuits::KERNELS;
use environments_notes::{NotesTransaction, fixtures};
use plonky2::{field::types::Field, iop::target::Target, plonk::circuit_data::CircuitConfig};

const CHAIN_ID: u64 = 77;

/// What happened to circuits, by their names.
#[derive(Clone, Default)]
struct Events(Arc<Mutex<Vec<Event>>>);

impl Events {
    fn listener(&self) -> Listener {
        let events = self.0.clone();
        Arc::new(move |event: &Event| events.lock().unwrap().push(event.clone()))
    }

    fn names(&self, wanted: impl Fn(&Event) -> Option<&String>) -> BTreeSet<String> {
        self.0.lock().unwrap().iter().filter_map(wanted).cloned().collect()
    }

    fn made(&self) -> BTreeSet<String> {
        self.names(|event| match event {
            Event::Making { identifier } => Some(identifier),
            _ => None,
        })
    }

    fn proved(&self) -> BTreeSet<String> {
        self.names(|event| match event {
            Event::Proving { identifier } => Some(identifier),
            _ => None,
        })
    }

    fn trouble(&self) -> Vec<Event> {
        let events = self.0.lock().unwrap();
        let harmless = |event: &&Event| {
            matches!(
                event,
                Event::Loaded { .. } | Event::Making { .. } | Event::Made { .. } | Event::Proving { .. }
            )
        };
        events.iter().filter(|event| !harmless(event)).cloned().collect()
    }
}

/// The kinds of key files of each circuit.
fn content(store: &MemoryStore) -> BTreeMap<String, Vec<String>> {
    let mut content = BTreeMap::<_, Vec<_>>::new();
    for file in store.files() {
        let header = file.header.unwrap();
        assert!(file.bytes > header.payload.bytes);
        content.entry(header.kind.identifier).or_default().push(header.kind.kind.to_string());
    }
    content
}

/// Proves with keys that are kept where tests keep them, then with those alone that this left in a collection.
fn starts_warm_from_its_collection(prove: impl Fn(&Arc<CircuitCache>)) {
    let pins = pins::embedded().unwrap();
    let cache = || CircuitCache::new(pins::origin(&pins)).with_pins(pins.clone());
    let (collection, cold) = (Arc::new(MemoryStore::default()), Events::default());
    prove(&Arc::new(
        cache()
            .with_store(Arc::new(DirectoryStore::new(key_directory())))
            .with_collection(collection.clone())
            .with_listener(cold.listener()),
    ));
    assert_eq!(cold.trouble(), []);
    let proved = cold.proved();
    assert!(!proved.is_empty());
    let collected = content(&collection);
    for (circuit, kinds) in &collected {
        assert!(kinds.len() == 3 || (kinds.len() == 2 && !proved.contains(circuit)), "{circuit}: {kinds:?}");
    }
    assert!(proved.iter().all(|circuit| collected.contains_key(circuit)), "{proved:?}");

    let warm = Events::default();
    prove(&Arc::new(cache().with_store(collection).with_listener(warm.listener())));
    assert_eq!((warm.made(), warm.trouble()), (BTreeSet::new(), vec![]));
    assert_eq!(warm.proved(), proved);
}

#[test]
fn a_block_of_counters_and_its_superblock_need_no_more_than_they_collected() {
    starts_warm_from_its_collection(|cache| {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let counter = Counter::new(CHAIN_ID, EnvironmentId(1), secret(1), Amount::ZERO).unwrap();
        let mut producer = BlockProducer::new(counter);
        producer.submit(Add { add: Amount::new(5).unwrap() }).unwrap();
        producer.propose_block().unwrap();
        let block = producer.prove(cache, 1).unwrap();
        let kernel = KernelEntry { key: block.key_digest(), valid_from: 1, valid_until: 1 };
        let genesis_state = counter.commitment(&counter.genesis());
        let entry = RegistryEntry::new(genesis_state, secret(1).producer(), vec![kernel]);
        let mut registry = Registry::default();
        registry.insert(counter.id(), entry).unwrap();

        fs::create_dir(root.join("blocks")).unwrap();
        fs::write(root.join("blocks/1.block"), BlockBundle::new(&block).encode().unwrap()).unwrap();
        let mut states = States::open(root, Some(CHAIN_ID)).unwrap();
        let batcher = Batcher {
            engine: &Engine::new(PinnedKeys::embedded().clone(), cache.clone()),
            output: &OutputDirectory::new(root),
            trust: None,
            l1: &KERNELS,
            progress: &Quiet,
            planner: Planner::default(),
            shared: None,
            replan: false,
            jobs: 1,
            stop: &AtomicBool::new(false),
        };
        let outcome = batcher.run(&root.join("blocks"), &[], &mut states, &registry, root).unwrap();
        assert_eq!(outcome.made.unwrap().included.len(), 1);
    });
}

#[test]
fn a_block_of_notes_needs_no_more_than_it_collected() {
    starts_warm_from_its_collection(|cache| {
        let mut world = fixtures::World::new(CHAIN_ID, fixtures::HOME, secret(1));
        let mut producer = BlockProducer::new(world.environment.clone());
        let (payment, _) = world.pay(0, &[1], 5);
        producer.submit(NotesTransaction::from(payment)).unwrap();
        assert!(producer.propose_block().unwrap().is_empty());
        producer.prove(cache, 1).unwrap();
    });
}

/// A kernel of somebody else: states anything, and hashes it `hashes` times on the way.
#[derive(Clone)]
struct ForeignKernel {
    hashes: u64,
}

impl Definition for ForeignKernel {
    type Statement = BlockStatement<Target>;
    type NativeStatement = BlockStatement;
    type Targets = BlockStatement<Target>;
    type Input = BlockStatement;

    fn name(&self) -> String {
        "foreign".to_owned()
    }

    fn parameters(&self) -> BTreeMap<String, u64> {
        named([("hashes", self.hashes)])
    }

    fn config(&self) -> CircuitConfig {
        standard_config()
    }

    fn define(&self, builder: &mut Builder) -> (Self::Statement, Self::Targets) {
        let statement: BlockStatement<Target> = new_virtual(builder);
        let mut digest = statement.body;
        for _ in 0..self.hashes {
            digest = hash_circuit(builder, Domain::new("foreign"), &digest.0);
        }
        (statement, statement)
    }

    fn assign(
        &self,
        targets: &Self::Targets,
        input: &BlockStatement,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        set(witness, targets, input)
    }
}

/// The keys of a configuration file in `root`, and what they tell.
fn configured(root: &Path, content: &str) -> (CircuitCache, Events) {
    let (file, events) = (root.join("superblock.toml"), Events::default());
    fs::write(&file, content).unwrap();
    let flags = Flags { config: Some(file), ..Flags::default() };
    let config = Config::load_in(&flags, &Surroundings::default()).unwrap();
    let cache = open(&config, events.listener()).unwrap();
    (cache, events)
}

/// Proves that `foreign` states something, in the block shape. Returns the key that a registry would list.
fn prove_foreign(cache: &CircuitCache, foreign: ForeignKernel) -> Digest {
    let digest = Digest([F::from_canonical_u64(9); 4]);
    let statement = BlockStatement {
        environment: F::TWO,
        first_height: F::ONE,
        last_height: F::ONE,
        previous_state: digest,
        new_state: digest,
        outbox: digest,
        inbox: digest,
        body: digest,
        producer: digest,
    };
    let kernel = Kernel { definition: foreign };
    let proof = kernel.circuit(cache).unwrap().prove(&statement).unwrap();
    kernel.wrapper(cache).unwrap().prove(cache, &proof).unwrap();
    kernel.key_digest(cache).unwrap()
}

#[test]
fn the_kernel_of_another_starts_warm_with_pins_that_were_learned() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let foreign = ForeignKernel { hashes: 130 };
    let directories = "key_directories = [\"keys\"]\n";
    let (cache, cold) = configured(root, directories);
    let key = prove_foreign(&cache, foreign.clone());
    let both = || BTreeSet::from(["foreign".to_owned(), "foreign-wrap".to_owned()]);
    assert_eq!((cold.made(), cold.proved(), cold.trouble()), (both(), both(), vec![]));
    fs::write(root.join("foreign.toml"), toml::to_string(&cache.learned()).unwrap()).unwrap();

    // Its files are there, and nobody believes them.
    let (cache, unpinned) = configured(root, directories);
    assert_eq!(prove_foreign(&cache, foreign.clone()), key);
    assert_eq!(unpinned.made(), both());

    let pinned = format!("{directories}pins = [\"foreign.toml\"]\n");
    let (cache, warm) = configured(root, &pinned);
    assert_eq!(prove_foreign(&cache, foreign.clone()), key);
    assert_eq!((warm.made(), warm.proved(), warm.trouble()), (BTreeSet::new(), both(), vec![]));

    // Another version of it is another circuit, whatever the pins say.
    let (cache, changed) = configured(root, &pinned);
    assert_ne!(prove_foreign(&cache, ForeignKernel { hashes: 131 }), key);
    assert_eq!((changed.made(), changed.trouble()), (both(), vec![]));

    // A file that was changed meanwhile is set aside.
    let store = DirectoryStore::new(root.join("keys"));
    let is_ours = |name: &&String| name.starts_with("foreign.prover_key");
    for name in store.list().unwrap().iter().filter(is_ours) {
        let mut bytes = store.read(name, 1 << 30).unwrap().unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        store.write(name, &bytes).unwrap();
    }
    let (cache, damaged) = configured(root, &pinned);
    assert_eq!(prove_foreign(&cache, foreign), key);
    assert_eq!(damaged.made(), BTreeSet::from(["foreign".to_owned()]));
    assert!(matches!(&damaged.trouble()[..], [Event::Refused { reason, .. }] if reason.contains("checksum")));
}

/// Pins that others give never replace those of the program, however they call their circuits.
#[test]
fn pins_of_a_configuration_do_not_speak_for_our_circuits() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let mut hostile = pins::embedded().unwrap();
    hostile.circuit.retain(|pin| pin.name == "counter-kernel");
    let honest = hostile.circuit[0].clone();
    hostile.circuit[0].files.as_mut().unwrap().prover_key.sha3 = circuits_keys::Checksum::of(b"poisoned");
    fs::write(root.join("hostile.toml"), toml::to_string(&hostile).unwrap()).unwrap();
    let (cache, events) = configured(root, "key_directories = [\"keys\"]\npins = [\"hostile.toml\"]\n");
    environments_counter::KERNEL.circuit(&cache).unwrap();
    assert_eq!((events.made().len(), events.trouble()), (1, vec![]), "what was made is as pinned");
    assert_eq!(cache.missing(&honest), []);
    assert_eq!(cache.missing(&hostile.circuit[0]).len(), 1);
}

#[test]
fn the_kernels_that_environments_list_are_those_of_the_pins_and_none_is_built() {
    let pins = pins::embedded().unwrap();
    let events = Events::default();
    let cache = CircuitCache::new(pins::origin(&pins))
        .with_pins(pins.clone())
        .with_store(Arc::new(DirectoryStore::new(key_directory())))
        .with_listener(events.listener());
    let pinned = |name: String| pins.get(&format!("{name}-wrap")).unwrap().key;

    let counter = Counter::new(CHAIN_ID, EnvironmentId(1), secret(1), Amount::ZERO).unwrap();
    assert_eq!(
        counter.key_digests(&cache).unwrap(),
        [pinned(environments_counter::KERNEL.definition.name())]
    );
    assert_eq!(events.names(|_| panic!("a key was needed")), BTreeSet::new());

    let notes = fixtures::World::new(CHAIN_ID, fixtures::HOME, secret(1)).environment;
    let listed = notes.key_digests(&cache).unwrap();
    assert!(listed.len() > 1);
    assert!(listed.iter().all(|key| pins.circuit.iter().any(|pin| pin.key == *key)));
    let needed = events.names(|event| match event {
        Event::Loaded { identifier, .. } | Event::Making { identifier } => Some(identifier),
        _ => None,
    });
    assert!(needed.iter().all(|name| !name.contains("block")), "{needed:?}");
}

/// A registry lists what the pins say, so a proof by another kernel would be refused where it costs most.
#[test]
fn a_kernel_that_is_not_the_pinned_one_proves_nothing() {
    let mut stale = pins::embedded().unwrap();
    let name = format!("{}-wrap", environments_counter::KERNEL.definition.name());
    for pin in stale.circuit.iter_mut().filter(|pin| pin.name == name) {
        (pin.key, pin.files) = (Digest::ZERO, None);
    }
    let cache = CircuitCache::new(pins::origin(&stale))
        .with_pins(stale)
        .with_store(Arc::new(DirectoryStore::new(key_directory())));
    let counter = Counter::new(CHAIN_ID, EnvironmentId(1), secret(1), Amount::ZERO).unwrap();
    let mut producer = BlockProducer::new(counter);
    producer.submit(Add { add: Amount::new(5).unwrap() }).unwrap();
    producer.propose_block().unwrap();
    // When it is asked again, it has built the circuit.
    for _ in 0..2 {
        let error = producer.prove(&cache, 1).unwrap_err();
        assert!(format!("{error:?}").contains("StalePin"), "{error:?}");
    }
}

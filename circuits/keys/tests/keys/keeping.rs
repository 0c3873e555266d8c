//! What is left behind: files in stores and in the caller's collection.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
};

use circuits_core::{
    Builder, CircuitError, Definition, F, Witness,
    layout::{WitnessError, set_target},
};
use circuits_keys::{CircuitCache, Event, Header, KeyKind, KeyStore, MemoryStore, StoreError, StoreLock};
use circuits_prover::basetypes::{D, standard_config};
use plonky2::{
    iop::{
        generator::{GeneratedValues, SimpleGenerator},
        target::Target,
        witness::{PartitionWitness, Witness as _, WitnessWrite},
    },
    plonk::circuit_data::{CircuitConfig, CommonCircuitData},
    util::serialization::{Buffer, IoResult, Read, Write},
};

use crate::{Bench, DIVIDE, Verify, filled, header, origin};

/// A store that can be read only, or not even that.
pub(crate) struct Broken {
    pub(crate) inner: Arc<dyn KeyStore>,
    pub(crate) readable: bool,
}

impl Broken {
    fn error(action: &'static str) -> StoreError {
        let source = io::Error::from(io::ErrorKind::StorageFull);
        StoreError { location: "broken".to_owned(), action, source }
    }

    fn reading<T>(&self, read: impl FnOnce(&dyn KeyStore) -> Result<T, StoreError>) -> Result<T, StoreError> {
        if self.readable { read(self.inner.as_ref()) } else { Err(Self::error("read it")) }
    }
}

impl KeyStore for Broken {
    fn location(&self) -> String {
        "broken".to_owned()
    }

    fn list(&self) -> Result<Vec<String>, StoreError> {
        self.reading(|store| store.list())
    }

    fn read_start(&self, name: &str, limit: usize) -> Result<Option<Vec<u8>>, StoreError> {
        self.reading(|store| store.read_start(name, limit))
    }

    fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.reading(|store| store.read(name, limit))
    }

    fn write(&self, _: &str, _: &[u8]) -> Result<(), StoreError> {
        Err(Self::error("write it"))
    }

    fn set_aside(&self, _: &str, _: &str) -> Result<(), StoreError> {
        Err(Self::error("rename it"))
    }

    fn remove(&self, _: &str) -> Result<(), StoreError> {
        Err(Self::error("remove it"))
    }

    fn lock(&self, _: &str, _: &dyn Fn()) -> Result<StoreLock, StoreError> {
        Err(Self::error("lock it"))
    }
}

#[test]
fn a_store_that_fails_costs_time_and_nothing_else() {
    let (_, inner, pins) = filled();
    for readable in [true, false] {
        let broken: Arc<dyn KeyStore> = Arc::new(Broken { inner: inner.clone(), readable });
        let bench = Bench::new(&broken, pins.clone());
        bench.cache.circuit(DIVIDE).unwrap().prove(&3).unwrap();
        assert_eq!(bench.loaded() == 1, readable);
        let kept = bench.told(|event| matches!(event, Event::NotKept { .. }));
        let trouble = bench.told(|event| matches!(event, Event::Trouble { .. }));
        assert_eq!((kept == 1, trouble > 0), (!readable, !readable));
    }
    // The second store takes what the first does not.
    let empty: Arc<dyn KeyStore> = Arc::new(MemoryStore::default());
    let broken: Arc<dyn KeyStore> = Arc::new(Broken { inner: empty.clone(), readable: true });
    CircuitCache::new(origin()).with_store(broken).with_store(empty.clone()).circuit(DIVIDE).unwrap();
    assert_eq!(empty.list().unwrap().len(), 3);
}

#[test]
fn every_key_that_was_used_or_made_is_left_in_the_collection() -> Result<(), CircuitError> {
    let (_, store, pins) = filled();
    let collection = Arc::new(MemoryStore::default());
    let cache =
        CircuitCache::new(origin()).with_store(store).with_pins(pins).with_collection(collection.clone());
    let child = cache.verifier(DIVIDE)?;
    let kinds = || {
        let files = collection.files();
        let header = |file: &circuits_keys::MemoryFile| file.header.clone().unwrap().kind;
        files.iter().map(header).map(|kind| format!("{} {}", kind.identifier, kind.kind)).collect::<Vec<_>>()
    };
    assert_eq!(kinds(), ["divide common_data", "divide verifier_key"]);
    let proof = cache.circuit(DIVIDE)?.prove(&5)?;
    cache.circuit(Verify { child })?.prove(&proof)?;
    assert_eq!(kinds().len(), 6);

    // The collection is all that another process needs.
    let bench = Bench::new(&(collection as Arc<dyn KeyStore>), {
        let mut pins = cache.learned();
        pins.circuit.extend(filled().2.circuit);
        pins
    });
    let child = bench.cache.verifier(DIVIDE)?;
    bench.cache.circuit(Verify { child })?;
    bench.cache.circuit(DIVIDE)?;
    assert_eq!((bench.made(), bench.loaded()), (0, 2));
    Ok(())
}

/// A store that remembers what was written.
#[derive(Default)]
struct Watched {
    inner: MemoryStore,
    written: Mutex<Vec<String>>,
}

impl KeyStore for Watched {
    fn location(&self) -> String {
        self.inner.location()
    }

    fn list(&self) -> Result<Vec<String>, StoreError> {
        self.inner.list()
    }

    fn read_start(&self, name: &str, limit: usize) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.read_start(name, limit)
    }

    fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.read(name, limit)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.written.lock().unwrap().push(name.to_owned());
        self.inner.write(name, bytes)
    }

    fn set_aside(&self, name: &str, reason: &str) -> Result<(), StoreError> {
        self.inner.set_aside(name, reason)
    }

    fn remove(&self, name: &str) -> Result<(), StoreError> {
        self.inner.remove(name)
    }
}

#[test]
fn what_lies_in_a_store_as_it_should_is_not_written_again() {
    let watched = Arc::new(Watched::default());
    let store: Arc<dyn KeyStore> = watched.clone();
    for _ in 0..2 {
        // Without its pin it is built each time.
        Bench::new(&store, Default::default()).cache.circuit(DIVIDE).unwrap();
    }
    assert_eq!(watched.written.lock().unwrap().len(), 3);
    let name = watched.list().unwrap().remove(0);
    store.write(&name, b"junk").unwrap();
    Bench::new(&store, Default::default()).cache.circuit(DIVIDE).unwrap();
    assert_eq!(watched.written.lock().unwrap()[3..], [name.clone(), name]);
}

#[test]
fn ensure_puts_back_what_is_missing_of_a_circuit_that_is_in_memory() {
    let (memory, store, pins) = filled();
    for kind in KeyKind::ALL {
        let bench = Bench::new(&store, pins.clone());
        bench.cache.circuit(DIVIDE).unwrap();
        assert!(!bench.cache.ensure(DIVIDE).unwrap(), "nothing is missing");
        memory.take(&header(&pins, kind).file_name()).unwrap();
        assert!(bench.cache.ensure(DIVIDE).unwrap());
        assert_eq!((bench.cache.missing(&pins.circuit[0]), bench.made()), (vec![], 0), "{kind}");
    }
}

#[test]
fn what_the_caller_took_from_the_collection_is_left_there_again_when_it_is_used() {
    let (_, store, pins) = filled();
    let collection = Arc::new(MemoryStore::default());
    let cache =
        CircuitCache::new(origin()).with_store(store).with_pins(pins).with_collection(collection.clone());
    let take_all = || {
        let names = collection.list().unwrap();
        names.iter().map(|name| (name.clone(), collection.take(name).unwrap())).collect::<BTreeMap<_, _>>()
    };
    cache.verifier(DIVIDE).unwrap();
    let verifier = take_all();
    assert_eq!(verifier.len(), 2);
    cache.verifier(DIVIDE).unwrap();
    assert_eq!(take_all(), verifier);
    cache.circuit(DIVIDE).unwrap();
    let all = take_all();
    assert_eq!(all.len(), 3);
    for name in all.keys() {
        cache.circuit(DIVIDE).unwrap();
        collection.take(name).unwrap();
        cache.circuit(DIVIDE).unwrap();
        assert_eq!(take_all(), all);
    }
}

#[test]
fn a_loaded_key_is_left_in_the_collection_as_it_was_read() {
    let (_, store, pins) = filled();
    let watched = Arc::new(Watched::default());
    let cache = CircuitCache::new(origin())
        .with_store(store.clone())
        .with_pins(pins)
        .with_collection(watched.clone());
    cache.circuit(DIVIDE).unwrap();
    assert_eq!(watched.list().unwrap(), store.list().unwrap());
    for name in store.list().unwrap() {
        assert_eq!(watched.read(&name, u64::MAX).unwrap(), store.read(&name, u64::MAX).unwrap());
    }
    assert_eq!(watched.written.lock().unwrap().len(), 3, "none is written twice");
}

#[test]
fn keys_without_an_origin_say_that_they_keep_nothing() {
    let store = Arc::new(MemoryStore::default());
    for cache in [
        CircuitCache::default().with_store(store.clone()),
        CircuitCache::default().with_collection(store.clone()),
    ] {
        let bench = Bench::listening(cache);
        bench.cache.circuit(DIVIDE).unwrap();
        let told =
            |event: &Event| matches!(event, Event::NotKept { reason, .. } if reason.contains("origin"));
        assert_eq!(bench.told(told), 1);
    }
    assert_eq!(store.list().unwrap(), Vec::<String>::new());
}

/// A hint of somebody else's, which key files cannot hold.
#[derive(Clone, Debug, Default)]
struct Copied {
    from: Target,
    to: Target,
}

impl SimpleGenerator<F, D> for Copied {
    fn id(&self) -> String {
        "Copied".to_owned()
    }

    fn dependencies(&self) -> Vec<Target> {
        vec![self.from]
    }

    fn run_once(
        &self,
        witness: &PartitionWitness<'_, F>,
        values: &mut GeneratedValues<F>,
    ) -> anyhow::Result<()> {
        values.set_target(self.to, witness.get_target(self.from))
    }

    fn serialize(&self, target: &mut Vec<u8>, _: &CommonCircuitData<F, D>) -> IoResult<()> {
        target.write_target(self.from)?;
        target.write_target(self.to)
    }

    fn deserialize(source: &mut Buffer<'_>, _: &CommonCircuitData<F, D>) -> IoResult<Self> {
        Ok(Self { from: source.read_target()?, to: source.read_target()? })
    }
}

struct Foreign;

impl Definition for Foreign {
    type Statement = [Target; 2];
    type NativeStatement = [F; 2];
    type Targets = Target;
    type Input = F;

    fn name(&self) -> String {
        "foreign-hint".to_owned()
    }

    fn config(&self) -> CircuitConfig {
        standard_config()
    }

    fn define(&self, builder: &mut Builder) -> ([Target; 2], Target) {
        let [from, to] = [builder.add_virtual_target(), builder.add_virtual_target()];
        builder.add_simple_generator(Copied { from, to });
        builder.connect(from, to);
        ([from, to], from)
    }

    fn assign(&self, target: &Target, input: &F, witness: &mut Witness) -> Result<(), WitnessError> {
        set_target(witness, *target, *input)
    }
}

#[test]
fn a_circuit_that_files_cannot_hold_is_used_and_not_kept() {
    let store: Arc<dyn KeyStore> = Arc::new(MemoryStore::default());
    let bench = Bench::new(&store, Default::default());
    bench.cache.circuit(Foreign).unwrap().prove(&F::default()).unwrap();
    bench.cache.verifier(Foreign).unwrap();
    let told =
        |event: &Event| matches!(event, Event::NotKept { reason, .. } if reason.contains("generators"));
    assert_eq!((bench.made(), bench.told(told)), (1, 1));
    assert_eq!(store.list().unwrap(), Vec::<String>::new());
    let pins = bench.cache.learned();
    assert!(
        pins.circuit[0].files.is_none()
            && Header::of(&pins.circuit[0], KeyKind::ProverKey, &origin()).is_none()
    );
    let again = Bench::new(&store, pins);
    assert!(again.cache.ensure(Foreign).unwrap());
    assert_eq!((again.made(), again.loaded()), (1, 0));
}

#[test]
fn nothing_lives_longer_than_the_keys_and_those_who_asked_for_it() {
    let (memory, store, pins) = filled();
    let collection = Arc::new(MemoryStore::default());
    let cache =
        CircuitCache::new(origin()).with_store(store).with_pins(pins).with_collection(collection.clone());
    let held = cache.circuit(DIVIDE).unwrap();
    let verifier = Arc::downgrade(&cache.verifier(DIVIDE).unwrap());
    let circuit = Arc::downgrade(&held);
    drop(cache);
    assert!(verifier.upgrade().is_none() && circuit.upgrade().is_some());
    drop(held);
    assert!(circuit.upgrade().is_none());
    assert_eq!((Arc::strong_count(&memory), Arc::strong_count(&collection)), (1, 1));
}

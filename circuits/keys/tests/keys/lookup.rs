//! Where a circuit comes from: memory, then stores, then its definition.

use std::sync::Arc;

use circuits_core::F;
use circuits_keys::{CircuitCache, Event, KeyKind, KeyStore, MemoryStore, Payload, pins::Pins};
use plonky2::field::types::Field;

use crate::{BUILT, Bench, DIVIDE, Verify, filled, header, keeping::Broken, origin};

#[test]
fn a_loaded_circuit_is_the_built_one() {
    let (_, store, mut pins) = filled();
    let bench = Bench::new(&store, pins.clone());
    let loaded = bench.cache.circuit(DIVIDE).unwrap();
    assert_eq!((bench.loaded(), bench.made()), (1, 0));
    assert!(loaded.circuit == BUILT.circuit && loaded.gates == BUILT.gates);
    let proof = loaded.prove(&10).unwrap();
    BUILT.verify(&proof).unwrap();
    assert_eq!(loaded.statement(&proof).unwrap()[..2], [6, 7].map(F::from_canonical_u64));

    let child = Arc::new(BUILT.circuit.verifier_data());
    let making = Bench::new(&store, pins.clone());
    let verify = making.cache.circuit(Verify { child: child.clone() }).unwrap();
    pins.circuit.extend(making.cache.learned().circuit);
    let loading = Bench::new(&store, pins);
    let again = loading.cache.circuit(Verify { child }).unwrap();
    assert_eq!((loading.loaded(), loading.made()), (1, 0));
    assert!(again.circuit == verify.circuit);
    verify.verify(&again.prove(&proof).unwrap()).unwrap();
}

#[test]
fn verifier_data_is_read_without_the_prover_key() {
    let (memory, store, pins) = filled();
    memory.take(&header(&pins, KeyKind::ProverKey).file_name()).unwrap();
    let bench = Bench::new(&store, pins);
    let verifier = bench.cache.verifier(DIVIDE).unwrap();
    assert!(*verifier == BUILT.circuit.verifier_data());
    assert_eq!(bench.made(), 0);
    bench.cache.circuit(DIVIDE).unwrap();
    assert_eq!(bench.made(), 1);
}

#[test]
fn without_its_pin_a_file_is_not_believed() {
    let (_, store, pins) = filled();
    let bench = Bench::new(&store, Pins::default());
    bench.cache.circuit(DIVIDE).unwrap();
    assert_eq!((bench.made(), bench.loaded()), (1, 0));
    assert_eq!(bench.cache.learned(), pins);
}

#[test]
fn who_waits_for_another_to_make_a_key_says_so() {
    let (_, _, pins) = filled();
    let directory = tempfile::tempdir().unwrap();
    let store: Arc<dyn KeyStore> = Arc::new(circuits_keys::DirectoryStore::new(directory.path()));
    let held = store.lock(&header(&pins, KeyKind::ProverKey).file_name(), &|| ()).unwrap();
    let bench = Bench::new(&store, pins);
    std::thread::scope(|scope| {
        scope.spawn(|| bench.cache.circuit(DIVIDE).unwrap());
        while bench.told(|event| matches!(event, Event::Waiting { .. })) == 0 {
            std::thread::yield_now();
        }
        assert_eq!(bench.made(), 0);
        drop(held);
    });
    assert_eq!(bench.made(), 1);
}

#[test]
fn of_two_that_ask_at_once_one_makes_the_key() {
    let (_, _, pins) = filled();
    // Where the first store gives no lock, the one that takes the key does.
    for readable_first in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let store: Arc<dyn KeyStore> = Arc::new(circuits_keys::DirectoryStore::new(directory.path()));
        let benches = [(); 2].map(|()| {
            let mut cache = CircuitCache::new(origin()).with_pins(pins.clone());
            if readable_first {
                cache = cache
                    .with_store(Arc::new(Broken { inner: Arc::new(MemoryStore::default()), readable: true }));
            }
            Bench::listening(cache.with_store(store.clone()))
        });
        std::thread::scope(|scope| {
            for bench in &benches {
                scope.spawn(|| bench.cache.circuit(DIVIDE).unwrap());
            }
        });
        let [made, loaded] =
            [Bench::made, Bench::loaded].map(|count| benches.iter().map(count).sum::<usize>());
        assert_eq!((made, loaded), (1, 1));
    }
}

#[test]
fn what_memory_cannot_hold_is_loaded_again() {
    let (_, store, pins) = filled();
    let bench =
        Bench::listening(CircuitCache::new(origin()).with_store(store).with_pins(pins).with_memory(0));
    let first = bench.cache.circuit(DIVIDE).unwrap();
    let second = bench.cache.circuit(DIVIDE).unwrap();
    assert!(!Arc::ptr_eq(&first, &second));
    assert_eq!((bench.loaded(), bench.made()), (2, 0));

    let cache = CircuitCache::default();
    assert!(Arc::ptr_eq(&cache.circuit(DIVIDE).unwrap(), &cache.circuit(DIVIDE).unwrap()));
}

#[test]
fn what_was_built_here_counts_more_than_a_pin() {
    let (_, store, mut pins) = filled();
    let files = pins.circuit[0].files.as_mut().unwrap();
    files.prover_key = Payload::of(b"another circuit's");
    let cache = CircuitCache::new(origin()).with_store(store).with_pins(pins).with_memory(0);
    let bench = Bench::listening(cache);
    bench.cache.circuit(DIVIDE).unwrap();
    assert_eq!((bench.made(), bench.told(|event| matches!(event, Event::NotAsPinned { .. }))), (1, 1));
    bench.cache.circuit(DIVIDE).unwrap();
    assert_eq!((bench.made(), bench.loaded()), (1, 1));
}

#[test]
fn of_two_pins_of_a_circuit_the_first_counts() {
    let (_, store, honest) = filled();
    let mut hostile = honest.clone();
    hostile.circuit[0].files.as_mut().unwrap().prover_key = Payload::of(b"poisoned");
    let of = |first: Pins, second: Pins| {
        let cache = CircuitCache::new(origin()).with_store(store.clone()).with_pins(first).with_pins(second);
        let bench = Bench::listening(cache);
        bench.cache.circuit(DIVIDE).unwrap();
        (bench.loaded(), bench.made())
    };
    assert_eq!(of(honest.clone(), hostile.clone()), (1, 0));
    assert_eq!(of(hostile, honest), (0, 1));
}

#[test]
fn a_pin_of_the_same_name_but_of_other_parameters_is_another_circuits() {
    let (_, store, mut pins) = filled();
    pins.circuit[0].parameters.insert("rows".to_owned(), 131);
    let bench = Bench::new(&store, pins);
    let circuit = bench.cache.circuit(DIVIDE).unwrap();
    assert!(circuit.circuit == BUILT.circuit);
    assert_eq!((bench.made(), bench.loaded()), (1, 0));
}

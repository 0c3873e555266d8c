//! Stores and keys on a full disk. The faults are the process's own, so these tests have a process to themselves.

use std::{
    fs,
    io::ErrorKind,
    sync::{Arc, Mutex, PoisonError},
};

use circuits_core::{
    Builder, Compiled, Definition, F, Witness,
    layout::{WitnessError, set_target},
};
use circuits_files::faults;
use circuits_forging::fixtures::toy_key;
use circuits_keys::{Checksum, CircuitCache, DirectoryStore, Event, KeyFile, KeyStore};
use circuits_prover::basetypes::standard_config;
use plonky2::{iop::target::Target, plonk::circuit_data::CircuitConfig};

/// One test at a time.
static FAULTS: Mutex<()> = Mutex::new(());

#[test]
fn a_write_stopped_at_any_step_leaves_the_old_file_or_the_new_one() {
    let _alone = FAULTS.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = tempfile::tempdir().expect("a directory");
    let store = DirectoryStore::new(directory.path().join("keys"));
    let name = format!("toy.prover_key.{}.key", Checksum::of(b""));
    let (old, new) = (vec![1; 500], vec![2; 700]);
    for before in [None, Some(&old)] {
        for step in 0.. {
            assert!(step < 100, "the write never succeeds");
            match before {
                None => store.remove(&name).expect("removable"),
                Some(old) => store.write(&name, old).expect("no fault is armed"),
            }
            faults::arm(step);
            let result = store.write(&name, &new);
            faults::disarm();
            let found = store.read(&name, 1000).expect("readable");
            assert!(found.as_ref() == before || found.as_ref() == Some(&new), "step {step} left neither");
            let names = store.list().expect("readable");
            assert_eq!(names.len(), usize::from(found.is_some()), "step {step} left {names:?}");
            match result {
                Ok(()) => {
                    assert!(step >= 4 && found.as_ref() == Some(&new), "a write has at least four steps");
                    break;
                }
                Err(error) => {
                    assert_eq!(error.source.kind(), ErrorKind::StorageFull);
                    assert!(error.to_string().contains(&name), "{error}");
                }
            }
        }
    }
    // What is left is the key: no temporary file of a write that failed.
    assert_eq!(fs::read_dir(store.path()).expect("readable").count(), 1);
}

/// States any element.
struct Anything;

impl Definition for Anything {
    type Statement = [Target; 1];
    type NativeStatement = [F; 1];
    type Targets = Target;
    type Input = F;

    fn name(&self) -> String {
        "anything".to_owned()
    }

    fn config(&self) -> CircuitConfig {
        standard_config()
    }

    fn define(&self, builder: &mut Builder) -> ([Target; 1], Target) {
        let target = builder.add_virtual_target();
        ([target], target)
    }

    fn assign(&self, target: &Target, input: &F, witness: &mut Witness) -> Result<(), WitnessError> {
        set_target(witness, *target, *input)
    }
}

/// Cases 61 and 62: a key is made, and no step after the n-th one succeeds.
#[test]
fn a_key_whose_writing_stops_at_any_step_is_used_and_what_it_leaves_is_whole() {
    let _alone = FAULTS.lock().unwrap_or_else(PoisonError::into_inner);
    let built = Compiled::new(Anything).expect("it builds");
    let origin = toy_key("toy").header().origin.clone();
    for step in 0.. {
        let directory = tempfile::tempdir().expect("a directory");
        let store: Arc<dyn KeyStore> = Arc::new(DirectoryStore::new(directory.path()));
        let cache = || {
            let events = Arc::new(Mutex::new(vec![]));
            let told = events.clone();
            let listener = Arc::new(move |event: &Event| told.lock().expect("alive").push(event.clone()));
            (CircuitCache::new(origin.clone()).with_store(store.clone()).with_listener(listener), events)
        };
        let (first, events) = cache();
        faults::arm(step);
        let made = first.circuit(Anything);
        faults::disarm();
        assert!(made.expect("a full disk stops no proof").circuit == built.circuit);
        let events = events.lock().expect("alive");
        let not_kept = events.iter().any(|event| matches!(event, Event::NotKept { .. }));

        let left = store.list().expect("readable");
        for name in &left {
            let bytes = store.read(name, 1 << 30).expect("readable").expect("there");
            KeyFile::parse(name, bytes).and_then(|file| file.check_payload()).expect("a whole file");
        }
        // The next process makes what is missing, and then nothing is.
        let (second, events) = cache();
        let second = second.with_pins(first.learned());
        assert!(second.circuit(Anything).expect("it builds").circuit == built.circuit);
        let events = events.lock().expect("alive");
        let count = |wanted: fn(&Event) -> bool| events.iter().filter(|event| wanted(event)).count();
        assert_eq!(count(|event| matches!(event, Event::Refused { .. } | Event::Trouble { .. })), 0);
        let is_loaded = count(|event| matches!(event, Event::Loaded { .. })) == 1;
        assert_eq!(is_loaded, left.len() == 3, "step {step} left {left:?}");
        assert!(not_kept || left.len() == 3, "step {step} left {left:?} and nobody was told");
        assert_eq!(second.missing(&first.learned().circuit[0]), []);
        if !not_kept {
            assert!(step >= 12, "three files have at least four steps each");
            return;
        }
        assert!(step < 100, "the writes never succeed");
    }
}

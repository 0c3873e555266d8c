//! Keys: what is loaded is what was built, and whatever else lies in a store never becomes a key.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
};

use circuits::{
    Builder, CircuitError, Compiled, Definition, F, Proof, Witness,
    basetypes::{VerifierData, kernel_config, standard_config},
    division::mul_div_circuit,
    hash::{Domain, hash_circuit},
    integer::HEIGHT_BITS,
    keys::{
        Checksum, Event, Header, KeyFile, KeyFileError, KeyKind, KeyStore, Keys, Made, MemoryStore, Origin,
        Payload, StoreError,
    },
    layout::{WitnessError, set_target},
    pins::{Pin, Pins},
    recursion::verify_with_constant_key,
};
use plonky2::{
    field::types::Field, gates::noop::NoopGate, iop::target::Target, plonk::circuit_data::CircuitConfig,
};

/// Divides, hashes and states; has hints, in at least `rows` rows.
#[derive(Clone)]
struct Divide {
    rows: usize,
}

impl Definition for Divide {
    type Statement = [Target; 3];
    type NativeStatement = [F; 3];
    type Targets = Target;
    type Input = u64;

    fn name(&self) -> String {
        "divide".to_owned()
    }

    fn parameters(&self) -> BTreeMap<String, u64> {
        BTreeMap::from([("rows".to_owned(), self.rows as u64)])
    }

    fn config(&self) -> CircuitConfig {
        kernel_config()
    }

    fn define(&self, builder: &mut Builder) -> ([Target; 3], Target) {
        let input = builder.add_virtual_target();
        builder.range_check(input, HEIGHT_BITS);
        let [two, three] = [2, 3].map(|value| builder.constant(F::from_canonical_u64(value)));
        let quotients = mul_div_circuit(builder, input, two, three);
        let digest = hash_circuit(builder, Domain::new("divide"), &[input]);
        while builder.num_gates() < self.rows {
            builder.add_gate(NoopGate, vec![]);
        }
        ([quotients.floor, quotients.ceil, digest.0[0]], input)
    }

    fn assign(&self, target: &Target, input: &u64, witness: &mut Witness) -> Result<(), WitnessError> {
        set_target(witness, *target, F::from_canonical_u64(*input))
    }
}

/// Verifies a [`Divide`].
struct Verify {
    child: Arc<VerifierData>,
}

impl Definition for Verify {
    type Statement = [Target; 3];
    type NativeStatement = [F; 3];
    type Targets = circuits::recursion::ChildTarget<[Target; 3]>;
    type Input = Proof;

    fn name(&self) -> String {
        "divide-verified".to_owned()
    }

    fn depends_on(&self) -> BTreeMap<String, circuits::Digest> {
        BTreeMap::from([("divide".to_owned(), circuits::recursion::key_digest(&self.child.verifier_only))])
    }

    fn config(&self) -> CircuitConfig {
        standard_config()
    }

    fn define(&self, builder: &mut Builder) -> ([Target; 3], Self::Targets) {
        let child = verify_with_constant_key(builder, &self.child.common, &self.child.verifier_only);
        (child.statement, child)
    }

    fn assign(
        &self,
        child: &Self::Targets,
        proof: &Proof,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        child.assign(witness, proof, &self.child.verifier_only)
    }
}

const DIVIDE: Divide = Divide { rows: 130 };

fn origin() -> Origin {
    Origin {
        superblock: "0.0.0".to_owned(),
        plonky2: "1.1.0".to_owned(),
        starky: "1.1.0".to_owned(),
        source: Checksum::of(b"source"),
        date: "2026-01-01".to_owned(),
    }
}

/// Keys over a store, and what they tell.
struct Bench {
    keys: Keys,
    events: Arc<Mutex<Vec<Event>>>,
}

impl Bench {
    fn new(store: &Arc<dyn KeyStore>, pins: Pins) -> Self {
        Self::of(origin(), store, pins)
    }

    fn of(origin: Origin, store: &Arc<dyn KeyStore>, pins: Pins) -> Self {
        let events = Arc::new(Mutex::new(vec![]));
        let told = events.clone();
        let keys = Keys::new(origin)
            .with_store(store.clone())
            .with_pins(pins)
            .with_listener(Arc::new(move |event: &Event| told.lock().unwrap().push(event.clone())));
        Self { keys, events }
    }

    fn told(&self, wanted: impl Fn(&Event) -> bool) -> usize {
        self.events.lock().unwrap().iter().filter(|event| wanted(event)).count()
    }

    fn made(&self) -> usize {
        self.told(|event| matches!(event, Event::Made { .. }))
    }

    fn loaded(&self) -> usize {
        self.told(|event| matches!(event, Event::Loaded { .. }))
    }

    fn refusals(&self) -> Vec<String> {
        let events = self.events.lock().unwrap();
        let reason = |event: &Event| match event {
            Event::Refused { reason, .. } => Some(reason.clone()),
            _ => None,
        };
        events.iter().filter_map(reason).collect()
    }
}

fn pins<Def: Definition>(definition: Def) -> Pins {
    Pins::new([Pin::of(&Compiled::new(definition).unwrap())])
}

/// A store with the files of [`DIVIDE`], and its pins.
fn filled() -> (Arc<MemoryStore>, Arc<dyn KeyStore>, Pins) {
    let memory = Arc::new(MemoryStore::default());
    let store: Arc<dyn KeyStore> = memory.clone();
    let bench = Bench::new(&store, Pins::default());
    bench.keys.circuit(DIVIDE).unwrap();
    assert_eq!(bench.made(), 1);
    let pins = bench.keys.learned();
    (memory, store, pins)
}

fn header(pins: &Pins, kind: KeyKind) -> Header {
    Header::of(&pins.circuit[0], kind, &origin()).unwrap()
}

fn bytes_of(store: &dyn KeyStore, header: &Header) -> Vec<u8> {
    store.read(&header.file_name(), u64::MAX).unwrap().unwrap()
}

#[test]
fn a_loaded_circuit_is_the_built_one() {
    let (_, store, mut pins) = filled();
    let built = Compiled::new(DIVIDE).unwrap();
    let bench = Bench::new(&store, pins.clone());
    let loaded = bench.keys.circuit(DIVIDE).unwrap();
    assert_eq!((bench.loaded(), bench.made()), (1, 0));
    assert!(loaded.circuit == built.circuit && loaded.gates == built.gates);
    let proof = loaded.prove(&10).unwrap();
    built.verify(&proof).unwrap();
    assert_eq!(loaded.statement(&proof).unwrap()[..2], [6, 7].map(F::from_canonical_u64));

    let child = Arc::new(built.circuit.verifier_data());
    let making = Bench::new(&store, pins.clone());
    let verify = making.keys.circuit(Verify { child: child.clone() }).unwrap();
    pins.circuit.extend(making.keys.learned().circuit);
    let loading = Bench::new(&store, pins);
    let again = loading.keys.circuit(Verify { child }).unwrap();
    assert_eq!((loading.loaded(), loading.made()), (1, 0));
    assert!(again.circuit == verify.circuit);
    verify.verify(&again.prove(&proof).unwrap()).unwrap();
}

#[test]
fn verifier_data_is_read_without_the_prover_key() {
    let (memory, store, pins) = filled();
    memory.take(&header(&pins, KeyKind::ProverKey).file_name()).unwrap();
    let bench = Bench::new(&store, pins);
    let verifier = bench.keys.verifier(DIVIDE).unwrap();
    assert!(*verifier == Compiled::new(DIVIDE).unwrap().circuit.verifier_data());
    assert_eq!(bench.made(), 0);
    bench.keys.circuit(DIVIDE).unwrap();
    assert_eq!(bench.made(), 1);
}

#[test]
fn without_its_pin_a_file_is_not_believed() {
    let (_, store, pins) = filled();
    let bench = Bench::new(&store, Pins::default());
    bench.keys.circuit(DIVIDE).unwrap();
    assert_eq!((bench.made(), bench.loaded()), (1, 0));
    assert_eq!(bench.keys.learned(), pins);
}

#[test]
fn making_a_key_twice_gives_the_same_files() {
    let files = || {
        let made = Made::new(&Compiled::new(DIVIDE).unwrap());
        made.files(&origin()).map(|file| file.bytes().to_vec()).collect::<Vec<_>>()
    };
    let first = files();
    assert_eq!(first.len(), 3);
    assert!(first == files());
}

#[test]
fn every_changed_byte_of_every_file_is_noticed() {
    let made = Made::new(&Compiled::new(Divide { rows: 1 }).unwrap());
    for file in made.files(&origin()) {
        for position in 0..file.bytes().len() {
            let mut bytes = file.bytes().to_vec();
            bytes[position] ^= 1 << (position % 8);
            assert!(KeyFile::expect(file.header(), bytes).is_err(), "byte {position}");
        }
    }
}

#[test]
fn every_truncation_and_an_extension_are_noticed() {
    let (_, store, pins) = filled();
    for kind in [KeyKind::VerifierKey, KeyKind::CommonData] {
        let header = header(&pins, kind);
        let bytes = bytes_of(store.as_ref(), &header);
        for length in 0..bytes.len() {
            assert!(KeyFile::expect(&header, bytes[..length].to_vec()).is_err(), "{length} bytes");
        }
        assert!(KeyFile::expect(&header, [&bytes[..], &[0]].concat()).is_err());
    }
}

/// A damaged or forged file in the place of `kind`: refused with `reason`, set aside and made again.
fn is_refused(kind: KeyKind, forge: impl Fn(&KeyFile) -> Vec<u8>, reason: &str) {
    let (memory, store, pins) = filled();
    let header = header(&pins, kind);
    let name = header.file_name();
    let good = bytes_of(store.as_ref(), &header);
    store.write(&name, &forge(&KeyFile::expect(&header, good.clone()).unwrap())).unwrap();

    let bench = Bench::new(&store, pins);
    let circuit = bench.keys.circuit(DIVIDE).unwrap();
    assert!(circuit.circuit == Compiled::new(DIVIDE).unwrap().circuit);
    let refusals = bench.refusals();
    assert!(refusals.len() == 1 && refusals[0].contains(reason), "{refusals:?}");
    assert_eq!((bench.made(), bench.loaded()), (1, 0));
    assert!(bytes_of(store.as_ref(), &header) == good, "the key is there again");
    let why = String::from_utf8(memory.take(&format!("{name}.refused.txt")).unwrap()).unwrap();
    assert!(why.contains(reason), "{why}");
    assert!(memory.take(&format!("{name}.refused")).is_some());
}

/// The file with another payload, and all that depends on it in the header put right.
fn with_payload(file: &KeyFile, payload: &[u8]) -> Vec<u8> {
    let header = Header { payload: Payload::of(payload), ..file.header().clone() }.identified();
    KeyFile::new(header, payload).bytes().to_vec()
}

#[test]
fn a_poisoned_generator_is_refused() {
    // The first generators stand at the start of the payload.
    let poison = |file: &KeyFile| {
        let mut payload = file.payload().to_vec();
        payload[20] ^= 1;
        with_payload(file, &payload)
    };
    is_refused(KeyKind::ProverKey, poison, "the file is called divide.prover_key.");
    // As above, but the header still says what the pin says.
    let poison = |file: &KeyFile| {
        let mut payload = file.payload().to_vec();
        payload[20] ^= 1;
        KeyFile::new(file.header().clone(), &payload).bytes().to_vec()
    };
    is_refused(KeyKind::ProverKey, poison, "the payload's checksum is");
}

#[test]
fn swapped_public_input_wires_are_refused() {
    let mut compiled = Compiled::new(DIVIDE).unwrap();
    compiled.circuit.prover_only.public_inputs.swap(0, 1);
    let swapped = Made::new(&compiled);
    let file = swapped.files(&origin()).find(|file| file.header().kind.kind == KeyKind::ProverKey).unwrap();
    let honest = pins(DIVIDE);
    assert_eq!(file.header().verifier_key, honest.circuit[0].key, "the verifier key does not tell");
    assert_ne!(file.header().identifying_hash, header(&honest, KeyKind::ProverKey).identifying_hash);
    is_refused(KeyKind::ProverKey, |_| file.bytes().to_vec(), "the file is called divide.prover_key.");
}

#[test]
fn each_kind_of_damage_has_its_message() {
    let cut = |file: &KeyFile| file.bytes()[..file.bytes().len() - 1].to_vec();
    is_refused(KeyKind::ProverKey, cut, "the header announces a payload of");
    is_refused(KeyKind::ProverKey, |file| [file.bytes(), &[0; 1 << 17]].concat(), "the file has more than");
    is_refused(KeyKind::VerifierKey, |_| vec![], "a key file starts with the line");
    is_refused(KeyKind::CommonData, |_| b"superblock key\n{".to_vec(), "one line of JSON");
    let edited = |from: &'static str, to: &'static str| {
        move |file: &KeyFile| {
            let text = file.header().to_json().replace(from, to);
            [b"superblock key\n", text.as_bytes(), b"\n", file.payload()].concat()
        }
    };
    let version = edited("\"header_version\":1", "\"header_version\":2");
    is_refused(KeyKind::VerifierKey, version, "header version 1 was expected, found 2");
    let unknown = edited("\"gates\"", "\"colour\":1,\"gates\"");
    is_refused(KeyKind::VerifierKey, unknown, "unknown field `colour`");
    let spaced = edited(",\"gates\"", ", \"gates\"");
    is_refused(KeyKind::VerifierKey, spaced, "not minified JSON");
    let other = edited("\"rows\":130", "\"rows\":131");
    is_refused(KeyKind::VerifierKey, other, "identifying hash");
    let huge = edited("\"bytes\":", "\"bytes\":9999999");
    is_refused(KeyKind::VerifierKey, huge, "identifying hash");
}

#[test]
fn a_length_of_gigabytes_is_only_compared() {
    let (_, store, pins) = filled();
    let header = header(&pins, KeyKind::VerifierKey);
    let file = KeyFile::expect(&header, bytes_of(store.as_ref(), &header)).unwrap();
    let payload = Payload { bytes: u64::MAX, ..header.payload };
    let lie = Header { payload, ..header.clone() }.identified();
    let bytes = KeyFile::new(lie.clone(), file.payload()).bytes().to_vec();
    let found = file.payload().len() as u64;
    assert_eq!(
        KeyFile::parse(&lie.file_name(), bytes).unwrap_err(),
        KeyFileError::Length { announced: u64::MAX, found }
    );
}

#[test]
fn a_key_of_other_parameters_or_of_other_code_is_not_used() {
    let (_, store, pins) = filled();
    let other = Divide { rows: 131 };
    let bench = Bench::new(&store, pins.clone());
    bench.keys.circuit(other.clone()).unwrap();
    assert_eq!((bench.loaded(), bench.made()), (0, 1));

    let yesterday = Origin { source: Checksum::of(b"yesterday's source"), ..origin() };
    let bench = Bench::of(yesterday.clone(), &store, pins.clone());
    bench.keys.circuit(DIVIDE).unwrap();
    assert_eq!((bench.loaded(), bench.made()), (0, 1));

    let expected = header(&pins, KeyKind::ProverKey);
    let found = Header::of(&pins.circuit[0], KeyKind::ProverKey, &yesterday).unwrap();
    let error = found.check_is(&expected).unwrap_err().to_string();
    assert!(error.starts_with("identifying_hash") || error.starts_with("origin.source"), "{error}");
    let others = self::pins(other);
    let error = header(&others, KeyKind::ProverKey).check_is(&expected).unwrap_err().to_string();
    assert!(error.contains(" of the key is "), "{error}");
}

#[test]
fn of_two_that_ask_at_once_one_makes_the_key() {
    let directory = tempfile::tempdir().unwrap();
    let store: Arc<dyn KeyStore> = Arc::new(circuits::keys::DirectoryStore::new(directory.path()));
    let pins = pins(DIVIDE);
    let benches = [Bench::new(&store, pins.clone()), Bench::new(&store, pins)];
    std::thread::scope(|scope| {
        for bench in &benches {
            scope.spawn(|| bench.keys.circuit(DIVIDE).unwrap());
        }
    });
    let [made, loaded] = [Bench::made, Bench::loaded].map(|count| benches.iter().map(count).sum::<usize>());
    assert_eq!((made, loaded), (1, 1));
}

/// A store that can be read only, or not even that.
struct Broken {
    inner: Arc<dyn KeyStore>,
    readable: bool,
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
}

#[test]
fn a_store_that_fails_costs_time_and_nothing_else() {
    let (_, inner, pins) = filled();
    for readable in [true, false] {
        let broken: Arc<dyn KeyStore> = Arc::new(Broken { inner: inner.clone(), readable });
        let bench = Bench::new(&broken, pins.clone());
        bench.keys.circuit(DIVIDE).unwrap().prove(&3).unwrap();
        assert_eq!(bench.loaded() == 1, readable);
        let kept = bench.told(|event| matches!(event, Event::NotKept { .. }));
        let trouble = bench.told(|event| matches!(event, Event::Trouble { .. }));
        assert_eq!((kept == 1, trouble > 0), (!readable, !readable));
    }
    // The second store takes what the first does not.
    let empty: Arc<dyn KeyStore> = Arc::new(MemoryStore::default());
    let broken: Arc<dyn KeyStore> = Arc::new(Broken { inner: empty.clone(), readable: true });
    Keys::new(origin()).with_store(broken).with_store(empty.clone()).circuit(DIVIDE).unwrap();
    assert_eq!(empty.list().unwrap().len(), 3);
}

#[test]
fn what_memory_cannot_hold_is_loaded_again() {
    let (_, store, pins) = filled();
    let bench = Bench::new(&store, pins);
    let keys = bench.keys.with_memory(0);
    let first = keys.circuit(DIVIDE).unwrap();
    let second = keys.circuit(DIVIDE).unwrap();
    assert!(!Arc::ptr_eq(&first, &second));
    let loaded = bench.events.lock().unwrap().iter().filter(|e| matches!(e, Event::Loaded { .. })).count();
    assert_eq!(loaded, 2);

    let keys = Keys::default();
    assert!(Arc::ptr_eq(&keys.circuit(DIVIDE).unwrap(), &keys.circuit(DIVIDE).unwrap()));
}

#[test]
fn every_key_that_was_used_or_made_is_left_in_the_collection() -> Result<(), CircuitError> {
    let (_, store, pins) = filled();
    let collection = Arc::new(MemoryStore::default());
    let keys = Keys::new(origin()).with_store(store).with_pins(pins).with_collection(collection.clone());
    let child = keys.verifier(DIVIDE)?;
    let kinds = || {
        let files = collection.files();
        let header = |file: &circuits::keys::MemoryFile| file.header.clone().unwrap().kind;
        files.iter().map(header).map(|kind| format!("{} {}", kind.identifier, kind.kind)).collect::<Vec<_>>()
    };
    assert_eq!(kinds(), ["divide common_data", "divide verifier_key"]);
    let proof = keys.circuit(DIVIDE)?.prove(&5)?;
    keys.circuit(Verify { child })?.prove(&proof)?;
    assert_eq!(kinds().len(), 6);

    // The collection is all that another process needs.
    let bench = Bench::new(&(collection as Arc<dyn KeyStore>), {
        let mut pins = keys.learned();
        pins.circuit.extend(self::pins(DIVIDE).circuit);
        pins
    });
    let child = bench.keys.verifier(DIVIDE)?;
    bench.keys.circuit(Verify { child })?;
    bench.keys.circuit(DIVIDE)?;
    assert_eq!((bench.made(), bench.loaded()), (0, 2));
    Ok(())
}

//! [`Keys`]: memory, then stores, then synthesis.

use std::{
    any::TypeId,
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{
    cache::{Cache, DEFAULT_MEMORY_BYTES},
    format::{HEADER_LIMIT, KeyFile, KeyFileError, MAGIC_LINE, read_header},
    header::{Header, KeyKind, Origin},
    made::Made,
    prover_data::{decode_common, decode_prover},
    store::{KeyStore, StoreLock},
};
use crate::{
    basetypes::{Circuit, CommonData, VerifierData},
    circuit::{CircuitError, Compiled, Definition, all_parameters, defined},
    contain::contained,
    digest::Digest,
    pins::{Pin, Pins},
    proof::decode_key,
    recursion::key_digest,
};

/// All that determines a circuit, known before it is built.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Identity {
    definition: TypeId,
    name: String,
    parameters: BTreeMap<String, u64>,
    depends_on: BTreeMap<String, Digest>,
}

impl Identity {
    fn of<Def: Definition + 'static>(definition: &Def) -> Self {
        Self {
            definition: TypeId::of::<Def>(),
            name: definition.name(),
            parameters: all_parameters(definition),
            depends_on: definition.depends_on(),
        }
    }

    fn is_of(&self, pin: &Pin) -> bool {
        self.name == pin.name && self.parameters == pin.parameters && self.depends_on == pin.depends_on
    }
}

/// What is kept in memory of a circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Circuit,
    Verifier,
}

/// Something worth telling whoever waits for a key. None of it stops a proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A circuit comes from key files.
    Loaded {
        /// Its name.
        identifier: String,
        /// How long it took to define it, to read and check its files, and to decode them.
        took: Duration,
    },
    /// A circuit is being built.
    Making {
        /// Its name.
        identifier: String,
    },
    /// A circuit was built.
    Made {
        /// Its name.
        identifier: String,
        /// How long it took to build it.
        building: Duration,
        /// How long it took to serialise it and to write its files.
        writing: Duration,
    },
    /// A proof of a circuit starts: nothing of its witness is computed yet.
    Proving {
        /// The circuit.
        identifier: String,
    },
    /// A file was refused and set aside.
    Refused {
        /// The file.
        name: String,
        /// The store.
        location: String,
        /// Why.
        reason: String,
    },
    /// A store does not do what it should.
    Trouble {
        /// The store's reason.
        reason: String,
    },
    /// No store took a key: it will be made again.
    NotKept {
        /// The circuit.
        identifier: String,
        /// Why.
        reason: String,
    },
    /// The code builds another circuit than its pin says, so its files are not those that a pin asks for.
    NotAsPinned {
        /// The circuit.
        identifier: String,
    },
}

/// Is told of events.
pub type Listener = Arc<dyn Fn(&Event) + Send + Sync>;

/// The keys of circuits: found in memory or in stores, or made.
///
/// Proving functions take one. It holds what they used up to its bound of memory; nothing is kept anywhere else.
pub struct Keys {
    memory: Mutex<Cache<(Identity, Part)>>,
    making: Mutex<BTreeMap<Identity, Arc<Mutex<()>>>>,
    origin: Option<Origin>,
    stores: Vec<Arc<dyn KeyStore>>,
    collection: Option<Arc<dyn KeyStore>>,
    pins: Pins,
    learned: Mutex<BTreeMap<Identity, Pin>>,
    listener: Option<Listener>,
    whole: bool,
}

/// No stores: everything is made, and kept in memory.
impl Default for Keys {
    fn default() -> Self {
        Self {
            memory: Mutex::new(Cache::new(DEFAULT_MEMORY_BYTES)),
            making: Mutex::default(),
            origin: None,
            stores: vec![],
            collection: None,
            pins: Pins::default(),
            learned: Mutex::default(),
            listener: None,
            whole: false,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Keys {
    /// Keys of the code of `origin`. A file of another code is not looked for.
    #[must_use]
    pub fn new(origin: Origin) -> Self {
        Self { origin: Some(origin), ..Self::default() }
    }

    /// Adds a store. They are searched in the order in which they were added; the first that takes a new key keeps
    /// it.
    #[must_use]
    pub fn with_store(mut self, store: Arc<dyn KeyStore>) -> Self {
        self.stores.push(store);
        self
    }

    /// Adds what circuits must be to be loaded. A circuit without a pin is built in each process.
    #[must_use]
    pub fn with_pins(mut self, pins: Pins) -> Self {
        self.pins.circuit.extend(pins.circuit);
        self
    }

    /// Leaves in `collection` the files of every key that is used or made.
    #[must_use]
    pub fn with_collection(mut self, collection: Arc<dyn KeyStore>) -> Self {
        self.collection = Some(collection);
        self
    }

    /// The same keys with another bound of memory, in bytes.
    #[must_use]
    pub fn with_memory(mut self, bytes: u64) -> Self {
        self.memory = Mutex::new(Cache::new(bytes));
        self
    }

    /// Tells `listener` what happens.
    #[must_use]
    pub fn with_listener(mut self, listener: Listener) -> Self {
        self.listener = Some(listener);
        self
    }

    /// Finds the whole circuit also where its verifier's part would do, so that no later proof waits for it.
    #[must_use]
    pub fn with_whole_circuits(mut self) -> Self {
        self.whole = true;
        self
    }

    /// The pins of the circuits that were built here, for callers with stores or a collection. Given to
    /// [`Self::with_pins`] they let another process load these circuits.
    #[must_use]
    pub fn learned(&self) -> Pins {
        Pins::new(lock(&self.learned).values().cloned())
    }

    /// The circuit of `definition`, ready to prove. Two threads that ask for one circuit get the same.
    ///
    /// # Errors
    /// [`CircuitError::Shape`] if it does not fit its shape.
    pub fn circuit<Def: Definition + 'static>(
        &self,
        definition: Def,
    ) -> Result<Arc<Compiled<Def>>, CircuitError> {
        let identity = Identity::of(&definition);
        let making = lock(&self.making).entry(identity.clone()).or_default().clone();
        let _alone = lock(&making);
        let key = (identity, Part::Circuit);
        let held = lock(&self.memory).get(&key).and_then(|value| value.downcast::<Compiled<Def>>().ok());
        let compiled = match held {
            Some(compiled) => compiled,
            None => {
                let compiled = Arc::new(apart(|| self.load_or_make(definition, &key.0))?);
                let bytes = memory_bytes(&compiled.circuit);
                lock(&self.memory).insert(key.clone(), compiled.clone(), bytes);
                compiled
            }
        };
        self.collect(&key.0, &compiled);
        Ok(compiled)
    }

    /// What a verifier of the circuit of `definition` needs: read from small files if they are there.
    ///
    /// # Errors
    /// As [`Self::circuit`].
    pub fn verifier<Def: Definition + 'static>(
        &self,
        definition: Def,
    ) -> Result<Arc<VerifierData>, CircuitError> {
        let key = (Identity::of(&definition), Part::Verifier);
        if let Some(held) = lock(&self.memory).get(&key).and_then(|value| value.downcast().ok()) {
            return Ok(held);
        }
        let pin = self.pin(&key.0).filter(|_| !self.whole);
        let loaded = pin.and_then(|pin| self.load_verifier(&definition, &pin));
        let verifier = Arc::new(match loaded {
            Some(verifier) => verifier,
            None => self.circuit(definition)?.circuit.verifier_data(),
        });
        lock(&self.memory).insert(key, verifier.clone(), VERIFIER_BYTES);
        Ok(verifier)
    }

    /// Sees to it that a store has the key files of `definition`, without reading their payloads. Returns whether they
    /// had to be made.
    ///
    /// # Errors
    /// As [`Self::circuit`].
    pub fn ensure<Def: Definition + 'static>(&self, definition: Def) -> Result<bool, CircuitError> {
        let pin = self.pin(&Identity::of(&definition));
        if pin.is_some_and(|pin| pin.files.is_some() && self.missing(&pin).is_empty()) {
            return Ok(false);
        }
        self.circuit(definition).map(|_| true)
    }

    /// The headers of a pinned circuit's files that no store has.
    #[must_use]
    pub fn missing(&self, pin: &Pin) -> Vec<Header> {
        let headers = KeyKind::ALL.into_iter().filter_map(|kind| self.header(pin, kind));
        headers.filter(|header| !self.stores.iter().any(|store| has(store.as_ref(), header))).collect()
    }

    fn load_or_make<Def: Definition>(
        &self,
        definition: Def,
        identity: &Identity,
    ) -> Result<Compiled<Def>, CircuitError> {
        let pin = self.pin(identity);
        let mut definition = definition;
        let mut _lock = None;
        if let Some(pin) = pin.as_ref().filter(|pin| !self.stores.is_empty() && is_loaded(pin)) {
            definition = match self.load(definition, pin) {
                Ok(compiled) => return Ok(compiled),
                Err(definition) => definition,
            };
            // Another process may be making it.
            _lock = self.lock(pin);
            definition = match self.load(definition, pin) {
                Ok(compiled) => return Ok(compiled),
                Err(definition) => definition,
            };
        }
        self.tell(&Event::Making { identifier: identity.name.clone() });
        let started = Instant::now();
        let compiled = Compiled { listener: self.listener.clone(), ..Compiled::new(definition)? };
        let building = started.elapsed();
        if !self.stores.is_empty() || self.collection.is_some() {
            self.keep(identity, pin.as_ref(), &compiled);
        }
        let writing = started.elapsed() - building;
        self.tell(&Event::Made { identifier: identity.name.clone(), building, writing });
        Ok(compiled)
    }

    /// The right to make the key, if the first store gives it.
    fn lock(&self, pin: &Pin) -> Option<StoreLock> {
        let name = self.header(pin, KeyKind::ProverKey)?.file_name();
        match self.stores.first()?.lock(&name) {
            Ok(lock) => Some(lock),
            Err(error) => {
                self.tell(&Event::Trouble { reason: error.to_string() });
                None
            }
        }
    }

    /// The circuit from key files, or the definition back.
    fn load<Def: Definition>(&self, definition: Def, pin: &Pin) -> Result<Compiled<Def>, Def> {
        let started = Instant::now();
        let Some(verifier) = self.load_verifier(&definition, pin) else { return Err(definition) };
        let prover = || self.file(pin, KeyKind::ProverKey);
        let (file, (builder, targets, gates)) = rayon::join(prover, || defined(&definition));
        let Some((store, file)) = file else { return Err(definition) };
        if (gates, builder.num_public_inputs()) != (pin.gates, pin.public_inputs) {
            self.tell(&Event::NotAsPinned { identifier: pin.name.clone() });
            return Err(definition);
        }
        let (key, common) = (verifier.verifier_only, verifier.common);
        let decoded = contained(|| decode_prover(file.payload(), &key, &common))
            .and_then(|decoded| decoded.map_err(|error| error.to_string()));
        match decoded {
            Ok(prover_only) => {
                self.tell(&Event::Loaded { identifier: pin.name.clone(), took: started.elapsed() });
                let circuit = Circuit { prover_only, verifier_only: key, common };
                Ok(Compiled { definition, circuit, targets, gates, listener: self.listener.clone() })
            }
            Err(reason) => {
                self.refuse(store, &file.header().file_name(), &KeyFileError::Payload { reason });
                Err(definition)
            }
        }
    }

    fn load_verifier<Def: Definition>(&self, definition: &Def, pin: &Pin) -> Option<VerifierData> {
        let common = match definition.shape() {
            Some(shape) => shape.common.clone(),
            None => self.decode(pin, KeyKind::CommonData, decode_common_data)?,
        };
        let read = |payload: &[u8]| decode_key(payload, &common).map_err(|error| error.to_string());
        let verifier_only = self.decode(pin, KeyKind::VerifierKey, read)?;
        if key_digest(&verifier_only) != pin.key {
            self.tell(&Event::NotAsPinned { identifier: pin.name.clone() });
            return None;
        }
        Some(VerifierData { verifier_only, common })
    }

    /// The content of a small file.
    fn decode<T>(&self, pin: &Pin, kind: KeyKind, read: impl Fn(&[u8]) -> Result<T, String>) -> Option<T> {
        let (store, file) = self.file(pin, kind)?;
        match contained(|| read(file.payload())).and_then(|read| read) {
            Ok(value) => {
                self.collect_file(&file);
                Some(value)
            }
            Err(reason) => {
                self.refuse(store, &file.header().file_name(), &KeyFileError::Payload { reason });
                None
            }
        }
    }

    /// The file that the pin asks for, payload checked, from the first store that has it.
    fn file(&self, pin: &Pin, kind: KeyKind) -> Option<(&Arc<dyn KeyStore>, KeyFile)> {
        let header = self.header(pin, kind)?;
        let name = header.file_name();
        let limit = header.payload.bytes + HEADER_LIMIT as u64;
        self.stores.iter().find_map(|store| {
            let bytes = match store.read(&name, limit) {
                Ok(bytes) => bytes?,
                Err(error) if error.source.kind() == io::ErrorKind::FileTooLarge => {
                    self.refuse(store, &name, &KeyFileError::TooLarge { limit });
                    return None;
                }
                Err(error) => {
                    self.tell(&Event::Trouble { reason: error.to_string() });
                    return None;
                }
            };
            match KeyFile::expect(&header, bytes) {
                Ok(file) => Some((store, file)),
                Err(reason) => {
                    self.refuse(store, &name, &reason);
                    None
                }
            }
        })
    }

    fn header(&self, pin: &Pin, kind: KeyKind) -> Option<Header> {
        Header::of(pin, kind, self.origin.as_ref()?)
    }

    fn pin(&self, identity: &Identity) -> Option<Pin> {
        let given = self.pins.circuit.iter().find(|pin| identity.is_of(pin)).cloned();
        given.or_else(|| lock(&self.learned).get(identity).cloned())
    }

    fn refuse(&self, store: &Arc<dyn KeyStore>, name: &str, reason: &KeyFileError) {
        let reason = reason.to_string();
        if let Err(error) = store.set_aside(name, &reason) {
            self.tell(&Event::Trouble { reason: error.to_string() });
        }
        self.tell(&Event::Refused { name: name.to_owned(), location: store.location(), reason });
    }

    /// Writes the files of a circuit that was just made.
    fn keep<Def: Definition>(&self, identity: &Identity, pin: Option<&Pin>, compiled: &Compiled<Def>) {
        let made = Made::new(compiled);
        if pin.is_some_and(|pin| *pin != made.pin) {
            self.tell(&Event::NotAsPinned { identifier: identity.name.clone() });
        }
        if let Some(origin) = &self.origin {
            self.collect_made(&made, origin);
            let mut refusals = vec![];
            let kept = self.stores.is_empty()
                || self.stores.iter().any(|store| match made.write(store.as_ref(), origin) {
                    Ok(()) => true,
                    Err(error) => {
                        refusals.push(error.to_string());
                        false
                    }
                });
            if !kept {
                let (identifier, reason) = (identity.name.clone(), refusals.join("; "));
                self.tell(&Event::NotKept { identifier, reason });
            }
        }
        lock(&self.learned).insert(identity.clone(), made.pin);
    }

    /// Leaves the circuit's files in the collection, if there is one that does not have them.
    fn collect<Def: Definition>(&self, identity: &Identity, compiled: &Compiled<Def>) {
        let (Some(collection), Some(origin)) = (&self.collection, &self.origin) else { return };
        let header = self.pin(identity).and_then(|pin| Header::of(&pin, KeyKind::ProverKey, origin));
        let name = header.map(|header| header.file_name());
        if name.is_some_and(|name| matches!(collection.read_start(&name, 1), Ok(Some(_)))) {
            return;
        }
        self.collect_made(&Made::new(compiled), origin);
    }

    fn collect_made(&self, made: &Made, origin: &Origin) {
        let Some(collection) = &self.collection else { return };
        if let Err(error) = made.write(collection.as_ref(), origin) {
            self.tell(&Event::Trouble { reason: error.to_string() });
        }
    }

    fn collect_file(&self, file: &KeyFile) {
        let Some(collection) = &self.collection else { return };
        if let Err(error) = collection.write(&file.header().file_name(), file.bytes()) {
            self.tell(&Event::Trouble { reason: error.to_string() });
        }
    }

    fn tell(&self, event: &Event) {
        if let Some(listener) = &self.listener {
            listener(event);
        }
    }
}

/// Memory of a verifier key and common data: gates and cap, rounded up.
const VERIFIER_BYTES: u64 = 16 << 10;

/// Building a circuit of fewer points takes less time than reading its files.
const SMALLEST_LOADED_DOMAIN_BITS: usize = 10;

fn is_loaded(pin: &Pin) -> bool {
    let rate_bits = pin.parameters.get("rate_bits").copied().unwrap_or_default();
    pin.degree_bits + rate_bits as usize >= SMALLEST_LOADED_DOMAIN_BITS
}

/// Whether the store has a file with this header.
fn has(store: &dyn KeyStore, header: &Header) -> bool {
    let name = header.file_name();
    let start = store.read_start(&name, MAGIC_LINE.len() + HEADER_LIMIT).ok().flatten();
    start.and_then(|start| read_header(&name, &start).ok()).is_some_and(|(found, _)| found == *header)
}

fn decode_common_data(payload: &[u8]) -> Result<CommonData, String> {
    decode_common(payload).map_err(|error| error.to_string())
}

/// About how much memory a circuit takes: its large tables.
fn memory_bytes(circuit: &Circuit) -> u64 {
    let prover = &circuit.prover_only;
    let commitment = &prover.constants_sigmas_commitment;
    let rows = 1_usize << circuit.common.degree_bits();
    let columns = commitment.polynomials.len();
    let leaves = commitment.merkle_tree.leaves.len() * columns;
    let digests = commitment.merkle_tree.digests.len() * 4;
    let words = leaves + digests + rows * columns * 2 + prover.representative_map.len();
    8 * words as u64
}

/// Runs `work` on a thread outside of the caller's pool.
///
/// A rayon worker that waits for its own pool runs other tasks meanwhile; one of these may ask for the lock that the
/// worker holds. A worker that waits for a thread does not.
fn apart<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    let work = || match rayon::ThreadPoolBuilder::new().build() {
        Ok(pool) => pool.install(work),
        Err(_) => work(),
    };
    match std::thread::scope(|scope| scope.spawn(work).join()) {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use plonky2::{iop::target::Target, plonk::circuit_data::CircuitConfig};
    use rayon::prelude::*;

    use super::*;
    use crate::{
        basetypes::{Builder, F, Witness, kernel_config},
        layout::{WitnessError, set_target},
    };

    /// States any element, and counts how often it is built.
    #[derive(Clone)]
    struct Counted(Arc<AtomicUsize>);

    impl Definition for Counted {
        type Statement = [Target; 1];
        type NativeStatement = [F; 1];
        type Targets = Target;
        type Input = F;

        fn name(&self) -> String {
            "counted".to_owned()
        }

        fn config(&self) -> CircuitConfig {
            kernel_config()
        }

        fn define(&self, builder: &mut Builder) -> ([Target; 1], Target) {
            self.0.fetch_add(1, Ordering::SeqCst);
            let target = builder.add_virtual_target();
            ([target], target)
        }

        fn assign(&self, target: &Target, input: &F, witness: &mut Witness) -> Result<(), WitnessError> {
            set_target(witness, *target, *input)
        }
    }

    #[test]
    fn a_circuit_is_built_once_however_many_ask_for_it_at_once() {
        let (keys, counted) = (Keys::default(), Counted(Arc::default()));
        let all: Vec<_> = (0..16).into_par_iter().map(|_| keys.circuit(counted.clone()).unwrap()).collect();
        assert!(all.iter().all(|circuit| Arc::ptr_eq(circuit, &all[0])));
        assert_eq!(counted.0.load(Ordering::SeqCst), 1);
    }
}

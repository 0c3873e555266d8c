//! [`CircuitCache`]: memory, then stores, then synthesis.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use circuits_core::{
    circuit::{AnyCompiled, CircuitError, Compiled, Definition, build},
    proof::decode_key,
    recursion::{Shape, key_digest},
};
use circuits_prover::{
    basetypes::{Circuit, CommonData, VerifierData},
    panics::contained,
};

use super::{
    erased::{Defined, Erased, Found, Identity},
    event::{Event, Listener},
    format::{KeyFile, KeyFileError, START_LIMIT, read_header},
    header::{Header, KeyKind, Origin},
    lru::{DEFAULT_MEMORY_BYTES, Lru},
    made::Made,
    prover_data::{Stored, decode_common},
    store::{KeyStore, StoreLock},
};
use crate::pins::{Pin, Pins};

/// The keys of circuits: found in memory or in stores, or made.
///
/// Proving functions take one. It holds what they used up to its bound of memory; nothing is kept anywhere else.
pub struct CircuitCache {
    memory: Mutex<Lru<Identity>>,
    /// Apart, because circuits, a thousand times as large, would drive them out.
    verifiers: Mutex<Lru<Identity>>,
    making: Mutex<BTreeMap<Identity, Arc<Mutex<()>>>>,
    pub(super) origin: Option<Origin>,
    pub(super) stores: Vec<Arc<dyn KeyStore>>,
    pub(super) collection: Option<Arc<dyn KeyStore>>,
    pins: Pins,
    pub(super) learned: Mutex<BTreeMap<Identity, Pin>>,
    listener: Option<Listener>,
}

/// No stores: everything is made, and kept in memory.
impl Default for CircuitCache {
    fn default() -> Self {
        Self {
            memory: Mutex::new(Lru::new(DEFAULT_MEMORY_BYTES)),
            verifiers: Mutex::new(Lru::new(VERIFIERS_BYTES)),
            making: Mutex::default(),
            origin: None,
            stores: vec![],
            collection: None,
            pins: Pins::default(),
            learned: Mutex::default(),
            listener: None,
        }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl CircuitCache {
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

    /// Adds what circuits must be to be loaded; of two pins of a circuit, the one that was added first counts. A circuit
    /// without a pin is built in each process.
    ///
    /// Pins are trusted as the code is: they must come from the definitions that are asked for.
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

    /// The same keys with another bound of memory, in bytes, for circuits. What verifiers need takes 16 MiB at most.
    #[must_use]
    pub fn with_memory(mut self, bytes: u64) -> Self {
        self.memory = Mutex::new(Lru::new(bytes));
        self
    }

    /// Tells `listener` what happens.
    #[must_use]
    pub fn with_listener(mut self, listener: Listener) -> Self {
        self.listener = Some(listener);
        self
    }

    /// The pins of the circuits that were built here, for callers with stores or a collection. Given to
    /// [`Self::with_pins`] they let another process load these circuits.
    #[must_use]
    pub fn learned(&self) -> Pins {
        Pins::new(lock(&self.learned).values().cloned())
    }

    /// The pin of a circuit: the one that was learned when it was built here, or else computed now.
    #[must_use]
    pub fn pin_of(&self, compiled: &dyn AnyCompiled) -> Pin {
        let (name, key) = (compiled.name(), key_digest(&compiled.circuit().verifier_only));
        let learned = lock(&self.learned).values().find(|pin| pin.name == name && pin.key == key).cloned();
        learned.unwrap_or_else(|| Made::new(compiled).pin)
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
        self.find(definition, &identity).map(|(compiled, _)| compiled)
    }

    /// What a verifier of the circuit of `definition` needs: read from small files if they are there.
    ///
    /// # Errors
    /// As [`Self::circuit`].
    pub fn verifier<Def: Definition + 'static>(
        &self,
        definition: Def,
    ) -> Result<Arc<VerifierData>, CircuitError> {
        let identity = Identity::of(&definition);
        let held = lock(&self.verifiers).get(&identity).and_then(|value| value.downcast().ok());
        let verifier: Arc<VerifierData> = match held {
            Some(verifier) => verifier,
            None => {
                let loaded =
                    self.pin(&identity).and_then(|pin| self.load_verifier(definition.shape(), &pin, false));
                match loaded {
                    Some(verifier) => self.hold_verifier(&identity, verifier),
                    None => {
                        let (compiled, _) = self.find(definition, &identity)?;
                        Arc::new(compiled.circuit.verifier_data())
                    }
                }
            }
        };
        self.collect_verifier(&identity, &|| verifier.as_ref().clone());
        Ok(verifier)
    }

    /// Sees to it that a store has the key files of `definition`, without reading their payloads. Returns whether they
    /// were made here, now or earlier, and not by another process.
    ///
    /// # Errors
    /// As [`Self::circuit`].
    pub fn ensure<Def: Definition + 'static>(&self, definition: Def) -> Result<bool, CircuitError> {
        let identity = Identity::of(&definition);
        let pin = self.pin(&identity);
        let is_complete =
            || pin.as_ref().is_some_and(|pin| pin.files.is_some() && self.missing(pin).is_empty());
        if !is_complete() {
            let (compiled, made) = self.find(definition, &identity)?;
            if !made && !is_complete() {
                // It was in memory, or in files of which one that is not needed to load it was missing.
                self.keep(&identity, pin.as_ref(), compiled.as_ref());
            }
        }
        Ok(lock(&self.learned).contains_key(&identity))
    }

    /// The headers of a pinned circuit's files that no store has.
    #[must_use]
    pub fn missing(&self, pin: &Pin) -> Vec<Header> {
        let headers = KeyKind::ALL.into_iter().filter_map(|kind| self.header(pin, kind));
        headers.filter(|header| !self.stores.iter().any(|store| has(store.as_ref(), header))).collect()
    }

    /// The circuit, and whether it was built now.
    fn find<Def: Definition + 'static>(
        &self,
        definition: Def,
        identity: &Identity,
    ) -> Result<(Arc<Compiled<Def>>, bool), CircuitError> {
        self.alone(identity, || {
            let held =
                lock(&self.memory).get(identity).and_then(|value| value.downcast::<Compiled<Def>>().ok());
            let (compiled, made) = match held {
                Some(compiled) => (compiled, false),
                None => {
                    let define = || Defined::by(&definition);
                    let wanted = Erased { identity, shape: definition.shape(), define: &define };
                    let (Found { circuit, targets, gates, .. }, made) = self.apart(&wanted)?;
                    let targets = *targets.downcast().expect("the targets that this definition made");
                    let mut compiled = Compiled::of_parts(definition, circuit, targets, gates);
                    if let Some(listener) = self.listener.clone() {
                        compiled = compiled.with_listener(Arc::new(move |identifier| {
                            listener(&Event::Proving { identifier: identifier.to_owned() });
                        }));
                    }
                    let compiled = Arc::new(compiled);
                    let bytes = memory_bytes(&compiled.circuit);
                    lock(&self.memory).insert(identity.clone(), compiled.clone(), bytes);
                    // Asked for on its own when the circuit is gone.
                    self.hold_verifier(identity, compiled.circuit.verifier_data());
                    (compiled, made)
                }
            };
            self.collect(identity, compiled.as_ref());
            Ok((compiled, made))
        })
    }

    fn hold_verifier(&self, identity: &Identity, verifier: VerifierData) -> Arc<VerifierData> {
        let verifier = Arc::new(verifier);
        lock(&self.verifiers).insert(identity.clone(), verifier.clone(), VERIFIER_BYTES);
        verifier
    }

    /// Runs `work` while no other thread does so for this circuit.
    fn alone<R>(&self, identity: &Identity, work: impl FnOnce() -> R) -> R {
        let making = self.making(identity);
        let result = {
            let _alone = lock(&making);
            work()
        };
        drop(making);
        self.made(identity);
        result
    }

    fn making(&self, identity: &Identity) -> Arc<Mutex<()>> {
        lock(&self.making).entry(identity.clone()).or_default().clone()
    }

    fn made(&self, identity: &Identity) {
        // Whoever else waits holds it too, since it is taken from the map under the map's lock.
        let mut all = lock(&self.making);
        if all.get(identity).is_some_and(|making| Arc::strong_count(making) == 1) {
            all.remove(identity);
        }
    }

    /// [`Self::load_or_make`] on a thread outside of the caller's pool.
    ///
    /// A rayon worker that waits for its own pool runs other tasks meanwhile; one of these may ask for the lock that
    /// the worker holds. A worker that waits for a thread does not.
    fn apart<'a>(&self, wanted: &Erased<'a>) -> Result<(Found<'a>, bool), CircuitError> {
        let work = || match rayon::ThreadPoolBuilder::new().build() {
            Ok(pool) => pool.install(|| self.load_or_make(wanted)),
            Err(_) => self.load_or_make(wanted),
        };
        match std::thread::scope(|scope| scope.spawn(work).join()) {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    fn load_or_make<'a>(&self, wanted: &Erased<'a>) -> Result<(Found<'a>, bool), CircuitError> {
        let identity = wanted.identity;
        let pin = self.pin(identity);
        let mut _lock = None;
        if let Some(pin) = pin.as_ref().filter(|_| !self.stores.is_empty()) {
            if let Some(found) = self.load(wanted, pin, false) {
                return Ok((found, false));
            }
            // Another process may be making it.
            _lock = self.lock(pin);
            if let Some(found) = self.load(wanted, pin, true) {
                return Ok((found, false));
            }
        }
        self.tell(&Event::Making { identifier: identity.name.clone() });
        let started = Instant::now();
        let Defined { builder, targets, gates } = (wanted.define)();
        let circuit = build(&identity.name, wanted.shape, builder)?;
        let found = Found { identity, circuit, targets, gates };
        let building = started.elapsed();
        self.keep(identity, pin.as_ref(), &found);
        let writing = started.elapsed() - building;
        self.tell(&Event::Made { identifier: identity.name.clone(), building, writing });
        Ok((found, true))
    }

    /// The right to make the key, from the first store that gives it.
    fn lock(&self, pin: &Pin) -> Option<StoreLock> {
        let name = self.header(pin, KeyKind::ProverKey)?.file_name();
        let waiting = || self.tell(&Event::Waiting { identifier: pin.name.clone() });
        let mut refusals = vec![];
        for store in &self.stores {
            match store.lock(&name, &waiting) {
                Ok(lock) => return Some(lock),
                Err(error) => refusals.push(error.to_string()),
            }
        }
        self.tell(&Event::Trouble { reason: refusals.join("; ") });
        None
    }

    /// The circuit from key files. `alone`: the caller has the right to make it.
    fn load<'a>(&self, wanted: &Erased<'a>, pin: &Pin, alone: bool) -> Option<Found<'a>> {
        let started = Instant::now();
        let verifier = self.load_verifier(wanted.shape, pin, alone)?;
        let prover = || self.file(pin, KeyKind::ProverKey, alone);
        let define = || {
            let Defined { builder, targets, gates } = (wanted.define)();
            (builder.num_public_inputs(), targets, gates)
        };
        let (file, (public_inputs, targets, gates)) = rayon::join(prover, define);
        let (store, file) = file?;
        if (gates, public_inputs) != (pin.gates, pin.public_inputs) {
            self.tell(&Event::NotAsPinned { identifier: pin.name.clone() });
            return None;
        }
        let (key, common) = (verifier.verifier_only, verifier.common);
        let header = file.header().clone();
        let stored = contained(|| Stored::decode(file.payload(), &common))
            .and_then(|stored| stored.map_err(|error| error.to_string()));
        if stored.is_ok() {
            self.collect_file(&file);
        }
        // Its memory is of use for what comes now.
        drop(file);
        match stored.and_then(|stored| contained(|| stored.complete(&key, &common))) {
            Ok(prover_only) => {
                self.tell(&Event::Loaded { identifier: pin.name.clone(), took: started.elapsed() });
                let circuit = Circuit { prover_only, verifier_only: key, common };
                Some(Found { identity: wanted.identity, circuit, targets, gates })
            }
            Err(reason) => {
                self.refuse(store, &header, &KeyFileError::Payload { reason });
                None
            }
        }
    }

    fn load_verifier(&self, shape: Option<&Shape>, pin: &Pin, alone: bool) -> Option<VerifierData> {
        let common = match shape {
            Some(shape) => shape.common.clone(),
            None => self.decode(pin, KeyKind::CommonData, alone, decode_common_data)?,
        };
        let read = |payload: &[u8]| decode_key(payload, &common).map_err(|error| error.to_string());
        let verifier_only = self.decode(pin, KeyKind::VerifierKey, alone, read)?;
        if key_digest(&verifier_only) != pin.key {
            self.tell(&Event::NotAsPinned { identifier: pin.name.clone() });
            return None;
        }
        Some(VerifierData { verifier_only, common })
    }

    /// The content of a small file.
    fn decode<T>(
        &self,
        pin: &Pin,
        kind: KeyKind,
        alone: bool,
        read: impl Fn(&[u8]) -> Result<T, String>,
    ) -> Option<T> {
        let (store, file) = self.file(pin, kind, alone)?;
        match contained(|| read(file.payload())).and_then(|read| read) {
            Ok(value) => Some(value),
            Err(reason) => {
                self.refuse(store, file.header(), &KeyFileError::Payload { reason });
                None
            }
        }
    }

    /// The file that the pin asks for, payload checked, from the first store that has it.
    fn file(&self, pin: &Pin, kind: KeyKind, alone: bool) -> Option<(&Arc<dyn KeyStore>, KeyFile)> {
        let header = self.header(pin, kind)?;
        self.stores.iter().find_map(|store| {
            let mut found = self.read(store.as_ref(), &header);
            let mut _lock = None;
            if matches!(found, Some(Err(_))) && !alone {
                // Another process may have put a good file in its place since: that one must not be set aside.
                _lock = self.lock(pin);
                found = self.read(store.as_ref(), &header);
            }
            match found? {
                Ok(file) => Some((store, file)),
                Err(reason) => {
                    self.refuse(store, &header, &reason);
                    None
                }
            }
        })
    }

    /// What a store has in the place of the file with this header; `None` if nothing that can be read.
    fn read(&self, store: &dyn KeyStore, header: &Header) -> Option<Result<KeyFile, KeyFileError>> {
        let limit = header.file_limit();
        match store.read(&header.file_name(), limit) {
            Ok(bytes) => Some(KeyFile::expect(header, bytes?)),
            Err(error) if error.source.kind() == io::ErrorKind::FileTooLarge => {
                Some(Err(KeyFileError::TooLarge { limit }))
            }
            Err(error) => {
                self.tell(&Event::Trouble { reason: error.to_string() });
                None
            }
        }
    }

    pub(super) fn header(&self, pin: &Pin, kind: KeyKind) -> Option<Header> {
        Header::of(pin, kind, self.origin.as_ref()?)
    }

    /// What was built here is what the code builds, whatever else the pins say.
    pub(super) fn pin(&self, identity: &Identity) -> Option<Pin> {
        let learned = lock(&self.learned).get(identity).cloned();
        learned.or_else(|| self.pins.circuit.iter().find(|pin| identity.is_of(pin)).cloned())
    }

    fn refuse(&self, store: &Arc<dyn KeyStore>, header: &Header, reason: &KeyFileError) {
        let (name, reason) = (header.file_name(), reason.to_string());
        if let Err(error) = store.set_aside(&name, &reason) {
            self.tell(&Event::Trouble { reason: error.to_string() });
        }
        self.tell(&Event::Refused { name, location: store.location(), reason });
    }

    pub(super) fn tell(&self, event: &Event) {
        if let Some(listener) = &self.listener {
            listener(event);
        }
    }
}

/// Memory of a verifier key and common data: gates and cap, rounded up.
const VERIFIER_BYTES: u64 = 16 << 10;

/// Memory of what verifiers need: of a thousand circuits, ten times as many as this workspace has.
const VERIFIERS_BYTES: u64 = VERIFIER_BYTES << 10;

/// Whether the store has a file with this header.
fn has(store: &dyn KeyStore, header: &Header) -> bool {
    let name = header.file_name();
    let start = store.read_start(&name, START_LIMIT).ok().flatten();
    start.and_then(|start| read_header(&name, &start).ok()).is_some_and(|(found, _)| found == *header)
}

fn decode_common_data(payload: &[u8]) -> Result<CommonData, String> {
    decode_common(payload).map_err(|error| error.to_string())
}

/// About how much memory a circuit takes: its tables, and what allocations cost beside their content. Counted in
/// words of 8 bytes.
fn memory_bytes(circuit: &Circuit) -> u64 {
    /// A vector's header, and what the allocator adds.
    const VECTOR: usize = 5;
    const GENERATOR: usize = 16;
    let prover = &circuit.prover_only;
    let commitment = &prover.constants_sigmas_commitment;
    let rows = 1_usize << circuit.common.degree_bits();
    let columns = commitment.polynomials.len();
    let leaves = commitment.merkle_tree.leaves.len() * (columns + VECTOR);
    let digests = commitment.merkle_tree.digests.len() * 4;
    let sigmas = rows * (columns + VECTOR);
    let watches = &prover.generator_indices_by_watches;
    let watches = watches.values().map(|generators| generators.len() + 2 * VECTOR).sum::<usize>();
    let generators = prover.generators.len() * GENERATOR;
    let words =
        leaves + digests + rows * columns + sigmas + watches + generators + prover.representative_map.len();
    8 * words as u64
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use circuits_core::layout::{WitnessError, set_target};
    use circuits_prover::basetypes::{Builder, F, Witness, kernel_config};
    use plonky2::{iop::target::Target, plonk::circuit_data::CircuitConfig};
    use rayon::prelude::*;

    use super::*;

    /// States any element, and counts how often it is built.
    #[derive(Clone)]
    struct Counted(Arc<AtomicUsize>, u64);

    impl Definition for Counted {
        type Statement = [Target; 1];
        type NativeStatement = [F; 1];
        type Targets = Target;
        type Input = F;

        fn name(&self) -> String {
            "counted".to_owned()
        }

        fn parameters(&self) -> BTreeMap<String, u64> {
            BTreeMap::from([("number".to_owned(), self.1)])
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
        let (keys, counted) = (CircuitCache::default(), Counted(Arc::default(), 0));
        let all: Vec<_> = (0..16).into_par_iter().map(|_| keys.circuit(counted.clone()).unwrap()).collect();
        assert!(all.iter().all(|circuit| Arc::ptr_eq(circuit, &all[0])));
        assert_eq!(counted.0.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn nothing_is_left_of_a_circuit_that_nobody_waits_for() {
        let keys = CircuitCache::default();
        (0..8).into_par_iter().for_each(|number| {
            keys.circuit(Counted(Arc::default(), number % 3)).unwrap();
        });
        assert_eq!(lock(&keys.making).len(), 0);
    }

    #[test]
    fn a_verifier_is_held_though_its_circuit_is_not() {
        let asked_for: [fn(&CircuitCache, Counted); 2] = [
            |keys, counted| drop(keys.verifier(counted).unwrap()),
            |keys, counted| drop(keys.circuit(counted).unwrap()),
        ];
        for ask in asked_for {
            let (keys, counted) = (CircuitCache::default().with_memory(0), Counted(Arc::default(), 0));
            ask(&keys, counted.clone());
            keys.verifier(counted.clone()).unwrap();
            assert_eq!(counted.0.load(Ordering::SeqCst), 1);
        }
    }

    #[test]
    fn however_many_circuits_are_asked_for_those_used_last_are_held_up_to_the_bound() {
        let built = Compiled::new(Counted(Arc::default(), 0)).unwrap();
        // All have as many rows, and so as many bytes.
        let one = memory_bytes(&built.circuit);
        for held in [0, 1, 3, 8] {
            for bound in [held * one, (held + 1) * one - 1] {
                let (keys, counter) = (CircuitCache::default().with_memory(bound), Arc::default());
                let ask = |number| drop(keys.circuit(Counted(Arc::clone(&counter), number)).unwrap());
                (0..8).for_each(ask);
                assert_eq!(counter.load(Ordering::SeqCst), 8);
                (8 - held..8).for_each(ask);
                assert_eq!(counter.load(Ordering::SeqCst), 8, "{held} are held");
                if held < 8 {
                    ask(7 - held);
                    assert_eq!(counter.load(Ordering::SeqCst), 9, "no more are held");
                }
            }
        }
    }
}

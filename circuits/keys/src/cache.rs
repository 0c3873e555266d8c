//! [`CircuitCache`]: looks for a circuit in memory, then in stores, and builds it if neither has it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Instant,
};

use circuits_core::{
    circuit::{AnyCompiled, CircuitError, Compiled, Definition, build},
    digest::Digest,
    recursion::key_digest,
};
use circuits_prover::basetypes::VerifierData;

use crate::{
    alone::{Alone, lock},
    erased::{Defined, Erased, Found},
    event::{Event, Listener},
    files::KeyFiles,
    footprint::memory_bytes,
    header::{Header, Origin},
    identity::Identity,
    known_pins::KnownPins,
    lru::{DEFAULT_MEMORY_BYTES, Lru},
    made::Made,
    pins::{Pin, Pins},
    store::KeyStore,
};

/// What a verifier key and common data take in memory: gates and cap, rounded up.
const VERIFIER_BYTES: u64 = 16 << 10;

/// The bound of memory for verifiers: enough for a thousand, more than ten times as many as this workspace has.
const VERIFIERS_BYTES: u64 = VERIFIER_BYTES << 10;

/// A cache of circuits: it finds them in memory or in stores, or builds them.
///
/// Proving functions take one. It holds the circuits that they used, up to its bound of memory. Nothing else keeps
/// circuits.
pub struct CircuitCache {
    memory: Mutex<Lru<Identity>>,
    /// Apart from `memory`, because circuits are a thousand times as large and would drive verifiers out.
    verifiers: Mutex<Lru<Identity>>,
    alone: Alone<Identity>,
    files: KeyFiles,
    pins: KnownPins,
}

/// A cache without stores: it builds every circuit, and holds it in memory.
impl Default for CircuitCache {
    fn default() -> Self {
        Self {
            memory: Mutex::new(Lru::new(DEFAULT_MEMORY_BYTES)),
            verifiers: Mutex::new(Lru::new(VERIFIERS_BYTES)),
            alone: Alone::default(),
            files: KeyFiles::default(),
            pins: KnownPins::default(),
        }
    }
}

impl CircuitCache {
    /// Creates a cache for key files that the code of `origin` makes. It ignores files of other code.
    #[must_use]
    pub fn new(origin: Origin) -> Self {
        Self { files: KeyFiles { origin: Some(origin), ..KeyFiles::default() }, ..Self::default() }
    }

    /// Adds a store. Stores are searched in the order in which they were added, and the first one that accepts a new key
    /// keeps it.
    #[must_use]
    pub fn with_store(mut self, store: Arc<dyn KeyStore>) -> Self {
        self.files.stores.push(store);
        self
    }

    /// Adds pins, which say what circuits must be to be loaded, and which keys are listed. Of two pins of a circuit, the one
    /// that was added first counts. A circuit without a pin is built in each process.
    ///
    /// Pins are trusted as the code is: they must come from the definitions that are asked for.
    #[must_use]
    pub fn with_pins(mut self, pins: Pins) -> Self {
        self.pins.add(pins);
        self
    }

    /// Leaves the files of every key that is used or made in `collection`.
    #[must_use]
    pub fn with_collection(mut self, collection: Arc<dyn KeyStore>) -> Self {
        self.files.collection = Some(collection);
        self
    }

    /// Sets the bound of memory for circuits, in bytes. Verifiers have a bound of their own, 16 MiB.
    #[must_use]
    pub fn with_memory(mut self, bytes: u64) -> Self {
        self.memory = Mutex::new(Lru::new(bytes));
        self
    }

    /// Sends events to `listener`.
    #[must_use]
    pub fn with_listener(mut self, listener: Listener) -> Self {
        self.files.listener = Some(listener);
        self
    }

    /// The pins of the circuits that this cache built. It learns them only if it has a store or a collection. Given to
    /// [`Self::with_pins`], they let another process load these circuits.
    #[must_use]
    pub fn learned(&self) -> Pins {
        self.pins.learned()
    }

    /// The pin of a circuit: the one that was learned when this cache built the circuit, or else computed now.
    #[must_use]
    pub fn pin_of(&self, compiled: &dyn AnyCompiled) -> Pin {
        let key = key_digest(&compiled.circuit().verifier_only);
        self.pins.learned_by_key(&compiled.name(), key).unwrap_or_else(|| Made::new(compiled).pin)
    }

    /// The digest of the verifier key of `definition`: as [`Self::pinned_key`], or else that of the circuit.
    ///
    /// # Errors
    /// As [`Self::circuit`].
    pub fn key_digest<Def: Definition + 'static>(&self, definition: Def) -> Result<Digest, CircuitError> {
        let Identity { name, parameters, depends_on, .. } = Identity::of(&definition);
        match self.pinned_key(&name, &parameters, &depends_on) {
            Some(key) => Ok(key),
            None => Ok(key_digest(&self.verifier(definition)?.verifier_only)),
        }
    }

    /// The digest of the verifier key in the pin of the circuit with this name, these parameters, and these keys below it.
    /// The circuit is neither built nor read, so a stale pin gives the key of another circuit. Pins that the cache was given
    /// come before those that it learned, so the answer is the same before and after the circuit is built.
    #[must_use]
    pub fn pinned_key(
        &self,
        name: &str,
        parameters: &BTreeMap<String, u64>,
        depends_on: &BTreeMap<String, Digest>,
    ) -> Option<Digest> {
        self.pins.listed_key(name, parameters, depends_on)
    }

    /// The circuit of `definition`, ready to prove. Threads that ask for the same circuit at once share one.
    ///
    /// # Errors
    /// [`CircuitError::Shape`] if the circuit does not fit its shape.
    pub fn circuit<Def: Definition + 'static>(
        &self,
        definition: Def,
    ) -> Result<Arc<Compiled<Def>>, CircuitError> {
        let identity = Identity::of(&definition);
        self.find(definition, &identity).map(|(compiled, _)| compiled)
    }

    /// What a verifier of the circuit of `definition` needs. It is read from small files if a store has them.
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
                let pin = self.pins.get(&identity);
                let loaded = pin.and_then(|pin| self.files.load_verifier(definition.shape(), &pin, false));
                match loaded {
                    Some(verifier) => self.hold_verifier(&identity, verifier),
                    None => {
                        let (compiled, _) = self.find(definition, &identity)?;
                        Arc::new(compiled.circuit.verifier_data())
                    }
                }
            }
        };
        if let Some(pin) = self.pins.get(&identity) {
            self.files.collect_verifier(&pin, &|| verifier.as_ref().clone());
        }
        Ok(verifier)
    }

    /// Ensures that a store has the key files of `definition`, without reading their payloads. Returns whether this
    /// cache, and not another process, built the circuit, now or earlier.
    ///
    /// # Errors
    /// As [`Self::circuit`].
    pub fn ensure<Def: Definition + 'static>(&self, definition: Def) -> Result<bool, CircuitError> {
        let identity = Identity::of(&definition);
        let pin = self.pins.get(&identity);
        let is_complete =
            || pin.as_ref().is_some_and(|pin| pin.files.is_some() && self.missing(pin).is_empty());
        if !is_complete() {
            let (compiled, built) = self.find(definition, &identity)?;
            if !built && !is_complete() {
                // The circuit was in memory, or it was loaded although a file that loading does not need is missing.
                self.keep(&identity, pin.as_ref(), compiled.as_ref());
            }
        }
        Ok(self.pins.has_learned(&identity))
    }

    /// The headers of a pinned circuit's files that no store has.
    #[must_use]
    pub fn missing(&self, pin: &Pin) -> Vec<Header> {
        self.files.missing(pin)
    }

    /// Finds or builds the circuit, and tells whether it was built now.
    fn find<Def: Definition + 'static>(
        &self,
        definition: Def,
        identity: &Identity,
    ) -> Result<(Arc<Compiled<Def>>, bool), CircuitError> {
        self.alone.run(identity, || {
            let held =
                lock(&self.memory).get(identity).and_then(|value| value.downcast::<Compiled<Def>>().ok());
            let (compiled, built) = match held {
                Some(compiled) => (compiled, false),
                None => {
                    let define = || Defined::by(&definition);
                    let wanted = Erased { identity, shape: definition.shape(), define: &define };
                    let (Found { circuit, targets, gates, .. }, built) = self.apart(&wanted)?;
                    let targets = *targets.downcast().expect("the targets that this definition made");
                    let compiled = Compiled::of_parts(definition, circuit, targets, gates);
                    (self.hold(identity, compiled), built)
                }
            };
            if let Some(pin) = self.pins.get(identity) {
                self.files.collect(&pin, compiled.as_ref());
            }
            Ok((compiled, built))
        })
    }

    /// Holds a circuit and its verifier in memory.
    fn hold<Def: Definition + 'static>(
        &self,
        identity: &Identity,
        mut compiled: Compiled<Def>,
    ) -> Arc<Compiled<Def>> {
        if let Some(listener) = self.files.listener.clone() {
            compiled = compiled.with_listener(Arc::new(move |identifier| {
                listener(&Event::Proving { identifier: identifier.to_owned() });
            }));
        }
        let compiled = Arc::new(compiled);
        let bytes = memory_bytes(&compiled.circuit);
        lock(&self.memory).insert(identity.clone(), compiled.clone(), bytes);
        // A caller may ask for the verifier alone after the circuit has left the memory.
        self.hold_verifier(identity, compiled.circuit.verifier_data());
        compiled
    }

    fn hold_verifier(&self, identity: &Identity, verifier: VerifierData) -> Arc<VerifierData> {
        let verifier = Arc::new(verifier);
        lock(&self.verifiers).insert(identity.clone(), verifier.clone(), VERIFIER_BYTES);
        verifier
    }

    /// [`Self::load_or_build`] on a thread outside of the caller's pool.
    ///
    /// A rayon worker that waits for its own pool runs other tasks in the meantime, and one of these may ask for the lock
    /// that the worker holds. A worker that waits for a thread runs nothing.
    fn apart<'a>(&self, wanted: &Erased<'a>) -> Result<(Found<'a>, bool), CircuitError> {
        let work = || match rayon::ThreadPoolBuilder::new().build() {
            Ok(pool) => pool.install(|| self.load_or_build(wanted)),
            Err(_) => self.load_or_build(wanted),
        };
        match std::thread::scope(|scope| scope.spawn(work).join()) {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    fn load_or_build<'a>(&self, wanted: &Erased<'a>) -> Result<(Found<'a>, bool), CircuitError> {
        let (identity, files) = (wanted.identity, &self.files);
        let pin = self.pins.get(identity);
        let mut _lock = None;
        if let Some(pin) = pin.as_ref().filter(|_| !files.stores.is_empty()) {
            if let Some(found) = files.load(wanted, pin, false) {
                return Ok((found, false));
            }
            // Another process may be making the key.
            _lock = files.lock(pin);
            if let Some(found) = files.load(wanted, pin, true) {
                return Ok((found, false));
            }
        }
        files.tell(&Event::Making { identifier: identity.name.clone() });
        let started = Instant::now();
        let Defined { builder, targets, gates } = (wanted.define)();
        let circuit = build(&identity.name, wanted.shape, builder)?;
        let found = Found { identity, circuit, targets, gates };
        let building = started.elapsed();
        self.keep(identity, pin.as_ref(), &found);
        let writing = started.elapsed() - building;
        files.tell(&Event::Made { identifier: identity.name.clone(), building, writing });
        Ok((found, true))
    }

    /// Writes the files of a circuit, and learns its pin.
    fn keep(&self, identity: &Identity, pin: Option<&Pin>, compiled: &dyn AnyCompiled) {
        if let Some(pin) = self.files.keep(pin, compiled) {
            self.pins.learn(identity, pin);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeMap,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use circuits_core::layout::{WitnessError, set_target};
    use circuits_prover::basetypes::{Builder, F, Witness, standard_config};
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
            standard_config()
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

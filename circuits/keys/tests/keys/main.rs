//! Keys: what is loaded is what was built, and whatever else lies in a store never becomes a key.

mod keeping;
mod lookup;
mod pins;
mod refusal;

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock, Mutex},
};

use circuits_core::{
    Builder, Compiled, Definition, F, Proof, Witness,
    division::mul_div_circuit,
    hash::{Domain, hash_circuit},
    integer::HEIGHT_BITS,
    layout::{WitnessError, set_target},
    recursion::verify_with_constant_key,
};
use circuits_keys::{
    Checksum, CircuitCache, Event, Header, KeyKind, KeyStore, Made, MemoryStore, Origin, pins::Pins,
};
use circuits_prover::basetypes::{VerifierData, standard_config};
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
        standard_config()
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
    type Targets = circuits_core::recursion::ChildTarget<[Target; 3]>;
    type Input = Proof;

    fn name(&self) -> String {
        "divide-verified".to_owned()
    }

    fn depends_on(&self) -> BTreeMap<String, circuits_core::Digest> {
        BTreeMap::from([(
            "divide".to_owned(),
            circuits_core::recursion::key_digest(&self.child.verifier_only),
        )])
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
    cache: CircuitCache,
    events: Arc<Mutex<Vec<Event>>>,
}

impl Bench {
    fn new(store: &Arc<dyn KeyStore>, pins: Pins) -> Self {
        Self::of(origin(), store, pins)
    }

    fn of(origin: Origin, store: &Arc<dyn KeyStore>, pins: Pins) -> Self {
        Self::listening(CircuitCache::new(origin).with_store(store.clone()).with_pins(pins))
    }

    fn listening(cache: CircuitCache) -> Self {
        let events = Arc::new(Mutex::new(vec![]));
        let told = events.clone();
        let listener = Arc::new(move |event: &Event| told.lock().unwrap().push(event.clone()));
        Self { cache: cache.with_listener(listener), events }
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

static BUILT: LazyLock<Compiled<Divide>> = LazyLock::new(|| Compiled::new(DIVIDE).unwrap());
static MADE: LazyLock<Made> = LazyLock::new(|| Made::new(&*BUILT));

/// A store with the files of [`DIVIDE`], and its pins.
fn filled() -> (Arc<MemoryStore>, Arc<dyn KeyStore>, Pins) {
    let memory = Arc::new(MemoryStore::default());
    MADE.write(memory.as_ref(), &origin()).unwrap();
    (memory.clone(), memory, Pins::new([MADE.pin.clone()]))
}

fn header(pins: &Pins, kind: KeyKind) -> Header {
    Header::of(&pins.circuit[0], kind, &origin()).unwrap()
}

fn bytes_of(store: &dyn KeyStore, header: &Header) -> Vec<u8> {
    store.read(&header.file_name(), u64::MAX).unwrap().unwrap()
}

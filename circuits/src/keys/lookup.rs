//! [`Keys`]: memory, then stores, then synthesis.

use std::{
    any::TypeId,
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::cache::{Cache, DEFAULT_MEMORY_BYTES};
use crate::{
    basetypes::{Circuit, VerifierData},
    circuit::{CircuitError, Compiled, Definition},
    digest::Digest,
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
            parameters: definition.parameters(),
            depends_on: definition.depends_on(),
        }
    }
}

/// The keys of circuits: found in memory or in stores, or made.
///
/// Proving functions take one. It holds what they used up to its bound of memory; nothing is kept anywhere else.
pub struct Keys {
    memory: Mutex<Cache<Identity>>,
    making: Mutex<BTreeMap<Identity, Arc<Mutex<()>>>>,
}

impl Default for Keys {
    fn default() -> Self {
        Self { memory: Mutex::new(Cache::new(DEFAULT_MEMORY_BYTES)), making: Mutex::default() }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Keys {
    /// The same keys with another bound of memory, in bytes.
    #[must_use]
    pub fn with_memory(self, bytes: u64) -> Self {
        Self { memory: Mutex::new(Cache::new(bytes)), ..self }
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
        if let Some(compiled) = lock(&self.memory).get(&identity).and_then(|value| value.downcast().ok()) {
            return Ok(compiled);
        }
        let compiled = Arc::new(apart(|| Compiled::new(definition))?);
        lock(&self.memory).insert(identity, compiled.clone(), memory_bytes(&compiled.circuit));
        Ok(compiled)
    }

    /// What a verifier of the circuit of `definition` needs.
    ///
    /// # Errors
    /// As [`Self::circuit`].
    pub fn verifier<Def: Definition + 'static>(
        &self,
        definition: Def,
    ) -> Result<Arc<VerifierData>, CircuitError> {
        let circuit = self.circuit(definition)?;
        Ok(Arc::new(circuit.circuit.verifier_data()))
    }
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

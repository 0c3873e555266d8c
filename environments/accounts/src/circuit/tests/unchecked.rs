//! Substitutes for the proofs of signatures and hashes. They state any list and prove nothing: a kernel must bind its
//! transactions to these lists.

use std::sync::{Arc, LazyLock};

use circuits_core::{
    Builder, CircuitError, Definition, Digest, F, Proof, Witness,
    layout::{self, Layout, WitnessError},
    recursion::{Shape, key_digest},
};
use circuits_keys::CircuitCache;
use circuits_protocol::{fold::FoldChild, key_set::KeySet};
use circuits_prover::basetypes::{VerifierData, standard_config};
use circuits_tables::{
    ecdsa::{SignatureStatement, Signed},
    keccak::{Block, KeccakStatement},
};
use plonky2::{field::types::Field, iop::target::Target, plonk::circuit_data::CircuitConfig};

use crate::{
    block::MAX_BLOCKS,
    circuits::{Hashes, Signatures},
    kernel::{Hashing, Verified},
};

static SHAPE: LazyLock<Shape> =
    LazyLock::new(|| Shape::new("anything", standard_config(), 8, <SignatureStatement as Layout<F>>::LEN));
static HASH_SHAPE: LazyLock<Shape> =
    LazyLock::new(|| Shape::new("any-hashes", standard_config(), 8, <KeccakStatement as Layout<F>>::LEN));

/// States any list of claims.
pub(super) struct Anything;

/// States any list of blocks. A circuit whose number is not below [`LISTED`] is one that no kernel knows.
pub(super) struct AnyHashes(pub(super) u64);

/// Circuits that state lists of blocks, as there are several tables.
pub(super) const LISTED: u64 = 2;

macro_rules! state_anything {
    ($definition:ident, $statement:ident, $shape:ident, $name:expr, $number:expr) => {
        impl Definition for $definition {
            type Statement = $statement<Target>;
            type NativeStatement = $statement;
            type Targets = $statement<Target>;
            type Input = $statement;

            fn name(&self) -> String {
                $name(self)
            }

            fn config(&self) -> CircuitConfig {
                standard_config()
            }

            fn shape(&self) -> Option<&Shape> {
                Some(&$shape)
            }

            fn define(&self, builder: &mut Builder) -> (Self::Statement, Self::Targets) {
                // What tells circuits of one shape apart.
                let number = builder.constant(F::from_canonical_u64(1000 + $number(self)));
                builder.mul(number, number);
                let statement = layout::new_virtual(builder);
                (statement, statement)
            }

            fn assign(
                &self,
                targets: &Self::Targets,
                input: &$statement,
                witness: &mut Witness,
            ) -> Result<(), WitnessError> {
                layout::set(witness, targets, input)
            }
        }
    };
}

state_anything!(Anything, SignatureStatement, SHAPE, |_: &Anything| "anything".to_owned(), |_: &Anything| 0);
state_anything!(
    AnyHashes,
    KeccakStatement,
    HASH_SHAPE,
    |one: &AnyHashes| format!("any-hashes-{}", one.0),
    |one: &AnyHashes| one.0
);

/// Takes signatures and hashes as they are.
pub(super) struct Unchecked;

impl Unchecked {
    /// What kernels verify of it.
    pub(super) fn verified(&self, cache: &CircuitCache) -> Verified {
        let signatures = self.key(cache, 30).unwrap();
        let hashes = Hashing { shape: self.shape(), key_set_root: self.keys(cache).unwrap().root() };
        Verified { signatures, hashes }
    }

    /// A proof of any list of blocks, by the circuit with this number. A circuit that is not listed claims the place of one
    /// that is.
    pub(super) fn state(&self, cache: &CircuitCache, circuit: u64, statement: &KeccakStatement) -> FoldChild {
        let keys = self.keys(cache).unwrap();
        if circuit < LISTED {
            return keys.prove(cache, AnyHashes(circuit), statement).unwrap();
        }
        let listed = keys.prove(cache, AnyHashes(0), statement).unwrap();
        let circuit = cache.circuit(AnyHashes(circuit)).unwrap();
        FoldChild { proof: circuit.prove(statement).unwrap(), key: circuit.key().clone(), ..listed }
    }
}

impl Signatures for Unchecked {
    fn key(&self, cache: &CircuitCache, _: usize) -> Result<Arc<VerifierData>, CircuitError> {
        cache.verifier(Anything)
    }

    fn prove(&self, cache: &CircuitCache, _: usize, signatures: &[Signed]) -> Result<Proof, CircuitError> {
        let claims: Vec<_> = signatures.iter().map(Signed::claim).collect();
        cache.circuit(Anything)?.prove(&SignatureStatement::new(&claims))
    }
}

impl Hashes for Unchecked {
    fn shape(&self) -> &'static Shape {
        &HASH_SHAPE
    }

    fn keys(&self, cache: &CircuitCache) -> Result<KeySet, CircuitError> {
        let keys =
            (0..LISTED).map(|number| Ok(key_digest(&cache.verifier(AnyHashes(number))?.verifier_only)));
        Ok(KeySet::new(&keys.collect::<Result<Vec<_>, CircuitError>>()?))
    }

    fn table(&self, blocks: usize) -> Option<usize> {
        (blocks <= MAX_BLOCKS).then_some(MAX_BLOCKS)
    }

    fn table_key(&self, cache: &CircuitCache, _: usize) -> Result<Digest, CircuitError> {
        cache.key_digest(AnyHashes(0))
    }

    fn prove(&self, cache: &CircuitCache, blocks: &[Block]) -> Result<FoldChild, CircuitError> {
        self.keys(cache)?.prove(cache, AnyHashes(0), &KeccakStatement::new(blocks))
    }
}

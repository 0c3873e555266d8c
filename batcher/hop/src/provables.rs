//! The circuits of the hop as provables, for every process that does tasks of hops.
//!
//! | provable | child | travels |
//! |---|---|---|
//! | `superblock` | | nothing: the proof is given |
//! | `hop-shrink-14`, `-15`, `-16` | a superblock | nothing |
//! | `hop-poseidon` | a shrink | nothing |
//! | `hop-keccak` | the Poseidon hop | nothing |

use std::sync::{Arc, OnceLock};

use batcher_verify::{circuit::superblock_shape, keys::PinnedKeys};
use circuits_core::{CommonData, Compiled, Definition, Digest, layout, recursion::key_digest};
use circuits_keys::CircuitCache;
use circuits_protocol::{fold::FoldChild, key_set::KeySet, statement::SuperblockStatement};
use circuits_tasks::{
    circuit::{Common, KeyedProof, TaskCircuit, decode_input},
    graph::Task,
    id::KeyBytes,
    provable::{Catalogue, Child, Provable, ProvableError, Request},
};

use crate::{
    circuits::{KeccakHop, PoseidonHop, Shrink, Source, keccak_common, poseidon_shape, shrink_shape},
    keys::{outer_digest, poseidon_hop, shrink, shrink_set},
    outer_circuit::OuterCompiled,
    proof::HopProof,
};

/// The circuits of the hop with the keys that they must have. It holds the Keccak hop once that is built.
pub struct HopCircuits<'a> {
    pinned: &'a PinnedKeys,
    cache: &'a CircuitCache,
    keccak: OnceLock<OuterCompiled>,
}

impl<'a> HopCircuits<'a> {
    /// Circuits that are found or built through `cache`, and must have the `pinned` keys.
    #[must_use]
    pub const fn new(pinned: &'a PinnedKeys, cache: &'a CircuitCache) -> Self {
        Self { pinned, cache, keccak: OnceLock::new() }
    }

    /// The keys that the circuits must have.
    pub(crate) const fn pinned(&self) -> &'a PinnedKeys {
        self.pinned
    }

    /// Adds everything that the graph of a hop consists of.
    #[must_use]
    pub fn add_to<'b>(&'b self, catalogue: Catalogue<'b>) -> Catalogue<'b> {
        let shrinks = Source::ALL.into_iter().map(|source| ShrinkTask { circuits: self, source });
        shrinks
            .fold(catalogue, Catalogue::with)
            .with(GivenSuperblock { pinned: self.pinned })
            .with(PoseidonTask { circuits: self })
            .with(KeccakTask { circuits: self })
    }

    /// The digest of the key that the shrink of superblock proofs of a shape must have.
    pub(crate) fn shrink_key(&self, source: Source) -> Option<Digest> {
        let position = Source::ALL.iter().position(|&one| one == source)?;
        self.pinned.hop.shrink_set.get(position).copied()
    }

    /// The digest of the key that the Poseidon hop must have.
    pub(crate) fn poseidon_key(&self) -> Digest {
        key_digest(self.pinned.hop.poseidon.get())
    }

    /// The digest of the key that the Keccak hop must have.
    pub(crate) fn keccak_key(&self) -> KeyBytes {
        outer_digest(self.pinned.hop.keccak.get(), keccak_common())
    }

    /// The circuit of a definition, which must have this key.
    fn circuit<Def: Definition + 'static>(
        &self,
        definition: Def,
        expected: Digest,
    ) -> Result<Arc<Compiled<Def>>, ProvableError> {
        let circuit = self.cache.circuit(definition)?;
        let found = key_digest(circuit.key());
        if found == expected {
            return Ok(circuit);
        }
        Err(other_key(circuit.definition.name(), &expected.to_bytes(), &found.to_bytes()))
    }

    /// The Keccak hop, which is built when it is asked for first.
    fn keccak(&self) -> Result<&OuterCompiled, ProvableError> {
        if let Some(built) = self.keccak.get() {
            return Ok(built);
        }
        let built = OuterCompiled::new(KeccakHop::new(self.pinned.hop.poseidon.get().clone()))?;
        if built.key() == self.pinned.hop.keccak.get() {
            return Ok(self.keccak.get_or_init(|| built));
        }
        let found = outer_digest(built.key(), &built.circuit().common);
        Err(other_key(KeccakHop::NAME.to_owned(), &self.keccak_key(), &found))
    }
}

fn other_key(name: String, expected: &KeyBytes, found: &KeyBytes) -> ProvableError {
    ProvableError::OtherKey { name, expected: hex::encode(expected), found: hex::encode(found) }
}

fn no_key(name: &str) -> ProvableError {
    ProvableError::Input { reason: format!("the pinned keys lack circuit {name}") }
}

/// The only child's proof, whose key is in `set`.
fn listed_child(child: &Child<'_>, common: &CommonData, set: &KeySet) -> Result<FoldChild, ProvableError> {
    let KeyedProof { proof, key } = KeyedProof::decode(child.proof, common)?;
    let digest = key_digest(&key);
    let unlisted = || ProvableError::Input { reason: format!("key {digest} of the child is not in the set") };
    let membership = set.membership(digest).ok_or_else(unlisted)?;
    Ok(FoldChild { proof, key, membership })
}

/// The proof of a superblock that is made already.
pub(crate) struct GivenSuperblock<'a> {
    pinned: &'a PinnedKeys,
}

impl GivenSuperblock<'_> {
    pub(crate) const NAME: &'static str = "superblock";
}

impl Provable for GivenSuperblock<'_> {
    type Secret = ();

    fn name(&self) -> String {
        Self::NAME.to_owned()
    }

    fn key(&self) -> Result<KeyBytes, ProvableError> {
        Err(ProvableError::Given { name: self.name() })
    }

    fn verify(&self, task: &Task, proof: &[u8]) -> Result<(), ProvableError> {
        let key = Digest::from_bytes(task.key).ok();
        let circuit = key.and_then(|key| self.pinned.source_of(key)).ok_or_else(|| ProvableError::Input {
            reason: format!("{} is no superblock's key", hex::encode(task.key)),
        })?;
        let common = &superblock_shape(circuit).common;
        KeyedProof::verify::<SuperblockStatement>(task, proof, common).map(drop)
    }

    fn prove(&self, _: &Request<'_>, (): &()) -> Result<Vec<u8>, ProvableError> {
        Err(ProvableError::Given { name: self.name() })
    }
}

/// The shrink of superblock proofs of a shape.
struct ShrinkTask<'a> {
    circuits: &'a HopCircuits<'a>,
    source: Source,
}

impl ShrinkTask<'_> {
    fn definition(&self) -> Shrink {
        shrink(self.circuits.pinned, self.source)
    }
}

impl TaskCircuit for ShrinkTask<'_> {
    type Definition = Shrink;
    type Secret = ();

    fn name(&self) -> String {
        self.source.shrink_name()
    }

    fn key(&self) -> Result<Digest, ProvableError> {
        self.circuits.shrink_key(self.source).ok_or_else(|| no_key(&TaskCircuit::name(self)))
    }

    fn common(&self) -> Result<Common, ProvableError> {
        Ok(Common::OfShape(&shrink_shape().common))
    }

    fn circuit(&self) -> Result<Arc<Compiled<Shrink>>, ProvableError> {
        self.circuits.circuit(self.definition(), TaskCircuit::key(self)?)
    }

    fn input(
        &self,
        _: &SuperblockStatement,
        input: &[u8],
        children: &[Child<'_>],
        (): &(),
    ) -> Result<FoldChild, ProvableError> {
        self.expect_children(children, 1)?;
        let () = decode_input(input)?;
        let set = self.definition().superblock_set();
        listed_child(&children[0], &self.source.shape().common, &set)
    }
}

/// The Poseidon hop.
struct PoseidonTask<'a> {
    circuits: &'a HopCircuits<'a>,
}

impl TaskCircuit for PoseidonTask<'_> {
    type Definition = PoseidonHop;
    type Secret = ();

    fn name(&self) -> String {
        PoseidonHop::NAME.to_owned()
    }

    fn key(&self) -> Result<Digest, ProvableError> {
        Ok(self.circuits.poseidon_key())
    }

    fn common(&self) -> Result<Common, ProvableError> {
        Ok(Common::OfShape(&poseidon_shape().common))
    }

    fn circuit(&self) -> Result<Arc<Compiled<PoseidonHop>>, ProvableError> {
        self.circuits.circuit(poseidon_hop(self.circuits.pinned), self.circuits.poseidon_key())
    }

    fn input(
        &self,
        _: &SuperblockStatement,
        input: &[u8],
        children: &[Child<'_>],
        (): &(),
    ) -> Result<FoldChild, ProvableError> {
        self.expect_children(children, 1)?;
        let () = decode_input(input)?;
        listed_child(&children[0], &shrink_shape().common, &shrink_set(self.circuits.pinned))
    }
}

/// The Keccak hop. Its proofs are calldata, and it has another configuration than `TaskCircuit` knows.
struct KeccakTask<'a> {
    circuits: &'a HopCircuits<'a>,
}

impl Provable for KeccakTask<'_> {
    type Secret = ();

    fn name(&self) -> String {
        KeccakHop::NAME.to_owned()
    }

    fn key(&self) -> Result<KeyBytes, ProvableError> {
        Ok(self.circuits.keccak_key())
    }

    fn verify(&self, task: &Task, proof: &[u8]) -> Result<(), ProvableError> {
        let hop = HopProof::of_task(task, proof).map_err(|error| ProvableError::Other(Box::new(error)))?;
        let verified = hop.verify(self.circuits.pinned.hop.keccak.get());
        verified.map_err(|error| ProvableError::Other(Box::new(error)))
    }

    fn prove(&self, request: &Request<'_>, (): &()) -> Result<Vec<u8>, ProvableError> {
        let [child] = request.children else {
            let found = request.children.len();
            return Err(ProvableError::Children { name: self.name(), expected: 1, found });
        };
        let () = decode_input(request.input)?;
        let KeyedProof { proof, .. } = KeyedProof::decode(child.proof, &poseidon_shape().common)?;
        let statement: SuperblockStatement = layout::from_bytes(&request.task.statement)?;
        let proof = self.circuits.keccak()?.prove(&proof)?;
        if proof.public_inputs != layout::Layout::encode(&statement) {
            return Err(ProvableError::OtherStatement);
        }
        Ok(HopProof::new(request.task.key, proof).to_calldata())
    }
}

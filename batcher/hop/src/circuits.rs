//! The circuits of the hop. Each verifies one proof and makes the same statement.
//!
//! ```text
//! superblock proof           shrink          Poseidon hop         Keccak hop
//! 2^14 rows, ten keys  -->   2^14 rows  -->   2^13 rows    -->     2^13 rows  -->  L1
//! 2^15 rows, in three  -->   2^14 rows  -/    one key              one key
//! 2^16 rows, shapes    -->   2^14 rows  /
//! ```
//!
//! A shrink finds the key of its superblock circuit in a constant set, and the Poseidon hop that of the shrink in another
//! one. So all superblocks end in one key, which a contract has as a constant.

use std::{collections::BTreeMap, sync::LazyLock};

use batcher_verify::circuit::{SuperblockCircuit, superblock_shape};
use circuits_core::{
    Builder, CommonData, Definition, Digest, F, Proof, VerifierKey, Witness,
    circuit::{defined, named},
    constrain::DigestOps as _,
    layout::{Layout, WitnessError},
    recursion::{ChildTarget, Shape, key_digest, verify_with_constant_key},
};
use circuits_protocol::{
    fold::{FoldChild, ListedChildTarget},
    key_set::KeySet,
    statement::SuperblockStatement,
};
use circuits_prover::proving;
use plonky2::{
    gates::{gate::GateRef, random_access::RandomAccessGate},
    hash::{hash_types::HashOut, merkle_tree::MerkleCap},
    iop::target::Target,
    plonk::circuit_data::CircuitConfig,
};

use crate::config::{HOP_DEGREE_BITS, SHRINK_DEGREE_BITS, keccak_config, poseidon_config, shrink_config};

/// Elements of the statement.
const PUBLIC_INPUTS: usize = <SuperblockStatement<F> as Layout<F>>::LEN;

/// The shape of superblock proofs that a shrink verifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// 2^14 rows.
    Small,
    /// 2^15 rows.
    Middle,
    /// 2^16 rows.
    Large,
}

impl Source {
    /// All shapes.
    pub const ALL: [Self; 3] = [Self::Small, Self::Middle, Self::Large];

    /// The shape of the proofs of a superblock circuit.
    #[must_use]
    pub fn of(circuit: SuperblockCircuit) -> Self {
        let degree_bits = superblock_shape(circuit).common.degree_bits();
        let is_its = |source: &Self| source.degree_bits() == degree_bits;
        Self::ALL.into_iter().find(is_its).unwrap_or(Self::Large)
    }

    /// The superblock circuits with proofs of this shape.
    pub fn circuits(self) -> impl Iterator<Item = SuperblockCircuit> {
        SuperblockCircuit::all().filter(move |&circuit| Self::of(circuit) == self)
    }

    /// The logarithm of the rows.
    #[must_use]
    pub const fn degree_bits(self) -> usize {
        match self {
            Self::Small => 14,
            Self::Middle => 15,
            Self::Large => 16,
        }
    }

    /// The name of the shrink of proofs of this shape.
    pub(crate) fn shrink_name(self) -> String {
        format!("hop-shrink-{}", self.degree_bits())
    }

    pub(crate) fn shape(self) -> &'static Shape {
        superblock_shape(match self {
            Self::Small => SuperblockCircuit::Blocks(1),
            Self::Middle => SuperblockCircuit::Blocks(2),
            Self::Large => SuperblockCircuit::Blocks(4),
        })
    }
}

/// The shape of shrunk superblock proofs.
#[must_use]
pub fn shrink_shape() -> &'static Shape {
    static SHAPE: LazyLock<Shape> = LazyLock::new(|| {
        let config = shrink_config();
        let cap_height = batcher_verify::circuit::SUPERBLOCK_CAP_HEIGHT;
        let cap = GateRef::new(RandomAccessGate::new_from_config(&config, cap_height));
        Shape::with_gates("shrink", config, SHRINK_DEGREE_BITS, PUBLIC_INPUTS, vec![cap])
    });
    &SHAPE
}

/// The shape of proofs of the Poseidon hop.
#[must_use]
pub fn poseidon_shape() -> &'static Shape {
    static SHAPE: LazyLock<Shape> =
        LazyLock::new(|| Shape::new("Poseidon hop", poseidon_config(), HOP_DEGREE_BITS, PUBLIC_INPUTS));
    &SHAPE
}

/// The common data of the Keccak hop, which are the same under every key of the Poseidon hop.
#[must_use]
pub fn keccak_common() -> &'static CommonData {
    static COMMON: LazyLock<CommonData> = LazyLock::new(|| {
        let cap = vec![HashOut::ZERO; 1 << poseidon_config().fri_config.cap_height];
        let any = VerifierKey { constants_sigmas_cap: MerkleCap(cap), circuit_digest: HashOut::ZERO };
        proving::common_data(defined(&KeccakHop::new(any)).0)
    });
    &COMMON
}

/// Verifies superblock proofs of one shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shrink {
    source: Source,
    superblocks: Vec<Digest>,
}

impl Shrink {
    /// The shrink of proofs of the superblock circuits with proofs of a shape. `key_of` returns the digests of their keys.
    #[must_use]
    pub fn new(source: Source, key_of: impl Fn(SuperblockCircuit) -> Digest) -> Self {
        Self { source, superblocks: source.circuits().map(key_of).collect() }
    }

    /// The set of the keys of superblock circuits. It is one for each shape, since a proof proves nothing if it is verified
    /// with the common data of another circuit than its key's.
    #[must_use]
    pub fn superblock_set(&self) -> KeySet {
        KeySet::new(&self.superblocks)
    }
}

impl Definition for Shrink {
    type Statement = SuperblockStatement<Target>;
    type NativeStatement = SuperblockStatement;
    type Targets = ListedChildTarget<SuperblockStatement<Target>>;
    type Input = FoldChild;

    fn name(&self) -> String {
        self.source.shrink_name()
    }

    fn config(&self) -> CircuitConfig {
        shrink_config()
    }

    fn shape(&self) -> Option<&Shape> {
        Some(shrink_shape())
    }

    fn depends_on(&self) -> BTreeMap<String, Digest> {
        let names = self.source.circuits().map(SuperblockCircuit::name);
        names.zip(self.superblocks.iter().copied()).collect()
    }

    fn define(&self, builder: &mut Builder) -> (Self::Statement, Self::Targets) {
        let root = builder.constant_digest(self.superblock_set().root());
        let superblock = ListedChildTarget::verify(builder, self.source.shape(), |_| root);
        (superblock.child.statement, superblock)
    }

    fn assign(
        &self,
        superblock: &Self::Targets,
        input: &FoldChild,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        superblock.assign(witness, input)
    }
}

/// Verifies a shrunk superblock proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoseidonHop {
    shrink_set_root: Digest,
}

impl PoseidonHop {
    /// The name of the circuit.
    pub const NAME: &'static str = "hop-poseidon";

    /// The hop of the proofs of shrinks whose keys are in the set with this root.
    #[must_use]
    pub const fn new(shrink_set_root: Digest) -> Self {
        Self { shrink_set_root }
    }
}

impl Definition for PoseidonHop {
    type Statement = SuperblockStatement<Target>;
    type NativeStatement = SuperblockStatement;
    type Targets = ListedChildTarget<SuperblockStatement<Target>>;
    type Input = FoldChild;

    fn name(&self) -> String {
        Self::NAME.to_owned()
    }

    fn config(&self) -> CircuitConfig {
        poseidon_config()
    }

    fn shape(&self) -> Option<&Shape> {
        Some(poseidon_shape())
    }

    fn depends_on(&self) -> BTreeMap<String, Digest> {
        named([("hop-shrink-set", self.shrink_set_root)])
    }

    fn define(&self, builder: &mut Builder) -> (Self::Statement, Self::Targets) {
        let root = builder.constant_digest(self.shrink_set_root);
        let shrink = ListedChildTarget::verify(builder, shrink_shape(), |_| root);
        (shrink.child.statement, shrink)
    }

    fn assign(
        &self,
        shrink: &Self::Targets,
        input: &FoldChild,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        shrink.assign(witness, input)
    }
}

/// Verifies a proof of the Poseidon hop. A contract verifies its own proofs, whose trees and transcript are of Keccak.
#[derive(Clone, Debug)]
pub struct KeccakHop {
    poseidon_key: VerifierKey,
}

impl KeccakHop {
    /// The name of the circuit.
    pub const NAME: &'static str = "hop-keccak";

    /// The hop of proofs under this key of the Poseidon hop.
    #[must_use]
    pub const fn new(poseidon_key: VerifierKey) -> Self {
        Self { poseidon_key }
    }
}

impl Definition for KeccakHop {
    type Statement = SuperblockStatement<Target>;
    type NativeStatement = SuperblockStatement;
    type Targets = ChildTarget<SuperblockStatement<Target>>;
    type Input = Proof;

    fn name(&self) -> String {
        Self::NAME.to_owned()
    }

    fn config(&self) -> CircuitConfig {
        keccak_config()
    }

    fn depends_on(&self) -> BTreeMap<String, Digest> {
        named([(PoseidonHop::NAME, key_digest(&self.poseidon_key))])
    }

    fn define(&self, builder: &mut Builder) -> (Self::Statement, Self::Targets) {
        let hop = verify_with_constant_key(builder, &poseidon_shape().common, &self.poseidon_key);
        (hop.statement, hop)
    }

    fn assign(&self, hop: &Self::Targets, proof: &Proof, witness: &mut Witness) -> Result<(), WitnessError> {
        hop.assign(witness, proof, &self.poseidon_key)
    }
}

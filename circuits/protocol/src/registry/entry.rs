//! What the registry says of one environment: its genesis, its producers and its kernels.

use std::ops::RangeInclusive;

use circuits_core::{digest::Digest, hash::hash, trees::IndexTree};
use circuits_prover::basetypes::F;
use circuits_tables::ecdsa::{PublicKey, key_commitment};
use plonky2::field::types::Field;
use serde::{Deserialize, Serialize};

use super::{
    error::RegistryError,
    id::EnvironmentId,
    leaves::{EntryDigests, KERNELS_DEPTH, PRODUCERS_DEPTH, REMOVED, entry_leaf, kernel_leaf, producer_leaf},
};

/// The first superblock number.
const FIRST_SUPERBLOCK: u32 = 1;

/// Superblock numbers, from the first to the last one.
pub(super) type Window = RangeInclusive<u32>;

/// What a list of an entry holds: something that is allowed within a window of superblock numbers.
pub(super) trait Windowed: Copy {
    /// The superblocks in which it is allowed.
    fn window(&self) -> Window;

    /// Makes `last` the last superblock, unless the window ends before.
    fn end(&mut self, last: u32);

    /// The leaf in the tree of its list.
    fn leaf(&self) -> Digest;

    /// The window as the leaf commits to it.
    fn elements(&self) -> [F; 2] {
        let window = self.window();
        [*window.start(), *window.end()].map(F::from_canonical_u32)
    }
}

/// A kernel that may prove blocks of one environment, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KernelEntry {
    /// The digest of the wrap's verifier key.
    pub key: Digest,
    /// The first superblock number in which the kernel may be used.
    pub valid_from: u32,
    /// The last superblock number in which the kernel may be used.
    pub valid_until: u32,
}

impl Windowed for KernelEntry {
    fn window(&self) -> Window {
        self.valid_from..=self.valid_until
    }

    fn end(&mut self, last: u32) {
        self.valid_until = self.valid_until.min(last);
    }

    fn leaf(&self) -> Digest {
        kernel_leaf(self.key, self.elements())
    }
}

/// Who makes blocks: what a registry names of a producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Producer {
    /// The commitment to the secret that every block's kernel proves knowledge of.
    pub commitment: Digest,
    /// The secp256k1 key with which the producer signs the blocks that it proposes. No circuit checks such a signature;
    /// the entry says whose it has to be.
    pub signing_key: PublicKey,
}

impl Producer {
    /// The producer from superblock `number` on, without an end.
    #[must_use]
    pub const fn valid_from(self, number: u32) -> ProducerEntry {
        let Self { commitment, signing_key } = self;
        ProducerEntry { commitment, signing_key, valid_from: number, valid_until: u32::MAX }
    }

    /// A producer with this commitment, for fixtures: its signing key derives from the commitment.
    ///
    /// # Panics
    /// If the commitment is [`Digest::ZERO`].
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn fixture(commitment: Digest) -> Self {
        let signing_key = PublicKey::of_secret(&commitment.to_bytes()).expect("not zero");
        Self { commitment, signing_key }
    }
}

/// A producer that may make blocks of one environment, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProducerEntry {
    /// The commitment to the producer's secret.
    pub commitment: Digest,
    /// The key with which the producer signs the blocks that it proposes.
    pub signing_key: PublicKey,
    /// The first superblock number in which its blocks are taken.
    pub valid_from: u32,
    /// The last superblock number in which its blocks are taken.
    pub valid_until: u32,
}

impl ProducerEntry {
    /// The commitment to the signing key, as a list of signed claims has it.
    #[must_use]
    pub fn signing_key_commitment(&self) -> Digest {
        let (x, y) = self.signing_key.words();
        key_commitment(&x, &y)
    }

    /// Whether both have one secret or one signing key.
    pub(super) fn is_related_to(&self, other: &Self) -> bool {
        self.commitment == other.commitment || self.signing_key == other.signing_key
    }
}

impl Windowed for ProducerEntry {
    fn window(&self) -> Window {
        self.valid_from..=self.valid_until
    }

    fn end(&mut self, last: u32) {
        self.valid_until = self.valid_until.min(last);
    }

    fn leaf(&self) -> Digest {
        producer_leaf(self.commitment, self.signing_key_commitment(), self.elements())
    }
}

/// Producers and kernels that an entry listed once, with the windows that they had in the end, in the order in which they
/// were removed. They are allowed nothing. The record keeps them from coming back unnoticed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Removed {
    pub producers: Vec<ProducerEntry>,
    pub kernels: Vec<KernelEntry>,
}

impl Removed {
    /// The digest of all leaves, those of producers first. The domain of a leaf tells which they are.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let producers = self.producers.iter().map(Windowed::leaf);
        let leaves = producers.chain(self.kernels.iter().map(Windowed::leaf));
        hash(REMOVED, &leaves.flat_map(|leaf| leaf.0).collect::<Vec<_>>())
    }
}

/// What the registry says of one environment.
///
/// At most one producer is valid in a superblock. Any number of kernels may be, since blocks of several sizes have several
/// kernels. A position in a list means nothing beyond the root that commits to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistryEntry {
    /// The state commitment before block 1.
    pub genesis_state: Digest,
    /// The producers, who alone may make blocks.
    pub producers: Vec<ProducerEntry>,
    /// The allowed kernels.
    pub kernels: Vec<KernelEntry>,
    /// What the lists above held before.
    pub removed: Removed,
}

impl RegistryEntry {
    /// A new environment, with one producer in all superblocks.
    #[must_use]
    pub fn new(genesis_state: Digest, producer: Producer, kernels: Vec<KernelEntry>) -> Self {
        let producers = vec![producer.valid_from(FIRST_SUPERBLOCK)];
        Self { genesis_state, producers, kernels, removed: Removed::default() }
    }

    /// The trees of producers and of kernels.
    pub(super) fn trees(&self) -> (IndexTree, IndexTree) {
        (tree(PRODUCERS_DEPTH, &self.producers), tree(KERNELS_DEPTH, &self.kernels))
    }

    /// What the leaf commits to, if the lists have these trees.
    pub(super) fn digests(&self, producers: &IndexTree, kernels: &IndexTree) -> EntryDigests {
        EntryDigests {
            genesis_state: self.genesis_state,
            producers_root: producers.root(),
            kernels_root: kernels.root(),
            removed: self.removed.digest(),
        }
    }

    pub(super) fn leaf(&self, id: EnvironmentId) -> Digest {
        let (producers, kernels) = self.trees();
        entry_leaf(id, &self.digests(&producers, &kernels))
    }

    /// Checks the entry of `environment`: the sizes of both lists, every window, and that no superblock has two producers.
    pub(super) fn check(&self, environment: EnvironmentId) -> Result<(), RegistryError> {
        let (producers, kernels) = (self.producers.len(), self.kernels.len());
        if producers > 1 << PRODUCERS_DEPTH {
            return Err(RegistryError::TooManyProducers { environment, found: producers });
        }
        if kernels > 1 << KERNELS_DEPTH {
            return Err(RegistryError::TooManyKernels { environment, found: kernels });
        }
        let windows = self.kernels.iter().map(Windowed::window);
        let windows = windows.chain(self.producers.iter().map(Windowed::window));
        if let Some((from, until)) =
            windows.map(RangeInclusive::into_inner).find(|(from, until)| from > until)
        {
            return Err(RegistryError::EmptyWindow { environment, from, until });
        }
        let mut windows: Vec<_> =
            self.producers.iter().map(|one| (one.valid_from, one.valid_until)).collect();
        windows.sort_unstable();
        match windows.windows(2).find(|pair| pair[1].0 <= pair[0].1) {
            Some(pair) => Err(RegistryError::TwoProducers { environment, number: pair[1].0 }),
            None => Ok(()),
        }
    }

    /// The kernel `key` of `environment` in superblock `number`, with its position.
    pub(super) fn kernel(
        &self,
        environment: EnvironmentId,
        key: Digest,
        number: u32,
    ) -> Result<(u64, &KernelEntry), RegistryError> {
        let mut listed = (0..).zip(&self.kernels).filter(|(_, kernel)| kernel.key == key).peekable();
        if listed.peek().is_none() {
            return Err(match self.removed.kernels.iter().rev().find(|kernel| kernel.key == key) {
                Some(&KernelEntry { valid_from: from, valid_until: until, .. }) => {
                    RegistryError::RemovedKernel { environment, key, from, until }
                }
                None => RegistryError::UnknownKernel { environment, key },
            });
        }
        listed.find(|(_, kernel)| kernel.window().contains(&number)).ok_or(RegistryError::OutsideWindow {
            environment,
            key,
            number,
        })
    }

    /// The producer of `environment` in superblock `number`, who must be the one with `commitment`, with its position.
    pub(super) fn producer(
        &self,
        environment: EnvironmentId,
        commitment: Digest,
        number: u32,
    ) -> Result<(u64, &ProducerEntry), RegistryError> {
        let valid = || (0..).zip(&self.producers).filter(|(_, one)| one.window().contains(&number));
        valid().find(|(_, one)| one.commitment == commitment).ok_or_else(|| match valid().next() {
            Some((_, &ProducerEntry { commitment: expected, .. })) => {
                RegistryError::OtherProducer { environment, number, expected, found: commitment }
            }
            None => RegistryError::NoProducer { environment, number },
        })
    }
}

fn tree(depth: usize, list: &[impl Windowed]) -> IndexTree {
    let mut tree = IndexTree::new(depth);
    let leaves: Vec<_> = list.iter().map(Windowed::leaf).collect();
    tree.set_range(0, &leaves).expect("the length of a list is checked on entry");
    tree
}

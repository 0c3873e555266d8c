//! The registry natively, and its in-circuit opening attacked.

use std::sync::LazyLock;

use circuits_core::{
    Builder, Compiled, Definition, Witness,
    layout::{WitnessError, new_virtual, set},
    trees::index_bits,
};
use circuits_forging::{Kit, Mutator, assert_accepts, assert_rejects, check};
use circuits_protocol::registry::*;
use circuits_prover::basetypes::standard_config;
use plonky2::{iop::target::Target, plonk::circuit_data::CircuitConfig};
use proptest::{collection::vec, prelude::*};

use super::*;

circuits_core::layout! {
    /// A registry allows a kernel and a producer.
    #[allow(unreachable_pub)]
    pub struct Allowed<T> {
        /// Root of the registry.
        pub root: Digest<T>,
        /// The environment.
        pub environment: T,
        /// The superblock.
        pub number: T,
        /// The kernel's key.
        pub key: Digest<T>,
        /// The environment's genesis state.
        pub genesis_state: Digest<T>,
        /// The producer's commitment.
        pub producer: Digest<T>,
    }
}

struct Opening;

impl Definition for Opening {
    type Statement = Allowed<Target>;
    type NativeStatement = Allowed;
    type Targets = (Allowed<Target>, RegistryMembershipTarget);
    type Input = (Allowed, RegistryMembership);

    fn name(&self) -> String {
        "registry-opening".to_owned()
    }

    fn config(&self) -> CircuitConfig {
        standard_config()
    }

    fn define(&self, builder: &mut Builder) -> (Self::Statement, Self::Targets) {
        let membership = RegistryMembershipTarget::new_virtual(builder);
        let statement = Allowed {
            root: new_virtual(builder),
            environment: builder.add_virtual_target(),
            number: builder.add_virtual_target(),
            key: new_virtual(builder),
            genesis_state: membership.genesis_state(),
            producer: new_virtual(builder),
        };
        let bits = index_bits(builder, statement.environment, ENVIRONMENT_BITS);
        membership.verify(
            builder,
            statement.root,
            statement.environment,
            &bits,
            statement.key,
            statement.producer,
            statement.number,
        );
        (statement, (statement, membership))
    }

    fn assign(
        &self,
        (statement, membership): &Self::Targets,
        (allowed, value): &Self::Input,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        set(witness, statement, allowed)?;
        membership.set_targets(witness, value)
    }
}

static CIRCUIT: LazyLock<Compiled<Opening>> = LazyLock::new(|| Compiled::new(Opening).unwrap());

/// The environment whose entry is opened.
pub(super) const ID: EnvironmentId = EnvironmentId(3);
/// The first superblock of the second producer.
pub(super) const ROTATION: u32 = 13;

fn digest(label: u64) -> Digest {
    Digest([F::from_canonical_u64(label); 4])
}

pub(super) fn kernel(label: u64, valid_from: u32, valid_until: u32) -> KernelEntry {
    KernelEntry { key: digest(label), valid_from, valid_until }
}

pub(super) fn producer(label: u64) -> Producer {
    Producer::fixture(digest(label))
}

/// Environments 3 and 4: kernels 13 or 14 in superblocks 5 to 9 and 23 or 24 in superblocks 8 to 20; producer 2 in
/// superblocks 1 to 12, and producer 5 from superblock 13 on.
pub(super) fn registry() -> Registry {
    let mut registry = Registry::default();
    for id in [ID, EnvironmentId(4)] {
        let kernels = vec![kernel(10 + u64::from(id.0), 5, 9), kernel(20 + u64::from(id.0), 8, 20)];
        registry.insert(id, RegistryEntry::new(digest(1), producer(2), kernels)).unwrap();
        registry.rotate_producer(id, producer(5), ROTATION, false).unwrap();
    }
    registry
}

type Input = (Allowed, RegistryMembership);

fn opened(registry: &Registry, key: u64, producer: u64, number: u32) -> Input {
    let membership = registry.membership(ID, digest(key), digest(producer), number).unwrap();
    let allowed = Allowed {
        root: registry.root(),
        environment: ID.to_field(),
        number: F::from_canonical_u32(number),
        key: digest(key),
        genesis_state: membership.digests.genesis_state,
        producer: digest(producer),
    };
    (allowed, membership)
}

fn input(key: u64, producer: u64, number: u32) -> Input {
    opened(&registry(), key, producer, number)
}

/// What the registry allows in superblock `listed`, in superblock `number`.
fn moved(key: u64, producer: u64, listed: u32, number: u32) -> Input {
    let (mut allowed, membership) = input(key, producer, listed);
    allowed.number = F::from_canonical_u32(number);
    (allowed, membership)
}

/// An input for superblock 5 whose registry has these windows: only a dishonest L1 could fix its root.
fn forged(kernel_window: [F; 2], producer_window: [F; 2]) -> Input {
    let (mut allowed, mut membership) = input(13, 2, 5);
    let RegistryMembership { digests, entry_path, kernel, producer, signing_key } = &mut membership;
    kernel.window = kernel_window;
    digests.kernels_root = kernel.path.root(kernel.index, kernel_leaf(allowed.key, kernel_window));
    producer.window = producer_window;
    let leaf = producer_leaf(allowed.producer, *signing_key, producer_window);
    digests.producers_root = producer.path.root(producer.index, leaf);
    allowed.root = entry_path.root(u64::from(ID.0), entry_leaf(ID, digests));
    (allowed, membership)
}

fn honest() -> Vec<Input> {
    vec![
        input(13, 2, 5),
        input(13, 2, 9),
        input(23, 2, 8),
        input(23, 2, ROTATION - 1),
        input(23, 5, ROTATION),
        input(23, 5, 20),
    ]
}

/// Windows of which one contains superblock 5 for an honest reader. The others end before or begin after it, or have an
/// end that is no integer of 32 bits although both differences to 5 are.
fn windows_of_5() -> [(bool, [F; 2]); 5] {
    let integer = F::from_canonical_u64;
    [
        (true, [integer(5), integer(5)]),
        (false, [integer(6), integer(9)]),
        (false, [integer(2), integer(4)]),
        (false, [F::ZERO - integer(5), integer(9)]),
        (false, [integer(2), integer((1 << 32) + 3)]),
    ]
}

fn dishonest() -> Vec<Input> {
    let changed = |change: &dyn Fn(&mut Allowed, &mut RegistryMembership)| {
        let (mut allowed, mut membership) = input(13, 2, 5);
        change(&mut allowed, &mut membership);
        (allowed, membership)
    };
    let mut inputs = vec![
        moved(13, 2, 5, 4),
        moved(13, 2, 5, 10),
        moved(23, 2, ROTATION - 1, ROTATION),
        moved(23, 5, ROTATION, ROTATION - 1),
        changed(&|allowed, _| allowed.key = digest(14)),
        changed(&|allowed, _| allowed.producer = digest(5)),
        changed(&|allowed, _| allowed.environment = EnvironmentId(4).to_field()),
        changed(&|allowed, _| allowed.root = digest(1)),
        changed(&|_, membership| membership.digests.genesis_state = digest(5)),
        changed(&|_, membership| membership.digests.producers_root = digest(1)),
        changed(&|_, membership| membership.digests.kernels_root = digest(1)),
        changed(&|_, membership| membership.digests.removed = digest(1)),
        changed(&|_, membership| membership.signing_key = digest(1)),
        changed(&|_, membership| membership.kernel.window[1] += F::ONE),
        changed(&|_, membership| membership.producer.window[1] -= F::ONE),
        changed(&|_, membership| membership.producer.index += 1),
        changed(&|_, membership| membership.producer.path.siblings[0] = digest(1)),
    ];
    let [valid, others @ ..] = windows_of_5().map(|(_, window)| window);
    inputs.extend(others.map(|window| forged(window, valid)));
    inputs.extend(others.map(|window| forged(valid, window)));
    inputs
}

#[test]
fn a_listed_kernel_and_producer_are_accepted_within_their_windows() {
    for input in honest() {
        assert_accepts(&CIRCUIT, &input);
    }
    let [(_, valid), ..] = windows_of_5();
    assert_accepts(&CIRCUIT, &forged(valid, valid));
}

#[test]
fn what_the_registry_does_not_list_is_rejected() {
    for input in dishonest() {
        assert_rejects(&CIRCUIT, &input);
    }
    let registry = registry();
    let unknown = RegistryError::UnknownKernel { environment: ID, key: digest(14) };
    assert_eq!(registry.membership(ID, digest(14), digest(2), 5), Err(unknown));
    for number in [4, 10] {
        let outside = RegistryError::OutsideWindow { environment: ID, key: digest(13), number };
        assert_eq!(registry.membership(ID, digest(13), digest(2), number), Err(outside));
    }
    let absent = RegistryError::UnknownEnvironment(EnvironmentId(9));
    assert_eq!(registry.membership(EnvironmentId(9), digest(13), digest(2), 5), Err(absent));
}

#[test]
fn an_old_producer_after_its_window_and_a_new_one_before_are_rejected() {
    for (found, expected, listed, number) in [(2, 5, ROTATION - 1, ROTATION), (5, 2, ROTATION, ROTATION - 1)]
    {
        assert_rejects(&CIRCUIT, &moved(23, found, listed, number));
        let [expected, found] = [expected, found].map(digest);
        let other = RegistryError::OtherProducer { environment: ID, number, expected, found };
        assert_eq!(registry().membership(ID, digest(23), found, number), Err(other));
    }
}

#[test]
fn where_no_producer_is_valid_nobody_is() {
    let entry = registry().entry(ID).unwrap().clone();
    let mut registry = Registry::default();
    let producers =
        vec![ProducerEntry { valid_until: 8, ..entry.producers[0] }, producer(5).valid_from(ROTATION)];
    registry.insert(ID, RegistryEntry { producers, ..entry }).unwrap();
    for producer in [2, 5] {
        let nobody = RegistryError::NoProducer { environment: ID, number: 9 };
        assert_eq!(registry.membership(ID, digest(23), digest(producer), 9), Err(nobody));
    }
    for (producer, listed) in [(2, 8), (5, ROTATION)] {
        let (mut allowed, membership) = opened(&registry, 23, producer, listed);
        assert_accepts(&CIRCUIT, &(allowed, membership.clone()));
        allowed.number = F::from_canonical_u32(9);
        assert_rejects(&CIRCUIT, &(allowed, membership));
    }
}

#[test]
fn two_producers_in_one_superblock_are_refused_and_each_has_its_own_window_only() {
    let entry = registry().entry(ID).unwrap().clone();
    let producers = vec![producer(5).valid_from(10), entry.producers[0]];
    let entry = RegistryEntry { producers, ..entry };
    let two = RegistryError::TwoProducers { environment: ID, number: 10 };
    assert_eq!(Registry::default().insert(ID, entry.clone()), Err(two));
    // A dishonest L1 could list both. Then each is valid in its own window, natively as in-circuit.
    let mut registry = Registry::default();
    registry.insert_unchecked(ID, entry);
    for (producer, number, is_valid) in
        [(2, 9, true), (5, 9, false), (2, 10, true), (5, 10, true), (2, 13, false), (5, 13, true)]
    {
        assert_eq!(registry.membership(ID, digest(23), digest(producer), number).is_ok(), is_valid);
        let (mut allowed, membership) = opened(&registry, 23, producer, if producer == 2 { 9 } else { 13 });
        allowed.number = F::from_canonical_u32(number);
        assert_eq!(check(&CIRCUIT, &(allowed, membership)).is_ok(), is_valid, "{producer} in {number}");
    }
}

#[test]
fn the_opening_survives_the_forging_kit() {
    Kit::new(&CIRCUIT).inputs(&honest()).run().assert_sound();
}

#[test]
fn every_assertion_of_the_opening_is_needed() {
    Mutator::new(&Opening).honest(&honest()).dishonest(&dishonest()).run().assert_complete();
}

/// A window within a few superblocks, so that windows meet.
fn window() -> impl Strategy<Value = (u32, u32)> {
    (0..12_u32, 0..12_u32).prop_map(|(from, length)| (from, from + length))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever windows an L1 fixes, whoever shows the evidence of any listed kernel and producer in any superblock is
    /// believed in-circuit exactly where native code believes it.
    #[test]
    fn the_opening_agrees_natively_and_in_circuit(
        kernels in vec(window(), 1..6),
        producers in vec(window(), 1..6),
        (kernel_index, producer_index) in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
        number in 0..26_u32,
    ) {
        let listed = |label: usize, (valid_from, valid_until): (u32, u32)| {
            let Producer { commitment, signing_key } = producer(50 + label as u64);
            ProducerEntry { commitment, signing_key, valid_from, valid_until }
        };
        let entry = RegistryEntry {
            genesis_state: digest(1),
            producers: producers.iter().enumerate().map(|(label, &window)| listed(label, window)).collect(),
            kernels: (10..).zip(&kernels).map(|(label, &(from, until))| kernel(label, from, until)).collect(),
            removed: Removed::default(),
        };
        let (kernel, producer) =
            (entry.kernels[kernel_index.index(kernels.len())], entry.producers[producer_index.index(producers.len())]);
        // The evidence of both, each taken from a registry in which the other one is always valid: paths and windows of
        // the two lists do not depend on each other.
        let with = |change: &dyn Fn(&mut RegistryEntry)| {
            let mut registry = Registry::default();
            let mut entry = entry.clone();
            change(&mut entry);
            registry.insert_unchecked(ID, entry);
            registry
        };
        let registry = with(&|_| ());
        let of_kernel = with(&|entry| {
            entry.producers.iter_mut().for_each(|one| (one.valid_from, one.valid_until) = (0, u32::MAX));
        })
        .membership(ID, kernel.key, producer.commitment, kernel.valid_from)
        .unwrap();
        let of_producer = with(&|entry| {
            entry.kernels.iter_mut().for_each(|one| (one.valid_from, one.valid_until) = (0, u32::MAX));
        })
        .membership(ID, kernel.key, producer.commitment, producer.valid_from)
        .unwrap();
        let kernels_root = of_kernel.digests.kernels_root;
        let digests = EntryDigests { kernels_root, ..of_producer.digests };
        let membership = RegistryMembership { digests, kernel: of_kernel.kernel, ..of_producer };
        let native = registry.membership(ID, kernel.key, producer.commitment, number);
        if let Ok(native) = &native {
            prop_assert_eq!(native, &membership);
        }
        let allowed = Allowed {
            root: registry.root(),
            environment: ID.to_field(),
            number: F::from_canonical_u32(number),
            key: kernel.key,
            genesis_state: digest(1),
            producer: producer.commitment,
        };
        prop_assert_eq!(check(&CIRCUIT, &(allowed, membership)).is_ok(), native.is_ok());
    }
}

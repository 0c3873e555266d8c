//! The registry natively, and its in-circuit opening attacked.

use std::sync::LazyLock;

use circuits_core::{
    Builder, Compiled, Definition, Witness,
    layout::{WitnessError, new_virtual, set},
    trees::index_bits,
};
use circuits_forging::{Kit, Mutator, assert_accepts, assert_rejects};
use circuits_protocol::registry::*;
use circuits_prover::basetypes::standard_config;
use plonky2::{iop::target::Target, plonk::circuit_data::CircuitConfig};

use super::*;

circuits_core::layout! {
    /// A registry allows a key.
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
        /// The environment's producer.
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
            genesis_state: membership.genesis_state,
            producer: membership.producer,
        };
        let bits = index_bits(builder, statement.environment, ENVIRONMENT_BITS);
        membership.verify(
            builder,
            statement.root,
            statement.environment,
            &bits,
            statement.number,
            statement.key,
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

const ID: EnvironmentId = EnvironmentId(3);

fn digest(label: u64) -> Digest {
    Digest([F::from_canonical_u64(label); 4])
}

fn kernel(label: u64, valid_from: u32, valid_until: u32) -> KernelEntry {
    KernelEntry { key: digest(label), valid_from, valid_until }
}

fn registry() -> Registry {
    let mut registry = Registry::default();
    for id in [ID, EnvironmentId(4)] {
        let kernels = vec![kernel(10 + u64::from(id.0), 5, 9), kernel(20 + u64::from(id.0), 8, 20)];
        let entry = RegistryEntry { genesis_state: digest(1), producer: digest(2), kernels };
        registry.insert(id, entry).unwrap();
    }
    registry
}

/// A statement with the membership of a key that the registry lists at `listed`.
fn input(key: u64, number: u32, listed: u32) -> (Allowed, RegistryMembership) {
    let membership = registry().membership(ID, digest(key), listed).unwrap();
    let allowed = Allowed {
        root: registry().root(),
        environment: ID.to_field(),
        number: F::from_canonical_u32(number),
        key: digest(key),
        genesis_state: membership.genesis_state,
        producer: membership.producer,
    };
    (allowed, membership)
}

/// A registry whose one window is no pair of 32-bit numbers: only a dishonest L1 could fix its root.
fn forged_window(number: F, window: [F; 2]) -> (Allowed, RegistryMembership) {
    let (mut allowed, mut membership) = input(13, 5, 5);
    membership.window = window;
    membership.kernels_root =
        membership.kernel_path.root(membership.kernel_index, kernel_leaf(allowed.key, window));
    let leaf = entry_leaf(ID, [membership.genesis_state, membership.producer, membership.kernels_root]);
    allowed.root = membership.entry_path.root(u64::from(ID.0), leaf);
    allowed.number = number;
    (allowed, membership)
}

fn honest() -> Vec<(Allowed, RegistryMembership)> {
    vec![input(13, 5, 5), input(13, 9, 9), input(23, 8, 8), input(23, 20, 20)]
}

fn dishonest() -> Vec<(Allowed, RegistryMembership)> {
    let changed = |change: &dyn Fn(&mut Allowed, &mut RegistryMembership)| {
        let (mut allowed, mut membership) = input(13, 5, 5);
        change(&mut allowed, &mut membership);
        (allowed, membership)
    };
    let minus = |value: u64| F::ZERO - F::from_canonical_u64(value);
    vec![
        input(13, 4, 5),
        input(13, 10, 5),
        changed(&|allowed, _| allowed.key = digest(14)),
        changed(&|allowed, _| allowed.environment = EnvironmentId(4).to_field()),
        changed(&|allowed, _| allowed.root = digest(1)),
        changed(&|_, membership| membership.kernels_root = digest(1)),
        changed(&|_, membership| membership.producer = digest(1)),
        changed(&|_, membership| membership.genesis_state = digest(5)),
        changed(&|_, membership| membership.window[1] += F::ONE),
        forged_window(minus(3), [minus(5), F::TWO]),
        forged_window(F::from_canonical_u64((1 << 32) + 1), [F::TWO, F::from_canonical_u64((1 << 32) + 3)]),
    ]
}

#[test]
fn a_listed_kernel_is_accepted_within_its_window() {
    for input in honest() {
        assert_accepts(&CIRCUIT, &input);
    }
}

#[test]
fn what_the_registry_does_not_list_is_rejected() {
    for input in dishonest() {
        assert_rejects(&CIRCUIT, &input);
    }
    let registry = registry();
    let unknown = RegistryError::UnknownKernel { environment: ID, key: digest(14) };
    assert_eq!(registry.membership(ID, digest(14), 5), Err(unknown));
    for number in [4, 10] {
        let outside = RegistryError::OutsideWindow { environment: ID, key: digest(13), number };
        assert_eq!(registry.membership(ID, digest(13), number), Err(outside));
    }
    let absent = EnvironmentId(9);
    assert_eq!(registry.membership(absent, digest(13), 5), Err(RegistryError::UnknownEnvironment(absent)));
}

#[test]
fn the_opening_survives_the_forging_kit() {
    Kit::new(&CIRCUIT).inputs(&honest()).run().assert_sound();
}

#[test]
fn every_assertion_of_the_opening_is_needed() {
    Mutator::new(&Opening).honest(&honest()).dishonest(&dishonest()).run().assert_complete();
}

#[test]
fn windows_may_overlap_but_a_gap_needs_force() {
    let mut registry = registry();
    let with_gap = vec![kernel(13, 5, 6), kernel(23, 8, 20)];
    let gap = RegistryError::Gap { environment: ID, number: 7 };
    assert_eq!(registry.set_kernels(ID, with_gap.clone(), false), Err(gap));
    assert_eq!(registry, self::registry(), "an error changes nothing");
    registry.set_kernels(ID, with_gap, true).unwrap();
    registry.set_kernels(ID, vec![kernel(13, 5, 9), kernel(23, 8, u32::MAX)], false).unwrap();
}

#[test]
fn malformed_entries_are_refused() {
    let entry = |kernels| RegistryEntry { genesis_state: digest(1), producer: digest(2), kernels };
    let mut registry = registry();
    assert_eq!(registry.insert(EnvironmentId::L1, entry(vec![])), Err(RegistryError::L1));
    assert_eq!(registry.insert(ID, entry(vec![])), Err(RegistryError::Exists(ID)));
    let empty = RegistryError::EmptyWindow { environment: EnvironmentId(9), from: 3, until: 2 };
    assert_eq!(registry.insert(EnvironmentId(9), entry(vec![kernel(1, 3, 2)])), Err(empty));
    let many = RegistryError::TooManyKernels { environment: EnvironmentId(9), found: 33 };
    assert_eq!(registry.insert(EnvironmentId(9), entry(vec![kernel(1, 1, 2); 33])), Err(many));
}

#[test]
fn a_registry_in_a_file_is_checked_as_one_made_in_code() {
    let registry = registry();
    let text = serde_json::to_string(&registry).unwrap();
    assert_eq!(serde_json::from_str::<Registry>(&text).unwrap(), registry);
    let zero = text.replace("\"3\":", "\"0\":");
    assert!(serde_json::from_str::<Registry>(&zero).unwrap_err().to_string().contains("L1"));
}

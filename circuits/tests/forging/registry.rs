//! The registry's membership: which kernel may prove which environment, and when.

use circuits::{
    Builder, Definition, Digest, Witness,
    basetypes::standard_config,
    constrain::Constrain,
    integer::HEIGHT_BITS,
    layout,
    layout::{WitnessError, new_virtual, set},
    registry::{
        ENVIRONMENT_BITS, EnvironmentId, KernelEntry, Registry, RegistryEntry, RegistryMembership,
        RegistryMembershipTarget,
    },
    trees::index_bits,
};
use plonky2::{iop::target::Target, plonk::circuit_data::CircuitConfig};

use super::{digest, element, examine};

layout! {
    /// The kernel with this key may prove this environment in this superblock.
    pub struct Allowed<T> {
        /// Root of the registry.
        pub root: Digest<T>,
        /// The environment.
        pub environment: T,
        /// The superblock.
        pub number: T,
        /// Digest of the kernel's key.
        pub key: Digest<T>,
        /// Where the environment starts.
        pub genesis_state: Digest<T>,
        /// Who produces its blocks.
        pub producer: Digest<T>,
    }
}

struct Membership;

impl Definition for Membership {
    type Statement = Allowed<Target>;
    type NativeStatement = Allowed;
    type Targets = (Allowed<Target>, RegistryMembershipTarget);
    type Input = (Allowed, RegistryMembership);

    fn name(&self) -> String {
        "registry-membership".to_owned()
    }

    fn config(&self) -> CircuitConfig {
        standard_config()
    }

    fn define(&self, builder: &mut Builder) -> (Allowed<Target>, Self::Targets) {
        let given: Allowed<Target> = new_virtual(builder);
        builder.enforce_range(given.number, HEIGHT_BITS);
        let bits = index_bits(builder, given.environment, ENVIRONMENT_BITS);
        let membership = RegistryMembershipTarget::new_virtual(builder);
        membership.verify(builder, given.root, given.environment, &bits, given.number, given.key);
        builder.enforce_digest_equal(membership.genesis_state, given.genesis_state);
        builder.enforce_digest_equal(membership.producer, given.producer);
        (given, (given, membership))
    }

    fn assign(
        &self,
        (given, target): &Self::Targets,
        (allowed, membership): &Self::Input,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        set(witness, given, allowed)?;
        target.set_targets(witness, membership)
    }
}

fn registry() -> Registry {
    let mut registry = Registry::default();
    for id in [1, 7, 300] {
        let kernel = |key, valid_from, valid_until| KernelEntry { key: digest(key), valid_from, valid_until };
        let entry = RegistryEntry {
            genesis_state: digest(id),
            producer: digest(id + 1),
            kernels: vec![kernel(id + 10, 3, 9), kernel(id + 11, 10, u32::MAX)],
        };
        registry.insert(EnvironmentId(id as u16), entry).unwrap();
    }
    registry
}

/// The claim that kernel `key` of `id` may be used in superblock `number`, with the witness for `proven`.
fn claim(id: u64, key: u64, number: u64, proven: u32) -> (Allowed, RegistryMembership) {
    let registry = registry();
    let membership = registry.membership(EnvironmentId(id as u16), digest(key), proven).unwrap();
    let allowed = Allowed {
        root: registry.root(),
        environment: element(id),
        number: element(number),
        key: digest(key),
        genesis_state: digest(id),
        producer: digest(id + 1),
    };
    (allowed, membership)
}

#[test]
fn a_kernel_is_allowed_only_as_the_registry_lists_it() {
    let (allowed, membership) = claim(7, 17, 5, 5);
    let with = |change: fn(&mut Allowed)| {
        let mut changed = allowed;
        change(&mut changed);
        (changed, membership.clone())
    };
    let mut dishonest = vec![
        with(|allowed| allowed.environment = element(1)),
        // Case 50: an id beyond its bits.
        with(|allowed| allowed.environment = element(7 + (1 << 16))),
        with(|allowed| allowed.key = digest(18)),
        with(|allowed| allowed.root = digest(0)),
        with(|allowed| allowed.genesis_state = digest(0)),
        with(|allowed| allowed.producer = digest(0)),
        with(|allowed| allowed.number = element(1 << 33)),
        // Case 21: before and after its window.
        claim(7, 17, 2, 5),
        claim(7, 17, 10, 5),
        claim(7, 18, 9, 10),
    ];
    let mut widened = membership.clone();
    widened.valid_until = u32::MAX;
    dishonest.push((Allowed { number: element(20), ..allowed }, widened));
    let mut moved = membership.clone();
    moved.kernel_index = 1;
    dishonest.push((allowed, moved));
    let honest = [claim(7, 17, 3, 3), claim(7, 17, 9, 9), claim(300, 311, 1 << 31, 10)];
    examine(
        Membership,
        &honest,
        &dishonest,
        |kit| kit,
        |mutator| {
            mutator
                .allow_up_to(
                    "enforce_range at circuits/src/registry.rs",
                    2,
                    "a window in a registry has 32-bit ends",
                )
                .allow_up_to("enforce_range at circuits/tests", 1, "both ends of a window bound the number")
        },
    );
}

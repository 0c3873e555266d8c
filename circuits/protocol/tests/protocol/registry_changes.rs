//! How a registry changes, natively: what it refuses, what it keeps on record, and what no change touches.

use circuits_protocol::registry::*;
use proptest::{collection::vec, prelude::*};

use super::registry::{ID, ROTATION, kernel, producer, registry};

fn add(kernels: &[KernelEntry]) -> KernelChange {
    KernelChange { add: kernels.to_vec(), ..KernelChange::default() }
}

fn end_with(last: u32) -> KernelChange {
    KernelChange { end_earlier: Some(last), ..KernelChange::default() }
}

fn entry(registry: &Registry) -> &RegistryEntry {
    registry.entry(ID).unwrap()
}

/// Checks that `change` fails with `expected` and changes nothing.
fn assert_refused(
    registry: &Registry,
    expected: RegistryError,
    change: impl Fn(&mut Registry) -> Result<(), RegistryError>,
) {
    let mut changed = registry.clone();
    assert_eq!(change(&mut changed), Err(expected));
    assert_eq!(&changed, registry, "an error changes nothing");
}

#[test]
fn windows_of_kernels_may_overlap_but_a_gap_needs_force() {
    let with_gap = KernelChange { add: vec![kernel(30, 8, u32::MAX)], ..end_with(6) };
    let gap = RegistryError::Gap { environment: ID, number: 7 };
    assert_refused(&registry(), gap, |registry| registry.change_kernels(ID, &with_gap));
    let mut registry = registry();
    registry.change_kernels(ID, &KernelChange { allow_gap: true, ..with_gap }).unwrap();
    assert_eq!(entry(&registry).kernels, [kernel(13, 5, 6), kernel(30, 8, u32::MAX)]);
    registry.change_kernels(ID, &add(&[kernel(31, 6, u32::MAX)])).unwrap();
    let unknown = RegistryError::UnknownEnvironment(EnvironmentId(9));
    assert_refused(&registry, unknown, |registry| registry.change_kernels(EnvironmentId(9), &end_with(6)));
}

#[test]
fn a_kernel_that_is_revoked_before_its_window_leaves_the_list_and_is_on_record() {
    let mut registry = registry();
    registry.change_kernels(ID, &KernelChange { allow_gap: true, ..end_with(7) }).unwrap();
    let RegistryEntry { kernels, removed, .. } = entry(&registry);
    assert_eq!((&kernels[..], &removed.kernels[..]), (&[kernel(13, 5, 7)][..], &[kernel(23, 8, 20)][..]));
    let key = kernel(23, 8, 20).key;
    let gone = RegistryError::RemovedKernel { environment: ID, key, from: 8, until: 20 };
    assert_eq!(registry.membership(ID, key, producer(2).commitment, 8), Err(gone));
}

#[test]
fn a_producer_follows_another_one_without_a_gap_and_without_an_overlap() {
    let mut registry = registry();
    let of = |registry: &Registry, number| {
        let valid = entry(registry).producers.iter().copied();
        let valid: Vec<_> =
            valid.filter(|one| (one.valid_from..=one.valid_until).contains(&number)).collect();
        assert_eq!(valid.len(), 1, "superblock {number} has one producer");
        valid[0].commitment
    };
    for (number, label) in [(1, 2), (ROTATION - 1, 2), (ROTATION, 5), (u32::MAX, 5)] {
        assert_eq!(of(&registry, number), producer(label).commitment);
    }
    // Another one takes the place of the one who would follow, and is followed in turn.
    registry.rotate_producer(ID, producer(6), ROTATION, false).unwrap();
    registry.rotate_producer(ID, producer(7), ROTATION + 10, false).unwrap();
    for (number, label) in [(ROTATION - 1, 2), (ROTATION, 6), (ROTATION + 9, 6), (ROTATION + 10, 7)] {
        assert_eq!(of(&registry, number), producer(label).commitment);
    }
    assert_eq!(entry(&registry).removed.producers, [producer(5).valid_from(ROTATION)]);
    // From the first superblock on, so that nobody came before.
    registry.rotate_producer(ID, producer(8), 0, false).unwrap();
    assert_eq!(entry(&registry).producers, [producer(8).valid_from(0)]);
    assert_eq!(entry(&registry).removed.producers.len(), 4);
}

#[test]
fn a_kernel_or_a_producer_returns_only_if_the_change_says_so() {
    let mut registry = registry();
    registry.change_kernels(ID, &add(&[kernel(30, 1, u32::MAX)])).unwrap();
    // Listed or removed, the answer is the same.
    for before in [1, 22] {
        assert_eq!(registry.remove_expired(before) > 0, before > 1);
        let again = kernel(13, 40, 50);
        let returns = RegistryError::KernelReturns { environment: ID, key: again.key, from: 5, until: 9 };
        assert_refused(&registry, returns, |registry| registry.change_kernels(ID, &add(&[again])));
        let mut readmitted = registry.clone();
        readmitted.change_kernels(ID, &KernelChange { readmit: true, ..add(&[again]) }).unwrap();
        let commitment = producer(5).commitment;
        readmitted.membership(ID, again.key, commitment, 40).unwrap();

        let first = producer(2);
        let returns = RegistryError::ProducerReturns {
            environment: ID,
            commitment: first.commitment,
            from: 1,
            until: ROTATION - 1,
        };
        let with_its_key = Producer { signing_key: first.signing_key, ..producer(6) };
        let with_its_secret = Producer { signing_key: producer(6).signing_key, ..first };
        for again in [first, with_its_key, with_its_secret] {
            assert_refused(&registry, returns.clone(), |registry| {
                registry.rotate_producer(ID, again, 60, false)
            });
            let mut readmitted = registry.clone();
            readmitted.rotate_producer(ID, again, 60, true).unwrap();
            readmitted.membership(ID, kernel(30, 0, 0).key, again.commitment, 60).unwrap();
        }
    }
}

#[test]
fn what_has_expired_makes_room_so_that_there_can_be_more_kernels_and_producers_than_a_list_holds() {
    let mut registry = Registry::default();
    registry
        .insert(ID, RegistryEntry::new(kernel(1, 0, 0).key, producer(1), vec![kernel(1, 1, u32::MAX)]))
        .unwrap();
    let (kernels, producers) = (1 << KERNELS_DEPTH, 1 << PRODUCERS_DEPTH);
    // One kernel and one producer for each superblock, until one list after the other is full.
    let next = |registry: &mut Registry, number: u32| {
        let change =
            KernelChange { add: vec![kernel(number.into(), number, u32::MAX)], ..end_with(number - 1) };
        registry.change_kernels(ID, &change)?;
        registry.rotate_producer(ID, producer(number.into()), number, false)
    };
    let mut number = 2;
    while next(&mut registry.clone(), number).is_ok() {
        next(&mut registry, number).unwrap();
        number += 1;
    }
    let full = RegistryError::TooManyProducers { environment: ID, found: producers + 1 };
    assert_eq!(next(&mut registry.clone(), number), Err(full));
    for later in number..=2 * kernels as u32 {
        registry.remove_expired(later);
        next(&mut registry, later).unwrap();
    }
    let RegistryEntry { kernels: listed, removed, .. } = entry(&registry);
    assert_eq!(removed.kernels.len() + listed.len(), 2 * kernels, "each of them is listed or on record");
    // The list of kernels is the limit without an earlier end of those before.
    let mut registry = self::registry();
    let many: Vec<_> = (0..31).map(|label| kernel(100 + label, 5, 20)).collect();
    let full = RegistryError::TooManyKernels { environment: ID, found: 33 };
    assert_refused(&registry, full, |registry| registry.change_kernels(ID, &add(&many)));
    assert_eq!(registry.remove_expired(10), 2, "kernel 13 of both environments");
    registry.change_kernels(ID, &add(&many)).unwrap();
    assert_eq!(entry(&registry).kernels.len(), 32);
}

#[test]
fn nothing_that_is_valid_is_removed_and_the_root_covers_what_was() {
    let before = registry();
    let mut registry = before.clone();
    assert_eq!(registry.remove_expired(9), 0);
    assert_eq!(registry, before);
    assert_eq!(registry.remove_expired(ROTATION), 4, "kernel 13 and producer 2 of both environments");
    assert_eq!(entry(&registry).genesis_state, entry(&before).genesis_state);
    assert_ne!(registry.root(), before.root());
    let forgetful = RegistryEntry { removed: Removed::default(), ..entry(&registry).clone() };
    let mut other = Registry::default();
    for (id, entry) in registry.entries() {
        other.insert(id, if id == ID { forgetful.clone() } else { entry.clone() }).unwrap();
    }
    assert_ne!(other.root(), registry.root(), "a registry without the record is another one");
    // The list may become empty: the environment keeps its genesis, and stands still.
    assert_eq!(registry.remove_expired(u32::MAX), 2);
    assert!(entry(&registry).kernels.is_empty());
    assert_eq!(entry(&registry).producers, [producer(5).valid_from(ROTATION)]);
}

#[test]
fn malformed_entries_are_refused() {
    let entry = |kernels| RegistryEntry::new(kernel(1, 0, 0).key, producer(2), kernels);
    let mut registry = registry();
    let new = EnvironmentId(9);
    assert_eq!(registry.insert(ID, entry(vec![])), Err(RegistryError::Exists(ID)));
    let empty = RegistryError::EmptyWindow { environment: new, from: 3, until: 2 };
    assert_eq!(registry.insert(new, entry(vec![kernel(1, 3, 2)])), Err(empty.clone()));
    let many = RegistryError::TooManyKernels { environment: new, found: 33 };
    assert_eq!(registry.insert(new, entry(vec![kernel(1, 1, 2); 33])), Err(many));
    let with = |windows: &[(u32, u32)]| {
        let one =
            |&(valid_from, valid_until)| ProducerEntry { valid_until, ..producer(2).valid_from(valid_from) };
        RegistryEntry { producers: windows.iter().map(one).collect(), ..entry(vec![]) }
    };
    assert_eq!(registry.insert(new, with(&[(3, 2)])), Err(empty));
    let two = |number| Err(RegistryError::TwoProducers { environment: new, number });
    assert_eq!(registry.insert(new, with(&[(5, 9), (1, 5)])), two(5));
    assert_eq!(registry.insert(new, with(&[(1, u32::MAX), (7, 7)])), two(7));
    let many = RegistryError::TooManyProducers { environment: new, found: 9 };
    assert_eq!(registry.insert(new, with(&[(1, 1); 9])), Err(many));
    registry.insert(new, with(&[(6, 9), (1, 5)])).unwrap();
}

#[test]
fn a_registry_in_a_file_is_checked_as_one_made_in_code() {
    let mut registry = registry();
    registry.remove_expired(ROTATION);
    let text = serde_json::to_string(&registry).unwrap();
    assert_eq!(serde_json::from_str::<Registry>(&text).unwrap(), registry);
    let l1 = serde_json::from_str::<Registry>(&text.replace("\"3\":", "\"0\":")).unwrap();
    assert!(l1.entry(EnvironmentId::L1).is_ok(), "L1 is an environment like the others");
    assert!(serde_json::from_str::<Registry>(&text.replace("\"3\":", "\"65536\":")).is_err());
    let mut two = serde_json::to_value(&registry).unwrap();
    let producers = two["entries"]["3"]["producers"].as_array_mut().unwrap();
    producers.push(producers[0].clone());
    let error = serde_json::from_value::<Registry>(two).unwrap_err().to_string();
    assert!(error.contains("two producers in superblock 13"), "{error}");
}

#[derive(Clone, Debug)]
enum Change {
    Kernel { label: u64, from: u32, end_earlier: Option<u32> },
    Rotate { label: u64, from: u32 },
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let kernel = (1..40_u64, 1..40_u32, prop::option::of(0..40_u32))
        .prop_map(|(label, from, end_earlier)| Change::Kernel { label, from, end_earlier });
    let rotate = (1..40_u64, 1..40_u32).prop_map(|(label, from)| Change::Rotate { label, from });
    vec(prop_oneof![kernel, rotate], 0..20)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever was changed before, a registry without what had expired judges all later superblocks as before, can be
    /// read back, and lets nothing return.
    #[test]
    fn removing_what_has_expired_changes_no_later_judgement(changes in changes(), number in 1..40_u32) {
        let mut registry = registry();
        for change in changes {
            let _ = match change {
                Change::Kernel { label, from, end_earlier } => {
                    let add = vec![kernel(label, from, from + 5)];
                    let change = KernelChange { end_earlier, add, allow_gap: true, readmit: false };
                    registry.change_kernels(ID, &change)
                }
                Change::Rotate { label, from } => registry.rotate_producer(ID, producer(label), from, false),
            };
        }
        let mut smaller = registry.clone();
        smaller.remove_expired(number);
        let text = serde_json::to_string(&smaller).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Registry>(&text).unwrap(), &smaller);
        for one in &entry(&registry).kernels {
            for producer in &entry(&registry).producers {
                for later in [0, 1, 5, 50].map(|more| number + more) {
                    let judge = |registry: &Registry| {
                        registry.membership(ID, one.key, producer.commitment, later).is_ok()
                    };
                    prop_assert_eq!(judge(&registry), judge(&smaller));
                }
            }
            let returns = smaller.change_kernels(ID, &add(&[KernelEntry { valid_until: u32::MAX, ..*one }]));
            let is_refused = matches!(returns, Err(RegistryError::KernelReturns { .. }));
            prop_assert!(is_refused);
        }
    }
}

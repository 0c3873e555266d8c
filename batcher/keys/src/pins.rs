//! The pins that this program was built with: what each circuit is, and which sources it is built from.

use std::collections::BTreeSet;

use batcher_verify::keys::PinnedKeys;
use circuits_core::Digest;
use circuits_keys::{
    Origin, PLONKY2_VERSION, STARKY_VERSION,
    pins::{Pin, Pins},
};
use thiserror::Error;

/// The name of the checked-in file of pins.
pub const PINS_FILE: &str = "pins.toml";
/// The name of the checked-in file of keys.
pub const KEYS_FILE: &str = "keys.json";

/// The content of [`PINS_FILE`].
const EMBEDDED: &str = include_str!(env!("SUPERBLOCK_PINS"));

/// The embedded pins are malformed.
#[derive(Debug, Error)]
#[error("the embedded pins are malformed: {0}")]
pub struct MalformedPins(#[from] toml::de::Error);

/// The pins that the program was built with.
///
/// # Errors
/// [`MalformedPins`].
pub fn embedded() -> Result<Pins, MalformedPins> {
    Ok(toml::from_str(EMBEDDED)?)
}

/// The code that this program's circuits are built from: versions, the checksum of the sources, and the date in `pins`.
///
/// # Panics
/// If the build script wrote no checksum, which a test rules out.
#[must_use]
pub fn origin(pins: &Pins) -> Origin {
    Origin {
        superblock: env!("CARGO_PKG_VERSION").to_owned(),
        plonky2: PLONKY2_VERSION.to_owned(),
        starky: STARKY_VERSION.to_owned(),
        source: env!("SUPERBLOCK_SOURCE").parse().expect("the build script writes a checksum"),
        date: pins.date.clone(),
    }
}

/// The names of the circuit called `name` and of those that it cannot be built without: the circuits that it verifies,
/// alone or as members of a set, and those below them. Segments and superblocks are left out, because their keys are
/// embedded. The answer is empty if no circuit is called `name`.
#[must_use]
pub fn needed(pins: &Pins, name: &str) -> BTreeSet<String> {
    let keys = PinnedKeys::embedded();
    let segments = keys.key_set().root();
    let is_embedded = |digest: Digest| digest == segments || keys.find(digest).is_some();
    let mut needed = BTreeSet::new();
    let mut open = vec![name];
    while let Some(pin) = open.pop().and_then(|name| pins.get(name)) {
        if !needed.insert(pin.name.clone()) {
            continue;
        }
        for (dependency, digest) in pin.depends_on.iter().filter(|(_, digest)| !is_embedded(**digest)) {
            let members = dependency.strip_suffix("-set").map(|set| format!("{set}-"));
            let is_member = |name: &str| members.as_ref().is_some_and(|start| name.starts_with(start));
            let below = |other: &&Pin| other.key == *digest || is_member(&other.name);
            open.extend(pins.circuit.iter().filter(below).map(|pin| pin.name.as_str()));
        }
    }
    needed
}

#[cfg(test)]
mod tests {
    use batcher_circuits::segment::SegmentCircuit;
    use batcher_verify::{circuit::SuperblockCircuit, older_key::OlderKey};

    use super::*;

    #[test]
    fn the_origin_names_the_sources_and_their_date() {
        let pins = embedded().expect("well-formed");
        let origin = origin(&pins);
        assert_ne!(origin.source, circuits_keys::Checksum::of(b""), "no source was hashed");
        assert_eq!(origin, circuits_forging::fixtures::workspace_origin(&pins).expect("a workspace"));
        assert!(origin.date == pins.date && origin.date.len() == "2026-01-01".len());
        assert!(pins.circuit.iter().all(|pin| pin.files.is_some()), "every circuit can be kept");
    }

    #[test]
    fn the_checked_in_pins_name_the_embedded_keys() {
        let pins = embedded().expect("well-formed");
        assert_eq!(PinnedKeys::embedded().segment_set.len(), SegmentCircuit::all().count());
        for key in &PinnedKeys::embedded().segment_set {
            assert!(pins.circuit.iter().any(|pin| pin.key == *key), "key {key} is not pinned");
        }
    }

    #[test]
    fn a_trust_file_gives_superblock_keys_as_they_are_pinned() {
        let pins = embedded().expect("well-formed");
        for circuit in SuperblockCircuit::all() {
            let pin = pins.get(&circuit.name()).expect("pinned");
            let key = PinnedKeys::embedded().superblock(circuit).expect("embedded");
            let older = OlderKey::new(circuit, key, 1);
            let common_data = pin.files.as_ref().expect("it can be kept").common_data.sha3;
            assert_eq!((older.digest, older.common_data), (pin.key, common_data), "{}", pin.name);
        }
    }

    #[test]
    fn needed_are_the_circuits_below_and_no_others() {
        let pins = embedded().expect("well-formed");
        let needed = |name| needed(&pins, name).into_iter().collect::<Vec<_>>();
        assert_eq!(needed("accounts-block-empty"), ["accounts-block-empty"]);
        assert_eq!(needed("counter-kernel-wrap"), ["counter-kernel", "counter-kernel-wrap"]);
        assert_eq!(needed("superblock-segments-6"), ["superblock-segments-6"]);
        let hop = ["hop-poseidon", "hop-shrink-14", "hop-shrink-15", "hop-shrink-16"];
        assert_eq!(needed("hop-poseidon"), hop);
        let direct = ["notes-block-direct-3", "notes-block-direct-3-wrap"];
        let transactions = ["notes-transaction-exchange", "notes-transaction-local"];
        assert_eq!(needed(direct[1]), [&direct[..], &transactions].concat());
        let chunks = needed("accounts-block-chunks-2-of-60");
        let names = ["accounts-block-chunks-2-of-60", "accounts-chunk-63", "accounts-chunk-fold-2"];
        assert_eq!(chunks[..3], names);
        let tables = ["keccak-1260", "keccak-315", "keccak-78", "signatures-60"];
        assert_eq!(chunks[3..], [&["accounts-chunk-fold-3"], &tables[..]].concat());
        assert_eq!(needed("unknown"), [""; 0]);
    }
}

//! The pins that this program was built with: what each circuit is, and which sources it is built from.

use std::collections::BTreeSet;

use batcher_verify::keys::PinnedKeys;
use circuits_core::Digest;
use circuits_keys::{
    Origin, PLONKY2_VERSION, STARKY_VERSION,
    pins::{Difference, Pin, Pins},
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use crate::outer_pin::OuterPin;

/// The name of the checked-in file of pins.
pub const PINS_FILE: &str = "pins.toml";
/// The name of the checked-in file of keys.
pub const KEYS_FILE: &str = "keys.json";

/// The content of [`PINS_FILE`].
const EMBEDDED: &str = include_str!(env!("SUPERBLOCK_PINS"));

/// The pins of all circuits, as [`PINS_FILE`] has them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Content", into = "Content")]
pub struct AllPins {
    /// Those of circuits whose keys are kept in files.
    pub circuits: Pins,
    /// That of the Keccak hop.
    pub keccak_hop: Option<OuterPin>,
}

/// The tables of [`PINS_FILE`].
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    date: String,
    circuit: Vec<Pin>,
    outer_circuit: Option<OuterPin>,
}

impl From<Content> for AllPins {
    fn from(Content { date, circuit, outer_circuit }: Content) -> Self {
        Self { circuits: Pins { date, circuit }, keccak_hop: outer_circuit }
    }
}

impl From<AllPins> for Content {
    fn from(AllPins { circuits: Pins { date, circuit }, keccak_hop }: AllPins) -> Self {
        Self { date, circuit, outer_circuit: keccak_hop }
    }
}

impl AllPins {
    /// How many circuits are pinned.
    #[must_use]
    pub fn count(&self) -> usize {
        self.circuits.circuit.len() + usize::from(self.keccak_hop.is_some())
    }

    /// How `built` differs from these pins. Empty if it does not.
    #[must_use]
    pub fn differences(&self, built: &Self) -> Vec<Difference> {
        let mut differences = self.circuits.differences(&built.circuits);
        match (&self.keccak_hop, &built.keccak_hop) {
            (Some(pinned), Some(built)) => differences.extend(pinned.differences(built)),
            (Some(pinned), None) => differences.push(Difference::Gone { name: pinned.name.clone() }),
            (None, Some(built)) => differences.push(Difference::Unpinned { name: built.name.clone() }),
            (None, None) => {}
        }
        differences
    }
}

/// The embedded pins are malformed.
#[derive(Debug, Error)]
#[error("the embedded pins are malformed: {0}")]
pub struct MalformedPins(#[from] toml::de::Error);

/// All pins that the program was built with.
///
/// # Errors
/// [`MalformedPins`].
pub fn embedded_all() -> Result<AllPins, MalformedPins> {
    Ok(toml::from_str(EMBEDDED)?)
}

/// The pins that the program was built with, of circuits whose keys are kept in files.
///
/// # Errors
/// [`MalformedPins`].
pub fn embedded() -> Result<Pins, MalformedPins> {
    Ok(embedded_all()?.circuits)
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
    use batcher_hop::circuits::{KeccakHop, keccak_common};
    use batcher_verify::{circuit::SuperblockCircuit, older_key::OlderKey};
    use circuits_core::circuit::defined;

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
    fn the_checked_in_pins_are_as_they_would_be_written() {
        assert_eq!(toml::to_string(&embedded_all().expect("well-formed")).expect("it serialises"), EMBEDDED);
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
    fn the_keccak_hop_is_pinned_as_its_embedded_key() {
        let pin = embedded_all().expect("well-formed").keccak_hop.expect("pinned");
        let keys = &PinnedKeys::embedded().hop;
        let definition = KeccakHop::new(keys.poseidon.get().clone());
        let (_, _, gates) = defined(&definition);
        assert_eq!(pin, OuterPin::new(&definition, keys.keccak.get(), keccak_common(), gates));
    }

    #[test]
    fn every_change_of_the_keccak_hop_is_a_difference() {
        let pinned = embedded_all().expect("well-formed");
        assert!(pinned.differences(&pinned).is_empty());
        let changed = |change: fn(&mut OuterPin)| {
            let mut built = pinned.clone();
            change(built.keccak_hop.as_mut().expect("pinned"));
            pinned.differences(&built)
        };
        let gates = changed(|pin| pin.gates = 9);
        assert_eq!(gates.len(), 1);
        let count = pinned.keccak_hop.as_ref().expect("pinned").gates;
        assert_eq!(gates[0].to_string(), format!("circuit hop-keccak: gates is pinned as {count} but is 9"));
        let all = changed(|pin| {
            pin.digest.push('0');
            pin.outer_digest.push('0');
            pin.gates += 1;
            pin.degree_bits += 1;
            pin.public_inputs += 1;
            pin.proof_bytes += 1;
            pin.parameters.clear();
            pin.depends_on.clear();
            pin.security.queries += 1;
        });
        assert_eq!(all.len(), 9);
        let without = AllPins { keccak_hop: None, ..pinned.clone() };
        let name = "hop-keccak".to_owned();
        assert_eq!(pinned.differences(&without), [Difference::Gone { name: name.clone() }]);
        assert_eq!(without.differences(&pinned), [Difference::Unpinned { name }]);
        assert_eq!(pinned.count(), without.count() + 1);
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

//! The hop: its calldata, its circuits, and a proof that goes through all of them.

mod calldata;
mod circuits;
mod files;
mod graph;

use std::sync::LazyLock;

use batcher_hop::{calldata as encoding, circuits::keccak_common};
use batcher_verify::keys::PinnedKeys;
use circuits_core::F;
use circuits_prover::outer::{OuterKey, OuterProof};
use plonky2::field::types::Field as _;
use serde::Deserialize;

/// The proof that contracts are tested against: that of a superblock with a block of environment 0.
#[derive(Deserialize)]
struct Recorded {
    outer_digest: String,
    public_inputs: Vec<String>,
    proof: String,
}

fn element(text: &str) -> F {
    F::from_canonical_u64(text.parse().expect("a number"))
}

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text.trim_start_matches("0x")).expect("hexadecimal")
}

/// The digest, the public inputs and the calldata of the recorded proof.
static RECORDED: LazyLock<([u8; 32], Vec<F>, Vec<u8>)> = LazyLock::new(|| {
    let recorded: Recorded = serde_json::from_str(include_str!("fixture.json")).expect("well-formed");
    let digest = bytes(&recorded.outer_digest).try_into().expect("32 bytes");
    (digest, recorded.public_inputs.iter().map(|text| element(text)).collect(), bytes(&recorded.proof))
});

/// The recorded proof.
fn recorded() -> OuterProof {
    let (_, public_inputs, calldata) = &*RECORDED;
    encoding::decode(calldata, public_inputs, keccak_common()).expect("well-formed")
}

/// The embedded key of the Keccak hop.
fn key() -> &'static OuterKey {
    PinnedKeys::embedded().hop.keccak.get()
}

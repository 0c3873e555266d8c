//! `superblock security`.

use batcher_circuits::segment::segment_shape;
use batcher_keys::pins;
use batcher_verify::circuit::{SuperblockCircuit, superblock_shape};
use circuits_core::{recursion::Shape, security::SecurityReport};
use circuits_keys::pins::Pin;
use circuits_protocol::wrap::block_shape;
use circuits_prover::basetypes::kernel_config;
use circuits_tables::ecdsa::batch::{BatchSize, signature_shape};
use environments_accounts::chunk::chunk_shape;
use environments_notes::{batch::batch_shape, transaction::transaction_shape};
use serde_json::json;

use super::answer::{Answer, Failure, REJECTED};

/// Every circuit of one shape has the security of the shape; a kernel's follows from its configuration and its
/// rows, which are pinned.
pub(super) fn run() -> Result<Answer, Failure> {
    let pinned = pins::embedded().map_err(|error| Failure::new(REJECTED, error.to_string()))?;
    let starks = BatchSize::ALL.into_iter().map(BatchSize::security);
    let reports: Vec<_> = pinned.circuit.iter().map(report).chain(starks).collect();
    let mut text = SecurityReport::header();
    for report in &reports {
        text += &format!("\n{report}");
    }
    Ok(Answer::new(json!({ "ok": true, "circuits": reports }), text))
}

fn report(pin: &Pin) -> SecurityReport {
    let of = |shape: &Shape| SecurityReport::new(&pin.name, &shape.common);
    if let Some(source) = SuperblockCircuit::all().find(|&source| source.name() == pin.name) {
        of(superblock_shape(source))
    } else if pin.name.starts_with("segment-") {
        of(segment_shape())
    } else if pin.name.ends_with("-wrap") {
        of(block_shape())
    } else if pin.name.starts_with("signatures-") {
        of(signature_shape())
    } else if pin.name.starts_with("accounts-chunk-") {
        of(chunk_shape())
    } else if pin.name.starts_with("notes-transaction-") {
        of(transaction_shape())
    } else if pin.name.starts_with("notes-batch-") {
        of(batch_shape())
    } else {
        of(&Shape::new("kernel", kernel_config(), pin.degree_bits, pin.public_inputs))
    }
}

//! `superblock security`.

use batcher::{
    circuits::{
        keys::SegmentCircuit,
        segment::segment_shape,
        superblock::{Source, superblock_shape},
    },
    verify::circuit_name,
};
use circuits::{recursion::block_shape, security::SecurityReport};
use serde_json::json;

use super::answer::{Answer, Failure};

/// Every circuit of one shape has the security of the shape.
pub(super) fn run() -> Result<Answer, Failure> {
    let mut reports = vec![SecurityReport::new("wrapped-block", &block_shape().common)];
    for circuit in SegmentCircuit::all() {
        let name = match circuit {
            SegmentCircuit::Leaf(blocks) => format!("segment-leaf-{blocks}"),
            SegmentCircuit::Fold(arity) => format!("segment-fold-{arity}"),
        };
        reports.push(SecurityReport::new(name, &segment_shape().common));
    }
    for source in Source::all() {
        reports.push(SecurityReport::new(circuit_name(source), &superblock_shape(source).common));
    }
    let mut text = SecurityReport::header();
    for report in &reports {
        text += &format!("\n{report}");
    }
    Ok(Answer::new(json!({ "ok": true, "circuits": reports }), text))
}

//! `superblock security`.

use std::fmt;

use batcher_circuits::segment::segment_shape;
use batcher_keys::pins;
use batcher_verify::circuit::{SuperblockCircuit, superblock_shape};
use circuits_core::{recursion::Shape, security::SecurityReport};
use circuits_keys::pins::Pin;
use circuits_protocol::wrap::block_shape;
use circuits_prover::basetypes::standard_config;
use environments_kinds::KINDS;
use serde::Serialize;

use crate::{
    answer::{Answer, Failure},
    table::{Align, Table},
};

/// The security of every circuit.
#[derive(Serialize)]
struct Security {
    circuits: Vec<SecurityReport>,
    /// A chain of recursive proofs is as strong as this circuit.
    weakest: Option<Weakest>,
}

/// The circuit whose weakest round has the fewest bits.
#[derive(Serialize)]
struct Weakest {
    name: String,
    proven: f64,
}

impl Security {
    fn new(circuits: Vec<SecurityReport>) -> Self {
        let weakest = circuits.iter().min_by(|a, b| a.proven().total_cmp(&b.proven()));
        let weakest = weakest.map(|report| Weakest { name: report.name.clone(), proven: report.proven() });
        Self { circuits, weakest }
    }
}

impl fmt::Display for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::with_titles([
            ("circuit", Align::Left),
            ("rows", Align::Right),
            ("proven", Align::Right),
            ("permutation", Align::Right),
            ("lookup", Align::Right),
            ("combination", Align::Right),
            ("evaluation", Align::Right),
            ("batching", Align::Right),
            ("folding", Align::Right),
            ("queries", Align::Right),
            ("capacity conj.", Align::Right),
        ]);
        let optional = |bits: Option<f64>| bits.map_or("none".to_owned(), |bits| format!("{bits:.1}"));
        for report in &self.circuits {
            table.push([
                report.name.clone(),
                format!("2^{}", report.degree_bits),
                format!("{:.1}", report.proven()),
                optional(report.permutation),
                optional(report.lookup),
                format!("{:.1}", report.combination),
                format!("{:.1}", report.evaluation),
                format!("{:.1}", report.batching),
                format!("{:.1}", report.folding),
                format!("{:.1}", report.queries),
                format!("{:.1}", report.capacity_conjecture),
            ]);
        }
        write!(f, "{table}")?;
        match &self.weakest {
            Some(Weakest { name, proven }) => write!(f, "\nweakest: {name}, {proven:.1} bits proven"),
            None => Ok(()),
        }
    }
}

pub(crate) fn run() -> Result<Answer, Failure> {
    let pinned = pins::embedded()?;
    let starks = KINDS.into_iter().flat_map(|kind| kind.starks());
    Ok(Answer::new(&Security::new(pinned.circuit.iter().map(report).chain(starks).collect())))
}

/// The security of a pinned circuit. Every circuit of one shape has the security of the shape; a kernel's follows from
/// the configuration of kernels and from its rows, which are pinned.
fn report(pin: &Pin) -> SecurityReport {
    let of = |shape: &Shape| SecurityReport::new(&pin.name, &shape.common);
    if let Some(source) = SuperblockCircuit::all().find(|&source| source.name() == pin.name) {
        of(superblock_shape(source))
    } else if pin.name.starts_with("segment-") {
        of(segment_shape())
    } else if pin.name.ends_with("-wrap") {
        of(block_shape())
    } else if let Some(shape) = KINDS.into_iter().find_map(|kind| kind.shape(&pin.name)) {
        of(shape)
    } else {
        of(&Shape::new("kernel", standard_config(), pin.degree_bits, pin.public_inputs))
    }
}

//! `superblock security`.

use std::fmt;

use batcher_keys::{pins, security::reports};
use circuits_core::security::{REQUIRED_BITS, Round, SecurityReport};
use serde::Serialize;

use crate::{
    answer::{Answer, Failure},
    table::{Align, Table},
};

/// The security of every circuit and every STARK.
#[derive(Serialize)]
struct Security {
    circuits: Vec<SecurityReport>,
    /// The proven bits that each must have.
    required: f64,
    /// A chain of recursive proofs is as strong as this circuit.
    weakest: Option<Weakest>,
}

/// The circuit whose weakest round has the fewest bits.
#[derive(Serialize)]
struct Weakest {
    name: String,
    proven: f64,
    round: Round,
}

impl Security {
    fn new(circuits: Vec<SecurityReport>) -> Self {
        let weakest = circuits.iter().min_by(|a, b| a.proven().total_cmp(&b.proven()));
        let weakest = weakest.map(|report| {
            let (round, proven) = report.weakest();
            Weakest { name: report.name.clone(), proven, round }
        });
        Self { circuits, required: REQUIRED_BITS, weakest }
    }
}

impl fmt::Display for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::with_titles([
            ("circuit", Align::Left),
            ("proven", Align::Right),
            ("rows", Align::Right),
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
                format!("{:.1}", report.proven()),
                format!("2^{}", report.degree_bits),
                optional(report.permutation),
                optional(report.lookup),
                format!("{:.1}", report.combination),
                format!("{:.1}", report.evaluation),
                format!("{:.1}", report.batching),
                optional(report.folding),
                format!("{:.1}", report.queries),
                format!("{:.1}", report.capacity_conjecture),
            ]);
        }
        write!(f, "{table}")?;
        match &self.weakest {
            Some(Weakest { name, proven, round }) => {
                let required = self.required;
                write!(
                    f,
                    "\nweakest: {name}, {proven:.1} bits proven, in its {round}; {required} are required"
                )
            }
            None => Ok(()),
        }
    }
}

pub(crate) fn run() -> Result<Answer, Failure> {
    Ok(Answer::new(&Security::new(reports(&pins::embedded_all()?))))
}

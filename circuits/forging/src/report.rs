//! What the kit found.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use circuits_prover::basetypes::F;

/// A copy class, described well enough to find it in the code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassInfo {
    /// Members that are wires: row, column, gate.
    pub wires: Vec<(usize, usize, String)>,
    /// Members that are virtual targets, by index.
    pub virtual_targets: Vec<usize>,
    /// The generator that set the value, and which of its outputs it is; none if the input set it.
    pub hint: Option<(String, usize)>,
    /// The honest value; none if nothing set it.
    pub value: Option<F>,
    /// Its position, if it is a public input.
    pub public_input: Option<usize>,
}

impl fmt::Display for ClassInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 3;
        match self.value {
            Some(value) => write!(f, "value {value}")?,
            None => write!(f, "no value")?,
        }
        if let Some((generator, output)) = &self.hint {
            write!(f, " (output {output} of {generator})")?;
        }
        if let Some(index) = self.public_input {
            write!(f, ", public input {index}")?;
        }
        for (row, column, gate) in self.wires.iter().take(SHOWN) {
            let gate = gate.split([' ', '{', '(']).next().unwrap_or_default();
            write!(f, ", wire {column} of row {row} ({gate})")?;
        }
        if self.wires.len() > SHOWN {
            write!(f, ", {} more wires", self.wires.len() - SHOWN)?;
        }
        for index in self.virtual_targets.iter().take(SHOWN) {
            write!(f, ", virtual target {index}")?;
        }
        Ok(())
    }
}

/// A way in for a dishonest prover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hole {
    /// An honest input is not a witness: what follows would show nothing.
    Honest {
        /// Which input.
        input: usize,
        /// Why it fails.
        reason: String,
    },
    /// A target that the circuit uses has no value, so it silently is 0.
    Unset {
        /// Which input.
        input: usize,
        /// The class.
        class: ClassInfo,
    },
    /// A target that reaches no gate.
    Unconnected {
        /// The class.
        class: ClassInfo,
    },
    /// A value that can be changed alone without breaking a constraint.
    Free {
        /// The inputs with which it is free.
        inputs: Vec<usize>,
        /// Values that were accepted, for the first of them.
        values: Vec<F>,
        /// The class, with the values of the first of them.
        class: ClassInfo,
    },
    /// A changed hint leads to a valid witness with other public inputs.
    Forged {
        /// Which input.
        input: usize,
        /// The hint.
        class: ClassInfo,
        /// Its dishonest value.
        value: F,
        /// Positions of the public inputs that changed.
        public_inputs: Vec<usize>,
    },
    /// The verifier accepted a proof from a tampered witness.
    Proven {
        /// Which input.
        input: usize,
        /// What was tampered with.
        class: ClassInfo,
        /// Its dishonest value.
        value: F,
    },
}

impl fmt::Display for Hole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Honest { input, reason } => write!(f, "honest input {input} is refused: {reason}"),
            Self::Unset { input, class } => write!(f, "never set with input {input}: {class}"),
            Self::Unconnected { class } => write!(f, "constrained by nothing: {class}"),
            Self::Free { inputs, values, class } => {
                write!(f, "free with inputs {inputs:?}, accepts {values:?}: {class}")
            }
            Self::Forged { input, class, value, public_inputs } => {
                write!(f, "input {input}: {value} changes public inputs {public_inputs:?}: {class}")
            }
            Self::Proven { input, class, value } => {
                write!(f, "input {input}: a proof with {value} verifies: {class}")
            }
        }
    }
}

/// What was tried and what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The circuit.
    pub name: String,
    /// Honest inputs.
    pub inputs: usize,
    /// Rows, with padding.
    pub rows: usize,
    /// Copy classes that our code touches, all overwritten.
    pub classes: usize,
    /// Other copy classes overwritten.
    pub sampled: usize,
    /// Classes that were free for a reviewed reason, by reason.
    pub excepted: BTreeMap<&'static str, usize>,
    /// Hints replaced.
    pub hints: usize,
    /// Dishonest hints that gave another witness of the same public inputs.
    pub harmless_hints: usize,
    /// Public inputs that an input sets and that can change alone, with everything that follows computed again: the
    /// statement stays true with another value there. No hole by itself, but each should be meant.
    pub loose: BTreeSet<usize>,
    /// Tampered witnesses given to the prover.
    pub proofs: usize,
    /// What a dishonest prover could use.
    pub holes: Vec<Hole>,
}

impl Report {
    /// Whether nothing was found.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.holes.is_empty()
    }

    /// # Panics
    /// If a hole was found; the message lists them.
    #[track_caller]
    pub fn assert_sound(&self) {
        assert!(self.is_sound(), "{self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 40;
        write!(
            f,
            "{}: {} rows, {} inputs, {} classes and {} sampled ones overwritten, {} hints replaced ({} harmless), {} \
             proofs tried, {} holes",
            self.name,
            self.rows,
            self.inputs,
            self.classes,
            self.sampled,
            self.hints,
            self.harmless_hints,
            self.proofs,
            self.holes.len()
        )?;
        if !self.loose.is_empty() {
            write!(f, "\n  loose public inputs: {:?}", self.loose)?;
        }
        for (reason, count) in &self.excepted {
            write!(f, "\n  excepted {count}: {reason}")?;
        }
        for hole in self.holes.iter().take(SHOWN) {
            write!(f, "\n  hole: {hole}")?;
        }
        if self.holes.len() > SHOWN {
            write!(f, "\n  and {} more holes", self.holes.len() - SHOWN)?;
        }
        Ok(())
    }
}

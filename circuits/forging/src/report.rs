//! What the kit found.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use circuits_prover::basetypes::F;

use super::names::TargetName;

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
    /// What the code calls it, if a line of ours adds or assigns it.
    pub name: Option<TargetName>,
}

impl ClassInfo {
    /// The field that it is, as [`TargetName::field`]; empty if it has no name.
    #[must_use]
    pub fn field(&self) -> &str {
        self.name.as_ref().map_or("", |name| &name.field)
    }
}

impl fmt::Display for ClassInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 3;
        if let Some(name) = &self.name {
            write!(f, "{name}, ")?;
        }
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

/// What kind of hole, for exceptions. The last six are about an input that is changed alone, with everything that
/// follows from it computed again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// See [`Hole::Unset`].
    Unset,
    /// See [`Hole::Unconnected`].
    Unconnected,
    /// See [`Hole::Free`].
    Free,
    /// See [`Hole::Forged`].
    Forged,
    /// With every honest input it can be changed, and the statement never follows: the circuit asks for something that it
    /// does not compare with anything, as a secret whose commitment is forgotten.
    Unstated,
    /// With every honest input it can be changed, and nothing but the `outbox` or the `inbox` ever follows: a part of a
    /// message that is not compared with the state, as a recipient who is not the account that is credited.
    MessagesOnly,
    /// `new_state` follows it, and neither `previous_state` nor `body` does: who has these does not know the new state. An
    /// old record that is not opened, or a body that leaves something out.
    Unfollowable,
    /// It can be `p - 1`, the statement follows, it is more than hashed, and it is no part of a digest, of the statement or
    /// of the previous state: native code has no such integer, and a sum with it wraps.
    Unranged,
    /// A flag that can be set although another one is, which no honest input does.
    Together,
    /// See [`Hole::Untested`].
    Untested,
}

impl Kind {
    /// Whether it is one of the last six.
    pub(super) const fn is_of_an_input(self) -> bool {
        match self {
            Self::Unset | Self::Unconnected | Self::Free | Self::Forged => false,
            Self::Unstated
            | Self::MessagesOnly
            | Self::Unfollowable
            | Self::Unranged
            | Self::Together
            | Self::Untested => true,
        }
    }
}

/// A way in for a dishonest prover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hole {
    /// An honest input is not a witness, as it is or without the public inputs that generators can set: what follows would
    /// show nothing.
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
    /// An input that was changed alone, with everything that follows from it computed again.
    Input {
        /// Of the last six, but [`Kind::Untested`].
        kind: Kind,
        /// Which honest input it was changed in.
        input: usize,
        /// The class, with its honest value.
        class: ClassInfo,
        /// A value that was accepted.
        value: F,
        /// Fields of the statement that followed.
        changes: Vec<String>,
        /// The other flag of [`Kind::Together`].
        with: Option<TargetName>,
    },
    /// Nothing shows whether the circuit compares this input with anything: no other value is accepted, and with every
    /// honest input an honest generator fails on some. A dishonest prover has others.
    Untested {
        /// Which honest input it was changed in.
        input: usize,
        /// The class, with its honest value.
        class: ClassInfo,
        /// A value that a generator fails on.
        value: F,
        /// Which generator fails, and how.
        reason: String,
    },
    /// An exception for a hole that the circuit does not have.
    Unneeded {
        /// Its kind.
        kind: Kind,
        /// The field.
        field: String,
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

impl Hole {
    /// With the other flag of [`Kind::Together`].
    pub(super) fn with(mut self, other: Option<TargetName>) -> Self {
        if let Self::Input { with, .. } = &mut self {
            *with = other;
        }
        self
    }

    /// Its kind and its class, if an exception may be for it.
    pub(super) fn excusable(&self) -> Option<(Kind, &ClassInfo)> {
        match self {
            Self::Unset { class, .. } => Some((Kind::Unset, class)),
            Self::Unconnected { class } => Some((Kind::Unconnected, class)),
            Self::Free { class, .. } => Some((Kind::Free, class)),
            Self::Forged { class, .. } => Some((Kind::Forged, class)),
            Self::Input { kind, class, .. } => Some((*kind, class)),
            Self::Untested { class, .. } => Some((Kind::Untested, class)),
            Self::Honest { .. } | Self::Unneeded { .. } | Self::Proven { .. } => None,
        }
    }
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
            Self::Input { kind, input, class, value, changes, with } => {
                match (kind, with) {
                    (Kind::Unstated, _) => write!(f, "no statement follows it")?,
                    (Kind::MessagesOnly, _) => write!(f, "only messages follow it")?,
                    (Kind::Unfollowable, _) => {
                        write!(f, "the new state follows it, the previous state and the body do not")?;
                    }
                    (Kind::Together, Some(other)) => write!(f, "it is set together with {other}")?,
                    (Kind::Unranged, _) => write!(f, "it has no range")?,
                    _ => write!(f, "{kind:?}")?,
                }
                write!(f, ": with input {input}, {value} is accepted and changes {changes:?}: {class}")
            }
            Self::Untested { input, class, value, reason } => {
                write!(f, "not tested: with input {input}, a generator fails on {value}: {reason}: {class}")
            }
            Self::Unneeded { kind, field } => write!(f, "`{field}` has an exception and is not {kind:?}"),
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
    /// Inputs replaced.
    pub replaced: usize,
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
             inputs replaced, {} proofs tried, {} holes",
            self.name,
            self.rows,
            self.inputs,
            self.classes,
            self.sampled,
            self.hints,
            self.harmless_hints,
            self.replaced,
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

//! The forging kit: plays the dishonest prover of any circuit, without FRI.
//!
//! - [`assert_accepts`] and [`assert_rejects`] judge an input by the circuit's constraints.
//! - [`Kit`] starts from honest inputs and tampers: it overwrites every copy class that our code touches, replaces every
//!   hint before it propagates, and gives a sample to the real prover.
//! - A [`Forgery`] is an input with chosen hints, for attacks that need several at once.
//! - [`mutate()`] leaves out one assertion of the circuit at a time and demands that something notices.
//!
//! Three lines test a circuit:
//!
//! ```
//! # use circuits_core::{CircuitError, Compiled, Definition};
//! # use circuits_forging::{Kit, mutate};
//! fn attack<D: Definition>(transfer: D, honest: &[D::Input], dishonest: &[D::Input]) -> Result<(), CircuitError> {
//!     let compiled = Compiled::new(transfer)?;
//!     Kit::new(&compiled).inputs(honest).run().assert_sound();
//!     mutate(&compiled.definition, honest, dishonest).assert_complete();
//!     Ok(())
//! }
//! ```
//!
//! # What overwriting covers
//!
//! A copy class is a set of targets that the circuit declares equal; a prover can give each class one value. A
//! class is *ours* if it has a virtual target or at least two members, unless all its wires are in rows of
//! plonky2's recursive verifier. Ours are all overwritten. Classes of a single wire (a gate's inner values and
//! results that nothing reads) and the verifier's classes are sampled, see [`Kit::sample`]. A single wire that
//! nothing sets belongs to an unused part of a row and is passed over. For a public input, plonky2's hashing of
//! the public inputs does not count as a constraint.
//!
//! A class that is free with one honest input is a hole even if another input binds it, unless [`Kit::masked`]
//! gives a reason.
//!
//! # What it does not cover
//!
//! It changes one value or one hint at a time; attacks that need several are written as a [`Forgery`]. A range
//! check that is missing on an input, not on a hint, shows only with a dishonest input. Assertions made without
//! [`Constrain`](circuits_core::constrain::Constrain) cannot be left out, and the recursive verifier's are not.

mod exceptions;
pub mod fixtures;
mod forgery;
mod hints;
mod judge;
mod kit;
mod model;
mod mutate;
mod overwrite;
mod report;
mod run;

pub use exceptions::Exception;
pub use forgery::Forgery;
pub use judge::{
    Rejection, assert_accepts, assert_rejects, assert_rejects_by_prover, assert_rejects_forgery, check,
    check_forgery,
};
pub use kit::Kit;
pub use model::Violation;
pub use mutate::{Mutations, Mutator, Survivor, mutate};
pub use report::{ClassInfo, Hole, Report};

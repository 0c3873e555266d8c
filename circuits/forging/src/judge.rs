//! Part (a): is an input accepted? Judged by all gates on all rows and all copy constraints.

use circuits_core::circuit::{Compiled, Definition};
use circuits_prover::{
    basetypes::{F, Witness},
    panics::contained,
};
use thiserror::Error;

use super::{
    forgery::{Answers, Forgery},
    model::{Model, Violation},
    run::Run,
};

/// Why an input is not accepted.
#[derive(Debug, Error)]
pub enum Rejection {
    /// Assigning it failed.
    #[error("the input cannot be assigned: {0}")]
    Assign(String),
    /// It gives two values to targets that are copies of each other.
    #[error("no witness holds the input: {0}")]
    Impossible(String),
    /// Its values violate a constraint.
    #[error("{violation}{}", trouble.as_ref().map(|trouble| format!(" ({trouble})")).unwrap_or_default())]
    Constraint {
        /// The first one, by row.
        violation: Violation,
        /// What witness generation stumbled over, if anything.
        trouble: Option<String>,
    },
}

/// Fills the witness for `input` and evaluates every constraint. Returns the public inputs.
///
/// A copy class has one value. An input that gives it two is rejected; where generators contradict the input or
/// each other the first value stays, and the constraints decide; a generator that panics leaves its outputs 0.
/// So an input is never rejected merely because an honest generator gives up.
///
/// # Errors
/// [`Rejection`].
pub fn check<Def: Definition>(compiled: &Compiled<Def>, input: &Def::Input) -> Result<Vec<F>, Rejection> {
    check_forgery(compiled, &Forgery::new(input))
}

/// As [`check`], of a forgery.
///
/// # Errors
/// [`Rejection`].
pub fn check_forgery<Def: Definition>(
    compiled: &Compiled<Def>,
    forgery: &Forgery<'_, Def>,
) -> Result<Vec<F>, Rejection> {
    let witness = contained(|| compiled.witness(forgery.input))
        .map_err(Rejection::Assign)?
        .map_err(|error| Rejection::Assign(error.to_string()))?;
    check_witness(&Model::of(&compiled.circuit, compiled.gates), &witness, &forgery.answers)
}

pub(super) fn check_witness(
    model: &Model<'_>,
    witness: &Witness,
    answers: &Answers,
) -> Result<Vec<F>, Rejection> {
    let run = Run::new(model, witness, &answers.by_generator(model));
    if let Some(reason) = run.impossible {
        return Err(Rejection::Impossible(reason));
    }
    match run.violation(model) {
        None => Ok(model.public_input_values(&run.witness)),
        Some(violation) => Err(Rejection::Constraint { violation, trouble: run.trouble }),
    }
}

/// # Panics
/// If `input` violates a constraint.
#[track_caller]
pub fn assert_accepts<Def: Definition>(compiled: &Compiled<Def>, input: &Def::Input) {
    if let Err(rejection) = check(compiled, input) {
        panic!("{} rejects an input that it should accept: {rejection}", compiled.definition.name());
    }
}

/// # Panics
/// If `input` satisfies every constraint.
#[track_caller]
pub fn assert_rejects<Def: Definition>(compiled: &Compiled<Def>, input: &Def::Input) {
    let accepted = check(compiled, input).is_ok();
    assert!(!accepted, "{} accepts an input that it should reject", compiled.definition.name());
}

/// # Panics
/// If `forgery` satisfies every constraint.
#[track_caller]
pub fn assert_rejects_forgery<Def: Definition>(compiled: &Compiled<Def>, forgery: &Forgery<'_, Def>) {
    let accepted = check_forgery(compiled, forgery).is_ok();
    assert!(!accepted, "{} accepts a forgery", compiled.definition.name());
}

/// As [`assert_rejects`], judged by plonky2's prover and verifier: an error, a panic and a proof that does not verify
/// are all rejections.
///
/// # Panics
/// If `input` has a proof that verifies.
#[track_caller]
pub fn assert_rejects_by_prover<Def: Definition>(compiled: &Compiled<Def>, input: &Def::Input) {
    let result = contained(|| compiled.prove(input).map(drop));
    let proved = matches!(result, Ok(Ok(())));
    assert!(!proved, "{} proves an input that it should reject", compiled.definition.name());
}

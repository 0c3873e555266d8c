//! Classes that may be free, each with its reason.

use circuits_prover::basetypes::F;
use plonky2::field::types::Field;

use super::report::ClassInfo;

/// A reviewed reason why a class may be changed without breaking a constraint.
pub struct Exception {
    /// Why nothing can be gained by it.
    pub reason: &'static str,
    matches: Box<dyn Fn(&ClassInfo) -> bool + Sync>,
}

impl Exception {
    /// An exception for the classes that `matches`.
    pub fn new(reason: &'static str, matches: impl Fn(&ClassInfo) -> bool + Sync + 'static) -> Self {
        Self { reason, matches: Box::new(matches) }
    }

    pub(super) fn covers(&self, class: &ClassInfo) -> bool {
        (self.matches)(class)
    }

    /// What holds for gadgets in every circuit.
    pub(super) fn reviewed() -> Vec<Self> {
        let unused_inverse = Self::new(
            "the inverse in is_equal is multiplied by the difference, so it is free when both sides are equal",
            |class| {
                // The generator's second output; it sets 0 exactly if the sides are equal.
                class.value == Some(F::ZERO) && class.hint == Some(("EqualityGenerator".to_owned(), 1))
            },
        );
        let unused_weight =
            Self::new("the weight of an element that is the constant 0 is used by no constraint", |class| {
                class.wires.is_empty() && class.hint.as_ref().is_some_and(|(id, _)| id == "NonzeroWeights")
            });
        vec![unused_inverse, unused_weight]
    }
}

//! Holes that may be, each with its reason.

use circuits_prover::basetypes::F;
use plonky2::field::types::Field;

use super::report::{ClassInfo, Hole, Kind};

/// A reviewed reason why a hole of one kind, in the targets that it names, is none.
pub struct Exception {
    /// Why nothing can be gained by it.
    pub reason: &'static str,
    kind: Kind,
    /// Fields that it is for; each must have a hole.
    fields: &'static [&'static str],
    matches: Box<dyn Fn(&ClassInfo) -> bool + Sync>,
}

impl Exception {
    /// An exception for the holes of `kind` in the classes that `matches`.
    pub fn new(
        kind: Kind,
        reason: &'static str,
        matches: impl Fn(&ClassInfo) -> bool + Sync + 'static,
    ) -> Self {
        Self { reason, kind, fields: &[], matches: Box::new(matches) }
    }

    /// An exception for the holes of `kind` in these fields, as [`TargetName`](super::TargetName) has them. If the
    /// kind is of an input, a field without such a hole is itself reported.
    #[must_use]
    pub fn fields(kind: Kind, fields: &'static [&'static str], reason: &'static str) -> Self {
        let matches = Box::new(|class: &ClassInfo| fields.contains(&class.field()));
        Self { reason, kind, fields, matches }
    }

    pub(super) fn covers(&self, kind: Kind, class: &ClassInfo) -> bool {
        self.kind == kind && (self.matches)(class)
    }

    /// The fields without a hole of this kind among `holes`, which are those of inputs.
    pub(super) fn unneeded<'e>(&'e self, holes: &'e [Hole]) -> impl Iterator<Item = Hole> + 'e {
        let is_hole = |field: &&str| {
            let here = |hole: &Hole| {
                hole.excusable().is_some_and(|(kind, class)| kind == self.kind && class.field() == *field)
            };
            holes.iter().any(here)
        };
        self.fields
            .iter()
            .filter(move |field| self.kind.is_of_an_input() && !is_hole(field))
            .map(|field| Hole::Unneeded { kind: self.kind, field: (*field).to_owned() })
    }

    /// What holds for gadgets in every circuit.
    pub(super) fn reviewed() -> Vec<Self> {
        let unused_inverse = Self::new(
            Kind::Free,
            "the inverse in is_equal and is_nonzero is multiplied by the difference, so it is free when that is 0",
            |class| {
                // The generator's second output, or the only one; it sets 0 exactly if the difference is 0.
                let inverses = [("EqualityGenerator".to_owned(), 1), ("Inverse".to_owned(), 0)];
                class.value == Some(F::ZERO)
                    && inverses.into_iter().any(|inverse| class.hint == Some(inverse))
            },
        );
        let unneeded_inverse = Self::new(
            Kind::Unconnected,
            "the inverse in is_equal of two constants that are equal is multiplied by nothing",
            |class| class.hint == Some(("EqualityGenerator".to_owned(), 1)),
        );
        let unused_weight = Self::new(
            Kind::Unconnected,
            "the weight of an element that is the constant 0 is used by no constraint",
            |class| class.hint.as_ref().is_some_and(|(id, _)| id == "NonzeroWeights"),
        );
        vec![unused_inverse, unneeded_inverse, unused_weight]
    }
}

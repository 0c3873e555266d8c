//! A dishonest prover with a plan: an input, and answers of his own in place of hints.

use std::collections::BTreeMap;

use circuits_core::{F, circuit::Definition};

use super::model::Model;

/// An input together with dishonest hints. Everything else is computed as an honest prover would.
pub struct Forgery<'k, Def: Definition> {
    pub(super) input: &'k Def::Input,
    pub(super) answers: Answers,
}

/// Answers of hints: the generator's name, which one of that name, and its values.
#[derive(Default)]
pub(super) struct Answers(Vec<(&'static str, usize, Vec<F>)>);

impl<'k, Def: Definition> Forgery<'k, Def> {
    /// The honest hints for `input`.
    #[must_use]
    pub fn new(input: &'k Def::Input) -> Self {
        Self { input, answers: Answers::default() }
    }

    /// Answers `values` where the generator `id`, the `occurrence`-th of that name in the order of definition,
    /// is asked.
    #[must_use]
    pub fn hint(mut self, id: &'static str, occurrence: usize, values: &[F]) -> Self {
        self.answers.0.push((id, occurrence, values.to_vec()));
        self
    }
}

impl Answers {
    /// By generator.
    ///
    /// # Panics
    /// If the circuit has no such generator.
    pub(super) fn by_generator(&self, model: &Model<'_>) -> BTreeMap<usize, Vec<F>> {
        let find = |(id, occurrence, values): &(&'static str, usize, Vec<F>)| {
            let named = model.generators.iter().enumerate().filter(|(_, generator)| generator.0.id() == *id);
            let (index, _) = named
                .into_iter()
                .nth(*occurrence)
                .unwrap_or_else(|| panic!("the circuit has no hint {id} number {occurrence}"));
            (index, values.clone())
        };
        self.0.iter().map(find).collect()
    }
}

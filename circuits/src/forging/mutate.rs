//! Part (e): one assertion left out at a time.

use std::fmt;

use plonky2::plonk::circuit_data::CircuitData;

use super::{
    exceptions::Exception,
    forgery::Forgery,
    judge::check_witness,
    kit::{Settings, examine},
    model::{Model, Uncommitted},
    report::Report,
};
use crate::{
    basetypes::{Builder, D, F, Witness},
    circuit::Definition,
    constrain::ledger::{self, Assertion, Record},
    contain::contained,
    layout,
};

/// An assertion that nothing misses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survivor {
    /// Its position among the circuit's assertions.
    pub index: usize,
    /// What it is.
    pub assertion: Assertion,
}

/// How many of a circuit's assertions are tested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mutations {
    /// What the kit says of the whole circuit.
    pub intact: Report,
    /// Dishonest inputs that the whole circuit accepts, by position.
    pub accepted: Vec<usize>,
    /// Assertions.
    pub assertions: usize,
    /// Assertions that are tested elsewhere.
    pub elsewhere: usize,
    /// Assertions whose omission lets a dishonest input pass.
    pub by_input: usize,
    /// Assertions whose omission the kit notices with honest inputs.
    pub by_kit: usize,
    /// Survivors that were allowed, with the reason.
    pub allowed: Vec<(Survivor, &'static str)>,
    /// Assertions whose omission nothing notices.
    pub survivors: Vec<Survivor>,
}

impl Mutations {
    /// # Panics
    /// If the circuit was not sound to begin with, or the omission of an assertion goes unnoticed.
    #[track_caller]
    pub fn assert_complete(&self) {
        let complete = self.intact.is_sound() && self.accepted.is_empty() && self.survivors.is_empty();
        assert!(complete, "{self}");
    }
}

impl fmt::Display for Mutations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} assertions, {} tested elsewhere, {} missed by a dishonest input, {} by the kit, {} allowed, {} survive",
            self.intact.name,
            self.assertions,
            self.elsewhere,
            self.by_input,
            self.by_kit,
            self.allowed.len(),
            self.survivors.len()
        )?;
        for (Survivor { index, assertion }, reason) in &self.allowed {
            write!(f, "\n  allowed: {index}, {assertion}: {reason}")?;
        }
        for Survivor { index, assertion } in &self.survivors {
            write!(f, "\n  survives: {index}, {assertion}")?;
        }
        if !self.accepted.is_empty() {
            write!(f, "\n  accepted although dishonest: inputs {:?}", self.accepted)?;
        }
        if !self.intact.is_sound() {
            write!(f, "\n  before any omission: {}", self.intact)?;
        }
        Ok(())
    }
}

/// Leaves out one assertion of `definition` at a time, see [`Mutator`].
#[must_use]
pub fn mutate<Def: Definition>(
    definition: &Def,
    honest: &[Def::Input],
    dishonest: &[Def::Input],
) -> Mutations {
    Mutator::new(definition).honest(honest).dishonest(dishonest).run()
}

/// Leaves out one assertion at a time, and sees whether a dishonest input is then accepted, or the kit finds a hole.
pub struct Mutator<'k, Def: Definition> {
    definition: &'k Def,
    honest: Vec<&'k Def::Input>,
    dishonest: Vec<Forgery<'k, Def>>,
    allowed: Vec<(&'static str, usize, &'static str)>,
    elsewhere: Vec<&'static str>,
    settings: Settings,
}

struct Mutant<Def: Definition> {
    data: CircuitData<F, Uncommitted, D>,
    targets: Def::Targets,
    defined_rows: usize,
    record: Record,
}

impl<'k, Def: Definition> Mutator<'k, Def> {
    /// A mutator of `definition`.
    #[must_use]
    pub fn new(definition: &'k Def) -> Self {
        let settings = Settings { rate: 0.0, ..Settings::new() };
        Self { definition, honest: vec![], dishonest: vec![], allowed: vec![], elsewhere: vec![], settings }
    }

    /// Adds inputs that every version of the circuit accepts.
    #[must_use]
    pub fn honest(mut self, inputs: impl IntoIterator<Item = &'k Def::Input>) -> Self {
        self.honest.extend(inputs);
        self
    }

    /// Adds inputs that the whole circuit rejects.
    #[must_use]
    pub fn dishonest(mut self, inputs: impl IntoIterator<Item = &'k Def::Input>) -> Self {
        self.dishonest.extend(inputs.into_iter().map(Forgery::new));
        self
    }

    /// Adds forgeries that the whole circuit rejects.
    #[must_use]
    pub fn forgeries(mut self, forgeries: impl IntoIterator<Item = Forgery<'k, Def>>) -> Self {
        self.dishonest.extend(forgeries);
        self
    }

    /// See [`super::Kit::except`].
    #[must_use]
    pub fn except(mut self, exception: Exception) -> Self {
        self.settings.exceptions.push(exception);
        self
    }

    /// See [`super::Kit::masked`].
    #[must_use]
    pub fn masked(mut self, reason: &'static str) -> Self {
        self.settings.masked = Some(reason);
        self
    }

    /// Lets assertions survive whose display (kind and line of code) contains `what`, for `reason`.
    #[must_use]
    pub fn allow(self, what: &'static str, reason: &'static str) -> Self {
        self.allow_up_to(what, usize::MAX, reason)
    }

    /// As [`Self::allow`], but at most `count` of them.
    #[must_use]
    pub fn allow_up_to(mut self, what: &'static str, count: usize, reason: &'static str) -> Self {
        self.allowed.push((what, count, reason));
        self
    }

    /// Does not leave out assertions whose display contains `what`: they belong to a gadget that a mutator has to itself
    /// elsewhere.
    #[must_use]
    pub fn elsewhere(mut self, what: &'static str) -> Self {
        self.elsewhere.push(what);
        self
    }

    /// Builds one circuit for each assertion. Commitments and padding are left out, so this is fast.
    #[must_use]
    pub fn run(&self) -> Mutations {
        let whole = self.build(None);
        let mut mutations = Mutations {
            intact: self.examine(&whole),
            accepted: (0..self.dishonest.len())
                .filter(|&index| self.accepts(&whole, &self.dishonest[index]))
                .collect(),
            assertions: whole.record.assertions.len(),
            elsewhere: 0,
            by_input: 0,
            by_kit: 0,
            allowed: vec![],
            survivors: vec![],
        };
        if !mutations.intact.is_sound() {
            return mutations;
        }
        let mut allowed = self.allowed.clone();
        for (index, &assertion) in whole.record.assertions.iter().enumerate() {
            let text = assertion.to_string();
            if self.elsewhere.iter().any(|what| text.contains(what)) {
                mutations.elsewhere += 1;
                continue;
            }
            let mutant = self.build(Some(index));
            if self.dishonest.iter().any(|forgery| self.accepts(&mutant, forgery)) {
                mutations.by_input += 1;
            } else if !self.examine(&mutant).is_sound() {
                mutations.by_kit += 1;
            } else {
                let survivor = Survivor { index, assertion };
                let allowance = allowed.iter_mut().find(|(what, count, _)| *count > 0 && text.contains(what));
                match allowance {
                    Some((_, count, reason)) => {
                        *count -= 1;
                        mutations.allowed.push((survivor, reason));
                    }
                    None => mutations.survivors.push(survivor),
                }
            }
        }
        mutations
    }

    fn build(&self, omit: Option<usize>) -> Mutant<Def> {
        let definition = self.definition;
        let config =
            definition.shape().map_or_else(|| definition.config(), |shape| shape.common.config.clone());
        let mut builder = Builder::new(config);
        let (targets, record) = ledger::record(omit, || {
            let (statement, targets) = definition.define(&mut builder);
            layout::register(&mut builder, &statement);
            targets
        });
        let defined_rows = builder.num_gates();
        Mutant { data: builder.build::<Uncommitted>(), targets, defined_rows, record }
    }

    fn witness(&self, mutant: &Mutant<Def>, input: &Def::Input) -> Option<Witness> {
        let mut witness = Witness::new();
        let assigned = contained(|| self.definition.assign(&mutant.targets, input, &mut witness).is_ok());
        (assigned == Ok(true)).then_some(witness)
    }

    fn accepts(&self, mutant: &Mutant<Def>, forgery: &Forgery<'k, Def>) -> bool {
        self.witness(mutant, forgery.input).is_some_and(|witness| {
            let data = &mutant.data;
            check_witness(&data.prover_only, &data.common, mutant.defined_rows, &witness, forgery).is_ok()
        })
    }

    fn examine(&self, mutant: &Mutant<Def>) -> Report {
        let witnesses: Vec<_> = self.honest.iter().filter_map(|input| self.witness(mutant, input)).collect();
        let model = Model::new(&mutant.data.prover_only, &mutant.data.common, mutant.defined_rows);
        let name = self.definition.name();
        examine(name, &model, &mutant.record.verifier_rows, &witnesses, &self.settings).0
    }
}

//! Part (e): one assertion left out at a time.

use std::{collections::BTreeMap, fmt, io::Write as _};

use circuits_core::{
    circuit::Definition,
    constrain::ledger::{self, Assertion, Record},
    layout,
};
use circuits_prover::{
    basetypes::{Builder, Witness},
    panics::contained,
};

use super::{
    exceptions::Exception,
    forgery::Forgery,
    judge::check_witness,
    kit::{Settings, examine},
    model::{Model, UncommittedCircuit, build_uncommitted},
    report::Report,
};

/// Names a file to which every judged circuit adds its score, for whoever sums them up: name, assertions,
/// missed by an input, by the kit, attacked elsewhere, allowed, survivors, separated by tabs.
const SCORES: &str = "SUPERBLOCK_MUTATION_SCORES";

/// An assertion that nothing misses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survivor {
    /// Its position among the circuit's assertions; of a line's assertions, that of the first one.
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
    /// Assertions; with [`Mutator::by_line`], lines that make some.
    pub assertions: usize,
    /// Assertions that [`Mutator::elsewhere`] passes over, by place.
    pub elsewhere: BTreeMap<&'static str, usize>,
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
        if let Some(path) = std::env::var_os(SCORES) {
            let mut scores =
                std::fs::OpenOptions::new().create(true).append(true).open(path).expect("writable");
            // One write, so that tests in parallel do not mix their lines.
            scores.write_all(self.score().as_bytes()).expect("writable");
        }
    }

    fn score(&self) -> String {
        let counts = [
            self.assertions,
            self.by_input,
            self.by_kit,
            self.elsewhere.values().sum(),
            self.allowed.len(),
            self.survivors.len(),
        ];
        counts.iter().fold(self.intact.name.clone(), |line, count| format!("{line}\t{count}")) + "\n"
    }
}

impl fmt::Display for Mutations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} assertions, {} missed by a dishonest input, {} by the kit, {} attacked elsewhere, {} allowed, \
             {} survive",
            self.intact.name,
            self.assertions,
            self.by_input,
            self.by_kit,
            self.elsewhere.values().sum::<usize>(),
            self.allowed.len(),
            self.survivors.len()
        )?;
        for (place, count) in &self.elsewhere {
            write!(f, "\n  attacked elsewhere: {count} of {place}")?;
        }
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
    by_line: bool,
    settings: Settings,
}

struct Mutant<Def: Definition> {
    circuit: UncommittedCircuit,
    targets: Def::Targets,
    defined_rows: usize,
    record: Record,
}

impl<Def: Definition> Mutant<Def> {
    fn model(&self) -> Model<'_> {
        Model::of_uncommitted(&self.circuit, self.defined_rows)
    }
}

impl<'k, Def: Definition> Mutator<'k, Def> {
    /// A mutator of `definition`.
    #[must_use]
    pub fn new(definition: &'k Def) -> Self {
        let settings = Settings { rate: 0.0, ..Settings::new() };
        let (honest, dishonest, allowed, elsewhere) = Default::default();
        Self { definition, honest, dishonest, allowed, elsewhere, by_line: false, settings }
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

    /// Passes over assertions whose display (kind and line of code) contains `what`: they belong to a gadget that is
    /// attacked in a circuit of its own.
    #[must_use]
    pub fn elsewhere(mut self, what: &'static str) -> Self {
        self.elsewhere.push(what);
        self
    }

    /// Leaves out all assertions that one line of code makes, instead of one of them: for circuits that are
    /// loops over equal slots. Then it is enough that the line is missed in some slot.
    #[must_use]
    pub fn by_line(mut self) -> Self {
        self.by_line = true;
        self
    }

    /// The assertions to leave out together.
    fn omissions(&self, assertions: &[Assertion]) -> Vec<(Assertion, Vec<usize>)> {
        let mut omissions: Vec<(Assertion, Vec<usize>)> = vec![];
        for (index, &assertion) in assertions.iter().enumerate() {
            match omissions.iter_mut().find(|(other, _)| self.by_line && *other == assertion) {
                Some((_, indices)) => indices.push(index),
                None => omissions.push((assertion, vec![index])),
            }
        }
        omissions
    }

    /// Builds one circuit for each assertion. Commitments and padding are left out, so this is fast.
    #[must_use]
    pub fn run(&self) -> Mutations {
        let whole = self.build(&[]);
        let omissions = self.omissions(&whole.record.assertions);
        let mut mutations = Mutations {
            intact: self.examine(&whole),
            accepted: (0..self.dishonest.len())
                .filter(|&index| self.accepts(&whole, &self.dishonest[index]))
                .collect(),
            assertions: omissions.len(),
            elsewhere: BTreeMap::new(),
            by_input: 0,
            by_kit: 0,
            allowed: vec![],
            survivors: vec![],
        };
        if !mutations.intact.is_sound() {
            return mutations;
        }
        let mut allowed = self.allowed.clone();
        for (assertion, indices) in omissions {
            let text = assertion.to_string();
            if let Some(place) = self.elsewhere.iter().find(|place| text.contains(*place)) {
                *mutations.elsewhere.entry(place).or_default() += 1;
                continue;
            }
            let mutant = self.build(&indices);
            if self.dishonest.iter().any(|forgery| self.accepts(&mutant, forgery)) {
                mutations.by_input += 1;
            } else if !self.examine(&mutant).is_sound() {
                mutations.by_kit += 1;
            } else {
                let survivor = Survivor { index: indices[0], assertion };
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

    fn build(&self, omit: &[usize]) -> Mutant<Def> {
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
        Mutant { circuit: build_uncommitted(builder), targets, defined_rows, record }
    }

    fn witness(&self, mutant: &Mutant<Def>, input: &Def::Input) -> Option<Witness> {
        let mut witness = Witness::new();
        let assigned = contained(|| self.definition.assign(&mutant.targets, input, &mut witness).is_ok());
        (assigned == Ok(true)).then_some(witness)
    }

    fn accepts(&self, mutant: &Mutant<Def>, forgery: &Forgery<'k, Def>) -> bool {
        self.witness(mutant, forgery.input)
            .is_some_and(|witness| check_witness(&mutant.model(), &witness, &forgery.answers).is_ok())
    }

    fn examine(&self, mutant: &Mutant<Def>) -> Report {
        let witnesses: Vec<_> = self.honest.iter().filter_map(|input| self.witness(mutant, input)).collect();
        let name = self.definition.name();
        examine(name, &mutant.model(), &mutant.record.verifier_rows, &witnesses, &self.settings).0
    }
}

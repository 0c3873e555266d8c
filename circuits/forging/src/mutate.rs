//! Part (e): one assertion left out at a time.

use std::{
    collections::BTreeMap,
    fmt,
    io::Write as _,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

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
    forgery::{Answers, Forgery},
    judge::check_witness,
    kit::{Settings, Until, examine},
    model::{Model, UncommittedCircuit, build_uncommitted},
    names::Names,
    overwrite::Census,
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
    /// Assertions that are not tested: no dishonest input breaks one of them alone. The kit notices their omission, which
    /// shows that they are needed, and nothing shows that they are right.
    pub untested: Vec<Survivor>,
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

    /// As [`Self::assert_complete`], and each assertion is broken alone by a dishonest input.
    ///
    /// # Panics
    /// If not; the message lists the others.
    #[track_caller]
    pub fn assert_tested(&self) {
        self.assert_complete();
        assert!(self.untested.is_empty(), "{self}");
    }

    fn score(&self) -> String {
        let counts = [
            self.assertions,
            self.by_input,
            self.untested.len(),
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
            self.untested.len(),
            self.elsewhere.values().sum::<usize>(),
            self.allowed.len(),
            self.survivors.len()
        )?;
        for (place, count) in &self.elsewhere {
            write!(f, "\n  attacked elsewhere: {count} of {place}")?;
        }
        for Survivor { index, assertion } in &self.untested {
            write!(f, "\n  not tested: {index}, {assertion}: no dishonest input breaks it alone")?;
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
pub fn mutate<Def: Definition<Input: Sync>>(
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
    dishonest: Vec<&'k Def::Input>,
    search: Search,
}

impl<'k, Def: Definition<Input: Sync>> Mutator<'k, Def> {
    /// A mutator of `definition`.
    #[must_use]
    pub fn new(definition: &'k Def) -> Self {
        let search = Search {
            answers: vec![],
            allowed: vec![],
            elsewhere: vec![],
            by_line: false,
            inputs_only: false,
            settings: Settings { rate: 0.0, ..Settings::new() },
        };
        Self { definition, honest: vec![], dishonest: vec![], search }
    }

    /// Adds inputs that every version of the circuit accepts.
    #[must_use]
    pub fn honest(mut self, inputs: impl IntoIterator<Item = &'k Def::Input>) -> Self {
        self.honest.extend(inputs);
        self
    }

    /// Adds inputs that the whole circuit rejects.
    #[must_use]
    pub fn dishonest(self, inputs: impl IntoIterator<Item = &'k Def::Input>) -> Self {
        self.forgeries(inputs.into_iter().map(Forgery::new))
    }

    /// Adds forgeries that the whole circuit rejects.
    #[must_use]
    pub fn forgeries(mut self, forgeries: impl IntoIterator<Item = Forgery<'k, Def>>) -> Self {
        for Forgery { input, answers } in forgeries {
            self.dishonest.push(input);
            self.search.answers.push(answers);
        }
        self
    }

    /// See [`super::Kit::except`].
    #[must_use]
    pub fn except(mut self, exception: Exception) -> Self {
        self.search.settings.exceptions.push(exception);
        self
    }

    /// See [`super::Kit::masked`].
    #[must_use]
    pub fn masked(mut self, reason: &'static str) -> Self {
        self.search.settings.masked = Some(reason);
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
        self.search.allowed.push((what, count, reason));
        self
    }

    /// Passes over assertions whose display (kind and line of code) contains `what`: they belong to a gadget that is
    /// attacked in a circuit of its own.
    #[must_use]
    pub fn elsewhere(mut self, what: &'static str) -> Self {
        self.search.elsewhere.push(what);
        self
    }

    /// Leaves out all assertions that one line of code makes, instead of one of them: for circuits that are
    /// loops over equal slots. Then it is enough that the line is missed in some slot.
    #[must_use]
    pub fn by_line(mut self) -> Self {
        self.search.by_line = true;
        self
    }

    /// Judges by dishonest inputs alone, without the kit: for a circuit that leaves out what binds its values, so that the
    /// kit would find them all free.
    #[must_use]
    pub fn inputs_only(mut self) -> Self {
        self.search.inputs_only = true;
        self
    }

    /// Builds one circuit for each assertion. Commitments and padding are left out, so this is fast.
    #[must_use]
    pub fn run(&self) -> Mutations {
        self.search.run(self.definition.name(), self.honest.len(), &|omit| self.build(omit))
    }

    fn build(&self, omit: &[usize]) -> Mutant<'_> {
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
        let assign = move |case: Case| {
            let input = match case {
                Case::Honest(index) => self.honest[index],
                Case::Dishonest(index) => self.dishonest[index],
            };
            let mut witness = Witness::new();
            let assigned = contained(|| definition.assign(&targets, input, &mut witness).is_ok());
            (assigned == Ok(true)).then_some(witness)
        };
        Mutant { circuit: build_uncommitted(builder), defined_rows, record, assign: Box::new(assign) }
    }
}

/// An input of the mutator, by position.
#[derive(Clone, Copy)]
enum Case {
    Honest(usize),
    Dishonest(usize),
}

/// The circuit without some of its assertions. Its definition is hidden, so that what searches it is compiled once.
struct Mutant<'d> {
    circuit: UncommittedCircuit,
    defined_rows: usize,
    record: Record,
    /// The witness for an input, if it can be assigned.
    assign: Box<dyn Fn(Case) -> Option<Witness> + 'd>,
}

impl Mutant<'_> {
    fn model(&self) -> Model<'_> {
        Model::of_uncommitted(&self.circuit, self.defined_rows)
    }
}

/// What to search, and what to let pass.
struct Search {
    /// Of each dishonest input.
    answers: Vec<Answers>,
    allowed: Vec<(&'static str, usize, &'static str)>,
    elsewhere: Vec<&'static str>,
    by_line: bool,
    inputs_only: bool,
    settings: Settings,
}

impl Search {
    /// Searches the circuit `name` that `build` builds, with `honest` honest inputs.
    fn run<'d>(
        &self,
        name: String,
        honest: usize,
        build: &(dyn Fn(&[usize]) -> Mutant<'d> + Sync),
    ) -> Mutations {
        let examine = |mutant: &Mutant<'_>, model: &Model<'_>, until| {
            if self.inputs_only {
                return Report { name: name.clone(), ..Report::default() };
            }
            let witnesses: Vec<_> =
                (0..honest).filter_map(|index| (mutant.assign)(Case::Honest(index))).collect();
            let names = Names::new(model, &mutant.record, &[]);
            let census = Census::new(model, &mutant.record.verifier_rows, names);
            let (gate_facts, settings) = (model.gate_facts(), &self.settings);
            examine(name.clone(), model, &census, &gate_facts, &witnesses, settings, until).0
        };
        let whole = build(&[]);
        let model = whole.model();
        let omissions = self.omissions(&whole.record.assertions);
        let mut mutations = Mutations {
            intact: examine(&whole, &model, Until::End),
            accepted: (0..self.answers.len()).filter(|&index| self.accepts(&whole, &model, index)).collect(),
            assertions: omissions.len(),
            elsewhere: BTreeMap::new(),
            by_input: 0,
            untested: vec![],
            allowed: vec![],
            survivors: vec![],
        };
        if !mutations.intact.is_sound() {
            return mutations;
        }
        drop(whole);
        let judge = |(assertion, indices): &(Assertion, Vec<usize>)| {
            let text = assertion.to_string();
            if let Some(&place) = self.elsewhere.iter().find(|place| text.contains(*place)) {
                return Verdict::Elsewhere(place);
            }
            let mutant = build(indices);
            let model = mutant.model();
            if (0..self.answers.len()).any(|index| self.accepts(&mutant, &model, index)) {
                Verdict::MissedByInput
            } else if !examine(&mutant, &model, Until::Hole).is_sound() {
                Verdict::MissedByKit
            } else {
                Verdict::Survives
            }
        };
        let verdicts = in_parallel(&omissions, judge);
        let mut allowed = self.allowed.clone();
        for ((assertion, indices), verdict) in omissions.into_iter().zip(verdicts) {
            let survivor = Survivor { index: indices[0], assertion };
            match verdict {
                Verdict::Elsewhere(place) => *mutations.elsewhere.entry(place).or_default() += 1,
                Verdict::MissedByInput => mutations.by_input += 1,
                Verdict::MissedByKit => mutations.untested.push(survivor),
                Verdict::Survives => {
                    let text = assertion.to_string();
                    let mut allowances = allowed.iter_mut();
                    match allowances.find(|(what, count, _)| *count > 0 && text.contains(what)) {
                        Some((_, count, reason)) => {
                            *count -= 1;
                            mutations.allowed.push((survivor, reason));
                        }
                        None => mutations.survivors.push(survivor),
                    }
                }
            }
        }
        mutations
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

    /// Whether `mutant`, which `model` is of, accepts the dishonest input at `index`.
    fn accepts(&self, mutant: &Mutant<'_>, model: &Model<'_>, index: usize) -> bool {
        (mutant.assign)(Case::Dishonest(index))
            .is_some_and(|witness| check_witness(model, &witness, &self.answers[index]).is_ok())
    }
}

/// What notices the omission of an assertion.
#[derive(Clone, Copy)]
enum Verdict {
    Elsewhere(&'static str),
    MissedByInput,
    MissedByKit,
    Survives,
}

/// `judge` of each of `items`, in their order, on as many threads as there are processors.
///
/// The threads are not rayon's: one of those may start on another item while it waits for its part of a circuit, and the
/// record of a circuit's assertions belongs to the thread that defines it.
fn in_parallel<T: Sync, R: Send>(items: &[T], judge: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let work = || {
        let indices = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
        indices.map_while(|index| Some((index, judge(items.get(index)?)))).collect::<Vec<_>>()
    };
    let threads = thread::available_parallelism().map_or(1, usize::from).min(items.len());
    let mut judged: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let joined = workers.into_iter().flat_map(|worker| match worker.join() {
            Ok(judged) => judged,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        joined.collect()
    });
    judged.sort_unstable_by_key(|(index, _)| *index);
    judged.into_iter().map(|(_, verdict)| verdict).collect()
}

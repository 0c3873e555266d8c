//! The kit: honest inputs in, a report out.

use std::{collections::BTreeMap, sync::Arc};

use circuits_core::{
    circuit::{CircuitError, Compiled, Definition},
    constrain::ledger,
    layout::{ElementName, Layout},
    proof,
};
use circuits_prover::{
    basetypes::{Builder, Circuit, F, Witness},
    proving,
};
use plonky2::{field::types::Field as _, iop::target::Target};

use super::{
    exceptions::Exception,
    following::leave_to_generators,
    gates::GateFacts,
    hints,
    inputs::Subject,
    model::{Model, mix},
    names::Names,
    overwrite::{self, Census},
    report::{Hole, Kind, Report},
    run::Run,
};

/// How hard to try, and what to let pass.
pub(super) struct Settings {
    pub(super) seed: u64,
    pub(super) rate: f64,
    pub(super) exceptions: Vec<Exception>,
    pub(super) masked: Option<&'static str>,
}

impl Settings {
    pub(super) fn new() -> Self {
        Self { seed: 0x5eed, rate: 0.01, exceptions: Exception::reviewed(), masked: None }
    }

    /// Moves the holes that are let pass from `holes` to the report's exceptions, the others to its holes.
    fn settle(&self, report: &mut Report, holes: Vec<Hole>) {
        for hole in holes {
            let reason = hole.excusable().and_then(|(kind, class)| {
                self.exceptions
                    .iter()
                    .find(|exception| exception.covers(kind, class))
                    .map(|exception| exception.reason)
            });
            let masked = match &hole {
                Hole::Free { inputs, .. } if inputs.len() < report.inputs => self.masked,
                _ => None,
            };
            match reason.or(masked) {
                Some(reason) => *report.excepted.entry(reason).or_default() += 1,
                None => report.holes.push(hole),
            }
        }
    }
}

/// How many classes are overwritten before the next look at what they show.
const CLASSES_AT_ONCE: usize = 1024;

/// Where to end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// When everything has been tried.
    End,
    /// When there is a hole that an assertion left out can make: the circuit is unsound, whatever else there is.
    Hole,
}

/// Parts (a) to (c).
pub(super) fn examine<'c>(
    name: String,
    model: &Model<'c>,
    census: &Census,
    gate_facts: &[Arc<GateFacts>],
    witnesses: &[Witness],
    settings: &Settings,
    until: Until,
) -> (Report, Vec<Run<'c>>) {
    let is_over = |report: &Report| until == Until::Hole && !report.is_sound();
    let mut report = Report { name, inputs: witnesses.len(), rows: model.num_rows(), ..Report::default() };
    let runs: Vec<_> = witnesses.iter().map(|witness| Run::new(model, witness, &BTreeMap::new())).collect();
    for (input, run) in runs.iter().enumerate() {
        if let Some(reason) = run.problem(model) {
            report.holes.push(Hole::Honest { input, reason });
        }
    }
    let Some(first) = runs.first() else {
        report.holes.push(Hole::Honest { input: 0, reason: "none was given".to_owned() });
        return (report, runs);
    };
    if !report.is_sound() {
        return (report, runs);
    }
    settings.settle(&mut report, overwrite::unconnected(model, census, Some(first)));
    settings.settle(&mut report, overwrite::unset(model, census, &runs));

    let sampled = overwrite::sample(&census.others, first, settings.rate, settings.seed);
    (report.classes, report.sampled) = (census.ours.len(), sampled.len());
    for classes in census.ours.chunks(CLASSES_AT_ONCE).chain(sampled.chunks(CLASSES_AT_ONCE)) {
        if is_over(&report) {
            return (report, runs);
        }
        let holes = overwrite::overwrite(model, census, gate_facts, &runs, classes, settings.seed);
        settings.settle(&mut report, holes);
    }

    for (input, run) in runs.iter().enumerate() {
        if is_over(&report) {
            return (report, runs);
        }
        let generators = chosen_generators(model, census, run, settings);
        // A wire that is copied nowhere is bound by the gate of its row alone. If the assertion left out was its only copy,
        // the mutant may survive, which fails the test and hides nothing.
        let wanted = |class| until == Until::End || census.classes.members(class).len() > 1;
        let found =
            hints::replace(model, census, gate_facts, (input, run), &generators, wanted, settings.seed);
        report.hints += found.tried;
        report.harmless_hints += found.harmless;
        settings.settle(&mut report, found.holes);
    }
    (report, runs)
}

/// All generators that set something outside the recursive verifier, and a sample of those inside.
fn chosen_generators(model: &Model<'_>, census: &Census, run: &Run<'_>, settings: &Settings) -> Vec<usize> {
    let limit = (settings.rate.clamp(0.0, 1.0) * u64::MAX as f64) as u64;
    (0..model.generators.len())
        .filter(|&generator| {
            run.outputs[generator].iter().any(|&class| !census.is_inside_verifier(model, class))
                || mix(settings.seed, generator as u64) <= limit
        })
        .collect()
}

/// Tampers with the witnesses of one circuit.
pub struct Kit<'k, Def: Definition> {
    compiled: &'k Compiled<Def>,
    inputs: Vec<&'k Def::Input>,
    settings: Settings,
    proofs: usize,
}

impl<'k, Def: Definition> Kit<'k, Def> {
    /// A kit for `compiled`.
    #[must_use]
    pub fn new(compiled: &'k Compiled<Def>) -> Self {
        Self { compiled, inputs: vec![], settings: Settings::new(), proofs: 0 }
    }

    /// Adds an honest input. A circuit with conditions needs one for each side of each condition.
    #[must_use]
    pub fn input(mut self, input: &'k Def::Input) -> Self {
        self.inputs.push(input);
        self
    }

    /// Adds honest inputs.
    #[must_use]
    pub fn inputs(mut self, inputs: impl IntoIterator<Item = &'k Def::Input>) -> Self {
        self.inputs.extend(inputs);
        self
    }

    /// Lets pass what `exception` covers.
    #[must_use]
    pub fn except(mut self, exception: Exception) -> Self {
        self.settings.exceptions.push(exception);
        self
    }

    /// Lets a class be free with some inputs if another one binds it, for `reason`.
    #[must_use]
    pub fn masked(mut self, reason: &'static str) -> Self {
        self.settings.masked = Some(reason);
        self
    }

    /// The rate at which single-wire classes and the recursive verifier are sampled: 0.01 if not set, 1.0 for all.
    #[must_use]
    pub fn sample(mut self, rate: f64) -> Self {
        self.settings.rate = rate;
        self
    }

    /// The seed of random values and samples.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.settings.seed = seed;
        self
    }

    /// Tampered witnesses to give to the real prover and verifier; each costs a proof. None if not set.
    #[must_use]
    pub fn proofs(mut self, proofs: usize) -> Self {
        self.proofs = proofs;
        self
    }

    /// Does it all.
    #[must_use]
    pub fn run(&self) -> Report {
        let Compiled { definition, circuit, gates, .. } = self.compiled;
        let ((), defined) = ledger::record(&[], || {
            definition.define(&mut Builder::new(circuit.common.config.clone()));
        });
        let (witnesses, assigned): (Vec<_>, Vec<_>) =
            self.inputs.iter().map(|input| ledger::record(&[], || self.compiled.witness(input))).unzip();
        let model = Model::of(circuit, *gates);
        let names = Names::new(&model, &defined, &assigned);
        let census = Census::new(&model, &defined.verifier_rows, names);
        let statement = <Def::Statement as Layout<Target>>::names();
        self.settings.tamper(
            definition.name(),
            circuit,
            (&model, &census),
            &statement,
            witnesses,
            self.proofs,
        )
    }
}

impl Settings {
    /// All of the kit, with the witnesses of honest inputs.
    fn tamper(
        &self,
        name: String,
        circuit: &Circuit,
        (model, census): (&Model<'_>, &Census),
        statement: &[ElementName],
        witnesses: Vec<Result<Witness, CircuitError>>,
        proofs: usize,
    ) -> Report {
        let mut honest = vec![];
        for (input, witness) in witnesses.into_iter().enumerate() {
            match witness {
                Ok(witness) => honest.push(witness),
                Err(error) => {
                    let hole = Hole::Honest { input, reason: error.to_string() };
                    return Report { name, holes: vec![hole], ..Report::default() };
                }
            }
        }
        let gate_facts = model.gate_facts();
        let (mut report, runs) = examine(name, model, census, &gate_facts, &honest, self, Until::End);
        if !report.holes.iter().any(|hole| matches!(hole, Hole::Honest { .. })) {
            let subject = Subject { model, census, statement, gate_facts: &gate_facts, seed: self.seed };
            self.replace_inputs(&mut report, &subject, &honest, &runs);
        }
        for trial in 0..proofs {
            if let (true, Some(run)) = (report.is_sound(), runs.get(trial % runs.len().max(1))) {
                let input = trial % runs.len();
                if let Some(hole) = prove_tampered(circuit, self, model, census, (input, run), trial) {
                    report.holes.push(hole);
                }
                report.proofs += 1;
            }
        }
        report
    }

    /// Part (f).
    fn replace_inputs<'c>(
        &self,
        report: &mut Report,
        subject: &Subject<'_, 'c>,
        witnesses: &[Witness],
        runs: &[Run<'c>],
    ) {
        let mut following = vec![];
        for (input, (witness, run)) in witnesses.iter().zip(runs).enumerate() {
            match leave_to_generators(subject.model, subject.census, witness, run) {
                Ok(run) => following.push(run),
                Err(problem) => {
                    let reason = format!("without the public inputs that generators can set: {problem}");
                    report.holes.push(Hole::Honest { input, reason });
                }
            }
        }
        if following.len() < runs.len() {
            return;
        }
        let runs: Vec<_> =
            following.iter().zip(runs).map(|(following, run)| following.as_ref().unwrap_or(run)).collect();
        let mut found = subject.replace(&runs);
        report.replaced = found.tried;
        report.loose.append(&mut found.loose);
        let unneeded: Vec<_> =
            self.exceptions.iter().flat_map(|exception| exception.unneeded(&found.holes)).collect();
        report.holes.extend(unneeded);
        self.settle(report, found.holes);
    }
}

/// Part (d): a proof from a witness with one value of ours off by one. The `trial`-th picks the value.
fn prove_tampered(
    circuit: &Circuit,
    settings: &Settings,
    model: &Model<'_>,
    census: &Census,
    (input, run): (usize, &Run<'_>),
    trial: usize,
) -> Option<Hole> {
    let is_excepted = |&class: &usize| {
        let covered = census.describe(model, Some(run), class);
        settings.exceptions.iter().any(|exception| exception.covers(Kind::Free, &covered))
    };
    let candidates: Vec<usize> = census.ours.iter().copied().filter(|class| !is_excepted(class)).collect();
    let pick = mix(settings.seed, trial as u64) as usize % candidates.len().max(1);
    let class = *candidates.get(pick)?;
    let value = super::model::value(&run.witness, class) + F::ONE;
    let mut witness = run.witness.clone();
    witness.values[class] = Some(value);
    match proving::prove_assigned(circuit, witness) {
        Ok(proof) if proof::verify(&proof, &circuit.verifier_only, &circuit.common).is_ok() => {
            Some(Hole::Proven { input, class: census.describe(model, Some(run), class), value })
        }
        _ => None,
    }
}

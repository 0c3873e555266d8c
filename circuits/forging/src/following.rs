//! Honest inputs without the public inputs that generators can set, so that the statement follows what changes.

use std::collections::{BTreeMap, BTreeSet};

use circuits_prover::basetypes::Witness;

use super::{
    model::Model,
    overwrite::Census,
    run::{INPUT, Run, UNSET},
};

/// The run of `witness` in which generators set the public inputs that they can set, even if the input sets them too.
/// `None` if that is no other run.
///
/// # Errors
/// What is wrong with that run: without a good one, nothing shows what the statement follows.
pub(super) fn leave_to_generators<'c>(
    model: &Model<'c>,
    census: &Census,
    witness: &Witness,
    run: &Run<'c>,
) -> Result<Option<Run<'c>>, String> {
    let outputs = run.outputs.iter().flatten().copied();
    let assigned =
        outputs.filter(|&class| census.is_public_input(class) && run.set_at[class] == INPUT).collect();
    let computed = Generators::new(model, run).can_set(run, assigned);
    if computed.is_empty() {
        return Ok(None);
    }
    let mut rest = Witness::new();
    rest.target_values = witness
        .target_values
        .iter()
        .filter(|(target, _)| !computed.contains(&model.class(**target)))
        .map(|(&target, &value)| (target, value))
        .collect();
    let again = Run::new(model, &rest, &BTreeMap::new());
    match again.problem(model) {
        Some(problem) => Err(problem),
        None => Ok(Some(again)),
    }
}

/// The generators that finish in a run, and the classes that they read and set.
struct Generators<'m> {
    reads: Vec<Vec<usize>>,
    sets: &'m [Vec<usize>],
    read_by: &'m BTreeMap<usize, Vec<usize>>,
    /// For each class the generators that set it.
    set_by: BTreeMap<usize, Vec<usize>>,
}

impl<'m> Generators<'m> {
    fn new(model: &Model<'m>, run: &'m Run<'_>) -> Self {
        let mut reads = vec![vec![]; model.generators.len()];
        for (&class, watchers) in model.watches {
            watchers.iter().for_each(|&generator| reads[generator].push(class));
        }
        let mut set_by = BTreeMap::<_, Vec<_>>::new();
        for (generator, classes) in run.outputs.iter().enumerate() {
            classes.iter().for_each(|&class| set_by.entry(class).or_default().push(generator));
        }
        Self { reads, sets: &run.outputs, read_by: model.watches, set_by }
    }

    /// Those of `assigned` that generators set if the input of `run` does not. A value that is computed from itself, as
    /// the sum of its own bits, is not among them, nor one of several that are computed from each other.
    fn can_set(&self, run: &Run<'_>, mut assigned: BTreeSet<usize>) -> BTreeSet<usize> {
        loop {
            let known = self.known(run, &assigned);
            let stuck: Vec<usize> = assigned.iter().copied().filter(|&class| !known[class]).collect();
            let first = stuck.iter().min_by_key(|&&class| {
                let origins = self.unknown_origins(class, &known);
                // With one that stands in a cycle of its own, those that are computed from it are known too.
                (!origins[class], stuck.iter().filter(|&&other| origins[other]).count())
            });
            match first {
                Some(first) => assigned.remove(first),
                None => return assigned,
            };
        }
    }

    /// Whether each class is set by the input of `run` without the classes `left_out`, or by generators.
    fn known(&self, run: &Run<'_>, left_out: &BTreeSet<usize>) -> Vec<bool> {
        let mut known = vec![false; run.set_at.len()];
        let mut missing: Vec<usize> = self.reads.iter().map(Vec::len).collect();
        let is_given = |&class: &usize| run.set_at[class] == INPUT && !left_out.contains(&class);
        let mut open: Vec<usize> = (0..known.len()).filter(is_given).collect();
        let free = (0..missing.len()).filter(|&generator| missing[generator] == 0);
        open.extend(free.flat_map(|generator| &self.sets[generator]));
        while let Some(class) = open.pop() {
            if std::mem::replace(&mut known[class], true) {
                continue;
            }
            for &generator in self.read_by.get(&class).into_iter().flatten() {
                missing[generator] -= 1;
                if missing[generator] == 0 && run.finished_at[generator] != UNSET {
                    open.extend(&self.sets[generator]);
                }
            }
        }
        known
    }

    /// Whether each class is one that is not `known` and that `class` is computed from.
    fn unknown_origins(&self, class: usize, known: &[bool]) -> Vec<bool> {
        let mut origins = vec![false; known.len()];
        let mut open = vec![class];
        while let Some(class) = open.pop() {
            let generators = self.set_by.get(&class).into_iter().flatten();
            for &read in generators.flat_map(|&generator| &self.reads[generator]) {
                if !known[read] && !std::mem::replace(&mut origins[read], true) {
                    open.push(read);
                }
            }
        }
        origins
    }
}

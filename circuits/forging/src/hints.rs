//! Part (c): hints replaced before they propagate, everything that follows from them computed again.

use std::sync::Arc;

use rayon::prelude::*;

use super::{
    gates::GateFacts,
    model::{Model, mix, value},
    overwrite::{Census, dishonest_values},
    replay::Replay,
    report::Hole,
    run::Run,
};

/// Outputs tried of one generator; of a gate with more, a sample is.
const MAX_OUTPUTS: usize = 64;

/// What part (c) did.
#[derive(Default)]
pub(super) struct Hints {
    pub(super) tried: usize,
    pub(super) harmless: usize,
    pub(super) holes: Vec<Hole>,
}

/// Replaces those outputs of `generators` in `run` that `wanted` names, one at a time.
pub(super) fn replace(
    model: &Model<'_>,
    census: &Census,
    gate_facts: &[Arc<GateFacts>],
    (input, run): (usize, &Run<'_>),
    generators: &[usize],
    wanted: impl Fn(usize) -> bool,
    seed: u64,
) -> Hints {
    let trials: Vec<(usize, usize)> = generators
        .iter()
        .flat_map(|&generator| {
            let mut outputs: Vec<_> = run.outputs[generator]
                .iter()
                .copied()
                .filter(|&class| run.set_at[class] == run.finished_at[generator] && wanted(class))
                .collect();
            outputs.sort_unstable_by_key(|&class| mix(seed, class as u64));
            outputs.dedup();
            outputs.truncate(MAX_OUTPUTS);
            outputs.into_iter().map(move |class| (generator, class))
        })
        .collect();
    trials
        .par_iter()
        .map_init(
            || Replay::new(model, census, run, gate_facts),
            |replay, &(_, class)| {
                let mut found = Hints { tried: 1, ..Hints::default() };
                for value in dishonest_values(value(&run.witness, class), mix(seed, class as u64)) {
                    let Some(public_inputs) = replay.attempt(&[(class, value)]).accepted() else { continue };
                    if public_inputs.is_empty() {
                        found.harmless = 1;
                    } else {
                        let class = census.describe(model, Some(run), class);
                        found.holes.push(Hole::Forged { input, class, value, public_inputs });
                        break;
                    }
                }
                found
            },
        )
        .reduce(Hints::default, |mut all, mut one| {
            all.tried += one.tried;
            all.harmless += one.harmless;
            all.holes.append(&mut one.holes);
            all
        })
}

//! The trees against a prover who lies: the forging kit on every gadget, and the lies that have a name.

use std::collections::HashMap;

mod keyed;
mod order;
mod paths;

use circuits_core::{
    Builder, Witness,
    constrain::ledger,
    layout::{self, WitnessError},
};
use circuits_forging::{Kit, Mutator, assert_accepts, assert_rejects};
use plonky2::{iop::target::Target, plonk::circuit_data::CircuitConfig};

use super::*;

/// Why the hints of a comparison are free with some inputs.
const MASKED: &str = "compared with infinity, or not compared: another input compares";
/// The high word of `p - 1`.
const TOP_WORD: u64 = u32::MAX as u64;
/// Pointers to limb 0, high words differ.
const AT_0_HIGH: [u64; 4] = [0, 0, 0, 0];
/// Pointers to limb 0, high words agree.
const AT_0_LOW: [u64; 4] = [0, 0, 0, 1];

/// A gadget whose hints the input may answer.
struct Lying<R, const N: usize>(Gadget<R, N>);

/// An input, and answers to hints by their number.
struct Lie<W> {
    input: GadgetInput<W>,
    answers: Vec<(usize, Vec<F>)>,
}

impl<R: Rule<N>, const N: usize> Definition for Lying<R, N> {
    type Statement = [Target; N];
    type NativeStatement = [F; N];
    type Targets = (<Gadget<R, N> as Definition>::Targets, Vec<Vec<Target>>);
    type Input = Lie<R::Witness>;

    fn name(&self) -> String {
        format!("lying-{}", self.0.name())
    }

    fn config(&self) -> CircuitConfig {
        self.0.config()
    }

    fn define(&self, builder: &mut Builder) -> (Self::Statement, Self::Targets) {
        let ((statement, targets), hints) = ledger::choices(|| self.0.define(builder));
        (statement, (targets, hints))
    }

    fn assign(
        &self,
        (targets, hints): &Self::Targets,
        lie: &Self::Input,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        let answers = lie.answers.iter().flat_map(|(hint, answer)| hints[*hint].iter().zip(answer));
        let answers: HashMap<_, _> = answers.map(|(&target, &value)| (target, value)).collect();
        let mut rest = Witness::new();
        self.0.assign(targets, &lie.input, &mut rest)?;
        for (target, value) in rest.target_values {
            if !answers.contains_key(&target) {
                layout::set_target(witness, target, value)?;
            }
        }
        answers.into_iter().try_for_each(|(target, value)| layout::set_target(witness, target, value))
    }
}

fn honest<W>(given: &[F], witness: W) -> Lie<W> {
    Lie { input: GadgetInput { given: given.to_vec(), witness }, answers: vec![] }
}

impl<W> Lie<W> {
    fn answer(mut self, hint: usize, answer: &[u64]) -> Self {
        self.answers.push((hint, answer.iter().map(|&value| F::from_noncanonical_u64(value)).collect()));
        self
    }
}

/// Overwrites every class, replaces every hint, leaves out every assertion.
#[track_caller]
fn attack<R: Rule<N>, const N: usize>(honest: &[Lie<R::Witness>], dishonest: &[Lie<R::Witness>])
where
    R::Witness: Sync,
{
    attack_with::<R, N>(honest, dishonest, |kit| kit, |mutator| mutator);
}

/// As [`attack`], for a gadget that compares keys.
#[track_caller]
fn attack_comparing<R: Rule<N>, const N: usize>(honest: &[Lie<R::Witness>], dishonest: &[Lie<R::Witness>])
where
    R::Witness: Sync,
{
    attack_with::<R, N>(
        honest,
        dishonest,
        |kit| kit.masked(MASKED),
        |mutator| mutator.masked(MASKED).elsewhere("circuits/core/src/trees/order.rs"),
    );
}

#[track_caller]
fn attack_with<R: Rule<N>, const N: usize>(
    honest: &[Lie<R::Witness>],
    dishonest: &[Lie<R::Witness>],
    kit: impl for<'k> Fn(Kit<'k, Lying<R, N>>) -> Kit<'k, Lying<R, N>>,
    mutator: impl for<'k> Fn(Mutator<'k, Lying<R, N>>) -> Mutator<'k, Lying<R, N>>,
) where
    R::Witness: Sync,
{
    let compiled = Compiled::new(Lying(Gadget::<R, N>::new(DEPTH))).unwrap();
    honest.iter().for_each(|input| assert_accepts(&compiled, input));
    dishonest.iter().for_each(|input| assert_rejects(&compiled, input));
    kit(Kit::new(&compiled).inputs(honest).sample(1.0).proofs(3)).run().assert_sound();
    mutator(Mutator::new(&compiled.definition).honest(honest).dishonest(dishonest)).run().assert_complete();
}

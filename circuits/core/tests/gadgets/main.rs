//! The gadgets under the forging kit (the trees have a program of their own): tampered with from honest inputs, and with
//! one assertion left out at a time.

mod division;
mod gadgets;

use circuits_core::{
    Compiled, Definition, Digest, F,
    hash::{Domain, hash},
};
use circuits_forging::{Kit, Mutator, assert_accepts, assert_rejects};
use plonky2::field::types::Field;

fn element(value: u64) -> F {
    F::from_canonical_u64(value)
}

fn digest(value: u64) -> Digest {
    hash(Domain::new("test"), &[element(value)])
}

/// The whole kit with every class sampled, and the mutator. `prepare` adds exceptions to both.
#[track_caller]
fn examine<Def: Definition<Input: Sync>>(
    definition: Def,
    honest: &[Def::Input],
    dishonest: &[Def::Input],
    kit: impl for<'k> FnOnce(Kit<'k, Def>) -> Kit<'k, Def>,
    mutator: impl for<'k> FnOnce(Mutator<'k, Def>) -> Mutator<'k, Def>,
) {
    mutator(Mutator::new(&definition).honest(honest).dishonest(dishonest)).run().assert_complete();
    let compiled = Compiled::new(definition).expect("the circuit builds");
    honest.iter().for_each(|input| assert_accepts(&compiled, input));
    dishonest.iter().for_each(|input| assert_rejects(&compiled, input));
    kit(Kit::new(&compiled).inputs(honest).sample(1.0).proofs(1)).run().assert_sound();
}

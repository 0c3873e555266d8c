//! Every rule of the trees: kept natively and in-circuit, broken natively and in-circuit, attacked.

mod append;
mod forge;
mod gadgets;
mod index;
mod keyed;
mod rows;

use circuits_core::{
    Compiled, Definition, Digest, F,
    hash::{Domain, hash},
    trees::TreeError,
};
use gadgets::{Gadget, GadgetInput, Rule};
use plonky2::field::types::Field;

/// Depth of the trees that are proved here.
const DEPTH: usize = 4;

fn element(value: u64) -> F {
    F::from_canonical_u64(value)
}

/// A digest that stands for any leaf or value.
fn leaf(value: u64) -> Digest {
    hash(Domain::new("test"), &[element(value)])
}

/// A gadget next to what it must agree with.
struct Bench<R: Rule<N>, const N: usize> {
    compiled: Compiled<Gadget<R, N>>,
}

impl<R: Rule<N>, const N: usize> Bench<R, N> {
    fn new() -> Self {
        Self::of_depth(DEPTH)
    }

    fn of_depth(depth: usize) -> Self {
        Self { compiled: Compiled::new(Gadget::new(depth)).expect("a gadget has no shape") }
    }

    /// The gadget accepts and returns what the native rule returns, or both refuse.
    #[track_caller]
    fn agree(&self, given: &[F], witness: R::Witness, native: &Result<Vec<F>, TreeError>) {
        let input = GadgetInput { given: given.to_vec(), witness };
        match (self.compiled.prove(&input), native) {
            (Ok(proof), Ok(results)) => assert_eq!(proof.public_inputs[R::GIVEN..], results[..]),
            (Err(_), Err(_)) => {}
            (Ok(_), Err(error)) => {
                panic!("{} proves what is refused: {error}", self.compiled.definition.name())
            }
            (Err(error), Ok(_)) => panic!("what is allowed has no proof: {error}"),
        }
    }
}

fn elements(digests: &[Digest]) -> Vec<F> {
    digests.iter().flat_map(|digest| digest.0).collect()
}

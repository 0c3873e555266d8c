//! Prints sizes; run by hand.

use std::time::Instant;

use circuits::{Builder, Compiled, Definition};

use crate::notes::{
    batch::{BatchLeaf, TransactionsTarget},
    circuits::transaction_kernels,
};

#[test]
#[ignore = "prints figures"]
fn sizes() {
    let start = Instant::now();
    let kernels = transaction_kernels().unwrap();
    println!("transactions built in {:.1}s", start.elapsed().as_secs_f32());
    for n in [1, 2, 6, 7, 8, 9, 10] {
        let leaf = BatchLeaf::new(kernels.keys().clone(), n);
        let mut builder = Builder::new(leaf.config());
        leaf.define(&mut builder);
        let mut other = Builder::new(leaf.config());
        TransactionsTarget::verify(&mut other, kernels.keys(), n);
        println!("batch {n}: {} gates, verifying {}", builder.num_gates(), other.num_gates());
    }
    let start = Instant::now();
    let leaf = Compiled::new(BatchLeaf::new(kernels.keys().clone(), 6)).unwrap();
    println!("{} built in {:.1}s", leaf.gates, start.elapsed().as_secs_f32());
}

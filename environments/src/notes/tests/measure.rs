//! Prints sizes; run by hand.

use std::time::Instant;

use crate::notes::{
    block::Variant,
    circuits::{batch_circuits, block_kernel, transaction_kernels},
    transaction::TransactionKernel,
};

#[test]
#[ignore = "prints figures"]
fn sizes() {
    let report = |name: &str, gates: usize, degree: usize, start: Instant| {
        println!("{name}: {gates} gates, 2^{degree}, built in {:.1}s", start.elapsed().as_secs_f32());
    };
    let start = Instant::now();
    let kernels = transaction_kernels().unwrap();
    for kernel in [TransactionKernel::Local, TransactionKernel::Exchange] {
        let compiled = kernels.of(kernel);
        report(&format!("{kernel:?}"), compiled.gates, compiled.circuit.common.degree_bits(), start);
    }
    for n in 0..=3 {
        let start = Instant::now();
        let kernel = block_kernel(Variant::Direct(n)).unwrap();
        let compiled = &kernel.compiled;
        report(&format!("direct {n}"), compiled.gates, compiled.circuit.common.degree_bits(), start);
    }
    let start = Instant::now();
    let batches = batch_circuits().unwrap();
    for leaf in batches.leaves() {
        report("leaf", leaf.gates, leaf.circuit.common.degree_bits(), start);
    }
    for fold in batches.folds() {
        report("fold", fold.gates, fold.circuit.common.degree_bits(), start);
    }
    for n in 1..=3 {
        let start = Instant::now();
        let kernel = block_kernel(Variant::Batches(n)).unwrap();
        let compiled = &kernel.compiled;
        report(&format!("batches {n}"), compiled.gates, compiled.circuit.common.degree_bits(), start);
    }
}

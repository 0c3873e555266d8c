//! Times the STARK of signatures beside starky's prover: `signatures [ours|starky|both] [signatures] [runs]`.
//!
//! The peak of the memory is that of the process, so it tells something about one prover only.

use std::{env, error::Error, time::Instant};

use circuits_tables::ecdsa::{
    PublicKey, Signature, Signed,
    batch::{BatchSize, prove_trace, prove_trace_with_starky, verify_batch},
    table::trace::{Assignment, Trace},
};
use k256::{
    ecdsa::{SigningKey, signature::hazmat::PrehashSigner as _},
    sha2::{Digest as _, Sha256},
};

/// As in the program and its benchmarks: proving allocates large vectors on many threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let provers = arguments.next().unwrap_or_else(|| "both".to_owned());
    let count: usize = arguments.next().as_deref().unwrap_or("240").parse()?;
    let runs: usize = arguments.next().as_deref().unwrap_or("3").parse()?;
    let size = BatchSize::fitting(count).ok_or("no table holds so many signatures")?;
    let signed = (0..count).map(sign).collect::<Result<Vec<_>, _>>()?;
    let claims: Vec<_> = signed.iter().map(Signed::claim).collect();

    let (mut ours, mut starky) = (vec![], vec![]);
    for _ in 0..runs {
        let started = Instant::now();
        let assignments: Vec<_> = signed.iter().map(Assignment::new).collect();
        println!("assignments: {:.3} s", started.elapsed().as_secs_f64());
        let started = Instant::now();
        let trace = Trace::new(&assignments, size.degree_bits());
        println!("trace: {:.3} s", started.elapsed().as_secs_f64());
        if provers != "starky" {
            let started = Instant::now();
            let proof = prove_trace(size, &trace, &claims)?;
            ours.push(started.elapsed().as_secs_f64());
            verify_batch(size, &claims, &proof)?;
        }
        if provers != "ours" {
            let started = Instant::now();
            let proof = prove_trace_with_starky(size, &trace, &claims)?;
            starky.push(started.elapsed().as_secs_f64());
            verify_batch(size, &claims, &proof)?;
        }
    }
    println!("ours: {ours:.3?} s\nstarky: {starky:.3?} s");
    if let (Some(ours), Some(starky)) = (median(ours), median(starky)) {
        println!("starky takes {:.2} times as long", starky / ours);
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().filter(|line| line.starts_with("VmHWM")).for_each(|line| println!("{line}"));
    Ok(())
}

fn median(mut seconds: Vec<f64>) -> Option<f64> {
    seconds.sort_by(f64::total_cmp);
    seconds.get(seconds.len() / 2).copied()
}

/// A signature for each index, each under a key of its own.
fn sign(index: usize) -> Result<Signed, Box<dyn Error>> {
    let hash: [u8; 32] = Sha256::digest(index.to_le_bytes()).into();
    let secret = SigningKey::from_slice(&hash)?;
    let signature: k256::ecdsa::Signature = secret.sign_prehash(&hash)?;
    let key = PublicKey::from_affine(secret.verifying_key().as_affine()).ok_or("a key is infinity")?;
    let signature = Signature::from_bytes(&signature.normalize_s().to_bytes())?;
    Ok(Signed { key, hash, signature })
}

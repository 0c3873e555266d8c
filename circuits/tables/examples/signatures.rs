//! Times the STARK of signatures beside starky's prover: `signatures [ours|starky|both] [signatures] [runs]`.
//!
//! The seconds are those of the processor, of all threads together, so that other work on the machine does not count. The
//! peak of the memory is that of the process, so it tells something about one prover only.

use std::{
    env,
    error::Error,
    fs,
    time::{Duration, Instant},
};

use circuits_tables::{
    batch::{Batch as _, prove_trace, prove_trace_with_starky, verify_batch},
    ecdsa::{
        PublicKey, Signature, Signed,
        batch::SignatureSize,
        table::trace::{Assignment, Trace},
    },
};
use k256::{
    ecdsa::{SigningKey, signature::hazmat::PrehashSigner as _},
    sha2::{Digest as _, Sha256},
};

/// As in the program and its benchmarks: proving allocates large vectors on many threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Linux counts processor time in hundredths of a second.
const TICK: Duration = Duration::from_millis(10);

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let provers = arguments.next().unwrap_or_else(|| "both".to_owned());
    let count: usize = arguments.next().as_deref().unwrap_or("240").parse()?;
    let runs: usize = arguments.next().as_deref().unwrap_or("3").parse()?;
    let size = SignatureSize::fitting(count).ok_or("no table holds so many signatures")?;
    let signed = (0..count).map(sign).collect::<Result<Vec<_>, _>>()?;
    let claims: Vec<_> = signed.iter().map(Signed::claim).collect();

    let (mut ours, mut starky) = (vec![], vec![]);
    for _ in 0..runs {
        let (assignments, _) =
            timed("assignments", || signed.iter().map(Assignment::new).collect::<Vec<_>>())?;
        let (trace, _) = timed("trace", || Trace::new(&assignments, size.degree_bits()))?;
        let (columns, _) = timed("columns", || trace.columns())?;
        if provers != "starky" {
            let (proof, seconds) = timed("ours", || prove_trace(size, columns.clone(), &claims))?;
            timed("verify", || verify_batch(size, &claims, &proof?))?.0?;
            ours.push(seconds);
        }
        if provers != "ours" {
            let (proof, seconds) = timed("starky", || prove_trace_with_starky(size, columns, &claims))?;
            verify_batch(size, &claims, &proof?)?;
            starky.push(seconds);
        }
    }
    if let (Some(ours), Some(starky)) = (median(ours), median(starky)) {
        println!("starky takes {:.2} times as long", starky / ours);
    }
    let status = fs::read_to_string("/proc/self/status")?;
    status.lines().filter(|line| line.starts_with("VmHWM")).for_each(|line| println!("{line}"));
    Ok(())
}

/// Does `work`, prints how long it takes, and returns the seconds of the processor.
fn timed<T>(name: &str, work: impl FnOnce() -> T) -> Result<(T, f64), Box<dyn Error>> {
    let (started, before) = (Instant::now(), processor_time()?);
    let done = work();
    let seconds = (processor_time()? - before).as_secs_f64();
    println!("{name}: {seconds:.2} s of the processor, {:.2} s passed", started.elapsed().as_secs_f64());
    Ok((done, seconds))
}

/// What this process has taken of the processor.
fn processor_time() -> Result<Duration, Box<dyn Error>> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // After the name, which ends with a parenthesis: utime and stime are the twelfth and thirteenth field.
    let (_, fields) = stat.rsplit_once(')').ok_or("malformed /proc/self/stat")?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u32>).sum::<Result<u32, _>>()?;
    Ok(TICK * ticks)
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

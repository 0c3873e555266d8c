//! Compares the commitment scheme with plonky2's, in turns in one process: the fastest turn of each, and what
//! part of plonky2's time ours is.
//!
//! The arguments are the logarithms of the numbers of rows; without any, 12 and 15.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use circuits_prover::{
    basetypes::{C, D, F, standard_config},
    challenger::Challenger,
    commitment::{Commitment, CommitmentError},
    hasher::{Packed, PackedSponge as _, SPONGE_WIDTH},
    opening::prove_openings,
};
use p3_field::{PackedValue as _, PrimeCharacteristicRing as _};
use p3_goldilocks::default_goldilocks_poseidon2_12;
use p3_maybe_rayon::prelude::*;
use p3_symmetric::Permutation as _;
use plonky2::{
    field::{
        extension::Extendable,
        polynomial::PolynomialValues,
        types::{Field as _, Sample as _},
    },
    fri::{
        oracle::PolynomialBatch,
        structure::{FriBatchInfo, FriInstanceInfo, FriOracleInfo, FriPolynomialInfo},
    },
    hash::{hashing::PlonkyPermutation as _, poseidon::PoseidonHash},
    iop::challenger::Challenger as StockChallenger,
    plonk::config::Hasher,
    util::timing::TimingTree,
};

/// The widths of the oracles of one of our circuits: constants and sigmas, wires, products, quotients.
const WIDTHS: [usize; 4] = [85, 135, 33, 24];
/// The number of turns of which the fastest counts: other programs make a turn slower, never faster.
const TURNS: usize = 7;
/// The number of permutations in one turn, which is short, so that many turns are disturbed by nothing.
const PERMUTATIONS: usize = 1 << 10;
const PERMUTATION_TURNS: usize = 500;

type Stock = PolynomialBatch<F, C, D>;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sizes = std::env::args().skip(1).map(|size| size.parse()).collect::<Result<Vec<usize>, _>>()?;
    permutations();
    for size in if sizes.is_empty() { vec![12, 15] } else { sizes } {
        commit(size)?;
        open(size)?;
    }
    Ok(())
}

/// Runs both in turns and prints their fastest turns.
fn compare(name: &str, turns: usize, mut stock: impl FnMut(), mut ours: impl FnMut()) {
    let time = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        work();
        start.elapsed()
    };
    let [mut fastest_stock, mut fastest_ours] = [Duration::MAX; 2];
    for _ in 0..turns {
        fastest_stock = fastest_stock.min(time(&mut stock));
        fastest_ours = fastest_ours.min(time(&mut ours));
    }
    let [stock, ours] = [fastest_stock, fastest_ours].map(|duration| duration.as_secs_f64() * 1e3);
    println!("{name:48} {stock:>9.2} ms {ours:>9.2} ms {:>6.3}", ours / stock);
}

fn permutations() {
    let stock = || {
        let mut state = <PoseidonHash as Hasher<F>>::Permutation::new([F::ZERO; SPONGE_WIDTH]);
        for _ in 0..PERMUTATIONS {
            state.permute();
        }
        black_box(state);
    };
    let packed = |permute: &dyn Fn(&mut [Packed; SPONGE_WIDTH])| {
        let mut state = [Packed::ZERO; SPONGE_WIDTH];
        for _ in 0..PERMUTATIONS / Packed::WIDTH {
            permute(&mut state);
        }
        let _ = black_box(state);
    };
    let poseidon2 = default_goldilocks_poseidon2_12();
    compare(&format!("{PERMUTATIONS} permutations: Poseidon"), PERMUTATION_TURNS, stock, || {
        packed(&PoseidonHash::permute_packed)
    });
    compare(&format!("{PERMUTATIONS} permutations: p3's Poseidon2"), PERMUTATION_TURNS, stock, || {
        packed(&|state| poseidon2.permute_mut(state));
    });
}

fn columns(width: usize, size: usize) -> Vec<Vec<F>> {
    (0..width).map(|_| F::rand_vec(1 << size)).collect()
}

fn stock_batch(columns: &[Vec<F>]) -> Stock {
    let config = standard_config().fri_config;
    let values = columns.iter().cloned().map(PolynomialValues::new).collect();
    Stock::from_values(values, config.rate_bits, false, config.cap_height, &mut TimingTree::default(), None)
}

fn our_commitment(columns: &[Vec<F>]) -> Result<Commitment<'static, PoseidonHash>, CommitmentError> {
    let config = standard_config().fri_config;
    Commitment::of_values(columns, config.rate_bits, config.cap_height)
}

fn commit(size: usize) -> Result<(), Box<dyn std::error::Error>> {
    let columns = columns(WIDTHS[1], size);
    our_commitment(&columns)?;
    compare(
        &format!("commit to {} columns of 2^{size} rows", WIDTHS[1]),
        TURNS,
        || drop(black_box(stock_batch(&columns))),
        || drop(black_box(our_commitment(&columns))),
    );
    Ok(())
}

fn open(size: usize) -> Result<(), Box<dyn std::error::Error>> {
    // How long grinding takes is luck.
    let mut params = standard_config().fri_config.fri_params(size, false);
    params.config.proof_of_work_bits = 0;
    let stock: Vec<_> = WIDTHS.iter().map(|&width| stock_batch(&columns(width, size))).collect();
    let ours: Vec<_> =
        WIDTHS.iter().map(|&width| our_commitment(&columns(width, size))).collect::<Result<_, _>>()?;
    let (stock, ours): (Vec<_>, Vec<_>) = (stock.iter().collect(), ours.iter().collect());

    let point = <F as Extendable<D>>::Extension::rand();
    compare(
        &format!("evaluate {} polynomials of 2^{size} rows", WIDTHS[1]),
        TURNS,
        || {
            let polynomials = stock[1].polynomials.par_iter();
            black_box(polynomials.map(|p| p.to_extension::<D>().eval(point)).collect::<Vec<_>>());
        },
        || drop(black_box(ours[1].evaluate::<D>(0..WIDTHS[1], point))),
    );

    let all = WIDTHS.iter().enumerate().flat_map(|(i, &width)| FriPolynomialInfo::from_range(i, 0..width));
    let instance = FriInstanceInfo {
        oracles: WIDTHS.iter().map(|&num_polys| FriOracleInfo { num_polys, blinding: false }).collect(),
        batches: vec![
            FriBatchInfo { point, polynomials: all.collect() },
            FriBatchInfo {
                point: point * F::primitive_root_of_unity(size).into(),
                polynomials: FriPolynomialInfo::from_range(2, 0..3),
            },
        ],
    };
    compare(
        &format!("open at 2^{size} rows, without grinding"),
        TURNS,
        || {
            let mut challenger = StockChallenger::new();
            let mut timing = TimingTree::default();
            let proof =
                Stock::prove_openings(&instance, &stock, &mut challenger, &params, None, None, &mut timing);
            drop(black_box(proof));
        },
        || {
            let mut challenger = Challenger::new();
            let proof = prove_openings::<C, D>(&instance, &ours, &mut challenger, &params, None, None, None);
            drop(black_box(proof));
        },
    );
    Ok(())
}

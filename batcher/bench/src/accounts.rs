//! What account-based blocks cost, part by part, in multiples of `t1`.
//!
//! Of ten transactions six transfer once, two swap once, one has four actions, and one creates an account.

use std::{fmt, time::Instant};

use bridge_core::AssetId;
use circuits_core::{
    Digest,
    amount::Amount,
    hash::{Domain, hash},
};
use circuits_keys::CircuitCache;
use circuits_protocol::fold::FoldChild;
use circuits_tasks::progress::Progress;
use environments_accounts::{
    Accounts, AccountsBlock, Genesis, GenesisAccount, GenesisPool,
    address::Address,
    block::{Variant, child_sizes},
    circuits::ChunkCircuits,
    kernel::{BlockInput, BlockTransactions},
    key::SecretKey,
    prove::{chunk_inputs, direct},
    signatures::{HashTables, KERNELS, SignatureTables},
    transaction::{AccountsTransaction, Action, MAX_ACTIONS, SignedTransaction, Transaction},
    typed_data::Settlement,
};
use environments_core::{
    Environment as _, EnvironmentId, ProposedBlock, ProveError,
    kernel::{Kernels as _, ProducerSecret},
    vault::Holding,
};
use plonky2::field::types::Field as _;
use serde::Serialize;

use crate::{
    baseline::Baseline,
    error::BenchError,
    figures::{median, peak_line, peak_memory, unit},
};

/// How many accounts the genesis has.
const CLIENTS: usize = 24;
const CHAIN: u64 = 1;
const ENVIRONMENT: EnvironmentId = EnvironmentId(1);
const SECRET: Domain = Domain::new("benchky");

/// The cost of a block, part by part: seconds, except for the first four fields and the last two.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub transactions: usize,
    /// The actions of all transactions.
    pub actions: usize,
    /// The blocks of Keccak-256 that the transactions hash.
    pub keccak_blocks: usize,
    /// The name of the kernel.
    pub kernel: String,
    /// The table of signatures and the circuit that verifies it.
    pub signatures: f64,
    /// The table of what is hashed and the circuit that verifies it.
    pub hashes: f64,
    /// The chunks; 0 if the kernel applies the actions itself.
    pub chunks: f64,
    /// The folds of chunks.
    pub folds: f64,
    /// The kernel.
    pub block: f64,
    /// The wrap of the kernel.
    pub wrap: f64,
    /// All parts per transaction, in `t1`.
    pub per_transaction: f64,
    /// The same without the wrap.
    pub per_transaction_unwrapped: f64,
}

/// What blocks of the account-based environment cost.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Seconds of the baseline: the median.
    pub t1_seconds: f64,
    /// The measurements of the baseline, in order.
    pub t1_runs: Vec<f64>,
    pub blocks: Vec<Row>,
    /// The largest memory of the process; `None` where the system does not say.
    pub peak_memory_bytes: Option<u64>,
    pub threads: usize,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = unit(self.t1_seconds, &self.t1_runs, self.threads);
        write!(f, "{unit}; the parts below per transaction, in t1\n\n")?;
        write!(
            f,
            "transactions   actions   blocks   signatures   hashes   chunks   folds   kernel   wrap    all   circuit"
        )?;
        for row in &self.blocks {
            let unit = self.t1_seconds * f64::from(u32::try_from(row.transactions).unwrap_or(u32::MAX));
            write!(
                f,
                "\n{:>12}  {:>8}  {:>7}  {:>11.3}  {:>7.3}  {:>7.3}  {:>6.3}  {:>7.3}  {:>5.3}  {:>5.3}   {}",
                row.transactions,
                row.actions,
                row.keccak_blocks,
                row.signatures / unit,
                row.hashes / unit,
                row.chunks / unit,
                row.folds / unit,
                row.block / unit,
                row.wrap / unit,
                row.per_transaction,
                row.kernel
            )?;
        }
        f.write_str(&peak_line(self.peak_memory_bytes))
    }
}

/// Measures blocks of the given numbers of transactions. The time to build circuits does not count.
///
/// # Errors
/// [`BenchError`]
pub fn measure(
    cache: &CircuitCache,
    sizes: &[usize],
    progress: &dyn Progress,
) -> Result<Figures, BenchError> {
    let baseline = Baseline::new()?;
    baseline.measure()?;
    let mut t1 = vec![];
    let mut blocks = vec![];
    for &size in sizes {
        progress.note(&format!("block of {size} transactions"));
        blocks.push(block(cache, size, &baseline, &mut t1)?);
    }
    while t1.len() < 5 {
        t1.push(baseline.measure()?);
    }
    let t1_seconds = median(&t1);
    for row in &mut blocks {
        #[expect(clippy::cast_precision_loss, reason = "a few hundred transactions")]
        let unit = t1_seconds * row.transactions as f64;
        let unwrapped = row.signatures + row.hashes + row.chunks + row.folds + row.block;
        row.per_transaction_unwrapped = unwrapped / unit;
        row.per_transaction = (unwrapped + row.wrap) / unit;
    }
    Ok(Figures {
        t1_seconds,
        t1_runs: t1,
        blocks,
        peak_memory_bytes: peak_memory(),
        threads: rayon::current_num_threads(),
    })
}

/// Runs `work`, adds the seconds that it takes to `seconds`, and measures `t1` after it.
fn timed<T>(
    seconds: &mut f64,
    (baseline, t1): (&Baseline, &mut Vec<f64>),
    work: impl FnOnce() -> Result<T, ProveError>,
) -> Result<T, BenchError> {
    let started = Instant::now();
    let done = work().map_err(BenchError::blocks)?;
    *seconds += started.elapsed().as_secs_f64();
    t1.push(baseline.measure()?);
    Ok(done)
}

fn block(
    cache: &CircuitCache,
    size: usize,
    baseline: &Baseline,
    t1: &mut Vec<f64>,
) -> Result<Row, BenchError> {
    let world = World::new()?;
    let proposed = world.propose(size)?;
    let witness = proposed.witness();
    let actions = witness.transactions.iter().map(|transaction| transaction.slots.len()).sum();
    let variant = witness
        .variant()
        .ok_or_else(|| BenchError::blocks(format!("no kernel takes {size} transactions")))?;
    let kernel = KERNELS.get(cache, variant).map_err(BenchError::blocks)?;
    // All circuits are loaded before the clock starts.
    let circuit = kernel.circuit(cache).map_err(BenchError::blocks)?;
    kernel.wrapper(cache).and_then(|wrapper| wrapper.load(cache)).map_err(BenchError::blocks)?;
    let blocks: Vec<_> =
        witness.transactions.iter().flat_map(|transaction| transaction.blocks.clone()).collect();
    let mut row = Row {
        transactions: size,
        actions,
        keccak_blocks: blocks.len(),
        kernel: circuits_core::Definition::name(&kernel.definition),
        signatures: 0.0,
        hashes: 0.0,
        chunks: 0.0,
        folds: 0.0,
        block: 0.0,
        wrap: 0.0,
        per_transaction: 0.0,
        per_transaction_unwrapped: 0.0,
    };
    if let Some(table) = variant.table() {
        let load_signatures = || cache.circuit(SignatureTables::definition(table)?);
        load_signatures().map_err(BenchError::blocks)?;
        let load_hashes = || cache.circuit(HashTables::definition(blocks.len())?);
        load_hashes().map_err(BenchError::blocks)?;
    }
    let mut prove_signatures = |table| {
        let prove = || Ok(KERNELS.signatures().prove(cache, table, &witness.signatures)?);
        timed(&mut row.signatures, (baseline, t1), prove)
    };
    let signatures = variant.table().map(&mut prove_signatures).transpose()?;
    let mut prove_hashes =
        |_| timed(&mut row.hashes, (baseline, t1), || Ok(KERNELS.hashes().prove(cache, &blocks)?));
    let hashes = variant.table().map(&mut prove_hashes).transpose()?;
    let transactions = match variant {
        Variant::Empty | Variant::Unsigned | Variant::Direct { .. } => direct(witness, variant),
        Variant::Chunks { .. } => {
            let circuits = ChunkCircuits::new(cache).map_err(BenchError::blocks)?;
            circuits
                .leaves()
                .try_for_each(|leaf| cache.circuit(leaf).map(drop))
                .map_err(BenchError::blocks)?;
            ChunkCircuits::folds()
                .try_for_each(|fold| cache.circuit(fold).map(drop))
                .map_err(BenchError::blocks)?;
            let mut chunks: Vec<FoldChild> = vec![];
            for input in chunk_inputs(witness, &circuits) {
                chunks.push(timed(&mut row.chunks, (baseline, t1), || Ok(circuits.prove(cache, &input)?))?);
            }
            let sizes = child_sizes(chunks.len());
            let mut rest = chunks.into_iter();
            let runs: Vec<Vec<_>> = sizes.iter().map(|&size| rest.by_ref().take(size).collect()).collect();
            let join = |mut run: Vec<FoldChild>| match run.len() {
                1 => Ok(run.swap_remove(0)),
                _ => Ok(circuits.fold(cache, &run)?),
            };
            let fold = || runs.into_iter().map(join).collect();
            BlockTransactions::Chunks(timed(&mut row.folds, (baseline, t1), fold)?)
        }
    };
    let (before, seal) = (witness.before, witness.seal.clone());
    let input = BlockInput { before, transactions, signatures, hashes, seal, secret: world.secret };
    let proof = timed(&mut row.block, (baseline, t1), || Ok(circuit.prove(&input)?))?;
    timed(&mut row.wrap, (baseline, t1), || Ok(kernel.wrapper(cache)?.prove(cache, &proof)?))?;
    Ok(row)
}

/// An environment and the secret keys of its clients.
struct World {
    environment: Accounts,
    secret: ProducerSecret,
    keys: Vec<SecretKey>,
}

fn key(number: usize) -> Result<SecretKey, BenchError> {
    let secret = hash(SECRET, &[circuits_core::F::from_canonical_usize(number)]);
    SecretKey::from_bytes(&secret.to_bytes()).map_err(BenchError::blocks)
}

fn asset(number: u32) -> Result<AssetId, BenchError> {
    AssetId::new(ENVIRONMENT.get(), number).map_err(BenchError::blocks)
}

fn amount(value: u64) -> Result<Amount, BenchError> {
    Amount::new(value).map_err(BenchError::blocks)
}

impl World {
    fn new() -> Result<Self, BenchError> {
        let keys = (0..CLIENTS).map(key).collect::<Result<Vec<_>, _>>()?;
        let (fee_asset, other) = (asset(1)?, asset(2)?);
        let rich = amount(1 << 40)?;
        let holdings = [fee_asset, other].map(|asset| Holding { asset, amount: rich }).to_vec();
        let accounts =
            keys.iter().map(|key| GenesisAccount { address: key.address(), holdings: holdings.clone() });
        let genesis = Genesis {
            fee_asset,
            fee_account: keys[0].address(),
            minimum_deposit: amount(1)?,
            minimum_fee: amount(1)?,
            settlement: Settlement { chain_id: 1, contract: Address::default() },
            accounts: accounts.collect(),
            pools: vec![GenesisPool {
                asset_a: fee_asset,
                asset_b: other,
                reserve_a: rich,
                reserve_b: rich,
                owner: keys[0].address(),
            }],
        };
        let secret = ProducerSecret::new(Digest::ZERO);
        let environment = Accounts::new(CHAIN, ENVIRONMENT, secret, &genesis).map_err(BenchError::blocks)?;
        Ok(Self { environment, secret, keys })
    }

    /// The actions of transaction `number`, whose sender is client `sender`.
    fn actions(&self, number: usize, sender: usize) -> Result<Vec<Action>, BenchError> {
        let (first, second) = (asset(1)?, asset(2)?);
        let to = |to: Address| -> Result<_, BenchError> {
            Ok(Action::Transfer { to, asset: first, amount: amount(5)? })
        };
        let transfer = to(self.keys[(sender + 1) % CLIENTS].address())?;
        let swap =
            Action::Swap { asset_in: first, asset_out: second, amount: amount(1000)?, minimum: amount(1)? };
        Ok(match number % 10 {
            0..6 => vec![transfer],
            6 | 7 => vec![swap],
            8 => vec![transfer, swap, transfer, swap],
            _ => vec![to(key(CLIENTS + number)?.address())?],
        })
    }

    fn propose(&self, size: usize) -> Result<ProposedBlock<AccountsBlock>, BenchError> {
        let signed = (0..size).map(|number| self.transaction(number)).collect::<Result<Vec<_>, _>>()?;
        let transactions: Vec<_> = signed.into_iter().map(AccountsTransaction::from).collect();
        let offered: Vec<_> = transactions.iter().collect();
        let proposal =
            self.environment.propose(&self.environment.genesis(), &offered).map_err(BenchError::blocks)?;
        match proposal.rejected.into_iter().next() {
            Some((_, reason)) => Err(BenchError::blocks(reason)),
            None => Ok(proposal.block),
        }
    }

    fn transaction(&self, number: usize) -> Result<SignedTransaction, BenchError> {
        let sender = number % CLIENTS;
        let transaction = Transaction {
            sender: self.keys[sender].address(),
            nonce: u32::try_from(number / CLIENTS).map_err(BenchError::blocks)?,
            fee: amount(MAX_ACTIONS as u64)?,
            deadline: u32::MAX,
            actions: self.actions(number, sender)?,
        };
        self.keys[sender]
            .sign(transaction, &self.environment.deployment().signing_domain())
            .map_err(BenchError::blocks)
    }
}

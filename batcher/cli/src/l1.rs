//! `superblock l1`.

mod follow;

use std::{
    fmt,
    path::PathBuf,
    sync::atomic::Ordering,
    thread,
    time::{Duration, Instant},
};

use batcher_circuits::state::SuperblockState;
use batcher_hop::{circuits::keccak_common, keys::outer_digest};
use batcher_keys::pins;
use batcher_settlement::{
    Address, B256, U256,
    contract::Contract as OnL1,
    deploy::{Deployed, ETHER_DAY_LIMIT, ETHER_MINIMUM, Plan, ProgramKeys, deploy, predict},
    deposit::{Order, deposit},
    journal::Journal,
    l1::Receipt,
    payouts::{ClaimOutcome, Claimed, Claims, claim, payouts_of},
    status::Status,
    wallet::Wallet,
    watch::FinalQueue,
};
use batcher_verify::keys::PinnedKeys;
use circuits_files::file::{self, FileKind, SMALL_LIMIT};
use circuits_keys::CircuitCache;
use circuits_protocol::{l1::QueuePosition, registry::Registry};
use environments_core::address::Address as Account;
use environments_l1::{Bytes32, Payout, asset::AssetName, circuits::KERNELS};
use serde::Serialize;

use crate::{
    answer::{Answer, Failure},
    as_text,
    hop::read_bundle,
    l1_arguments::{Contract, Node, PolicyArguments, SignerArguments},
    options::Options,
    progress,
};

/// Lifetime of a deposit that names none, in superblocks.
const LIFETIME: u32 = 1024;
/// Between two looks at L1's queue.
const WATCH_EVERY: Duration = Duration::from_secs(12);

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    Deploy(Deploy),
    Status(StatusArguments),
    Deposit(Deposit),
    Claim(Claim),
    Watch(Watch),
    Follow(follow::Arguments),
}

/// Deploy the contracts, and give them their genesis.
///
/// The registry is that of the deployment, whose id follows from the account and from how many transactions it has sent:
/// --predict prints it, for `registry make --chain-id`. Send nothing else from the account in between. A call that was stopped goes
/// on if it is repeated with the same journal, and prints the same if everything is there. Kernels of environment 0 and verifiers that
/// are not this program's are refused.
#[derive(clap::Args)]
pub(crate) struct Deploy {
    #[command(flatten)]
    node: Node,
    #[command(flatten)]
    signer: SignerArguments,
    #[command(flatten)]
    policy: PolicyArguments,
    /// Print the address and the id that the deployment would have, and deploy nothing.
    ///
    /// The id is the chain id of registry, scenario and trust file.
    #[arg(long, conflicts_with_all = ["registry", "batchers", "admin", "journal"])]
    predict: bool,
    /// Keep the journal in this directory, which is made if it is missing.
    ///
    /// It has what was sent. `settle` can use the same directory.
    #[arg(long, value_name = "DIR", required_unless_present = "predict")]
    journal: Option<PathBuf>,
    /// Start with the registry in this file.
    ///
    /// Its environment 0 is pinned: it decides what L1 pays.
    #[arg(long, value_name = "FILE", required_unless_present = "predict")]
    registry: Option<PathBuf>,
    /// Let this account settle superblocks.
    ///
    /// May be given several times. Without it, the account that deploys settles.
    #[arg(long = "batcher", value_name = "ADDRESS")]
    batchers: Vec<Address>,
    /// Give all other roles to this account, and keep none.
    ///
    /// Without it, the account that deploys has all roles.
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<Address>,
    /// Take no deposit of ether of less than so many units of 10^10 wei.
    ///
    /// Each deposit costs batchers a place in a block. Those who govern assets can change it.
    #[arg(long, value_name = "UNITS", default_value_t = ETHER_MINIMUM)]
    ether_minimum: u64,
    /// Take no more ether than so many units of 10^10 wei in a day.
    ///
    /// It limits what a mistake can cost. Those who govern assets can change it.
    #[arg(long, value_name = "UNITS", default_value_t = ETHER_DAY_LIMIT)]
    ether_day_limit: u64,
}

/// Print what the contract says: superblocks, queue, registry root, pauses.
///
/// Use it to see where L1 is before you settle, and what the next superblock owes.
#[derive(clap::Args)]
pub(crate) struct StatusArguments {
    #[command(flatten)]
    contract: Contract,
}

/// Lock ether or tokens on L1 for a recipient in an environment.
///
/// A superblock takes the deposit and turns it into a message. If nobody claims that in time, it comes back.
#[derive(clap::Args)]
pub(crate) struct Deposit {
    #[command(flatten)]
    contract: Contract,
    #[command(flatten)]
    signer: SignerArguments,
    #[command(flatten)]
    policy: PolicyArguments,
    /// Deposit this asset: 0:1 is ether, others are those that the contract lists.
    ///
    /// An asset of an environment is deposited as the token that the contract made for it.
    #[arg(long, value_name = "ORIGIN:NUMBER", default_value = "0:1")]
    asset: AssetName,
    /// Deposit so many units of it.
    ///
    /// A unit of ether is 10^10 wei.
    #[arg(long, value_name = "UNITS")]
    amount: u64,
    /// For a token: the same amount in the token's smallest parts.
    ///
    /// It must be what the contract makes of the units, so that no node can name a unit that takes more. Ether needs none.
    #[arg(long, value_name = "PARTS")]
    tokens: Option<U256>,
    /// Deposit for the environment with this id.
    ///
    /// It is the id in the registry.
    #[arg(long, value_name = "ID")]
    environment: u16,
    /// Deposit for this recipient: an address, or 0x and 64 hexadecimal digits.
    ///
    /// An account has an address. Other environments have recipients of four integers of 64 bits, big-endian.
    #[arg(long, value_name = "RECIPIENT", value_parser = parse_recipient)]
    recipient: Bytes32,
    /// Let it be claimed in so many superblocks.
    ///
    /// From 64 to 1048576, counted from the one that takes the deposit.
    #[arg(long, value_name = "SUPERBLOCKS", default_value_t = LIFETIME)]
    lifetime: u32,
}

/// Claim what superblocks pay on L1.
///
/// Anybody may; the recipient is paid. Several payouts go into one transaction, in which a receiver gets a limited amount of gas.
/// One that refuses is listed, and keeps no other from its payout. What was claimed already is listed and costs nothing.
#[derive(clap::Args)]
pub(crate) struct Claim {
    #[command(flatten)]
    contract: Contract,
    #[command(flatten)]
    signer: SignerArguments,
    #[command(flatten)]
    policy: PolicyArguments,
    /// Claim payouts of these superblock bundles, which L1 has settled.
    ///
    /// They have the list of payouts, from which the proof for the contract is made.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Claim the payout with this number only.
    ///
    /// May be given several times. Without it and without --recipient, all are claimed.
    #[arg(long = "payout", value_name = "NUMBER")]
    payouts: Vec<u32>,
    /// Claim only what this address gets.
    ///
    /// May be given with --payout, which narrows it further.
    #[arg(long, value_name = "ADDRESS")]
    recipient: Option<Account>,
}

/// Write L1's queue of deposits to a file, as `batch` and `verify` take it.
///
/// Only deposits in final blocks are written, so that no reorganisation takes one back. The deposits are compared with the
/// digest that the contract has.
#[derive(clap::Args)]
pub(crate) struct Watch {
    #[command(flatten)]
    contract: Contract,
    /// Write the queue to this file, which is replaced as a whole.
    ///
    /// The first line names the deployment, each further one is a deposit.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Read events from this block of L1 on.
    ///
    /// `l1 deploy` prints the block of the deployment. Without it, all blocks are read.
    #[arg(long, value_name = "BLOCK", default_value_t = 0)]
    from_block: u64,
    /// Go on until the command is interrupted.
    ///
    /// The file is written anew every 12 seconds.
    #[arg(long)]
    follow: bool,
}

/// The recipient of a deposit, in its environment's terms.
fn parse_recipient(text: &str) -> Result<Bytes32, String> {
    if let Ok(address) = text.parse::<Account>() {
        return Ok(Bytes32::of_digest(address.to_digest()));
    }
    text.parse().map_err(|_| "a recipient is an address, or 0x and 64 hexadecimal digits".to_owned())
}

/// What a deployment would be.
#[derive(Serialize)]
struct Predicted {
    settlement: Address,
    deployment: u64,
}

impl fmt::Display for Predicted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "contract {}, deployment {}", self.settlement, self.deployment)
    }
}

/// What was deployed.
#[derive(Serialize)]
struct NewDeployment(Deployed);

impl fmt::Display for NewDeployment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Deployed {
            chain_id, deployment, settlement, access_manager, router, first_block, gas_used, ..
        } = &self.0;
        writeln!(
            f,
            "contract {settlement} on network {chain_id}, deployment {deployment}, block {first_block}"
        )?;
        write!(f, "roles at {access_manager}, verifiers at {router}; {gas_used} gas")
    }
}

/// A deposit that is in the queue.
#[derive(Serialize)]
struct Deposited {
    transaction: B256,
    block: u64,
    gas_used: u64,
}

impl fmt::Display for Deposited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { transaction, block, gas_used } = self;
        write!(f, "deposited by transaction {transaction} in block {block}, {gas_used} gas")
    }
}

/// What claiming did.
#[derive(Serialize)]
struct Paid(Claims);

impl fmt::Display for Paid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Claims { payouts, gas_used } = &self.0;
        write!(f, "{} payouts, {gas_used} gas", payouts.len())?;
        payouts.iter().try_for_each(|Claimed { superblock, payout, outcome }| {
            let Payout { index, recipient, asset, amount, .. } = payout;
            write!(f, "\n    superblock {superblock}, payout {index}: {amount} of {asset} to {recipient}, ")?;
            f.write_str(match outcome {
                ClaimOutcome::Paid(_) => "paid",
                ClaimOutcome::PaidEarlier => "paid earlier",
                ClaimOutcome::Refused(_) => "refused by the receiver",
            })
        })
    }
}

/// A queue that was written.
#[derive(Serialize)]
struct Written {
    deployment: u64,
    block: u64,
    queue: QueuePosition,
    #[serde(serialize_with = "as_text::path")]
    file: PathBuf,
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { deployment, block, queue, file } = self;
        write!(f, "{}: {queue} of deployment {deployment}, up to final block {block}", file.display())
    }
}

pub(crate) fn run(command: Command, options: Options) -> Result<Answer, Failure> {
    match command {
        Command::Deploy(arguments) => run_deploy(&arguments, options),
        Command::Status(arguments) => run_status(&arguments),
        Command::Deposit(arguments) => run_deposit(&arguments, options),
        Command::Claim(arguments) => run_claim(&arguments, options),
        Command::Watch(arguments) => run_watch(&arguments, options),
        Command::Follow(arguments) => follow::run(&arguments, options),
    }
}

/// Prints the name of each transaction before it is sent.
fn announcer(options: Options) -> impl Fn(B256, u64) {
    move |transaction, nonce| {
        if !options.quiet {
            eprintln!("sending transaction {transaction} with nonce {nonce}");
        }
    }
}

fn run_deploy(arguments: &Deploy, options: Options) -> Result<Answer, Failure> {
    let announce = announcer(options);
    let (l1, signer) = (arguments.node.open()?, arguments.signer.open()?);
    let policy = arguments.policy.get(arguments.node.finality());
    let wallet = Wallet {
        l1: &l1,
        chain_id: arguments.node.l1_chain_id,
        signer: &signer,
        policy,
        announce: &announce,
    };
    let (Some(path), Some(directory)) = (&arguments.registry, &arguments.journal) else {
        let (settlement, deployment) = predict(&wallet)?;
        return Ok(Answer::new(&Predicted { settlement, deployment }));
    };
    let registry: Registry = file::read(FileKind::Registry, path, SMALL_LIMIT)?;
    let mut batchers = arguments.batchers.clone();
    if batchers.is_empty() {
        batchers.push(signer.address());
    }
    let &Deploy { admin, ether_minimum, ether_day_limit, .. } = arguments;
    let program = Some(program_keys()?);
    let plan = Plan { admin, ether_minimum, ether_day_limit, program, ..Plan::standard(batchers) };
    let journal = Journal::open(directory)?;
    let deployment = match journal.deployment()? {
        Some(known) => known.predicted().1,
        None => predict(&wallet)?.1,
    };
    let genesis = SuperblockState::genesis(deployment).commitment();
    Ok(Answer::new(&NewDeployment(deploy(&wallet, &plan, &registry, genesis, Some(&journal))?)))
}

/// What this program proves with.
fn program_keys() -> Result<ProgramKeys, Failure> {
    // Pinned kernels are listed without a circuit.
    let kernels = KERNELS.key_digests(&CircuitCache::default().with_pins(pins::embedded()?))?;
    let outer_digest = B256::new(outer_digest(PinnedKeys::embedded().hop.keccak.get(), keccak_common()));
    Ok(ProgramKeys { kernels, outer_digest })
}

fn run_status(arguments: &StatusArguments) -> Result<Answer, Failure> {
    let Contract { node, contract } = &arguments.contract;
    let l1 = node.open()?;
    let contract = OnL1 { l1: &l1, address: *contract };
    Ok(Answer::new(&Status::read(&contract, node.finality())?))
}

fn run_deposit(arguments: &Deposit, options: Options) -> Result<Answer, Failure> {
    let announce = announcer(options);
    let Contract { node, contract } = &arguments.contract;
    let (l1, signer) = (node.open()?, arguments.signer.open()?);
    let policy = arguments.policy.get(node.finality());
    let wallet = Wallet { l1: &l1, chain_id: node.l1_chain_id, signer: &signer, policy, announce: &announce };
    let &Deposit { asset, amount, tokens, environment, recipient, lifetime, .. } = arguments;
    let order = Order { asset, amount, tokens, destination: environment, recipient, lifetime };
    let receipt = deposit(&wallet, *contract, &order)?;
    let Receipt { transaction, block_number: block, gas_used, .. } = receipt;
    Ok(Answer::new(&Deposited { transaction, block, gas_used }))
}

fn run_claim(arguments: &Claim, options: Options) -> Result<Answer, Failure> {
    let announce = announcer(options);
    let Contract { node, contract } = &arguments.contract;
    let (l1, signer) = (node.open()?, arguments.signer.open()?);
    let policy = arguments.policy.get(node.finality());
    let wallet = Wallet { l1: &l1, chain_id: node.l1_chain_id, signer: &signer, policy, announce: &announce };
    let is_wanted = |payout: &Payout| {
        (arguments.payouts.is_empty() || arguments.payouts.contains(&payout.index))
            && arguments.recipient.is_none_or(|recipient| recipient == payout.recipient)
    };
    let mut paid = Claims::default();
    for path in &arguments.files {
        if let Some((superblock, payouts)) = payouts_of(&read_bundle(path.clone())?)? {
            let Claims { payouts, gas_used } = claim(&wallet, *contract, superblock, &payouts, is_wanted)?;
            paid.payouts.extend(payouts);
            paid.gas_used += gas_used;
        }
    }
    let is_refused = |claimed: &Claimed| matches!(claimed.outcome, ClaimOutcome::Refused(_));
    let has_refusals = paid.payouts.iter().any(is_refused);
    Ok(Answer::new(&Paid(paid)).with_refusals(has_refusals))
}

fn run_watch(arguments: &Watch, options: Options) -> Result<Answer, Failure> {
    let Contract { node, contract } = &arguments.contract;
    let l1 = node.open()?;
    let contract = OnL1 { l1: &l1, address: *contract };
    progress::stop_on_interrupt();
    let mut outcome = write_queue(arguments, &contract)?;
    while arguments.follow && is_to_go_on() {
        match write_queue(arguments, &contract) {
            Ok(written) if written.queue != outcome.queue => {
                if !options.quiet {
                    eprintln!("{written}");
                }
                outcome = written;
            }
            Ok(written) => outcome = written,
            // The node may be back next time.
            Err(error) => eprintln!("warning: {error}"),
        }
    }
    Ok(Answer::new(&outcome))
}

/// Writes the queue as it is in the last final block.
fn write_queue(arguments: &Watch, contract: &OnL1<'_>) -> Result<Written, Failure> {
    let finality = arguments.contract.node.finality();
    let queue = FinalQueue::read(contract, finality, arguments.from_block)?;
    file::write_shared(&arguments.out, queue.to_lines()?.as_bytes())?;
    Ok(Written {
        deployment: queue.deployment,
        block: queue.block.number,
        queue: queue.position,
        file: arguments.out.clone(),
    })
}

/// Waits for the next look. Returns false if the user has asked to stop.
fn is_to_go_on() -> bool {
    let end = Instant::now() + WATCH_EVERY;
    while Instant::now() < end {
        if progress::STOP.load(Ordering::Relaxed) {
            return false;
        }
        thread::sleep(Duration::from_millis(100));
    }
    true
}

//! `superblock l1`.

mod call;
mod claim;
mod cut;
mod deposit;
mod follow;
mod watch;
mod withdraw;

use std::{fmt, path::PathBuf};

use batcher_circuits::state::SuperblockState;
use batcher_hop::{circuits::keccak_common, keys::outer_digest};
use batcher_keys::pins;
use batcher_settlement::{
    Address, B256,
    contract::Contract as OnL1,
    deploy::{Deployed, ETHER_DAY_LIMIT, ETHER_MINIMUM, Plan, ProgramKeys, deploy, predict},
    journal::Journal,
    status::Status,
    wallet::Wallet,
};
use batcher_verify::keys::PinnedKeys;
use circuits_files::file::{self, FileKind, SMALL_LIMIT};
use circuits_keys::CircuitCache;
use circuits_protocol::registry::Registry;
use environments_l1::circuits::KERNELS;
use serde::Serialize;

use crate::{
    answer::{Answer, Failure},
    l1_arguments::{Contract, Node, PolicyArguments, SignerArguments, parse_address},
    options::Options,
};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    Deploy(Deploy),
    Status(StatusArguments),
    Deposit(deposit::Arguments),
    Claim(claim::Arguments),
    Cut(cut::Arguments),
    Withdraw(withdraw::Arguments),
    Watch(watch::Arguments),
    Follow(follow::Arguments),
}

/// Deploy the contracts, and give them their genesis.
///
/// The registry is that of the deployment, whose id follows from the account and from how many transactions it has sent:
/// --predict prints it, for `registry make --chain-id`. Send nothing else from the account in between. A call that was stopped goes
/// on if it is repeated with the same journal, and prints the same if everything is there. It ends when all of it is final: before
/// that, a reorganisation can take a contract away, and money that is sent there is lost. Kernels of environment 0 and verifiers that
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
    #[arg(long = "batcher", value_name = "ADDRESS", value_parser = parse_address)]
    batchers: Vec<Address>,
    /// Give all other roles to this account, and keep none.
    ///
    /// Without it, the account that deploys has all roles.
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
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

pub(crate) fn run(command: Command, options: Options) -> Result<Answer, Failure> {
    match command {
        Command::Deploy(arguments) => run_deploy(&arguments, options),
        Command::Status(arguments) => run_status(&arguments),
        Command::Deposit(arguments) => deposit::run(&arguments, options),
        Command::Claim(arguments) => claim::run(&arguments, options),
        Command::Cut(arguments) => cut::run(&arguments, options),
        Command::Withdraw(arguments) => withdraw::run(&arguments, options),
        Command::Watch(arguments) => watch::run(&arguments, options),
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
    let waiting = |block| {
        if !options.quiet {
            eprintln!(
                "everything is deployed; waiting until block {block} is final (on a network without finality, use --confirmations)"
            );
        }
    };
    let deployed = deploy(&wallet, &plan, &registry, genesis, Some(&journal), &waiting)?;
    Ok(Answer::new(&NewDeployment(deployed)))
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

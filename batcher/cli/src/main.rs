//! The `superblock` command: arguments in, one answer out.

mod account;
mod answer;
mod batch;
mod bench;
mod config;
mod generate;
mod inspect;
mod keys;
mod message;
mod pins;
mod progress;
mod registry;
mod run;
mod security;
mod verify;

use std::{io::Write as _, process::ExitCode};

use answer::{Answer, Failure};
use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Recursively proves blocks of many environments into one superblock proof per batch.
#[derive(Parser)]
#[command(name = "superblock", version, max_term_width = 100, after_long_help = AFTER)]
struct Arguments {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Command,
}

const AFTER: &str = "Examples:
  superblock run --scenario examples/small/scenario.toml --out out
  superblock verify out/superblocks/*.superblock --trust out/trust.toml
  superblock inspect out/superblocks/superblock-000001.superblock

Exit codes:
  0  done; refused bundles, if any, are listed (--strict makes them 1)
  1  a proof or statement is invalid
  2  wrong usage
  3  input rejected
  4  prover or store unavailable, or stopped
  5  limit exceeded";

/// Options of every command.
#[derive(clap::Args, Clone, Copy)]
struct Options {
    /// Print one JSON object on standard output.
    #[arg(long, global = true)]
    json: bool,
    /// No progress on standard error.
    #[arg(long, global = true)]
    quiet: bool,
    /// Refused or left-out input makes the exit code 1.
    #[arg(long, global = true)]
    strict: bool,
}

#[derive(Subcommand)]
enum Command {
    /// From a scenario's transactions to verified superblocks.
    Run(run::Arguments),
    /// Make the next superblock from block bundles.
    Batch(batch::Arguments),
    /// Verify superblocks and the chain between them, from files alone.
    Verify(verify::Arguments),
    /// Show what a file of superblock holds.
    Inspect(inspect::Arguments),
    /// List messages between environments, and tell what became of one.
    #[command(subcommand)]
    Message(message::Command),
    /// Make and change registries of environments and their kernels.
    #[command(subcommand)]
    Registry(registry::Command),
    /// Make keys of the account-based environment, and sign its transactions.
    #[command(subcommand)]
    Account(account::Command),
    /// List, check, remove and copy key files.
    #[command(subcommand)]
    Keys(keys::Command),
    /// Say where keys are kept.
    #[command(subcommand)]
    Config(config::Command),
    /// Print the security of every circuit, in bits.
    Security,
    /// Compare the circuits with the checked-in pins, or make these anew.
    #[command(subcommand)]
    Pins(pins::Command),
    /// Measure what superblocks cost.
    Bench(bench::Arguments),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

impl Command {
    fn run(self, options: Options) -> Result<Answer, Failure> {
        match self {
            Self::Run(arguments) => run::run(&arguments, options),
            Self::Batch(arguments) => batch::run(&arguments, options),
            Self::Verify(arguments) => verify::run(arguments),
            Self::Inspect(arguments) => inspect::run(&arguments),
            Self::Message(command) => message::run(command),
            Self::Registry(command) => registry::run(command),
            Self::Account(command) => account::run(command),
            Self::Keys(command) => keys::run(command, options),
            Self::Config(command) => config::run(command),
            Self::Security => security::run(),
            Self::Pins(command) => pins::run(command, options),
            Self::Bench(arguments) => bench::run(&arguments, options),
            Self::Completions { shell } => {
                let mut script = vec![];
                clap_complete::generate(shell, &mut Arguments::command(), "superblock", &mut script);
                let text = String::from_utf8_lossy(&script).trim_end().to_owned();
                Ok(Answer::new(serde_json::json!({ "ok": true, "script": text }), text))
            }
        }
    }
}

fn main() -> ExitCode {
    let Arguments { options, command } = Arguments::parse();
    let (json, text, code) = match command.run(options) {
        Ok(answer) => {
            let code = answer.code(options.strict);
            (answer.json, answer.text, code)
        }
        Err(failure) => {
            eprintln!("error: {}", failure.message);
            (failure.json(), String::new(), failure.code)
        }
    };
    let mut out = std::io::stdout().lock();
    // A reader that has gone away is no failure of ours.
    let _ = if options.json {
        writeln!(out, "{json}")
    } else if text.is_empty() {
        Ok(())
    } else {
        writeln!(out, "{text}")
    };
    ExitCode::from(code)
}

#![doc = include_str!("../README.md")]

mod account;
mod answer;
mod as_text;
mod batch;
mod bench;
mod broker;
mod catalogue;
mod config;
mod environment;
mod exit;
mod follow;
mod helper;
mod hop;
mod inspect;
mod key_arguments;
mod keys;
mod l1;
mod l1_anchor;
mod l1_arguments;
mod message;
mod new_file;
mod options;
mod pins;
#[cfg(target_arch = "x86_64")]
mod processor;
mod progress;
mod registry;
mod run;
mod security;
mod settle;
mod shared;
mod state;
mod table;
mod verify;
mod worker;

use std::{fmt, process};

use answer::{Answer, Failure};
use circuits_files::text::{may_be_secret, shown};
use clap::{
    CommandFactory as _, Parser, Subcommand,
    error::{ContextKind, ContextValue},
};
use clap_complete::Shell;
use exit::ExitCode;
use options::Options;
use serde::Serialize;

/// Recursively prove blocks of many environments into one superblock proof per batch.
///
/// Each environment has its own state model and block producer. A superblock moves the state commitments of many of
/// them forward at once, with one proof that L1 verifies.
#[derive(Parser)]
#[command(name = "superblock", version, max_term_width = 100, after_long_help = after_help())]
struct Arguments {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  superblock run --scenario examples/small/scenario.toml --out out
  superblock verify out/superblocks/*.superblock --trust out/trust.toml
  superblock inspect out/superblocks/superblock-000001.superblock";

fn after_help() -> String {
    format!("{EXAMPLES}\n\nExit codes:\n{}", ExitCode::list())
}

#[derive(Subcommand)]
enum Command {
    Run(run::Arguments),
    Batch(batch::Arguments),
    Verify(verify::Arguments),
    Follow(follow::Arguments),
    Hop(hop::Arguments),
    Inspect(inspect::Arguments),
    /// List the superblock states of a directory, and go back to an earlier one.
    ///
    /// `batch` and `run` add a state after each superblock and keep the latest ones. Use these commands to see where a
    /// chain is, and to make it continue from where it was.
    #[command(subcommand)]
    State(state::Command),
    /// Produce the blocks of an environment, and follow what others produce.
    ///
    /// A block is published, and others follow it, before any proof of it is made. Use these commands where a producer is to
    /// last longer than a scenario.
    #[command(subcommand)]
    Environment(environment::Command),
    /// List messages between environments, and explain what became of one.
    ///
    /// Messages move assets between environments, and from and to L1. Use these commands to follow them.
    #[command(subcommand)]
    Message(message::Command),
    /// Make and change registries of environments and their kernels.
    ///
    /// A registry says which environments exist, where they start, who produces their blocks, and which kernels may
    /// prove these in which superblocks. L1 fixes its root.
    #[command(subcommand)]
    Registry(registry::Command),
    Worker(worker::Arguments),
    Broker(broker::Arguments),
    /// Help to prove over HTTP, and count what helpers have proved.
    ///
    /// A helper proves what a broker lends it. Use these commands on machines without access to the database, to admit them, and to
    /// pay them.
    #[command(subcommand)]
    Helper(helper::Command),
    Settle(settle::Arguments),
    /// Deploy the contracts on L1, ask them, and move money in and out.
    ///
    /// L1 settles superblocks in a contract, which takes deposits and pays withdrawals. Use these commands to set it up, and to
    /// move money in and out.
    #[command(subcommand)]
    L1(l1::Command),
    /// Make keys of the account-based environment, and sign its transactions.
    ///
    /// Use these commands to write scenarios and tests, or to sign without a wallet.
    #[command(subcommand)]
    Account(account::Command),
    /// Make, list, check, remove and copy key files.
    ///
    /// Key files save the time to build circuits. No command needs them and none is trusted: a file that is not what
    /// the pins say is made again.
    #[command(subcommand)]
    Keys(keys::Command),
    /// Write, check and show the configuration that says where keys are kept.
    ///
    /// Use these commands to write a configuration file, and to see what flags, environment variables and the file
    /// amount to.
    #[command(subcommand)]
    Config(config::Command),
    /// Print the security of every circuit and STARK, in bits.
    ///
    /// The bits follow from the parameters that the pins list, and from those of the STARKs. The last line names the
    /// weakest of all, with its weakest round: a chain of recursive proofs is no stronger. SECURITY.md explains the columns.
    Security,
    /// Compare the circuits with the checked-in pins, make these anew, or hand keys over to later programs.
    ///
    /// Pins are the digests and sizes of every circuit, and what its security follows from. They make sure that a circuit
    /// changes only if somebody means it to.
    #[command(subcommand)]
    Pins(pins::Command),
    Bench(bench::Arguments),
    /// Print a completion script for a shell.
    ///
    /// Put it where the shell looks for completions, or evaluate it in the shell's startup file.
    Completions {
        /// Print the script for this shell.
        ///
        /// Each shell has a language of its own.
        shell: Shell,
    },
}

/// A completion script.
#[derive(Serialize)]
struct Completions {
    script: String,
}

impl Completions {
    fn new(shell: Shell) -> Self {
        let mut script = vec![];
        clap_complete::generate(shell, &mut Arguments::command(), "superblock", &mut script);
        Self { script: String::from_utf8_lossy(&script).trim_end().to_owned() }
    }
}

impl fmt::Display for Completions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.script)
    }
}

impl Command {
    fn run(self, options: Options) -> Result<Answer, Failure> {
        match self {
            Self::Run(arguments) => run::run(&arguments, options),
            Self::Batch(arguments) => batch::run(&arguments, options),
            Self::Verify(arguments) => verify::run(arguments),
            Self::Follow(arguments) => follow::run(arguments),
            Self::Hop(arguments) => hop::run(arguments, options),
            Self::Inspect(arguments) => inspect::run(&arguments),
            Self::State(command) => state::run(command),
            Self::Environment(command) => environment::run(command, options),
            Self::Message(command) => message::run(command),
            Self::Registry(command) => registry::run(command, options),
            Self::Worker(arguments) => worker::run(&arguments, options),
            Self::Broker(arguments) => broker::run(&arguments, options),
            Self::Helper(command) => helper::run(command, options),
            Self::Settle(arguments) => settle::run(&arguments, options),
            Self::L1(command) => l1::run(command, options),
            Self::Account(command) => account::run(command),
            Self::Keys(command) => keys::run(command, options),
            Self::Config(command) => config::run(command),
            Self::Security => security::run(),
            Self::Pins(command) => pins::run(command, options),
            Self::Bench(arguments) => bench::run(&arguments, options),
            Self::Completions { shell } => Ok(Answer::new(&Completions::new(shell))),
        }
    }
}

/// The error without what terminals obey, and without what may be a secret: clap repeats the arguments.
fn shown_usage(mut error: clap::Error) -> clap::Error {
    for kind in [ContextKind::InvalidArg, ContextKind::InvalidSubcommand, ContextKind::InvalidValue] {
        if let Some(ContextValue::String(found)) = error.get(kind) {
            let safe = if may_be_secret(found) { "(hidden)".to_owned() } else { shown(found).to_string() };
            if safe != *found {
                // A suggestion repeats the argument too.
                error.remove(ContextKind::Suggested);
                error.insert(kind, ContextValue::String(safe));
            }
        }
    }
    error
}

/// Asks for the processor first: nothing else is certain to run on another one than the program is compiled for.
fn main() -> process::ExitCode {
    #[cfg(target_arch = "x86_64")]
    if processor::refuses() {
        return ExitCode::Usage.into();
    }
    answer_arguments()
}

// Were it a part of `main`, its instructions could come before the question.
#[inline(never)]
fn answer_arguments() -> process::ExitCode {
    let arguments = Arguments::try_parse();
    let Arguments { options, command } = arguments.unwrap_or_else(|error| shown_usage(error).exit());
    let code = match command.run(options) {
        Ok(answer) => answer.print(options),
        Err(failure) => failure.print(options),
    };
    code.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls `visit` for `command` and every command below it that is not hidden.
    fn visit(command: &clap::Command, visit_one: &mut impl FnMut(&clap::Command)) {
        visit_one(command);
        for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
            visit(below, visit_one);
        }
    }

    #[test]
    fn every_command_and_argument_has_a_line_of_help_and_more_about_its_use() {
        visit(&Arguments::command(), &mut |command| {
            let help = |short: Option<String>, long: Option<String>, name: &str| {
                let (short, long) = (short.unwrap_or_default(), long.unwrap_or_default());
                let name = format!("{} {name}", command.get_name());
                assert!(!short.is_empty() && !short.contains('\n'), "{name}: {short:?}");
                assert!(long.starts_with(&short) && long.len() > short.len(), "{name}: {long:?}");
            };
            let text = |text: &clap::builder::StyledStr| text.to_string();
            help(command.get_about().map(text), command.get_long_about().map(text), "");
            for argument in command.get_arguments() {
                let id = argument.get_id().as_str();
                help(argument.get_help().map(text), argument.get_long_help().map(text), id);
            }
        });
    }

    #[test]
    fn a_usage_error_repeats_neither_secrets_nor_what_a_terminal_obeys() {
        let secret = "c4b6".repeat(15);
        let dashed = format!("--{secret}");
        for arguments in [
            vec!["superblock", "account", "address", "--public", &secret],
            vec![
                "superblock",
                "account",
                "sign",
                "--key",
                "k",
                "--environment",
                "1",
                "--l1-chain-id",
                &secret,
            ],
            vec!["superblock", "account", "attach", "--signature", &secret],
            vec!["superblock", "keys", &secret],
            vec!["superblock", "security", &secret],
            vec!["superblock", "account", "address", &dashed],
            vec!["superblock", "message", "--\u{7}bell"],
            vec!["superblock", "account", "address", "--\u{7}bell"],
        ] {
            let Err(error) = Arguments::try_parse_from(&arguments) else { panic!("{arguments:?}") };
            let message = shown_usage(error).render().to_string();
            assert!(!message.contains("c4b6") && !message.contains('\u{7}'), "{arguments:?}: {message}");
        }
    }

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }
}

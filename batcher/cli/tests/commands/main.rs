//! The binary, as its users call it.

mod account;
#[path = "../../../settlement/tests/node/anvil.rs"]
mod anvil;
mod command_line;
mod config;
mod counters;
mod environments;
mod following;
mod full_disk;
mod hops;
mod hostile;
mod key_commands;
mod l1;
mod messages;
mod process;
mod registry;
mod states;
mod tls;
mod wallets;
mod workers;

//! The binary, as its users call it.

mod account;
mod command_line;
mod config;
mod counters;
mod following;
mod hops;
mod hostile;
mod key_commands;
mod messages;
mod process;
mod registry;
mod states;
mod wallets;

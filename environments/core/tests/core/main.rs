//! Tests of what every environment uses.

mod bundle;
mod kernel;
mod market;
mod parts;
mod pool;
mod pool_floods;
mod pool_full;
mod pool_losses;
mod pool_messages;
mod producer;
mod published;
mod stored;

//! The account-based environment: accounts with balances, and transactions of several actions that happen all or not at
//! all, signed with secp256k1 keys.
//!
//! | part | what it is |
//! |---|---|
//! | [`address`], [`account`], [`pool`] | the records of the state |
//! | [`transaction`], [`message`] | what users sign |
//! | [`block`] | what blocks hold |
//! | [`config`], [`state`], [`execute`] | the state, and how transactions move it |

pub mod account;
pub mod address;
pub mod block;
pub mod config;
pub mod execute;
pub mod message;
pub mod pool;
pub mod state;
pub mod transaction;

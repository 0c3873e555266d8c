//! The account-based environment: accounts with balances, and transactions of several actions that happen all or not at
//! all, signed with secp256k1 keys.
//!
//! | part | what it is |
//! |---|---|
//! | [`address`], [`account`], [`pool`] | the records of the state |
//! | [`transaction`], [`message`] | what users sign |
//! | [`state`] | the state, its commitment and its running part |

pub mod account;
pub mod address;
pub mod message;
pub mod pool;
pub mod state;
pub mod transaction;

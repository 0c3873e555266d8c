//! What the account-based environment does natively.

mod conformance;
mod dust;
mod failures;
pub(super) mod invariants;
mod late;
mod messages;
mod validity;
mod waiting;

use bridge_core::AssetId;
use circuits_core::amount::Amount;
use environments_conformance::{CHAIN_ID, secret};

use crate::{
    adapter::Accounts,
    address::Address,
    execute::{Failure, Outcome},
    fixtures::{HOME, World, key},
    state::AccountsState,
    transaction::Action,
};

fn world() -> World {
    World::new(CHAIN_ID, HOME, secret(0))
}

fn address(client: usize) -> Address {
    key(client).address()
}

fn balance(state: &AccountsState, client: usize, asset: AssetId) -> u64 {
    state.account(&address(client)).map_or(0, |account| account.balances.balance(asset).get())
}

/// Gives a client a balance out of nothing.
fn give(world: &mut World, client: usize, asset: AssetId, value: Amount) {
    let mut account = world.state.account(&address(client)).unwrap().clone();
    account.balances.credit(asset, value).unwrap();
    world.state.records.set_account(address(client), account).unwrap();
}

/// Executes a transaction of `sender` with these actions on the world's state.
fn outcome(world: &mut World, sender: usize, actions: &[Action]) -> Outcome {
    let signed = world.sign(sender, world.unsigned(sender, actions));
    world.state.execute(&signed).expect("a valid transaction").outcome
}

fn failure(world: &mut World, sender: usize, actions: &[Action]) -> (usize, Failure) {
    match outcome(world, sender, actions) {
        Outcome::Done => panic!("the actions were done: {actions:?}"),
        Outcome::Failed { action, reason } => (action, reason),
    }
}

fn share(world: &World, number: u32) -> AssetId {
    crate::pool::share_asset(Accounts::deployment(&world.environment).environment, number)
}

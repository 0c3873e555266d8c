//! The conformance suite on the account-based environment.

use environments_conformance::Subject;
use environments_core::{EnvironmentId, kernel::ProducerSecret};

use crate::{
    Accounts,
    fixtures::{COLLECTOR, NEWCOMER, World, amount, swap, transfer},
    state::AccountsState,
    transaction::AccountsTransaction,
};

struct AccountsSubject;

impl Subject for AccountsSubject {
    type Environment = Accounts;

    fn environment(&self, chain_id: u64, id: EnvironmentId, secret: ProducerSecret) -> Accounts {
        World::new(chain_id, id, secret).environment.with_limit(4)
    }

    fn valid(&self, environment: &Accounts, state: &AccountsState) -> Vec<AccountsTransaction> {
        let mut world = World { environment: environment.clone(), state: state.clone() };
        [
            (0, vec![transfer(NEWCOMER, 0, 50)]),
            (1, vec![swap(0, 1000, 1), transfer(0, 1, 5)]),
            // Fails, and is in the block all the same.
            (0, vec![transfer(1, 1, 1 << 40)]),
        ]
        .map(|(sender, actions)| {
            let actions: Vec<_> = actions.into_iter().map(|action| world.here(action)).collect();
            world.act(sender, &actions).into()
        })
        .into()
    }

    fn invalid(&self, environment: &Accounts, state: &AccountsState) -> Vec<AccountsTransaction> {
        let world = World { environment: environment.clone(), state: state.clone() };
        let pay = world.unsigned(COLLECTOR, &[world.here(transfer(0, 0, 5))]);
        let mut overdrawn = pay.clone();
        overdrawn.fee = amount(1 << 57);
        let mut late = pay.clone();
        late.deadline = state.height();
        let mut early = pay.clone();
        early.nonce += 1;
        let mut nothing = pay.clone();
        nothing.actions = vec![world.here(transfer(0, 0, 0))];
        let mut altered = world.sign(COLLECTOR, pay.clone());
        altered.transaction.fee = amount(1);
        let absent = world.unsigned(NEWCOMER + 1, &[world.here(transfer(0, 0, 5))]);
        let mut invalid: Vec<_> =
            [overdrawn, late, early, nothing].map(|bad| world.sign(COLLECTOR, bad)).to_vec();
        invalid.extend([altered, world.sign(0, pay), world.sign(NEWCOMER + 1, absent)]);
        invalid.into_iter().map(AccountsTransaction::from).collect()
    }
}

#[test]
fn replayed_transactions_are_refused() {
    environments_conformance::execution::replayed_transactions_are_refused(&AccountsSubject);
}

environments_conformance::conformance!(AccountsSubject);

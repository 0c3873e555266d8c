//! The conformance suite on the account-based environment.

use bridge_core::{Consumption, Message};
use circuits_core::{Digest, amount::Amount};
use environments_conformance::{
    Subject,
    messages::{MessageSubject, SUPERBLOCK},
};
use environments_core::{EnvironmentId, kernel::ProducerSecret};

use crate::{
    Accounts,
    address::Address,
    fixtures::{COLLECTOR, DEPOSIT, MINIMUM_FEE, NEWCOMER, World, amount, bridge, key, swap, transfer},
    state::AccountsState,
    transaction::{AccountsTransaction, Action},
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
        let mut free = pay.clone();
        free.fee = amount(MINIMUM_FEE - 1);
        let mut altered = world.sign(COLLECTOR, pay.clone());
        altered.transaction.fee = amount(1);
        let absent = world.unsigned(NEWCOMER + 1, &[world.here(transfer(0, 0, 5))]);
        let mut invalid: Vec<_> =
            [overdrawn, late, early, nothing, free].map(|bad| world.sign(COLLECTOR, bad)).to_vec();
        invalid.extend([altered, world.sign(0, pay), world.sign(NEWCOMER + 1, absent)]);
        invalid.into_iter().map(AccountsTransaction::from).collect()
    }
}

impl MessageSubject for AccountsSubject {
    fn sends(
        &self,
        environment: &Accounts,
        state: &AccountsState,
    ) -> Vec<(AccountsTransaction, Vec<Message>)> {
        let mut world = World { environment: environment.clone(), state: state.clone() };
        let deployment = *environment.deployment();
        // The second one also does something else, so its message has another number.
        [(0, vec![bridge(6, 1, 50)]), (1, vec![transfer(0, 1, 5), bridge(0, 0, 7)])]
            .map(|(sender, actions)| {
                let actions: Vec<_> = actions.into_iter().map(|action| world.here(action)).collect();
                let nonce = world.unsigned(sender, &actions).nonce;
                let (position, &sent) = actions.iter().enumerate().next_back().expect("one action at least");
                let Action::Bridge { destination, recipient, asset, amount, deadline } = sent else {
                    panic!("the last action sends");
                };
                let message = Message {
                    chain_id: deployment.chain_id,
                    source: deployment.environment,
                    destination,
                    sequence: 4 * u64::from(nonce) + position as u64,
                    sender: key(sender).address().to_digest(),
                    recipient,
                    asset,
                    amount,
                    deadline,
                    data: Digest::ZERO,
                };
                (world.act(sender, &actions).into(), vec![message])
            })
            .into()
    }

    fn deliveries(&self, environment: &Accounts, state: &AccountsState) -> Vec<(Message, Consumption)> {
        let world = World { environment: environment.clone(), state: state.clone() };
        // One creates an account, and one comes back.
        let created = world.message(6, 0, NEWCOMER + 1, 0, DEPOSIT);
        let returned = Message { deadline: SUPERBLOCK - 1, ..world.returned(6, 1, 1, 1, 30) };
        vec![(created, Consumption::Claim), (returned, Consumption::Refund)]
    }

    fn credited(
        &self,
        before: &AccountsState,
        after: &AccountsState,
        message: &Message,
        consumption: Consumption,
    ) -> bool {
        let beneficiary = Address::from_digest(message.beneficiary(consumption)).expect("an address");
        let others = |state: &AccountsState| -> Vec<_> {
            let accounts = state.accounts().filter(|(address, _)| **address != beneficiary);
            accounts.map(|(address, account)| (*address, account.clone())).collect()
        };
        let balance = |state: &AccountsState| {
            state
                .account(&beneficiary)
                .map_or(Amount::ZERO, |account| account.balances.balance(message.asset))
        };
        balance(before).checked_add(message.amount) == Ok(balance(after)) && others(before) == others(after)
    }
}

#[test]
fn replayed_transactions_are_refused() {
    environments_conformance::execution::replayed_transactions_are_refused(&AccountsSubject);
}

environments_conformance::conformance!(AccountsSubject, messages);

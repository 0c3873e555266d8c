//! Hashes of typed data, and addresses.

use std::iter::successors;

use bridge_core::AssetId;
use circuits_core::{Digest, F, amount::Amount};
use environments_accounts::{
    address::Address,
    key::SecretKey,
    transaction::{Action, MAX_ACTIONS, Transaction},
    typed_data::{
        ACTION_TYPES, ActionType, Settlement, SigningDomain, check_typed_data, signing_hash, typed_data,
    },
};
use environments_core::environment::EnvironmentId;
use plonky2::field::types::{Field, Field64};
use proptest::{array, collection, prelude::*};

use super::{TEST_ACCOUNTS, address, domain, foreign_hash, shown, wallet};

/// Checks that alloy computes our hash from our typed data, and that we read it back.
fn assert_agrees(domain: &SigningDomain, transaction: &Transaction) {
    let data = typed_data(domain, transaction);
    assert_eq!(foreign_hash(&data), signing_hash(domain, transaction), "{data}");
    assert_eq!(check_typed_data(domain, transaction.sender, &data).as_ref(), Ok(transaction), "{data}");
}

fn any_address() -> impl Strategy<Value = Address> {
    any::<[u8; 20]>().prop_map(Address)
}

fn any_amount() -> impl Strategy<Value = Amount> {
    (0..1_u64 << 58).prop_map(|amount| Amount::new(amount).unwrap())
}

fn any_asset() -> impl Strategy<Value = AssetId> {
    (any::<u16>(), 1..=u32::MAX).prop_map(|(origin, local)| AssetId::new(origin, local).unwrap())
}

fn any_digest() -> impl Strategy<Value = Digest> {
    array::uniform4(0..F::ORDER).prop_map(|elements| Digest(elements.map(F::from_canonical_u64)))
}

/// Any action of a type.
fn any_action(of: ActionType) -> BoxedStrategy<Action> {
    let numbers = (any_amount(), any_amount(), any_amount());
    let assets = (any_asset(), any_asset());
    match of {
        ActionType::Transfer => (any_address(), any_asset(), any_amount())
            .prop_map(|(to, asset, amount)| Action::Transfer { to, asset, amount })
            .boxed(),
        ActionType::Swap => (assets, numbers)
            .prop_map(|((asset_in, asset_out), (amount, minimum, _))| Action::Swap {
                asset_in,
                asset_out,
                amount,
                minimum,
            })
            .boxed(),
        ActionType::AddLiquidity => (assets, numbers)
            .prop_map(|((asset_a, asset_b), (shares, maximum_a, maximum_b))| Action::AddLiquidity {
                asset_a,
                asset_b,
                shares,
                maximum_a,
                maximum_b,
            })
            .boxed(),
        ActionType::RemoveLiquidity => (assets, numbers)
            .prop_map(|((asset_a, asset_b), (shares, minimum_a, minimum_b))| Action::RemoveLiquidity {
                asset_a,
                asset_b,
                shares,
                minimum_a,
                minimum_b,
            })
            .boxed(),
        ActionType::Bridge => (1..=u16::MAX, any_digest(), any_asset(), any_amount(), any::<u32>())
            .prop_map(|(destination, recipient, asset, amount, deadline)| Action::Bridge {
                destination: EnvironmentId(destination),
                recipient,
                asset,
                amount,
                deadline,
            })
            .boxed(),
        ActionType::Withdraw => (any_address(), any_asset(), any_amount(), any::<u32>())
            .prop_map(|(to, asset, amount, deadline)| Action::Bridge {
                destination: EnvironmentId::L1,
                recipient: to.to_digest(),
                asset,
                amount,
                deadline,
            })
            .boxed(),
    }
}

fn any_transaction() -> impl Strategy<Value = Transaction> {
    let actions = collection::vec(
        (0..ACTION_TYPES).prop_flat_map(|of| any_action(ActionType::ALL[of])),
        1..=MAX_ACTIONS,
    );
    (any_address(), any::<u32>(), any_amount(), any::<u32>(), actions).prop_map(
        |(sender, nonce, fee, deadline, actions)| Transaction { sender, nonce, fee, deadline, actions },
    )
}

fn any_domain() -> impl Strategy<Value = SigningDomain> {
    (1..1_u64 << 53, any_address(), 1..=u16::MAX).prop_map(|(chain_id, contract, environment)| {
        SigningDomain {
            settlement: Settlement { chain_id, contract },
            environment: EnvironmentId(environment),
        }
    })
}

proptest! {
    #[test]
    fn whatever_is_signed_has_alloys_hash(domain in any_domain(), transaction in any_transaction()) {
        assert_agrees(&domain, &transaction);
    }
}

/// One action of each type.
fn actions() -> [Action; ACTION_TYPES] {
    let (asset, other) = (AssetId::new(5, 1).unwrap(), AssetId::new(7, u32::MAX).unwrap());
    let amount = |amount| Amount::new(amount).unwrap();
    let (to, recipient) = (address(1), Digest([F::NEG_ONE; 4]));
    let (shares, most) = (amount(3), amount((1 << 58) - 1));
    let withdrawal = Action::Bridge {
        destination: EnvironmentId::L1,
        recipient: to.to_digest(),
        asset,
        amount: shares,
        deadline: u32::MAX,
    };
    [
        Action::Transfer { to, asset, amount: most },
        Action::Swap { asset_in: asset, asset_out: other, amount: shares, minimum: amount(0) },
        Action::AddLiquidity {
            asset_a: asset,
            asset_b: other,
            shares,
            maximum_a: most,
            maximum_b: amount(1),
        },
        Action::RemoveLiquidity {
            asset_a: asset,
            asset_b: other,
            shares,
            minimum_a: most,
            minimum_b: amount(0),
        },
        Action::Bridge {
            destination: EnvironmentId(u16::MAX),
            recipient,
            asset,
            amount: shares,
            deadline: 9,
        },
        withdrawal,
    ]
}

/// Every sequence of kinds that a transaction can have.
pub(super) fn sequences() -> impl Iterator<Item = Vec<Action>> {
    let longer = |sequences: &Vec<Vec<Action>>| {
        let appended = |sequence: &Vec<Action>| actions().map(|action| [&sequence[..], &[action]].concat());
        Some(sequences.iter().flat_map(appended).collect())
    };
    let by_length = successors(Some(vec![vec![]]), longer);
    by_length.skip(1).take(MAX_ACTIONS).flatten()
}

#[test]
fn every_sequence_of_kinds_has_alloys_hash() {
    let mut count = 0;
    for actions in sequences() {
        let (transaction, _) = shown(&domain(), actions);
        assert_agrees(&domain(), &transaction);
        count += 1;
    }
    assert_eq!(count, 6 + 36 + 216 + 1296);
}

#[test]
fn the_public_test_accounts_have_their_addresses() {
    for (account, (secret, known)) in TEST_ACCOUNTS.iter().enumerate() {
        let key: SecretKey = secret.parse().unwrap();
        let foreign = wallet(account).address();
        assert_eq!((key.address(), foreign.to_checksum(None)), (address(account), (*known).to_owned()));
        assert_eq!(key.address().0, foreign.0);
    }
}

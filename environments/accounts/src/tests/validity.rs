//! Which transactions can be in a block.

use circuits_core::{late::LateMap, trees::KeyedTree};
use circuits_tables::ecdsa::EcdsaError;
use environments_core::{Environment, EnvironmentId, genesis::ForeignAsset, vault::Holding};
use k256::{Scalar, elliptic_curve::PrimeField};

use super::{address, balance, outcome, world};
use crate::{
    Accounts, Genesis, GenesisError, GenesisPool,
    address::Address,
    execute::{Invalid, Outcome},
    fixtures::{
        CLIENTS, COLLECTOR, DEPOSIT, FEE, HOME, MINIMUM_FEE, NEWCOMER, START, World, amount, asset, asset_of,
        bridge, genesis, key, swap, transfer,
    },
    pool::share_asset,
    records::Records,
    signature::RecoveryError,
    state::TREE_DEPTH,
    transaction::{Malformed, SignedTransaction},
    typed_data::{MAX_CHAIN_ID, Settlement, SigningDomain},
};

/// The reason of a refusal, which changes nothing.
fn refused(world: &World, signed: &SignedTransaction) -> Invalid {
    let mut state = world.state.clone();
    let reason = state.execute(signed).expect_err("an invalid transaction");
    assert_eq!(state, world.state);
    reason
}

fn other_signer(world: &World, sender: Address, found: Address) -> Invalid {
    let domain = world.environment.deployment().signing_domain().name();
    Invalid::OtherSigner { domain, sender, found }
}

#[test]
fn each_invalid_transaction_has_its_reason() {
    let world = world();
    let good = world.unsigned(0, &[transfer(1, 0, 5)]);
    let refuse = |change: &dyn Fn(&mut crate::transaction::Transaction)| {
        let mut bad = good.clone();
        change(&mut bad);
        refused(&world, &world.sign(0, bad))
    };
    let sender = address(0);
    assert_eq!(refuse(&|bad| bad.actions.clear()), Invalid::Malformed(Malformed::Actions { found: 0 }));
    assert_eq!(refuse(&|bad| bad.nonce = 1), Invalid::Nonce { sender, expected: 0, found: 1 });
    assert_eq!(refuse(&|bad| bad.deadline = 0), Invalid::TooLate { deadline: 0, height: 1 });
    assert!(matches!(refuse(&|bad| bad.fee = amount(START + 1)), Invalid::Fee { .. }));
    let (minimum, fee) = (amount(MINIMUM_FEE), amount(MINIMUM_FEE - 1));
    assert_eq!(refuse(&|bad| bad.fee = fee), Invalid::LowFee { actions: 1, minimum, fee });
    let other = refuse(&|bad| bad.sender = address(1));
    assert_eq!(other, other_signer(&world, address(1), sender));
    let absent = world.sign(NEWCOMER, world.unsigned(NEWCOMER, &[transfer(1, 0, 5)]));
    assert_eq!(refused(&world, &absent), Invalid::NoSuchAccount(address(NEWCOMER)));
}

#[test]
fn case_38_the_signer_is_the_charged_account() {
    let world = world();
    let stolen = world.sign(1, world.unsigned(0, &[transfer(1, 0, START / 2)]));
    assert_eq!(refused(&world, &stolen), other_signer(&world, address(0), address(1)));
}

#[test]
fn case_39_a_signature_is_for_one_deployment_and_environment() {
    let world = world();
    let here = world.environment.deployment().signing_domain();
    let settlement = here.settlement;
    let pay = world.unsigned(0, &[transfer(1, 0, 5)]);
    let others = [
        SigningDomain { environment: EnvironmentId(77), ..here },
        SigningDomain { settlement: Settlement { chain_id: settlement.chain_id + 1, ..settlement }, ..here },
        SigningDomain { settlement: Settlement { contract: address(1), ..settlement }, ..here },
    ];
    for other in others {
        let signed = key(0).sign(pay.clone(), &other).unwrap();
        assert!(matches!(refused(&world, &signed), Invalid::OtherSigner { .. }));
    }
    key(0).sign(pay, &here).map(|signed| world.clone().state.execute(&signed)).unwrap().unwrap();
}

#[test]
fn case_44_a_nonce_is_used_once_and_never_wraps() {
    let mut world = world();
    let signed = world.act(0, &[transfer(1, 0, 5)]);
    assert_eq!(refused(&world, &signed), Invalid::Nonce { sender: address(0), expected: 1, found: 0 });
    let mut account = world.state.account(&address(0)).unwrap().clone();
    account.nonce = u32::MAX;
    world.state.records.set_account(address(0), account).unwrap();
    let last = world.sign(0, world.unsigned(0, &[transfer(1, 0, 5)]));
    assert_eq!(refused(&world, &last), Invalid::LastNonce(address(0)));
}

#[test]
fn case_24_a_transaction_is_known_by_its_nonce_not_by_its_signature() {
    let mut world = world();
    let signed = world.act(0, &[transfer(1, 0, 5)]);
    // The other signature of the same transaction: -s instead of s.
    let mut other = signed.clone();
    let s = Option::<Scalar>::from(Scalar::from_repr(signed.signature.signature.s.into())).unwrap();
    other.signature.signature.s = (-s).to_repr().into();
    other.signature.is_odd = !signed.signature.is_odd;
    assert!(matches!(refused(&world, &other), Invalid::Nonce { .. }));
    let fresh = super::world();
    let high = refused(&fresh, &other);
    assert!(matches!(high, Invalid::Signature(RecoveryError::Range(EcdsaError::HighS(_)))));
}

#[test]
fn every_changed_field_breaks_the_signature() {
    let world = world();
    let signed = world.sign(0, world.unsigned(0, &[transfer(1, 0, 5), transfer(2, 1, 6)]));
    let changes: [&dyn Fn(&mut SignedTransaction); 7] = [
        &|signed| signed.transaction.fee = amount(FEE - 1),
        &|signed| signed.transaction.deadline += 1,
        &|signed| signed.transaction.actions.swap(0, 1),
        &|signed| signed.transaction.actions.truncate(1),
        &|signed| signed.transaction.actions[0] = transfer(1, 0, 6),
        &|signed| signed.signature.is_odd ^= true,
        &|signed| signed.signature.signature.s[31] ^= 1,
    ];
    for change in changes {
        let mut changed = signed.clone();
        change(&mut changed);
        assert!(matches!(refused(&world, &changed), Invalid::OtherSigner { .. }));
    }
}

#[test]
fn an_account_gets_its_key_with_its_first_transaction() {
    let mut world = world();
    assert_eq!(outcome(&mut world, 0, &[transfer(NEWCOMER, 0, 50)]), Outcome::Done);
    let created = world.state.account(&address(NEWCOMER)).unwrap().clone();
    assert_eq!((created.key, created.nonce), (circuits_core::Digest::ZERO, 0));
    // Whoever gave to the address before its owner's first transaction, it is the owner's.
    assert_eq!(outcome(&mut world, NEWCOMER, &[transfer(1, 0, 20)]), Outcome::Done);
    let account = world.state.account(&address(NEWCOMER)).unwrap();
    assert_eq!(account.nonce, 1);
    assert_ne!(account.key, circuits_core::Digest::ZERO);
    assert_eq!(balance(&world.state, NEWCOMER, asset(0)), 50 - 20 - FEE);

    // Another key of the same address, should one ever be found, does not take the account over.
    let mut taken = account.clone();
    taken.key =
        circuits_core::Digest([circuits_core::F::default(); 4].map(|_| plonky2::field::types::Field::ONE));
    world.state.records.set_account(address(NEWCOMER), taken).unwrap();
    let signed = world.sign(NEWCOMER, world.unsigned(NEWCOMER, &[transfer(1, 0, 1)]));
    assert!(matches!(refused(&world, &signed), Invalid::KeyChanged { .. }));
}

#[test]
fn case_89_every_action_pays_whether_or_not_it_is_done() {
    let mut world = world();
    let minimum = amount(MINIMUM_FEE);
    let deep = 1 << 40;
    let four = [bridge(6, 0, 1), transfer(1, 0, 5), swap(0, 1000, 1), transfer(1, 0, deep)];
    for actions in [&four[..1], &four[..2], &four[2..], &four[3..], &four[..]] {
        let least = amount(MINIMUM_FEE * actions.len() as u64);
        let mut transaction = world.unsigned(0, actions);
        transaction.fee = amount(least.get() - 1);
        let low = Invalid::LowFee { actions: actions.len(), minimum, fee: transaction.fee };
        assert_eq!(refused(&world, &world.sign(0, transaction.clone())), low);
        let before = world.state.running().fees;
        transaction.fee = least;
        world.state.execute(&world.sign(0, transaction)).unwrap();
        assert_eq!(world.state.running().fees, before + least.to_field());
    }
}

#[test]
fn a_state_commits_to_minimum_fee_minimum_deposit_and_signing_domain() {
    let commitment = |change: fn(&mut Genesis)| {
        let mut start = genesis(HOME);
        change(&mut start);
        let (chain_id, producer) = (environments_conformance::CHAIN_ID, environments_conformance::secret(0));
        let environment = Accounts::new(chain_id, HOME, producer, &start).unwrap();
        environment.commitment(&environment.genesis())
    };
    let ours = commitment(|_| {});
    assert_ne!(commitment(|start| start.minimum_fee = amount(MINIMUM_FEE + 1)), ours);
    assert_ne!(commitment(|start| start.minimum_deposit = amount(DEPOSIT + 1)), ours);
    assert_ne!(commitment(|start| start.settlement.chain_id += 1), ours);
    assert_ne!(commitment(|start| start.settlement.contract = address(0)), ours);
}

#[test]
fn a_block_pays_its_fees_to_the_fee_account() {
    let mut world = world();
    for sender in [0, 1, COLLECTOR] {
        outcome(&mut world, sender, &[transfer(3, 1, 1)]);
    }
    assert_eq!(balance(&world.state, COLLECTOR, asset(0)), START - FEE);
    world.state.seal().unwrap();
    assert_eq!(balance(&world.state, COLLECTOR, asset(0)), START - FEE + 3 * FEE);
    assert_eq!((world.state.height(), world.environment.height(&world.state)), (1, 1));
}

#[test]
fn a_genesis_makes_the_records_that_writing_them_in_order_makes() {
    let (chain_id, producer) = (environments_conformance::CHAIN_ID, environments_conformance::secret(0));
    let made = |genesis: &Genesis| {
        Accounts::new(chain_id, HOME, producer, genesis).map(|environment| environment.genesis())
    };
    // The fee account is not listed, and owns a pool.
    let mut start = genesis(HOME);
    start.fee_account = address(NEWCOMER);
    start.pools.push(GenesisPool {
        asset_a: asset(1),
        asset_b: asset(2),
        reserve_a: amount(5000),
        reserve_b: amount(7),
        owner: address(NEWCOMER),
    });
    let state = made(&start).unwrap();
    let mut records = Records {
        tree: KeyedTree::new(TREE_DEPTH),
        accounts: LateMap::new(),
        pools: LateMap::new(),
        pool_count: 0,
        fee_supply: state.fee_supply(),
    };
    for client in (0..CLIENTS).chain([NEWCOMER]) {
        let account = state.account(&address(client)).unwrap().clone();
        records.set_account(address(client), account).unwrap();
    }
    for (a, b) in [(0, 1), (1, 2)] {
        records.set_pool(*state.pool(asset(a), asset(b)).unwrap()).unwrap();
    }
    assert_eq!(state.records, records);
    assert_eq!(balance(&state, NEWCOMER, share_asset(HOME, 1)), 4000);

    let refused = |change: &dyn Fn(&mut Genesis)| {
        let mut bad = start.clone();
        change(&mut bad);
        made(&bad).unwrap_err()
    };
    let twice = refused(&|bad| bad.accounts.push(bad.accounts[1].clone()));
    assert_eq!(twice, GenesisError::DuplicateAccount(address(1)));
    let twice = refused(&|bad| bad.pools.push(bad.pools[0]));
    assert_eq!(twice, GenesisError::DuplicatePool(asset(0), asset(1)));
    let nobody = refused(&|bad| bad.pools[1].owner = address(NEWCOMER + 1));
    assert_eq!(nobody, GenesisError::NoOwner(address(NEWCOMER + 1)));
}

#[test]
fn a_genesis_names_a_chain_that_wallets_know() {
    let made = |chain_id| {
        let settlement = Settlement { chain_id, ..genesis(HOME).settlement };
        let start = Genesis { settlement, ..genesis(HOME) };
        Accounts::new(environments_conformance::CHAIN_ID, HOME, environments_conformance::secret(0), &start)
            .map(drop)
    };
    assert_eq!(made(0), Err(GenesisError::SettlementChain(0)));
    assert_eq!(made(MAX_CHAIN_ID), Ok(()));
    assert_eq!(made(MAX_CHAIN_ID + 1), Err(GenesisError::SettlementChain(MAX_CHAIN_ID + 1)));
}

#[test]
fn a_genesis_issues_no_assets_of_others() {
    let made = |genesis: &Genesis| {
        Accounts::new(environments_conformance::CHAIN_ID, HOME, environments_conformance::secret(0), genesis)
            .map(drop)
    };
    let foreign = asset_of(EnvironmentId(HOME.get() - 1), 0);
    let refused = Err(ForeignAsset { environment: HOME, asset: foreign }.into());
    let mut held = genesis(HOME);
    held.accounts[1].holdings.push(Holding { asset: foreign, amount: amount(1) });
    assert_eq!(made(&held), refused);
    let mut pooled = genesis(HOME);
    pooled.pools[0].asset_a = foreign;
    assert_eq!(made(&pooled), refused);
    // Fees may be paid in what came from elsewhere.
    assert_eq!(made(&Genesis { fee_asset: foreign, ..genesis(HOME) }), Ok(()));
}

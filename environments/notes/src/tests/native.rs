//! Blocks of simulated clients, natively.

use environments_core::{Environment, EnvironmentId, genesis::ForeignAsset};
use proptest::prelude::*;

use super::world;
use crate::{
    Notes, NotesError, NotesTransaction,
    account::{Holding, Vault, account_id},
    block::MAX_TRANSACTIONS,
    body::BodyError,
    config::{Genesis, GenesisAccount, GenesisError},
    execute::StateError,
    fixtures::{HOME, MINIMUM_FEE, NETWORK_MINIMUM_FEE, amount, asset, asset_of, secret},
    note::{Note, Script, fee_note},
    transaction::Output,
};

#[test]
fn a_note_created_and_consumed_in_one_batch_leaves_no_trace() {
    let mut world = world();
    let (pay, notes) = world.pay(0, &[1], 5);
    let take = world.take(1, &notes);
    let transactions: [NotesTransaction; 2] = [pay.into(), take.into()];
    let state = world.genesis();
    let proposal = world.environment.propose(&state, &transactions.each_ref()).unwrap();
    assert_eq!(proposal.included, [0, 1]);
    assert!(!proposal.state.has_note(&notes[0].commitment()));
    assert!(!proposal.state.is_spent(&notes[0].nullifier()));
    assert_eq!(proposal.state.account(&world.clients[1].id()), Some(world.clients[1].account.hash()));
}

#[test]
fn a_note_created_and_consumed_in_two_batches_is_created_and_nullified() {
    let mut world = world();
    let (pay, notes) = world.pay(0, &[1], 5);
    let mut transactions = vec![NotesTransaction::from(pay)];
    for _ in 0..10 {
        transactions.push(world.pay(2, &[0], 1).0.into());
    }
    transactions.push(world.take(1, &notes).into());
    let offered: Vec<_> = transactions.iter().collect();
    let proposal = world.environment.propose(&world.genesis(), &offered).unwrap();
    assert_eq!(proposal.included.len(), 12);
    assert!(proposal.state.has_note(&notes[0].commitment()));
    assert!(proposal.state.is_spent(&notes[0].nullifier()));
}

#[test]
fn a_note_has_one_nullifier_whoever_consumes_it() {
    let mut world = world();
    let script = Script::Swap { asset: asset(1), amount: amount(7) };
    let swap = Output { script, ..world.payment(1, 0, 10) };
    let offer = world.request(0, &[], vec![swap], 0);
    let note = world.notes(&offer)[0];
    let back = world.take(0, &[note]);
    let settlement = Output { settles: Some(0), ..world.payment(0, 1, 7) };
    let taken = world.request(1, &[note], vec![settlement], 0);
    let nullifier = |request| world.witness(request).check().unwrap().nullifiers[0];
    assert_eq!(nullifier(&back), nullifier(&taken));
    let transactions = [offer, back, taken].map(NotesTransaction::from);
    let proposal = world.environment.propose(&world.genesis(), &transactions.each_ref()).unwrap();
    assert_eq!(proposal.included, [0, 1]);
    let (index, reason) = &proposal.rejected[0];
    let expected = StateError::AlreadyConsumed { input: 0, nullifier: note.nullifier() };
    assert_eq!((*index, reason), (2, &NotesError::State(expected)));
}

#[test]
fn no_two_notes_of_a_sender_share_a_nullifier() {
    let mut world = world();
    let payment = world.payment(1, 0, 5);
    let first = world.request(0, &[], vec![payment.clone(), payment.clone()], 0);
    let second = world.request(0, &[], vec![payment.clone(), payment], 0);
    let mut notes = [world.notes(&first), world.notes(&second)].concat();
    notes.sort_by_key(Note::nullifier);
    notes.dedup_by_key(|note| note.nullifier());
    assert_eq!(notes.len(), 4);
}

/// A genesis without accounts.
fn empty() -> Genesis {
    Genesis {
        fee_asset: asset(0),
        fee_account: secret(3),
        minimum_fee: amount(MINIMUM_FEE),
        network_minimum_fee: amount(NETWORK_MINIMUM_FEE),
        accounts: vec![],
    }
}

#[test]
fn what_a_producer_proves_is_not_cheaper_than_what_a_client_proves() {
    let made = |minimum_fee, network_minimum_fee| {
        let [minimum_fee, network_minimum_fee] = [minimum_fee, network_minimum_fee].map(amount);
        let genesis = Genesis { minimum_fee, network_minimum_fee, ..empty() };
        Notes::new(7, HOME, environments_conformance::secret(0), &genesis).map(drop)
    };
    assert_eq!(made(0, 0), Ok(()));
    assert_eq!(made(2, 2), Ok(()));
    let [minimum_fee, network_minimum_fee] = [2, 1].map(amount);
    assert_eq!(made(2, 1), Err(GenesisError::Fees { minimum_fee, network_minimum_fee }));
}

#[test]
fn a_genesis_lists_no_account_twice() {
    let account = GenesisAccount { authorisation: secret(1), salt: secret(2), vault: Vault::default() };
    let other = GenesisAccount { salt: secret(3), ..account.clone() };
    let made = |accounts| {
        let genesis = Genesis { accounts, ..empty() };
        Notes::new(7, HOME, environments_conformance::secret(0), &genesis).map(drop)
    };
    assert_eq!(made(vec![account.clone(), other.clone()]), Ok(()));
    let id = account_id(7, HOME, secret(1), secret(2));
    assert_eq!(made(vec![account.clone(), other, account]), Err(GenesisError::DuplicateAccount(id)));
}

#[test]
fn a_genesis_issues_no_assets_of_others() {
    let foreign = asset_of(EnvironmentId(2), 0);
    let holding = Holding { asset: foreign, amount: amount(1) };
    let account =
        GenesisAccount { authorisation: secret(1), salt: secret(2), vault: Vault::new(&[holding]).unwrap() };
    let genesis = Genesis { fee_asset: foreign, accounts: vec![account], ..empty() };
    let error = Notes::new(7, HOME, environments_conformance::secret(0), &genesis).unwrap_err();
    assert_eq!(error, ForeignAsset { environment: HOME, asset: foreign }.into());
    // Fees may be paid in what came from elsewhere.
    let genesis = Genesis { accounts: vec![], ..genesis };
    assert!(Notes::new(7, HOME, environments_conformance::secret(0), &genesis).is_ok());
}

#[test]
fn a_body_has_one_encoding() {
    let mut world = world();
    let transactions = world.ping_pong(2);
    let offered: Vec<_> = transactions.iter().collect();
    let state = world.genesis();
    let body = world.environment.propose(&state, &offered).unwrap().block.body().to_vec();
    // The first element of the first record, plus the field's order.
    let mut aliased = body.clone();
    aliased[16..24].copy_from_slice(&u64::MAX.to_le_bytes());
    let error = world.environment.apply_body(&state, &aliased).unwrap_err();
    assert!(matches!(error, NotesError::Body(BodyError::Record { index: 0, .. })), "{error}");
    let mut counted = body.clone();
    counted[8] = 3;
    assert!(world.environment.apply_body(&state, &counted).is_err());
    counted[8..16].copy_from_slice(&u64::MAX.to_le_bytes());
    let error = world.environment.apply_body(&state, &counted).unwrap_err();
    assert_eq!(error, NotesError::Body(BodyError::Count { found: u64::MAX }));
    let error = world.environment.apply_body(&state, &body[..15]).unwrap_err();
    assert_eq!(error, NotesError::Body(BodyError::Header(15)));
    assert!(world.environment.apply_body(&state, &[&body[..], &[0]].concat()).is_err());
    assert!(world.environment.apply_body(&state, &body[..body.len() - 1]).is_err());
}

#[test]
fn the_fee_note_of_a_block_pays_the_fee_account_once() {
    let mut world = world();
    let (pay, _) = world.pay(0, &[1], 5);
    let transaction = NotesTransaction::from(pay);
    let before = world.genesis();
    let state = world.environment.propose(&before, &[&transaction]).unwrap().state;
    let note = fee_note(7, HOME, 1, asset(0), amount(1), world.clients[2].id());
    assert!(state.has_note(&note.commitment()));
    let take = NotesTransaction::from(world.take(2, &[note]));
    let next = world.environment.propose(&state, &[&take]).unwrap();
    assert_eq!(next.included, [0]);
    assert!(next.state.is_spent(&note.nullifier()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn blocks_of_any_size_keep_their_promises(sizes in proptest::collection::vec(0..=MAX_TRANSACTIONS, 1..4)) {
        let mut world = world();
        let mut state = world.genesis();
        for size in sizes {
            let transactions = world.ping_pong(size);
            let offered: Vec<_> = transactions.iter().collect();
            let proposal = world.environment.propose(&state, &offered).unwrap();
            prop_assert_eq!(proposal.included.len(), size);
            let body = proposal.block.body();
            prop_assert_eq!(&world.environment.apply_body(&state, body).unwrap(), &proposal.state);
            prop_assert_eq!(world.environment.body_digest(body).unwrap(), proposal.block.statement().body);
            state = proposal.state;
        }
    }
}

//! Blocks of records on a state of many notes, as whoever follows an environment applies them.

use bridge_core::AssetId;
use circuits_core::{
    Digest, F,
    amount::Amount,
    hash::{Domain, hash},
};
use environments_core::{Environment as _, EnvironmentId, kernel::ProducerSecret};
use environments_notes::{
    Notes,
    arrival::MAX_ARRIVALS,
    block::MAX_TRANSACTIONS,
    body::Body,
    config::{Genesis, GenesisAccount},
    record::Record,
    state::NotesState,
};
use plonky2::field::types::Field as _;

use super::{RUNS, Run, TRANSACTIONS, stored};
use crate::{
    error::BenchError,
    figures::{median, timed},
};

const CHAIN: u64 = 1;
const ENVIRONMENT: EnvironmentId = EnvironmentId(1);
const LABEL: Domain = Domain::new("benchno");
/// Labels of what the measured blocks make, which nothing else has.
const FRESH: u64 = 1 << 40;

pub(super) fn run(size: u32) -> Result<Run, BenchError> {
    let asset = AssetId::new(ENVIRONMENT.get(), 1).map_err(BenchError::blocks)?;
    let minimum_fee = Amount::new(1).map_err(BenchError::blocks)?;
    let account = |number| GenesisAccount {
        authorisation: label(number),
        salt: Digest::ZERO,
        vault: environments_notes::account::Vault::default(),
    };
    let genesis = Genesis {
        fee_asset: asset,
        fee_account: label(0),
        minimum_fee,
        network_minimum_fee: minimum_fee,
        accounts: (0..TRANSACTIONS as u64).map(account).collect(),
    };
    let secret = ProducerSecret::new(Digest::ZERO);
    let notes = Notes::new(CHAIN, ENVIRONMENT, secret, &genesis).map_err(BenchError::blocks)?;

    // Messages become notes at the least cost.
    let grow = || -> Result<_, BenchError> {
        let mut state = notes.genesis();
        let mut made = 0;
        while made < u64::from(size) {
            let next = (made + MAX_ARRIVALS as u64).min(size.into());
            let arrivals = (made..next).map(|number| label(FRESH / 2 + number)).collect();
            let body = Body { arrivals, ..Body::default() };
            state = notes.apply_body(&state, &body.encode()).map_err(BenchError::blocks)?;
            made = next;
        }
        Ok(state)
    };
    let state = grow()?;

    let ids: Vec<_> = genesis.accounts.iter().map(id).collect();
    let record = |number: usize| {
        let fresh = FRESH + 4 * number as u64;
        let first = |digest| move |index| if index == 0 { digest } else { Digest::ZERO };
        let nullifiers = std::array::from_fn(first(label(fresh)));
        let notes = std::array::from_fn(first(label(fresh + 1)));
        Record {
            account: ids[number],
            after: label(fresh + 2),
            nullifiers,
            notes,
            fee: F::ONE,
            network: F::ZERO,
        }
    };
    let records: Vec<_> = (0..TRANSACTIONS).map(record).collect();
    let bodies: Vec<_> = records
        .chunks(MAX_TRANSACTIONS)
        .map(|records| Body { records: records.to_vec(), ..Body::default() }.encode())
        .collect();
    let (mut seconds, mut after) = (vec![], state.clone());
    let block = |state: &_| {
        let apply = |state, body: &Vec<u8>| notes.apply_body(&state, body);
        bodies.iter().try_fold(NotesState::clone(state), apply).map_err(BenchError::blocks)
    };
    for _ in 0..RUNS {
        let (taken, applied) = timed(|| block(&state))?;
        seconds.push(taken);
        after = applied;
    }
    stored::run(&notes, &state, &after, median(&seconds), block)
}

fn id(account: &GenesisAccount) -> Digest {
    environments_notes::account::account_id(CHAIN, ENVIRONMENT, account.authorisation, account.salt)
}

fn label(number: u64) -> Digest {
    hash(LABEL, &[F::from_canonical_u64(number)])
}

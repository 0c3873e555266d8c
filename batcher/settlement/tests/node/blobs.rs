//! What is published: blobs from the job to a follower, and blobs that are not what they should be.

use std::{
    cell::{Cell, OnceCell, RefCell},
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use alloy_eips::eip4844::Blob;
use alloy_primitives::{B256, Bytes};
use batcher_settlement::{
    anchor::{Anchor, AnchorError},
    blob_source::{self, Beacon, BlobDirectory, BlobSource, Settlement, SourceError, Stated},
    blobs::{BlobError, Blobs, MAX_BLOBS, MAX_DATA_BYTES, MOST_READ_BLOBS},
    contract::Contract,
    data::{DataError, PAYLOAD_LIMIT, SuperblockData},
    fees::{Fees, OverCap},
    finalized::FinalizedError,
    follow::{L1FollowError, L1Follower},
    job::{Finality, Job, JobError, Policy, Progress, Waiting},
    journal::{Journal, Stage},
    rpc::Rpc,
    superblock::Superblock,
};
use batcher_verify::bundle::{BlockEntry, BundleError};
use bridge_core::lists::indices_digest;
use circuits_core::{Digest, hash::chain as hash_chain};
use circuits_files::file::{self, FileKind, FormatError};
use circuits_protocol::statement::{BODY_CHAIN, empty_list};
use serde_json::json;

use crate::{
    anvil::KEY,
    deployment::{CHAIN_ID, Deployment, IMPATIENT, POLICY, TIMEOUT, signer},
    proxy::{self, Fate},
    published::{Chain, bodies, bundle},
    support::{self, GOOD_PROOF},
};

pub(crate) fn rpc(deployment: &Deployment) -> Rpc {
    Rpc::new(&deployment.node.url(), TIMEOUT * 10).expect("an address")
}

/// A follower of the deployment that looks for blobs there.
pub(crate) fn follower<'a>(
    deployment: &Deployment,
    l1: &'a Rpc,
    sources: &'a [&'a dyn BlobSource],
) -> L1Follower<'a> {
    let contract = Contract { l1, address: deployment.deployed.settlement };
    L1Follower { contract, finality: Finality::Node, first_block: 0, sources, keep: None }
}

#[test]
fn what_is_settled_is_followed_with_nothing_but_l1() {
    let chain = Chain::new();
    let deployment = &chain.deployment;
    let _miner = deployment.miner();
    let journal = tempfile::tempdir().expect("a directory");
    let records = deployment.settle(&chain.superblocks(), journal.path()).expect("it settles");
    assert!(records.iter().all(|record| record.data.is_some() && record.attempts[0].fees.blob.is_some()));

    let l1 = rpc(deployment);
    let beacon = Beacon::new(&l1, &deployment.node.url(), blob_source::TIMEOUT).expect("an address");
    let kept = tempfile::tempdir().expect("a directory");
    let directory = BlobDirectory::new(&kept.path().join("blobs"));
    // At first the node has them, then nothing but the directory.
    let sources: [&[&dyn BlobSource]; 2] = [&[&directory, &beacon], &[&directory]];
    for sources in sources {
        let follower = L1Follower { keep: Some(&directory), ..follower(deployment, &l1, sources) };
        let settlements = follower.settlements(&chain.genesis).expect("all are final");
        assert_eq!(settlements.iter().map(|one| one.number).collect::<Vec<_>>(), [1, 2]);
        let mut state = chain.genesis.clone();
        for (settlement, link) in settlements.iter().zip(&chain.links) {
            let data = follower.read(settlement).expect("it was published");
            assert_eq!(data, link.data());
            let lengths: Vec<_> = data.bodies().map(|(_, body)| body.len()).collect();
            assert_eq!(lengths, [500 + settlement.number as usize; 2]);
            state = follower.next_state(&state, &data).expect("it continues the state");
            assert_eq!(state, link.state);
        }
        assert!(follower.settlements(&state).expect("L1 is there too").is_empty());
        assert_eq!(follower.settlements(&chain.links[0].state).expect("one is left"), settlements[1..]);
    }
    // The same contract is an anchor, and a node that leaves an event out is noticed.
    let address = deployment.deployed.settlement;
    let anchor = |l1, range| Anchor::read(&Contract { l1, address }, Finality::Node, 0, range, vec![]);
    let found = anchor(&l1, (1, 2)).expect("both are final");
    assert_eq!((found.trust.start.state, found.trust.registry.len()), (chain.genesis.commitment(), 2));
    let early = anchor(&l1, (2, 3)).expect_err("there is no third one");
    assert_eq!(early, AnchorError::NotSettled { settled: 2, number: 3 });
    let url = proxy::start(deployment.node.port, |method, _| match method {
        "eth_getLogs" => Fate::Answer(json!([])),
        _ => Fate::Pass,
    });
    let silent = Rpc::new(&url, TIMEOUT * 10).expect("an address");
    let missing = FinalizedError::NoEvent { number: 1 };
    assert_eq!(anchor(&silent, (1, 2)).expect_err("no event"), missing.clone().into());
    let error = follower(deployment, &silent, &[]).settlements(&chain.genesis).expect_err("no event");
    assert!(matches!(error, L1FollowError::Finalized(found) if found == missing));
}

#[test]
fn a_state_that_l1_did_not_settle_is_not_continued() {
    let chain = Chain::new();
    let deployment = &chain.deployment;
    let _miner = deployment.miner();
    let journal = tempfile::tempdir().expect("a directory");
    deployment.settle(&chain.superblocks()[..1], journal.path()).expect("it settles");
    let l1 = rpc(deployment);
    let follower = follower(deployment, &l1, &[]);
    let mut other = chain.links[0].state.clone();
    other.number = 0;
    let error = follower.settlements(&other).expect_err("another genesis");
    assert!(matches!(error, L1FollowError::OtherState { number: 0, .. }), "{error}");
    let error = follower.settlements(&chain.links[1].state).expect_err("L1 is behind");
    assert!(matches!(error, L1FollowError::Ahead { settled: 1, number: 2 }), "{error}");
    other.chain_id = 5;
    let error = follower.settlements(&other).expect_err("another chain");
    assert!(matches!(error, L1FollowError::OtherDeployment { found: 5, .. }), "{error}");
}

#[test]
fn what_was_settled_without_blobs_is_not_followed() {
    let chain = Chain::new();
    let deployment = &chain.deployment;
    let _miner = deployment.miner();
    let journal = tempfile::tempdir().expect("a directory");
    let silent = Superblock::of(&chain.links[0].bundle).expect("it fits");
    let records = deployment.settle(&[silent], journal.path()).expect("it settles");
    assert!(records[0].data.is_none() && records[0].attempts[0].fees.blob.is_none());
    let l1 = rpc(deployment);
    let follower = follower(deployment, &l1, &[]);
    let settlements = follower.settlements(&chain.genesis).expect("it is final");
    let error = follower.read(&settlements[0]).expect_err("there are no blobs");
    assert!(matches!(error, L1FollowError::NoBlobs { number: 1 }), "{error}");
}

/// The only file of data in a journal.
fn data_file(journal: &Path) -> std::path::PathBuf {
    let entries = std::fs::read_dir(journal).expect("a journal");
    let mut files = entries.map(|entry| entry.expect("a file").path());
    files.find(|path| path.extension().is_some_and(|extension| extension == "data")).expect("data")
}

/// Settles until the job reaches a stage.
fn settle_until(chain: &Chain, superblocks: &[Superblock], journal: &Path, end: Stage) {
    let (l1, signer) = (rpc(&chain.deployment), signer(KEY));
    let stop = AtomicBool::new(false);
    let listener = |progress: &Progress| {
        if matches!(progress, Progress::Reached { stage, .. } if *stage == end) {
            stop.store(true, Ordering::Relaxed);
        }
    };
    let job = Job {
        l1: &l1,
        chain_id: CHAIN_ID,
        contract: chain.deployment.deployed.settlement,
        signer: &signer,
        prover: &GOOD_PROOF,
        journal: &Journal::open(journal).expect("it is free"),
        policy: POLICY,
        listener: &listener,
        stop: &stop,
    };
    assert!(matches!(job.run(superblocks), Err(JobError::Stopped)));
}

#[test]
fn a_job_that_goes_on_sends_the_blobs_that_it_signed_for() {
    for end in [Stage::Proven, Stage::Signed, Stage::Sent] {
        let chain = Chain::new();
        let deployment = &chain.deployment;
        deployment.node.ask("evm_setAutomine", json!([false]));
        let journal = tempfile::tempdir().expect("a directory");
        settle_until(&chain, &chain.superblocks()[..1], journal.path(), end);
        let _miner = deployment.miner();
        // Asked to publish nothing now, it keeps to what was signed.
        let silent = Superblock::of(&chain.links[0].bundle).expect("it fits");
        let records = deployment.settle(&[silent], journal.path()).expect("it settles");
        let l1 = rpc(deployment);
        let beacon = Beacon::new(&l1, &deployment.node.url(), blob_source::TIMEOUT).expect("an address");
        let sources: [&dyn BlobSource; 1] = [&beacon];
        let follower = follower(deployment, &l1, &sources);
        let settlements = follower.settlements(&chain.genesis).expect("it is final");
        let published = match end {
            Stage::Proven => records[0].attempts.iter().any(|attempt| attempt.fees.blob.is_some()),
            _ => true,
        };
        assert_eq!(!settlements[0].hashes.is_empty(), published, "{end}");
        if published {
            assert_eq!(follower.read(&settlements[0]).expect("it was published"), chain.links[0].data());
        }
        assert_eq!(deployment.settlements(), [1]);
    }
}

#[test]
fn data_in_the_journal_that_was_changed_is_not_sent() {
    let chain = Chain::new();
    let journal = tempfile::tempdir().expect("a directory");
    chain.deployment.node.ask("evm_setAutomine", json!([false]));
    settle_until(&chain, &chain.superblocks()[..1], journal.path(), Stage::Sent);
    std::fs::write(data_file(journal.path()), b"other").expect("writable");
    // What nodes had is lost, and has to be handed over again.
    chain.deployment.node.ask("anvil_dropAllTransactions", json!([]));
    let silent = Superblock::of(&chain.links[0].bundle).expect("it fits");
    let error = chain.deployment.settle(&[silent], journal.path()).expect_err("other data");
    assert!(matches!(error, JobError::Journal(_)), "{error}");
    assert!(chain.deployment.settlements().is_empty());
    // Whoever has the data gives it again.
    let _miner = chain.deployment.miner();
    chain.deployment.settle(&chain.superblocks()[..1], journal.path()).expect("it is written again");
    assert_eq!(chain.deployment.settlements(), [1]);
}

#[test]
fn an_offer_for_blobs_is_replaced_by_twice_as_much_of_everything() {
    let chain = Chain::new();
    let deployment = &chain.deployment;
    deployment.node.ask("evm_setAutomine", json!([false]));
    let journal = tempfile::tempdir().expect("a directory");
    let (offers, sent, miner) = (RefCell::new(vec![]), Cell::new(0), OnceCell::new());
    let listener = |progress: &Progress| {
        if let Progress::Sending { fees, .. } = progress {
            offers.borrow_mut().push(*fees);
        }
        if matches!(progress, Progress::Reached { stage: Stage::Sent, .. }) {
            sent.set(sent.get() + 1);
            if sent.get() == 1 {
                deployment.node.ask("anvil_setNextBlockBaseFeePerGas", json!(["0x4a817c800"]));
                deployment.node.mine(1);
            } else {
                miner.get_or_init(|| deployment.miner());
            }
        }
    };
    let url = deployment.node.url();
    let superblocks = &chain.superblocks()[..1];
    deployment.settle_as(KEY, &url, superblocks, journal.path(), POLICY, &listener).expect("it settles");
    let offers = offers.into_inner();
    assert!(offers.len() >= 2, "{offers:?}");
    let all = |fees: Fees| [fees.max, fees.priority, fees.blob.expect("it has blobs")];
    let doubles =
        |pair: &[Fees]| all(pair[1]).iter().zip(all(pair[0])).all(|(now, before)| *now >= 2 * before);
    assert!(offers.windows(2).all(|pair| pair[0] == pair[1] || doubles(pair)), "{offers:?}");
    assert_eq!(deployment.settlements(), [1]);
}

#[test]
fn blobs_that_are_too_expensive_are_not_sent() {
    let chain = Chain::new();
    let journal = tempfile::tempdir().expect("a directory");
    let url = proxy::start(chain.deployment.node.port, |method, _| match method {
        "eth_blobBaseFee" => Fate::Answer(json!("0x174876e801")),
        _ => Fate::Pass,
    });
    let superblocks = &chain.superblocks()[..1];
    let settled = chain.deployment.settle_as(KEY, &url, superblocks, journal.path(), IMPATIENT, &|_| {});
    let error = settled.expect_err("blobs cost more than the cap");
    let is_over = matches!(&error, JobError::Patience { waiting: Waiting::Fee(OverCap::Blobs { .. }), .. });
    assert!(is_over, "{error}");
    assert!(chain.deployment.settlements().is_empty());
}

#[test]
fn a_network_without_blobs_ends_the_job_with_that_reason() {
    let chain = Chain::new();
    let journal = tempfile::tempdir().expect("a directory");
    let url = proxy::start(chain.deployment.node.port, |method, _| match method {
        "eth_blobBaseFee" => Fate::Refuse(-32601, "the method does not exist"),
        _ => Fate::Pass,
    });
    let policy = Policy { patience: POLICY.patience, ..IMPATIENT };
    let superblocks = &chain.superblocks()[..1];
    let settled = chain.deployment.settle_as(KEY, &url, superblocks, journal.path(), policy, &|_| {});
    let error = settled.expect_err("nothing can be published");
    assert!(matches!(error, JobError::NoBlobs { number: 1 }), "{error}");
}

#[test]
fn a_superblock_with_the_same_state_and_another_statement_publishes_its_own_data() {
    let chain = Chain::new();
    let deployment = &chain.deployment;
    deployment.node.ask("evm_setAutomine", json!([false]));
    let journal = tempfile::tempdir().expect("a directory");
    // Another body chain: the contract knows neither list.
    let mut statement = chain.links[0].bundle.statement().expect("ours");
    let mut blocks = chain.links[0].bundle.blocks.clone();
    blocks[0].body = support::digest(900);
    let elements = blocks.iter().map(BlockEntry::element).chain([indices_digest(&[])]);
    statement.body_chain =
        elements.fold(empty_list(), |digest, element| hash_chain(BODY_CHAIN, digest, element));
    let other = bundle(&statement, &blocks, &chain.links[0].bundle.messages, &[]);
    let data = SuperblockData::new(&other, None).expect("no bodies");
    let other = Superblock::of(&other).expect("it fits").with_data(&data).expect("it is its data");
    settle_until(&chain, &[other], journal.path(), Stage::Sent);
    // The node estimates on top of what waits, so what waits is lost.
    deployment.node.ask("anvil_dropAllTransactions", json!([]));
    let _miner = deployment.miner();
    let records = deployment.settle(&chain.superblocks()[..1], journal.path()).expect("it settles");
    assert!(records[0].attempts.iter().all(|attempt| attempt.fees.blob.is_some()));
    let l1 = rpc(deployment);
    let beacon = Beacon::new(&l1, &deployment.node.url(), blob_source::TIMEOUT).expect("an address");
    let sources: [&dyn BlobSource; 1] = [&beacon];
    let follower = follower(deployment, &l1, &sources);
    let settlements = follower.settlements(&chain.genesis).expect("it is final");
    assert_eq!(follower.read(&settlements[0]).expect("its own data"), chain.links[0].data());
}

#[test]
fn what_is_published_follows_the_callers_wish_unless_a_transaction_waits() {
    let chain = Chain::new();
    let deployment = &chain.deployment;
    deployment.node.ask("evm_setAutomine", json!([false]));
    let journal = tempfile::tempdir().expect("a directory");
    let silent = [Superblock::of(&chain.links[0].bundle).expect("it fits")];
    settle_until(&chain, &silent, journal.path(), Stage::Sent);
    // The transaction is lost, and another one takes its nonce.
    deployment.node.ask("anvil_dropAllTransactions", json!([]));
    let accounts = deployment.node.ask("eth_accounts", json!([]));
    let transfer = json!([{ "from": accounts[0], "to": accounts[1], "value": "0x1" }]);
    deployment.node.ask("eth_sendTransaction", transfer);
    deployment.node.mine(1);
    let _miner = deployment.miner();
    let records = deployment.settle(&chain.superblocks()[..1], journal.path()).expect("it settles");
    assert!(records[0].data.is_some());
    assert!(records[0].attempts.last().is_some_and(|last| last.fees.blob.is_some()));
}

#[test]
fn a_blob_that_was_spoilt_in_its_directory_is_written_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let kept = BlobDirectory::new(directory.path());
    let blobs = Blobs::of(b"data").expect("it fits");
    let path = directory.path().join(format!("{}.blob", blobs.hashes()[0]));
    for content in [vec![], vec![0; 131_072]] {
        std::fs::write(&path, content).expect("writable");
        kept.keep(blobs.hashes()[0], blobs.blobs()[0].as_slice()).expect("writable");
        assert_eq!(std::fs::read(&path).expect("readable"), blobs.blobs()[0].as_slice());
    }
}

#[test]
#[cfg(unix)]
fn a_blob_that_cannot_be_looked_at_is_not_taken_for_missing() {
    let directory = tempfile::tempdir().expect("a directory");
    let kept = BlobDirectory::new(directory.path());
    let blobs = Blobs::of(b"data").expect("it fits");
    // A link to itself leads nowhere, and is there.
    let path = directory.path().join(format!("{}.blob", blobs.hashes()[0]));
    std::os::unix::fs::symlink(&path, &path).expect("a link");
    for _ in 0..2 {
        let error = kept.keep(blobs.hashes()[0], blobs.blobs()[0].as_slice()).expect_err("it is not read");
        assert!(matches!(error, SourceError::File(_)), "{error}");
        let error = kept.blobs(&settlement(blobs.hashes())).expect_err("it is not read");
        assert!(matches!(error, SourceError::File(_)), "{error}");
    }
    assert!(path.is_symlink());
}

/// Gives these blobs, whatever it is asked for.
struct Given(Vec<Bytes>);

impl Given {
    fn of(blobs: &[Blob]) -> Self {
        Self(blobs.iter().map(|blob| Bytes::copy_from_slice(blob.as_slice())).collect())
    }
}

impl BlobSource for Given {
    fn blobs(&self, _: &Settlement) -> Result<Vec<Bytes>, SourceError> {
        Ok(self.0.clone())
    }
}

/// A settlement of superblock 1 with these blobs.
fn settlement(hashes: &[B256]) -> Settlement {
    Settlement {
        number: 1,
        block_number: 1,
        transaction: B256::ZERO,
        stated: Stated::default(),
        hashes: hashes.to_vec(),
    }
}

#[test]
fn blobs_that_do_not_hold_the_superblocks_data_are_refused() {
    let chain = Chain::new();
    let deployment = &chain.deployment;
    let _miner = deployment.miner();
    let journal = tempfile::tempdir().expect("a directory");
    deployment.settle(&chain.superblocks(), journal.path()).expect("it settles");
    let l1 = rpc(deployment);
    // What becomes of a superblock whose transaction had the blobs of these bytes.
    let read = |bytes: &[u8]| {
        let blobs = Blobs::of(bytes).expect("it fits");
        let given = Given::of(blobs.blobs());
        let sources: [&dyn BlobSource; 1] = [&given];
        follower(deployment, &l1, &sources).read(&settlement(blobs.hashes()))
    };
    let good = chain.links[0].data().encode().expect("it fits");
    assert_eq!(read(&good).expect("the data"), chain.links[0].data());
    // Another superblock of the same chain, which L1 settled too.
    let error = read(&chain.links[1].data().encode().expect("it fits")).expect_err("another one");
    assert!(
        matches!(error, L1FollowError::Data { source: DataError::OtherStatement { number: 2, .. }, .. }),
        "{error}"
    );
    let format = |error: L1FollowError| match error {
        L1FollowError::Data { number: 1, source: DataError::Format(error) } => error,
        other => panic!("{other}"),
    };
    let mut changed = good.clone();
    changed[0] ^= 1;
    assert_eq!(format(read(&changed).expect_err("another magic")), FormatError::Magic);
    let mut changed = good.clone();
    changed[12] ^= 1;
    assert!(matches!(format(read(&changed).expect_err("another length")), FormatError::Length { .. }));
    let trailing = [&good[..], &[0]].concat();
    assert!(matches!(format(read(&trailing).expect_err("one byte more")), FormatError::Length { .. }));
    assert!(matches!(format(read(&[]).expect_err("nothing")), FormatError::Short { found: 0 }));
    // The blobs that were asked for are missing, and others are there.
    let blobs = Blobs::of(&good).expect("it fits");
    let given = Given::of(Blobs::of(b"other").expect("it fits").blobs());
    let sources: [&dyn BlobSource; 1] = [&given];
    let follower = follower(deployment, &l1, &sources);
    let error = follower.read(&settlement(blobs.hashes())).expect_err("other blobs");
    assert!(matches!(error, L1FollowError::Missing { hash, .. } if hash == blobs.hashes()[0]), "{error}");
    // More than a transaction has today are looked for all the same.
    let error = follower.read(&settlement(&[B256::ZERO; MAX_BLOBS + 1])).expect_err("nobody has them");
    assert!(matches!(error, L1FollowError::Missing { .. }), "{error}");
    let error = follower.read(&settlement(&[B256::ZERO; MOST_READ_BLOBS + 1])).expect_err("too many");
    assert!(matches!(error, L1FollowError::TooMany { number: 1 }), "{error}");
}

#[test]
fn blobs_that_are_no_packed_bytes_are_refused() {
    let chain = Chain::new();
    let l1 = rpc(&chain.deployment);
    let mut blob = Blob::ZERO;
    blob[1..5].copy_from_slice(&u32::MAX.to_le_bytes());
    let hash = batcher_settlement::blobs::versioned_hash(blob.as_slice()).expect("it is in range");
    let given = Given::of(&[blob]);
    let sources: [&dyn BlobSource; 1] = [&given];
    let error = follower(&chain.deployment, &l1, &sources).read(&settlement(&[hash])).expect_err("too long");
    assert!(
        matches!(error, L1FollowError::Blobs { source: BlobError::TooLong { found: 0xffff_ffff, .. }, .. }),
        "{error}"
    );
}

#[test]
fn data_that_is_not_the_one_encoding_of_a_superblock_is_refused() {
    let chain = Chain::new();
    let [first, second] = &chain.links[..] else { panic!("there are two") };
    let statement = first.bundle.statement().expect("ours");
    let encode = |bundle: &batcher_verify::bundle::SuperblockBundle, bodies: &[Vec<u8>]| {
        file::encode(FileKind::SuperblockData, &(bundle, bodies), PAYLOAD_LIMIT).expect("small")
    };
    let decode = |bundle, bodies: &[Vec<u8>]| SuperblockData::decode(&encode(bundle, bodies));
    let stripped = first.data().superblock().clone();
    assert!(stripped.proof.is_empty() && decode(&stripped, &[]).is_ok());
    assert_eq!(decode(&first.bundle, &[]), Err(DataError::Proof(first.bundle.proof.len())));
    let one = DataError::Bodies { expected: 2, found: 1 };
    assert_eq!(decode(&stripped, &[vec![1]]), Err(one));
    // Lists that the statement does not commit to.
    let mut other = bundle(&statement, &first.bundle.blocks, &second.bundle.messages, &[]);
    (other.key, other.proof) = (Digest::ZERO, vec![]);
    let error = decode(&other, &[]).expect_err("other messages");
    assert!(matches!(error, DataError::Bundle(BundleError::Indices { .. })), "{error}");
    let mut other = bundle(&statement, &second.bundle.blocks, &first.bundle.messages, &[]);
    (other.key, other.proof) = (Digest::ZERO, vec![]);
    let error = decode(&other, &[]).expect_err("other blocks");
    assert!(matches!(error, DataError::Bundle(BundleError::Blocks { .. })), "{error}");
    // A list that says that it has 2^31 elements.
    let mut payload = vec![0; 32];
    payload.extend([0xff, 0xff, 0xff, 0xff, 0x07]);
    let error = SuperblockData::decode(&file::seal(FileKind::SuperblockData, &payload)).expect_err("no data");
    assert!(matches!(error, DataError::Format(_)), "{error}");
    // Another kind of file.
    let error = SuperblockData::decode(&first.bundle.encode().expect("small")).expect_err("a bundle");
    assert!(matches!(error, DataError::Format(FormatError::FileKind { .. })), "{error}");
    // Every byte counts.
    let good = first.data().encode().expect("small");
    for position in 0..good.len() {
        let mut changed = good.clone();
        changed[position] ^= 0x40;
        assert!(SuperblockData::decode(&changed).is_err(), "byte {position}");
    }
}

#[test]
fn data_is_published_with_its_own_superblock_only() {
    let chain = Chain::new();
    let [first, second] = &chain.links[..] else { panic!("there are two") };
    let error = Superblock::of(&first.bundle).expect("it fits").with_data(&second.data());
    assert!(matches!(error, Err(DataError::OtherStatement { number: 2, .. })));
    let error = SuperblockData::new(&first.bundle, Some(&second.bodies)).expect_err("other bodies");
    assert!(matches!(error, DataError::NoBody { height: 1, .. }), "{error}");
    assert_eq!(SuperblockData::new(&first.bundle, None).expect("no bodies").bodies().count(), 0);
}

#[test]
fn six_blobs_are_settled_and_more_are_refused_before_anything_is_signed() {
    let chain = Chain::new();
    let first = &chain.links[0];
    let plain = SuperblockData::new(&first.bundle, None).expect("no bodies").encode().expect("small").len();
    let with_bodies = |bytes: usize| {
        let data =
            SuperblockData::new(&first.bundle, Some(&bodies(&first.bundle, bytes))).expect("they are known");
        Superblock::of(&first.bundle).expect("it fits").with_data(&data)
    };
    // Two bodies of so many bytes each, with two lengths of three bytes.
    let most = (MAX_DATA_BYTES - plain - 6) / 2;
    let superblock = with_bodies(most).expect("six blobs hold it");
    assert_eq!(
        Blobs::of(superblock.data().expect("it has data")).expect("they do").hashes().len(),
        MAX_BLOBS
    );
    let error = with_bodies(most + 1).expect_err("a byte or two more");
    assert!(matches!(error, DataError::TooLong { .. }), "{error}");

    let deployment = &chain.deployment;
    let _miner = deployment.miner();
    let journal = tempfile::tempdir().expect("a directory");
    let policy = Policy { patience: TIMEOUT * 240, ..POLICY };
    let url = deployment.node.url();
    deployment.settle_as(KEY, &url, &[superblock], journal.path(), policy, &|_| {}).expect("it settles");
    let l1 = rpc(deployment);
    let beacon = Beacon::new(&l1, &url, blob_source::TIMEOUT).expect("an address");
    let sources: [&dyn BlobSource; 1] = [&beacon];
    let follower = follower(deployment, &l1, &sources);
    let settlements = follower.settlements(&chain.genesis).expect("it is final");
    assert_eq!(settlements[0].hashes.len(), MAX_BLOBS);
    let data = follower.read(&settlements[0]).expect("it was published");
    assert!(data.bodies().all(|(_, body)| body.len() == most));
}

#[test]
fn a_node_that_is_ahead_once_changes_nothing_of_what_was_signed() {
    let links = Chain::new().links;
    let superblock = || Superblock::of(&links[0].bundle).expect("it fits");
    let plain = SuperblockData::new(&links[0].bundle, None).expect("no bodies");
    let other = superblock().with_data(&plain).expect("its data");
    for again in [other, superblock()] {
        let chain = Chain::new();
        chain.deployment.node.ask("evm_setAutomine", json!([false]));
        let journal = tempfile::tempdir().expect("a directory");
        settle_until(&chain, &chain.superblocks()[..1], journal.path(), Stage::Signed);
        let before = std::fs::read(data_file(journal.path())).expect("data");
        let mut lies = 1;
        let url = proxy::start(chain.deployment.node.port, move |method, parameters| {
            if method == "eth_getTransactionCount" && parameters[1] == "latest" && lies > 0 {
                lies -= 1;
                return Fate::Change(|answer| *answer = json!("0xffff"));
            }
            Fate::Pass
        });
        let _miner = chain.deployment.miner();
        let records = chain.deployment.settle_as(KEY, &url, &[again], journal.path(), POLICY, &|_| {});
        assert!(records.expect("it settles")[0].data.is_some());
        assert_eq!(std::fs::read(data_file(journal.path())).expect("data"), before);
        let l1 = rpc(&chain.deployment);
        let beacon =
            Beacon::new(&l1, &chain.deployment.node.url(), blob_source::TIMEOUT).expect("an address");
        let sources: [&dyn BlobSource; 1] = [&beacon];
        let follower = follower(&chain.deployment, &l1, &sources);
        let settlements = follower.settlements(&chain.genesis).expect("it is final");
        assert_eq!(follower.read(&settlements[0]).expect("it was published"), chain.links[0].data());
    }
}

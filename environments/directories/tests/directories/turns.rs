//! When a follower turns to another chain, and which blocks are evidence against whom.

use std::{
    fs,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use circuits_core::F;
use circuits_files::faults;
use circuits_keys::CircuitCache;
use environments_conformance::{CHAIN_ID, id, secret};
use environments_core::{follower::FollowError, published::PublishedBlock};
use environments_directories::{
    Batched, FollowerDirectory, FollowerStatus, Looked, ProducerDirectory, Refusal, Rival,
};
use plonky2::field::types::Field as _;
use tempfile::TempDir;

use crate::{
    MAX_STEPS, alone, counter, files,
    follower::{assert_agree, open_follower, produce, rollback},
    open,
};

/// A producer at home, and a directory of published blocks in which is what a test copies there.
pub(crate) struct Published {
    home: TempDir,
    pub(crate) blocks: TempDir,
    pub(crate) producer: ProducerDirectory,
}

impl Published {
    /// A producer that has published this many blocks.
    pub(crate) fn new(count: u64) -> Self {
        let [home, blocks] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let mut producer = open(home.path()).unwrap();
        (1..=count).for_each(|add| produce(&mut producer, add));
        Self { home, blocks, producer }
    }

    /// A producer that has published this many blocks, and a follower that has looked at none, in a directory of its own.
    pub(crate) fn followed(count: u64) -> (Self, TempDir, FollowerDirectory) {
        let directory = tempfile::tempdir().unwrap();
        let follower = open_follower(directory.path()).unwrap();
        (Self::new(count), directory, follower)
    }

    pub(crate) fn copy(&self, file: &Path) -> PathBuf {
        let copy = self.blocks.path().join(file.file_name().unwrap());
        fs::copy(file, &copy).unwrap();
        copy
    }

    /// Copies all that is published.
    pub(crate) fn copy_all(&self) -> Vec<PathBuf> {
        files(&self.producer).iter().map(|file| self.copy(file)).collect()
    }

    /// Puts a block there that the producer has signed, with the states of one of its blocks turned into nothing that a body
    /// leads to: the state after it, and with `above` the one before it too. The name begins with `name`.
    pub(crate) fn forge(&self, name: &str, file: &Path, above: bool) -> PathBuf {
        let block = decode(file);
        let mut statement = *block.statement();
        statement.new_state.0.rotate_left(1);
        if above {
            statement.previous_state.0.rotate_left(1);
        }
        let (messages, body) = (block.messages().clone(), block.body().to_vec());
        let forged = PublishedBlock::sign(CHAIN_ID, statement, messages, body, secret(0)).unwrap();
        let path = self.blocks.path().join(format!("{name}-{}", forged.id()));
        fs::write(&path, forged.encode().unwrap()).unwrap();
        path
    }

    pub(crate) fn look(&self, follower: &mut FollowerDirectory, batched: Option<Batched>) -> Looked {
        follower.look(self.blocks.path(), batched).unwrap()
    }
}

pub(crate) fn decode(file: &Path) -> PublishedBlock {
    PublishedBlock::decode(&fs::read(file).unwrap()).unwrap()
}

/// The block of a file as a rival of another one of its producer.
pub(crate) fn rival(file: &Path) -> Rival {
    let block = decode(file);
    Rival { height: block.header().last_height, id: block.id(), producer: block.statement().producer }
}

pub(crate) fn paths(looked: &Looked) -> Vec<&PathBuf> {
    looked.refused.iter().map(|refused| &refused.path).collect()
}

#[test]
fn a_higher_chain_that_does_not_apply_takes_no_place() {
    let _alone = alone();
    let mut published = Published::new(3);
    let elsewhere = tempfile::tempdir().unwrap();
    let mut follower = open_follower(elsewhere.path()).unwrap();
    let copies = published.copy_all();
    published.look(&mut follower, None);
    let before = follower.commitment();
    // The copies are cleaned, so nothing leads on from where the forged chain begins.
    copies[1..].iter().for_each(|copy| fs::remove_file(copy).unwrap());
    produce(&mut published.producer, 4);
    let own = files(&published.producer);
    let first = published.forge("2", &own[1], false);
    let others = [published.forge("3", &own[2], true), published.forge("4", &own[3], true)];
    for _ in 0..2 {
        let looked = published.look(&mut follower, None);
        assert_eq!((looked.went_back, &looked.applied), (None, &vec![]));
        assert_eq!((follower.height(), follower.commitment()), (3, before));
        drop(follower);
        follower = open_follower(elsewhere.path()).unwrap();
    }
    let looked = published.look(&mut follower, None);
    assert_eq!(paths(&looked), [&first], "what is above leads nowhere");
    let reason = &looked.refused[0].reason;
    assert!(matches!(reason, Refusal::Follow(FollowError::OtherState { height: 2, .. })), "{reason}");
    // What does not apply is signed all the same.
    let rivals: Vec<_> = follower.rivals().collect();
    assert!([&first, &others[0]].iter().all(|file| rivals.contains(&rival(file))), "{rivals:?}");
    // What continues the chain in place is followed as ever.
    published.copy(&own[3]);
    assert_eq!(published.look(&mut follower, None).applied, [4]);
    assert_agree(&follower, &published.producer);
}

#[test]
fn a_chain_takes_the_place_as_far_as_it_applies_and_is_better() {
    let _alone = alone();
    let mut published = Published::new(3);
    let elsewhere = tempfile::tempdir().unwrap();
    let mut follower = open_follower(elsewhere.path()).unwrap();
    let old: Vec<_> = published.copy_all().iter().map(|file| rival(file)).collect();
    published.look(&mut follower, None);
    let before = follower.commitment();
    rollback(&mut published.producer, 2);
    (9..=12).for_each(|add| produce(&mut published.producer, add));
    let is_new = |file: &PathBuf| !old.contains(&rival(file));
    let new: Vec<_> = files(&published.producer).into_iter().filter(is_new).collect();
    let [second, third, fourth, fifth] = new.as_slice() else { panic!("{new:?}") };

    // As high as the chain in place, and a block above that does not apply.
    for file in [second, third] {
        published.copy(file);
    }
    let bad = published.forge("4", fourth, false);
    let looked = published.look(&mut follower, None);
    assert_eq!((looked.went_back, paths(&looked)), (None, vec![&bad]));
    assert_eq!(follower.commitment(), before);
    // A better block of that height is there too, and once more one that does not apply above it.
    let bad = published.forge("5", fifth, false);
    published.copy(fourth);
    let looked = published.look(&mut follower, None);
    assert_eq!((looked.went_back, &looked.applied), (Some(1), &vec![2, 3, 4]));
    assert_eq!(paths(&looked), [&bad]);
    assert_eq!(follower.state(4), Some(decode(fourth).statement().new_state));
    published.copy(fifth);
    assert_eq!(published.look(&mut follower, None).applied, [5]);
    assert_agree(&follower, &published.producer);
}

#[test]
fn a_turn_is_whole_and_names_what_it_leaves_though_its_files_are_gone() {
    let _alone = alone();
    let mut published = Published::new(3);
    let before = tempfile::tempdir().unwrap();
    let mut follower = open_follower(before.path()).unwrap();
    let copies = published.copy_all();
    let left = [rival(&copies[1]), rival(&copies[2])];
    published.look(&mut follower, None);
    let (old, batched) = (follower.commitment(), Batched { height: 1, state: follower.state(1).unwrap() });
    published.look(&mut follower, Some(batched));
    drop(follower);
    copies[1..].iter().for_each(|copy| fs::remove_file(copy).unwrap());
    rollback(&mut published.producer, 2);
    (9..=11).for_each(|add| produce(&mut published.producer, add));
    for file in files(&published.producer).iter().filter(|file| !left.contains(&rival(file))) {
        published.copy(file);
    }
    for durable in 0..MAX_STEPS {
        let directory = tempfile::tempdir().unwrap();
        fs::copy(before.path().join("follower.redb"), directory.path().join("follower.redb")).unwrap();
        let mut follower = open_follower(directory.path()).unwrap();
        faults::arm(durable);
        let looked = follower.look(published.blocks.path(), None);
        let is_stopped = faults::disarm();
        drop(follower);
        let follower = open_follower(directory.path()).unwrap();
        let has_turned = follower.height() == 4;
        assert!(
            has_turned || (follower.height(), follower.commitment()) == (3, old),
            "{durable}: {looked:?}"
        );
        let rivals: Vec<_> = follower.rivals().collect();
        assert_eq!(rivals, if has_turned { left.to_vec() } else { vec![] }, "{durable}: {looked:?}");
        assert_eq!(FollowerStatus::read(directory.path(), 0).unwrap().rivals, rivals);
        assert_eq!(follower.batched_height(), Some(1));
        if !is_stopped {
            assert_agree(&follower, &published.producer);
            assert_eq!(looked.unwrap().rivals, left);
            return;
        }
    }
    panic!("a look takes more than {MAX_STEPS} durable steps");
}

#[test]
fn two_producers_of_one_height_are_no_evidence_and_two_blocks_of_one_are() {
    let _alone = alone();
    let published = Published::new(2);
    let [at_home, elsewhere] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let cache = CircuitCache::default();
    let mut other =
        ProducerDirectory::open(at_home.path(), counter(CHAIN_ID, id(0), 1), secret(1), &cache).unwrap();
    let open_with = |producers: &[u64]| {
        let producers = producers.iter().map(|one| secret(*one).producer()).collect();
        FollowerDirectory::open(elsewhere.path(), counter(CHAIN_ID, id(0), 99).follower(), producers).unwrap()
    };
    let mut follower = open_with(&[0, 1]);
    published.copy_all();
    published.look(&mut follower, None);
    assert_agree(&follower, &published.producer);
    // Each has signed one block of height 1.
    produce(&mut other, 5);
    let theirs = rival(&published.copy(&files(&other)[0]));
    let looked = published.look(&mut follower, None);
    assert!(looked.rivals.is_empty() && looked.refused.is_empty(), "{looked:?}");
    // After a change of producers, the blocks of the first one stay and are still its own.
    drop(follower);
    let mut follower = open_with(&[1]);
    published.look(&mut follower, None);
    assert_agree(&follower, &published.producer);
    assert_eq!(follower.rivals().count(), 0);
    // The other one signs two blocks beside the chain.
    rollback(&mut other, 1);
    produce(&mut other, 6);
    let copies: Vec<_> = files(&other).iter().map(|file| published.copy(file)).collect();
    let [mut one, mut two] = [&copies[0], &copies[1]].map(|file| rival(file));
    if two < one {
        (one, two) = (two, one);
    }
    assert!([one, two].contains(&theirs) && one.producer == secret(1).commitment());
    assert_eq!(published.look(&mut follower, None).rivals, [one, two]);
    drop(follower);
    assert_eq!(open_with(&[0, 1]).rivals().collect::<Vec<_>>(), [one, two]);
}

#[test]
fn a_file_that_was_gone_for_a_while_is_looked_at_again() {
    let _alone = alone();
    let (published, _elsewhere, mut follower) = Published::followed(3);
    let copies = published.copy_all();
    let aside = [1, 2].map(|n: usize| (copies[n].clone(), published.home.path().join(format!("aside-{n}"))));
    let [second, third] = &aside;
    fs::rename(&second.0, &second.1).unwrap();
    assert_eq!(published.look(&mut follower, None).applied, [1]);
    fs::rename(&second.1, &second.0).unwrap();
    fs::rename(&third.0, &third.1).unwrap();
    let looked = published.look(&mut follower, None);
    assert_eq!((&looked.applied, looked.refused.len()), (&vec![2], 0));
    // It has the time and length that it had before.
    fs::rename(&third.1, &third.0).unwrap();
    assert_eq!(published.look(&mut follower, None).applied, [3]);
}

/// Pairs of choices among files that are tried, which the seed picks.
const CHOICES: u64 = 120;
const SEED: u64 = 27;

#[test]
fn whatever_files_there_are_a_follower_reaches_the_highest_chain_that_applies() {
    let _alone = alone();
    let mut published = Published::new(3);
    let old = files(&published.producer);
    rollback(&mut published.producer, 2);
    (9..=11).for_each(|add| produce(&mut published.producer, add));
    let new: Vec<_> = files(&published.producer).into_iter().filter(|file| !old.contains(file)).collect();
    let [first, second, third] = old.as_slice() else { panic!("{old:?}") };
    let chains = [vec![first, second, third], vec![first, &new[0], &new[1], &new[2]]];
    // Some do not apply themselves, others continue such blocks.
    let forged = [
        published.forge("2", second, false),
        published.forge("3", third, true),
        published.forge("4", &new[2], false),
        published.forge("5", &new[2], true),
    ];
    let all: Vec<_> =
        old.iter().chain(&new).chain(&forged).map(|file| (file, fs::read(file).unwrap())).collect();
    let choose = |chosen: u64| {
        for (n, (file, bytes)) in all.iter().enumerate() {
            let path = published.blocks.path().join(file.file_name().unwrap());
            if (chosen >> n) & 1 == 1 {
                fs::write(path, bytes).unwrap();
            } else if path.exists() {
                fs::remove_file(path).unwrap();
            }
        }
    };
    let states = chains
        .each_ref()
        .map(|chain| chain.iter().map(|file| decode(file).statement().new_state).collect::<Vec<_>>());
    // How high each chain leads from what is in place.
    let reached = |follower: &FollowerDirectory, chosen: u64, chain: usize| {
        let (mut height, states) = (0, &states[chain]);
        let is_there =
            |file: &PathBuf| all.iter().zip(0..).any(|((one, _), n)| *one == file && (chosen >> n) & 1 == 1);
        while states.get(height).is_some_and(|state| {
            follower.state(height as u32 + 1) == Some(*state) || is_there(chains[chain][height])
        }) {
            height += 1;
        }
        height as u32
    };
    let mut random = SEED;
    for _ in 0..CHOICES {
        let elsewhere = tempfile::tempdir().unwrap();
        let mut follower = open_follower(elsewhere.path()).unwrap();
        for reopens in [false, true, true] {
            // Knuth's generator; its high bits are the good ones.
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // The first block is there most of the time.
            let chosen = (random >> 40) | u64::from((random >> 36) & 7 != 0);
            choose(chosen);
            if reopens {
                drop(follower);
                follower = open_follower(elsewhere.path()).unwrap();
            }
            let before = (follower.height(), follower.commitment());
            let expected = [0, 1].map(|chain| reached(&follower, chosen, chain)).into_iter().max().unwrap();
            let looked = published.look(&mut follower, None);
            assert_eq!(follower.height(), expected.max(before.0), "{chosen:b}: {looked:?}");
            assert!(
                follower.height() > before.0 || follower.commitment() == before.1,
                "{chosen:b}: {looked:?}"
            );
            let known = states.iter().any(|states| states.contains(&follower.commitment()));
            assert!(expected == 0 || known, "{chosen:b}: {looked:?}");
        }
    }
}

/// Statements like one, with other states, of which nobody has bodies.
pub(crate) fn statements(of: &Path, count: u64) -> impl Iterator<Item = PublishedBlock> {
    let block = decode(of);
    (0..count).map(move |number| {
        let mut statement = *block.statement();
        statement.new_state.0[0] = F::from_canonical_u64(number);
        let (messages, body) = (block.messages().clone(), block.body().to_vec());
        PublishedBlock::sign(CHAIN_ID, statement, messages, body, secret(0)).unwrap()
    })
}

/// More notes than blocks that can be gone back.
const MANY: u64 = 1_030;
/// The most blocks of one producer and height that are tried, and that are noted as rivals.
pub(crate) const MAX_RIVALS: usize = 16;

#[test]
fn whatever_is_noted_blocks_are_followed_and_chains_that_superblocks_take() {
    let _alone = alone();
    let mut published = Published::new(3);
    let elsewhere = tempfile::tempdir().unwrap();
    let mut follower = open_follower(elsewhere.path()).unwrap();
    let last = published.copy_all().pop().unwrap();
    for block in statements(&last, MANY) {
        follower.note_proven(block.statement()).unwrap();
    }
    assert_eq!(published.look(&mut follower, None).applied, [1, 2, 3]);
    // Now as rivals, too.
    let others: Vec<_> = statements(&last, MANY).collect();
    for (number, block) in others.iter().enumerate() {
        fs::write(published.blocks.path().join(format!("rival-{number}")), block.encode().unwrap()).unwrap();
        if number % 100 == 0 {
            published.look(&mut follower, None);
        }
    }
    published.look(&mut follower, None);
    assert_eq!(follower.rivals().count(), MAX_RIVALS);
    drop(follower);
    let mut follower = open_follower(elsewhere.path()).unwrap();
    rollback(&mut published.producer, 2);
    (8..=12).for_each(|add| produce(&mut published.producer, add));
    published.copy_all();
    let statement = *published.producer.producer().statements().last().unwrap();
    let batched = Batched { height: published.producer.producer().height(), state: statement.new_state };
    let looked = published.look(&mut follower, Some(batched));
    assert_eq!((looked.went_back, looked.contradicts), (Some(1), false));
    assert_agree(&follower, &published.producer);
}

#[test]
fn a_second_block_in_the_file_of_the_first_is_seen() {
    let _alone = alone();
    let mut published = Published::new(1);
    let elsewhere = tempfile::tempdir().unwrap();
    let mut follower = open_follower(elsewhere.path()).unwrap();
    let first = files(&published.producer).remove(0);
    let copy = published.copy(&first);
    published.look(&mut follower, None);
    rollback(&mut published.producer, 1);
    produce(&mut published.producer, 1_000);
    let second = files(&published.producer).into_iter().find(|file| *file != first).unwrap();
    fs::copy(&second, &copy).unwrap();
    // A file's time may be as coarse as a clock's tick.
    fs::File::options().write(true).open(&copy).unwrap().set_modified(UNIX_EPOCH).unwrap();
    assert_eq!(published.look(&mut follower, None).rivals, [rival(&second)]);
}

#[test]
fn a_producer_whose_time_is_over_moves_no_follower_beyond_superblocks() {
    let _alone = alone();
    let mut published = Published::new(2);
    let elsewhere = tempfile::tempdir().unwrap();
    let other_home = tempfile::tempdir().unwrap();
    let cache = CircuitCache::default();
    let mut other =
        ProducerDirectory::open(other_home.path(), counter(CHAIN_ID, id(0), 1), secret(1), &cache).unwrap();
    let follower = counter(CHAIN_ID, id(0), 99).follower();
    let producers = vec![secret(0).producer(), secret(1).producer()];
    let mut follower = FollowerDirectory::open(elsewhere.path(), follower, producers).unwrap();
    published.copy_all();
    assert_eq!(published.look(&mut follower, None).applied, [1, 2]);
    // Superblocks have the first block, and take no further one of its producer.
    let first = published.producer.producer().statements()[0];
    let batched = Batched { height: 1, state: first.new_state };
    follower.set_over([secret(0).commitment()].into());
    (5..=7).for_each(|add| produce(&mut published.producer, add));
    published.copy_all();
    let looked = published.look(&mut follower, Some(batched));
    assert_eq!((looked.applied, looked.went_back, follower.height()), (vec![], None, 2));
    // The other one goes on from there, lower than what is lost.
    produce(&mut other, 1);
    assert_eq!(other.producer().statements()[0].new_state, first.new_state, "the same block of another");
    produce(&mut other, 9);
    let file = files(&other).pop().unwrap();
    fs::copy(&file, published.blocks.path().join("of-the-other")).unwrap();
    let looked = published.look(&mut follower, Some(batched));
    assert_eq!((looked.applied, looked.went_back), (vec![2], Some(1)));
    assert_agree(&follower, &other);
}

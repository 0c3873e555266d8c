//! Blocks that a producer signs beside its chain: which are tried, and which stay known.

use std::{fs, os::unix::fs::symlink, time::UNIX_EPOCH};

use circuits_keys::CircuitCache;
use environments_conformance::{CHAIN_ID, id, secret};
use environments_core::published::PublishedBlock;
use environments_directories::{FollowerDirectory, ProducerDirectory};

use crate::{
    alone, counter, files,
    follower::{assert_agree, produce, rollback},
    turns::{MAX_RIVALS, Published, decode, paths, rival, statements},
};

#[test]
fn a_block_that_does_not_apply_is_tried_once_whatever_files_have_it() {
    let _alone = alone();
    let (published, _elsewhere, mut follower) = Published::followed(2);
    let own = files(&published.producer);
    published.copy(&own[0]);
    let bad = published.forge("2", &own[1], false);
    let looked = published.look(&mut follower, None);
    assert_eq!((&looked.applied, paths(&looked)), (&vec![1], vec![&bad]));
    fs::copy(&bad, published.blocks.path().join("copy")).unwrap();
    fs::File::options().write(true).open(&bad).unwrap().set_modified(UNIX_EPOCH).unwrap();
    let looked = published.look(&mut follower, None);
    assert!(looked.refused.is_empty() && looked.applied.is_empty(), "{looked:?}");
    published.copy(&own[1]);
    assert_eq!(published.look(&mut follower, None).applied, [2]);
}

#[test]
fn whoever_signs_many_blocks_of_a_height_is_followed_all_the_same() {
    let _alone = alone();
    let (published, _elsewhere, mut follower) = Published::followed(3);
    let own = files(&published.producer);
    published.copy(&own[0]);
    for (number, block) in statements(&own[1], 3 * MAX_RIVALS as u64).enumerate() {
        fs::write(published.blocks.path().join(format!("0-{number}")), block.encode().unwrap()).unwrap();
    }
    let looked = published.look(&mut follower, None);
    assert_eq!((&looked.applied, looked.refused.len()), (&vec![1], 3 * MAX_RIVALS));
    own.iter().for_each(|file| drop(published.copy(file)));
    assert_eq!(published.look(&mut follower, None).applied, [2, 3]);
    assert!(follower.rivals().filter(|rival| rival.height == 2).count() <= MAX_RIVALS);
    assert_agree(&follower, &published.producer);
}

#[test]
fn a_file_that_cannot_be_read_is_read_again_although_it_has_not_changed() {
    let _alone = alone();
    let (published, _elsewhere, mut follower) = Published::followed(2);
    published.copy_all();
    // It has length and time as what it will lead to.
    let away = tempfile::tempdir().unwrap();
    let (path, kept) = (published.copy(&files(&published.producer)[0]), away.path().join("kept"));
    fs::rename(&path, &kept).unwrap();
    symlink(&path, &path).unwrap();
    let looked = published.look(&mut follower, None);
    assert_eq!((paths(&looked), &looked.applied), (vec![&path], &vec![]));
    assert!(published.look(&mut follower, None).refused.is_empty(), "it is told once");
    fs::remove_file(&path).unwrap();
    fs::rename(&kept, &path).unwrap();
    assert_eq!(published.look(&mut follower, None).applied, [1, 2]);
}

#[test]
fn another_body_in_a_signed_block_is_refused_and_keeps_nobody_from_following_it() {
    let _alone = alone();
    let (published, _elsewhere, mut follower) = Published::followed(2);
    let own = files(&published.producer);
    published.copy(&own[0]);
    let block = decode(&own[1]);
    let (statement, messages) = (*block.statement(), block.messages().clone());
    let others = [decode(&own[0]).body().to_vec(), b"junk".to_vec()];
    let others = others.map(|body| {
        let other = PublishedBlock::sign(CHAIN_ID, statement, messages.clone(), body, secret(0)).unwrap();
        let path = published.blocks.path().join(format!("0-{}", other.body().len()));
        fs::write(&path, other.encode().unwrap()).unwrap();
        path
    });
    let looked = published.look(&mut follower, None);
    assert_eq!((&looked.applied, looked.refused.len()), (&vec![1], 2));
    assert!(others.iter().all(|path| paths(&looked).contains(&path)), "{looked:?}");
    published.copy(&own[1]);
    let looked = published.look(&mut follower, None);
    assert_eq!((looked.applied, looked.rivals), (vec![2], vec![]));
    assert_agree(&follower, &published.producer);
}

#[test]
fn a_signed_block_whose_file_is_gone_is_evidence_after_a_restart() {
    let _alone = alone();
    let mut published = Published::new(1);
    let [at_home, elsewhere] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let cache = CircuitCache::default();
    let mut other =
        ProducerDirectory::open(at_home.path(), counter(CHAIN_ID, id(0), 1), secret(1), &cache).unwrap();
    let open_again = || {
        let producers = [0, 1].map(|one| secret(one).producer()).to_vec();
        FollowerDirectory::open(elsewhere.path(), counter(CHAIN_ID, id(0), 99).follower(), producers).unwrap()
    };
    let mut follower = open_again();
    published.copy_all();
    published.look(&mut follower, None);
    // One block beside the chain, and one above it, which continues none that is there.
    produce(&mut other, 5);
    produce(&mut other, 6);
    let mut expected = vec![];
    for file in files(&other) {
        let copy = published.copy(&file);
        let looked = published.look(&mut follower, None);
        assert!(looked.rivals.is_empty() && looked.applied.is_empty(), "{looked:?}");
        fs::remove_file(&copy).unwrap();
        expected.push(rival(&file));
    }
    published.look(&mut follower, None);
    drop(follower);
    let mut follower = open_again();
    produce(&mut published.producer, 2);
    published.copy_all();
    assert_eq!(published.look(&mut follower, None).applied, [2]);
    rollback(&mut other, 1);
    produce(&mut other, 7);
    produce(&mut other, 8);
    for file in files(&other) {
        if !expected.contains(&rival(&file)) {
            expected.push(rival(&published.copy(&file)));
        }
    }
    expected.sort();
    assert_eq!(expected.len(), 4);
    assert_eq!(published.look(&mut follower, None).rivals, expected);
}

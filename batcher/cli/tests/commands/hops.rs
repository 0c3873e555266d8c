//! Hops of superblocks: the recorded one in files, whole and damaged.

use std::{fs, path::PathBuf};

use batcher_hop::{HopProof, file};
use circuits_core::F;
use plonky2::field::types::Field as _;
use serde_json::Value;
use tempfile::TempDir;

use crate::counters::{json, superblock, text};

/// The recorded hop in a file, and its answer.
fn recorded() -> (TempDir, PathBuf, Value) {
    let recorded: Value =
        serde_json::from_str(include_str!("../../../hop/tests/hop/fixture.json")).expect("well-formed");
    let bytes = |field: &str| {
        let text = recorded[field].as_str().expect("a text").trim_start_matches("0x").to_owned();
        hex::decode(text).expect("hexadecimal")
    };
    let elements = recorded["public_inputs"].as_array().expect("a list").iter();
    let public_inputs: Vec<F> = elements
        .map(|element| F::from_canonical_u64(element.as_str().expect("a text").parse().expect("a number")))
        .collect();
    let digest = bytes("outer_digest").try_into().expect("32 bytes");
    let hop = HopProof::from_calldata(digest, &bytes("proof"), &public_inputs).expect("well-formed");
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("superblock-000001.superblock.hop");
    file::write(&path, &hop).expect("writable");
    (directory, path, recorded)
}

#[test]
fn a_hop_is_verified_alone_and_shown() {
    let (_directory, path, recorded) = recorded();
    let answer = json(&superblock(&["verify", text(&path), "--json"]), 0);
    let hop = &answer["hops"][0];
    assert_eq!((&hop["number"], &hop["outer_digest"]), (&Value::from(1), &recorded["outer_digest"]));
    let shown = json(&superblock(&["inspect", text(&path), "--json"]), 0);
    assert_eq!(shown["kind"], "superblock hop");
    assert_eq!(shown["content"]["calldata_bytes"], hop["calldata_bytes"]);
    assert_eq!(shown["content"]["statement"]["new_state"], hop["new_state"]);
}

#[test]
fn a_damaged_hop_is_refused_and_one_of_another_statement_is_invalid() {
    let (_directory, path, _) = recorded();
    let whole = fs::read(&path).expect("readable");
    fs::write(&path, &whole[..whole.len() - 1]).expect("writable");
    json(&superblock(&["verify", text(&path), "--json"]), 3);
    // Another number of a superblock, sealed anew.
    let (kind, payload) = circuits_files::file::open(&whole).expect("well-formed");
    let mut payload = payload.to_vec();
    let number = 32 + 2 + 8;
    assert_eq!(payload[number], 1);
    payload[number] = 2;
    fs::write(&path, circuits_files::file::seal(kind, &payload)).expect("writable");
    let answer = json(&superblock(&["verify", text(&path), "--json"]), 1);
    assert!(answer["error"].as_str().expect("a text").contains("does not verify"), "{answer}");
    // Another key.
    payload[number] = 1;
    payload[0] ^= 1;
    fs::write(&path, circuits_files::file::seal(kind, &payload)).expect("writable");
    let answer = json(&superblock(&["verify", text(&path), "--json"]), 3);
    assert!(answer["error"].as_str().expect("a text").contains("this program's is"), "{answer}");
}

#[test]
fn a_hop_is_no_superblock() {
    let (directory, path, _) = recorded();
    json(&superblock(&["hop", text(&path), "--json"]), 3);
    let renamed = directory.path().join("hop.superblock");
    fs::copy(&path, &renamed).expect("copied");
    json(&superblock(&["verify", text(&renamed), "--json"]), 3);
    // With something to compare it with, there must be superblocks.
    json(&superblock(&["verify", text(&path), "--deposits", text(&renamed), "--json"]), 3);
}

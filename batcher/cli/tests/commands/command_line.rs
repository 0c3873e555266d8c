//! The binary as its users call it: exit codes, one JSON object on stdout, files that a next command reads.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use batcher_job::states::States;
use circuits_forging::fixtures::cache;
use environments_conformance::secret;
use environments_core::EnvironmentId;
use environments_notes::{
    emission::Emission,
    fixtures::{World, emission},
};
use serde_json::Value;

use crate::{
    counters::{CHAIN_ID, json, run, superblock, text, write_scenario},
    registry::SIGNING_KEY,
};

/// Two counters, two superblocks with a block of each, made by `superblock run`.
static RUN: LazyLock<(tempfile::TempDir, Value)> = LazyLock::new(|| {
    let directory = tempfile::tempdir().expect("a directory");
    write_scenario(directory.path(), 2);
    let answer = json(&run(directory.path()), 0);
    (directory, answer)
});

/// The output directory of that run, which tests leave as it is.
pub(crate) fn out() -> PathBuf {
    RUN.0.path().join("out")
}

pub(crate) fn bundle(number: u32) -> PathBuf {
    out().join(format!("superblocks/superblock-{number:06}.superblock"))
}

#[test]
fn a_second_run_of_the_same_scenario_proves_nothing_again_and_ends_in_the_same_state() {
    let first = &RUN.1;
    assert_eq!(first["ok"], true);
    let before = fs::read(bundle(2)).expect("written");
    let again = json(&run(RUN.0.path()), 0);
    assert_eq!(again["ok"], true);
    assert_eq!(fs::read(bundle(2)).expect("still there"), before, "a proof made is not made again");
}

#[test]
fn verify_is_anchored_by_a_trust_file_only() {
    let trust = out().join("trust.toml");
    let (first, second) = (bundle(1), bundle(2));
    let anchored = superblock(&["verify", text(&first), text(&second), "--trust", text(&trust), "--json"]);
    assert_eq!(json(&anchored, 0)["anchored"], true);
    let relative = json(&superblock(&["verify", text(&first), text(&second), "--json"]), 0);
    assert_eq!(relative["anchored"], false);
    // The root that the answer is relative to is the registry file's.
    let registry = out().join("registry.superblock");
    let root = json(&superblock(&["registry", "root", text(&registry), "--json"]), 0);
    assert_eq!(relative["relative_to"]["registry_roots"][0], root["root"]);
}

#[test]
fn deposits_are_compared_with_a_queue_or_its_digest_and_the_answer_says_whether() {
    let (first, trust) = (bundle(1), out().join("trust.toml"));
    let root = tempfile::tempdir().expect("a directory");
    let queue = root.path().join("queue");
    let of_deployment = |chain_id: u64| format!("{{\"deployment\": {chain_id}}}\n");
    fs::write(&queue, of_deployment(CHAIN_ID)).expect("writable");
    let call = |extra: &[&str], code| {
        json(&superblock(&[&["verify", text(&first), "--json"], extra].concat()), code)["deposits_checked"]
            .clone()
    };
    assert_eq!(call(&["--trust", text(&trust)], 0), false);
    // Nothing is taken from the queue here, so nothing is compared, whatever it is.
    assert_eq!(call(&["--deposits", text(&queue)], 0), false);
    let theirs = fs::read_to_string(&trust).expect("written by run");
    let mine = root.path().join("trust.toml");
    let position = format!("l1_queue = {{ digest = \"0x{}\", length = 1 }}", "01".repeat(32));
    fs::write(&mine, format!("{position}\n{theirs}")).expect("writable");
    assert_eq!(call(&["--trust", text(&mine)], 0), false);
    let malformed = position.replace("0x", "");
    fs::write(&mine, format!("{malformed}\n{theirs}")).expect("writable");
    assert_eq!(call(&["--trust", text(&mine)], 3), Value::Null);
    // The queue is that of the deployment.
    fs::write(&queue, of_deployment(CHAIN_ID + 1)).expect("writable");
    assert_eq!(call(&["--deposits", text(&queue)], 3), Value::Null);
}

#[test]
fn superblocks_that_do_not_chain_are_invalid() {
    let (first, second) = (bundle(1), bundle(2));
    let twice = superblock(&["verify", text(&first), text(&first), "--json"]);
    assert_eq!(json(&twice, 1)["ok"], false);
    // Without superblock 1, superblock 2 does not start where the trust file says.
    let trust = out().join("trust.toml");
    let dropped = superblock(&["verify", text(&second), "--trust", text(&trust), "--json"]);
    assert_eq!(json(&dropped, 1)["ok"], false);
}

#[test]
fn a_trust_file_of_another_deployment_or_start_is_refused() {
    let theirs = fs::read_to_string(out().join("trust.toml")).expect("written by run");
    let chain = format!("chain_id = {CHAIN_ID}");
    let start = theirs.lines().find(|line| line.starts_with("state")).expect("part of the start");
    let other_start = format!("state = \"{}\"", "01".repeat(32));
    for (mine, other) in [(chain.as_str(), "chain_id = 78"), (start, other_start.as_str())] {
        assert!(theirs.contains(mine));
        let changed = RUN.0.path().join("other-trust.toml");
        fs::write(&changed, theirs.replace(mine, other)).expect("writable");
        let output = superblock(&["verify", text(&bundle(1)), "--trust", text(&changed), "--json"]);
        assert_eq!(json(&output, 1)["ok"], false);
    }
}

#[test]
fn keys_that_the_program_hands_over_are_accepted_up_to_their_last_superblock() {
    let theirs = fs::read_to_string(out().join("trust.toml")).expect("written by run");
    let keys = theirs.lines().find(|line| line.starts_with("keys = ")).expect("a list");
    let mine = RUN.0.path().join("older-trust.toml");
    let verify = |last: &str, code| {
        let call = ["pins", "older-keys", "--valid-until", last];
        let printed = superblock(&call);
        assert_eq!(printed.status.code(), Some(0));
        let older = String::from_utf8(printed.stdout).expect("text");
        let listed = json(&superblock(&[&call[..], &["--json"]].concat()), 0)["older_key"].clone();
        assert_eq!(older.matches("[[older_key]]").count(), listed.as_array().expect("a list").len());
        fs::write(&mine, format!("{}\n{older}", theirs.replace(keys, "keys = []"))).expect("writable");
        let output =
            superblock(&["verify", text(&bundle(1)), text(&bundle(2)), "--trust", text(&mine), "--json"]);
        json(&output, code)
    };
    assert_eq!(verify("2", 0)["anchored"], true);
    let error = verify("1", 1)["error"].to_string();
    assert!(error.contains("superblock 2: key is ") && error.contains("up to superblock 1"), "{error}");
}

#[test]
fn a_truncated_file_is_rejected_by_name() {
    let bytes = fs::read(bundle(1)).expect("written");
    let truncated = RUN.0.path().join("truncated.superblock");
    fs::write(&truncated, &bytes[..bytes.len() / 2]).expect("writable");
    let output = superblock(&["verify", text(&truncated)]);
    assert_eq!(output.status.code(), Some(3));
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains("truncated.superblock"), "{message}");
}

#[test]
fn what_lies_in_a_hops_place_and_is_none_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let (copied, junk) = (directory.path().join("a.superblock"), directory.path().join("a.superblock.hop"));
    fs::copy(bundle(1), &copied).unwrap();
    fs::write(&junk, "junk").unwrap();
    let answer = json(&superblock(&["hop", text(&copied), "--json"]), 3);
    assert!(answer["error"].as_str().unwrap().starts_with(text(&junk)), "{answer}");
    assert_eq!(fs::read(&junk).unwrap(), b"junk");
}

#[test]
fn batch_takes_the_good_blocks_and_names_the_bad_one() {
    let root = tempfile::tempdir().expect("a directory");
    let blocks = root.path().join("blocks");
    fs::create_dir(&blocks).expect("writable");
    for entry in fs::read_dir(out().join("blocks/000001")).expect("written by run") {
        let path = entry.expect("readable").path();
        fs::copy(&path, blocks.join(path.file_name().expect("a file"))).expect("writable");
    }
    fs::write(blocks.join("junk.block"), b"not a block").expect("writable");
    let registry = out().join("registry.superblock");
    let chain = CHAIN_ID.to_string();
    let call = |name: &str, extra: &[&str]| {
        let (state, made) = (root.path().join(name).join("state"), root.path().join(name));
        let mut arguments =
            vec!["batch", "--blocks", text(&blocks), "--state", text(&state), "--out", text(&made)];
        arguments.extend(["--registry", text(&registry), "--genesis", &chain, "--json", "--quiet"]);
        arguments.extend(extra);
        superblock(&arguments)
    };
    let made = root.path().join("lenient");
    let answer = json(&call("lenient", &[]), 0);
    assert_eq!(answer["ok"], true);
    assert!(answer.to_string().contains("junk.block"), "{answer}");
    // The same blocks in the same order make the same statement, whoever batches them.
    let inspect = |path: &Path| {
        let content = json(&superblock(&["inspect", text(path), "--json"]), 0)["content"].clone();
        assert!(content["statement"]["new_state"].is_string(), "{content}");
        content["statement"].clone()
    };
    let mine = fs::read_dir(&made)
        .expect("written")
        .map(|entry| entry.expect("readable").path())
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("superblock-")))
        .expect("a superblock was made");
    assert_eq!(inspect(&mine), inspect(&bundle(1)));
    // Strictly, the refused file is a failure, and the superblock is made all the same.
    json(&call("strict", &["--strict"]), 1);
    assert!(root.path().join("strict/state").exists());
    // A second call has nothing left to batch.
    assert_eq!(call("lenient", &[]).status.code(), Some(3));
}

#[test]
fn wrong_usage_and_missing_files_have_their_own_codes() {
    assert_eq!(superblock(&["verify", "--no-such-flag"]).status.code(), Some(2));
    assert_eq!(superblock(&["inspect", "no-such-file"]).status.code(), Some(3));
    let completions = superblock(&["completions", "bash"]);
    assert_eq!(completions.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&completions.stdout).contains("superblock"));
}

#[test]
fn security_speaks_of_every_pinned_circuit() {
    let answer = json(&superblock(&["security", "--json"]), 0);
    let circuits = answer["circuits"].as_array().expect("a list");
    for name in ["counter-kernel", "counter-kernel-wrap", "notes-transaction-local", "segment-leaf-3"] {
        assert!(circuits.iter().any(|circuit| circuit["name"] == name), "{name} is missing");
    }
    let weakest = &answer["weakest"];
    let named = circuits.iter().find(|circuit| circuit["name"] == weakest["name"]).expect("a circuit");
    let rounds = ["permutation", "lookup", "combination", "evaluation", "batching", "folding", "queries"];
    let bits = |circuit: &Value| {
        let bits = rounds.iter().filter_map(|&round| circuit[round].as_f64());
        bits.min_by(f64::total_cmp).expect("a round")
    };
    assert_eq!(weakest["proven"].as_f64(), Some(bits(named)));
    assert!(circuits.iter().all(|circuit| bits(circuit) >= bits(named)), "{weakest} is not the weakest");
    let text = superblock(&["security"]).stdout;
    let text = String::from_utf8(text).expect("text");
    let last = text.lines().last().expect("the weakest");
    let name = weakest["name"].as_str().expect("text");
    assert!(last.starts_with("weakest: ") && last.contains(name), "{last}");
    assert!(last.ends_with("; 100 are required") && answer["required"] == 100.0, "{last}");
}

#[test]
fn a_registry_grows_by_commands_and_a_gap_needs_force() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("registry.superblock");
    let file = text(&path);
    let call = |arguments: &[&str], code| json(&superblock(&[arguments, &["--json"]].concat()), code);
    let empty = call(&["registry", "make", file, "--chain-id", "5"], 0)["root"].clone();
    call(&["registry", "make", file, "--chain-id", "5"], 3);

    let [state, producer, first, second] = ["01", "02", "03", "04"].map(|byte| byte.repeat(32));
    let known = ["registry", "add", file, "--environment", "7"];
    let kernel = format!("{first}:1:9");
    let new = [
        "--genesis-state",
        &state,
        "--producer",
        &producer,
        "--signing-key",
        SIGNING_KEY,
        "--kernel",
        &kernel,
    ];
    call(&[&known[..], &["--kernel", kernel.as_str()]].concat(), 3);
    let added = call(&[&known[..], &new].concat(), 0);
    assert_ne!(added["root"], empty);
    assert_eq!(call(&["registry", "root", file], 0)["root"], added["root"]);
    call(&[&known[..], &new].concat(), 3);

    // The first kernel ends with superblock 5, the second one starts with 8.
    let later = format!("{second}:8");
    let gap = [&known[..], &["--end-earlier", "5", "--kernel", later.as_str()]].concat();
    call(&gap, 3);
    assert_eq!(call(&["registry", "list", file], 0)["root"], added["root"], "an error changes nothing");
    call(&[&gap[..], &["--force"]].concat(), 0);
    let listed = call(&["registry", "list", file], 0);
    let kernels = listed["environments"][1]["entry"]["kernels"].as_array().expect("a list").len();
    assert_eq!((listed["environments"][1]["id"].as_u64(), kernels), (Some(7), 2));
    assert_eq!(call(&["inspect", file], 0)["content"]["root"], listed["root"]);
}

#[test]
fn inspect_shows_what_a_transaction_claims() {
    let id = EnvironmentId::new(5).expect("not 0");
    let mut world = World::new(CHAIN_ID, id, secret(0));
    let send = Emission { asset: world.asset(1), ..emission(1, 30) };
    let pay = world.request_with(0, &[], vec![world.payment(1, 0, 5)], Some(send), 1);
    let notes = world.notes(&pay);
    let bundle =
        world.environment.prove_transaction(cache(), &world.genesis(), &pay).expect("a valid request");
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("payment.transaction");
    fs::write(&path, bundle.bytes()).expect("writable");

    let answer = json(&superblock(&["inspect", text(&path), "--json"]), 0);
    let (content, statement) = (&answer["content"], &answer["content"]["statement"]);
    assert_eq!(content["kernel"], "notes-transaction-local");
    assert_eq!(statement["chain_id"], CHAIN_ID);
    assert_eq!(statement["environment"], 5);
    assert_eq!((&statement["fee"], &statement["fee_asset"]), (&3.into(), &"5:1".into()));
    assert_eq!(statement["minimum_fee"], 1);
    assert_eq!(statement["notes"], serde_json::json!([notes[0].commitment()]));
    let message = pay.message(world.environment.deployment()).expect("it sends one");
    assert_eq!(statement["message"], serde_json::json!(message.hash()));
    assert_eq!(content["message"], serde_json::to_value(&message).expect("JSON"));
    assert_eq!(statement["nullifiers"], serde_json::json!([]));
    let people = superblock(&["inspect", text(&path)]);
    let shown = String::from_utf8_lossy(&people.stdout).into_owned();
    assert!(
        shown.contains("fee_asset: 5:1") && shown.contains(&notes[0].commitment().to_string()),
        "{shown}"
    );
}

#[test]
fn a_file_beyond_its_limit_ends_with_its_own_code() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("large.superblock");
    let file = fs::File::create(&path).expect("writable");
    // More than a bundle has with its header; and more than a trust file has, which is what a file without one
    // could be.
    for (length, commands) in
        [(circuits_files::file::BUNDLE_LIMIT + 4096, &["inspect", "verify"][..]), (2 << 20, &["inspect"][..])]
    {
        file.set_len(length).expect("a sparse file");
        for command in commands {
            let answer = json(&superblock(&[command, text(&path), "--json"]), 5);
            assert!(
                answer["error"].as_str().is_some_and(|error| error.contains("large.superblock")),
                "{answer}"
            );
        }
    }
}

#[test]
fn two_processes_do_not_work_in_one_directory() {
    let directory = tempfile::tempdir().expect("a directory");
    write_scenario(directory.path(), 1);
    let state = directory.path().join("out/state");
    let lock = States::open(&state, Some(CHAIN_ID)).expect("nobody else is here");
    let answer = json(&run(directory.path()), 4);
    assert!(answer["error"].as_str().is_some_and(|error| error.contains("another process")), "{answer}");
    drop(lock);
}

#[test]
fn a_completion_script_is_json_too() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let answer = json(&superblock(&["completions", shell, "--json"]), 0);
        assert_eq!(answer["ok"], true);
        assert!(answer["script"].as_str().is_some_and(|script| script.contains("superblock")), "{shell}");
    }
}

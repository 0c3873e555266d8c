//! `superblock account` as its users call it.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
};

use circuits_protocol::registry::EnvironmentId;
use environments_accounts::{address::Address, key::SecretKey, transaction::SignedTransaction};
use serde_json::{Value, json};

const CHAIN_ID: u64 = 77;

fn superblock(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_superblock"))
        .args(["--json"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    // A command that refuses its key does not read its input.
    let _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
    child.wait_with_output().expect("the binary ends")
}

fn answer(output: &Output, code: i32) -> Value {
    assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("paths of tests are text")
}

fn line(sender: &Value) -> String {
    let to = Address::default();
    json!({
        "sender": sender, "nonce": 3, "fee": 2, "deadline": 9,
        "actions": [{ "transfer": { "to": to, "asset": "1:1", "amount": 5 } }],
    })
    .to_string()
}

#[test]
fn a_generated_key_is_its_owners_alone_and_is_never_overwritten() {
    let root = tempfile::tempdir().expect("a directory");
    let file = root.path().join("alice.key");
    let made = answer(&superblock(&["account", "keygen", text(&file)], ""), 0);
    let secret = fs::read_to_string(&file).expect("written");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&file).expect("written").permissions().mode() & 0o777, 0o600);
    }
    assert!(!made.to_string().contains(secret.trim()), "the answer does not show the key");
    let again = superblock(&["account", "keygen", text(&file)], "");
    assert_eq!(answer(&again, 3)["ok"], false);
    assert_eq!(fs::read_to_string(&file).expect("still there"), secret);
    let shown = answer(&superblock(&["account", "address", text(&file)], ""), 0);
    assert_eq!(shown, made);
    let public = made["public_key"].as_str().expect("text");
    assert_eq!(answer(&superblock(&["account", "address", "--public", public], ""), 0), made);
}

#[test]
fn signed_lines_are_those_that_the_library_signs() {
    let root = tempfile::tempdir().expect("a directory");
    let (file, out) = (root.path().join("key"), root.path().join("signed.jsonl"));
    let sender = answer(&superblock(&["account", "keygen", text(&file)], ""), 0)["address"].clone();
    let input = format!("{}\n\n{}\n", line(&sender), line(&sender).replace("\"nonce\":3", "\"nonce\":4"));
    let mut arguments =
        vec!["account", "sign", "--key", text(&file), "--chain-id", "77", "--environment", "2"];
    let printed = answer(&superblock(&arguments, &input), 0);
    arguments.extend(["--out", text(&out)]);
    assert_eq!(answer(&superblock(&arguments, &input), 0)["transactions"], 2);

    let key: SecretKey = fs::read_to_string(&file).expect("written").trim().parse().expect("a key");
    let written = fs::read_to_string(&out).expect("written");
    let printed = printed["transactions"].as_array().expect("a list");
    for ((written, printed), nonce) in written.lines().zip(printed).zip([3, 4]) {
        let signed: SignedTransaction = serde_json::from_str(written).expect("a signed transaction");
        assert_eq!(serde_json::to_value(&signed).expect("JSON"), *printed);
        assert_eq!(signed.transaction.nonce, nonce);
        let environment = EnvironmentId::new(2).expect("not L1");
        assert_eq!(key.sign(signed.transaction.clone(), CHAIN_ID, environment).expect("signs"), signed);
        signed.signed(CHAIN_ID, environment).verify().expect("holds");
    }
}

#[test]
fn a_line_that_is_not_the_keys_transaction_stops_the_signing() {
    let root = tempfile::tempdir().expect("a directory");
    let (file, out) = (root.path().join("key"), root.path().join("signed.jsonl"));
    let sender = answer(&superblock(&["account", "keygen", text(&file)], ""), 0)["address"].clone();
    let good = line(&sender);
    for (bad, reason) in [
        ("{}".to_owned(), "not a transaction"),
        (line(&json!(Address::default())), "the sender is"),
        (good.replace("\"amount\":5", "\"amount\":0"), "amount 0"),
    ] {
        let input = format!("{good}\n{bad}\n");
        let arguments = [
            "account",
            "sign",
            "--key",
            text(&file),
            "--chain-id",
            "77",
            "--environment",
            "2",
            "--out",
            text(&out),
        ];
        let refused = answer(&superblock(&arguments, &input), 3);
        let message = refused["error"].as_str().expect("text");
        assert!(message.contains("line 2") && message.contains(reason), "{message}");
        assert!(!out.exists());
    }
    fs::write(&file, "0".repeat(64)).expect("writable");
    let arguments = ["account", "sign", "--key", text(&file), "--chain-id", "77", "--environment", "2"];
    answer(&superblock(&arguments, &good), 3);
}

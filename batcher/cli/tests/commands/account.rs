//! `superblock account` as its users call it.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
};

use circuits_protocol::registry::EnvironmentId;
use environments_accounts::{
    address::Address,
    key::SecretKey,
    transaction::{SignedTransaction, Transaction},
    typed_data::{InOrder, Settlement, SigningDomain, typed_data},
};
use serde_json::{Value, json};

const CONTRACT: &str = "0x5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f";
/// The domain of every signature here.
pub(crate) const DOMAIN: [&str; 6] = ["--environment", "2", "--l1-chain-id", "31337", "--contract", CONTRACT];

fn domain() -> SigningDomain {
    let settlement = Settlement { chain_id: 31_337, contract: CONTRACT.parse().expect("an address") };
    SigningDomain { settlement, environment: EnvironmentId(2) }
}

/// Runs the binary with `input` on its standard input.
pub(crate) fn superblock(arguments: &[&str], input: &str) -> Output {
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

pub(crate) fn answer(output: &Output, code: i32) -> Value {
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
    let address = made["address"].as_str().expect("text");
    let mut named = answer(&superblock(&["account", "address", "--address", address], ""), 0);
    named["public_key"] = made["public_key"].clone();
    assert_eq!(named, made);
}

#[test]
fn signed_lines_are_those_that_the_library_signs() {
    let root = tempfile::tempdir().expect("a directory");
    let (file, out) = (root.path().join("key"), root.path().join("signed.jsonl"));
    let sender = answer(&superblock(&["account", "keygen", text(&file)], ""), 0)["address"].clone();
    let input = format!("{}\n\n{}\n", line(&sender), line(&sender).replace("\"nonce\":3", "\"nonce\":4"));
    let mut arguments = [&["account", "sign", "--key", text(&file)][..], &DOMAIN].concat();
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
        assert_eq!(key.sign(signed.transaction.clone(), &domain()).expect("signs"), signed);
        assert_eq!(signed.recover(&domain()), Ok(key.public_key()));
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
        let arguments =
            [&["account", "sign", "--key", text(&file), "--out", text(&out)][..], &DOMAIN].concat();
        let refused = answer(&superblock(&arguments, &input), 3);
        let message = refused["error"].as_str().expect("text");
        assert!(message.contains("line 2") && message.contains(reason), "{message}");
        assert!(!out.exists());
    }
    fs::write(&file, "0".repeat(64)).expect("writable");
    let arguments = [&["account", "sign", "--key", text(&file)][..], &DOMAIN].concat();
    answer(&superblock(&arguments, &good), 3);
}

/// A key, and a transaction of its account.
fn signer() -> (SecretKey, Transaction) {
    let key = SecretKey::from_bytes(&[7; 32]).expect("a key");
    let transaction = serde_json::from_str(&line(&json!(key.address()))).expect("a transaction");
    (key, transaction)
}

/// The answer to `account attach` with one signature and these further arguments.
fn attach(line: &str, signature: &str, further: &[&str], code: i32) -> Value {
    let arguments = [&["account", "attach", "--signature", signature][..], further, &DOMAIN].concat();
    answer(&superblock(&arguments, line), code)
}

#[test]
fn a_signature_from_elsewhere_is_attached_to_the_transaction_or_to_what_the_wallet_was_shown() {
    let (key, transaction) = signer();
    let arguments = [&["account", "typed-data"][..], &DOMAIN].concat();
    let line = json!(transaction).to_string();
    let shown = answer(&superblock(&arguments, &line), 0)["transactions"][0].clone();
    assert_eq!(shown, typed_data(&domain(), &transaction));
    // Wallets show members in the order of the text, so an answer in JSON and a file keep that of the types. A file has one
    // line for each transaction.
    let output = superblock(&arguments, &line);
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(printed.contains(&InOrder(&shown).to_string()), "{printed}");
    let file = tempfile::NamedTempFile::new().expect("a file");
    let written = [&arguments[..], &["--out", text(file.path())]].concat();
    answer(&superblock(&written, &line), 0);
    let written = fs::read_to_string(file.path()).expect("written");
    assert_eq!(serde_json::from_str::<Value>(&written).expect("JSON"), shown);
    assert!(written.find("nonce").expect("there") < written.find("action1").expect("there"), "{written}");
    let signed = key.sign(transaction, &domain()).expect("signs");
    let (signature, sender) = (signed.signature.to_string(), key.address().to_string());
    let named = ["--sender", &sender];
    for (line, further) in [(&line, &[][..]), (&line, &named[..]), (&shown.to_string(), &named[..])] {
        assert_eq!(attach(line, &signature, further, 0)["transactions"], json!([signed]));
    }
}

#[test]
fn a_signature_by_somebody_else_or_for_something_else_is_noticed_on_typed_data_too() {
    let (key, transaction) = signer();
    let (line, shown) = (json!(transaction).to_string(), typed_data(&domain(), &transaction).to_string());
    let other_key = SecretKey::from_bytes(&[8; 32]).expect("a key");
    let (sender, other) = (key.address().to_string(), other_key.address().to_string());
    let refused = |line: &str, signature: &str, further: &[&str], parts: &[&str]| {
        let error = attach(line, signature, further, 3)["error"].as_str().expect("text").to_owned();
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    };
    let signature = key.sign(transaction.clone(), &domain()).expect("signs").signature.to_string();
    // Who signed is not taken for the sender.
    refused(&shown, &signature, &[], &["line 1", "--sender"]);
    refused(&shown, &signature, &["--sender", &other], &[&sender, &other]);
    refused(&line, &signature, &["--sender", &other], &[&sender, &other]);
    // The signature is for another environment: it is somebody's, but not the sender's.
    let elsewhere = SigningDomain { environment: EnvironmentId(3), ..domain() };
    let elsewhere = key.sign(transaction, &elsewhere).expect("signs").signature.to_string();
    refused(&shown, &elsewhere, &["--sender", &sender], &[&sender, "another transaction, environment"]);
}

#[test]
fn what_is_wrong_with_a_signature_from_elsewhere_is_named() {
    let (key, transaction) = signer();
    let line = json!(transaction).to_string();
    let signature = key.sign(transaction.clone(), &domain()).expect("signs").signature.to_string();
    let refused = |line: &str, signature: &str, code, reason: &str| {
        let sender = ["--sender", &key.address().to_string()];
        let further = if line.contains("primaryType") { &sender[..] } else { &[] };
        let error = attach(line, signature, further, code)["error"].as_str().expect("text").to_owned();
        assert!(error.contains(reason), "{error}");
    };
    // The domain and the fields are in what is signed.
    let settlement = domain().settlement;
    let other = SigningDomain { settlement: Settlement { chain_id: 1, ..settlement }, ..domain() };
    let elsewhere = key.sign(transaction.clone(), &other).expect("signs").signature.to_string();
    refused(&line, &elsewhere, 3, "another transaction, environment or deployment");
    refused(&line.replace("\"nonce\":3", "\"nonce\":4"), &signature, 3, "another transaction");
    refused(&typed_data(&other, &transaction).to_string(), &elsewhere, 3, "the chain id is 1, not 31337");
    // Numbers that no signature has.
    let zero = format!("0x{}1b", "00".repeat(64));
    refused(&line, &zero, 3, "r");
    refused("{}", &signature, 3, "line 1: not a transaction");
    refused(&format!("{line}\n{line}"), &signature, 3, "2 transactions and 1 signatures");
    // What is none does not pass the arguments.
    for none in [&signature[..130], &format!("{}1d", &signature[..130]), "0x"] {
        let arguments = [&["account", "attach", "--signature", none][..], &DOMAIN].concat();
        assert_eq!(superblock(&arguments, &line).status.code(), Some(2), "{none}");
    }
}

//! The contracts on a real node, from the command line. No superblock is settled here: a proof for L1 takes a minute, and
//! `.ci/settle-on-anvil` settles those of the README.

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    anvil::{Anvil, KEY},
    counters::{json, superblock, text},
};

/// The commands of one account on one node.
struct Account {
    node: Anvil,
    directory: tempfile::TempDir,
}

impl Account {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        fs::write(directory.path().join("key"), KEY).expect("writable");
        Self { node: Anvil::start(&[]), directory }
    }

    fn path(&self, name: &str) -> String {
        text(&self.directory.path().join(name)).to_owned()
    }

    /// Calls a command that asks L1.
    fn ask(&self, arguments: &[&str], code: i32) -> Value {
        let url = self.node.url();
        let arguments =
            [&["l1"], arguments, &["--l1", url.as_str(), "--l1-chain-id", "31337", "--json", "--quiet"]]
                .concat();
        json(&superblock(&arguments), code)
    }

    /// Calls a command that sends transactions.
    fn send(&self, arguments: &[&str], code: i32) -> Value {
        let key = self.path("key");
        self.ask(&[arguments, &["--key-file", key.as_str(), "--poll", "20"]].concat(), code)
    }

    /// Does something that ends when a block is final.
    fn while_mining<T>(&self, act: impl FnOnce() -> T) -> T {
        struct Done<'a>(&'a AtomicBool);
        impl Drop for Done<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    self.node.mine(1);
                    thread::sleep(Duration::from_millis(100));
                }
            });
            let _done = Done(&done);
            act()
        })
    }

    /// Deploys the contracts, and returns the settlement contract's address.
    fn deploy(&self) -> String {
        let predicted = self.send(&["deploy", "--predict"], 0);
        let (id, registry) = (predicted["deployment"].to_string(), self.path("registry"));
        let made = ["registry", "make", registry.as_str(), "--chain-id", id.as_str(), "--json"];
        json(&superblock(&made), 0);
        let journal = self.path("journal");
        let deploy = ["deploy", "--registry", registry.as_str(), "--journal", journal.as_str()];
        let deployed = self.while_mining(|| self.send(&deploy, 0));
        assert_eq!(self.send(&deploy, 0), deployed, "everything is there");
        assert_eq!(
            [&deployed["deployment"], &deployed["settlement"]],
            [&predicted["deployment"], &predicted["settlement"]]
        );
        deployed["settlement"].as_str().expect("an address").to_owned()
    }
}

#[test]
fn contracts_are_deployed_and_take_deposits_that_a_queue_file_has_once_they_are_final() {
    let account = Account::new();
    let contract = account.deploy();
    let contract = ["--contract", contract.as_str()];
    let status = account.ask(&[&["status"][..], &contract].concat(), 0);
    assert_eq!(
        [&status["number"], &status["deposits"], &status["paused"]],
        [&json!(0), &json!(0), &json!([])]
    );

    let record = account.path("record");
    let deposit = |environment, code| {
        let order =
            ["deposit", "--amount", "500000000", "--environment", environment, "--record", record.as_str()];
        let recipient = ["--recipient", "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"];
        account.send(&[&order[..], &recipient, &contract].concat(), code)
    };
    let refused = deposit("0", 3);
    assert_eq!(refused["error"], "the contract reverts: DestinationIsL1");
    let made = deposit("2", 0);
    assert!(made["transaction"].is_string() && made["earlier"] == false, "{made}");
    // Whoever was cut off repeats the command, and makes no second deposit.
    let again = deposit("2", 0);
    assert!(again["transaction"] == made["transaction"] && again["earlier"] == true, "{again}");

    let queue = account.path("queue.jsonl");
    let watch = || account.ask(&[&["watch", "--out", queue.as_str()][..], &contract].concat(), 0);
    assert_eq!(watch()["queue"]["length"], 0, "it is not final");
    account.node.mine(3);
    assert_eq!(watch()["queue"]["length"], 1);
    let lines = fs::read_to_string(&queue).expect("written");
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines[0], json!({ "deployment": status["deployment"] }));
    assert_eq!((lines.len(), &lines[1]["amount"]), (2, &json!(500_000_000)));
    assert_eq!(lines[1]["depositor"], "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266");

    // Only what this queue was is replaced.
    fs::write(&queue, "notes of mine").expect("writable");
    let kept = account.ask(&[&["watch", "--out", queue.as_str()][..], &contract].concat(), 3);
    assert!(
        kept["error"].as_str().is_some_and(|error| error.starts_with("the file is not replaced: ")),
        "{kept}"
    );
    assert_eq!(fs::read_to_string(&queue).expect("readable"), "notes of mine");

    let early = account.send(&[&["claim", "--superblock", "1"][..], &contract].concat(), 4);
    assert_eq!(early["error"], "L1 has settled up to superblock 0, not superblock 1");
}

/// Longer than `l1 deploy` lets deposits wait before anybody may cut the queue, in seconds.
const AFTER_CUT_AGE: u64 = 31 * 86_400;
/// The key of the node's second account.
const OTHER_KEY: &str = "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";

#[test]
fn deposits_that_nobody_takes_are_cut_and_come_back() {
    let account = Account::new();
    let contract = account.deploy();
    let contract = ["--contract", contract.as_str()];
    let own = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266";
    for record in ["first", "second"] {
        let record = account.path(record);
        let order = ["deposit", "--amount", "500000000", "--environment", "2", "--record", record.as_str()];
        account.send(&[&order[..], &["--recipient", own], &contract].concat(), 0);
    }
    let call = |arguments: &[&str], code| account.send(&[arguments, &contract].concat(), code);
    let error = |arguments: &[&str], code| call(arguments, code)["error"].as_str().expect("text").to_owned();
    // A superblock may take them yet.
    let early = error(&["cut"], 4);
    assert!(early.starts_with("the contract reverts: CutTooEarly { allowedAt: "), "{early}");
    assert_eq!(call(&["withdraw"], 0)["deposits"], json!([]));
    assert_eq!(error(&["withdraw", "--deposit", "0:0"], 3), "deposit 0:0 was not cut from the queue");

    let queue = account.path("queue.jsonl");
    let queue_length = || {
        account.node.mine(3);
        let watch = ["watch", "--out", queue.as_str()];
        account.ask(&[&watch[..], &contract].concat(), 0)["queue"]["length"].clone()
    };
    assert_eq!(queue_length(), 2);

    account.node.ask("evm_increaseTime", json!([AFTER_CUT_AGE]));
    account.node.mine(1);
    let cut = call(&["cut"], 0);
    assert_eq!([&cut["generation"], &cut["from"], &cut["to"]], [&json!(0), &json!(0), &json!(2)]);
    assert_eq!(error(&["cut"], 3), "the contract reverts: NothingToCut");
    assert_eq!(queue_length(), 0, "they leave the file too");
    let file = fs::read_to_string(&queue).expect("written");
    let header: Value = serde_json::from_str(file.trim()).expect("only the header is left");
    assert_eq!(header["generation"], 1);

    let (receiver, zero) = (format!("0x{}", "77".repeat(20)), format!("0x{}", "00".repeat(20)));
    let balance = |address: &str| {
        let balance = account.node.ask("eth_getBalance", json!([address, "latest"]));
        u128::from_str_radix(&balance.as_str().expect("a number")[2..], 16).expect("hexadecimal")
    };
    // Somebody else can have the depositor paid, and nobody else.
    fs::write(account.path("key"), OTHER_KEY).expect("writable");
    let refused = error(&["withdraw", "--depositor", own, "--to", receiver.as_str()], 3);
    assert!(refused.starts_with("deposit 0:0 is one of 0xf39F"), "{refused}");
    assert!(refused.contains("alone names another receiver"), "{refused}");
    assert_eq!(call(&["withdraw"], 0)["deposits"], json!([]), "it has made none");
    let before = balance(own);
    let paid = call(&["withdraw", "--deposit", "0:1"], 0);
    assert_eq!(balance(own) - before, 5_000_000_000_000_000_000);
    assert!(paid["deposits"][0]["outcome"]["paid"].is_string(), "{paid}");
    let unknown = error(&["withdraw", "--deposit", "0:2"], 4);
    assert_eq!(unknown, "the node tells of no deposit 0:2 in the blocks that were searched");

    fs::write(account.path("key"), KEY).expect("writable");
    call(&["withdraw", "--to", receiver.as_str()], 0);
    assert_eq!(balance(&receiver), 5_000_000_000_000_000_000);
    let again = call(&["withdraw"], 0);
    let outcomes = again["deposits"].as_array().expect("a list").iter().map(|one| &one["outcome"]);
    assert_eq!(outcomes.collect::<Vec<_>>(), [&json!("paid-earlier"); 2]);
    let url = account.node.url();
    let nowhere = ["l1", "withdraw", "--to", zero.as_str(), "--key-file", "key", "--l1", url.as_str()];
    let output = superblock(&[&nowhere[..], &["--l1-chain-id", "31337"], &contract].concat());
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_mistyped_address_is_refused_by_its_checksum() {
    let mistyped = "0x5FbDB2315678afecb367f032d93F642f64180aA3";
    let network = ["--l1", "http://127.0.0.1:9", "--l1-chain-id", "1", "--json"];
    for command in [
        vec!["l1", "status", "--contract", mistyped],
        vec!["l1", "deploy", "--registry", "r", "--journal", "j", "--key-file", "k", "--admin", mistyped],
        vec!["l1", "deploy", "--registry", "r", "--journal", "j", "--key-file", "k", "--batcher", mistyped],
        vec!["verify", "none", "--contract", mistyped],
    ] {
        let output = superblock(&[&command[..], &network].concat());
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains("not the checksum of this address"), "{error}");
    }
}

#[test]
fn a_registry_of_another_deployment_is_not_deployed() {
    let account = Account::new();
    let registry = account.path("registry");
    json(&superblock(&["registry", "make", registry.as_str(), "--chain-id", "5", "--json"]), 0);
    let journal = account.path("journal");
    let deploy = ["deploy", "--registry", registry.as_str(), "--journal", journal.as_str()];
    let refused = account.send(&deploy, 3);
    let expected = "the registry is not that of deployment 2212840405466451118: make it with this chain id";
    assert_eq!(refused["error"], expected);
}

#[test]
fn a_node_of_another_network_is_refused() {
    let account = Account::new();
    let (url, key) = (account.node.url(), account.path("key"));
    let arguments = ["l1", "deploy", "--predict", "--l1", url.as_str(), "--key-file", key.as_str(), "--json"];
    let refused = json(&superblock(&[&arguments[..], &["--l1-chain-id", "1"]].concat()), 3);
    assert_eq!(refused["error"], "the node is on the network with chain id 31337, expected 1");
}

#[test]
fn where_no_contract_is_the_answer_says_so() {
    let account = Account::new();
    let nowhere = "0x0000000000000000000000000000000000001234";
    let error = account.ask(&["status", "--contract", nowhere], 3)["error"].clone();
    assert!(error.as_str().is_some_and(|error| error.contains("no settlement contract at 0x")), "{error}");
}

#[test]
fn neither_a_nodes_address_nor_a_key_is_repeated() {
    let account = Account::new();
    let secret = "c4b6".repeat(16);
    fs::write(account.directory.path().join("key"), format!("{secret}x")).expect("writable");
    let refused = account.send(&["deploy", "--predict"], 3)["error"].to_string();
    assert!(refused.contains("a key file holds") && !refused.contains("c4b6"), "{refused}");
    let away = format!("http://127.0.0.1:9/{secret}");
    let contract = "0x0000000000000000000000000000000000001234";
    let status = ["l1", "status", "--l1", away.as_str(), "--contract", contract, "--l1-chain-id", "1"];
    let refused = json(&superblock(&[&status[..], &["--json"]].concat()), 4)["error"].to_string();
    assert!(refused.contains("no connection") && !refused.contains("c4b6"), "{refused}");
}

#[test]
fn a_keystore_is_opened_with_its_password_only() {
    let account = Account::new();
    // The published test vector of Web3 secret storage, with PBKDF2.
    let keystore = r#"{"crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":"6087dab2f9fdbbfaddc31a909735c1e6"},
        "ciphertext":"5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46","kdf":"pbkdf2",
        "kdfparams":{"c":262144,"dklen":32,"prf":"hmac-sha256",
        "salt":"ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"},
        "mac":"517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2"},
        "id":"3198bc9c-6672-5ab3-d995-4942343ae5b6","version":3}"#;
    fs::write(account.directory.path().join("keystore"), keystore).expect("writable");
    for (password, code) in [("testpassword\n", 0), ("otherpassword\n", 3)] {
        fs::write(account.directory.path().join("password"), password).expect("writable");
        let (store, word) = (account.path("keystore"), account.path("password"));
        let signer = ["--keystore", store.as_str(), "--password-file", word.as_str()];
        let answer = account.ask(&[&["deploy", "--predict"][..], &signer].concat(), code);
        assert!(!answer.to_string().contains("password\\n"), "{answer}");
        assert_eq!(answer["settlement"].is_string(), code == 0);
    }
    let both = ["deploy", "--predict", "--key-file", "key", "--keystore", "store", "--password-file", "word"];
    let url = account.node.url();
    let arguments = [&["l1"], &both[..], &["--l1", url.as_str(), "--l1-chain-id", "31337"]].concat();
    assert_eq!(superblock(&arguments).status.code(), Some(2));
    assert_eq!(
        superblock(&["l1", "deploy", "--predict", "--l1", url.as_str(), "--l1-chain-id", "31337"])
            .status
            .code(),
        Some(2)
    );
}

#[test]
fn accounts_that_sign_for_another_contract_are_not_settled_on_the_embedded_l1() {
    let directory = tempfile::tempdir().expect("a directory");
    let scenario = format!(
        "superblocks = 1\n[[environments]]\nid = 2\nkind = \"accounts\"\nproducer_secret = \"{:064}\"\n\
         genesis = {{ settlement = {{ chain_id = 1, contract = \"0x{}\" }} }}\ntransactions = \"none.jsonl\"\n",
        2,
        "12".repeat(20)
    );
    let path = directory.path().join("scenario.toml");
    fs::write(&path, scenario).expect("writable");
    let out = directory.path().join("out");
    let run = ["run", "--scenario", text(&path), "--out", text(&out), "--json"];
    let refused = json(&superblock(&run), 3)["error"].clone();
    let expected = "environment 2: its accounts sign for contract 0x1212121212121212121212121212121212121212 on network 1, \
        the embedded L1 has contract 0x5fbdb2315678afecb367f032d93f642f64180aa3 on network 31337";
    assert_eq!(refused, expected);
    assert!(!out.exists());
}

//! What is done with a node's answers: none is followed elsewhere, read without a limit, or taken for another question's.

use std::{
    env, fs,
    io::{BufReader, Write as _},
    net::TcpListener,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use alloy_primitives::{Address, B256};
use batcher_settlement::{
    l1::{At, L1 as _, L1Error},
    rpc::Rpc,
};
use serde_json::{Value, json};

use crate::{
    anvil::{Anvil, read_body},
    deployment::{CHAIN_ID, TIMEOUT},
    proxy::{self, Fate},
};

fn rpc(url: &str) -> Rpc {
    Rpc::new(url, TIMEOUT * 10).expect("an address")
}

#[test]
fn only_events_that_were_asked_for_are_taken() {
    let node = Anvil::start(&[]);
    let (contract, topic) = (Address::repeat_byte(1), B256::repeat_byte(2));
    let event = json!({
        "address": contract, "topics": [topic, B256::ZERO], "data": "0x", "removed": false,
        "blockNumber": "0x5", "transactionHash": B256::ZERO,
    });
    let asked = |event: Value| {
        let url = proxy::start(node.port, move |_, _| Fate::Answer(json!([event])));
        rpc(&url).events(contract, &[Some(topic), None], 5, 6)
    };
    assert_eq!(asked(event.clone()).expect("it is what was asked for").len(), 1);
    for (field, other) in [
        ("address", json!(Address::ZERO)),
        ("topics", json!([])),
        ("topics", json!([B256::ZERO, topic])),
        ("removed", json!(true)),
        ("blockNumber", json!("0x4")),
        ("blockNumber", json!("0x7")),
    ] {
        let mut changed = event.clone();
        changed[field] = other;
        let error = asked(changed).expect_err(field);
        assert!(matches!(error, L1Error::Malformed { method: "eth_getLogs", .. }), "{error}");
    }
}

#[test]
fn a_long_answer_is_not_read() {
    let node = Anvil::start(&[]);
    let url = proxy::start(node.port, |_, _| Fate::Answer(json!("0".repeat(17 << 20))));
    let error = rpc(&url).chain_id().expect_err("too long");
    assert!(matches!(error, L1Error::Oversized { .. }), "{error}");
    assert_eq!(error.to_string(), "L1's node answers eth_chainId with more than 16777216 bytes");
}

#[test]
fn a_node_is_asked_no_more_once_the_caller_has_asked_to_stop() {
    static STOP: AtomicBool = AtomicBool::new(false);
    let node = Anvil::start(&[]);
    let rpc = rpc(&node.url()).with_stop(&STOP);
    assert_eq!(rpc.chain_id(), Ok(CHAIN_ID));
    STOP.store(true, Ordering::Relaxed);
    assert_eq!(rpc.chain_id(), Err(L1Error::Stopped));
}

/// A server that answers everything with this.
fn server(head: &'static str, body: &'static str) -> String {
    server_of(vec![(head, body.to_owned())])
}

/// A server that gives these answers, and then the last one for ever.
fn server_of(answers: Vec<(&'static str, String)>) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = listener.local_addr().expect("bound");
    thread::spawn(move || {
        let last = answers.last().cloned();
        let mut answers =
            answers.into_iter().chain(std::iter::repeat_with(|| last.clone().expect("an answer")));
        for mut stream in listener.incoming().flatten() {
            let (head, body) = answers.next().expect("they do not end");
            let _ = read_body(&mut BufReader::new(&stream));
            let length = body.len();
            let _ = write!(stream, "{head}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
        }
    });
    format!("http://{address}")
}

#[test]
fn a_redirect_is_not_followed_and_an_answer_has_its_questions_number() {
    let node = Anvil::start(&[]);
    let elsewhere: &'static str =
        format!("HTTP/1.1 307 Temporary Redirect\r\nlocation: {}", node.url()).leak();
    let error = rpc(&server(elsewhere, "")).chain_id().expect_err("it is elsewhere");
    assert!(error.to_string().ends_with("HTTP status 307"), "{error}");
    let other = r#"{"jsonrpc":"2.0","id":99,"result":"0x1"}"#;
    let error = rpc(&server("HTTP/1.1 200 OK", other)).chain_id().expect_err("another number");
    assert!(matches!(error, L1Error::Malformed { expected: "the number of the question", .. }), "{error}");
    // A refusal with a status of its own is a refusal all the same.
    let refusal = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32005,"message":"range too large"}}"#;
    let error = rpc(&server("HTTP/1.1 400 Bad Request", refusal)).block(At::Latest).expect_err("refused");
    assert!(matches!(error, L1Error::Refused { code: -32_005, .. }), "{error}");
}

#[test]
fn a_node_that_is_asked_too_often_is_asked_again_later() {
    for too_often in [
        ("HTTP/1.1 429 Too Many Requests", "slow down"),
        ("HTTP/1.1 200 OK", r#"{"jsonrpc":"2.0","id":1,"error":{"code":429,"message":"slow down"}}"#),
    ] {
        let fine = ("HTTP/1.1 200 OK", r#"{"jsonrpc":"2.0","id":2,"result":"0x7"}"#);
        let url = server_of([too_often, fine].map(|(head, body)| (head, body.to_owned())).to_vec());
        assert_eq!(rpc(&url).chain_id(), Ok(7));
    }
}

/// Says where the child's node is.
const VARIABLE: &str = "ANSWERS_URL";
/// What the child may use beside the answer itself, which is held once and grows by doubling.
const MEMORY: usize = 96 << 20;

/// The most memory that this process has ever had, in bytes.
fn most_memory() -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("Linux says so");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("it is there");
    let kilobytes: usize = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kilobytes << 10
}

#[test]
#[ignore = "the test below runs it in a process of its own"]
fn child() {
    let rpc = rpc(&env::var(VARIABLE).expect("the parent sets it"));
    let before = most_memory();
    for _ in 0..2 {
        let error = rpc.chain_id().expect_err("it is no number");
        assert!(matches!(error, L1Error::Malformed { .. }), "{error}");
    }
    let used = most_memory() - before;
    assert!(used < MEMORY, "{used} bytes");
}

#[test]
#[cfg(target_os = "linux")]
fn an_answer_of_many_small_values_costs_little_memory() {
    // One byte less than what is not read.
    let values = "0,".repeat((16 << 20) / 2 - 32);
    let list = |id| format!(r#"{{"jsonrpc":"2.0","id":{id},"result":[{values}0]}}"#);
    let as_number = format!(r#"{{"jsonrpc":"2.0","id":[{values}0],"result":"0x1"}}"#);
    for answers in [vec![list(1), list(2)], vec![as_number]] {
        let url = server_of(answers.into_iter().map(|body| ("HTTP/1.1 200 OK", body)).collect());
        let output = Command::new(env::current_exe().expect("a test"))
            .args(["--exact", "answers::child", "--ignored"])
            .env(VARIABLE, url)
            .output()
            .expect("the test runs itself");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

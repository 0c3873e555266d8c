//! Deployments that are cut off, and those that superblocks of another program would be made for.

use std::{
    cell::RefCell,
    env,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use alloy_primitives::{Address, B256, U256};
use batcher_settlement::{
    deploy::{DeployError, Deployed, Plan, ProgramKeys, deploy, predict},
    job::Policy,
    journal::Journal,
    l1::L1 as _,
    rpc::Rpc,
    wallet::Wallet,
};
use circuits_protocol::registry::Registry;
use serde_json::{Value, json};

use crate::{
    anvil::{Anvil, KEY},
    deployment::{AT_ONCE, CHAIN_ID, Deployment, IMPATIENT, OTHER_KEY, POLICY, TIMEOUT, digest, signer},
    proxy::{self, Moment},
    support::{DIGESTS, plan, registry},
};

/// Says where the child's node and journal are.
const VARIABLES: [&str; 2] = ["DEPLOY_URL", "DEPLOY_JOURNAL"];
/// Settlement, AccessManager, the registry's tree, two verifiers, the router, the roles and the genesis.
const TRANSACTIONS: u64 = 8;

/// What these tests deploy: a program with two verifiers of one name cannot be, so it is compared with none.
fn plan_of_test() -> Plan {
    plan(&[signer(KEY).address(), signer(OTHER_KEY).address()])
}

/// Deploys from the beginning of the account, with what `change` makes of plan and registry.
fn deploy_with(
    url: &str,
    key: &str,
    journal: Option<&Path>,
    change: impl FnOnce(&mut Plan, &mut Registry),
) -> Result<Deployed, DeployError> {
    deploy_by(AT_ONCE, url, key, journal, change, &|_| {})
}

/// [`deploy_with`], with this policy.
fn deploy_by(
    policy: Policy,
    url: &str,
    key: &str,
    journal: Option<&Path>,
    change: impl FnOnce(&mut Plan, &mut Registry),
    waiting: &dyn Fn(u64),
) -> Result<Deployed, DeployError> {
    let (rpc, signer) = (Rpc::new(url, TIMEOUT * 10).expect("an address"), signer(key));
    let wallet = Wallet { l1: &rpc, chain_id: CHAIN_ID, signer: &signer, policy, announce: &|_, _| {} };
    let journal = journal.map(|journal| Journal::open(journal).expect("one process at a time"));
    let known = journal.as_ref().and_then(|journal| journal.deployment().expect("well-formed"));
    let (_, deployment) =
        known.map_or_else(|| predict(&wallet).expect("it answers"), |known| known.predicted());
    let (mut plan, mut registry) = (plan_of_test(), registry(deployment));
    change(&mut plan, &mut registry);
    deploy(&wallet, &plan, &registry, digest(0), journal.as_ref(), waiting)
}

/// How many transactions the first account has sent.
fn count(node: &Anvil) -> u64 {
    let rpc = Rpc::new(&node.url(), TIMEOUT * 10).expect("an address");
    rpc.nonces(signer(KEY).address()).expect("it answers").pending
}

#[test]
#[ignore = "the other tests of this file run it in a process of its own"]
fn child() {
    let [url, journal] = VARIABLES.map(|name| env::var(name).expect("the parent sets it"));
    deploy_with(&url, KEY, Some(journal.as_ref()), |_, _| {}).expect("it deploys");
}

fn start(url: &str, journal: &str) -> Child {
    Command::new(env::current_exe().expect("a test"))
        .args(["--exact", "deployments::child", "--ignored"])
        .envs(VARIABLES.into_iter().zip([url, journal]))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the test runs itself")
}

#[test]
fn killed_around_each_transaction_a_deployment_goes_on() {
    let (node, directory) = (Anvil::start(&[]), tempfile::tempdir().expect("a directory"));
    let journal = directory.path().to_str().expect("UTF-8");
    let moments = [Moment::BeforeSending, Moment::AfterSending].into_iter().cycle();
    let kills = moments.take_while(|&moment| proxy::kill_at(node.port, moment, |url| start(url, journal)));
    assert_eq!(kills.count() as u64, 2 * TRANSACTIONS, "twice each");
    assert_eq!(count(&node), TRANSACTIONS, "each once");
    let deployed = deploy_with(&node.url(), KEY, Some(directory.path()), |_, _| {}).expect("it is there");
    assert_eq!(count(&node), TRANSACTIONS, "nothing is sent again");
    assert_eq!(deployed.settlement, signer(KEY).address().create(0));
    let deployment = Deployment { node, root: registry(deployed.deployment).root(), deployed };
    let (_miner, own) = (deployment.miner(), tempfile::tempdir().expect("a directory"));
    deployment.settle(&deployment.chain(1..=1, 0), own.path()).expect("it settles");
    // It is the same deployment after its first superblock, too.
    let again = deploy_with(&deployment.node.url(), KEY, Some(directory.path()), |_, _| {});
    assert_eq!(again.expect("it is there"), deployment.deployed);
}

#[test]
fn killed_while_its_transaction_waits_a_deployment_goes_on() {
    let (node, directory) = (Anvil::start(&[]), tempfile::tempdir().expect("a directory"));
    let journal = directory.path().to_str().expect("UTF-8");
    node.ask("evm_setAutomine", json!([false]));
    assert!(proxy::kill_at(node.port, Moment::AfterSending, |url| start(url, journal)));
    // Its offer is another one now, and the transaction with that nonce comes once.
    node.ask("anvil_setNextBlockBaseFeePerGas", json!(["0x3b9aca00"]));
    node.mine(1);
    node.ask("evm_setAutomine", json!([true]));
    deploy_with(&node.url(), KEY, Some(directory.path()), |_, _| {}).expect("it goes on");
    assert_eq!(count(&node), TRANSACTIONS);
}

#[test]
fn a_deployment_on_a_network_that_began_anew_is_the_same() {
    let directory = tempfile::tempdir().expect("a directory");
    let [first, second] = [0; 2].map(|_| {
        let node = Anvil::start(&[]);
        deploy_with(&node.url(), KEY, Some(directory.path()), |_, _| {}).expect("a fresh network")
    });
    assert_eq!(first.settlement, second.settlement);
}

#[test]
fn a_node_that_does_not_know_a_new_contract_yet_spoils_no_deployment() {
    let (node, directory) = (Anvil::start(&[]), tempfile::tempdir().expect("a directory"));
    // What a call of an account without code needs.
    let url = proxy::start(node.port, |method, parameters| match method {
        "eth_estimateGas" if parameters[0]["to"].is_string() => proxy::Fate::Answer(json!("0x5208")),
        _ => proxy::Fate::Pass,
    });
    let error = deploy_with(&url, KEY, Some(directory.path()), |_, _| {}).expect_err("it is behind");
    assert!(error.to_string().starts_with("the node knows no contract at 0x"), "{error}");
    assert_eq!(count(&node), TRANSACTIONS - 2, "no call was sent");
    deploy_with(&node.url(), KEY, Some(directory.path()), |_, _| {}).expect("it goes on");
    assert_eq!(count(&node), TRANSACTIONS);
}

#[test]
fn a_call_that_fails_in_its_block_is_sent_again_with_the_next_nonce() {
    let (node, directory) = (Anvil::start(&[]), tempfile::tempdir().expect("a directory"));
    // More than calldata costs, and less than roles do.
    let url = proxy::start(node.port, |method, parameters| match method {
        "eth_estimateGas" if parameters[0]["to"].is_string() => proxy::Fate::Answer(json!("0x493e0")),
        _ => proxy::Fate::Pass,
    });
    let error = deploy_with(&url, KEY, Some(directory.path()), |_, _| {}).expect_err("it lacks gas");
    assert!(error.to_string().ends_with("is in a block, and failed"), "{error}");
    assert_eq!(count(&node), TRANSACTIONS - 1, "the roles failed");
    let deployed = deploy_with(&node.url(), KEY, Some(directory.path()), |_, _| {}).expect("it goes on");
    assert_eq!(count(&node), TRANSACTIONS + 1);
    let again = deploy_with(&node.url(), KEY, Some(directory.path()), |_, _| {});
    assert_eq!((again.expect("it is there"), count(&node)), (deployed, TRANSACTIONS + 1));
}

#[test]
fn a_deployment_ends_when_it_is_final_and_sends_again_what_goes_before() {
    let (node, directory) = (Anvil::start(&[]), tempfile::tempdir().expect("a directory"));
    let (url, seen) = (node.url(), RefCell::new(vec![]));
    let waiting = |block| {
        seen.borrow_mut().push(block);
        if seen.borrow().len() == 1 {
            assert_eq!(count(&node), TRANSACTIONS, "all are sent");
            node.ask("anvil_reorg", json!([3, []]));
            node.ask("anvil_dropAllTransactions", json!([]));
            assert_eq!(count(&node), TRANSACTIONS - 3, "they are gone");
        } else {
            node.mine(3);
        }
    };
    let deployed =
        deploy_by(POLICY, &url, KEY, Some(directory.path()), |_, _| {}, &waiting).expect("it goes on");
    assert_eq!((count(&node), deployed.settlement), (TRANSACTIONS, signer(KEY).address().create(0)));
    // Three blocks took the place of those that went, and three more have their transactions.
    assert_eq!(seen.into_inner(), [TRANSACTIONS, TRANSACTIONS + 3]);
}

#[test]
fn a_node_that_lacks_a_block_for_a_while_has_nothing_sent_again() {
    let (node, directory) = (Anvil::start(&[]), tempfile::tempdir().expect("a directory"));
    let is_deployed = Arc::new(AtomicBool::new(false));
    let (deployed, mut lacking) = (is_deployed.clone(), 3);
    let url = proxy::start(node.port, move |method, parameters| {
        if !deployed.load(Ordering::Relaxed) {
            return proxy::Fate::Pass;
        }
        match method {
            "eth_getTransactionReceipt" => proxy::Fate::Answer(Value::Null),
            "eth_getBlockByNumber" if parameters[0] == "0x2" && lacking > 0 => {
                lacking -= 1;
                proxy::Fate::Answer(Value::Null)
            }
            _ => proxy::Fate::Pass,
        }
    });
    let waiting = |_| {
        is_deployed.store(true, Ordering::Relaxed);
        node.mine(3);
    };
    let policy = Policy { doubt: POLICY.patience, ..POLICY };
    deploy_by(policy, &url, KEY, Some(directory.path()), |_, _| {}, &waiting).expect("it is final");
    assert_eq!(count(&node), TRANSACTIONS, "nothing is sent again");
}

#[test]
fn a_deployment_that_does_not_become_final_is_told_and_goes_on() {
    let (node, directory) = (Anvil::start(&[]), tempfile::tempdir().expect("a directory"));
    let deploy = || deploy_by(IMPATIENT, &node.url(), KEY, Some(directory.path()), |_, _| {}, &|_| {});
    let error = deploy().expect_err("nothing is mined");
    assert!(matches!(error, DeployError::NotFinal { block: TRANSACTIONS, .. }), "{error}");
    node.mine(3);
    deploy().expect("it is final");
    assert_eq!(count(&node), TRANSACTIONS, "nothing is sent again");
}

#[test]
fn another_deployment_is_refused_by_the_journal() {
    let (node, directory) = (Anvil::start(&[]), tempfile::tempdir().expect("a directory"));
    deploy_with(&node.url(), KEY, Some(directory.path()), |_, _| {}).expect("a fresh network");
    let error = deploy_with(&node.url(), KEY, Some(directory.path()), |plan, _| plan.ether_minimum = 9);
    let error = error.expect_err("other rules");
    assert!(matches!(error, DeployError::OtherDeployment { first_nonce: 0, .. }), "{error}");
    assert_eq!(count(&node), TRANSACTIONS);
}

#[test]
fn a_nonce_that_is_used_elsewhere_ends_the_deployment() {
    let (node, directory) = (Anvil::start(&[]), tempfile::tempdir().expect("a directory"));
    let journal = directory.path().to_str().expect("UTF-8");
    assert!(proxy::kill_at(node.port, Moment::BeforeSending, |url| start(url, journal)));
    let accounts = node.ask("eth_accounts", json!([]));
    let transfer = json!([{ "from": accounts[0], "to": accounts[1], "value": "0x1" }]);
    node.ask("eth_sendTransaction", transfer);
    let error = deploy_with(&node.url(), KEY, Some(directory.path()), |_, _| {}).expect_err("it is gone");
    assert!(error.to_string().contains("has nonce 0: transaction"), "{error}");
}

/// What the tests' deployment would be made with.
fn program() -> ProgramKeys {
    ProgramKeys { kernels: vec![digest(5)], outer_digest: B256::from(U256::from(DIGESTS[0])) }
}

#[test]
fn kernels_and_verifiers_of_another_program_are_refused() {
    let node = Anvil::start(&[]);
    let refused = |program: ProgramKeys| {
        let error = deploy_with(&node.url(), KEY, None, |plan, _| {
            plan.verifiers.truncate(1);
            plan.program = Some(program);
        });
        assert_eq!(count(&node), 0, "nothing is sent");
        error.expect_err("another program")
    };
    let kernels = vec![digest(5), digest(6)];
    let error = refused(ProgramKeys { kernels, ..program() });
    assert!(matches!(error, DeployError::OtherKernels { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains(&digest(6).to_string()) && text.contains(&digest(5).to_string()), "{text}");
    let error = refused(ProgramKeys { outer_digest: B256::repeat_byte(7), ..program() });
    assert!(matches!(error, DeployError::OtherVerifier { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("2a, the program") && text.contains("0x0707"), "{text}");
    deploy_with(&node.url(), KEY, None, |plan, _| {
        plan.verifiers.truncate(1);
        plan.program = Some(program());
    })
    .expect("its own");
}

#[test]
fn a_node_that_lies_about_a_new_contract_is_not_believed() {
    let node = Anvil::start(&[]);
    // Nothing but zeros.
    let url = proxy::start(node.port, |method, _| match method {
        "eth_call" => proxy::Fate::Change(|answer: &mut Value| *answer = json!(format!("{:?}", B256::ZERO))),
        _ => proxy::Fate::Pass,
    });
    let error = deploy_with(&url, KEY, None, |_, _| {}).expect_err("it lies");
    let DeployError::OtherContract { contract, what, .. } = &error else { panic!("{error}") };
    assert_eq!((*contract, *what), (signer(KEY).address().create(0), "deployment"));
    assert_ne!(*contract, Address::ZERO);
}

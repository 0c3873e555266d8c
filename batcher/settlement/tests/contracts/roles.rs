//! The roles that a deployment has, and the delays that governors cannot get around.

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::SolCall;
use batcher_settlement::{
    abi::{
        AccessManager::{
            canCallCall, cancelCall, executeCall, getAccessCall, getRoleAdminCall, getRoleGrantDelayCall,
            getRoleGuardianCall, getTargetAdminDelayCall, grantRoleCall, hasRoleCall, scheduleCall,
            setTargetFunctionRoleCall,
        },
        Settlement::{isBatcherCall, pauseCall, proposeEntryZeroCall, settleCall},
        VerifierRouter::{freezeCall, listingsOfCall},
    },
    contract::Contract,
    l1::{At, L1Error, Receipt},
    roles::Roles,
};

use super::{Local, RICH, SIGNER};

const ADMIN: Address = Address::repeat_byte(0xad);
const DAY: u64 = 24 * 60 * 60;
/// After so long the delays of a new AccessManager are in force.
const SETBACK: u64 = 5 * DAY;
const ROLES: [&str; 6] =
    ["administrator", "batcher", "guardian", "registryGovernor", "assetGovernor", "governor"];

/// A deployment whose administrator is not its deployer.
fn governed() -> Local {
    let local = Local::governed_by(Some(ADMIN));
    local.l1.fund(ADMIN, RICH);
    local
}

fn of_manager<C: SolCall>(local: &Local, call: &C) -> C::Return {
    let contract = Contract { l1: &local.l1, address: local.deployed.access_manager };
    contract.view(call, At::Latest).expect("it answers").expect("there is a manager")
}

/// A transaction of the administrator, who has all roles but the batchers'.
fn by_admin(local: &Local, to: Address, call: &impl SolCall) -> Result<Receipt, L1Error> {
    local.send_as(ADMIN, to, U256::ZERO, call)
}

/// Announces a call of the administrator.
fn announce(local: &Local, target: Address, call: &impl SolCall) -> Result<Receipt, L1Error> {
    let data = call.abi_encode().into();
    let schedule = scheduleCall { target, data, when: alloy_primitives::aliases::U48::ZERO };
    by_admin(local, local.deployed.access_manager, &schedule)
}

/// Makes a call that was announced.
fn execute(local: &Local, target: Address, call: &impl SolCall) -> Result<Receipt, L1Error> {
    let data: Bytes = call.abi_encode().into();
    by_admin(local, local.deployed.access_manager, &executeCall { target, data })
}

fn reason(result: Result<Receipt, L1Error>) -> String {
    result.expect_err("it is refused").to_string()
}

#[test]
fn a_deployment_has_the_roles_of_the_file() {
    let (local, roles) = (governed(), Roles::embedded().expect("well-formed"));
    local.l1.skip(SETBACK);
    local.send(U256::ZERO, &isBatcherCall { account: ADMIN }).expect("time passes with a block");
    for name in ROLES {
        let role = roles.role(name).expect("listed");
        let id = |name: &Option<String>| name.as_ref().map_or(0, |name| roles.role(name).expect("listed").id);
        assert_eq!(of_manager(&local, &getRoleAdminCall { roleId: role.id }), id(&role.admin), "{name}");
        assert_eq!(
            of_manager(&local, &getRoleGuardianCall { roleId: role.id }),
            id(&role.guardian),
            "{name}"
        );
        assert_eq!(
            of_manager(&local, &getRoleGrantDelayCall { roleId: role.id }),
            role.grant_delay,
            "{name}"
        );
        let member = if name == "batcher" { SIGNER.address() } else { ADMIN };
        let access = of_manager(&local, &getAccessCall { roleId: role.id, account: member });
        assert_eq!((access.currentDelay, access.pendingDelay), (role.execution_delay, 0), "{name}");
        assert!(of_manager(&local, &hasRoleCall { roleId: role.id, account: member }).isMember, "{name}");
        let stranger = if name == "batcher" { ADMIN } else { SIGNER.address() };
        assert!(!of_manager(&local, &hasRoleCall { roleId: role.id, account: stranger }).isMember, "{name}");
    }
    for target in [local.deployed.settlement, local.deployed.router] {
        assert_eq!(of_manager(&local, &getTargetAdminDelayCall { target }), roles.target_admin_delay);
    }
    let (caller, target) = (SIGNER.address(), local.deployed.settlement);
    let can = of_manager(&local, &canCallCall { caller, target, selector: settleCall::SELECTOR.into() });
    assert!(can.immediate && local.view(&isBatcherCall { account: caller }));
}

#[test]
fn a_guardian_acts_at_once() {
    let local = governed();
    by_admin(&local, local.deployed.settlement, &pauseCall { action: 1, duration: 60 }).expect("it is one");
}

#[test]
fn a_governor_announces_first_and_a_guardian_cancels() {
    let local = governed();
    let (router, outer) = (local.deployed.router, U256::from(42).into());
    let contract = Contract { l1: &local.l1, address: router };
    let listings = || contract.view(&listingsOfCall { outerDigest: outer }, At::Latest);
    let listed = listings().expect("it answers").expect("a router").remove(0);
    let freeze = freezeCall { outerDigest: outer, verifier: listed.verifier };
    let at_once = reason(by_admin(&local, router, &freeze));
    assert!(at_once.contains("AccessManagerNotScheduled"), "{at_once}");
    announce(&local, router, &freeze).expect("it is the governor");
    let early = reason(execute(&local, router, &freeze));
    assert!(early.contains("AccessManagerNotReady"), "{early}");

    // The administrator is also the guardian; anybody else cancels nothing.
    let cancel = cancelCall { caller: ADMIN, target: router, data: freeze.abi_encode().into() };
    let manager = local.deployed.access_manager;
    let stranger = reason(local.send_as(SIGNER.address(), manager, U256::ZERO, &cancel));
    assert!(stranger.contains("AccessManagerUnauthorizedCancel"), "{stranger}");
    by_admin(&local, manager, &cancel).expect("it is the guardian");
    local.l1.skip(2 * DAY);
    let cancelled = reason(execute(&local, router, &freeze));
    assert!(cancelled.contains("AccessManagerNotScheduled"), "{cancelled}");

    announce(&local, router, &freeze).expect("again");
    local.l1.skip(DAY);
    execute(&local, router, &freeze).expect("a day has passed");
    assert!(listings().expect("it answers").expect("a router").is_empty());
}

#[test]
fn an_administrator_announces_first() {
    let local = governed();
    let (manager, settlement) = (local.deployed.access_manager, local.deployed.settlement);
    let grant = grantRoleCall { roleId: 2, account: Address::ZERO, executionDelay: 0 };
    let selectors = vec![proposeEntryZeroCall::SELECTOR.into()];
    let change = setTargetFunctionRoleCall { target: settlement, selectors, roleId: 1 };
    assert!(reason(by_admin(&local, manager, &grant)).contains("AccessManagerNotScheduled"));
    assert!(reason(by_admin(&local, manager, &change)).contains("AccessManagerNotScheduled"));
    announce(&local, manager, &grant).expect("it is the administrator");
    local.l1.skip(6 * DAY);
    assert!(reason(by_admin(&local, manager, &grant)).contains("AccessManagerNotReady"));
    local.l1.skip(DAY);
    by_admin(&local, manager, &grant).expect("a week has passed");
    // It becomes a guardian a day later.
    let is_member = || of_manager(&local, &hasRoleCall { roleId: 2, account: Address::ZERO }).isMember;
    assert!(!is_member());
    local.l1.skip(DAY);
    by_admin(&local, settlement, &pauseCall { action: 0, duration: 1 }).expect("time passes with a block");
    assert!(is_member());
}

#[test]
fn a_deployer_that_hands_over_governs_nothing() {
    let local = governed();
    let own = SIGNER.address();
    let grant = grantRoleCall { roleId: 1, account: own, executionDelay: 0 };
    let refused = reason(local.send_as(own, local.deployed.access_manager, U256::ZERO, &grant));
    assert!(refused.contains("AccessManagerUnauthorizedAccount"), "{refused}");
    let refused = reason(local.send(U256::ZERO, &proposeEntryZeroCall { entry: B256::ZERO }));
    assert!(refused.contains("AccessManagedUnauthorized"), "{refused}");
}

#[test]
fn a_deployer_that_stays_announces_like_any_administrator() {
    let local = Local::new();
    let grant = grantRoleCall { roleId: 2, account: ADMIN, executionDelay: 0 };
    let refused = reason(local.send_as(SIGNER.address(), local.deployed.access_manager, U256::ZERO, &grant));
    assert!(refused.contains("AccessManagerNotScheduled"), "{refused}");
}

//! The circuit rejects every lie, and the kit finds no other one.

use bridge_core::Consumption;
use circuits_core::{F, layout::Layout};
use circuits_forging::{
    Exception, Forgery, Kind, Kit, Mutator, assert_accepts, assert_rejects, assert_rejects_forgery, check,
};
use circuits_tables::{
    ecdsa::key_commitment,
    keccak::{self, Block, KeccakError},
};
use plonky2::field::types::Field;

use super::{
    HERE, SlotsInput,
    agree::{add, give, remove},
    attacks::{ONE, attacks, attacks_on_two, element, lie, paid},
    input, slots, taken, world,
};
use crate::{
    address::account_key,
    circuit::SlotInput,
    execute::Outcome,
    fixtures::{DEPOSIT, NEWCOMER, START, amount, asset, bridge, key, swap, transfer},
    state::Running,
    transaction::Action,
    typed_data::{DOMAIN_WORDS, key_bytes},
};

/// One of each kind, done and failed, to what exists and to what does not, and nothing at all.
fn honest() -> Vec<SlotsInput> {
    let mut world = world();
    give(&mut world, 0, asset(2), amount(9000));
    let actions = [
        transfer(1, 0, 5),
        transfer(NEWCOMER, 0, DEPOSIT),
        transfer(0, 1, 5),
        swap(0, 1000, 1),
        swap(1, 1000, 1),
        swap(1, 1000, 1 << 40),
        add((0, 1), 100, (1000, 1000)),
        add((1, 2), 4000, (5000, 7)),
        add((1, 3), 1, (1, 1)),
        remove((0, 1), 100, (1, 1)),
        remove((1, 2), 4000, (0, 0)),
        remove((0, 1), 1 << 57, (0, 0)),
        bridge(6, 0, 50),
        bridge(0, 1, 50),
        bridge(6, 0, 1 << 57),
    ];
    let mut inputs: Vec<_> =
        actions.iter().map(|&action| input(&mut world, 1, &[(0, &[action])]).0).collect();
    // What would take a reserved slot.
    for n in 20..26 {
        give(&mut world, 2, asset(n), amount(1));
    }
    inputs.push(input(&mut world, 1, &[(0, &[transfer(2, 2, 1)])]).0);
    // Every coin, so that a slot becomes free; and a transaction by who never made one.
    inputs.push(input(&mut world, 1, &[(3, &[transfer(1, 1, START)])]).0);
    inputs.push(input(&mut world, 1, &[(NEWCOMER, &[transfer(1, 0, 1)])]).0);
    inputs.push(input(&mut world, 1, &[]).0);
    // Messages that are taken in, by who exists and who does not.
    world.state.seal().unwrap();
    let claim = |number, to| (world.message(6, number, to, 0, DEPOSIT), Consumption::Claim);
    let refund = (world.unsigned(0, &[bridge(6, 1, 50)]).messages(7, HERE).remove(0), Consumption::Refund);
    let reserved = (world.returned(6, 9, 2, 30, 5), Consumption::Refund);
    for message in [claim(0, 1), refund, claim(1, NEWCOMER + 1), reserved] {
        inputs.push(taken(&mut world, 1, &[message]));
    }
    inputs
}

/// Two actions of one transaction, of which none, the first or the second fails; two transactions; one, then or
/// before none.
fn honest_pairs() -> Vec<SlotsInput> {
    let mut world = world();
    let (good, bad) = (transfer(NEWCOMER, 0, 20), transfer(1, 1, 1 << 40));
    let pairs: [&[(usize, &[Action])]; 5] = [
        &[(0, &[good, swap(0, 1000, 1)])],
        &[(0, &[good, bad])],
        &[(1, &[bad, good])],
        &[(0, &[good]), (1, &[good])],
        &[(0, &[good])],
    ];
    let mut inputs: Vec<_> = pairs.map(|transactions| input(&mut world, 2, transactions).0).into();
    let (mut late, _) = input(&mut world, 2, &[(1, &[bad])]);
    late.slots.reverse();
    inputs.push(late);
    inputs.push(input(&mut world, 2, &[(0, &[bridge(6, 0, 1), bridge(7, 0, 1)])]).0);
    inputs.push(input(&mut world, 2, &[(0, &[bridge(6, 0, 1), bad])]).0);
    // What has a second limit, and names an asset of the environment.
    inputs.push(input(&mut world, 2, &[(0, &[add((0, 1), 100, (1000, 1000)), bad])]).0);
    world.state.seal().unwrap();
    let message = world.message(6, 0, 1, 0, 5);
    let mut first = taken(&mut world, 1, &[(message, Consumption::Claim)]);
    first.slots.extend(input(&mut world, 1, &[(1, &[bridge(6, 0, 1)])]).0.slots);
    inputs.push(first);
    world.state.seal().unwrap();
    let claims = [4, 5].map(|number| (world.message(6, number, 1, 0, 5), Consumption::Claim));
    inputs.push(taken(&mut world, 2, &claims));
    inputs
}

#[test]
fn every_lie_is_rejected() {
    assert_accepts(slots(1), &lie(|_, _| {}));
    for (name, input) in attacks() {
        let verdict = std::panic::catch_unwind(|| assert_rejects(slots(1), &input));
        assert!(verdict.is_ok(), "accepted: {name}");
    }
    for (_, input) in attacks_on_two() {
        assert_rejects(slots(2), &input);
    }
}

#[test]
fn a_fifth_action_is_rejected() {
    let mut world = world();
    let four = [transfer(1, 0, 5); 4];
    let (mut five, _) = input(&mut world, 5, &[(0, &four), (0, &four[..1])]);
    assert_accepts(slots(5), &five);
    // As one transaction: the fifth slot finds the sender as the fourth one left it, which is as it is. No fee is too
    // low for it.
    five.context.minimum_fee = F::ZERO;
    five.slots.iter_mut().for_each(|slot| slot.terms.actions = element(5));
    assert_rejects(slots(5), &five);
}

#[test]
fn case_69_a_good_transaction_is_not_marked_as_failed_nor_a_failing_one_as_good() {
    // What a slot makes of the sender decides on which tree the counterpart is written.
    let (world, good) = paid();
    let mut failed = good.clone();
    let tree = &mut world.state.records.tree.clone();
    let sender = account_key(key(0).address());
    let charged = {
        let mut account = world.state.account(&key(0).address()).unwrap().clone();
        account.balances.credit(asset(0), amount(5)).unwrap();
        account
    };
    tree.update(*sender, charged.hash()).unwrap();
    let receiver = key(1).address();
    let before = super::world().state.account(&receiver).unwrap().hash();
    tree.update(*account_key(receiver), before).unwrap();
    failed.slots[0].set = tree.prove_set(account_key(receiver)).unwrap();
    assert_rejects(slots(1), &failed);

    // Not enough for an account, marked as done: written on a tree where the sender has paid.
    let mut done = lie(|_, _| {});
    let mut paid_tree = super::world().state.records.tree.clone();
    let mut account = super::world().state.account(&key(0).address()).unwrap().clone();
    account.key = done.slots[0].terms.key;
    account.nonce = 1;
    account.balances.debit(asset(0), amount(3)).unwrap();
    paid_tree.update(*sender, account.hash()).unwrap();
    done.slots[0].set = paid_tree.prove_set(account_key(key(NEWCOMER).address())).unwrap();
    assert_rejects(slots(1), &done);
}

#[test]
fn there_is_one_account_for_one_address() {
    let (_, mut second) = paid();
    second.slots[0].set.insert = true;
    assert_rejects(slots(1), &second);
    second.slots[0].receiver = lie(|_, _| {}).slots[0].receiver;
    assert_rejects(slots(1), &second);
    // Nor is an account that exists absent because its leaf is not shown.
    second.slots[0].set = lie(|_, _| {}).slots[0].set.clone();
    assert_rejects(slots(1), &second);
}

#[test]
fn case_78_an_account_is_its_owners_whoever_gave_to_it_first() {
    let mut world = world();
    input(&mut world, 1, &[(0, &[transfer(NEWCOMER, 0, 50)])]);
    let (spent, _) = input(&mut world, 1, &[(NEWCOMER, &[transfer(1, 0, 1)])]);
    assert_accepts(slots(1), &spent);
    let mut stolen = spent;
    stolen.slots[0].terms.key = paid().1.slots[0].terms.key;
    assert_rejects(slots(1), &stolen);

    // Somebody else's key, with its digest and with the sender's, which no batch of hashes proves.
    let thief = key(1).public_key();
    let with = |digest: Option<[F; 8]>| {
        lie(|slot, _| {
            let (x, y) = thief.words();
            slot.terms.key = key_commitment(&x, &y);
            let [block] = keccak::blocks(&key_bytes(&thief))[..] else { panic!("one block") };
            slot.hashes.key_x.copy_from_slice(&block.words[..8]);
            slot.hashes.key_y.copy_from_slice(&block.words[8..16]);
            slot.hashes.key = digest.unwrap_or(block.digest);
        })
    };
    assert_rejects(slots(1), &with(None));
    let digest = lie(|_, _| {}).slots[0].hashes.key;
    check(slots(1), &with(Some(digest))).unwrap();
    let invented = Block { digest, ..keccak::blocks(&key_bytes(&thief))[0] };
    assert!(matches!(keccak::check_blocks(&[invented]), Err((0, KeccakError::Digest { .. }))));
}

#[test]
fn no_transaction_is_made_twice() {
    let mut world = world();
    let (mut twice, _) = input(&mut world, 2, &[(0, &[transfer(1, 0, 5)])]);
    twice.slots[1] = twice.slots[0].clone();
    assert_rejects(slots(2), &twice);
}

#[test]
fn case_28_an_idle_slot_does_nothing() {
    // A transaction whose slot is marked idle is not signed, and moves nothing.
    let (_, mut idle) = paid();
    idle.slots[0].mode = F::ZERO;
    idle.slots[0].idle_root = idle.before.root;
    assert_eq!(check(slots(1), &idle).unwrap(), idle.before.encode());
    // So does one in a world of its own, where everybody is rich.
    idle.slots[0] = lie(|slot, _| slot.sender.vault[1] = element(1 << 50)).slots[0].clone();
    idle.slots[0].idle_root = lie(|slot, _| slot.sender.vault[1] = element(1 << 50)).before.root;
    idle.slots[0].mode = F::ZERO;
    assert_eq!(check(slots(1), &idle).unwrap(), idle.before.encode());
}

#[test]
fn a_swap_pays_what_the_reserves_say() {
    let mut world = world();
    let (swap, outcomes) = input(&mut world, 1, &[(0, &[swap(0, 1000, 1)])]);
    assert_eq!(outcomes, [Outcome::Done]);
    // 300,000 * 997 / 600,997 = 497, rest 415,491.
    let answer = |quotient: u64, rest: F| [element(quotient), F::ZERO, F::ZERO, rest, F::ZERO];
    let (bought, rest) = (300_000 * 997 / 600_997, 300_000 * 997 % 600_997);
    let honest = Forgery::new(&swap).hint("DivisionHint", 1, &answer(bought, element(rest)));
    circuits_forging::check_forgery(slots(1), &honest).unwrap();
    for (quotient, rest) in [
        (bought + 1, element(rest) - element(600_997)),
        (bought - 1, element(rest + 600_997)),
        (300_000, F::ZERO),
        (0, element(300_000 * 997)),
    ] {
        let forged = Forgery::new(&swap).hint("DivisionHint", 1, &answer(quotient, rest));
        assert_rejects_forgery(slots(1), &forged);
    }
    // A fee that is not paid.
    let free = Forgery::new(&swap).hint("DivisionHint", 0, &answer(0, element(3000)));
    assert_rejects_forgery(slots(1), &free);
}

#[test]
fn case_39_a_transaction_of_another_domain_or_nonce_hashes_something_else() {
    let hashes = |change: fn(&mut SlotsInput)| {
        let mut input = lie(|_, _| {});
        change(&mut input);
        let after = Running::decode(&check(slots(1), &input).unwrap()).unwrap();
        after.hashes
    };
    let honest = hashes(|_| {});
    for word in 0..DOMAIN_WORDS {
        let mut input = lie(|_, _| {});
        input.context.domain[word] += F::ONE;
        let after = Running::decode(&check(slots(1), &input).unwrap()).unwrap();
        assert_ne!(honest, after.hashes);
    }
    assert_ne!(honest, hashes(|input| input.slots[0].terms.deadline += F::ONE));
    assert_ne!(honest, hashes(|input| input.slots[0].hashes.fee -= F::ONE));
    assert_ne!(honest, hashes(|input| input.slots[0].hashes.amounts[0] -= F::ONE));
    assert_ne!(honest, hashes(|input| input.slots[0].hashes.action[0] += F::ONE));
    assert_ne!(honest, hashes(|input| input.slots[0].hashes.transaction[0] += F::ONE));
    assert_ne!(honest, hashes(|input| input.slots[0].hashes.signed[0] += F::ONE));
    let used = lie(|slot, _| slot.sender.nonce += F::ONE);
    assert_ne!(honest, Running::decode(&check(slots(1), &used).unwrap()).unwrap().hashes);
    // What is signed is what is claimed.
    let claims = |change: fn(&mut SlotsInput)| {
        let mut input = lie(|_, _| {});
        change(&mut input);
        Running::decode(&check(slots(1), &input).unwrap()).unwrap().claims
    };
    assert_ne!(claims(|_| {}), claims(|input| input.slots[0].hashes.signed[0] += F::ONE));
}

/// Why what only the message has is not compared with the state.
const TAKEN_IN: &str =
    "the bridge proves that the message exists, and may be consumed here, in this way and now";

fn exceptions<'k>(kit: Kit<'k, super::Slots>) -> Kit<'k, super::Slots> {
    kit.masked("what one kind of action leaves out, and another one binds")
        .except(Exception::fields(
            Kind::Unranged,
            &[
                "BlockContext.chain_id",
                "BlockContext.environment",
                "Running.count",
                "Running.pool_count",
                "Running.fees",
                "Running.transactions",
                "Running.blocks",
            ],
            "the kernel starts with the state before, whose commitment has it, and without fees and transactions",
        ))
        .except(Exception::fields(
            Kind::MessagesOnly,
            &["Running.inbox", "Running.outbox"],
            "the kernel starts with empty lists",
        ))
        .except(Exception::fields(
            Kind::Unstated,
            &["BlockContext.height", "BlockContext.minimum_deposit", "BlockContext.minimum_fee"],
            "a bound that these transactions keep: it is in the kernel's state",
        ))
        .except(Exception::fields(
            Kind::Unranged,
            &[
                "SlotHashes.action",
                "SlotHashes.transaction",
                "SlotHashes.amounts",
                "SlotHashes.fee",
                "SlotHashes.signed",
            ],
            "the batch of hashes proves that the words of its blocks have 32 bits",
        ))
        .except(Exception::fields(
            Kind::Unranged,
            &["BlockContext.domain"],
            "the domain of what is signed is in the kernel's state",
        ))
        .except(Exception::fields(
            Kind::MessagesOnly,
            &["BlockContext.chain_id"],
            "the deployment is in the kernel's state, and what is signed names it by its contract",
        ))
        .except(Exception::fields(
            Kind::Unranged,
            &["ActionFields.to"],
            "of a message that is sent: the recipient is whatever the destination takes for one",
        ))
        .except(Exception::fields(
            Kind::MessagesOnly,
            &[
                "MessageTerms.chain_id",
                "MessageTerms.source",
                "MessageTerms.destination",
                "MessageTerms.sequence",
                "MessageTerms.other",
                "MessageTerms.deadline",
                "MessageTerms.data",
            ],
            TAKEN_IN,
        ))
        .except(Exception::fields(
            Kind::Unranged,
            &[
                "MessageTerms.chain_id",
                "MessageTerms.source",
                "MessageTerms.destination",
                "MessageTerms.sequence",
                "MessageTerms.deadline",
            ],
            TAKEN_IN,
        ))
}

#[test]
fn slots_survive_the_forging_kit() {
    let honest = honest();
    let report = exceptions(Kit::new(slots(1)).inputs(&honest))
        .except(Exception::fields(
            Kind::Together,
            &["refund"],
            "with the record's insertion: a refund credits its beneficiary as a claim does, with a record or without",
        ))
        .run();
    report.assert_sound();
    assert!(report.classes > 4000 && report.hints > 400_000, "{report}");
    let pairs = honest_pairs();
    exceptions(Kit::new(slots(2)).inputs(&pairs))
        .except(Exception::fields(Kind::MessagesOnly, &["refund"], TAKEN_IN))
        .run()
        .assert_sound();
}

#[test]
fn no_rule_of_a_slot_is_needless() {
    let honest = honest();
    let attacks: Vec<_> = attacks().into_iter().map(|(_, input)| input).collect();
    Mutator::new(&ONE)
        .honest(&honest[..2])
        .honest(honest.last())
        .dishonest(&attacks)
        .elsewhere("circuits/core/src/division.rs")
        .elsewhere("circuits/core/src/integer.rs")
        .elsewhere("circuits/core/src/trees/")
        .allow_up_to(
            "enforce_equal at environments/accounts/src/circuit/slot.rs",
            1,
            "five slots show the fifth action",
        )
        .allow_up_to(
            "enforce_zero at environments/accounts/src/circuit/slot.rs",
            1,
            "two slots show the idle one between",
        )
        .allow_up_to(
            "enforce_zero at environments/accounts/src/circuit/action.rs",
            1,
            "an action of two kinds has the type of none, so no step of the tree of types leads to it",
        )
        .masked("what one kind of action leaves out, and another one binds")
        .run()
        .assert_complete();
}

#[test]
fn an_idle_slot_is_provable_in_any_context() {
    let mut world = world();
    let (mut none, _) = input(&mut world, 1, &[]);
    none.context.height = element(77);
    none.slots[0] = SlotInput::idle(&none.context);
    assert_accepts(slots(1), &none);
}

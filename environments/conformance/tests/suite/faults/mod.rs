//! What notices tills that each break one promise: a promise is worth as much as the faults that it sees.

mod faulty;

use environments_conformance::{
    body, chain, commitments, damage, execution, lines, messages, proving, storing,
};
use environments_core::deps::circuits_prover::panics::contained;

use self::faulty::{Broken, Fault};

/// A promise and its name.
type Promise = (&'static str, fn(&Broken));

macro_rules! promises {
    ($($module:ident :: $promise:ident,)+) => {
        &[$((stringify!($promise), $module::$promise::<Broken> as fn(&Broken)),)+]
    };
}

/// All promises that need no proof.
const PROMISES: &[Promise] = promises![
    execution::failed_transactions_change_nothing,
    execution::proposing_and_executing_agree,
    execution::what_executes_may_come_next,
    execution::footprints_leave_what_they_say,
    execution::commitments_name_the_deployment_and_the_environment,
    commitments::different_states_have_different_commitments,
    chain::statements_chain,
    chain::same_inputs_give_the_same_statements,
    chain::rollback_proposes_the_same_transactions_again,
    chain::rollback_without_the_culprit_leaves_it_out,
    chain::confirmed_blocks_stay,
    chain::other_producers_are_stated,
    body::bodies_reproduce_the_states,
    body::altered_bodies_are_noticed,
    lines::bad_lines_are_reported_and_the_rest_go_on,
    lines::dynamic_and_typed_producers_agree,
    storing::stored_producers_go_on_as_they_were,
    storing::followers_reach_the_states_of_producers,
    damage::what_cannot_be_read_is_told,
    messages::blocks_carry_the_messages_of_their_transactions,
    messages::what_is_sent_is_what_was_asked_for,
    messages::no_line_consumes_a_message,
    messages::what_is_taken_in_is_in_the_state,
    messages::messages_of_others_are_not_consumed,
];

/// Each fault, the promises that it breaks, and a part of what they say.
const FAULTS: &[(Fault, &[(&str, &str)])] = &[
    (Fault::Nothing, &[]),
    (
        Fault::SendsToItsOwnName,
        &[("what_is_sent_is_what_was_asked_for", "a message has another recipient (left)")],
    ),
    (
        Fault::SpeaksForAnother,
        &[("what_is_sent_is_what_was_asked_for", "a message is sent in the name of another environment")],
    ),
    (Fault::NumbersNothing, &[("what_is_sent_is_what_was_asked_for", "another message is sent (left)")]),
    (Fault::ReadsItsOwnLine, &[("no_line_consumes_a_message", "a user can write a line that consumes")]),
    (Fault::ReadsAnotherSpelling, &[("no_line_consumes_a_message", "a user can write a line that consumes")]),
    (Fault::CreditsNothing, &[("what_is_taken_in_is_in_the_state", "leaves no trace in the state")]),
    (Fault::CreditsTooLittle, &[("what_is_taken_in_is_in_the_state", "does not credit its beneficiary")]),
    (
        Fault::PublishesNoArrivals,
        &[("what_is_taken_in_is_in_the_state", "is not in the state that the body leads to")],
    ),
    (
        Fault::TakesWhatIsNotIts,
        &[("messages_of_others_are_not_consumed", "of another deployment is consumed")],
    ),
    (
        Fault::CommitsToTheHeight,
        &[
            ("different_states_have_different_commitments", "two states at height 1 have one commitment"),
            ("followers_reach_the_states_of_producers", "is believed"),
            ("what_is_taken_in_is_in_the_state", "leaves no trace in the commitment"),
        ],
    ),
    (
        Fault::CommitsWithoutHolds,
        &[
            ("followers_reach_the_states_of_producers", "is believed"),
            ("what_is_taken_in_is_in_the_state", "leaves no trace in the commitment"),
        ],
    ),
    (
        Fault::RemembersByHeight,
        &[
            ("different_states_have_different_commitments", "two states at height 1 have one commitment"),
            ("what_is_taken_in_is_in_the_state", "leaves no trace in the commitment"),
        ],
    ),
    (
        Fault::CommitsToAttempts,
        &[
            ("different_states_have_different_commitments", "was reached twice and has two commitments"),
            ("stored_producers_go_on_as_they_were", "another producer was read than was stored"),
        ],
    ),
    (
        Fault::ReadsWhatIsNotThere,
        &[("what_executes_may_come_next", "does not have what a valid transaction needs")],
    ),
    (
        Fault::WritesWhatItDoesNotLeave,
        &[("footprints_leave_what_they_say", "a transaction does not leave what it says")],
    ),
    (Fault::DrawsMoreThanItSays, &[("footprints_leave_what_they_say", "were drawn from")]),
    (
        Fault::ForgetsInADatabase,
        &[
            ("stored_producers_go_on_as_they_were", "what was stored is a producer"),
            ("followers_reach_the_states_of_producers", "what was stored is a state"),
        ],
    ),
    (
        Fault::HidesWhatMayComeNext,
        &[("what_executes_may_come_next", "a valid transaction may not come next")],
    ),
];

/// Faults of which a producer makes no block with messages, what the promise about these says, and the lists that the
/// producer names. Every promise that needs such a block is broken too.
const REFUSED: &[(Fault, &str, &[&str])] = &[
    (Fault::NamesNoMessages, "emits other messages (left)", &["inbox", "outbox"]),
    (Fault::SendsBackwards, "emits other messages (left)", &["outbox"]),
    (Fault::HidesArrivals, "consumes other messages (left)", &["inbox"]),
];

/// The promises that a till with `fault` breaks, with what they say.
fn broken(fault: Fault) -> Vec<(&'static str, String)> {
    let said = |&(name, promise): &Promise| Some((name, contained(|| promise(&Broken(fault))).err()?));
    PROMISES.iter().filter_map(said).collect()
}

#[test]
fn each_fault_breaks_its_promises_alone_and_the_suite_says_what_is_wrong() {
    for (fault, expected) in FAULTS {
        let found = broken(*fault);
        let names: Vec<_> = found.iter().map(|(name, _)| *name).collect();
        let expected_names: Vec<_> = expected.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, expected_names, "{fault:?}: {found:#?}");
        for ((name, said), (_, part)) in found.iter().zip(*expected) {
            assert!(said.contains(part), "{fault:?} breaks {name}, which says: {said}");
        }
    }
}

#[test]
fn messages_that_transactions_do_not_name_are_noticed_and_their_blocks_are_refused() {
    for (fault, part, lists) in REFUSED {
        let found = broken(*fault);
        let is_own = |(name, _): &(&str, String)| *name == "blocks_carry_the_messages_of_their_transactions";
        let (own, others): (Vec<_>, Vec<_>) = found.into_iter().partition(is_own);
        assert!(own.len() == 1 && own[0].1.contains(part), "{fault:?}: {own:#?}");
        assert!(!others.is_empty(), "{fault:?}: a producer makes its blocks");
        for (name, said) in others {
            let is_refusal = said.contains("Messages { height: ")
                && lists.iter().any(|list| said.contains(&format!("list: \"{list}\"")));
            assert!(is_refusal, "{fault:?} breaks {name}, which says: {said}");
        }
    }
}

#[test]
fn a_body_that_is_not_the_stated_one_is_noticed_and_its_block_is_refused() {
    for (fault, promise, part) in [
        (Fault::StatesAnotherBody, "what_is_taken_in_is_in_the_state", "OtherBody { height: "),
        (Fault::ReadsLongerBodies, "bodies_reproduce_the_states", "MalformedBody { height: "),
    ] {
        let found = broken(fault);
        assert!(found.iter().any(|(name, _)| *name == promise), "{fault:?}: {found:#?}");
        for (name, said) in found {
            assert!(said.contains(part), "{fault:?} breaks {name}, which says: {said}");
        }
    }
}

#[test]
fn a_prover_that_forgets_what_came_in_is_noticed() {
    let faulty = Broken(Fault::ProvesNoArrivals);
    assert_eq!(broken(Fault::ProvesNoArrivals), [], "nothing but a proof shows it");
    proving::proven_blocks_verify(&faulty);
    let said = contained(|| proving::proven_blocks_move_messages(&faulty)).expect_err("no message came in");
    assert!(said.contains("a proposed block has a proof"), "{said}");
}

#[test]
fn a_secret_that_leaves_the_house_is_noticed() {
    let faulty = Broken(Fault::SendsItsSecretOut);
    assert_eq!(broken(Fault::SendsItsSecretOut), [], "nothing but what workers get shows it");
    let said = contained(|| proving::proven_blocks_verify(&faulty)).expect_err("the secret was written");
    assert!(said.contains("has secret 0"), "{said}");
}

#[test]
fn a_kernel_with_too_few_bits_is_noticed() {
    let faulty = Broken(Fault::ProvesWithFewQueries);
    assert_eq!(broken(Fault::ProvesWithFewQueries), [], "nothing but its parameters shows it");
    let said = contained(|| proving::kernels_have_the_required_bits(&faulty)).expect_err("28 queries");
    let expected = "weak-till-kernel has 62.0 bits proven, in its queries, and 100 are required";
    assert!(said.contains(expected), "{said}");
}

#[test]
fn a_listed_key_of_no_kernel_is_noticed() {
    let said = contained(|| proving::kernels_have_the_required_bits(&Broken(Fault::ListsAnotherKey)));
    let said = said.expect_err("a second key");
    assert!(said.contains("a registry would list other keys"), "{said}");
}

#[test]
fn a_state_model_that_hides_its_messages_from_the_suite_is_noticed() {
    let said = contained(|| messages::without_messages_none_are_sent_or_taken_in(&Broken(Fault::Nothing)));
    let said = said.expect_err("the till has messages");
    assert!(said.contains("conformance!(.., messages)"), "{said}");
}

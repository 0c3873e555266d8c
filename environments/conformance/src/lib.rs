#![doc = include_str!("../README.md")]

pub mod body;
pub mod chain;
pub mod commitments;
pub mod damage;
pub mod execution;
pub mod lines;
pub mod messages;
pub mod proving;
pub mod secrets;
pub mod storing;

/// The dishonest prover, with which an adapter's tests attack its kernel.
pub use circuits_forging as forging;

use circuits_core::{Digest, F};
use environments_core::{
    environment::{Environment, EnvironmentId},
    kernel::ProducerSecret,
    producer::BlockProducer,
};
use plonky2::field::types::Field;

/// How the suite makes environments and transactions of one state model.
pub trait Subject {
    /// The adapter.
    type Environment: Environment;

    /// The environment of this deployment, id and producer. Everything else is the same in every call.
    fn environment(&self, chain_id: u64, id: EnvironmentId, secret: ProducerSecret) -> Self::Environment;

    /// At least two transactions that are valid on `state` in this order and fit into one block.
    fn valid(
        &self,
        environment: &Self::Environment,
        state: &<Self::Environment as Environment>::State,
    ) -> Vec<<Self::Environment as Environment>::Transaction>;

    /// Invalid transactions, one for each reason. Each is invalid on `state`, and also after those of [`Self::valid`].
    fn invalid(
        &self,
        environment: &Self::Environment,
        state: &<Self::Environment as Environment>::State,
    ) -> Vec<<Self::Environment as Environment>::Transaction>;

    /// Maps of the state with entries that nothing can be compared with: whoever imports a snapshot believes them.
    fn believed(&self) -> &[&str] {
        &[]
    }
}

/// The suite's deployment.
pub const CHAIN_ID: u64 = 7;
/// Blocks in the chains that the suite makes.
pub const BLOCKS: u32 = 3;

/// The suite's environment id for `n` = 0, or the `n`-th other one.
///
/// # Panics
/// If `n` leaves the range of ids.
#[must_use]
pub fn id(n: u16) -> EnvironmentId {
    EnvironmentId::new(5 + n).expect("not L1")
}

/// The secret of the `n`-th producer.
#[must_use]
pub fn secret(n: u64) -> ProducerSecret {
    ProducerSecret::new(Digest([n, 1, 2, 3].map(F::from_canonical_u64)))
}

/// The suite's environment.
pub fn environment<S: Subject>(subject: &S) -> S::Environment {
    subject.environment(CHAIN_ID, id(0), secret(0))
}

/// A producer at genesis.
pub fn producer<S: Subject>(subject: &S) -> BlockProducer<S::Environment> {
    BlockProducer::new(environment(subject))
}

/// Submits the subject's valid transactions and proposes a block of them.
///
/// # Panics
/// If one of them is rejected or does not fit.
pub fn propose_valid<S: Subject>(subject: &S, producer: &mut BlockProducer<S::Environment>) {
    let transactions = subject.valid(producer.environment(), producer.state());
    assert!(transactions.len() >= 2, "the subject gives at least two transactions");
    for transaction in transactions {
        producer.submit(transaction).expect("the pool has room");
    }
    let rejected = producer.propose_block().expect("valid transactions make a block");
    assert!(rejected.is_empty(), "valid transactions are not rejected: {rejected:?}");
    assert_eq!(producer.pending().len(), 0, "the subject's transactions fit into one block");
}

/// A producer with [`BLOCKS`] proposed blocks.
pub fn chain_of_blocks<S: Subject>(subject: &S) -> BlockProducer<S::Environment> {
    let mut producer = producer(subject);
    for _ in 0..BLOCKS {
        propose_valid(subject, &mut producer);
    }
    producer
}

/// Declares one test per promise for a [`Subject`](crate::Subject). `conformance!(SUBJECT, messages)` is for a
/// [`MessageSubject`](crate::messages::MessageSubject), whose state model has messages.
#[macro_export]
macro_rules! conformance {
    ($subject:expr) => {
        $crate::conformance!(@all $subject; messages::without_messages_none_are_sent_or_taken_in,);
    };
    ($subject:expr, messages) => {
        $crate::conformance!(@all $subject;
            messages::blocks_carry_the_messages_of_their_transactions,
            messages::what_is_sent_is_what_was_asked_for,
            messages::no_line_consumes_a_message,
            messages::what_is_taken_in_is_in_the_state,
            messages::messages_of_others_are_not_consumed,
            proving::proven_blocks_move_messages,
        );
    };
    (@all $subject:expr; $($more:tt)+) => {
        $crate::conformance!(@ $subject;
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
            $($more)+
            proving::kernels_have_the_required_bits,
            proving::proven_blocks_verify,
            proving::a_stranger_cannot_prove_a_block,
        );
    };
    (@ $subject:expr; $($module:ident :: $property:ident,)+) => {
        $(
            #[test]
            fn $property() {
                $crate::$module::$property(&$subject);
            }
        )+
    };
}

use environments_conformance::{
    Subject,
    forging::{Kit, assert_accepts, assert_rejects, assert_rejects_by_prover, fixtures::cache, mutate},
};
use environments_core::{
    Rejection,
    address::Address,
    deps::{circuits_core::layout::Layout, circuits_prover::proving, plonky2::field::types::Field64},
};

use super::*;

struct Counters;

impl Subject for Counters {
    type Environment = Counter;

    fn environment(&self, chain_id: u64, id: EnvironmentId, secret: ProducerSecret) -> Counter {
        Counter::new(chain_id, id, secret, Amount::new(100).unwrap()).unwrap()
    }

    fn valid(&self, _: &Counter, state: &CounterState) -> Vec<Add> {
        [1, 2, u64::from(state.height) + 3].map(|add| Add { add: Amount::new(add).unwrap() }).into()
    }

    fn invalid(&self, _: &Counter, _: &CounterState) -> Vec<Add> {
        vec![Add { add: Amount::ZERO }, Add { add: Amount::MAX }]
    }
}

environments_conformance::conformance!(Counters);

fn honest() -> CounterInput {
    let counter = environments_conformance::environment(&Counters);
    let adds = [5, 0, 7, Amount::MAX.get() - 112, 0, 0, 0, 0].map(|add| Amount::new(add).unwrap());
    counter.kernel_input(&CounterBlock { before: CounterState { height: 9, ..counter.genesis() }, adds })
}

/// Inputs that each break one rule, and the rule.
fn dishonest() -> Vec<(CounterInput, CounterRule)> {
    let too_large = |value: F| AmountError::TooLarge(value.to_canonical_u64());
    let mut cases = vec![];
    for index in 0..ADDS {
        // Subtracts one, by wrapping the field.
        let mut input = CounterInput { adds: [F::ZERO; ADDS], ..honest() };
        input.adds[index] = F::NEG_ONE;
        cases.push((input, CounterRule::Add { index, source: too_large(F::NEG_ONE) }));
    }
    let mut input = honest();
    input.adds[7] = F::ONE;
    cases.push((input, CounterRule::Value(AmountError::TooLarge(1 << 58))));
    let height = F::from_canonical_u32(u32::MAX);
    cases.push((CounterInput { height, ..honest() }, CounterRule::Height(1 << 32)));
    cases
}

#[test]
fn the_id_of_l1_is_refused() {
    let result = Counter::new(7, EnvironmentId::L1, environments_conformance::secret(0), Amount::ZERO);
    assert_eq!(result.unwrap_err(), CounterError::Id(EnvironmentIdError::L1));
}

#[test]
fn a_chain_id_at_the_field_order_is_refused() {
    let secret = environments_conformance::secret(0);
    let result = Counter::new(F::ORDER, environments_conformance::id(0), secret, Amount::ZERO);
    assert_eq!(result.unwrap_err(), CounterError::ChainId(ChainIdError(F::ORDER)));
    assert!(Counter::new(F::ORDER - 1, environments_conformance::id(0), secret, Amount::ZERO).is_ok());
}

#[test]
fn a_block_takes_eight_additions_and_the_rest_wait() {
    let mut producer = environments_conformance::producer(&Counters);
    for add in 1..=10 {
        producer.submit(Add { add: Amount::new(add).unwrap() }).unwrap();
    }
    producer.submit(Add { add: Amount::ZERO }).unwrap();
    assert!(producer.propose_block().unwrap().is_empty());
    assert_eq!(producer.state().value.get(), 100 + 36);
    assert_eq!(producer.pending().len(), 3);
    let rejected = producer.propose_block().unwrap();
    assert_eq!((rejected[0].id, &rejected[0].reason), (10, &Rejection::Environment(CounterError::Zero)));
    assert_eq!(*producer.state(), CounterState { height: 2, value: Amount::new(155).unwrap() });
    producer.propose_block().unwrap();
    assert_eq!(producer.height(), 3, "a block can be empty");
}

#[test]
fn the_last_height_has_no_successor() {
    let counter = environments_conformance::environment(&Counters);
    let last = CounterState { height: u32::MAX, ..counter.genesis() };
    assert_eq!(counter.propose(&last, &[]).err(), Some(CounterError::LastHeight(u32::MAX)));
    assert_eq!(counter.apply_body(&last, &[0; BODY_BYTES]), Err(CounterError::LastHeight(u32::MAX)));
}

#[test]
fn an_addition_beyond_its_bits_is_no_body() {
    let counter = environments_conformance::environment(&Counters);
    let mut body = [0; BODY_BYTES];
    body[8..16].copy_from_slice(&(1_u64 << 58).to_le_bytes());
    let refused = CounterError::BodyAdd { index: 1, source: AmountError::TooLarge(1 << 58) };
    assert_eq!(counter.body_digest(&body), Err(refused));
}

#[test]
fn the_kind_says_the_digest_of_a_body_as_the_environment_does() {
    let counter = environments_conformance::environment(&Counters);
    let contract = Address([7; 20]);
    let environment = SettledEnvironment { id: counter.id(), l1_chain_id: 1, contract };
    let body = [3; BODY_BYTES].map(|byte| byte % 2);
    let found = CounterKind.body_digest(&environment, &body).unwrap();
    assert_eq!(found, counter.body_digest(&body).unwrap());
    assert!(CounterKind.body_digest(&environment, &body[1..]).is_err());
}

#[test]
fn each_broken_rule_is_refused_natively() {
    assert_eq!(honest().check(), Ok(()));
    for (input, rule) in dishonest() {
        assert_eq!(input.check(), Err(rule));
    }
}

#[test]
fn each_broken_rule_is_refused_in_circuit() {
    let kernel = cache().circuit(CounterKernel).unwrap();
    assert_accepts(&kernel, &honest());
    for (input, _) in dishonest() {
        assert_rejects(&kernel, &input);
        assert_rejects_by_prover(&kernel, &input);
    }
}

#[test]
fn native_and_circuit_statements_agree() {
    let kernel = cache().circuit(CounterKernel).unwrap();
    let proof = kernel.prove(&honest()).unwrap();
    assert_eq!(kernel.statement(&proof).unwrap(), honest().statement());
}

#[test]
fn no_other_statement_has_a_proof_from_the_same_input() {
    let kernel = cache().circuit(CounterKernel).unwrap();
    let (compiled, statement) = (kernel.as_ref(), honest().statement());
    for (element, &target) in compiled.circuit.prover_only.public_inputs.iter().enumerate() {
        let mut witness = compiled.witness(&honest()).unwrap();
        let stated: Vec<F> = statement.encode();
        let claimed = set_target(&mut witness, target, stated[element] + F::ONE);
        let proved = claimed.is_ok()
            && proving::prove(&compiled.circuit, witness).is_ok_and(|proof| compiled.verify(&proof).is_ok());
        assert!(!proved, "element {element} of the statement can be claimed to be another");
    }
}

#[test]
fn the_kernel_withstands_the_forging_kit() {
    let kernel = cache().circuit(CounterKernel).unwrap();
    let input = honest();
    Kit::new(&kernel).input(&input).sample(1.0).proofs(2).run().assert_sound();
}

#[test]
fn no_assertion_of_the_kernel_can_be_left_out() {
    let dishonest: Vec<_> = dishonest().into_iter().map(|(input, _)| input).collect();
    mutate(&CounterKernel, &[honest()], &dishonest).assert_complete();
}

//! Promises about published block data.

use environments_core::environment::Environment;

use super::{Subject, chain_of_blocks};

/// How many bytes of a body are altered, spread evenly over a longer one.
const ALTERED_BYTES: usize = 200;

/// The bodies and the genesis state give every later state, and each body can be checked against its statement.
///
/// # Panics
/// If the promise is broken.
pub fn bodies_reproduce_the_states<S: Subject>(subject: &S) {
    let producer = chain_of_blocks(subject);
    let environment = producer.environment();
    let mut state = environment.genesis();
    for block in producer.blocks() {
        let (body, statement) = (block.block.body(), block.block.statement());
        state = environment.apply_body(&state, body).expect("a published body applies");
        assert_eq!(state, block.state, "a body reproduces the state");
        assert_eq!(environment.commitment(&state), statement.new_state);
        assert_eq!(environment.body_digest(body).expect("a published body"), statement.body);
    }
}

/// A body that is cut, extended or changed in any byte is refused or has another digest, and never applies to the
/// stated state with the stated digest.
///
/// # Panics
/// If the promise is broken.
pub fn altered_bodies_are_noticed<S: Subject>(subject: &S) {
    let producer = chain_of_blocks(subject);
    let environment = producer.environment();
    let genesis = environment.genesis();
    let first = producer.block(1).expect("proposed");
    let (body, statement) = (first.block.body(), first.block.statement());
    assert!(!body.is_empty(), "a block with transactions publishes something");
    let step = body.len().div_ceil(ALTERED_BYTES);

    for length in (0..body.len()).step_by(step).chain([body.len() - 1]) {
        assert!(environment.body_digest(&body[..length]).is_err(), "{length} bytes of a body are refused");
        assert!(environment.apply_body(&genesis, &body[..length]).is_err(), "{length} bytes do not apply");
    }
    let extended = [body, &[0]].concat();
    assert!(environment.body_digest(&extended).is_err(), "a body with one more byte is refused");
    assert!(environment.apply_body(&genesis, &extended).is_err(), "a body with one more byte does not apply");

    for position in (0..body.len()).step_by(step).chain([body.len() - 1]) {
        for change in [0x01, 0x80, 0xff] {
            let mut altered = body.to_vec();
            altered[position] ^= change;
            if let Ok(digest) = environment.body_digest(&altered) {
                assert_ne!(digest, statement.body, "a change in byte {position} changes the digest");
            }
            // It may apply, but must not panic.
            let _ = environment.apply_body(&genesis, &altered);
        }
    }
}

//! What kernels share.

use environments_conformance::secret;

#[test]
fn a_secret_is_never_shown() {
    let secret = secret(77);
    assert_eq!(format!("{secret:?}"), "ProducerSecret(..)");
    assert_ne!(secret.commitment(), secret.expose());
}

#[test]
fn what_a_registry_names_of_a_producer_follows_from_its_secret() {
    let producer = secret(77).producer();
    assert_eq!(producer, secret(77).producer());
    assert_eq!(producer.commitment, secret(77).commitment());
    let other = secret(78).producer();
    assert_ne!(producer.commitment, other.commitment);
    assert_ne!(producer.signing_key, other.signing_key);
    // A registry lists it, so the derivation must never change.
    assert_eq!(
        producer.signing_key.to_string(),
        "026104d54f81e5058708ab44cc6328eda700e9cd6e237f50e32d823b62546dc1b6"
    );
}

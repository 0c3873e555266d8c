//! What kernels share.

#[test]
fn a_secret_is_never_shown() {
    let secret = environments_conformance::secret(77);
    assert_eq!(format!("{secret:?}"), "ProducerSecret(..)");
    assert_ne!(secret.commitment(), secret.expose());
}

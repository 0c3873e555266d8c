//! Why a contract reverts, in words.

use std::fmt;

use alloy_primitives::Bytes;
use alloy_sol_types::{Revert as Message, SolError, SolInterface};

use crate::abi::{
    Settlement::SettlementErrors, SuperblockVerifier::SuperblockVerifierErrors,
    VerifierRouter::VerifierRouterErrors,
};

/// Bytes of an error's selector.
const SELECTOR_BYTES: usize = 4;

/// What a contract reverts with: an error's selector and its values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revert(pub Bytes);

impl Revert {
    /// The error's name with its values, if it is one of our contracts'.
    fn known(&self) -> Option<String> {
        let Self(data) = self;
        if let Ok(error) = SettlementErrors::abi_decode(data) {
            return Some(format!("{error:?}"));
        }
        if let Ok(error) = VerifierRouterErrors::abi_decode(data) {
            return Some(format!("{error:?}"));
        }
        if let Ok(error) = SuperblockVerifierErrors::abi_decode(data) {
            return Some(format!("{error:?}"));
        }
        Message::abi_decode(data).ok().map(|Message { reason }| reason)
    }
}

impl fmt::Display for Revert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(data) = self;
        match (self.known(), data.get(..SELECTOR_BYTES)) {
            // `NotNext(NotNext { number: 3, expected: 2 })`: the variant repeats the name.
            (Some(known), _) => f.write_str(inner(&known)),
            (None, Some(selector)) => {
                write!(f, "an error with selector 0x{} and {} bytes", hex::encode(selector), data.len())
            }
            (None, None) => f.write_str("without a reason"),
        }
    }
}

/// What the parentheses of a variant hold.
fn inner(debug: &str) -> &str {
    match debug.split_once('(') {
        Some((name, rest)) if rest.starts_with(name) => rest.strip_suffix(')').unwrap_or(rest),
        _ => debug,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::Settlement::NotNext;

    #[test]
    fn a_reason_has_its_values() {
        let reason = Revert(NotNext { number: 3, expected: 2 }.abi_encode().into());
        assert_eq!(reason.to_string(), "NotNext { number: 3, expected: 2 }");
        let text = Revert(Message::from("no such thing").abi_encode().into());
        assert_eq!(text.to_string(), "no such thing");
        let unknown = Revert(Bytes::from_static(&[1, 2, 3, 4, 5]));
        assert_eq!(unknown.to_string(), "an error with selector 0x01020304 and 5 bytes");
        assert_eq!(Revert::default().to_string(), "without a reason");
    }
}

//! Why a contract reverts, in words.

use std::fmt;

use alloy_primitives::Bytes;
use alloy_sol_types::{Revert as Message, SolError, SolInterface};

use crate::abi::{
    AccessManager::AccessManagerErrors, RegistryTree::RegistryTreeErrors, Settlement::SettlementErrors,
    SuperblockVerifier::SuperblockVerifierErrors, VerifierRouter::VerifierRouterErrors,
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
        let errors = [
            in_words::<SettlementErrors>,
            in_words::<VerifierRouterErrors>,
            in_words::<SuperblockVerifierErrors>,
            in_words::<AccessManagerErrors>,
            in_words::<RegistryTreeErrors>,
        ];
        if let Some(known) = errors.iter().find_map(|known| known(data)) {
            return Some(known);
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

/// The error of a contract with its values, if it is one of `E`.
fn in_words<E: SolInterface + fmt::Debug>(data: &Bytes) -> Option<String> {
    E::abi_decode(data).ok().map(|error| format!("{error:?}"))
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

//! Why a contract reverts, in words.

use std::fmt;

use alloy_primitives::Bytes;
use alloy_sol_types::{Panic, Revert as Message, SolError, SolInterface};

use crate::abi::{
    AccessManager::AccessManagerErrors, RegistryTree::RegistryTreeErrors, Settlement::SettlementErrors,
    SuperblockVerifier::SuperblockVerifierErrors, VerifierRouter::VerifierRouterErrors,
};

/// Bytes of an error's selector.
const SELECTOR_BYTES: usize = 4;

/// What a contract reverts with: an error's selector and its values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revert(pub Bytes);

/// From when on a contract no longer reverts for a reason that passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Until {
    /// The name of the contract's error.
    pub reason: &'static str,
    /// In seconds of the Unix epoch, on the clock that the error is about.
    pub at: u64,
    /// What that clock says now; `None` if it is that of L1's blocks. The contract's own stands still in pauses.
    pub now: Option<u64>,
}

impl Revert {
    /// From when on the reason is gone by itself; `None` if waiting does not help.
    #[must_use]
    pub fn until(&self) -> Option<Until> {
        let Self(data) = self;
        if let Ok(error) = SettlementErrors::abi_decode(data) {
            let (reason, at, now) = match error {
                SettlementErrors::StrangerTooEarly(error) => {
                    ("StrangerTooEarly", error.allowedAt, Some(error.time))
                }
                SettlementErrors::TooManySuperblocks(error) => {
                    ("TooManySuperblocks", error.allowedAt, Some(error.time))
                }
                SettlementErrors::CutTooEarly(error) => ("CutTooEarly", error.allowedAt, Some(error.time)),
                SettlementErrors::PausedUntil(error) => ("PausedUntil", error.until, None),
                _ => return None,
            };
            return Some(Until { reason, at: at.into(), now: now.map(u64::from) });
        }
        let (reason, at) = match VerifierRouterErrors::abi_decode(data).ok()? {
            VerifierRouterErrors::NoVerifierActive(error) => ("NoVerifierActive", error.activeFrom),
            VerifierRouterErrors::SuspendedCircuit(error) => ("SuspendedCircuit", error.until),
            _ => return None,
        };
        Some(Until { reason, at: at.saturating_to(), now: None })
    }

    /// Whether the verifier says so, which the contract asks last: then everything but the proof is as it should be. An error
    /// without a name says nothing of the proof: a node gives it too where its own limit of gas ends.
    #[must_use]
    pub fn is_of_verifier(&self) -> bool {
        let Self(data) = self;
        SuperblockVerifierErrors::abi_decode(data).is_ok()
    }

    /// Whether nobody but a verifier can say so: that of this program, or a later one for the same circuit, whose errors may have other
    /// names.
    #[must_use]
    pub fn may_be_of_verifier(&self) -> bool {
        let Self(data) = self;
        let is_named = data.len() >= SELECTOR_BYTES && Panic::abi_decode(data).is_err();
        self.is_of_verifier() || (is_named && self.known().is_none())
    }

    /// Whether the router says so: no verifier of the circuit that the proof names counts, now or at all.
    #[must_use]
    pub fn is_of_router(&self) -> bool {
        let Self(data) = self;
        VerifierRouterErrors::abi_decode(data).is_ok()
    }

    /// The settlement contract's error, if it is one.
    #[must_use]
    pub fn of_settlement(&self) -> Option<SettlementErrors> {
        SettlementErrors::abi_decode(&self.0).ok()
    }

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
    use alloy_primitives::{Address, U256};

    use super::*;
    use crate::abi::{
        RegistryTree::NoFieldElement,
        Settlement::{NotNext, StrangerTooEarly},
        SuperblockVerifier::WrongProofLength,
        VerifierRouter::{SuspendedCircuit, UnknownCircuit},
    };

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

    #[test]
    fn a_reason_that_passes_says_when() {
        let early = StrangerTooEarly { caller: Address::ZERO, allowedAt: 90, time: 50 };
        let reason = Revert(early.abi_encode().into());
        assert_eq!(reason.until(), Some(Until { reason: "StrangerTooEarly", at: 90, now: Some(50) }));
        let suspended = SuspendedCircuit { outerDigest: Default::default(), until: U256::MAX };
        let reason = Revert(suspended.abi_encode().into());
        assert_eq!(reason.until(), Some(Until { reason: "SuspendedCircuit", at: u64::MAX, now: None }));
        assert!(reason.is_of_router() && !reason.is_of_verifier());
        let frozen = Revert(UnknownCircuit { outerDigest: Default::default() }.abi_encode().into());
        assert!(frozen.until().is_none() && frozen.is_of_router());
        let settled = Revert(NotNext { number: 3, expected: 2 }.abi_encode().into());
        assert!(settled.until().is_none() && !settled.is_of_router() && !settled.is_of_verifier());
    }

    #[test]
    fn only_the_verifiers_own_errors_are_about_the_proof() {
        let length = WrongProofLength { length: U256::ZERO, expected: U256::from(1) };
        assert!(Revert(length.abi_encode().into()).is_of_verifier());
        let tree = NoFieldElement { word: u64::MAX };
        // Of `assert` and of arithmetic, as the compiler makes it.
        let panic = Panic { code: U256::from(0x11) };
        for other in [tree.abi_encode(), panic.abi_encode(), Message::from("no").abi_encode(), vec![]] {
            let reason = Revert(other.into());
            assert!(!reason.is_of_verifier() && !reason.is_of_router(), "{reason}");
        }
    }

    #[test]
    fn an_error_that_no_known_contract_has_may_be_a_later_verifiers() {
        let unknown = Revert(vec![9; 4].into());
        assert!(!unknown.is_of_verifier() && unknown.may_be_of_verifier());
        let length = WrongProofLength { length: U256::ZERO, expected: U256::from(1) };
        assert!(Revert(length.abi_encode().into()).may_be_of_verifier());
        let panic = Panic { code: U256::from(1) };
        let next = NotNext { number: 3, expected: 2 };
        for other in
            [panic.abi_encode(), next.abi_encode(), Message::from("no").abi_encode(), vec![], vec![9; 3]]
        {
            let reason = Revert(other.into());
            assert!(!reason.may_be_of_verifier(), "{reason}");
        }
    }
}

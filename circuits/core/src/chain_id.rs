//! Chain ids: the numbers of deployments, as field elements.

use plonky2::field::types::Field64;
use thiserror::Error;

use crate::F;

/// The chain id is not below the field's order: it would be the element of a smaller one, and sign for that deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("chain id {0} is not below the field order {order}", order = F::ORDER)]
pub struct ChainIdError(pub u64);

/// Checks that a chain id is a field element.
///
/// # Errors
/// [`ChainIdError`]
pub const fn check_chain_id(chain_id: u64) -> Result<(), ChainIdError> {
    if chain_id < F::ORDER { Ok(()) } else { Err(ChainIdError(chain_id)) }
}

/// Reads a chain id that somebody typed.
///
/// # Errors
/// What it should be.
pub fn parse_chain_id(text: &str) -> Result<u64, String> {
    let chain_id = text.parse().map_err(|_| format!("a chain id is an integer below {}", F::ORDER))?;
    check_chain_id(chain_id).map_err(|error| error.to_string())?;
    Ok(chain_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_order_is_no_chain_id() {
        assert_eq!(check_chain_id(F::ORDER - 1), Ok(()));
        assert_eq!(check_chain_id(F::ORDER), Err(ChainIdError(F::ORDER)));
        assert_eq!(parse_chain_id("18446744069414584320"), Ok(F::ORDER - 1));
        for text in ["18446744069414584321", "18446744069414584322", "-1", "1 ", ""] {
            assert!(parse_chain_id(text).is_err(), "{text}");
        }
    }
}

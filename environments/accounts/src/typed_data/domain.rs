//! The domain of what accounts sign: one for each environment of a deployment, so that nothing signed for one holds in
//! another.

use circuits_core::F;
use circuits_tables::keccak::{DIGEST_WORDS, keccak256, to_words};
use environments_core::{address::Address, environment::EnvironmentId};
use plonky2::field::types::Field;
use serde::{Deserialize, Serialize};

use super::encoding::{address_word, uint_word};

/// What precedes the domain separator in what is signed.
const PREFIX: [u8; 2] = [0x19, 0x01];
/// The version of the domain.
pub const VERSION: &str = "1";
/// The type of the domain as EIP-712 encodes it.
pub const DOMAIN_TYPE: &str =
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";
/// Words of [`SigningDomain::words`].
pub const DOMAIN_WORDS: usize = DIGEST_WORDS + 1;
/// The largest chain id that a wallet reads exactly: JSON's numbers are doubles there.
pub const MAX_CHAIN_ID: u64 = (1 << 53) - 1;

/// The contract on L1 that settles the deployment. Wallets refuse to sign for another chain than theirs, and show the
/// contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settlement {
    /// The chain id of L1, from 1 to [`MAX_CHAIN_ID`].
    pub chain_id: u64,
    /// The contract's address.
    pub contract: Address,
}

/// The domain of what the accounts of one environment sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SigningDomain {
    /// The contract that settles.
    pub settlement: Settlement,
    /// The environment.
    pub environment: EnvironmentId,
}

impl SigningDomain {
    /// The name, which wallets show.
    #[must_use]
    pub fn name(&self) -> String {
        format!("Superblock environment {}", self.environment.get())
    }

    /// The domain separator of EIP-712.
    #[must_use]
    pub fn separator(&self) -> [u8; 32] {
        let Settlement { chain_id, contract } = self.settlement;
        let words = [
            keccak256(DOMAIN_TYPE.as_bytes()),
            keccak256(self.name().as_bytes()),
            keccak256(VERSION.as_bytes()),
            uint_word(chain_id),
            address_word(contract),
        ];
        keccak256(words.as_flattened())
    }

    /// What is signed begins with these 34 bytes: `0x1901` and the domain separator.
    #[must_use]
    pub fn prefix(&self) -> [u8; PREFIX.len() + 32] {
        let mut prefix = [0; PREFIX.len() + 32];
        prefix[..PREFIX.len()].copy_from_slice(&PREFIX);
        prefix[PREFIX.len()..].copy_from_slice(&self.separator());
        prefix
    }

    /// [`Self::prefix`] as big-endian integers of 32 bits; the last one has 16. A state commits to them in this form, so that
    /// no circuit has to shift the domain separator by two bytes.
    #[must_use]
    pub fn words(&self) -> [F; DOMAIN_WORDS] {
        let mut words = to_words(&self.prefix());
        // The last word has its bytes on top.
        words[DOMAIN_WORDS - 1] >>= 16;
        std::array::from_fn(|i| F::from_canonical_u32(words[i]))
    }
}

#[cfg(test)]
mod tests {
    use plonky2::field::types::PrimeField64;

    use super::*;

    #[test]
    fn the_words_are_those_of_the_prefix() {
        let settlement = Settlement { chain_id: 1, contract: Address([7; 20]) };
        let domain = SigningDomain { settlement, environment: EnvironmentId(5) };
        let words = domain.words().map(|word| word.to_canonical_u64());
        let mut bytes: Vec<u8> =
            words[..8].iter().flat_map(|&word| u32::try_from(word).unwrap().to_be_bytes()).collect();
        bytes.extend(u16::try_from(words[8]).unwrap().to_be_bytes());
        assert_eq!(bytes, domain.prefix());
    }

    #[test]
    fn case_39_no_two_environments_or_deployments_share_a_domain() {
        let settlement = Settlement { chain_id: 1, contract: Address([7; 20]) };
        let domain = SigningDomain { settlement, environment: EnvironmentId(5) };
        let others = [
            SigningDomain { environment: EnvironmentId(6), ..domain },
            SigningDomain { settlement: Settlement { chain_id: 2, ..settlement }, ..domain },
            SigningDomain { settlement: Settlement { contract: Address([8; 20]), ..settlement }, ..domain },
        ];
        for other in others {
            assert_ne!(domain.separator(), other.separator());
            assert_ne!(domain.words(), other.words());
        }
    }
}

//! Ethereum's addresses, as accounts have them and L1 knows them.

use std::{fmt, str::FromStr};

use circuits_core::{Digest, F};
use circuits_files::text::quoted;
use circuits_tables::keccak::keccak256;
use plonky2::field::types::Field;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use thiserror::Error;

/// Limbs of an address.
pub const LIMBS: usize = 4;
/// Bits of a limb.
pub const LIMB_BITS: usize = 40;
/// Bytes of an address.
pub const ADDRESS_BYTES: usize = 20;

/// 160 bits that name an account. As text `0x` and 40 lower-case hexadecimal digits, the bytes in order. Digits of both cases are
/// read, too, if they are those of [`Self::checksummed`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Address(pub [u8; ADDRESS_BYTES]);

/// Why text is not an address.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AddressError {
    /// It is something else.
    #[error("an address is 0x and 40 hexadecimal digits, found {0}")]
    NotHex(String),
    /// A digit was mistyped, or the case of one.
    #[error("the case of the digits of {found} is not the checksum of this address, which is {expected}")]
    Checksum {
        /// The address with its checksum.
        expected: String,
        /// What it is instead.
        found: String,
    },
}

impl Address {
    /// Four big-endian integers of 5 bytes each.
    #[must_use]
    pub fn limbs(self) -> [F; LIMBS] {
        let limb =
            |i: usize| self.0[5 * i..5 * i + 5].iter().fold(0, |limb, &byte| limb << 8 | u64::from(byte));
        std::array::from_fn(|i| F::from_canonical_u64(limb(i)))
    }

    /// The address as messages name it: its limbs.
    #[must_use]
    pub fn to_digest(self) -> Digest {
        Digest(self.limbs())
    }

    /// The address that a message names; `None` if a limb is not below `2^40`.
    #[must_use]
    pub fn from_digest(digest: Digest) -> Option<Self> {
        let mut bytes = [0; ADDRESS_BYTES];
        for (bytes, limb) in bytes.chunks_exact_mut(5).zip(digest.to_u64s()) {
            if limb >> LIMB_BITS != 0 {
                return None;
            }
            bytes.copy_from_slice(&limb.to_be_bytes()[3..]);
        }
        Some(Self(bytes))
    }

    /// The text that wallets show: the case of its digits is a checksum, as EIP-55 has it.
    #[must_use]
    pub fn checksummed(self) -> String {
        let digits = hex::encode(self.0);
        let digest = hex::encode(keccak256(digits.as_bytes()));
        // A letter is upper-case where the digest's digit is 8 or more.
        let cased = digits.chars().zip(digest.chars()).map(|(digit, of_digest)| match of_digest {
            '0'..='7' => digit,
            _ => digit.to_ascii_uppercase(),
        });
        "0x".chars().chain(cased).collect()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", hex::encode(self.0))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let error = || AddressError::NotHex(quoted(text));
        let mut bytes = [0; ADDRESS_BYTES];
        let digits = text.strip_prefix("0x").ok_or_else(error)?;
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| error())?;
        let address = Self(bytes);
        // Programs write no checksum.
        if !digits.bytes().any(|digit| digit.is_ascii_uppercase()) {
            return Ok(address);
        }
        let expected = address.checksummed();
        if text == expected {
            Ok(address)
        } else {
            Err(AddressError::Checksum { expected, found: text.to_owned() })
        }
    }
}

/// Text in text formats, 20 bytes in binary ones.
impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
        } else {
            Deserialize::deserialize(deserializer).map(Self)
        }
    }
}

#[cfg(test)]
mod tests {
    use plonky2::field::types::PrimeField64;

    use super::*;

    #[test]
    fn an_address_has_one_text() {
        let text = "0x0102030405060708090a0b0c0d0e0f10fffefdfc";
        let address: Address = text.parse().unwrap();
        assert_eq!(address.to_string(), text);
        assert_eq!(address.limbs().map(|limb| limb.to_canonical_u64())[3], 0x10_fffe_fdfc);
        assert_eq!(postcard::from_bytes::<Address>(&postcard::to_stdvec(&address).unwrap()), Ok(address));
        for other in
            [&text[2..], &text[..41], &format!("{text}0"), &text.to_uppercase().replace('X', "x"), "0x"]
        {
            assert!(other.parse::<Address>().is_err(), "{other}");
        }
    }

    #[test]
    fn the_checksums_of_eip_55_are_read_and_no_others() {
        // Published with EIP-55.
        for text in [
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
            "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
            "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
            "0x52908400098527886E0F7030069857D2E4169EE7",
            "0xde709f2102306220921060314715629080e2fb77",
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!((address.checksummed(), address.to_string()), (text.to_owned(), text.to_lowercase()));
        }
        let (expected, found) =
            ("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1Beaed");
        let wrong = AddressError::Checksum { expected: expected.to_owned(), found: found.to_owned() };
        assert_eq!(found.parse::<Address>(), Err(wrong));
    }

    #[test]
    fn a_digest_names_at_most_one_address() {
        for address in [Address::default(), Address([0xff; ADDRESS_BYTES]), Address([7; ADDRESS_BYTES])] {
            assert_eq!(Address::from_digest(address.to_digest()), Some(address));
            for limb in 0..LIMBS {
                let mut digest = address.to_digest();
                digest.0[limb] += F::from_canonical_u64(1 << LIMB_BITS);
                assert_eq!(Address::from_digest(digest), None);
            }
        }
    }
}

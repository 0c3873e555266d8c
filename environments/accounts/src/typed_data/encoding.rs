//! The values of EIP-712 types, 32 bytes each.

use bridge_core::AssetId;
use circuits_core::Digest;
use environments_core::address::{ADDRESS_BYTES, Address};

/// Bytes of a value.
pub(super) const VALUE_BYTES: usize = 32;
/// Bytes of an asset's name: its origin and its number there, big-endian.
pub(super) const ASSET_BYTES: usize = 6;

/// A value.
pub(super) type Value = [u8; VALUE_BYTES];

/// An unsigned integer of any width.
pub(super) fn uint_word(value: u64) -> Value {
    let mut word = [0; VALUE_BYTES];
    word[VALUE_BYTES - 8..].copy_from_slice(&value.to_be_bytes());
    word
}

/// An address.
pub(super) fn address_word(address: Address) -> Value {
    let mut word = [0; VALUE_BYTES];
    word[VALUE_BYTES - ADDRESS_BYTES..].copy_from_slice(&address.0);
    word
}

/// The bytes that name an asset.
pub(super) fn asset_bytes(asset: AssetId) -> [u8; ASSET_BYTES] {
    let mut bytes = [0; ASSET_BYTES];
    bytes[..2].copy_from_slice(&asset.origin().to_be_bytes());
    bytes[2..].copy_from_slice(&asset.local().to_be_bytes());
    bytes
}

/// An asset as `bytes6`, which EIP-712 pads on the right.
pub(super) fn asset_word(asset: AssetId) -> Value {
    let mut word = [0; VALUE_BYTES];
    word[..ASSET_BYTES].copy_from_slice(&asset_bytes(asset));
    word
}

/// A recipient as `bytes32`: its four elements in order, big-endian.
pub(super) fn recipient_word(recipient: Digest) -> Value {
    let mut word = [0; VALUE_BYTES];
    for (bytes, element) in word.chunks_exact_mut(8).zip(recipient.to_u64s()) {
        bytes.copy_from_slice(&element.to_be_bytes());
    }
    word
}

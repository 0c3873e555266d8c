//! plonky2's encodings of what a key consists of.
//!
//! plonky2 trusts what it decodes: callers check lengths and checksums first.

use plonky2::{
    iop::generator::WitnessGeneratorRef,
    util::serialization::{
        Buffer, DefaultGateSerializer, DefaultGeneratorSerializer, IoResult, WitnessGeneratorSerializer as _,
    },
};

use crate::basetypes::{C, CommonData, D, F};

/// Encodes common data.
///
/// # Errors
/// If a gate is not plonky2's.
pub fn encode_common(common: &CommonData) -> IoResult<Vec<u8>> {
    common.to_bytes(&DefaultGateSerializer)
}

/// Decodes what [`encode_common`] wrote.
///
/// # Errors
/// If the bytes are malformed.
pub fn decode_common(bytes: &[u8]) -> IoResult<CommonData> {
    CommonData::from_bytes(bytes.to_vec(), &DefaultGateSerializer)
}

/// Writes a generator.
///
/// # Errors
/// If it is not plonky2's.
pub fn write_generator(
    target: &mut Vec<u8>,
    generator: &WitnessGeneratorRef<F, D>,
    common: &CommonData,
) -> IoResult<()> {
    DefaultGeneratorSerializer::<C, D>::default().write_generator(target, generator, common)
}

/// Reads what [`write_generator`] wrote.
///
/// # Errors
/// If the bytes are malformed.
pub fn read_generator(source: &mut Buffer<'_>, common: &CommonData) -> IoResult<WitnessGeneratorRef<F, D>> {
    DefaultGeneratorSerializer::<C, D>::default().read_generator(source, common)
}

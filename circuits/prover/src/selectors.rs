//! Which selector polynomial, and which group of gates, each gate of a circuit belongs to.

use std::ops::Range;

use plonky2::{
    field::extension::Extendable,
    plonk::circuit_data::CommonCircuitData,
    util::serialization::{Buffer, IoResult, Read, Write},
};

use crate::basetypes::F;

/// plonky2's mark in a selector polynomial for "the gate of this row is in another group".
pub const UNUSED_SELECTOR: u64 = u32::MAX as u64;

/// What plonky2's `SelectorsInfo` holds in private fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selectors {
    /// For each gate, in the order of [`CommonCircuitData::gates`], its selector polynomial.
    pub polynomials: Vec<usize>,
    /// For each selector polynomial, the gates that it selects.
    pub groups: Vec<Range<usize>>,
}

impl Selectors {
    /// Reads the fields back from their encoding, which is their only public form.
    ///
    /// # Errors
    /// plonky2's, if it cannot encode them.
    pub fn of<const D: usize>(common: &CommonCircuitData<F, D>) -> IoResult<Self>
    where
        F: Extendable<D>,
    {
        let mut encoding = vec![];
        encoding.write_selectors_info(&common.selectors_info)?;
        let mut buffer = Buffer::new(&encoding);
        let polynomials = buffer.read_usize_vec()?;
        let groups = (0..buffer.read_usize()?)
            .map(|_| Ok(buffer.read_usize()?..buffer.read_usize()?))
            .collect::<IoResult<_>>()?;
        Ok(Self { polynomials, groups })
    }
}

//! The unit of all costs, `t1`: stock plonky2 verifying one proof of 2^12 rows recursively.

use plonky2::plonk::circuit_data::CircuitConfig;

use crate::{
    error::BenchError,
    stock::{Recursion, Square},
};

/// Rows of the proof that `t1` verifies, as a logarithm.
const BASELINE_DEGREE_BITS: usize = 12;

/// The circuit of `t1`, with the proof that it verifies.
pub struct Baseline(Recursion);

impl Baseline {
    /// Builds the circuit and the proof that it verifies.
    ///
    /// # Errors
    /// [`BenchError::Baseline`].
    pub fn new() -> Result<Self, BenchError> {
        let config = CircuitConfig::standard_recursion_config();
        let child = Square::new(config.clone(), BASELINE_DEGREE_BITS);
        Ok(Self(Recursion::new(config, &child)?))
    }

    /// Makes one proof and returns the seconds that it takes.
    ///
    /// # Errors
    /// [`BenchError::Baseline`].
    pub fn measure(&self) -> Result<f64, BenchError> {
        self.0.measure()
    }
}

//! What environment 0 does natively and in-circuit.

mod rows;

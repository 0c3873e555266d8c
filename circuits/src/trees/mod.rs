//! Merkle trees, native and in-circuit side by side.

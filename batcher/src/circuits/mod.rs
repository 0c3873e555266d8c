//! The batcher's circuits: segment leaves, their fold, and the superblock.
//!
//! ```text
//! wrapped blocks (2^12) --leaf, 1 to 8--> segment (2^15) --fold, 2 to 6--> segment --1, 2 or 4--> superblock
//! wrapped blocks (2^12) --1 to 4, applied directly------------------------------------------> superblock
//! ```

pub mod apply;
pub mod engine;
pub mod keys;
pub mod segment;
pub mod state;
pub mod superblock;
pub mod transition;

#[cfg(test)]
mod tests;

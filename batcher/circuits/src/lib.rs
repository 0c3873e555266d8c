//! The batcher's circuits: segment leaves, their fold, and the superblock.
//!
//! ```text
//! wrapped blocks (2^12) --leaf, 1 to 8--> segment (2^15) --fold, 2 to 6--> segment --1, 2 or 4--> superblock
//!                    messages --steps--> segment (2^15)
//! wrapped blocks (2^12) --1 to 4, applied directly------------------------------------------> superblock
//! ```
//!
//! Blocks only name their messages. The bridge's steps move them: in segments of their own, and in the rows that a
//! superblock's circuit leaves free, which come last.

pub mod apply;
mod assembly;
pub mod contents;
pub mod engine;
pub mod messages;
pub mod packing;
pub mod segment;
pub mod state;
pub mod superblock;
pub mod transition;

#[cfg(feature = "testing")]
pub mod testing;
#[cfg(test)]
mod tests;

//! Keys as callers of the library find and keep them.

mod collection;
mod config;
mod stores;

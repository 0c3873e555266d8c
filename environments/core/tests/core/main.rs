//! What every environment stands on.

mod bundle;
mod kernel;
mod producer;

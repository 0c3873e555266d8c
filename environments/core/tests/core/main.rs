//! Tests of what every environment uses.

mod bundle;
mod kernel;
mod producer;

#![doc = include_str!("../README.md")]

mod exceptions;
pub mod fixtures;
mod following;
mod forgery;
mod gates;
mod hints;
mod inputs;
mod judge;
mod kit;
mod model;
mod mutate;
mod names;
mod overwrite;
mod replay;
mod report;
mod run;

pub use exceptions::Exception;
pub use forgery::Forgery;
pub use judge::{
    Rejection, assert_accepts, assert_rejects, assert_rejects_by_prover, assert_rejects_forgery, check,
    check_forgery,
};
pub use kit::Kit;
pub use model::Violation;
pub use mutate::{Mutations, Mutator, Survivor, mutate};
pub use names::TargetName;
pub use report::{ClassInfo, Hole, Kind, Report};

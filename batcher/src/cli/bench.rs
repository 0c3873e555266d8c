//! `superblock bench`.
use super::{
    Options,
    answer::{Answer, Failure},
};

#[derive(clap::Args)]
pub(super) struct Arguments {}

pub(super) fn run(_: &Arguments, _: Options) -> Result<Answer, Failure> {
    Ok(Answer::new(serde_json::json!({}), String::new()))
}

//! Tasks whose proofs are hashes: a queue and a store can be tested with thousands of them.

use circuits_files::file::sha3;

use crate::{
    graph::{Place, Task},
    id::{KeyBytes, TaskId},
    provable::{Provable, ProvableError, Request},
};

/// The key of toys.
pub const TOY_KEY: KeyBytes = [7; 32];

/// A provable whose proof is the hash of the task and of an input. It proves nothing, and can be checked as a proof can.
#[derive(Clone, Copy, Debug, Default)]
pub struct Toy;

impl Toy {
    /// The name of the provable.
    pub const NAME: &'static str = "toy";

    /// The task with this statement above `children`.
    #[must_use]
    pub fn task(label: &str, statement: &[u8], children: Vec<TaskId>) -> Task {
        Task {
            label: label.to_owned(),
            provable: Self::NAME.to_owned(),
            key: TOY_KEY,
            statement: statement.to_vec(),
            children,
            memory: 1,
            place: Place::Anywhere,
        }
    }

    /// The only input with which a task can be proved.
    #[must_use]
    pub fn input(task: &Task) -> Vec<u8> {
        [b"input of ", &task.statement[..]].concat()
    }

    /// The only valid proof of a task.
    #[must_use]
    pub fn proof(task: &Task) -> Vec<u8> {
        sha3(&task.id().to_bytes()).to_vec()
    }
}

impl Provable for Toy {
    type Secret = ();

    fn name(&self) -> String {
        Self::NAME.to_owned()
    }

    fn key(&self) -> Result<KeyBytes, ProvableError> {
        Ok(TOY_KEY)
    }

    fn verify(&self, task: &Task, proof: &[u8]) -> Result<(), ProvableError> {
        if proof == Self::proof(task) { Ok(()) } else { Err(ProvableError::OtherStatement) }
    }

    fn prove(&self, request: &Request<'_>, (): &()) -> Result<Vec<u8>, ProvableError> {
        let Request { task, input, children } = request;
        let is_whole = children.iter().all(|child| self.verify(child.task, child.proof).is_ok());
        if *input != Self::input(task) || !is_whole {
            return Err(ProvableError::Input { reason: "it is not the toy's".to_owned() });
        }
        Ok(Self::proof(task))
    }
}

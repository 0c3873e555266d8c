//! Tasks and the graphs that they form.

use std::collections::BTreeMap;

use circuits_files::file::{self, FileKind, FormatError};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::id::{ID_BYTES, KeyBytes, TaskId};

/// The most tasks of a graph: several times those of the largest superblock with all its blocks.
pub const MAX_TASKS: usize = 1 << 14;
/// The most children of a task. The widest circuit verifies 6 proofs.
pub const MAX_CHILDREN: usize = 64;
/// The most bytes of a statement: 2,048 field elements.
pub const MAX_STATEMENT_BYTES: usize = 16 << 10;
/// The most bytes of a label, and of the name of a provable.
pub const MAX_NAME_BYTES: usize = 128;
/// The most bytes of a task's encoding.
pub const MAX_TASK_BYTES: u64 =
    (MAX_STATEMENT_BYTES + MAX_CHILDREN * ID_BYTES + 2 * MAX_NAME_BYTES + 256) as u64;
/// The most bytes of a graph's encoding.
pub const MAX_GRAPH_BYTES: u64 = 64 << 20;

/// Where a task can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// By any worker: its input goes to the store.
    Anywhere,
    /// In the process that made the graph, which alone has the secret or the input. Neither goes anywhere.
    Here,
    /// Nowhere: whoever made the graph has the proof already and puts it into the store, such as a block's proof that came
    /// in a file.
    Given,
}

/// One proof to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// What people read, such as `leaf 0..3`; the same in every run. At most [`MAX_NAME_BYTES`].
    pub label: String,
    /// Name of the circuit or STARK that proves it. At most [`MAX_NAME_BYTES`].
    pub provable: String,
    /// Digest of the key that its proof verifies under.
    pub key: KeyBytes,
    /// What it proves, in the encoding of the provable. At most [`MAX_STATEMENT_BYTES`].
    pub statement: Vec<u8>,
    /// The tasks whose proofs it needs, in the order in which its circuit verifies them. At most [`MAX_CHILDREN`].
    pub children: Vec<TaskId>,
    /// Bytes of memory that proving needs.
    pub memory: u64,
    /// Where it can be done.
    pub place: Place,
}

/// Why a task or a graph is malformed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GraphError {
    /// Something has more elements than it may have.
    #[error("{what} of task {label}: at most {limit}, found {found}")]
    Limit { label: String, what: &'static str, limit: usize, found: usize },
    /// There are too many tasks.
    #[error("a graph has at most {MAX_TASKS} tasks")]
    TooManyTasks,
    /// A task stands before one of its children, which may be missing altogether.
    #[error("task {label} stands before its child {child}")]
    ChildAfterParent { label: String, child: TaskId },
    /// A task is listed twice.
    #[error("task {label} is listed twice")]
    Twice { label: String },
    /// There is no task.
    #[error("a graph has at least one task")]
    Empty,
    /// A task is of no use to the root.
    #[error("no task needs the proof of task {label}")]
    Unused { label: String },
    /// Bytes are not the encoding of a graph or a task.
    #[error(transparent)]
    Format(#[from] FormatError),
}

impl Task {
    /// The name of the task, which follows from what it proves.
    #[must_use]
    pub fn id(&self) -> TaskId {
        TaskId::new(&self.key, &self.statement, &self.children)
    }

    fn check(&self) -> Result<(), GraphError> {
        let counts = [
            ("bytes of the label", MAX_NAME_BYTES, self.label.len()),
            ("bytes of the provable's name", MAX_NAME_BYTES, self.provable.len()),
            ("bytes of the statement", MAX_STATEMENT_BYTES, self.statement.len()),
            ("children", MAX_CHILDREN, self.children.len()),
        ];
        match counts.into_iter().find(|(_, limit, found)| found > limit) {
            Some((what, limit, found)) => {
                let label = self.label.chars().take(MAX_NAME_BYTES).collect();
                Err(GraphError::Limit { label, what, limit, found })
            }
            None => Ok(()),
        }
    }

    /// The bytes of the task in a store.
    ///
    /// # Errors
    /// [`GraphError::Limit`]
    pub fn encode(&self) -> Result<Vec<u8>, GraphError> {
        self.check()?;
        Ok(file::encode(FileKind::Task, self, MAX_TASK_BYTES)?)
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// [`GraphError::Format`] or [`GraphError::Limit`].
    pub fn decode(bytes: &[u8]) -> Result<Self, GraphError> {
        let task: Self = file::decode(FileKind::Task, bytes, MAX_TASK_BYTES)?;
        task.check()?;
        Ok(task)
    }
}

/// Tasks, each after those whose proofs it needs. The last one is the root, for which all the others are done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graph {
    tasks: Vec<Task>,
    ids: Vec<TaskId>,
    positions: BTreeMap<TaskId, usize>,
}

impl Graph {
    /// The graph of `tasks`, children before parents, the root last.
    ///
    /// # Errors
    /// [`GraphError`], all variants but [`GraphError::Format`].
    pub fn new(tasks: Vec<Task>) -> Result<Self, GraphError> {
        if tasks.len() > MAX_TASKS {
            return Err(GraphError::TooManyTasks);
        }
        let (mut ids, mut positions) = (Vec::with_capacity(tasks.len()), BTreeMap::new());
        let mut is_used = vec![false; tasks.len()];
        for (position, task) in tasks.iter().enumerate() {
            task.check()?;
            for &child in &task.children {
                let Some(&at) = positions.get(&child) else {
                    return Err(GraphError::ChildAfterParent { label: task.label.clone(), child });
                };
                is_used[at] = true;
            }
            let id = task.id();
            if positions.insert(id, position).is_some() {
                return Err(GraphError::Twice { label: task.label.clone() });
            }
            ids.push(id);
        }
        // Nobody needs the proof of the root.
        *is_used.last_mut().ok_or(GraphError::Empty)? = true;
        match is_used.iter().position(|used| !used) {
            Some(unused) => Err(GraphError::Unused { label: tasks[unused].label.clone() }),
            None => Ok(Self { tasks, ids, positions }),
        }
    }

    /// The tasks with their ids, children before parents.
    pub fn tasks(&self) -> impl DoubleEndedIterator<Item = (TaskId, &Task)> {
        self.ids.iter().copied().zip(&self.tasks)
    }

    /// The number of tasks, at least 1.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a graph is never empty")]
    pub const fn len(&self) -> usize {
        self.tasks.len()
    }

    /// The task for which all the others are done.
    #[must_use]
    pub fn root(&self) -> TaskId {
        self.ids[self.ids.len() - 1]
    }

    /// The task called `id`, if it is one of the graph.
    #[must_use]
    pub fn task(&self, id: TaskId) -> Option<&Task> {
        self.positions.get(&id).map(|&position| &self.tasks[position])
    }

    /// The position of the task called `id` among [`Self::tasks`].
    #[must_use]
    pub fn position(&self, id: TaskId) -> Option<usize> {
        self.positions.get(&id).copied()
    }

    /// The bytes of the graph in a store.
    ///
    /// # Errors
    /// [`GraphError::Format`] if there are more than [`MAX_GRAPH_BYTES`].
    pub fn encode(&self) -> Result<Vec<u8>, GraphError> {
        Ok(file::encode(FileKind::TaskGraph, &self.tasks, MAX_GRAPH_BYTES)?)
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// [`GraphError`]
    pub fn decode(bytes: &[u8]) -> Result<Self, GraphError> {
        Self::new(file::decode(FileKind::TaskGraph, bytes, MAX_GRAPH_BYTES)?)
    }
}

//! Graphs, queues, workers and coordinators, with tasks whose proofs are hashes.

mod coordinator;
mod graph;
mod in_process;
mod patience;
mod support;
mod worker;

//! Workers that are processes of their own: what they do, and how they are spoken to.
//!
//! A process says that it is ready once all its circuits are loaded. One that takes its tasks from here then gets one after the
//! other on its standard input, and answers each with a proof on its standard output. One that takes its tasks from a queue gets
//! nothing. Both end with their standard input.

use std::{
    fmt,
    io::{self, BufReader, Read, Write},
    process::{self, ChildStdin, ChildStdout, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use batcher_circuits::engine::Engine;
use batcher_workers::{Connection, ObjectStore, PostgresQueue, QueueOptions};
use circuits_files::file::BUNDLE_LIMIT;
use circuits_tasks::{
    graph::Task,
    provable::{Catalogue, Child, ProvableError, Request},
    queue::Queue as _,
    worker::Worker,
};
use serde::{Deserialize, Serialize};

use super::{AMPLE_MEMORY, superblock::House};
use crate::error::BenchError;

/// The schema of the queue's tables, beside those that a node has in the same database.
const SCHEMA: &str = "superblock_bench";

/// Where a process gets its tasks from.
#[derive(Clone, Debug)]
pub enum Source {
    /// From the process that started it.
    Pipe,
    /// From a queue in PostgreSQL.
    Queue {
        /// How to connect to it.
        connection: String,
        /// The address of the store.
        store: String,
    },
}

/// What a process did until it was no longer needed.
#[derive(Clone, Debug, Serialize)]
pub struct Worked {
    /// The blocks of the superblock that it worked on.
    pub blocks: usize,
}

impl fmt::Display for Worked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "worked on a superblock of {} blocks", self.blocks)
    }
}

/// A task as it is sent to a process.
#[derive(Deserialize)]
struct Sent {
    task: Task,
    input: Vec<u8>,
    children: Vec<(Task, Vec<u8>)>,
}

/// Works on a superblock of `blocks` blocks until standard input ends.
///
/// # Errors
/// [`BenchError`]: circuits cannot be loaded, or the queue cannot be used.
pub fn work(engine: &Engine, blocks: usize, source: &Source) -> Result<Worked, BenchError> {
    let house = House::new(engine, blocks)?;
    house.load_circuits()?;
    let catalogue = house.catalogue();
    write_frame(&mut io::stdout().lock(), &[]).map_err(BenchError::workers)?;
    match source {
        Source::Pipe => answer(&catalogue)?,
        Source::Queue { connection, store } => serve(&catalogue, connection, store)?,
    }
    Ok(Worked { blocks })
}

/// Proves what comes on standard input.
fn answer(catalogue: &Catalogue<'_>) -> Result<(), BenchError> {
    let (mut requests, mut answers) = (io::stdin().lock(), io::stdout().lock());
    while let Some(request) = read_frame(&mut requests).map_err(BenchError::workers)? {
        let Sent { task, input, children } = postcard::from_bytes(&request).map_err(BenchError::workers)?;
        let children: Vec<_> = children.iter().map(|(task, proof)| Child { task, proof }).collect();
        let provable = catalogue.find(&task.provable);
        let proof = provable.ok_or_else(|| format!("there is no provable {}", task.provable));
        let request = Request { task: &task, input: &input, children: &children };
        let proof = proof.and_then(|provable| provable.prove(&request, &()).map_err(|e| e.to_string()));
        let bytes = postcard::to_allocvec(&proof).map_err(BenchError::workers)?;
        write_frame(&mut answers, &bytes).map_err(BenchError::workers)?;
    }
    Ok(())
}

/// Does tasks of a queue, one at a time.
fn serve(catalogue: &Catalogue<'_>, connection: &str, store: &str) -> Result<(), BenchError> {
    let (queue, store) = (queue(connection, 1)?, open_store(store)?);
    let worker = Worker::new(catalogue, &store, &());
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            // Nothing comes, and an error means as well that nobody is there any more.
            let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
            stop.store(true, Ordering::Relaxed);
        });
        queue.run(&worker, &stop).map_err(BenchError::workers)
    })
}

/// The queue of the benchmark, with its tables, for a process that does `jobs` tasks at a time.
pub(super) fn queue(connection: &str, jobs: u32) -> Result<PostgresQueue, BenchError> {
    let connection = Connection::new(connection).map_err(BenchError::workers)?;
    if connection.has_password() {
        // Processes are given it as an argument.
        return Err(BenchError::workers("the connection string of a benchmark has no password"));
    }
    let options =
        QueueOptions { schema: SCHEMA.to_owned(), ..QueueOptions::new(jobs as usize, AMPLE_MEMORY) };
    let queue = PostgresQueue::new(&connection, options).map_err(BenchError::workers)?;
    queue.migrate().map_err(BenchError::workers)?;
    Ok(queue)
}

/// The store at this address.
pub(super) fn open_store(address: &str) -> Result<ObjectStore, BenchError> {
    ObjectStore::open(address, &Default::default()).map_err(BenchError::workers)
}

/// A process that was started.
pub(super) struct Process {
    process: process::Child,
    /// `None` once it was asked to end.
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Process {
    /// Starts a process whose prover has one thread.
    pub(super) fn start(mut command: Command) -> Result<Self, BenchError> {
        command.env("RAYON_NUM_THREADS", "1").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().map_err(BenchError::workers)?;
        let (Some(requests), Some(answers)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(BenchError::workers("a process has no standard input or output"));
        };
        Ok(Self { process, requests: Some(requests), answers: BufReader::new(answers) })
    }

    /// Waits until the process has loaded its circuits.
    pub(super) fn wait_until_ready(&mut self) -> Result<(), BenchError> {
        match read_frame(&mut self.answers).map_err(BenchError::workers)? {
            Some(ready) if ready.is_empty() => Ok(()),
            _ => Err(BenchError::workers("a process ended before it was ready")),
        }
    }

    /// Has a task proved.
    pub(super) fn prove(&mut self, request: &Request<'_>) -> Result<Vec<u8>, ProvableError> {
        self.ask(request).map_err(ProvableError::Other)?.map_err(|reason| ProvableError::Other(reason.into()))
    }

    fn ask(
        &mut self,
        request: &Request<'_>,
    ) -> Result<Result<Vec<u8>, String>, Box<dyn std::error::Error + Send + Sync>> {
        let children: Vec<_> = request.children.iter().map(|child| (child.task, child.proof)).collect();
        let bytes = postcard::to_allocvec(&(request.task, request.input, children))?;
        write_frame(self.requests.as_mut().ok_or("the process was asked to end")?, &bytes)?;
        let answer = read_frame(&mut self.answers)?.ok_or("the process ended before it answered")?;
        Ok(postcard::from_bytes(&answer)?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.requests.take());
        // It prints what it did, as every command does. Nothing can be done about one that fails.
        let _ = io::copy(&mut self.answers, &mut io::sink());
        let _ = self.process.wait();
    }
}

/// Writes the number of bytes, then the bytes.
fn write_frame(to: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(bytes)?;
    to.flush()
}

/// Reads what [`write_frame`] wrote; `None` at the end.
fn read_frame(from: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let length = u32::from_le_bytes(length);
    if u64::from(length) > BUNDLE_LIMIT {
        return Err(io::Error::other(format!("a frame has at most {BUNDLE_LIMIT} bytes, found {length}")));
    }
    let mut bytes = vec![];
    from.take(length.into()).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == u64::from(length) { Ok(Some(bytes)) } else { Ok(None) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_as_they_were_written_and_half_a_frame_is_the_end() {
        let mut bytes = vec![];
        for frame in [&b"one"[..], b"", b"three"] {
            write_frame(&mut bytes, frame).expect("memory");
        }
        let mut whole = &bytes[..];
        for frame in [&b"one"[..], b"", b"three"] {
            assert_eq!(read_frame(&mut whole).expect("memory").as_deref(), Some(frame));
        }
        assert_eq!(read_frame(&mut whole).expect("memory"), None);
        assert_eq!(read_frame(&mut &bytes[..5]).expect("memory"), None);
        assert!(read_frame(&mut &[255; 8][..]).is_err());
    }
}

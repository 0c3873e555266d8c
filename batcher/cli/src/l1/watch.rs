//! `superblock l1 watch`.

use std::{
    fmt,
    path::PathBuf,
    sync::atomic::Ordering,
    thread,
    time::{Duration, Instant},
};

use batcher_settlement::{
    contract::Contract as OnL1,
    l1::L1Error,
    watch::{FinalQueue, QueueReader, WatchError},
};
use circuits_files::text::shown;
use circuits_protocol::l1::QueuePosition;
use serde::Serialize;

use crate::{
    answer::{Answer, Failure},
    as_text,
    l1_arguments::Contract,
    options::Options,
    progress,
};

/// Between two looks at L1's queue.
const WATCH_EVERY: Duration = Duration::from_secs(12);

/// Write L1's queue of deposits to a file, as `batch` and `verify` take it.
///
/// Only deposits in final blocks are written, so that no reorganisation takes one back. The deposits are compared with the
/// digest that the contract has.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    contract: Contract,
    /// Write the queue to this file, which is replaced as a whole if it has what the same queue was earlier.
    ///
    /// The first line names the deployment, each further one is a deposit. Nothing else is replaced. Deposits leave the file only if
    /// they were cut from the queue.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Go on until the command is interrupted.
    ///
    /// L1 is asked every 12 seconds, and the file is written when the queue has changed.
    #[arg(long)]
    follow: bool,
}

/// A queue that was written.
#[derive(Serialize)]
struct Written {
    deployment: u64,
    block: u64,
    queue: QueuePosition,
    #[serde(serialize_with = "as_text::path")]
    file: PathBuf,
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { deployment, block, queue, file } = self;
        write!(f, "{}: {queue} of deployment {deployment}, up to final block {block}", file.display())
    }
}

pub(crate) fn run(arguments: &Arguments, options: Options) -> Result<Answer, Failure> {
    let Contract { node, contract } = &arguments.contract;
    let l1 = node.open()?.with_stop(&progress::STOP);
    let contract = OnL1 { l1: &l1, address: *contract };
    let mut reader = QueueReader::default();
    let mut read = || reader.read(&contract, node.finality());
    // Until then an interrupt ends the command: all blocks may have to be searched, and nothing is half done.
    let mut outcome = write(arguments, &read()?)?;
    if arguments.follow {
        progress::stop_on_interrupt();
    }
    while arguments.follow && is_to_go_on() {
        match read() {
            Ok(queue) if queue.position == outcome.queue => outcome.block = queue.block.number,
            Ok(queue) => match write(arguments, &queue) {
                Ok(written) => {
                    outcome = written;
                    if !options.quiet {
                        eprintln!("{outcome}");
                    }
                }
                // The file has what was written before, so the node is behind.
                Err(error @ WatchError::OtherDeposits { .. }) => warn(&error),
                Err(error) => return Err(error.into()),
            },
            Err(WatchError::L1(L1Error::Stopped)) => {}
            // The node may be back next time.
            Err(error) => warn(&error),
        }
    }
    Ok(Answer::new(&outcome))
}

/// Says what may be over at the next look.
fn warn(error: &WatchError) {
    eprintln!("warning: {}", shown(&error.to_string()));
}

/// Writes the queue as it is in a final block.
fn write(arguments: &Arguments, queue: &FinalQueue) -> Result<Written, WatchError> {
    queue.write(&arguments.out)?;
    let &FinalQueue { deployment, block, position, .. } = queue;
    Ok(Written { deployment, block: block.number, queue: position, file: arguments.out.clone() })
}

/// Waits for the next look. Returns false if the user has asked to stop.
fn is_to_go_on() -> bool {
    let end = Instant::now() + WATCH_EVERY;
    while Instant::now() < end {
        if progress::STOP.load(Ordering::Relaxed) {
            return false;
        }
        thread::sleep(Duration::from_millis(100));
    }
    true
}

//! Stops the process at its n-th durable step, as a full disk or a kill would. For tests only.

use std::{
    env,
    io::{self, Write},
    process,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// The environment variable that holds the number of durable steps after which the process is killed.
pub const KILL_AFTER: &str = "SUPERBLOCK_TEST_KILL_AFTER";

/// The number of steps left where no step fails.
const NEVER: u64 = u64::MAX;
static UNTIL_FAILURE: AtomicU64 = AtomicU64::new(NEVER);
static UNTIL_KILL: LazyLock<AtomicU64> = LazyLock::new(|| {
    let steps = env::var(KILL_AFTER).ok().and_then(|steps| steps.parse().ok());
    AtomicU64::new(steps.unwrap_or(NEVER))
});

/// Lets the next `steps` durable steps of the process succeed and every later one fail, until [`disarm`].
pub fn arm(steps: u64) {
    UNTIL_FAILURE.store(steps, Ordering::SeqCst);
}

/// Lets durable steps succeed again. Returns whether the first one that was to fail has been reached.
pub fn disarm() -> bool {
    UNTIL_FAILURE.swap(NEVER, Ordering::SeqCst) == 0
}

/// Stops before a durable step if it is the step's turn. A step that is about to write `bytes` to `file` leaves half of
/// them behind.
///
/// # Errors
/// [`io::ErrorKind::StorageFull`] if the step is to fail.
pub fn before_step(file: Option<&mut dyn Write>, bytes: &[u8]) -> io::Result<()> {
    let is_killed = UNTIL_KILL.fetch_sub(1, Ordering::SeqCst) == 0;
    let left = UNTIL_FAILURE.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
        Some(if left == NEVER { left } else { left.saturating_sub(1) })
    });
    let fails = left == Ok(0);
    if let Some(file) = file.filter(|_| is_killed || fails) {
        file.write_all(&bytes[..bytes.len() / 2])?;
    }
    if is_killed {
        // A kill leaves no chance to tidy up.
        let _ = process::Command::new("kill").args(["-KILL", &process::id().to_string()]).status();
        process::abort();
    }
    if fails { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
}

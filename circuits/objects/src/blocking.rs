//! Asynchronous work for callers that block.

use std::{fmt, io, thread};

use tokio::runtime::{Builder, Runtime};

/// A runtime of one thread, which goes on with what was spawned on it between calls.
pub struct Blocking {
    // `None` once this is dropped.
    runtime: Option<Runtime>,
}

impl Blocking {
    /// Starts the runtime; its thread is called `name`.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub fn start(name: &str) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name(name).enable_all().build()?;
        Ok(Self { runtime: Some(runtime) })
    }

    /// Starts `work`, which goes on until it ends or this is dropped.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.runtime {
            drop(runtime.spawn(work));
        }
    }

    /// Waits for `work`. The caller may be on a thread of another runtime.
    ///
    /// # Panics
    /// If `work` does.
    pub fn wait<T: Send>(&self, work: impl Future<Output = T> + Send) -> T {
        let runtime = self.runtime.as_ref().expect("taken on drop only");
        match thread::scope(|scope| scope.spawn(|| runtime.block_on(work)).join()) {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

impl Drop for Blocking {
    fn drop(&mut self) {
        // Waiting for idle connections is not possible on a thread of another runtime, and of no use on any.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Blocking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocking").finish_non_exhaustive()
    }
}

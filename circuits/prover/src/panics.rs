//! Turns panics of the proof system into errors: some proofs make plonky2's verifier panic, and some witnesses its prover.

use std::{any::Any, cell::Cell, panic, sync::Once};

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`. A panic in it becomes an error, and prints nothing, unless it is in another thread.
///
/// # Errors
/// The panic's message.
pub fn contained<R>(work: impl FnOnce() -> R) -> Result<R, String> {
    let outer = be_quiet();
    let result = panic::catch_unwind(panic::AssertUnwindSafe(work));
    QUIET.set(outer);
    result.map_err(|payload| message(payload.as_ref()))
}

/// Lets panics of this thread print nothing. Returns whether they did before.
fn be_quiet() -> bool {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let default = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                default(info);
            }
        }));
    });
    QUIET.replace(true)
}

fn message(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| payload.downcast_ref::<&str>().map(|&text| text.to_owned()))
        .unwrap_or_else(|| "the proof system panicked without a message".to_owned())
}

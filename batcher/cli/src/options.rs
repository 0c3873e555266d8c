//! The options that every command has.

/// Options of every command.
#[derive(clap::Args, Clone, Copy)]
pub(crate) struct Options {
    /// Print one JSON object on standard output.
    ///
    /// For programs. The object has `ok`, and `error` and `exit_code` if the command fails.
    #[arg(long, global = true, help_heading = "Options of every command")]
    pub(crate) json: bool,
    /// Print no progress on standard error.
    ///
    /// Errors and warnings are printed all the same.
    #[arg(long, global = true, help_heading = "Options of every command")]
    pub(crate) quiet: bool,
    /// End with exit code 1 if input was refused or left out.
    ///
    /// Without it, what was refused is listed and the command succeeds. Use it where all input should be good, as in
    /// tests.
    #[arg(long, global = true, help_heading = "Options of every command")]
    pub(crate) strict: bool,
}

//! What a command gives back: an answer made of any outcome that prints and serialises, or a failure.

use std::{
    error::Error,
    fmt::{self, Display},
    io::Write as _,
};

use batcher_job::scenario::chain_of;
use circuits_files::text::{shown, shown_json};
use serde::Serialize;
#[cfg(test)]
use serde_json::Value;
use serde_json::json;

use crate::{
    exit::{ExitCode, HasExitCode},
    options::Options,
};

/// A command's outcome, ready to be printed for programs and for people.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The outcome as an object of JSON, whose members are in their own order.
    object: String,
    text: String,
    code: ExitCode,
    has_refusals: bool,
}

impl Answer {
    /// The answer to a command that did what it was asked to.
    ///
    /// # Panics
    /// If the outcome does not serialise to an object, which no command has.
    pub(crate) fn new(outcome: &(impl Serialize + Display)) -> Self {
        let object = match serde_json::to_string(outcome) {
            Ok(object) if object.starts_with('{') => object,
            other => panic!("an outcome serialises to an object, found {other:?}"),
        };
        Self { object, text: outcome.to_string(), code: ExitCode::Done, has_refusals: false }
    }

    /// Says whether the outcome lists input that was refused or left out, which `--strict` does not accept.
    pub(crate) fn with_refusals(self, has_refusals: bool) -> Self {
        Self { has_refusals, ..self }
    }

    /// Ends with `code` unless `ok`.
    pub(crate) fn or_else(self, ok: bool, code: ExitCode) -> Self {
        if ok { self } else { Self { code, ..self } }
    }

    pub(crate) fn code(&self, strict: bool) -> ExitCode {
        match self.code {
            ExitCode::Done if strict && self.has_refusals => ExitCode::Invalid,
            code => code,
        }
    }

    /// The outcome's fields and `ok`, which is false if the command did not do what it was asked to.
    fn json_text(&self) -> String {
        let ok = self.code == ExitCode::Done;
        match &self.object[1..] {
            "}" => format!("{{\"ok\":{ok}}}"),
            fields => format!("{{\"ok\":{ok},{fields}"),
        }
    }

    #[cfg(test)]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.json_text()).expect("JSON")
    }

    #[cfg(test)]
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Prints the answer and returns the code that the program ends with.
    pub(crate) fn print(self, options: Options) -> ExitCode {
        let code = self.code(options.strict);
        print(options.json.then(|| self.json_text()), &self.text);
        code
    }
}

/// A command's error, with the code that it leads to.
#[derive(Debug)]
pub(crate) struct Failure {
    code: ExitCode,
    error: Box<dyn Error>,
}

impl<E: HasExitCode + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { code: error.exit_code(), error: Box::new(error) }
    }
}

/// The error with its causes.
impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&chain_of(self.error.as_ref()))
    }
}

impl Failure {
    #[cfg(test)]
    pub(crate) fn code(&self) -> ExitCode {
        self.code
    }

    /// Prints the error and returns the code that the program ends with.
    pub(crate) fn print(self, options: Options) -> ExitCode {
        let error = self.to_string();
        eprintln!("error: {error}");
        let json = || json!({ "ok": false, "exit_code": self.code.number(), "error": error }).to_string();
        print(options.json.then(json), "");
        self.code
    }
}

fn print(json: Option<String>, text: &str) {
    let mut out = std::io::stdout().lock();
    // Outcomes break lines where they mean to. Anything else that a terminal obeys comes from outside.
    let text = text.split('\n').map(|line| shown(line).to_string()).collect::<Vec<_>>().join("\n");
    // A reader that has gone away is not a failure of the command.
    let _ = match json {
        Some(json) => writeln!(out, "{}", shown_json(&json)),
        None if text.is_empty() => Ok(()),
        None => writeln!(out, "{text}"),
    };
}

//! A PostgreSQL of its own for tests.

use std::{
    fs, io,
    os::unix::{
        fs::{MetadataExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use tempfile::{NamedTempFile, TempDir};
use thiserror::Error;

/// The user that a server runs as if the tests run as root: PostgreSQL refuses to.
const UNPRIVILEGED: &str = "postgres";

/// The role that owns the databases. Only the sockets' directory protects it, so it needs no password.
const ROLE: &str = "superblock";

/// Where Debian and its descendants put the programs, below a folder for each version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// Stops the server and removes its directory once its standard input ends, which is when the test's process ends, however
/// it ends. Arguments: the directory, and `pg_ctl`.
const WATCHER: &str = r#"cat >/dev/null; "$2" stop -s -m immediate -D "$1/data" 2>/dev/null; rm -rf "$1""#;

/// Why there is no server.
#[derive(Debug, Error)]
pub enum PostgresError {
    /// PostgreSQL is not installed.
    #[error(
        "PostgreSQL is not installed: neither PATH nor {DEBIAN} has {program}; on Debian, apt-get install postgresql"
    )]
    Missing { program: &'static str },
    /// The tests run as root, and there is no user that the server could run as.
    #[error("PostgreSQL does not run as root, and /etc/passwd has no user {UNPRIVILEGED}")]
    NoUser,
    /// A file cannot be made, or a program not be started.
    #[error("cannot {action}: {source}")]
    Io { action: &'static str, source: io::Error },
    /// A program of PostgreSQL ended with an error.
    #[error("{program} failed: {output}")]
    Failed { program: &'static str, output: String },
}

/// The ids of the user that the server runs as.
#[derive(Clone, Copy, Debug)]
struct User {
    uid: u32,
    gid: u32,
}

/// A server in a temporary directory, which listens on a socket in there only.
///
/// It is stopped, and its directory removed, when this is dropped, and also when the process is killed.
#[derive(Debug)]
pub struct Postgres {
    directory: PathBuf,
    programs: PathBuf,
    user: Option<User>,
    watcher: Option<Child>,
}

impl Postgres {
    /// Makes a new server and starts it.
    ///
    /// # Errors
    /// [`PostgresError`].
    pub fn start() -> Result<Self, PostgresError> {
        let programs = programs()?;
        let directory = TempDir::with_prefix("superblock-postgres-").map_err(io_error("make a directory"))?;
        let metadata = directory.path().metadata().map_err(io_error("look at a directory"))?;
        let user = if metadata.uid() == 0 { Some(unprivileged()?) } else { None };
        if let Some(user) = user {
            chown(directory.path(), Some(user.uid), Some(user.gid))
                .map_err(io_error("give a directory away"))?;
        }
        let mut server = Self { directory: directory.keep(), programs, user, watcher: None };
        let pg_ctl = server.programs.join("pg_ctl");
        let watcher = server
            .command(Path::new("sh"))
            .args(["-c", WATCHER, "sh"])
            .arg(&server.directory)
            .arg(pg_ctl)
            // Of a group of its own, so that an interrupt from the keyboard leaves it to its work.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(io_error("start sh"))?;
        server.watcher = Some(watcher);
        let data = server.data();
        let options =
            ["--no-sync", "--auth=trust", "--encoding=UTF8", "--no-locale", "--username", ROLE, "-D", &data];
        server.run("initdb", &options)?;
        server.resume()?;
        Ok(server)
    }

    /// How to connect, as `tokio-postgres` reads it.
    #[must_use]
    pub fn connection(&self) -> String {
        format!("host={} user={ROLE} dbname=postgres", self.directory.display())
    }

    /// Ends the server as a crash would. [`Self::resume`] starts it again.
    ///
    /// # Errors
    /// [`PostgresError::Failed`]
    pub fn crash(&self) -> Result<(), PostgresError> {
        self.run("pg_ctl", &["stop", "-s", "-m", "immediate", "-D", &self.data()]).map(drop)
    }

    /// Starts the server, and waits until it answers.
    ///
    /// # Errors
    /// [`PostgresError::Failed`]
    pub fn resume(&self) -> Result<(), PostgresError> {
        let directory = self.directory.display();
        // Tests lose no power, so nothing is synced.
        let options = format!("-F -c listen_addresses='' -c max_connections=200 -k '{directory}'");
        let log = self.directory.join("log").display().to_string();
        self.run("pg_ctl", &["start", "-s", "-w", "-l", &log, "-o", &options, "-D", &self.data()]).map(drop)
    }

    /// Runs statements, and returns the rows of the last one as `psql` prints them: a line each, with `|` between columns.
    ///
    /// # Errors
    /// [`PostgresError::Failed`]
    pub fn sql(&self, statements: &str) -> Result<String, PostgresError> {
        let host = self.directory.display().to_string();
        let flags = [
            "-X",
            "-q",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            &host,
            "-U",
            ROLE,
            "-d",
            "postgres",
            "-c",
        ];
        Ok(self.run("psql", &[&flags[..], &[statements]].concat())?.trim().to_owned())
    }

    fn data(&self) -> String {
        self.directory.join("data").display().to_string()
    }

    /// Runs one of PostgreSQL's programs, and returns what it prints.
    fn run(&self, program: &'static str, arguments: &[&str]) -> Result<String, PostgresError> {
        // Not a pipe: a server that `pg_ctl` starts would hold it open.
        let output = NamedTempFile::new_in(&self.directory).map_err(io_error("make a file"))?;
        let writers = output.reopen().and_then(|file| Ok((file.try_clone()?, file)));
        let (output_writer, error_writer) = writers.map_err(io_error("make a file"))?;
        let status = self
            .command(&self.programs.join(program))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(output_writer)
            .stderr(error_writer)
            .status()
            .map_err(io_error("start a program of PostgreSQL"))?;
        let output = fs::read_to_string(output.path()).unwrap_or_default();
        if status.success() {
            return Ok(output);
        }
        let log = fs::read_to_string(self.directory.join("log")).unwrap_or_default();
        Err(PostgresError::Failed { program, output: output + &log })
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        // PostgreSQL's programs want to enter the directory that they start in.
        command.current_dir(&self.directory);
        if let Some(User { uid, gid }) = self.user {
            command.uid(uid).gid(gid);
        }
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(mut watcher) = self.watcher.take() {
            drop(watcher.stdin.take());
            // Nothing can be done about a watcher that fails.
            let _ = watcher.wait();
        }
    }
}

fn io_error(action: &'static str) -> impl FnOnce(io::Error) -> PostgresError {
    move |source| PostgresError::Io { action, source }
}

/// The directory of PostgreSQL's programs: one of `PATH`, or that of the newest version that Debian has installed.
fn programs() -> Result<PathBuf, PostgresError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir(DEBIAN)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort();
    let debian = versions.into_iter().rev().map(|(_, path)| path);
    let has_all = |directory: &PathBuf| {
        ["initdb", "pg_ctl", "postgres", "psql"].iter().all(|program| directory.join(program).is_file())
    };
    std::env::split_paths(&path)
        .chain(debian)
        .find(has_all)
        .ok_or(PostgresError::Missing { program: "initdb" })
}

fn unprivileged() -> Result<User, PostgresError> {
    let passwd = fs::read_to_string("/etc/passwd").map_err(io_error("read /etc/passwd"))?;
    let user = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == UNPRIVILEGED).then_some(())?;
        let uid = fields.nth(1)?.parse().ok()?;
        Some(User { uid, gid: fields.next()?.parse().ok()? })
    });
    user.ok_or(PostgresError::NoUser)
}

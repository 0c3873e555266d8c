//! A real node: anvil, from the npm packages of `bridge/contracts`.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};

/// The key of anvil's first account, which is public.
pub(crate) const KEY: &str = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
/// The program itself: the script that npm links to it would outlive its end.
fn program() -> PathBuf {
    let packages =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bridge/contracts/node_modules/@foundry-rs");
    let found =
        fs::read_dir(&packages).into_iter().flatten().flatten().map(|entry| entry.path().join("bin/anvil"));
    let mut found: Vec<_> = found.filter(|path| path.is_file()).collect();
    found.sort();
    let missing = || panic!("{} has no anvil: run npm ci --prefix bridge/contracts", packages.display());
    // The package that npm links is a script; that of the platform is the program.
    found
        .into_iter()
        .find(|path| !path.to_string_lossy().contains("@foundry-rs/anvil/"))
        .unwrap_or_else(missing)
}

/// A running node.
pub(crate) struct Anvil {
    child: Child,
    pub(crate) port: u16,
}

impl Anvil {
    /// Starts a node whose blocks are final two blocks later, with further arguments.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(program())
            .args(["--port", "0", "--slots-in-an-epoch", "1", "--accounts", "4"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("anvil runs");
        let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut line = String::new();
        let port = loop {
            line.clear();
            assert!(output.read_line(&mut line).expect("text") > 0, "anvil ended");
            if let Some((_, port)) = line.trim().split_once("Listening on 127.0.0.1:") {
                break port.parse().expect("a port");
            }
        };
        // What it says later is not read, and must not fill the pipe.
        std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        Self { child, port }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Asks the node.
    pub(crate) fn ask(&self, method: &str, parameters: Value) -> Value {
        let answer = self.answer(method, parameters);
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    /// The whole answer, an error too.
    pub(crate) fn answer(&self, method: &str, parameters: Value) -> Value {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": parameters });
        let answer = post(self.port, request.to_string().as_bytes()).expect("the node answers");
        serde_json::from_slice(&answer).expect("JSON")
    }

    pub(crate) fn mine(&self, blocks: u64) {
        self.ask("anvil_mine", json!([format!("{blocks:#x}")]));
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Posts a body to a port of this machine, and returns the answer's body.
pub(crate) fn post(port: u16, body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    write!(
        stream,
        "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n",
        body.len()
    )?;
    stream.write_all(body)?;
    read_body(&mut BufReader::new(stream))
}

/// Reads the headers of a message, and its body.
pub(crate) fn read_body(stream: &mut impl std::io::BufRead) -> std::io::Result<Vec<u8>> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().expect("a length");
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(body)
}

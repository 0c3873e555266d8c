//! A thin proxy between the job and its node, which spoils what it is told to.

use std::{
    io::{BufReader, Write as _},
    net::{TcpListener, TcpStream},
    process::Child,
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::anvil::{post, read_body};

/// Longer than a test.
pub(crate) const FOREVER: Duration = Duration::from_secs(600);

/// What becomes of a request.
pub(crate) enum Fate {
    /// The node answers.
    Pass,
    /// The connection ends without an answer; the node is not asked.
    Drop,
    /// The node is not asked, and nothing is answered for longer than anybody waits.
    Hang,
    /// The node is asked, and its answer is lost.
    Lose,
    /// The node's answer comes late.
    Delay(Duration),
    /// The node's answer is another one.
    Change(fn(&mut Value)),
    /// This is the answer; the node is not asked.
    Answer(Value),
    /// The node refuses with this code and these words; it is not asked.
    Refuse(i64, &'static str),
}

type Rule = Box<dyn FnMut(&str, &Value) -> Fate + Send>;

/// Starts a proxy before the node at `port`, and returns its address. `rule` decides about each request by its method and
/// parameters.
pub(crate) fn start(port: u16, rule: impl FnMut(&str, &Value) -> Fate + Send + 'static) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = listener.local_addr().expect("bound");
    let rule: Arc<Mutex<Rule>> = Arc::new(Mutex::new(Box::new(rule)));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let rule = rule.clone();
            // A client that goes away is no fault of the proxy.
            thread::spawn(move || drop(serve(stream, port, &rule)));
        }
    });
    format!("http://{address}")
}

fn serve(mut stream: TcpStream, port: u16, rule: &Mutex<Rule>) -> std::io::Result<()> {
    let body = read_body(&mut BufReader::new(stream.try_clone()?))?;
    let request: Value = serde_json::from_slice(&body)?;
    let method = request["method"].as_str().unwrap_or_default();
    let fate = (rule.lock().expect("no rule panics"))(method, &request["params"]);
    let answer = match fate {
        Fate::Drop => return Ok(()),
        Fate::Hang => {
            thread::sleep(FOREVER);
            return Ok(());
        }
        Fate::Pass => post(port, &body)?,
        Fate::Lose => {
            post(port, &body)?;
            return Ok(());
        }
        Fate::Delay(time) => {
            let answer = post(port, &body)?;
            thread::sleep(time);
            answer
        }
        Fate::Change(change) => {
            let mut answer: Value = serde_json::from_slice(&post(port, &body)?)?;
            change(&mut answer["result"]);
            answer.to_string().into_bytes()
        }
        Fate::Refuse(code, message) => {
            let error = serde_json::json!({ "code": code, "message": message });
            serde_json::json!({ "jsonrpc": "2.0", "id": request["id"], "error": error })
                .to_string()
                .into_bytes()
        }
        Fate::Answer(result) => {
            serde_json::json!({ "jsonrpc": "2.0", "id": request["id"], "result": result })
                .to_string()
                .into_bytes()
        }
    };
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        answer.len()
    )?;
    stream.write_all(&answer)
}

/// A moment at which a process is killed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Moment {
    /// Before the node gets a transaction.
    BeforeSending,
    /// When the node has it, and before it says so.
    AfterSending,
}

/// Runs a process, which gets the address of a proxy and is killed when it first sends a transaction. Returns whether it did.
pub(crate) fn kill_at(port: u16, moment: Moment, start: impl FnOnce(&str) -> Child) -> bool {
    let (told, tells) = mpsc::channel();
    let url = self::start(port, move |method, _| {
        if method != "eth_sendRawTransaction" {
            return Fate::Pass;
        }
        let _ = told.send(());
        match moment {
            Moment::BeforeSending => Fate::Hang,
            Moment::AfterSending => Fate::Delay(FOREVER),
        }
    });
    let mut child = start(&url);
    loop {
        if tells.recv_timeout(Duration::from_millis(10)).is_ok() {
            if matches!(moment, Moment::AfterSending) {
                // The proxy tells before it asks the node.
                thread::sleep(Duration::from_millis(200));
            }
            child.kill().expect("it can be killed");
            child.wait().expect("it ended");
            return true;
        }
        if let Some(status) = child.try_wait().expect("it runs") {
            assert!(status.success(), "{status}");
            return false;
        }
    }
}

//! A thin proxy between the job and its node, which spoils what it is told to.

use std::{
    io::{BufReader, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::anvil::{post, read_body};

/// What becomes of a request.
pub(crate) enum Fate {
    /// The node answers.
    Pass,
    /// The connection ends without an answer; the node is not asked.
    Drop,
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

//! A node over TLS: its certificate is verified.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use serde_json::Value;

use crate::counters::json;

/// A certificate of this machine that signs itself, and its key. Nobody trusts it but these tests.
const CERTIFICATE: &str = include_str!("tls/localhost.certificate.pem");
const KEY: &str = include_str!("tls/localhost.key.pem");

/// Starts a node over TLS that says which network it is on, and returns its port and how often somebody came.
fn start() -> (u16, Arc<AtomicUsize>) {
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(KEY.as_bytes()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has them")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("they are a pair");
    let config = Arc::new(config);
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let visits = Arc::new(AtomicUsize::new(0));
    let counted = visits.clone();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            counted.fetch_add(1, Ordering::Relaxed);
            let connection = ServerConnection::new(config.clone()).expect("a configuration");
            // A client that does not trust the certificate goes away.
            let _ = answer(StreamOwned::new(connection, stream));
        }
    });
    (port, visits)
}

fn answer(mut stream: StreamOwned<ServerConnection, TcpStream>) -> std::io::Result<()> {
    let mut reader = BufReader::new(&mut stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().expect("a length");
        }
    }
    let mut question = vec![0; length];
    reader.read_exact(&mut question)?;
    let question: Value = serde_json::from_slice(&question)?;
    let body = format!(r#"{{"jsonrpc":"2.0","id":{},"result":"0x7a69"}}"#, question["id"]);
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    stream.write_all((head + &body).as_bytes())?;
    stream.flush()
}

#[test]
fn a_node_over_tls_is_asked_if_its_certificate_is_trusted() {
    let directory = tempfile::tempdir().expect("a directory");
    let trusted = directory.path().join("trusted.pem");
    std::fs::write(&trusted, CERTIFICATE).expect("writable");
    let (port, visits) = start();
    let status = |certificates: Option<&std::path::Path>, code| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_superblock"));
        command.env_remove("SSL_CERT_DIR").env_remove("SSL_CERT_FILE");
        certificates.map(|path| command.env("SSL_CERT_FILE", path));
        let url = format!("https://localhost:{port}");
        let contract = "0x0000000000000000000000000000000000001234";
        command.args(["l1", "status", "--l1", &url, "--l1-chain-id", "1", "--contract", contract, "--json"]);
        json(&command.output().expect("the binary runs"), code)["error"].clone()
    };
    assert_eq!(status(Some(&trusted), 3), "the node is on the network with chain id 31337, expected 1");
    let before = visits.load(Ordering::Relaxed);
    let expected =
        "the certificate of L1's node is not trusted: nobody whom the system trusts vouches for it";
    assert_eq!(status(None, 3), expected);
    assert_eq!(visits.load(Ordering::Relaxed), before + 1, "it is not asked again");
}

//! Files that are not what the pins say: refused with their reason, set aside, and never a key.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use circuits_core::Compiled;
use circuits_keys::{
    Checksum, Event, HEADER_LIMIT, Header, KEY_LIMIT, KeyFile, KeyFileError, KeyKind, KeyStore, Made, Origin,
    Payload, StoreError, StoreLock, parse_header,
};

use crate::{BUILT, Bench, DIVIDE, Divide, bytes_of, filled, header, origin};

#[test]
fn making_a_key_twice_gives_the_same_files() {
    let files = || {
        let made = Made::new(&Compiled::new(DIVIDE).unwrap());
        made.files(&origin()).map(|file| file.bytes().to_vec()).collect::<Vec<_>>()
    };
    let first = files();
    assert_eq!(first.len(), 3);
    assert!(first == files());
}

#[test]
fn every_changed_byte_of_every_file_is_noticed() {
    let made = Made::new(&Compiled::new(Divide { rows: 1 }).unwrap());
    for file in made.files(&origin()) {
        for position in 0..file.bytes().len() {
            let mut bytes = file.bytes().to_vec();
            bytes[position] ^= 1 << (position % 8);
            assert!(KeyFile::expect(file.header(), bytes).is_err(), "byte {position}");
        }
    }
}

#[test]
fn every_truncation_and_an_extension_are_noticed() {
    let (_, store, pins) = filled();
    for kind in [KeyKind::VerifierKey, KeyKind::CommonData] {
        let header = header(&pins, kind);
        let bytes = bytes_of(store.as_ref(), &header);
        for length in 0..bytes.len() {
            assert!(KeyFile::expect(&header, bytes[..length].to_vec()).is_err(), "{length} bytes");
        }
        assert!(KeyFile::expect(&header, [&bytes[..], &[0]].concat()).is_err());
    }
}

/// A damaged or forged file in the place of `kind`: refused with `reason`, set aside and made again.
fn is_refused(kind: KeyKind, forge: impl Fn(&KeyFile) -> Vec<u8>, reason: &str) {
    let (memory, store, pins) = filled();
    let header = header(&pins, kind);
    let name = header.file_name();
    let good = bytes_of(store.as_ref(), &header);
    store.write(&name, &forge(&KeyFile::expect(&header, good.clone()).unwrap())).unwrap();

    let bench = Bench::new(&store, pins);
    let circuit = bench.cache.circuit(DIVIDE).unwrap();
    assert!(circuit.circuit == BUILT.circuit);
    let refusals = bench.refusals();
    assert!(refusals.len() == 1 && refusals[0].contains(reason), "{refusals:?}");
    assert_eq!((bench.made(), bench.loaded()), (1, 0));
    assert!(bytes_of(store.as_ref(), &header) == good, "the key is there again");
    let why = String::from_utf8(memory.take(&format!("{name}.refused.txt")).unwrap()).unwrap();
    assert!(why.contains(reason), "{why}");
    assert!(memory.take(&format!("{name}.refused")).is_some());
}

/// The file with another payload, and all that depends on it in the header put right.
fn with_payload(file: &KeyFile, payload: &[u8]) -> Vec<u8> {
    let header = Header { payload: Payload::of(payload), ..file.header().clone() }.identified();
    KeyFile::new(header, payload).bytes().to_vec()
}

#[test]
fn a_poisoned_generator_is_refused() {
    // The first generators stand at the start of the payload.
    let poison = |file: &KeyFile| {
        let mut payload = file.payload().to_vec();
        payload[20] ^= 1;
        with_payload(file, &payload)
    };
    is_refused(KeyKind::ProverKey, poison, "payload.sha3 of the key is");
    // As above, but the header still says what the pin says.
    let poison = |file: &KeyFile| {
        let mut payload = file.payload().to_vec();
        payload[20] ^= 1;
        KeyFile::new(file.header().clone(), &payload).bytes().to_vec()
    };
    is_refused(KeyKind::ProverKey, poison, "the payload's checksum is");
}

#[test]
fn swapped_public_input_wires_are_refused() {
    let mut compiled = Compiled::new(DIVIDE).unwrap();
    compiled.circuit.prover_only.public_inputs.swap(0, 1);
    let swapped = Made::new(&compiled);
    let file = swapped.files(&origin()).find(|file| file.header().kind.kind == KeyKind::ProverKey).unwrap();
    let (_, _, honest) = filled();
    assert_eq!(file.header().verifier_key, honest.circuit[0].key, "the verifier key does not tell");
    assert_ne!(file.header().identifying_hash, header(&honest, KeyKind::ProverKey).identifying_hash);
    is_refused(KeyKind::ProverKey, |_| file.bytes().to_vec(), "payload.sha3 of the key is");
}

#[test]
fn each_kind_of_damage_has_its_message() {
    let cut = |file: &KeyFile| file.bytes()[..file.bytes().len() - 1].to_vec();
    is_refused(KeyKind::ProverKey, cut, "the header announces a payload of");
    is_refused(KeyKind::ProverKey, |file| [file.bytes(), &[0; 1 << 17]].concat(), "the file has more than");
    is_refused(KeyKind::VerifierKey, |_| vec![], "a key file starts with the line");
    is_refused(KeyKind::CommonData, |_| b"superblock key\n{".to_vec(), "one line of JSON");
    let edited = |from: &'static str, to: &'static str| {
        move |file: &KeyFile| {
            let text = file.header().to_json().replace(from, to);
            [b"superblock key\n", text.as_bytes(), b"\n", file.payload()].concat()
        }
    };
    let version = edited("\"header_version\":1", "\"header_version\":2");
    is_refused(KeyKind::VerifierKey, version, "header version 1 was expected, found 2");
    let unknown = edited("\"gates\"", "\"colour\":1,\"gates\"");
    is_refused(KeyKind::VerifierKey, unknown, "unknown field `colour`");
    let spaced = edited(",\"gates\"", ", \"gates\"");
    is_refused(KeyKind::VerifierKey, spaced, "not minified JSON");
    let other = edited("\"rows\":130", "\"rows\":131");
    is_refused(KeyKind::VerifierKey, other, "identifying hash");
    let huge = edited("\"bytes\":", "\"bytes\":9999999");
    is_refused(KeyKind::VerifierKey, huge, "identifying hash");
}

#[test]
fn a_length_of_gigabytes_is_only_compared() {
    let (_, store, pins) = filled();
    let header = header(&pins, KeyKind::VerifierKey);
    let file = KeyFile::expect(&header, bytes_of(store.as_ref(), &header)).unwrap();
    let payload = Payload { bytes: u64::MAX, ..header.payload };
    let lie = Header { payload, ..header.clone() }.identified();
    let bytes = KeyFile::new(lie.clone(), file.payload()).bytes().to_vec();
    let found = file.payload().len() as u64;
    assert_eq!(
        KeyFile::parse(&lie.file_name(), bytes).unwrap_err(),
        KeyFileError::Length { announced: u64::MAX, found }
    );
}

#[test]
fn a_key_of_other_parameters_or_of_other_code_is_not_used() {
    let (_, store, pins) = filled();
    let other = Divide { rows: 131 };
    let bench = Bench::new(&store, pins.clone());
    bench.cache.circuit(other.clone()).unwrap();
    assert_eq!((bench.loaded(), bench.made()), (0, 1));

    let yesterday = Origin { source: Checksum::of(b"yesterday's source"), ..origin() };
    let bench = Bench::of(yesterday.clone(), &store, pins.clone());
    bench.cache.circuit(DIVIDE).unwrap();
    assert_eq!((bench.loaded(), bench.made()), (0, 1));
}

#[test]
fn a_file_of_other_parameters_or_of_other_code_is_refused_by_the_field_that_differs() {
    let others = |definition: Divide, origin: Origin| {
        move |file: &KeyFile| {
            let made = Made::new(&Compiled::new(definition.clone()).unwrap());
            let kind = file.header().kind.kind;
            let other = made.files(&origin).find(|file| file.header().kind.kind == kind).unwrap();
            assert_ne!(other.header().file_name(), file.header().file_name());
            other.bytes().to_vec()
        }
    };
    let yesterday = Origin { source: Checksum::of(b"yesterday's source"), ..origin() };
    let older = Origin { superblock: "0.0.0-old".to_owned(), ..origin() };
    for kind in KeyKind::ALL {
        let reason = "parameters.rows of the key is 131, expected 130";
        is_refused(kind, others(Divide { rows: 131 }, origin()), reason);
    }
    is_refused(KeyKind::CommonData, others(DIVIDE, yesterday), "origin.source of the key is");
    is_refused(KeyKind::ProverKey, others(DIVIDE, older), "expected \"0.0.0\"");
    let verifier = |_: &KeyFile| {
        let made = Made::new(&*BUILT);
        made.files(&origin()).next().unwrap().bytes().to_vec()
    };
    is_refused(
        KeyKind::ProverKey,
        verifier,
        "kind.type of the key is \"verifier_key\", expected \"prover_key\"",
    );
}

#[test]
fn a_file_for_other_challenges_or_queries_is_refused_by_the_parameter_that_differs() {
    let with = |parameter: &'static str, value: Option<u64>| {
        move |file: &KeyFile| {
            let mut header = file.header().clone();
            header.parameters.remove(parameter).expect("it is among the parameters");
            header.parameters.extend(value.map(|value| (parameter.to_owned(), value)));
            KeyFile::new(header.identified(), file.payload()).bytes().to_vec()
        }
    };
    for kind in KeyKind::ALL {
        for (parameter, value, reason) in [
            ("extension_degree", Some(2), "parameters.extension_degree of the key is 2, expected 4"),
            ("extension_degree", None, "parameters.extension_degree of the key is absent, expected 4"),
            ("queries", Some(28), "parameters.queries of the key is 28, expected 54"),
            ("grinding_bits", Some(16), "parameters.grinding_bits of the key is 16, expected 20"),
        ] {
            is_refused(kind, with(parameter, value), reason);
        }
    }
}

#[test]
fn a_pin_for_another_extension_is_not_that_of_the_circuit() {
    for degree in [None, Some(2)] {
        let (_, store, mut pins) = filled();
        let parameters = &mut pins.circuit[0].parameters;
        parameters.remove("extension_degree").expect("it is among the parameters");
        parameters.extend(degree.map(|degree| ("extension_degree".to_owned(), degree)));
        let bench = Bench::new(&store, pins);
        assert!(bench.cache.circuit(DIVIDE).unwrap().circuit == BUILT.circuit);
        assert_eq!((bench.loaded(), bench.made(), bench.refusals().len()), (0, 1, 0));
    }
}

#[test]
fn the_first_difference_is_found_in_every_field() {
    let header = header(&filled().2, KeyKind::ProverKey);
    let value = serde_json::to_value(&header).unwrap();
    for (field, content) in value.as_object().unwrap() {
        let mut other = value.clone();
        other[field] = match content {
            serde_json::Value::Number(number) => (number.as_u64().unwrap() + 1).into(),
            serde_json::Value::String(text) => text.replace(|c: char| c.is_ascii_hexdigit(), "0").into(),
            serde_json::Value::Object(_) if field == "kind" => {
                serde_json::json!({ "type": "common_data", "identifier": "divide" })
            }
            serde_json::Value::Object(_) if field == "origin" => {
                serde_json::to_value(Origin { date: String::new(), ..origin() }).unwrap()
            }
            serde_json::Value::Object(_) if field == "payload" => {
                serde_json::to_value(Payload::of(b"")).unwrap()
            }
            serde_json::Value::Object(_) if field == "depends_on" => {
                serde_json::json!({ "child": header.circuit })
            }
            _ => serde_json::json!({}),
        };
        let other: Header = serde_json::from_value(other).unwrap_or_else(|error| panic!("{field}: {error}"));
        match other.check_is(&header) {
            Err(KeyFileError::Other { field: found, .. }) => {
                assert!(found == *field || found.starts_with(&format!("{field}.")), "{found} is not {field}");
            }
            other => panic!("{field}: {other:?}"),
        }
    }
}

#[test]
fn a_header_tells_terminals_nothing_and_leads_out_of_no_directory() {
    let header = header(&filled().2, KeyKind::VerifierKey);
    for identifier in ["../divide", "/divide", "", "di vide", "divide\u{1b}[2J", "divide\n", &"d".repeat(200)]
    {
        let mut lie = header.clone();
        lie.kind.identifier = identifier.to_owned();
        let bytes = KeyFile::new(lie.identified(), b"").bytes().to_vec();
        let error = parse_header(&bytes).unwrap_err();
        assert!(matches!(error, KeyFileError::Header { .. }), "{identifier:?}: {error}");
        assert!(!error.to_string().contains(char::is_control), "{error:?}");
    }
    let field = format!("\\u001b]0;title\\u0007{}", "long".repeat(1000));
    let text = header.to_json().replace("\"gates\"", &format!("\"{field}\":1,\"gates\""));
    let error =
        parse_header(&[b"superblock key\n", text.as_bytes(), b"\n"].concat()).unwrap_err().to_string();
    assert!(error.contains("unknown field") && error.len() < 2000, "{error}");
    assert!(!error.contains(char::is_control), "{error:?}");
}

#[test]
fn a_pin_that_asks_for_everything_reads_no_more_than_a_key_may_have() {
    let (_, store, mut pins) = filled();
    pins.circuit[0].degree_bits = usize::MAX;
    for payload in [u64::MAX, u64::MAX - HEADER_LIMIT as u64, KEY_LIMIT] {
        let files = pins.circuit[0].files.as_mut().unwrap();
        for file in [&mut files.prover_key, &mut files.verifier_key, &mut files.common_data] {
            file.bytes = payload;
        }
        assert_eq!(header(&pins, KeyKind::ProverKey).file_limit(), KEY_LIMIT);
        let bench = Bench::new(&store, pins.clone());
        bench.cache.circuit(DIVIDE).unwrap();
        assert_eq!((bench.loaded(), bench.made()), (0, 1));
    }
}

/// Case 64: caps of other lengths; also a prover key that ends early, or goes on.
#[test]
fn a_payload_that_is_pinned_and_still_no_key_never_becomes_one() {
    let (_, store, honest) = filled();
    let payload = |kind| {
        let header = header(&honest, kind);
        KeyFile::expect(&header, bytes_of(store.as_ref(), &header)).unwrap().payload().to_vec()
    };
    let (key, prover) = (payload(KeyKind::VerifierKey), payload(KeyKind::ProverKey));
    let caps = [0, 1, 3, 15, 17].map(|cap| (KeyKind::VerifierKey, key[..32].repeat(cap + 1)));
    let not_canonical = (KeyKind::VerifierKey, vec![0xff; key.len()]);
    let cut =
        [0, 4, prover.len() / 2, prover.len() - 1].map(|len| (KeyKind::ProverKey, prover[..len].to_vec()));
    let longer = (KeyKind::ProverKey, [&prover[..], &[0]].concat());
    for (kind, payload) in caps.into_iter().chain([not_canonical]).chain(cut).chain([longer]) {
        let mut pins = honest.clone();
        let files = pins.circuit[0].files.as_mut().unwrap();
        match kind {
            KeyKind::ProverKey => files.prover_key = Payload::of(&payload),
            KeyKind::VerifierKey => files.verifier_key = Payload::of(&payload),
            KeyKind::CommonData => unreachable!(),
        }
        for kind in KeyKind::ALL {
            let header = header(&pins, kind);
            let bytes = match kind {
                KeyKind::ProverKey if files_differ(&honest, &pins, kind) => payload.clone(),
                KeyKind::VerifierKey if files_differ(&honest, &pins, kind) => payload.clone(),
                _ => {
                    let honest = self::header(&honest, kind);
                    KeyFile::expect(&honest, bytes_of(store.as_ref(), &honest)).unwrap().payload().to_vec()
                }
            };
            store.write(&header.file_name(), KeyFile::new(header, &bytes).bytes()).unwrap();
        }
        let bench = Bench::new(&store, pins);
        assert!(bench.cache.circuit(DIVIDE).unwrap().circuit == BUILT.circuit);
        assert_eq!(bench.loaded(), 0, "{} bytes", payload.len());
        let refusals = bench.refusals();
        assert!(refusals.iter().all(|reason| reason.contains("does not decode")), "{refusals:?}");
        assert!(!refusals.is_empty());
    }
}

/// Whether two pins differ in this file.
fn files_differ(one: &circuits_keys::pins::Pins, other: &circuits_keys::pins::Pins, kind: KeyKind) -> bool {
    header(one, kind).payload != header(other, kind).payload
}

/// A store in which somebody puts a good file into the place of a bad one, after the bad one was read.
struct Repaired {
    inner: Arc<dyn KeyStore>,
    bad: String,
    reads: AtomicUsize,
}

impl KeyStore for Repaired {
    fn location(&self) -> String {
        self.inner.location()
    }

    fn list(&self) -> Result<Vec<String>, StoreError> {
        self.inner.list()
    }

    fn read_start(&self, name: &str, limit: usize) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.read_start(name, limit)
    }

    fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, StoreError> {
        if name == self.bad && self.reads.fetch_add(1, Ordering::SeqCst) == 0 {
            return Ok(Some(b"a half-written file".to_vec()));
        }
        self.inner.read(name, limit)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.inner.write(name, bytes)
    }

    fn set_aside(&self, name: &str, reason: &str) -> Result<(), StoreError> {
        self.inner.set_aside(name, reason)
    }

    fn remove(&self, name: &str) -> Result<(), StoreError> {
        self.inner.remove(name)
    }

    fn lock(&self, name: &str, waiting: &dyn Fn()) -> Result<StoreLock, StoreError> {
        self.inner.lock(name, waiting)
    }
}

#[test]
fn a_good_file_is_not_set_aside_for_a_bad_one_whose_place_it_took() {
    for kind in KeyKind::ALL {
        let (_, inner, pins) = filled();
        let bad = header(&pins, kind).file_name();
        let store: Arc<dyn KeyStore> = Arc::new(Repaired { inner: inner.clone(), bad, reads: 0.into() });
        let bench = Bench::new(&store, pins);
        bench.cache.circuit(DIVIDE).unwrap();
        assert_eq!((bench.loaded(), bench.made(), bench.refusals().len()), (1, 0, 0), "{kind}");
        assert_eq!(inner.list().unwrap().len(), 3);
    }
}

#[test]
fn a_bad_file_is_set_aside_though_another_store_has_a_good_one() {
    let (bad_memory, bad, pins) = filled();
    let (_, good, _) = filled();
    let name = header(&pins, KeyKind::ProverKey).file_name();
    bad.write(&name, b"junk").unwrap();
    let bench = Bench::listening(
        circuits_keys::CircuitCache::new(origin()).with_store(bad).with_store(good).with_pins(pins),
    );
    bench.cache.circuit(DIVIDE).unwrap();
    assert_eq!((bench.loaded(), bench.made()), (1, 0));
    assert_eq!(bench.told(|event| matches!(event, Event::Refused { .. })), 1);
    assert!(bad_memory.take(&format!("{name}.refused")).is_some());
}

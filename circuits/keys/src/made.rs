//! The key files of a circuit that was built here.

use circuits_core::{circuit::AnyCompiled, proof::encode_key};

use crate::{
    format::KeyFile,
    header::{HEADER_VERSION, Header, KeyKind, Kind, Origin, Payload},
    pins::{FilePins, Pin},
    prover_data::{encode_common, encode_prover},
    store::{KeyStore, StoreError},
};

/// A circuit's pin and the payloads that it pins.
pub struct Made {
    pub pin: Pin,
    payloads: Vec<(KeyKind, Vec<u8>)>,
}

impl Made {
    /// Serialises the keys of `compiled`. A circuit that cannot be serialised has a pin without files.
    #[must_use]
    pub fn new(compiled: &dyn AnyCompiled) -> Self {
        let circuit = compiled.circuit();
        let encoded = encode_prover(circuit).zip(encode_common(&circuit.common));
        let Some((prover_key, common_data)) = encoded else {
            return Self { pin: Pin::with_files(compiled, None), payloads: vec![] };
        };
        let verifier_key = encode_key(&circuit.verifier_only);
        let files = FilePins {
            prover_key: Payload::of(&prover_key),
            verifier_key: Payload::of(&verifier_key),
            common_data: Payload::of(&common_data),
        };
        let payloads = vec![
            (KeyKind::VerifierKey, verifier_key),
            (KeyKind::CommonData, common_data),
            (KeyKind::ProverKey, prover_key),
        ];
        Self { pin: Pin::with_files(compiled, Some(files)), payloads }
    }

    /// The files, the largest one last. A circuit that cannot be serialised has none.
    pub fn files(&self, origin: &Origin) -> impl Iterator<Item = KeyFile> {
        self.payloads.iter().filter_map(move |(kind, payload)| {
            Some(KeyFile::new(Header::of(&self.pin, *kind, origin)?, payload))
        })
    }

    /// Writes the files that `store` lacks or has in another form, the prover key last.
    ///
    /// # Errors
    /// The first error of the store.
    pub fn write(&self, store: &dyn KeyStore, origin: &Origin) -> Result<(), StoreError> {
        self.files(origin).try_for_each(|file| {
            let name = file.header().file_name();
            // Otherwise every process would write a circuit that it builds for lack of a pin.
            let present = store.read(&name, file.bytes().len() as u64);
            if matches!(present, Ok(Some(bytes)) if bytes == file.bytes()) {
                return Ok(());
            }
            store.write(&name, file.bytes())
        })
    }
}

impl Header {
    /// The header of a pinned circuit's key file, or `None` if the circuit cannot be serialised.
    #[must_use]
    pub fn of(pin: &Pin, kind: KeyKind, origin: &Origin) -> Option<Self> {
        let files = pin.files?;
        let header = Self {
            header_version: HEADER_VERSION,
            kind: Kind { kind, identifier: pin.name.clone() },
            parameters: pin.parameters.clone(),
            origin: origin.clone(),
            circuit: pin.digest,
            verifier_key: pin.key,
            degree_bits: pin.degree_bits,
            gates: pin.gates,
            public_inputs: pin.public_inputs,
            depends_on: pin.depends_on.clone(),
            payload: match kind {
                KeyKind::ProverKey => files.prover_key,
                KeyKind::VerifierKey => files.verifier_key,
                KeyKind::CommonData => files.common_data,
            },
            identifying_hash: Default::default(),
        };
        Some(header.identified())
    }
}

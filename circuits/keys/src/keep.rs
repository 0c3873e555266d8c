//! What a cache leaves behind: files in its stores, and in the collection of its caller.

use circuits_core::{circuit::AnyCompiled, proof::encode_key};
use circuits_prover::basetypes::VerifierData;

use crate::{
    event::Event,
    files::KeyFiles,
    format::KeyFile,
    header::{Header, KeyKind, Payload},
    made::Made,
    pins::Pin,
    prover_data::encode_common,
};

impl KeyFiles {
    /// Writes the files of a circuit that was built here, and returns its pin. Without a store and a collection, the
    /// circuit is not serialised.
    pub(crate) fn keep(&self, pin: Option<&Pin>, compiled: &dyn AnyCompiled) -> Option<Pin> {
        if self.stores.is_empty() && self.collection.is_none() {
            return None;
        }
        let made = Made::new(compiled);
        if pin.is_some_and(|pin| *pin != made.pin) {
            self.tell(&Event::NotAsPinned { identifier: compiled.name() });
        }
        if let Err(reason) = self.write(&made) {
            self.tell(&Event::NotKept { identifier: compiled.name(), reason });
        }
        Some(made.pin)
    }

    /// Writes the files into the collection, and into the first store that takes them.
    fn write(&self, made: &Made) -> Result<(), String> {
        let Some(origin) = &self.origin else {
            return Err("the cache has no origin, which headers of key files name".to_owned());
        };
        if made.pin.files.is_none() {
            return Err("the circuit has gates or generators that are neither plonky2's nor ours".to_owned());
        }
        self.collect_made(made);
        let mut refusals = vec![];
        for store in &self.stores {
            match made.write(store.as_ref(), origin) {
                Ok(()) => return Ok(()),
                Err(error) => refusals.push(error.to_string()),
            }
        }
        if refusals.is_empty() { Ok(()) } else { Err(refusals.join("; ")) }
    }

    /// Leaves all files of a pinned circuit in the collection, unless the collection has them.
    pub(crate) fn collect(&self, pin: &Pin, compiled: &dyn AnyCompiled) {
        if self.collection.is_none() {
            return;
        }
        self.collect_verifier(pin, &|| compiled.circuit().verifier_data());
        let header = self.header(pin, KeyKind::ProverKey);
        if header.is_some_and(|header| !self.is_collected(&header)) {
            self.collect_made(&Made::new(compiled));
        }
    }

    /// Leaves the files of a pinned circuit's verifier in the collection, unless the collection has them.
    pub(crate) fn collect_verifier(&self, pin: &Pin, verifier: &dyn Fn() -> VerifierData) {
        if self.collection.is_none() {
            return;
        }
        let missing = |kind| self.header(pin, kind).filter(|header| !self.is_collected(header));
        let headers = [missing(KeyKind::VerifierKey), missing(KeyKind::CommonData)];
        if headers.iter().all(Option::is_none) {
            return;
        }
        let VerifierData { verifier_only, common } = verifier();
        let payloads = [Some(encode_key(&verifier_only)), encode_common(&common)];
        for (header, payload) in headers.into_iter().zip(payloads) {
            if let (Some(header), Some(payload)) = (header, payload)
                && header.payload == Payload::of(&payload)
            {
                self.collect_file(&KeyFile::new(header, &payload));
            }
        }
    }

    fn collect_made(&self, made: &Made) {
        let (Some(collection), Some(origin)) = (&self.collection, &self.origin) else { return };
        if let Err(error) = made.write(collection.as_ref(), origin) {
            self.tell(&Event::Trouble { reason: error.to_string() });
        }
    }

    /// Leaves a file in the collection.
    pub(crate) fn collect_file(&self, file: &KeyFile) {
        let Some(collection) = &self.collection else { return };
        if let Err(error) = collection.write(&file.header().file_name(), file.bytes()) {
            self.tell(&Event::Trouble { reason: error.to_string() });
        }
    }

    fn is_collected(&self, header: &Header) -> bool {
        let start = self.collection.as_ref().map(|collection| collection.read_start(&header.file_name(), 1));
        matches!(start, Some(Ok(Some(_))))
    }
}

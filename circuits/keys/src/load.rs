//! Circuits and verifier keys from key files.

use std::time::Instant;

use circuits_core::{
    proof::decode_key,
    recursion::{Shape, key_digest},
};
use circuits_prover::{
    basetypes::{Circuit, CommonData, VerifierData},
    panics::contained,
};

use crate::{
    erased::{Defined, Erased, Found},
    event::Event,
    files::KeyFiles,
    format::KeyFileError,
    header::KeyKind,
    pins::Pin,
    prover_data::{Stored, decode_common},
};

impl KeyFiles {
    /// Loads a circuit; `is_locked` as for [`Self::file`].
    pub(crate) fn load<'a>(&self, wanted: &Erased<'a>, pin: &Pin, is_locked: bool) -> Option<Found<'a>> {
        let started = Instant::now();
        let verifier = self.load_verifier(wanted.shape, pin, is_locked)?;
        let prover = || self.file(pin, KeyKind::ProverKey, is_locked);
        let define = || {
            let Defined { builder, targets, gates } = (wanted.define)();
            (builder.num_public_inputs(), targets, gates)
        };
        let (file, (public_inputs, targets, gates)) = rayon::join(prover, define);
        let (store, file) = file?;
        if (gates, public_inputs) != (pin.gates, pin.public_inputs) {
            self.tell(&Event::NotAsPinned { identifier: pin.name.clone() });
            return None;
        }
        let (key, common) = (verifier.verifier_only, verifier.common);
        let header = file.header().clone();
        let stored = contained(|| Stored::decode(file.payload(), &common))
            .and_then(|stored| stored.map_err(|error| error.to_string()));
        if stored.is_ok() {
            self.collect_file(&file);
        }
        // What comes next needs its memory.
        drop(file);
        match stored.and_then(|stored| contained(|| stored.complete(&key, &common))) {
            Ok(prover_only) => {
                self.tell(&Event::Loaded { identifier: pin.name.clone(), took: started.elapsed() });
                let circuit = Circuit { prover_only, verifier_only: key, common };
                Some(Found { identity: wanted.identity, circuit, targets, gates })
            }
            Err(reason) => {
                self.refuse(store, &header, &KeyFileError::Payload { reason });
                None
            }
        }
    }

    /// Loads what a verifier of a circuit needs; `is_locked` as for [`Self::file`].
    pub(crate) fn load_verifier(
        &self,
        shape: Option<&Shape>,
        pin: &Pin,
        is_locked: bool,
    ) -> Option<VerifierData> {
        let common = match shape {
            Some(shape) => shape.common.clone(),
            None => self.decode(pin, KeyKind::CommonData, is_locked, decode_common_data)?,
        };
        let read = |payload: &[u8]| decode_key(payload, &common).map_err(|error| error.to_string());
        let verifier_only = self.decode(pin, KeyKind::VerifierKey, is_locked, read)?;
        if key_digest(&verifier_only) != pin.key {
            self.tell(&Event::NotAsPinned { identifier: pin.name.clone() });
            return None;
        }
        Some(VerifierData { verifier_only, common })
    }

    /// Reads and decodes the content of a small file.
    fn decode<T>(
        &self,
        pin: &Pin,
        kind: KeyKind,
        is_locked: bool,
        read: impl Fn(&[u8]) -> Result<T, String>,
    ) -> Option<T> {
        let (store, file) = self.file(pin, kind, is_locked)?;
        match contained(|| read(file.payload())).and_then(|read| read) {
            Ok(value) => Some(value),
            Err(reason) => {
                self.refuse(store, file.header(), &KeyFileError::Payload { reason });
                None
            }
        }
    }
}

fn decode_common_data(payload: &[u8]) -> Result<CommonData, String> {
    decode_common(payload).map_err(|error| error.to_string())
}

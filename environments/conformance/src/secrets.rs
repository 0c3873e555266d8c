//! What leaves the house while a block is proved by others, and that no secret is in it.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use circuits_core::Digest;
use circuits_tasks::{
    coordinator::Coordinator,
    graph::Place,
    in_process::InProcess,
    provable::Catalogue,
    queue::Queue as _,
    store::{MemoryStore, Object, Store, StoreError},
    worker::Worker,
};
use environments_core::{block::ProvenBlock, graph::BlockGraph};
use plonky2::field::types::PrimeField64 as _;

/// Elements below this are found by accident.
const CONSPICUOUS: u64 = 1 << 32;

/// A store that remembers everything that was ever written to it.
#[derive(Default)]
pub struct Recorder {
    store: MemoryStore,
    written: Mutex<Vec<(Object, Vec<u8>)>>,
}

impl Recorder {
    fn record(&self, object: &Object, bytes: &[u8]) {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.push((object.clone(), bytes.to_vec()));
    }

    /// Everything that was written, with the names under which it was.
    pub fn everything(&self) -> Vec<(Object, Vec<u8>)> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Store for Recorder {
    fn get(&self, object: &Object) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.get(object)
    }

    fn create(&self, object: &Object, bytes: &[u8]) -> Result<bool, StoreError> {
        self.record(object, bytes);
        self.store.create(object, bytes)
    }

    fn replace(&self, object: &Object, bytes: &[u8]) -> Result<(), StoreError> {
        self.record(object, bytes);
        self.store.replace(object, bytes)
    }

    fn remove(&self, object: &Object) -> Result<(), StoreError> {
        self.store.remove(object)
    }
}

/// Proves a block together with a worker that has nothing but `store` and the provables of `workers`, and none of the secrets.
///
/// # Panics
/// If the block has no proof, or a task that others may do is not among `workers`.
pub fn prove_with_worker(graph: &BlockGraph<'_>, workers: &Catalogue<'_>, store: &Recorder) -> ProvenBlock {
    for (_, task) in graph.graph().tasks().filter(|(_, task)| task.place == Place::Anywhere) {
        assert!(workers.find(&task.provable).is_some(), "no worker has {}", task.provable);
    }
    let (queue, stop) = (InProcess::new(1, u64::MAX), AtomicBool::new(false));
    let proven = thread::scope(|scope| {
        scope.spawn(|| queue.run(&Worker::new(workers, store, &()), &stop));
        let here = InProcess::new(1, u64::MAX);
        let coordinator = Coordinator::new(graph.catalogue(), store, &here);
        let proven = graph.prove_with(&Coordinator { queue: Some(&queue), ..coordinator });
        stop.store(true, Ordering::Relaxed);
        proven
    });
    proven.unwrap_or_else(|error| panic!("a proposed block has a proof: {error}"))
}

/// Checks that nothing that was ever written to `store` has one of `secrets`, whole or an element of it, and that it has no input
/// of a task that stays here.
///
/// # Panics
/// If it has.
pub fn no_secret_is_in(store: &Recorder, graph: &BlockGraph<'_>, secrets: &[Digest]) {
    let everything = store.everything();
    for (object, bytes) in &everything {
        for (number, secret) in secrets.iter().enumerate() {
            let found = encodings(*secret).into_iter().find(|encoding| contains(bytes, encoding));
            assert!(found.is_none(), "{object} has secret {number}: {found:?}");
        }
        let stays = |id| graph.graph().task(id).is_some_and(|task| task.place == Place::Here);
        assert!(!matches!(object, Object::Input(id) if stays(*id)), "{object} should have stayed");
    }
    // The search finds what is there.
    let tasks = everything.iter().filter(|(object, _)| matches!(object, Object::Task(_) | Object::Proof(_)));
    let statement = graph.graph().task(graph.graph().root()).map(|task| task.statement.clone());
    let statement = statement.unwrap_or_default();
    assert!(tasks.into_iter().any(|(_, bytes)| contains(bytes, &statement)), "nothing was written");
}

/// Every form in which a secret could be written.
fn encodings(secret: Digest) -> Vec<Vec<u8>> {
    let whole = secret.to_bytes();
    let big_endian: Vec<u8> = secret.0.iter().flat_map(|x| x.to_canonical_u64().to_be_bytes()).collect();
    let mut encodings = vec![whole.to_vec(), big_endian];
    let elements = secret.0.iter().map(|element| element.to_canonical_u64());
    for element in elements.filter(|&element| element >= CONSPICUOUS) {
        encodings.extend([element.to_le_bytes().to_vec(), element.to_be_bytes().to_vec()]);
        encodings.extend([varint(element), element.to_string().into_bytes()]);
    }
    let hexadecimal: Vec<_> = encodings.iter().map(|bytes| spelled(bytes)).collect();
    encodings.extend(hexadecimal);
    encodings.push(secret.to_string().into_bytes());
    encodings
}

/// A number as the files' format has it: 7 bits in a byte, the lowest first.
fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = vec![];
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn spelled(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect()
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use circuits_core::F;
    use plonky2::field::types::Field as _;

    use super::*;

    #[test]
    fn every_form_of_a_secret_is_found() {
        let secret = Digest([u64::MAX / 3, 1 << 40, 5, u64::MAX / 7].map(F::from_canonical_u64));
        let binary = secret.to_bytes().to_vec();
        let text = secret.to_string().into_bytes();
        let element = (u64::MAX / 7).to_string().into_bytes();
        for written in [binary.clone(), text, spelled(&binary), varint(u64::MAX / 3), element] {
            let around = [&[1, 2, 3][..], &written, &[9]].concat();
            assert!(encodings(secret).iter().any(|encoding| contains(&around, encoding)), "{written:?}");
            assert!(!encodings(secret).iter().any(|encoding| contains(&around[..6], encoding)));
        }
    }
}

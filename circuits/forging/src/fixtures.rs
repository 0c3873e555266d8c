//! Circuits for tests: a kernel that proves anything, and the joining of two statements without their proofs.

use std::{
    collections::BTreeMap,
    env, fs, io,
    path::PathBuf,
    process,
    sync::{Arc, LazyLock},
    thread,
};

use circuits_core::{
    Builder, Compiled, Definition, F, Proof, Witness,
    digest::Digest,
    layout::{Layout, WitnessError, new_virtual, set},
    proof,
    recursion::key_digest,
};
use circuits_keys::{
    Checksum, CircuitCache, DirectoryStore, HEADER_VERSION, Header, KeyFile, KeyKind, KeyStore as _, Kind,
    Origin, PLONKY2_VERSION, Payload, STARKY_VERSION, START_LIMIT, pins::Pins, read_header,
};
use circuits_protocol::{fold::Chain, statement::BlockStatement};
use circuits_prover::basetypes::{VerifierData, standard_config};
use circuits_sources;
use plonky2::{
    field::types::Field, hash::poseidon::PoseidonHash, iop::target::Target,
    plonk::circuit_data::CircuitConfig, plonk::config::Hasher as _,
};

use crate::{Mutator, assert_accepts, assert_rejects, check};

/// Where tests keep keys, so that a pinned circuit is built for one test program and loaded by the others: beside what
/// Cargo built the running program into.
#[must_use]
pub fn key_directory() -> PathBuf {
    let program = env::current_exe().unwrap_or_default();
    // Cargo puts test programs into `target/PROFILE/deps`.
    let deps = program.ancestors().find(|folder| folder.ends_with("deps"));
    let target = deps.and_then(|deps| deps.parent()?.parent());
    target.map_or_else(|| env::temp_dir().join("superblock"), PathBuf::from).join("test-keys")
}

/// The code that the workspace's circuits come from, as its programs say in headers of keys.
///
/// # Errors
/// If a source cannot be read.
pub fn workspace_origin(pins: &Pins) -> io::Result<Origin> {
    Ok(Origin {
        superblock: env!("CARGO_PKG_VERSION").to_owned(),
        plonky2: PLONKY2_VERSION.to_owned(),
        starky: STARKY_VERSION.to_owned(),
        source: circuits_sources::checksum()?.into(),
        date: pins.date.clone(),
    })
}

/// Keys in [`key_directory`].
fn workspace_keys() -> io::Result<CircuitCache> {
    let pins = fs::read_to_string(circuits_sources::pins()?)?;
    let pins: Pins = toml::from_str(&pins).map_err(io::Error::other)?;
    let origin = workspace_origin(&pins)?;
    let store = DirectoryStore::new(key_directory());
    forget_others(&store, &origin);
    Ok(CircuitCache::new(origin).with_pins(pins).with_store(Arc::new(store)))
}

/// Removes keys of other sources: every change of a circuit would leave a gigabyte behind.
fn forget_others(store: &DirectoryStore, origin: &Origin) {
    for name in store.list().unwrap_or_default() {
        let start = store.read_start(&name, START_LIMIT).ok().flatten();
        let header = start.and_then(|start| read_header(&name, &start).ok());
        if header.is_none_or(|(header, _)| header.origin != *origin) {
            // Another test program may be faster.
            let _ = store.remove(&name);
        }
    }
}

/// The keys that all tests of a process share. Outside of a workspace they are in memory only.
#[must_use]
pub fn cache() -> &'static Arc<CircuitCache> {
    static CACHE: LazyLock<Arc<CircuitCache>> =
        LazyLock::new(|| Arc::new(workspace_keys().unwrap_or_default().with_memory(6 << 30)));
    &CACHE
}

/// Where tests keep proofs that several test programs need, beside their keys: a folder for each state of the circuits' sources, of
/// which the others are removed. `None` outside of a workspace.
fn proof_directory() -> Option<PathBuf> {
    static DIRECTORY: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
        let sources: String =
            circuits_sources::checksum().ok()?.iter().map(|byte| format!("{byte:02x}")).collect();
        let all = key_directory().with_file_name("test-proofs");
        let own = all.join(&sources);
        fs::create_dir_all(&own).ok()?;
        let others = fs::read_dir(&all).ok()?.flatten().map(|entry| entry.path()).filter(|path| *path != own);
        // Another test program may be faster.
        others.for_each(|path| drop(fs::remove_dir_all(path)));
        Some(own)
    });
    DIRECTORY.clone()
}

/// The proof of `statement` that an earlier test program has kept, if it is valid; or else what `make` returns, which is kept.
pub fn kept_proof(
    statement: &impl Layout<F>,
    verifier: &VerifierData,
    make: impl FnOnce() -> Proof,
) -> Proof {
    let stated = statement.encode();
    let path = proof_directory().map(|directory| {
        let named = [&key_digest(&verifier.verifier_only).0[..], &stated].concat();
        directory.join(format!("{}.proof", Digest::from(PoseidonHash::hash_no_pad(&named))))
    });
    let found = path.as_ref().and_then(|path| {
        let proof = proof::decode(&fs::read(path).ok()?, &verifier.common).ok()?;
        let is_valid = proof.public_inputs == stated
            && proof::verify(&proof, &verifier.verifier_only, &verifier.common).is_ok();
        is_valid.then_some(proof)
    });
    found.unwrap_or_else(|| {
        let proof = make();
        if let Some(path) = path {
            // Of several programs and threads that make it, each has a file of its own until it is whole.
            let own = path.with_extension(format!("{}-{:?}", process::id(), thread::current().id()));
            // Without it the next program makes the proof again.
            let _ = fs::write(&own, proof::encode(&proof)).and_then(|()| fs::rename(&own, &path));
        }
        proof
    })
}

/// The key file of a circuit of this name that does not exist, for stores, which never look at payloads.
#[must_use]
pub fn toy_key(identifier: &str) -> KeyFile {
    let (text, payload) = (|| "0".to_owned(), b"payload");
    let header = Header {
        header_version: HEADER_VERSION,
        kind: Kind { kind: KeyKind::VerifierKey, identifier: identifier.to_owned() },
        parameters: BTreeMap::new(),
        origin: Origin {
            superblock: text(),
            plonky2: text(),
            starky: text(),
            source: Checksum::default(),
            date: "2026-01-01".to_owned(),
        },
        circuit: Digest::ZERO,
        verifier_key: Digest::ZERO,
        degree_bits: 4,
        gates: 9,
        public_inputs: 2,
        depends_on: BTreeMap::new(),
        payload: Payload::of(payload),
        identifying_hash: Checksum::default(),
    };
    KeyFile::new(header.identified(), payload)
}

/// A kernel without rules: its proofs state whatever they are asked to.
#[derive(Clone, Copy, Debug)]
pub struct FreeKernel;

impl Definition for FreeKernel {
    type Statement = BlockStatement<Target>;
    type NativeStatement = BlockStatement;
    type Targets = BlockStatement<Target>;
    type Input = BlockStatement;

    fn name(&self) -> String {
        "free-kernel".to_owned()
    }

    fn config(&self) -> CircuitConfig {
        standard_config()
    }

    fn define(&self, builder: &mut Builder) -> (Self::Statement, Self::Targets) {
        let statement = new_virtual(builder);
        (statement, statement)
    }

    fn assign(
        &self,
        targets: &Self::Targets,
        input: &BlockStatement,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        set(witness, targets, input)
    }
}

/// Joins two statements that nobody has proved.
struct Joined<C>(std::marker::PhantomData<C>);

impl<C: Chain> Definition for Joined<C> {
    type Statement = C::Statement;
    type NativeStatement = C::Native;
    type Targets = [C::Statement; 2];
    type Input = [C::Native; 2];

    fn name(&self) -> String {
        format!("{}-join", C::NAME)
    }

    fn config(&self) -> CircuitConfig {
        standard_config()
    }

    fn define(&self, builder: &mut Builder) -> (Self::Statement, Self::Targets) {
        let [left, right] = [new_virtual(builder), new_virtual(builder)];
        (C::join_circuit(builder, &left, &right), [left, right])
    }

    fn assign(
        &self,
        targets: &Self::Targets,
        input: &Self::Input,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        targets.iter().zip(input).try_for_each(|(target, statement)| set(witness, target, statement))
    }
}

/// Joining `left` and `right` is the same natively and in-circuit, with every element of either changed, and no
/// assertion of the circuit can be left out.
///
/// # Panics
/// If a test fails, or `left` and `right` do not join.
pub fn assert_joins_soundly<C: Chain>(left: C::Native, right: C::Native) {
    let joined = C::join(&left, &right).expect("two statements that join");
    let compiled = Compiled::new(Joined::<C>(std::marker::PhantomData)).expect("the circuit builds");
    assert_eq!(check(&compiled, &[left, right]).expect("two statements that join"), joined.encode());

    let mut refused = vec![];
    for side in 0..2 {
        for element in 0..<C::Native as Layout<F>>::LEN {
            let mut input = [left, right];
            let mut elements: Vec<F> = input[side].encode();
            elements[element] += F::ONE;
            input[side] = C::Native::decode(&elements).expect("as many elements");
            if C::join(&input[0], &input[1]).is_ok() {
                assert_accepts(&compiled, &input);
            } else {
                assert_rejects(&compiled, &input);
                refused.push(input);
            }
        }
    }
    Mutator::new(&compiled.definition)
        .honest(&[[left, right]])
        .dishonest(&refused)
        .inputs_only()
        .run()
        .assert_complete();
}

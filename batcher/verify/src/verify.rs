//! Verifies superblocks from files alone: proofs with embedded keys or those of a trust file, the chain between them, and
//! what the chain is anchored to.

use std::path::{Path, PathBuf};

use circuits_core::Digest;
use circuits_files::file::{self, FileError, FileKind};
use circuits_protocol::{
    l1::{KeccakDigest, L1Outcome, QueuePosition},
    registry::EnvironmentId,
    statement::SuperblockStatement,
};
use plonky2::field::types::PrimeField64;
use serde::{Serialize, Serializer};
use thiserror::Error;

use crate::{
    bundle::{BundleError, SUPERBLOCK_LIMIT, SuperblockBundle, l1_outcome},
    circuit::SuperblockCircuit,
    keys::PinnedKeys,
    trust::Trust,
};

/// The most files that are verified together.
pub const MAX_FILES: usize = 10_000;

/// Why superblocks are not accepted.
#[derive(Debug, Error)]
pub enum VerifyError {
    /// There is nothing to verify.
    #[error("no superblock was given")]
    Empty,
    /// There is too much to verify.
    #[error("{found} files were given, at most {MAX_FILES} are verified together")]
    TooMany { found: usize },
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file is not a valid superblock.
    #[error("{path}: {source}", path = .path.display())]
    Bundle { path: PathBuf, source: BundleError },
    /// Two superblocks do not follow each other.
    #[error("{path}: superblock {number} does not continue superblock {previous}: {field} is {found}, expected {expected}", path = .path.display())]
    Chain {
        /// The later superblock's file.
        path: PathBuf,
        number: u64,
        /// The number before it.
        previous: u64,
        /// What does not continue.
        field: &'static str,
        /// Where the earlier one ends.
        expected: String,
        /// Where the later one starts.
        found: String,
    },
    /// A superblock is not what the trust file says.
    #[error("{path}: superblock {number}: {field} is {found}, the trust file has {expected}", path = .path.display())]
    Untrusted { path: PathBuf, number: u64, field: &'static str, expected: String, found: String },
    /// The superblocks take deposits that L1's queue does not begin with.
    #[error("superblock {number}: L1's queue does not begin with the {found} that were taken")]
    Deposits {
        /// The last superblock with a block of environment 0.
        number: u64,
        found: QueuePosition,
    },
}

impl VerifyError {
    /// Whether a proof or statement is wrong, rather than a file unreadable.
    #[must_use]
    pub fn is_invalid(&self) -> bool {
        match self {
            Self::Bundle { source, .. } => source.is_invalid(),
            Self::Chain { .. } | Self::Untrusted { .. } | Self::Deposits { .. } => true,
            Self::Empty | Self::TooMany { .. } | Self::File(_) => false,
        }
    }
}

/// One verified superblock.
#[derive(Clone, Debug, Serialize)]
pub struct Verified {
    #[serde(serialize_with = "as_text")]
    pub file: PathBuf,
    pub number: u64,
    pub previous_state: Digest,
    pub new_state: Digest,
    /// Root of the registry that its blocks were checked against.
    pub registry_root: Digest,
    pub blocks: u64,
    /// Digest of its blocks.
    pub body_chain: Digest,
    /// What its block of environment 0 takes from L1's queue and pays; `None` if it has no such block.
    pub l1: Option<L1Outcome>,
    /// What its bundle says of that block; nothing if it has no such block.
    #[serde(skip)]
    pub l1_published: L1Published,
    /// What its proof states.
    #[serde(skip)]
    pub statement: SuperblockStatement,
    /// The circuit that proved it.
    pub circuit: String,
    pub key: Digest,
    /// Whether the key is an older circuit's, and comes from the trust file.
    pub older_key: bool,
}

/// What a bundle publishes of a block of environment 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct L1Published {
    /// How many deposits it sends on.
    pub emitted: usize,
    /// What L1 pays, [`PAYOUT_BYTES`](circuits_protocol::l1::PAYOUT_BYTES) for each payout.
    pub payouts: Vec<u8>,
}

impl L1Published {
    /// What `bundle` publishes.
    #[must_use]
    pub fn of(bundle: &SuperblockBundle) -> Self {
        let of_l1 = bundle.messages.iter().filter(|block| block.environment == EnvironmentId::L1);
        Self { emitted: of_l1.map(|block| block.outbox.len()).sum(), payouts: bundle.payouts.clone() }
    }
}

/// Writes a path as text, as well as that is possible: JSON is UTF-8, and a path need not be.
fn as_text<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

/// What was verified.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Whether everything below but the deposits follows from a trust file. If not, the answer is relative to the start
    /// state, the registry roots and the deployment that the superblocks themselves name.
    pub anchored: bool,
    pub chain_id: u64,
    /// The state that the first superblock continues.
    pub start_state: Digest,
    /// The state that the last one leads to.
    pub end_state: Digest,
    /// How much of L1's queue was taken up to the last of them; `None` if none has a block of environment 0.
    pub l1_queue: Option<QueuePosition>,
    /// Whether the deposits taken are known to be L1's: compared with its queue, or with the digest in a trust file.
    pub deposits_checked: bool,
    /// The superblocks, by number.
    pub superblocks: Vec<Verified>,
}

/// A superblock whose proof and lists are verified; what it is anchored to is not.
#[derive(Clone, Debug)]
pub struct Opened {
    path: PathBuf,
    statement: SuperblockStatement,
    source: SuperblockCircuit,
    key: Digest,
    older_key: bool,
    l1: Option<L1Outcome>,
    l1_published: L1Published,
}

/// Reads the superblock at `path`, of which nothing is verified.
///
/// # Errors
/// [`VerifyError::File`] or [`VerifyError::Bundle`].
pub fn read(path: &Path) -> Result<SuperblockBundle, VerifyError> {
    let bytes = file::read_bytes(FileKind::SuperblockBundle, path, SUPERBLOCK_LIMIT)?;
    SuperblockBundle::decode(&bytes).map_err(|source| VerifyError::Bundle { path: path.to_owned(), source })
}

/// Reads the superblock at `path`, and verifies its proof and its lists. A key that is not among `keys` comes from `trust`.
///
/// # Errors
/// [`VerifyError::File`] or [`VerifyError::Bundle`].
pub fn open(
    path: PathBuf,
    trust: Option<&Trust>,
    keys: &PinnedKeys,
) -> Result<(Opened, SuperblockBundle), VerifyError> {
    let bundle = read(&path)?;
    let (key, l1_published) = (bundle.key, L1Published::of(&bundle));
    match check(&bundle, trust, keys) {
        Ok((statement, l1, source, older_key)) => {
            Ok((Opened { path, statement, source, key, older_key, l1, l1_published }, bundle))
        }
        Err(source) => Err(VerifyError::Bundle { path, source }),
    }
}

/// Verifies a bundle. Returns what it states, the circuit that proved it, and whether that is an older one.
fn check(
    bundle: &SuperblockBundle,
    trust: Option<&Trust>,
    keys: &PinnedKeys,
) -> Result<(SuperblockStatement, Option<L1Outcome>, SuperblockCircuit, bool), BundleError> {
    let embedded = keys.find(bundle.key);
    let (source, key) = match embedded {
        Some(found) => found,
        None => {
            let older = trust.and_then(|trust| trust.older_key(bundle.key));
            older.ok_or(BundleError::UnknownKey(bundle.key))?.open()?
        }
    };
    let statement = bundle.verify_with(source, key)?;
    Ok((statement, l1_outcome(&statement)?, source, embedded.is_none()))
}

/// Verifies the superblocks in `paths`, in any order, and that they form one chain; with `trust`, that the
/// chain is the trusted one. A key that is not among `keys` comes from `trust`. No circuit is built.
///
/// # Errors
/// [`VerifyError`]; it names the file and what is wrong with it.
pub fn verify(paths: Vec<PathBuf>, trust: Option<&Trust>, keys: &PinnedKeys) -> Result<Report, VerifyError> {
    if paths.len() > MAX_FILES {
        return Err(VerifyError::TooMany { found: paths.len() });
    }
    let open = |path| open(path, trust, keys).map(|(opened, _)| opened);
    let mut opened: Vec<_> = paths.into_iter().map(open).collect::<Result<_, _>>()?;
    opened.sort_by_key(|one| one.statement.number.to_canonical_u64());
    for pair in opened.windows(2) {
        check_chain(&pair[0].statement, &pair[1])?;
    }
    let (first, last) = match (opened.first(), opened.last()) {
        (Some(first), Some(last)) => (first.statement, last.statement),
        _ => return Err(VerifyError::Empty),
    };
    let last_l1 = opened.iter().rev().find(|one| one.l1.is_some());
    if let Some(trust) = trust {
        check_start(trust, &opened[0])?;
        opened.iter().try_for_each(|one| one.check_trusted(trust))?;
        last_l1.map_or(Ok(()), |one| one.check_queue(trust))?;
    }
    let l1_queue = last_l1.and_then(|one| Some(one.l1?.queue));
    let verified = |one: Opened| Verified {
        file: one.path,
        number: one.statement.number.to_canonical_u64(),
        previous_state: one.statement.previous_state,
        new_state: one.statement.new_state,
        registry_root: one.statement.registry_root,
        blocks: one.statement.block_count.to_canonical_u64(),
        body_chain: one.statement.body_chain,
        l1: one.l1,
        l1_published: one.l1_published,
        statement: one.statement,
        circuit: one.source.name(),
        key: one.key,
        older_key: one.older_key,
    };
    Ok(Report {
        anchored: trust.is_some(),
        chain_id: first.chain_id.to_canonical_u64(),
        start_state: first.previous_state,
        end_state: last.new_state,
        l1_queue,
        deposits_checked: l1_queue.is_some() && trust.is_some_and(|trust| trust.l1_queue.is_some()),
        superblocks: opened.into_iter().map(verified).collect(),
    })
}

impl Report {
    /// Checks that the deposits taken are the beginning of L1's queue: `digest_of` has the running digest of its first
    /// deposits, by their number, and nothing for more than it has. No proof can check that: whoever makes a superblock
    /// chooses the deposits that it states.
    ///
    /// # Errors
    /// [`VerifyError::Deposits`]
    pub fn check_deposits(
        self,
        digest_of: impl FnOnce(u32) -> Option<KeccakDigest>,
    ) -> Result<Self, VerifyError> {
        if let Some(found) = self.l1_queue
            && digest_of(found.length) != Some(found.digest)
        {
            let last = self.superblocks.iter().rev().find(|one| one.l1.is_some());
            return Err(VerifyError::Deposits { number: last.map_or(0, |last| last.number), found });
        }
        Ok(Self { deposits_checked: self.l1_queue.is_some(), ..self })
    }
}

fn check_chain(left: &SuperblockStatement, right: &Opened) -> Result<(), VerifyError> {
    let integer = |element: circuits_core::F| element.to_canonical_u64();
    let statement = &right.statement;
    let rules = [
        ("chain id", integer(left.chain_id).to_string(), integer(statement.chain_id).to_string()),
        ("number", (integer(left.number) + 1).to_string(), integer(statement.number).to_string()),
        ("previous state", left.new_state.to_string(), statement.previous_state.to_string()),
    ];
    match rules.into_iter().find(|(_, expected, found)| expected != found) {
        None => Ok(()),
        Some((field, expected, found)) => Err(VerifyError::Chain {
            path: right.path.clone(),
            number: integer(statement.number),
            previous: integer(left.number),
            field,
            expected,
            found,
        }),
    }
}

fn check_start(trust: &Trust, first: &Opened) -> Result<(), VerifyError> {
    let number = first.statement.number.to_canonical_u64();
    let rules = [
        ("number", (u64::from(trust.start.number) + 1).to_string(), number.to_string()),
        ("previous state", trust.start.state.to_string(), first.statement.previous_state.to_string()),
    ];
    untrusted(first, rules)
}

impl Opened {
    /// The file that it was read from.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What its proof states.
    #[must_use]
    pub fn statement(&self) -> &SuperblockStatement {
        &self.statement
    }

    /// Checks that chain id, registry and key are those that the trust file has for the superblock's number.
    ///
    /// # Errors
    /// [`VerifyError::Untrusted`]
    pub fn check_trusted(&self, trust: &Trust) -> Result<(), VerifyError> {
        let Self { statement, key, .. } = self;
        let number = statement.number.to_canonical_u64();
        let root = u32::try_from(number).ok().and_then(|number| trust.registry_root(number));
        let root = root.map_or_else(|| "absent from the schedule".to_owned(), |root| root.to_string());
        let chain_id = statement.chain_id.to_canonical_u64().to_string();
        untrusted(
            self,
            [
                ("chain id", trust.chain_id.to_string(), chain_id),
                ("registry root", root, statement.registry_root.to_string()),
            ],
        )?;
        let found = key.to_string();
        let expected = if trust.keys.contains(key) {
            found.clone()
        } else {
            match trust.older_key(*key).map(|older| older.valid_until) {
                Some(until) if number <= u64::from(until) => found.clone(),
                Some(until) => format!("that key up to superblock {until}"),
                None => "another superblock key".to_owned(),
            }
        };
        untrusted(self, [("key", expected, found)])
    }

    /// What its block of environment 0 takes from L1's queue and pays; `None` if it has no such block.
    #[must_use]
    pub fn l1(&self) -> Option<&L1Outcome> {
        self.l1.as_ref()
    }

    /// Checks that the deposits taken up to this superblock, the last of a chain that has a block of environment 0, are
    /// those of the trust file, if that names any. There is nothing to check of a superblock without such a block.
    ///
    /// # Errors
    /// [`VerifyError::Untrusted`]
    pub fn check_queue(&self, trust: &Trust) -> Result<(), VerifyError> {
        let (Some(expected), Some(L1Outcome { queue: found, .. })) = (trust.l1_queue, self.l1) else {
            return Ok(());
        };
        untrusted(self, [("L1's queue", expected.to_string(), found.to_string())])
    }
}

fn untrusted<const N: usize>(
    one: &Opened,
    rules: [(&'static str, String, String); N],
) -> Result<(), VerifyError> {
    match rules.into_iter().find(|(_, expected, found)| expected != found) {
        None => Ok(()),
        Some((field, expected, found)) => Err(VerifyError::Untrusted {
            path: one.path.clone(),
            number: one.statement.number.to_canonical_u64(),
            field,
            expected,
            found,
        }),
    }
}

#[cfg(test)]
mod tests {
    use circuits_core::{F, layout::Layout};
    use circuits_protocol::{l1::PayoutRange, statement::L1Body};
    use plonky2::field::types::Field;

    use super::*;
    use crate::trust::Checkpoint;

    fn digest(byte: u8) -> KeccakDigest {
        KeccakDigest([byte; 32])
    }

    /// What a block of environment 0 does that brings the deposits taken to `length`.
    fn outcome(length: u32) -> L1Outcome {
        let queue = QueuePosition { digest: digest(length as u8), length };
        L1Outcome { queue, payouts: PayoutRange { digest: digest(99), first: 0, count: 2 } }
    }

    /// A superblock that is opened, with and without a block of environment 0.
    fn opened(l1: Option<L1Outcome>) -> Opened {
        let elements = vec![F::ONE; <SuperblockStatement as Layout<F>>::LEN];
        let mut statement = SuperblockStatement::decode(&elements).expect("the length is the layout's");
        statement.has_l1_block = F::from_bool(l1.is_some());
        statement.l1_body = l1.as_ref().map_or(L1Body::ZERO, L1Body::from);
        assert_eq!(l1_outcome(&statement), Ok(l1));
        Opened {
            path: PathBuf::from("superblock"),
            statement,
            source: SuperblockCircuit::Blocks(1),
            key: Digest::ZERO,
            older_key: false,
            l1,
            l1_published: L1Published::default(),
        }
    }

    fn report(l1: &[Option<L1Outcome>]) -> Report {
        let verified = l1.iter().zip(1..).map(|(&l1, number)| Verified {
            file: PathBuf::from("superblock"),
            number,
            previous_state: Digest::ZERO,
            new_state: Digest::ZERO,
            registry_root: Digest::ZERO,
            blocks: 1,
            body_chain: Digest::ZERO,
            l1,
            l1_published: L1Published::default(),
            statement: opened(l1).statement,
            circuit: "superblock-blocks-1".to_owned(),
            key: Digest::ZERO,
            older_key: false,
        });
        Report {
            anchored: false,
            chain_id: 1,
            start_state: Digest::ZERO,
            end_state: Digest::ZERO,
            l1_queue: l1.iter().rev().flatten().next().map(|outcome| outcome.queue),
            deposits_checked: false,
            superblocks: verified.collect(),
        }
    }

    #[test]
    fn deposits_are_the_beginning_of_l1s_queue_or_refused() {
        let queue = |length: u32| (length <= 5).then(|| digest(length as u8));
        let taken = report(&[Some(outcome(2)), Some(outcome(5)), None]);
        assert!(taken.clone().check_deposits(queue).expect("L1's").deposits_checked);
        let mine = |length: u32| (length != 5).then(|| digest(length as u8));
        for other in [mine, |_| Some(digest(7)), |_| None] {
            let error = taken.clone().check_deposits(other).unwrap_err();
            let found = outcome(5).queue;
            assert!(
                matches!(error, VerifyError::Deposits { number: 2, found: of } if of == found),
                "{error}"
            );
        }
        // Where nothing is taken, nothing is compared.
        assert!(!report(&[None]).check_deposits(|_| None).expect("nothing was taken").deposits_checked);
    }

    #[test]
    fn the_queue_of_a_trust_file_is_the_one_that_was_taken() {
        let trusting = |l1_queue| Trust {
            chain_id: 1,
            keys: vec![],
            start: Checkpoint { number: 0, state: Digest::ZERO },
            l1_queue,
            registry: vec![],
            older_keys: vec![],
        };
        let taken = opened(Some(outcome(5)));
        let QueuePosition { digest: known, length } = outcome(5).queue;
        for queue in [None, Some(QueuePosition { digest: known, length })] {
            taken.check_queue(&trusting(queue)).expect("L1's");
        }
        for other in [QueuePosition { digest: digest(6), length }, QueuePosition { digest: known, length: 4 }]
        {
            let error = taken.check_queue(&trusting(Some(other))).unwrap_err();
            assert!(matches!(error, VerifyError::Untrusted { field: "L1's queue", .. }), "{error}");
            opened(None).check_queue(&trusting(Some(other))).expect("nothing was taken");
        }
    }

    #[test]
    fn a_report_says_what_l1_is_told_and_whether_deposits_were_compared() {
        let text = report(&[Some(outcome(5))]).to_string();
        assert!(
            text.contains("5 deposits with digest 0x0505") && text.contains("2 payouts from number 0 on"),
            "{text}"
        );
        assert!(text.ends_with("deposits: not compared with L1's queue"), "{text}");
        let silent = report(&[None]).to_string();
        assert!(
            silent.ends_with("deposits: none, because no superblock has a block of environment 0"),
            "{silent}"
        );
    }
}

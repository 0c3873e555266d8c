//! What a producer keeps in a database, and how a state is read from there.
//!
//! An adapter names the parts of its state with [`stored_state!`](crate::stored_state), in one line, and writes no storage code.
//! Maps and trees are stored entry by entry, so that a block costs what it changed; everything else is stored as a whole.
//! Trees and a [`LateMap`] are also read entry by entry, when somebody needs one, so that a restart does not cost what exists.
//!
//! | database map | key | value |
//! |---|---|---|
//! | `identity` | none | kind, genesis, producer |
//! | `state` | name of a field | its value |
//! | `state.FIELD` of a [`SharedMap`] | key | value |
//! | `state.FIELD` of a tree or a [`LateMap`] | what [`Row`] says | what [`Row`] says |
//! | `commitment` | none | that of the state |
//! | `blocks` | serial number | what is needed to execute a block that is not confirmed again, and what it must become |
//! | `proven` | serial number | nothing, if the block was proved |
//! | `transactions`, `waits`, `messages`, `senders`, `sources`, `displaced`, `unable`, `pool` | see [`crate::pool`] | what waits |

mod late;

use std::{
    collections::BTreeMap,
    error::Error,
    sync::{Arc, PoisonError, RwLock, Weak},
};

pub use self::late::Row;
#[cfg(doc)]
use circuits_core::late::LateMap;
pub use circuits_core::stored::ReadFailure;
use circuits_core::{Digest, shared::SharedMap, stored::Reads, trees::TreeError};
pub use circuits_database::{Change, DatabaseError, Map, View};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use thiserror::Error;

use crate::{environment::Environment, pool::TransactionId};

/// Why a producer is not written to a database or read from there.
#[derive(Debug, Error)]
pub enum StoredError {
    /// The database is not read, or a value does not encode.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// An entry that must be there is missing.
    #[error("the database has no entry {key} in {map:?}")]
    Missing { map: Map, key: String },
    /// An entry is not what belongs there.
    #[error("an entry of {map:?} is not what belongs there")]
    Entry { map: Map },
    /// The leaves are not those of a tree.
    #[error("{map:?} does not hold the leaves of a tree")]
    Tree { map: Map, source: TreeError },
    /// A transaction cannot be written as JSON.
    #[error("transaction {id} cannot be written")]
    Unwritable { id: TransactionId, source: serde_json::Error },
    /// What was a transaction of the environment is none.
    #[error("transaction {id} cannot be read")]
    Unreadable { id: TransactionId, source: Box<dyn Error + Send + Sync> },
    /// The database belongs to another environment.
    #[error("the database is of another environment: its {field} is {found}, expected {expected}")]
    OtherEnvironment { field: &'static str, expected: String, found: String },
    /// The entries are those of another state.
    #[error("the state in the database has the commitment {found}, and the database says {expected}")]
    OtherState { expected: Digest, found: Digest },
    /// What is found by the trees, or beside them, is not what they have.
    #[error("what the database has beside the trees of the state is not what they have")]
    Beside,
    /// What somebody needed of the state cannot be read.
    #[error("a part of the state cannot be read")]
    Read(#[from] ReadFailure),
    /// A block cannot be executed again.
    #[error("block {height} cannot be executed again")]
    Execute { height: u32, source: Box<dyn Error + Send + Sync> },
    /// Executing a block again gives another block, so another program proposed it.
    #[error("executing block {height} again does not give the block that was proposed: its {field} differs")]
    OtherBlock { height: u32, field: &'static str },
}

/// A state that a database keeps; see [`stored_state!`](crate::stored_state).
pub trait StoredState: Sized {
    /// The changes that lead from `before`, or else from an empty database, to this state.
    ///
    /// # Errors
    /// [`StoredError::Database`] if a value does not encode.
    fn changes(&self, before: Option<&Self>) -> Result<Vec<Change>, StoredError>;

    /// The state that a source shows, of the environment with this genesis. Parts of it are read when they are needed.
    ///
    /// # Errors
    /// [`StoredError`]
    fn restore(genesis: Self, source: &Source) -> Result<Self, StoredError>;

    /// Checks that all could be read that was needed so far, of this state or a copy. Nothing that follows from a state is to be
    /// used before.
    ///
    /// # Errors
    /// [`ReadFailure`]
    fn check_reads(&self) -> Result<(), ReadFailure>;

    /// Reads all of the state and checks it: what [`Self::restore`] checks when it is needed, and what is beside the trees.
    ///
    /// # Errors
    /// [`StoredError`]
    fn check_whole(&self) -> Result<(), StoredError>;

    /// The maps that have the state.
    fn maps() -> Vec<Map>;
}

/// Where the parts of a state are read: a view, which moves on with what is stored.
#[derive(Clone, Debug)]
pub struct Source {
    view: Arc<RwLock<Arc<View>>>,
    reads: Reads,
}

/// A source that lives as long as something is read from it.
#[derive(Clone, Debug, Default)]
pub(crate) struct WeakSource(Weak<RwLock<Arc<View>>>);

impl Source {
    /// What this view shows.
    #[must_use]
    pub fn new(view: View) -> Self {
        Self { view: Arc::new(RwLock::new(Arc::new(view))), reads: Reads::default() }
    }

    /// The view.
    #[must_use]
    pub fn view(&self) -> Arc<View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where failures go.
    #[must_use]
    pub const fn reads(&self) -> &Reads {
        &self.reads
    }

    pub(crate) fn downgrade(&self) -> WeakSource {
        WeakSource(Arc::downgrade(&self.view))
    }
}

impl WeakSource {
    /// Reads from another view from now on. For all states that are read from this source, it shows what the one before showed of
    /// what they have not changed themselves.
    pub(crate) fn move_on(&self, view: View) {
        if let Some(source) = self.0.upgrade() {
            *source.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(view);
        }
    }
}

/// A part of a state that is stored entry by entry.
pub trait Part {
    /// The changes of `map` that lead from `before`, or else from nothing, to this part.
    ///
    /// # Errors
    /// [`StoredError::Database`] if a value does not encode.
    fn changes(&self, before: Option<&Self>, map: Map) -> Result<Vec<Change>, StoredError>;

    /// Makes this part, which is that of a genesis, what a source shows in `map`.
    ///
    /// # Errors
    /// [`StoredError`]
    fn restore(&mut self, map: Map, source: &Source) -> Result<(), StoredError>;

    /// Checks that all could be read that was needed so far. A part that is read at once keeps the default.
    ///
    /// # Errors
    /// [`ReadFailure`]
    fn check_reads(&self) -> Result<(), ReadFailure> {
        Ok(())
    }

    /// Reads all of this part. A part that is read at once keeps the default.
    ///
    /// # Errors
    /// [`StoredError::Entry`] if it has not as many entries as it says.
    fn read_whole(&self, map: Map) -> Result<(), StoredError> {
        let _ = map;
        Ok(())
    }
}

/// Says which fields make up a state, so that a database can keep it: `parts` are maps and trees, `values` are all others that
/// differ from those of the genesis at the end of a block. What is made from other fields comes then. Of a state with several parts,
/// `agrees` says whether those that the commitment does not cover have what the others have.
///
/// ```
/// # use environments_core::deps::circuits_core::{Digest, shared::SharedMap, trees::KeyedTree};
/// # #[derive(Clone)]
/// struct State {
///     height: u32,
///     tree: KeyedTree,
///     owners: SharedMap<Digest, u64>,
///     owner_count: usize,
/// }
/// environments_core::stored_state!(State {
///     values: [height],
///     parts: [tree, owners],
///     derived: |state| state.owner_count = state.owners.len(),
///     agrees: |state| state.owners.iter().all(|(key, _)| state.tree.get(key).is_some()),
/// });
/// ```
#[macro_export]
macro_rules! stored_state {
    (
        $state:ty {
            values: [$($($value:ident).+),* $(,)?]
            $(, parts: [$($($part:ident).+),* $(,)?])?
            $(, derived: $derived:expr)?
            $(, agrees: $agrees:expr)? $(,)?
        }
    ) => {
        impl $crate::stored::StoredState for $state {
            fn changes(
                &self,
                before: Option<&Self>,
            ) -> Result<Vec<$crate::stored::Change>, $crate::stored::StoredError> {
                let mut changes = ::std::vec![];
                $(changes.extend($crate::stored::changed_value(
                    concat!($(".", stringify!($value)),+),
                    &self.$($value).+,
                    before.map(|before| &before.$($value).+),
                )?);)*
                $($(changes.extend($crate::stored::Part::changes(
                    &self.$($part).+,
                    before.map(|before| &before.$($part).+),
                    $crate::stored::Map(concat!("state", $(".", stringify!($part)),+)),
                )?);)*)?
                Ok(changes)
            }

            fn restore(
                mut state: Self,
                source: &$crate::stored::Source,
            ) -> Result<Self, $crate::stored::StoredError> {
                let values = $crate::stored::Values::read(&source.view())?;
                $(state.$($value).+ = values.get(concat!($(".", stringify!($value)),+))?;)*
                $($($crate::stored::Part::restore(
                    &mut state.$($part).+,
                    $crate::stored::Map(concat!("state", $(".", stringify!($part)),+)),
                    source,
                )?;)*)?
                $(
                    let derive: fn(&mut Self) = $derived;
                    derive(&mut state);
                )?
                // A part that is small may be read already.
                $crate::stored::StoredState::check_reads(&state)?;
                Ok(state)
            }

            fn check_reads(&self) -> Result<(), $crate::stored::ReadFailure> {
                $($($crate::stored::Part::check_reads(&self.$($part).+)?;)*)?
                Ok(())
            }

            fn check_whole(&self) -> Result<(), $crate::stored::StoredError> {
                let read_whole = || -> ::std::result::Result<(), $crate::stored::StoredError> {
                    $($($crate::stored::Part::read_whole(
                        &self.$($part).+,
                        $crate::stored::Map(concat!("state", $(".", stringify!($part)),+)),
                    )?;)*)?
                    Ok(())
                };
                let whole = read_whole();
                let agrees: &[fn(&Self) -> bool] = &[$($agrees)?];
                let agrees = agrees.iter().all(|agrees| agrees(self));
                // What cannot be read is missing, and agrees with nothing.
                $crate::stored::StoredState::check_reads(self)?;
                whole?;
                if agrees { Ok(()) } else { Err($crate::stored::StoredError::Beside) }
            }

            fn maps() -> ::std::vec::Vec<$crate::stored::Map> {
                ::std::vec![
                    $crate::stored::VALUES
                    $($(, $crate::stored::Map(concat!("state", $(".", stringify!($part)),+)))*)?
                ]
            }
        }
    };
}

/// Fields that are stored as a whole, by name. The values are bytes, because they are of several types.
#[doc(hidden)]
pub const VALUES: Map = Map("state");

/// The change of a field that is stored as a whole, unless it is what it was.
#[doc(hidden)]
pub fn changed_value<T: Serialize + PartialEq>(
    field: &str,
    value: &T,
    before: Option<&T>,
) -> Result<Option<Change>, StoredError> {
    if before == Some(value) {
        return Ok(None);
    }
    let bytes = encode(VALUES, value)?;
    Ok(Some(VALUES.change(field, Some(&bytes))?))
}

/// The fields that are stored as a whole.
#[doc(hidden)]
pub struct Values(BTreeMap<Vec<u8>, Vec<u8>>);

impl Values {
    #[doc(hidden)]
    pub fn read(view: &View) -> Result<Self, StoredError> {
        Ok(Self(view.entries(VALUES)?.into_iter().collect()))
    }

    #[doc(hidden)]
    pub fn get<T: DeserializeOwned>(&self, field: &str) -> Result<T, StoredError> {
        let missing = || StoredError::Missing { map: VALUES, key: field.to_owned() };
        decode(VALUES, self.0.get(field.as_bytes()).ok_or_else(missing)?)
    }
}

/// One entry: the [`Identity`].
pub(crate) const IDENTITY: Map = Map("identity");
/// One entry: the commitment of the state.
pub(crate) const COMMITMENT: Map = Map("commitment");

/// Whose states they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    kind: String,
    chain_id: u64,
    environment: u16,
    genesis: Digest,
    /// The commitment to the producer's secret; zero for a follower, since producers change and the environment stays.
    producer: Digest,
}

impl Identity {
    pub(crate) fn of<E: Environment>(environment: &E) -> Self {
        Self {
            kind: E::KIND.to_owned(),
            chain_id: environment.chain_id(),
            environment: environment.id().get(),
            genesis: environment.commitment(&environment.genesis()),
            producer: environment.producer(),
        }
    }

    /// The environment, whoever makes its blocks.
    pub(crate) fn of_any_producer(self) -> Self {
        Self { producer: Digest::ZERO, ..self }
    }

    /// Checks that a view shows this identity.
    pub(crate) fn check(&self, view: &View) -> Result<(), StoredError> {
        let found: Self = only(IDENTITY, view)?;
        let fields = [
            ("kind", self.kind.clone(), found.kind),
            ("chain id", self.chain_id.to_string(), found.chain_id.to_string()),
            ("id", self.environment.to_string(), found.environment.to_string()),
            ("genesis", self.genesis.to_string(), found.genesis.to_string()),
            ("producer", self.producer.to_string(), found.producer.to_string()),
        ];
        match fields.into_iter().find(|(_, expected, found)| expected != found) {
            Some((field, expected, found)) => Err(StoredError::OtherEnvironment { field, expected, found }),
            None => Ok(()),
        }
    }
}

/// The state that a view shows, which has the commitment that was stored with it.
pub(crate) fn restore_state<E: Environment>(
    environment: &E,
    source: &Source,
) -> Result<E::State, StoredError> {
    let state = E::State::restore(environment.genesis(), source)?;
    let (expected, found) = (only(COMMITMENT, &source.view())?, environment.commitment(&state));
    if found == expected { Ok(state) } else { Err(StoredError::OtherState { expected, found }) }
}

/// Encodes a key, or the value of a map whose values are of several types.
pub(crate) fn encode<T: Serialize>(map: Map, value: &T) -> Result<Vec<u8>, StoredError> {
    Ok(postcard::to_allocvec(value).map_err(|source| DatabaseError::Encode { map, source })?)
}

/// Decodes what [`encode`] encoded.
pub(crate) fn decode<T: DeserializeOwned>(map: Map, bytes: &[u8]) -> Result<T, StoredError> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        _ => Err(StoredError::Entry { map }),
    }
}

/// The number that a key is.
pub(crate) fn number(map: Map, key: &[u8]) -> Result<u64, StoredError> {
    Ok(u64::from_be_bytes(key.try_into().map_err(|_| StoredError::Entry { map })?))
}

/// The one entry of a map.
pub(crate) fn only<T: DeserializeOwned>(map: Map, view: &View) -> Result<T, StoredError> {
    let missing = || StoredError::Missing { map, key: String::new() };
    view.entries(map)?.pop().map(|(_, value)| value).ok_or_else(missing)
}

impl<K, V> Part for SharedMap<K, V>
where
    K: Ord + Clone + Serialize + DeserializeOwned,
    V: Clone + PartialEq + Serialize + DeserializeOwned,
{
    fn changes(&self, before: Option<&Self>, map: Map) -> Result<Vec<Change>, StoredError> {
        let nothing = Self::new();
        let changed = before.unwrap_or(&nothing).changed_entries(self);
        changed.map(|(key, value)| Ok(map.change(encode(map, key)?, value)?)).collect()
    }

    fn restore(&mut self, map: Map, source: &Source) -> Result<(), StoredError> {
        let entries = source.view().entries(map)?.into_iter();
        let entries = entries.map(|(key, value)| Ok((decode(map, &key)?, value)));
        *self = entries.collect::<Result<_, StoredError>>()?;
        Ok(())
    }
}

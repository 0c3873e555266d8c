//! Parts of a state that are read where somebody needs them.

use std::{fmt::Debug, hash::Hash, marker::PhantomData, ops::Range, sync::Arc};

use circuits_core::{
    Digest,
    late::{Entries, LateMap},
    stored::{ReadFailure, StoredList},
    trees::{AppendTree, IndexTree, KeyedTree, PAGE_LEAVES, TreeError, empty_root},
};
use circuits_database::{Change, Map, View};
use serde::{Serialize, de::DeserializeOwned};

use super::{Part, Source, StoredError, decode, encode, number};

/// What a database map has of a part that is read late. Its key begins with the number that stands here.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub enum Row {
    /// The number of entries or leaves.
    Count = 0,
    /// By index, big-endian: a leaf that is not empty.
    Leaf = 1,
    /// By number, big-endian: the root of a page of leaves, unless all are empty from the beginning.
    Page = 2,
    /// By key: the value, or index and value in a tree.
    Entry = 3,
}

/// Bytes of an index or the number of a page.
const NUMBER_BYTES: usize = size_of::<u64>();

impl Row {
    fn key(self, rest: &[u8]) -> Vec<u8> {
        [&[self as u8], rest].concat()
    }

    /// The first key of the rows of this sort, and the first one after them.
    const fn range(self) -> [[u8; 1]; 2] {
        [[self as u8], [self as u8 + 1]]
    }

    fn change<T: Serialize>(self, map: Map, rest: &[u8], value: Option<&T>) -> Result<Change, StoredError> {
        Ok(map.change(self.key(rest), value)?)
    }

    /// What a map has of this sort, by what its keys have after the first byte.
    fn read<T: DeserializeOwned>(self, map: Map, view: &View) -> Result<Vec<(Vec<u8>, T)>, StoredError> {
        let [first, end] = self.range();
        let rows = view.range(map, &first, Some(&end))?.into_iter();
        Ok(rows.map(|(key, value)| (key.into_iter().skip(1).collect(), value)).collect())
    }
}

fn count(map: Map, view: &View) -> Result<u64, StoredError> {
    let missing = || StoredError::Missing { map, key: "count".to_owned() };
    view.get(map, &Row::Count.key(&[]))?.ok_or_else(missing)
}

fn count_change(map: Map, before: Option<u64>, after: u64) -> Result<Option<Change>, StoredError> {
    if before == Some(after) { Ok(None) } else { Row::Count.change(map, &[], Some(&after)).map(Some) }
}

/// The leaves of a tree that are other ones than before, and the roots of their pages.
fn leaf_changes(
    map: Map,
    leaves: &[(u64, Digest)],
    page_root: impl Fn(u64) -> Option<Digest>,
) -> Result<Vec<Change>, StoredError> {
    let mut changes = vec![];
    for (index, leaf) in leaves {
        let leaf = (*leaf != Digest::ZERO).then_some(leaf);
        changes.push(Row::Leaf.change(map, &index.to_be_bytes(), leaf)?);
    }
    let mut pages: Vec<_> = leaves.iter().map(|(index, _)| index / PAGE_LEAVES as u64).collect();
    pages.dedup();
    for page in pages {
        changes.push(Row::Page.change(map, &page.to_be_bytes(), page_root(page).as_ref())?);
    }
    Ok(changes)
}

/// The leaves of a tree of so many, and the roots of its pages.
fn leaves(
    map: Map,
    source: &Source,
    depth: usize,
    count: u64,
) -> Result<(Arc<StoredList<Digest>>, Vec<Digest>), StoredError> {
    if count > 1 << depth {
        let source = TreeError::Full { count, added: 0, depth };
        return Err(StoredError::Tree { map, source });
    }
    let level = PAGE_LEAVES.ilog2() as usize;
    // A tree that is smaller than a page has none.
    let pages = if depth < level { 0 } else { count.div_ceil(PAGE_LEAVES as u64) };
    let mut roots = vec![empty_root(level); pages as usize];
    for (key, root) in Row::Page.read::<Digest>(map, &source.view())? {
        let page = usize::try_from(number(map, &key)?).ok();
        *page.and_then(|page| roots.get_mut(page)).ok_or(StoredError::Entry { map })? = root;
    }
    Ok((leaf_list(map, source, count), roots))
}

fn leaf_list(map: Map, source: &Source, count: u64) -> Arc<StoredList<Digest>> {
    let from = source.clone();
    let read = move |range: Range<u64>| read_leaves(map, &from.view(), range).map_err(ReadFailure::new);
    Arc::new(StoredList::new(count, source.reads().clone(), read))
}

fn read_leaves(map: Map, view: &View, range: Range<u64>) -> Result<Vec<Digest>, StoredError> {
    let [first, end] = [range.start, range.end].map(|index| Row::Leaf.key(&index.to_be_bytes()));
    let mut leaves = vec![Digest::ZERO; (range.end - range.start) as usize];
    for (key, leaf) in view.range(map, &first, Some(&end))? {
        let index = number(map, &key[1..])?;
        let place = index.checked_sub(range.start).and_then(|place| leaves.get_mut(place as usize));
        *place.ok_or(StoredError::Entry { map })? = leaf;
    }
    Ok(leaves)
}

impl Part for IndexTree {
    fn changes(&self, before: Option<&Self>, map: Map) -> Result<Vec<Change>, StoredError> {
        let nothing = Self::new(self.depth());
        let changed = before.unwrap_or(&nothing).changed_leaves(self);
        leaf_changes(map, &changed, |page| self.page_root(page))
    }

    fn restore(&mut self, map: Map, source: &Source) -> Result<(), StoredError> {
        let pages = Row::Page.read(map, &source.view())?.into_iter();
        let pages = pages.map(|(key, root)| Ok((number(map, &key)?, root)));
        let pages = pages.collect::<Result<Vec<(u64, Digest)>, StoredError>>()?;
        let tree = Self::from_pages(self.depth(), &leaf_list(map, source, 1 << self.depth()), pages);
        *self = tree.map_err(|source| StoredError::Tree { map, source })?;
        Ok(())
    }

    fn check_reads(&self) -> Result<(), ReadFailure> {
        self.reads().map_or(Ok(()), |reads| reads.check())
    }

    fn read_whole(&self, _: Map) -> Result<(), StoredError> {
        // Each page is compared with its root.
        let _ = self.leaves().count();
        Ok(())
    }
}

impl Part for AppendTree {
    fn changes(&self, before: Option<&Self>, map: Map) -> Result<Vec<Change>, StoredError> {
        let nothing = Self::new(self.depth());
        let changed = before.unwrap_or(&nothing).changed_leaves(self);
        let mut changes = leaf_changes(map, &changed, |page| self.page_root(page))?;
        changes.extend(count_change(map, before.map(Self::count), self.count())?);
        Ok(changes)
    }

    fn restore(&mut self, map: Map, source: &Source) -> Result<(), StoredError> {
        let (leaves, roots) = leaves(map, source, self.depth(), count(map, &source.view())?)?;
        let tree = Self::from_stored(self.depth(), &leaves, &roots);
        *self = tree.map_err(|source| StoredError::Tree { map, source })?;
        Ok(())
    }

    fn check_reads(&self) -> Result<(), ReadFailure> {
        self.reads().map_or(Ok(()), |reads| reads.check())
    }

    fn read_whole(&self, _: Map) -> Result<(), StoredError> {
        // Each page is compared with its root.
        (0..self.count()).step_by(PAGE_LEAVES).for_each(|index| {
            let _ = self.get(index);
        });
        Ok(())
    }
}

impl Part for KeyedTree {
    fn changes(&self, before: Option<&Self>, map: Map) -> Result<Vec<Change>, StoredError> {
        // A new tree has the sentinel, which is stored too.
        let leaves = before.map_or_else(|| self.leaves().collect(), |before| before.changed_leaves(self));
        let mut changes = leaf_changes(map, &leaves, |page| self.page_root(page))?;
        let nothing = Self::new(self.depth());
        for (key, entry) in before.unwrap_or(&nothing).changed_entries(self) {
            changes.push(Row::Entry.change(map, &TreeEntries::key(&key), entry.as_ref())?);
        }
        if before.is_none() {
            let sentinel = (0_u64, Digest::ZERO);
            changes.push(Row::Entry.change(map, &TreeEntries::key(&Digest::ZERO), Some(&sentinel))?);
        }
        changes.extend(count_change(map, before.map(Self::count), self.count())?);
        Ok(changes)
    }

    fn restore(&mut self, map: Map, source: &Source) -> Result<(), StoredError> {
        let (leaves, roots) = leaves(map, source, self.depth(), count(map, &source.view())?)?;
        let entries = TreeEntries { map, source: source.clone() };
        let tree = Self::from_stored(self.depth(), &leaves, &roots, entries);
        *self = tree.map_err(|source| StoredError::Tree { map, source })?;
        Ok(())
    }

    fn check_reads(&self) -> Result<(), ReadFailure> {
        self.reads().map_or(Ok(()), |reads| reads.check())
    }

    fn read_whole(&self, map: Map) -> Result<(), StoredError> {
        if self.is_whole() { Ok(()) } else { Err(StoredError::Entry { map }) }
    }
}

/// Index and value of each key of a tree.
struct TreeEntries {
    map: Map,
    source: Source,
}

impl TreeEntries {
    /// A key such that bytes have the order of keys.
    fn key(key: &Digest) -> Vec<u8> {
        key.to_u64s().map(u64::to_be_bytes).concat()
    }

    /// The key that has these bytes.
    fn parse(map: Map, bytes: &[u8]) -> Result<Digest, StoredError> {
        let mut digest = [0; circuits_core::digest::DIGEST_BYTES];
        if bytes.len() != digest.len() {
            return Err(StoredError::Entry { map });
        }
        let words = digest.chunks_exact_mut(NUMBER_BYTES).zip(bytes.chunks_exact(NUMBER_BYTES));
        words.for_each(|(word, bytes)| {
            word.iter_mut().zip(bytes.iter().rev()).for_each(|(to, from)| *to = *from)
        });
        Digest::from_bytes(digest).map_err(|_| StoredError::Entry { map })
    }

    fn entry(&self, (key, entry): (Vec<u8>, (u64, Digest))) -> Result<(Digest, (u64, Digest)), ReadFailure> {
        let key = Self::parse(self.map, &key[1..]).map_err(ReadFailure::new)?;
        Ok((key, entry))
    }
}

impl Entries<Digest, (u64, Digest)> for TreeEntries {
    fn get(&self, key: &Digest) -> Result<Option<(u64, Digest)>, ReadFailure> {
        self.source.view().get(self.map, &Row::Entry.key(&Self::key(key))).map_err(ReadFailure::new)
    }

    fn all(&self) -> Result<Vec<(Digest, (u64, Digest))>, ReadFailure> {
        let [first, end] = Row::Entry.range();
        let rows = self.source.view().range(self.map, &first, Some(&end)).map_err(ReadFailure::new)?;
        rows.into_iter().map(|row| self.entry(row)).collect()
    }

    fn below(&self, key: &Digest) -> Result<Option<(Digest, (u64, Digest))>, ReadFailure> {
        let [first, _] = Row::Entry.range();
        let end = Row::Entry.key(&Self::key(key));
        let row = self.source.view().last(self.map, &first, &end).map_err(ReadFailure::new)?;
        row.map(|row| self.entry(row)).transpose()
    }

    fn above(&self, key: &Digest) -> Result<Option<(Digest, (u64, Digest))>, ReadFailure> {
        let [_, end] = Row::Entry.range();
        // The least key beyond it has one more byte.
        let first = [Row::Entry.key(&Self::key(key)), vec![0]].concat();
        let row = self.source.view().first(self.map, &first, &end).map_err(ReadFailure::new)?;
        row.map(|row| self.entry(row)).transpose()
    }
}

impl<K, V> Part for LateMap<K, V>
where
    K: Ord + Clone + Hash + Debug + Serialize + DeserializeOwned + Send + Sync + 'static,
    V: Clone + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static,
{
    fn changes(&self, before: Option<&Self>, map: Map) -> Result<Vec<Change>, StoredError> {
        let nothing = Self::new();
        let mut changes = vec![];
        for (key, value) in before.unwrap_or(&nothing).changed_entries(self) {
            changes.push(Row::Entry.change(map, &encode(map, &key)?, value.as_ref())?);
        }
        changes.extend(count_change(map, before.map(Self::len), self.len())?);
        Ok(changes)
    }

    fn restore(&mut self, map: Map, source: &Source) -> Result<(), StoredError> {
        let count = count(map, &source.view())?;
        let entries = MapEntries { map, source: source.clone(), types: PhantomData::<fn() -> (K, V)> };
        *self = Self::from_stored(count, source.reads().clone(), entries);
        Ok(())
    }

    fn check_reads(&self) -> Result<(), ReadFailure> {
        self.reads().map_or(Ok(()), |reads| reads.check())
    }

    fn read_whole(&self, map: Map) -> Result<(), StoredError> {
        if self.iter().count() as u64 == self.len() { Ok(()) } else { Err(StoredError::Entry { map }) }
    }
}

/// The entries of a map.
struct MapEntries<T> {
    map: Map,
    source: Source,
    types: PhantomData<T>,
}

impl<K, V> Entries<K, V> for MapEntries<fn() -> (K, V)>
where
    K: Ord + Clone + Serialize + DeserializeOwned,
    V: Clone + DeserializeOwned,
{
    fn get(&self, key: &K) -> Result<Option<V>, ReadFailure> {
        let key = encode(self.map, key).map_err(ReadFailure::new)?;
        self.source.view().get(self.map, &Row::Entry.key(&key)).map_err(ReadFailure::new)
    }

    fn all(&self) -> Result<Vec<(K, V)>, ReadFailure> {
        let rows = Row::Entry.read(self.map, &self.source.view()).map_err(ReadFailure::new)?;
        let entries = rows.into_iter().map(|(key, value)| Ok((decode(self.map, &key)?, value)));
        entries.collect::<Result<_, StoredError>>().map_err(ReadFailure::new)
    }

    fn below(&self, key: &K) -> Result<Option<(K, V)>, ReadFailure> {
        // Their encodings have no order.
        Ok(self
            .all()?
            .into_iter()
            .filter(|(other, _)| other < key)
            .max_by(|(one, _), (other, _)| one.cmp(other)))
    }

    fn above(&self, key: &K) -> Result<Option<(K, V)>, ReadFailure> {
        Ok(self
            .all()?
            .into_iter()
            .filter(|(other, _)| other > key)
            .min_by(|(one, _), (other, _)| one.cmp(other)))
    }
}

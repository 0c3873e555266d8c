//! A list whose copies share what they have in common.
//!
//! Problem: whoever tries a superblock keeps the state before it, and a state has a record of every message ever sent. A copy of
//! a `Vec` costs them all, though a superblock adds some and changes some.
//!
//! Approach: pages of up to 16 values under nodes of up to 16 children, all of them counted references. A change copies the
//! page that it is in, and the nodes above it, unless nobody else refers to them.
//!
//! ```text
//! height 1                 [ .  .  . ]
//!                         /     |     \
//! height 0    [ 0 .. 15 ]  [ 16 .. 31 ]  [ 32 .. 39 ]        every page but the last is full
//! ```
//! A subtree of a list that is stored is read when somebody needs a value of it, and becomes nodes when one is changed.
//!
//! Cost: a copy takes constant time; a look-up, a change, and finding one difference between two copies take `log16(n)` steps.

use std::{collections::VecDeque, fmt, ops::Range, sync::Arc};

use circuits_core::stored::StoredList;

/// Values of a page, and children of a node.
const WIDTH: usize = 16;
/// Values that are read at once by whoever needs all.
const READ_AHEAD: usize = 256;

/// A list whose copies share what they have in common; see the module's drawing.
#[derive(Clone)]
pub(crate) struct SharedList<T> {
    root: Arc<Node<T>>,
    /// Nodes above a page.
    height: u32,
    len: usize,
}

#[derive(Clone)]
enum Node<T> {
    Page(Vec<T>),
    Inner(Vec<Arc<Self>>),
    /// The values of a subtree, which are those of the list from this index on, as far as it goes.
    Stored(Arc<StoredList<T>>, usize),
}

/// A subtree and the nodes above its pages; `None` where a list has ended.
type Part<T> = Option<(Arc<Node<T>>, u32)>;

/// Values under one child of a node at `height`.
fn child_size(height: u32) -> usize {
    WIDTH.saturating_pow(height)
}

/// Values under a node at `height`.
fn size(height: u32) -> usize {
    child_size(height + 1)
}

/// The indices of these values in a list that is stored.
fn indices(first: usize, count: usize) -> Range<u64> {
    first as u64..first.saturating_add(count) as u64
}

impl<T> Default for SharedList<T> {
    fn default() -> Self {
        Self { root: Arc::new(Node::Page(vec![])), height: 0, len: 0 }
    }
}

impl<T> SharedList<T> {
    /// How many values there are.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }
}

impl<T> From<Arc<StoredList<T>>> for SharedList<T> {
    fn from(stored: Arc<StoredList<T>>) -> Self {
        let len = usize::try_from(stored.len()).unwrap_or(usize::MAX);
        let height = (0..).find(|&height| len <= size(height)).unwrap_or(0);
        Self { root: Arc::new(Node::Stored(stored, 0)), height, len }
    }
}

impl<T: Clone> Node<T> {
    /// The node at `height` as one of values or children.
    fn opened(&self, height: u32) -> Option<Self> {
        let Self::Stored(list, first) = self else { return None };
        if height == 0 {
            return Some(Self::Page(list.read(indices(*first, WIDTH))));
        }
        let firsts = (*first..).step_by(child_size(height)).take(WIDTH);
        let children = firsts.take_while(|&first| (first as u64) < list.len());
        Some(Self::Inner(children.map(|first| Arc::new(Self::Stored(list.clone(), first))).collect()))
    }

    /// Makes a subtree at `height` one whose root can be changed.
    fn make_mut(node: &mut Arc<Self>, height: u32) -> &mut Self {
        if let Some(opened) = node.opened(height) {
            *node = Arc::new(opened);
        }
        Arc::make_mut(node)
    }
}

impl<T: Clone> SharedList<T> {
    /// The value at `index`, if the list is that long and it can be read.
    pub(crate) fn get(&self, index: usize) -> Option<T> {
        if index < self.len { self.some(index, 1).pop_front() } else { None }
    }

    /// At most `count` values from `index` on, at least one if it can be read.
    fn some(&self, index: usize, count: usize) -> VecDeque<T> {
        let (mut node, mut rest) = (&self.root, index);
        let mut height = self.height;
        loop {
            match &**node {
                Node::Page(values) => return values.iter().skip(rest).take(count).cloned().collect(),
                Node::Stored(list, first) => {
                    let count = count.min(size(height) - rest);
                    return list.read(indices(first + rest, count)).into();
                }
                Node::Inner(children) => {
                    let size = child_size(height);
                    let Some(child) = children.get(rest / size) else { return VecDeque::new() };
                    node = child;
                    rest %= size;
                    height -= 1;
                }
            }
        }
    }

    /// The values in order, up to the first one that cannot be read.
    pub(crate) fn iter(&self) -> impl Iterator<Item = T> {
        let (mut next, mut ahead) = (0, VecDeque::new());
        std::iter::from_fn(move || {
            if ahead.is_empty() && next < self.len {
                ahead = self.some(next, READ_AHEAD);
                next += ahead.len();
            }
            ahead.pop_front()
        })
    }
}

impl<T: PartialEq + Clone> SharedList<T> {
    /// The indices at which `after` differs from this list, ascending, with its values there; `None` where it has ended.
    pub(crate) fn differences(&self, after: &Self) -> Vec<(usize, Option<T>)> {
        let mut found = vec![];
        let part = |list: &Self| Some((list.root.clone(), list.height));
        compare(part(self), part(after), 0, &mut found);
        found
    }
}

/// Collects the differences between two parts of lists that begin at `first`.
fn compare<T: PartialEq + Clone>(
    before: Part<T>,
    after: Part<T>,
    first: usize,
    found: &mut Vec<(usize, Option<T>)>,
) {
    let height = match (&before, &after) {
        (None, None) => return,
        (Some((one, a)), Some((other, b))) if a == b && is_same(one, other) => return,
        (Some((_, a)), Some((_, b))) => *a.max(b),
        (Some((_, height)), None) | (None, Some((_, height))) => *height,
    };
    let open = |(node, height): (Arc<Node<T>>, u32)| (node.opened(height).map_or(node, Arc::new), height);
    let (before, after) = (before.map(open), after.map(open));
    if height == 0 {
        let values = |part: &Part<T>| match part.as_ref().map(|(node, _)| &**node) {
            Some(Node::Page(values)) => values.clone(),
            Some(Node::Inner(_) | Node::Stored(..)) | None => vec![],
        };
        let (before, after) = (values(&before), values(&after));
        let indices = 0..before.len().max(after.len());
        let changed = indices.filter(|&index| before.get(index) != after.get(index));
        found.extend(changed.map(|index| (first + index, after.get(index).cloned())));
        return;
    }
    for index in 0..WIDTH {
        // A lower tree is the first child of what it would be if it were higher.
        let child = |part: &Part<T>| match part {
            Some((_, lower)) if *lower < height => part.clone().filter(|_| index == 0),
            Some((node, _)) => match &**node {
                Node::Inner(children) => children.get(index).map(|child| (child.clone(), height - 1)),
                Node::Page(_) | Node::Stored(..) => None,
            },
            None => None,
        };
        compare(child(&before), child(&after), first + index * child_size(height), found);
    }
}

/// Whether two subtrees at one height are one, or the same part of what is stored.
fn is_same<T>(one: &Arc<Node<T>>, other: &Arc<Node<T>>) -> bool {
    match (&**one, &**other) {
        _ if Arc::ptr_eq(one, other) => true,
        (Node::Stored(one, a), Node::Stored(other, b)) => a == b && Arc::ptr_eq(one, other),
        _ => false,
    }
}

impl<T: Clone> SharedList<T> {
    /// Appends a value.
    pub(crate) fn push(&mut self, value: T) {
        if self.len == size(self.height) {
            self.root = Arc::new(Node::Inner(vec![self.root.clone()]));
            self.height += 1;
        }
        push(&mut self.root, self.height, self.len, value);
        self.len += 1;
    }

    /// Removes the last value and returns it.
    pub(crate) fn pop(&mut self) -> Option<T> {
        self.len = self.len.checked_sub(1)?;
        pop(&mut self.root, self.height)
    }

    /// Replaces the value at `index`. An index at which there is none, or none that can be read, changes nothing.
    pub(crate) fn set(&mut self, index: usize, value: T) {
        if index >= self.len {
            return;
        }
        let (mut node, mut rest) = (&mut self.root, index);
        let mut height = self.height;
        loop {
            match Node::make_mut(node, height) {
                Node::Page(values) => {
                    if let Some(found) = values.get_mut(rest) {
                        *found = value;
                    }
                    return;
                }
                Node::Inner(children) => {
                    let size = child_size(height);
                    let Some(child) = children.get_mut(rest / size) else { return };
                    node = child;
                    rest %= size;
                    height -= 1;
                }
                Node::Stored(..) => return,
            }
        }
    }
}

/// Appends a value to a subtree that has `len` values, and room.
fn push<T: Clone>(node: &mut Arc<Node<T>>, height: u32, len: usize, value: T) {
    match Node::make_mut(node, height) {
        Node::Page(values) => values.push(value),
        Node::Inner(children) => {
            let size = child_size(height);
            if len.is_multiple_of(size) {
                children.push(Arc::new(empty(height - 1)));
            }
            if let Some(last) = children.last_mut() {
                push(last, height - 1, len % size, value);
            }
        }
        Node::Stored(..) => {}
    }
}

fn empty<T>(height: u32) -> Node<T> {
    if height == 0 { Node::Page(vec![]) } else { Node::Inner(vec![]) }
}

/// Removes the last value of a subtree at `height`, and what is empty then.
fn pop<T: Clone>(node: &mut Arc<Node<T>>, height: u32) -> Option<T> {
    match Node::make_mut(node, height) {
        Node::Page(values) => values.pop(),
        Node::Inner(children) => {
            let last = children.last_mut()?;
            let value = pop(last, height - 1);
            if matches!(&**last, Node::Page(values) if values.is_empty())
                || matches!(&**last, Node::Inner(children) if children.is_empty())
            {
                children.pop();
            }
            value
        }
        Node::Stored(..) => None,
    }
}

/// Two lists are equal if and only if they have the same values, regardless of their history.
impl<T: PartialEq + Clone> PartialEq for SharedList<T> {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.differences(other).is_empty()
    }
}

impl<T: Eq + Clone> Eq for SharedList<T> {}

impl<T: fmt::Debug + Clone> fmt::Debug for SharedList<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use circuits_core::stored::{ReadFailure, Reads};
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Try {
        Push(u8, u16),
        Pop(u16),
        Set(u16, u8),
    }

    fn tries() -> impl Strategy<Value = Vec<Try>> {
        let one = prop_oneof![
            (any::<u8>(), 0..300u16).prop_map(|(value, count)| Try::Push(value, count)),
            (0..300u16).prop_map(Try::Pop),
            (any::<u16>(), any::<u8>()).prop_map(|(index, value)| Try::Set(index, value)),
        ];
        prop::collection::vec(one, 0..30)
    }

    /// The list that these values are stored as.
    fn as_stored(values: &[u8]) -> Arc<StoredList<u8>> {
        let (len, values) = (values.len() as u64, values.to_vec());
        let read = move |range: Range<u64>| Ok(values[range.start as usize..range.end as usize].to_vec());
        Arc::new(StoredList::new(len, Reads::default(), read))
    }

    #[test]
    fn what_two_copies_have_in_common_is_not_read_to_compare_them() {
        let (size, counted) = (1 << 16, Arc::new(AtomicU64::new(0)));
        let count = counted.clone();
        let read = move |range: Range<u64>| {
            count.fetch_add(range.end - range.start, Ordering::Relaxed);
            Ok(vec![7; (range.end - range.start) as usize])
        };
        let before = SharedList::from(Arc::new(StoredList::new(size, Reads::default(), read)));
        let mut after = before.clone();
        after.set(40_000, 8);
        after.push(9);
        assert_eq!(before.differences(&after), [(40_000, Some(8)), (size as usize, Some(9))]);
        assert!(counted.load(Ordering::Relaxed) <= 3 * WIDTH as u64);
    }

    #[test]
    fn what_cannot_be_read_is_not_there_and_is_said() {
        let stored = StoredList::new(600, Reads::default(), |range: Range<u64>| {
            let values = vec![0_u8; (range.end - range.start) as usize];
            if range.contains(&300) { Err(ReadFailure::new(std::fmt::Error)) } else { Ok(values) }
        });
        let reads = stored.reads().clone();
        let mut list = SharedList::from(Arc::new(stored));
        assert_eq!((list.get(299), reads.check()), (Some(0), Ok(())));
        assert_eq!(list.get(300), None);
        assert!(reads.check().is_err());
        list.set(300, 1);
        assert_eq!((list.len(), list.get(300), list.iter().count()), (600, None, 288));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_list_holds_what_a_vector_holds_and_its_copies_keep_what_they_had(
            stored in prop::collection::vec(any::<u8>(), 0..600),
            tries in tries(),
        ) {
            let (mut list, mut expected) = (SharedList::from(as_stored(&stored)), stored);
            let mut copies = vec![];
            for one in tries {
                copies.push((list.clone(), expected.clone()));
                match one {
                    Try::Push(value, count) => (0..count).for_each(|_| {
                        list.push(value);
                        expected.push(value);
                    }),
                    Try::Pop(count) => (0..count).for_each(|_| assert_eq!(list.pop(), expected.pop())),
                    Try::Set(index, value) => {
                        list.set(index.into(), value);
                        if let Some(found) = expected.get_mut(usize::from(index)) {
                            *found = value;
                        }
                    }
                }
                prop_assert_eq!(list.len(), expected.len());
            }
            copies.push((list, expected));
            for (index, (list, expected)) in copies.iter().enumerate() {
                prop_assert!(list.iter().eq(expected.iter().copied()));
                prop_assert_eq!(list.get(expected.len()), None);
                let mut again = SharedList::default();
                expected.iter().for_each(|&value| again.push(value));
                prop_assert_eq!(list, &again);
                for (after, expected_after) in [&copies[copies.len() - 1], &copies[(index + 1) % copies.len()]] {
                    let indices = 0..expected.len().max(expected_after.len());
                    let changed = indices.filter(|&index| expected.get(index) != expected_after.get(index));
                    let changed: Vec<_> =
                        changed.map(|index| (index, expected_after.get(index).copied())).collect();
                    prop_assert_eq!(list.differences(after), changed);
                }
            }
        }
    }
}

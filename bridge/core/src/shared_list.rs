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
//! Cost: a copy takes constant time; a look-up, a change, and finding one difference between two copies take `log16(n)` steps.

use std::{fmt, sync::Arc};

/// Values of a page, and children of a node.
const WIDTH: usize = 16;

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
}

/// A subtree and the nodes above its pages; `None` where a list has ended.
type Part<'l, T> = Option<(&'l Arc<Node<T>>, u32)>;

/// Values under one child of a node at `height`.
fn child_size(height: u32) -> usize {
    WIDTH.saturating_pow(height)
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

    /// The value at `index`, if the list is that long.
    pub(crate) fn get(&self, index: usize) -> Option<&T> {
        let (mut node, mut rest) = (&self.root, index);
        let mut height = self.height;
        loop {
            match &**node {
                Node::Page(values) => return values.get(rest),
                Node::Inner(children) => {
                    let size = child_size(height);
                    node = children.get(rest / size)?;
                    rest %= size;
                    height -= 1;
                }
            }
        }
    }

    /// The values in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        (0..self.len).filter_map(|index| self.get(index))
    }
}

impl<T: PartialEq> SharedList<T> {
    /// The indices at which `after` differs from this list, ascending, with its values there; `None` where it has ended.
    pub(crate) fn differences<'l>(&'l self, after: &'l Self) -> Vec<(usize, Option<&'l T>)> {
        let mut found = vec![];
        compare(Some((&self.root, self.height)), Some((&after.root, after.height)), 0, &mut found);
        found
    }
}

/// Collects the differences between two parts of lists that begin at `first`.
fn compare<'l, T: PartialEq>(
    before: Part<'l, T>,
    after: Part<'l, T>,
    first: usize,
    found: &mut Vec<(usize, Option<&'l T>)>,
) {
    let height = match (before, after) {
        (None, None) => return,
        (Some((one, a)), Some((other, b))) if a == b && Arc::ptr_eq(one, other) => return,
        (Some((_, a)), Some((_, b))) => a.max(b),
        (Some((_, height)), None) | (None, Some((_, height))) => height,
    };
    if height == 0 {
        let values = |part: Part<'l, T>| match part.map(|(node, _)| &**node) {
            Some(Node::Page(values)) => values.as_slice(),
            Some(Node::Inner(_)) | None => &[],
        };
        let (before, after) = (values(before), values(after));
        let indices = 0..before.len().max(after.len());
        let changed = indices.filter(|&index| before.get(index) != after.get(index));
        found.extend(changed.map(|index| (first + index, after.get(index))));
        return;
    }
    for index in 0..WIDTH {
        // A lower tree is the first child of what it would be if it were higher.
        let child = |part: Part<'l, T>| match part {
            Some((_, lower)) if lower < height => part.filter(|_| index == 0),
            Some((node, _)) => match &**node {
                Node::Inner(children) => children.get(index).map(|child| (child, height - 1)),
                Node::Page(_) => None,
            },
            None => None,
        };
        compare(child(before), child(after), first + index * child_size(height), found);
    }
}

impl<T: Clone> SharedList<T> {
    /// Appends a value.
    pub(crate) fn push(&mut self, value: T) {
        if self.len == child_size(self.height + 1) {
            self.root = Arc::new(Node::Inner(vec![self.root.clone()]));
            self.height += 1;
        }
        push(&mut self.root, self.height, self.len, value);
        self.len += 1;
    }

    /// Removes the last value and returns it.
    pub(crate) fn pop(&mut self) -> Option<T> {
        self.len = self.len.checked_sub(1)?;
        pop(&mut self.root)
    }

    /// Replaces the value at `index`. An index at which there is none changes nothing.
    pub(crate) fn set(&mut self, index: usize, value: T) {
        if index >= self.len {
            return;
        }
        let (mut node, mut rest) = (&mut self.root, index);
        let mut height = self.height;
        loop {
            match Arc::make_mut(node) {
                Node::Page(values) => {
                    values[rest] = value;
                    return;
                }
                Node::Inner(children) => {
                    let size = child_size(height);
                    node = &mut children[rest / size];
                    rest %= size;
                    height -= 1;
                }
            }
        }
    }
}

/// Appends a value to a subtree that has `len` values, and room.
fn push<T: Clone>(node: &mut Arc<Node<T>>, height: u32, len: usize, value: T) {
    match Arc::make_mut(node) {
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
    }
}

fn empty<T>(height: u32) -> Node<T> {
    if height == 0 { Node::Page(vec![]) } else { Node::Inner(vec![]) }
}

/// Removes the last value of a subtree, and what is empty then.
fn pop<T: Clone>(node: &mut Arc<Node<T>>) -> Option<T> {
    match Arc::make_mut(node) {
        Node::Page(values) => values.pop(),
        Node::Inner(children) => {
            let last = children.last_mut()?;
            let value = pop(last);
            if matches!(&**last, Node::Page(values) if values.is_empty())
                || matches!(&**last, Node::Inner(children) if children.is_empty())
            {
                children.pop();
            }
            value
        }
    }
}

/// Two lists are equal if and only if they have the same values, regardless of their history.
impl<T: PartialEq> PartialEq for SharedList<T> {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.differences(other).is_empty()
    }
}

impl<T: Eq> Eq for SharedList<T> {}

impl<T: fmt::Debug> fmt::Debug for SharedList<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
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

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_list_holds_what_a_vector_holds_and_its_copies_keep_what_they_had(tries in tries()) {
            let (mut list, mut expected) = (SharedList::default(), vec![]);
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
                prop_assert!(list.iter().eq(expected));
                prop_assert_eq!(list.get(expected.len()), None);
                let mut again = SharedList::default();
                expected.iter().for_each(|&value| again.push(value));
                prop_assert_eq!(list, &again);
                for (after, expected_after) in [&copies[copies.len() - 1], &copies[(index + 1) % copies.len()]] {
                    let indices = 0..expected.len().max(expected_after.len());
                    let changed = indices.filter(|&index| expected.get(index) != expected_after.get(index));
                    let changed: Vec<_> = changed.map(|index| (index, expected_after.get(index))).collect();
                    prop_assert_eq!(list.differences(after), changed);
                }
            }
        }
    }
}

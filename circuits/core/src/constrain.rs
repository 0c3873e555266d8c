//! The assertions that our circuits make, under one set of names.
//!
//! Every rule of a circuit of ours ends in one of these calls. With the feature `testing` a test can build a circuit
//! that omits the n-th of them, which is how the mutator shows that each one is needed.

use circuits_prover::basetypes::{Builder, F};
use plonky2::iop::target::{BoolTarget, Target};

use crate::{digest::DigestTarget, layout::Layout};

/// The largest number of bits of a range check: one more than an amount has, as a difference of two amounts needs. No
/// element has two decompositions into so few bits, and a row of the standard configuration holds them all.
pub const MAX_RANGE_BITS: usize = 59;

/// Assertions on targets.
pub trait Constrain {
    /// `a = b`.
    fn enforce_equal(&mut self, a: Target, b: Target);
    /// `a = b`, element by element.
    fn enforce_digest_equal(&mut self, a: DigestTarget, b: DigestTarget);
    /// `a = b` for two values of one layout.
    fn enforce_layout_equal<L: Layout<Target>>(&mut self, a: &L, b: &L);
    /// `a = 0`.
    fn enforce_zero(&mut self, a: Target);
    /// `a = 1`.
    fn enforce_true(&mut self, a: BoolTarget);
    /// `a` is 0 or 1.
    fn enforce_bool(&mut self, a: BoolTarget);
    /// `a < 2^bits`.
    fn enforce_range(&mut self, a: Target, bits: usize);
    /// A fresh target constrained to be 0 or 1.
    fn new_bool(&mut self) -> BoolTarget;
    /// If `condition` then `a = b`.
    fn enforce_equal_if(&mut self, condition: BoolTarget, a: Target, b: Target);
    /// If `condition` then `a = b`, element by element.
    fn enforce_digest_equal_if(&mut self, condition: BoolTarget, a: DigestTarget, b: DigestTarget);
}

impl Constrain for Builder {
    #[track_caller]
    fn enforce_equal(&mut self, a: Target, b: Target) {
        if ledger::keep("enforce_equal") {
            self.connect(a, b);
        }
    }

    #[track_caller]
    fn enforce_digest_equal(&mut self, a: DigestTarget, b: DigestTarget) {
        if ledger::keep("enforce_digest_equal") {
            for (a, b) in a.0.into_iter().zip(b.0) {
                self.connect(a, b);
            }
        }
    }

    #[track_caller]
    fn enforce_layout_equal<L: Layout<Target>>(&mut self, a: &L, b: &L) {
        for (a, b) in a.encode().into_iter().zip(b.encode()) {
            self.enforce_equal(a, b);
        }
    }

    #[track_caller]
    fn enforce_zero(&mut self, a: Target) {
        if ledger::keep("enforce_zero") {
            self.assert_zero(a);
        }
    }

    #[track_caller]
    fn enforce_true(&mut self, a: BoolTarget) {
        if ledger::keep("enforce_true") {
            self.assert_one(a.target);
        }
    }

    #[track_caller]
    fn enforce_bool(&mut self, a: BoolTarget) {
        if ledger::keep("enforce_bool") {
            self.assert_bool(a);
        }
    }

    #[track_caller]
    fn enforce_range(&mut self, a: Target, bits: usize) {
        assert!(
            (1..=MAX_RANGE_BITS).contains(&bits),
            "a range check has 1 to {MAX_RANGE_BITS} bits, not {bits}"
        );
        if ledger::keep("enforce_range") {
            self.range_check(a, bits);
        }
    }

    #[track_caller]
    fn new_bool(&mut self) -> BoolTarget {
        let target = self.add_virtual_bool_target_unsafe();
        note_added(&target.target);
        self.enforce_bool(target);
        target
    }

    #[track_caller]
    fn enforce_equal_if(&mut self, condition: BoolTarget, a: Target, b: Target) {
        let difference = self.sub(a, b);
        let masked = self.mul(condition.target, difference);
        self.enforce_zero(masked);
    }

    #[track_caller]
    fn enforce_digest_equal_if(&mut self, condition: BoolTarget, a: DigestTarget, b: DigestTarget) {
        if ledger::keep("enforce_digest_equal_if") {
            for (a, b) in a.0.into_iter().zip(b.0) {
                let difference = self.sub(a, b);
                let masked = self.mul(condition.target, difference);
                self.assert_zero(masked);
            }
        }
    }
}

/// Constructors and choices that several gadgets share.
pub trait DigestOps {
    /// A fresh digest that a constraint must bind.
    fn new_digest(&mut self) -> DigestTarget;
    /// A constant digest.
    fn constant_digest(&mut self, value: crate::Digest) -> DigestTarget;
    /// `if condition { a } else { b }`.
    fn select_digest(&mut self, condition: BoolTarget, a: DigestTarget, b: DigestTarget) -> DigestTarget;
    /// Whether `a = b`.
    fn digests_equal(&mut self, a: DigestTarget, b: DigestTarget) -> BoolTarget;
    /// A constant from an integer below the field's order.
    fn constant_u64(&mut self, value: u64) -> Target;
}

impl DigestOps for Builder {
    #[track_caller]
    fn new_digest(&mut self) -> DigestTarget {
        let digest: DigestTarget = self.add_virtual_hash().into();
        note_added(&digest);
        digest
    }

    fn constant_digest(&mut self, value: crate::Digest) -> DigestTarget {
        crate::Digest(value.0.map(|element| self.constant(element)))
    }

    fn select_digest(&mut self, condition: BoolTarget, a: DigestTarget, b: DigestTarget) -> DigestTarget {
        let mut selected = a;
        for (slot, (a, b)) in selected.0.iter_mut().zip(a.0.into_iter().zip(b.0)) {
            *slot = self.select(condition, a, b);
        }
        selected
    }

    fn digests_equal(&mut self, a: DigestTarget, b: DigestTarget) -> BoolTarget {
        let equal: Vec<_> = a.0.into_iter().zip(b.0).map(|(a, b)| self.is_equal(a, b)).collect();
        equal.into_iter().reduce(|all, next| self.and(all, next)).expect("a digest has elements")
    }

    fn constant_u64(&mut self, value: u64) -> Target {
        use plonky2::field::types::Field;
        self.constant(F::from_canonical_u64(value))
    }
}

pub(crate) use ledger::{note_added, note_assigned, note_choice};
pub use ledger::{note_verifier_rows, within_gadget};

#[cfg(not(feature = "testing"))]
mod ledger {
    pub(super) const fn keep(_: &'static str) -> bool {
        true
    }

    /// Notes nothing: see the feature `testing`.
    pub fn note_verifier_rows(_: std::ops::Range<usize>) {}

    pub(crate) const fn note_choice(_: &[super::Target]) {}

    pub(crate) const fn note_added<L>(_: &L) {}

    pub(crate) const fn note_assigned<L>(_: &L) {}

    /// Notes nothing: see the feature `testing`.
    pub fn within_gadget<R>(assign: impl FnOnce() -> R) -> R {
        assign()
    }
}

/// What the forging kit needs to know of a circuit while it is built, and its power to omit some assertions.
#[cfg(feature = "testing")]
pub mod ledger {
    use std::{cell::RefCell, fmt, ops::Range, panic::Location};

    use super::Target;
    use crate::layout::{ElementName, Layout};

    /// A line of code.
    pub type Line = &'static Location<'static>;

    /// One assertion: what kind, and the line that asked for it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Assertion {
        /// The method of [`super::Constrain`].
        pub kind: &'static str,
        /// The calling line.
        pub location: Line,
    }

    /// A target that a line of our code adds to the circuit or assigns, as an element of some layout.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct NamedTarget {
        /// The target.
        pub target: Target,
        /// The layout's type.
        pub layout: &'static str,
        /// Which element of the layout it is.
        pub element: ElementName,
        /// The line.
        pub line: Line,
        /// The lines that assign the gadgets that it is part of, from the outermost.
        pub within: Vec<Line>,
    }

    impl fmt::Display for Assertion {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{} at {}:{}", self.kind, self.location.file(), self.location.line())
        }
    }

    /// What was noted while a circuit was built.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Record {
        /// Assertions made, in order; the omitted ones are among them.
        pub assertions: Vec<Assertion>,
        /// Rows that verify proofs.
        pub verifier_rows: Vec<Range<usize>>,
        /// What a prover may choose in the trees' gadgets: the targets of each choice, in the order of the calls.
        choices: Vec<Vec<Target>>,
        /// Targets added by lines that say what they are.
        pub added: Vec<NamedTarget>,
        /// Targets assigned.
        pub assigned: Vec<NamedTarget>,
        omit: Vec<usize>,
        within: Vec<Line>,
        /// Names of targets are only noted for [`record`]: they are many.
        names: bool,
    }

    thread_local! {
        static RECORD: RefCell<Record> = RefCell::default();
    }

    #[track_caller]
    pub(super) fn keep(kind: &'static str) -> bool {
        let location = Location::caller();
        RECORD.with_borrow_mut(|record| {
            let index = record.assertions.len();
            record.assertions.push(Assertion { kind, location });
            !record.omit.contains(&index)
        })
    }

    /// Notes that these rows verify a proof. The kit samples them, unless it is told to overwrite them all.
    pub fn note_verifier_rows(rows: Range<usize>) {
        RECORD.with_borrow_mut(|record| record.verifier_rows.push(rows));
    }

    pub(crate) fn note_choice(targets: &[Target]) {
        RECORD.with_borrow_mut(|record| record.choices.push(targets.to_vec()));
    }

    #[track_caller]
    pub(crate) fn note_added<L: Layout<Target>>(targets: &L) {
        let line = Location::caller();
        RECORD.with_borrow_mut(|record| {
            let named = record.name(targets, line);
            record.added.extend(named);
        });
    }

    #[track_caller]
    pub(crate) fn note_assigned<L: Layout<Target>>(targets: &L) {
        let line = Location::caller();
        RECORD.with_borrow_mut(|record| {
            let named = record.name(targets, line);
            record.assigned.extend(named);
        });
    }

    impl Record {
        fn name<L: Layout<Target>>(&self, targets: &L, line: Line) -> Vec<NamedTarget> {
            if !self.names {
                return vec![];
            }
            let named = targets.encode().into_iter().zip(L::names()).map(|(target, element)| NamedTarget {
                target,
                layout: std::any::type_name::<L>(),
                element,
                line,
                within: self.within.clone(),
            });
            named.collect()
        }
    }

    /// Notes that what `assign` assigns belongs to one gadget, so that the kit tells it from what belongs to others of its
    /// kind. For methods that are `#[track_caller]`: the line that calls them names the gadget.
    #[track_caller]
    pub fn within_gadget<R>(assign: impl FnOnce() -> R) -> R {
        let line = Location::caller();
        RECORD.with_borrow_mut(|record| record.within.push(line));
        let result = assign();
        RECORD.with_borrow_mut(|record| record.within.pop());
        result
    }

    /// Runs `build` on this thread and returns what a prover may choose in it.
    pub fn choices<R>(build: impl FnOnce() -> R) -> (R, Vec<Vec<Target>>) {
        let before = RECORD.with_borrow(|record| record.choices.len());
        let result = build();
        (result, RECORD.with_borrow_mut(|record| record.choices.split_off(before)))
    }

    /// Runs `build` on this thread, leaving out its assertions with the numbers in `omit`: the definition of a circuit, or
    /// the assignment of its witness.
    pub fn record<R>(omit: &[usize], build: impl FnOnce() -> R) -> (R, Record) {
        let outer = RECORD.replace(Record { omit: omit.to_vec(), names: true, ..Record::default() });
        let result = build();
        (result, RECORD.replace(outer))
    }
}

#[cfg(test)]
mod tests {
    use circuits_prover::{basetypes::standard_config, panics::contained};

    use super::*;

    #[test]
    fn case_09_no_range_check_is_wide_enough_to_wrap_the_field() {
        for bits in [0, 60, 63, 64] {
            let mut builder = Builder::new(standard_config());
            let target = builder.add_virtual_target();
            assert!(contained(|| builder.enforce_range(target, bits)).is_err(), "{bits} bits");
        }
    }
}

//! The constraints of gates at several points at once.
//!
//! plonky2 evaluates some of its gates in packed form and the rest point by point, with allocations. The latter are
//! evaluated here. Every other gate, of whatever origin, is evaluated by its own methods.

mod arithmetic;
mod interpolation;
mod poseidon;

use std::ops::Range;

use p3_field::{PackedValue as _, PrimeCharacteristicRing as _};
use plonky2::{
    field::{extension::Extendable, types::Field as _},
    gates::{
        arithmetic_extension::ArithmeticExtensionGate, coset_interpolation::CosetInterpolationGate,
        gate::AnyGate, multiplication_extension::MulExtensionGate, poseidon::PoseidonGate,
        poseidon_mds::PoseidonMdsGate, reducing::ReducingGate, reducing_extension::ReducingExtensionGate,
    },
    hash::hash_types::HashOut,
    plonk::{circuit_data::CommonCircuitData, vars::EvaluationVarsBaseBatch},
    util::serialization::IoResult,
};

use self::interpolation::Interpolation;
use crate::{
    basetypes::F,
    hasher::{Packed, to_p3},
    selectors::{Selectors, UNUSED_SELECTOR},
};

/// Points that are evaluated together. Batches are always full, so that only whole [`Packed`]s occur.
pub const BATCH: usize = 32;

/// The number of [`Packed`]s that hold one column at the points of a batch.
pub const PACKS: usize = BATCH / Packed::WIDTH;

/// The columns that constraints read, at the points of a batch: the [`BATCH`] values of the first column, then those of
/// the next.
#[derive(Clone, Copy, Debug)]
pub struct Columns<'a> {
    /// Selectors, then the constants of gates.
    pub constants: &'a [F],
    /// Wires.
    pub wires: &'a [F],
    /// The hash of the public inputs.
    pub public_inputs_hash: &'a HashOut<F>,
}

/// The constraints of all gates of a circuit.
pub struct Gates<'c, const D: usize>
where
    F: Extendable<D>,
{
    gates: Vec<Gate<'c, D>>,
    num_constants_before_gates: usize,
    has_several_selectors: bool,
    num_lookup_selectors: usize,
}

/// A gate with its place among the selectors.
struct Gate<'c, const D: usize>
where
    F: Extendable<D>,
{
    constraints: Constraints<'c, D>,
    /// Its place in [`CommonCircuitData::gates`], the value of its selector in its rows.
    index: usize,
    /// Its selector polynomial.
    selector: usize,
    /// All gates of this selector.
    group: Range<usize>,
}

/// How the constraints of a gate are evaluated.
enum Constraints<'c, const D: usize>
where
    F: Extendable<D>,
{
    ArithmeticExtension {
        num_ops: usize,
    },
    MulExtension {
        num_ops: usize,
    },
    Reducing {
        num_coeffs: usize,
    },
    ReducingExtension {
        num_coeffs: usize,
    },
    CosetInterpolation(Interpolation),
    Poseidon,
    PoseidonMds,
    /// By the gate's own methods.
    Own(&'c dyn AnyGate<F, D>),
}

impl<'c, const D: usize> Gates<'c, D>
where
    F: Extendable<D>,
{
    /// The gates of the circuit with this `common` data.
    ///
    /// # Errors
    /// If plonky2 cannot encode the data's selectors.
    pub fn of(common: &'c CommonCircuitData<F, D>) -> IoResult<Self> {
        let Selectors { polynomials, groups } = Selectors::of(common)?;
        let gates = common
            .gates
            .iter()
            .zip(polynomials)
            .enumerate()
            // A gate without constraints adds nothing whatever its filter.
            .filter(|(_, (gate, _))| gate.0.num_constraints() > 0)
            .map(|(index, (gate, selector))| Gate {
                constraints: Constraints::of(&*gate.0),
                index,
                selector,
                group: groups[selector].clone(),
            })
            .collect();
        Ok(Self {
            gates,
            num_constants_before_gates: groups.len() + common.num_lookup_selectors,
            has_several_selectors: groups.len() > 1,
            num_lookup_selectors: common.num_lookup_selectors,
        })
    }

    /// Adds every constraint of every gate, times the gate's filter, to `sums`: [`PACKS`] values for the first constraint
    /// of all gates, then for the next, as many as the gate with the most constraints has.
    ///
    /// # Panics
    /// If there are fewer `columns` than the circuit has, or fewer `sums` than constraints; and where a gate's own code
    /// does.
    pub fn add_filtered(&self, columns: Columns<'_>, sums: &mut [Packed]) {
        let (selectors, constants) = columns.constants.split_at(self.num_constants_before_gates * BATCH);
        for gate in &self.gates {
            if let Constraints::Own(own) = gate.constraints {
                self.add_own(gate, own, columns, sums);
                continue;
            }
            for pack in 0..PACKS {
                let selector = load(&selectors[gate.selector * BATCH + pack * Packed::WIDTH..]);
                let filter = self.filter(gate, selector);
                let local = Local { constants, wires: columns.wires, first: pack * Packed::WIDTH };
                let mut at = pack;
                gate.constraints.evaluate(local, &mut |value| {
                    sums[at] += filter * value;
                    at += PACKS;
                });
            }
        }
    }

    /// A polynomial in the gate's selector that vanishes in the rows of all other gates.
    fn filter(&self, gate: &Gate<'_, D>, selector: Packed) -> Packed {
        gate.group
            .clone()
            .filter(|&other| other != gate.index)
            .map(F::from_canonical_usize)
            .chain(self.has_several_selectors.then(|| F::from_canonical_u64(UNUSED_SELECTOR)))
            .map(|other| Packed::from(to_p3(other)) - selector)
            .product()
    }

    /// Adds the constraints of a gate as it evaluates and filters them itself.
    fn add_own(
        &self,
        gate: &Gate<'_, D>,
        own: &dyn AnyGate<F, D>,
        columns: Columns<'_>,
        sums: &mut [Packed],
    ) {
        let Columns { constants, wires, public_inputs_hash } = columns;
        let num_selectors = self.num_constants_before_gates - self.num_lookup_selectors;
        let values = own.eval_filtered_base_batch(
            EvaluationVarsBaseBatch::new(BATCH, constants, wires, public_inputs_hash),
            gate.index,
            gate.selector,
            gate.group.clone(),
            num_selectors,
            self.num_lookup_selectors,
        );
        for (sum, values) in sums.iter_mut().zip(values.chunks_exact(Packed::WIDTH)) {
            *sum += load(values);
        }
    }
}

impl<'c, const D: usize> Constraints<'c, D>
where
    F: Extendable<D>,
{
    /// Recognises the gates of plonky2 that are evaluated here.
    fn of(gate: &'c dyn AnyGate<F, D>) -> Self {
        let any = gate.as_any();
        if let Some(gate) = any.downcast_ref::<ArithmeticExtensionGate<D>>() {
            Self::ArithmeticExtension { num_ops: gate.num_ops }
        } else if let Some(gate) = any.downcast_ref::<MulExtensionGate<D>>() {
            Self::MulExtension { num_ops: gate.num_ops }
        } else if let Some(gate) = any.downcast_ref::<ReducingGate<D>>() {
            Self::Reducing { num_coeffs: gate.num_coeffs }
        } else if let Some(gate) = any.downcast_ref::<ReducingExtensionGate<D>>() {
            Self::ReducingExtension { num_coeffs: gate.num_coeffs }
        } else if let Some(gate) = any.downcast_ref::<CosetInterpolationGate<F, D>>() {
            Self::CosetInterpolation(Interpolation::of(gate))
        } else if any.is::<PoseidonGate<F, D>>() {
            Self::Poseidon
        } else if any.is::<PoseidonMdsGate<F, D>>() {
            Self::PoseidonMds
        } else {
            Self::Own(gate)
        }
    }

    /// Yields the constraints in the gate's order; none of a gate that evaluates itself.
    fn evaluate(&self, local: Local<'_>, yield_one: &mut impl FnMut(Packed)) {
        match self {
            Self::ArithmeticExtension { num_ops } => {
                arithmetic::multiply_and_add::<D>(*num_ops, local, yield_one);
            }
            Self::MulExtension { num_ops } => arithmetic::multiply::<D>(*num_ops, local, yield_one),
            Self::Reducing { num_coeffs } => arithmetic::reduce::<D>(*num_coeffs, local, yield_one),
            Self::ReducingExtension { num_coeffs } => {
                arithmetic::reduce_extension::<D>(*num_coeffs, local, yield_one);
            }
            Self::CosetInterpolation(gate) => gate.evaluate::<D>(local, yield_one),
            Self::Poseidon => poseidon::permutation(local, yield_one),
            Self::PoseidonMds => poseidon::mds::<D>(local, yield_one),
            Self::Own(_) => {}
        }
    }
}

/// One [`Packed`] of every column.
#[derive(Clone, Copy)]
struct Local<'a> {
    /// The constants of gates.
    constants: &'a [F],
    wires: &'a [F],
    /// The first of the points.
    first: usize,
}

impl Local<'_> {
    fn constant(&self, column: usize) -> Packed {
        load(&self.constants[column * BATCH + self.first..])
    }

    fn wire(&self, column: usize) -> Packed {
        load(&self.wires[column * BATCH + self.first..])
    }

    /// The element of the extension field that `D` wires hold.
    fn extension<const D: usize>(&self, first: usize) -> Extension<D> {
        std::array::from_fn(|limb| self.wire(first + limb))
    }
}

/// The first of `elements`, as many as a [`Packed`] holds.
#[inline(always)]
pub(crate) fn load(elements: &[F]) -> Packed {
    let elements = &elements[..Packed::WIDTH];
    Packed::from_fn(|lane| to_p3(elements[lane]))
}

/// An element of the extension field at several points: `X^D = W` for plonky2's constant `W`.
type Extension<const D: usize> = [Packed; D];

fn add<const D: usize>(left: Extension<D>, right: Extension<D>) -> Extension<D> {
    std::array::from_fn(|limb| left[limb] + right[limb])
}

fn subtract<const D: usize>(left: Extension<D>, right: Extension<D>) -> Extension<D> {
    std::array::from_fn(|limb| left[limb] - right[limb])
}

fn scale<const D: usize>(element: Extension<D>, factor: Packed) -> Extension<D> {
    element.map(|limb| limb * factor)
}

fn multiply<const D: usize>(left: Extension<D>, right: Extension<D>) -> Extension<D>
where
    F: Extendable<D>,
{
    let mut low = [Packed::ZERO; D];
    let mut high = [Packed::ZERO; D];
    for i in 0..D {
        for j in 0..D {
            let product = left[i] * right[j];
            if i + j < D {
                low[i + j] += product;
            } else {
                high[i + j - D] += product;
            }
        }
    }
    let factor = to_p3(<F as Extendable<D>>::W);
    std::array::from_fn(|limb| low[limb] + high[limb] * factor)
}

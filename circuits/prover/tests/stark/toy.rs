//! A STARK with public inputs, constraints of a chosen degree, lookups and sums, and its traces.

use circuits_prover::{
    basetypes::F,
    stark::lookups::{CrossTableSum, Filtered, Linear, Lookup, LookupStark, starky_lookups},
};
use plonky2::{
    field::{
        extension::{Extendable, FieldExtension, quintic::QuinticExtension},
        packed::PackedField,
        types::{Field as _, PrimeField64 as _},
    },
    hash::{hash_types::RichField, poseidon::PoseidonHash},
    iop::ext_target::ExtensionTarget,
    plonk::{circuit_builder::CircuitBuilder, config::GenericConfig},
};
use starky::{
    constraint_consumer::{ConstraintConsumer, RecursiveConstraintConsumer},
    evaluation_frame::{StarkEvaluationFrame as _, StarkFrame},
    stark::Stark,
};

pub(crate) use circuits_prover::basetypes::C as Quartic;
pub(crate) use plonky2::plonk::config::PoseidonGoldilocksConfig as Quadratic;

/// Poseidon and the extension of degree 5.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Quintic;

impl GenericConfig<5> for Quintic {
    type F = F;
    type FE = QuinticExtension<F>;
    type Hasher = PoseidonHash;
    type InnerHasher = PoseidonHash;
}

/// Two columns of a Fibonacci sequence.
const SEQUENCE: [usize; 2] = [0, 1];
/// Four columns of values that occur in the table. The first one is 0 or 1.
pub(crate) const VALUES: [usize; 4] = [2, 3, 4, 5];
/// The product of as many values as the degree.
pub(crate) const PRODUCT: usize = 6;
const TABLE: usize = 7;
/// How often the first and the second lookup look up an entry of the table.
pub(crate) const FREQUENCIES: [usize; 2] = [8, 9];
pub(crate) const COLUMNS: usize = 10;
pub(crate) const PUBLIC_INPUTS: usize = 3;

/// The STARK: a Fibonacci sequence whose ends are public, and products of `degree` values.
#[derive(Clone, Debug)]
pub(crate) struct Toy {
    pub(crate) degree: usize,
    pub(crate) lookups: Vec<Lookup>,
    pub(crate) sums: Vec<CrossTableSum>,
}

impl Toy {
    /// With one lookup for each of `looking`, of as many columns, and one sum for each of `tuples`, of as many tuples.
    pub(crate) fn new(degree: usize, looking: &[usize], tuples: &[usize]) -> Self {
        let lookups = looking.iter().zip(FREQUENCIES).map(|(&looking, frequencies)| Lookup {
            looking: (0..looking).map(looked_up).collect(),
            table: Linear::column(TABLE),
            frequencies: Linear::column(frequencies),
        });
        let sums = tuples.iter().map(|&tuples| CrossTableSum { tuples: (0..tuples).map(tuple).collect() });
        Self { degree, lookups: lookups.collect(), sums: sums.collect() }
    }

    /// A trace of `2^degree_bits` rows that satisfies everything, and its public inputs.
    pub(crate) fn trace(&self, degree_bits: usize, seed: u64) -> (Vec<Vec<F>>, Vec<F>) {
        let height = 1 << degree_bits;
        let mut random = seed;
        let mut rows = vec![[F::ZERO; COLUMNS]; height];
        let mut sequence = [F::from_noncanonical_u64(seed), F::ONE];
        for (i, row) in rows.iter_mut().enumerate() {
            let [now, next] = sequence;
            sequence = [next, now + next];
            (row[SEQUENCE[0]], row[SEQUENCE[1]]) = (now, next);
            row[TABLE] = F::from_canonical_usize(i);
            for (value, bits) in VALUES.into_iter().zip([1, degree_bits, degree_bits, degree_bits]) {
                random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
                row[value] = F::from_canonical_u64(random >> (64 - bits.min(degree_bits)));
            }
            row[PRODUCT] = VALUES[..self.degree].iter().map(|&value| row[value]).product();
        }
        for (lookup, frequencies) in self.lookups.iter().zip(FREQUENCIES) {
            for row in 0..height {
                for Filtered { value, filter } in &lookup.looking {
                    let entry = value.evaluate::<F, F, 1>(&rows[row]).to_canonical_u64() as usize;
                    let times = filter.evaluate::<F, F, 1>(&rows[row]);
                    rows[entry][frequencies] += times;
                }
            }
        }
        let [x0, x1] = SEQUENCE.map(|column| rows[0][column]);
        let result = rows[height - 1][SEQUENCE[1]];
        let columns = (0..COLUMNS).map(|column| rows.iter().map(|row| row[column]).collect()).collect();
        (columns, vec![x0, x1, result])
    }
}

/// The `i`th value that a lookup looks up: some in all rows, some where the first value is 1 or 0.
fn looked_up(i: usize) -> Filtered<Linear> {
    let value = Linear::column(VALUES[i % VALUES.len()]);
    let flag = Linear::column(VALUES[0]);
    let unset = Linear { terms: vec![(VALUES[0], F::NEG_ONE)], constant: F::ONE };
    match i % 3 {
        0 => Filtered::always(value),
        1 => Filtered { value, filter: flag },
        _ => Filtered { value, filter: unset },
    }
}

/// The `i`th tuple of a sum, of combinations with constants, factors and columns in common.
fn tuple(i: usize) -> Filtered<Vec<Linear>> {
    let [a, b, c, d] = VALUES;
    let value = vec![
        Linear::column(SEQUENCE[i % 2]),
        Linear { terms: vec![(a, F::TWO), (b, F::NEG_ONE)], constant: F::from_canonical_usize(i) },
        Linear::combination([(b, F::ONE), (c, F::from_canonical_u64(1 << 13)), (d, F::ONE)]),
        Linear::constant(F::from_canonical_u64(7)),
    ];
    if i.is_multiple_of(2) { Filtered { value, filter: Linear::column(a) } } else { Filtered::always(value) }
}

impl<const D: usize> Stark<F, D> for Toy
where
    F: RichField + Extendable<D>,
{
    type EvaluationFrame<FE, P, const D2: usize>
        = StarkFrame<P, P::Scalar, COLUMNS, PUBLIC_INPUTS>
    where
        FE: FieldExtension<D2, BaseField = F>,
        P: PackedField<Scalar = FE>;
    type EvaluationFrameTarget = StarkFrame<ExtensionTarget<D>, ExtensionTarget<D>, COLUMNS, PUBLIC_INPUTS>;

    fn eval_packed_generic<FE, P, const D2: usize>(
        &self,
        vars: &Self::EvaluationFrame<FE, P, D2>,
        consumer: &mut ConstraintConsumer<P>,
    ) where
        FE: FieldExtension<D2, BaseField = F>,
        P: PackedField<Scalar = FE>,
    {
        let (row, next, public) = (vars.get_local_values(), vars.get_next_values(), vars.get_public_inputs());
        let [x0, x1] = SEQUENCE;
        consumer.constraint_first_row(row[x0] - public[0]);
        consumer.constraint_first_row(row[x1] - public[1]);
        consumer.constraint_last_row(row[x1] - public[2]);
        consumer.constraint_transition(next[x0] - row[x1]);
        consumer.constraint_transition(next[x1] - row[x0] - row[x1]);
        let flag = row[VALUES[0]];
        consumer.constraint(flag * flag - flag);
        let product: P = VALUES[..self.degree].iter().map(|&value| row[value]).product();
        consumer.constraint(product - row[PRODUCT]);
    }

    fn eval_ext_circuit(
        &self,
        builder: &mut CircuitBuilder<F, D>,
        vars: &Self::EvaluationFrameTarget,
        consumer: &mut RecursiveConstraintConsumer<F, D>,
    ) {
        let (row, next, public) = (vars.get_local_values(), vars.get_next_values(), vars.get_public_inputs());
        let [x0, x1] = SEQUENCE;
        let differences = [
            builder.sub_extension(row[x0], public[0]),
            builder.sub_extension(row[x1], public[1]),
            builder.sub_extension(row[x1], public[2]),
            builder.sub_extension(next[x0], row[x1]),
        ];
        consumer.constraint_first_row(builder, differences[0]);
        consumer.constraint_first_row(builder, differences[1]);
        consumer.constraint_last_row(builder, differences[2]);
        consumer.constraint_transition(builder, differences[3]);
        let sum = builder.add_extension(row[x0], row[x1]);
        let step = builder.sub_extension(next[x1], sum);
        consumer.constraint_transition(builder, step);
        let flag = row[VALUES[0]];
        let boolean = builder.mul_sub_extension(flag, flag, flag);
        consumer.constraint(builder, boolean);
        let values: Vec<_> = VALUES[..self.degree].iter().map(|&value| row[value]).collect();
        let product = builder.mul_many_extension(values);
        let product = builder.sub_extension(product, row[PRODUCT]);
        consumer.constraint(builder, product);
    }

    fn constraint_degree(&self) -> usize {
        self.degree
    }

    fn lookups(&self) -> Vec<starky::lookup::Lookup<F>> {
        starky_lookups(&self.lookups)
    }

    fn requires_ctls(&self) -> bool {
        !self.sums.is_empty()
    }
}

impl<const D: usize> LookupStark<D> for Toy
where
    F: RichField + Extendable<D>,
{
    fn table_lookups(&self) -> Vec<Lookup> {
        self.lookups.clone()
    }

    fn cross_table_sums(&self) -> Vec<CrossTableSum> {
        self.sums.clone()
    }
}

//! The payloads of key files.
//!
//! A prover key's payload leaves out what is cheap to compute again: the leaves below the cap (the polynomials on a
//! larger domain, 60 % of the prover data), the permutation on the subgroup, and roots of unity. It keeps what is slow to
//! compute: hashes, the partition of wires, and the generators.
//!
//! Decoding trusts its input, because callers pass only bytes whose checksum is pinned.

use std::collections::BTreeMap;

use circuits_core::generators;
use circuits_prover::{
    basetypes::{C, Circuit, CommonData, D, F, ReadGenerator, VerifierKey},
    encoding,
};
use plonky2::{
    field::{
        fft::{FftRootTable, fft_root_table},
        polynomial::PolynomialCoeffs,
        types::Field,
    },
    fri::oracle::PolynomialBatch,
    hash::{hash_types::HashOut, merkle_tree::MerkleTree},
    iop::{generator::WitnessGeneratorRef, target::Target},
    plonk::{circuit_data::ProverOnlyCircuitData, config::GenericConfig},
    util::{
        log2_ceil, reverse_index_bits_in_place,
        serialization::{Buffer, IoError, IoResult, Read, Write},
        transpose,
    },
};
use rayon::prelude::*;

type ProverData = ProverOnlyCircuitData<F, C, D>;

/// The tag of plonky2's generators. The tag of one of ours is its position in the list plus 1.
const PLONKY2: u8 = 0;

/// Serialises plonky2's generators and ours.
struct Generators {
    ours: Vec<(String, ReadGenerator)>,
}

impl Generators {
    fn new() -> Self {
        Self { ours: generators::readers() }
    }

    fn read(&self, source: &mut Buffer<'_>, common: &CommonData) -> IoResult<WitnessGeneratorRef<F, D>> {
        match source.read_u8()? {
            PLONKY2 => encoding::read_generator(source, common),
            tag => self.ours.get(usize::from(tag) - 1).ok_or(IoError)?.1(source, common),
        }
    }

    fn write(
        &self,
        target: &mut Vec<u8>,
        generator: &WitnessGeneratorRef<F, D>,
        common: &CommonData,
    ) -> IoResult<()> {
        let id = generator.0.id();
        match self.ours.iter().position(|(name, _)| name == &id) {
            Some(position) => {
                target.write_u8(u8::try_from(position + 1).map_err(|_| IoError)?)?;
                generator.0.serialize(target, common)
            }
            None => {
                target.write_u8(PLONKY2)?;
                encoding::write_generator(target, generator, common)
            }
        }
    }
}

/// Writes an index of a wire or generator. It fits 32 bits, because a circuit has at most 2^18 rows of 135 wires.
fn write_index(target: &mut Vec<u8>, index: usize) -> IoResult<()> {
    target.write_u32(u32::try_from(index).map_err(|_| IoError)?)
}

fn write_indices(target: &mut Vec<u8>, indices: &[usize]) -> IoResult<()> {
    write_index(target, indices.len())?;
    indices.iter().try_for_each(|&index| write_index(target, index))
}

fn read_index(source: &mut Buffer<'_>) -> IoResult<usize> {
    Ok(source.read_u32()? as usize)
}

/// Reads `count` values. Collecting results would reallocate repeatedly.
fn read_many<'a, T>(
    source: &mut Buffer<'a>,
    count: usize,
    read: impl Fn(&mut Buffer<'a>) -> IoResult<T>,
) -> IoResult<Vec<T>> {
    // No value takes less than a byte.
    let mut values = Vec::with_capacity(count.min(source.unread_bytes().len()));
    for _ in 0..count {
        values.push(read(source)?);
    }
    Ok(values)
}

/// Reads values that their number precedes.
fn read_counted<'a, T>(
    source: &mut Buffer<'a>,
    read: impl Fn(&mut Buffer<'a>) -> IoResult<T>,
) -> IoResult<Vec<T>> {
    let count = read_index(source)?;
    read_many(source, count, read)
}

fn read_indices(source: &mut Buffer<'_>) -> IoResult<Vec<usize>> {
    read_counted(source, read_index)
}

/// Encodes the payload of a prover key. Returns `None` if the circuit has lookups, or generators that are neither
/// plonky2's nor ours.
pub(crate) fn encode_prover(circuit: &Circuit) -> Option<Vec<u8>> {
    let prover = &circuit.prover_only;
    let plain = prover.lookup_rows.is_empty() && prover.lut_to_lookups.is_empty();
    if !plain || prover.constants_sigmas_commitment.blinding {
        return None;
    }
    write_prover(prover, &circuit.common).ok()
}

fn write_prover(prover: &ProverData, common: &CommonData) -> IoResult<Vec<u8>> {
    let serializer = Generators::new();
    let mut bytes = vec![];
    let target = &mut bytes;
    write_index(target, prover.generators.len())?;
    for generator in &prover.generators {
        serializer.write(target, generator, common)?;
    }
    write_index(target, prover.generator_indices_by_watches.len())?;
    for (&watched, generators) in &prover.generator_indices_by_watches {
        write_index(target, watched)?;
        write_indices(target, generators)?;
    }
    let commitment = &prover.constants_sigmas_commitment;
    write_index(target, commitment.polynomials.len())?;
    for polynomial in &commitment.polynomials {
        target.write_field_vec(&polynomial.coeffs)?;
    }
    write_index(target, commitment.merkle_tree.digests.len())?;
    for digest in &commitment.merkle_tree.digests {
        target.write_hash::<F, <C as GenericConfig<D>>::Hasher>(*digest)?;
    }
    target.write_target_vec(&prover.public_inputs)?;
    write_indices(target, &prover.representative_map)?;
    Ok(bytes)
}

/// The content of a prover key's payload. It does not borrow the payload, which is as large and can be freed before the
/// rest is computed.
pub(crate) struct Stored {
    generators: Vec<WitnessGeneratorRef<F, D>>,
    generator_indices_by_watches: BTreeMap<usize, Vec<usize>>,
    polynomials: Vec<PolynomialCoeffs<F>>,
    digests: Vec<HashOut<F>>,
    public_inputs: Vec<Target>,
    representative_map: Vec<usize>,
}

impl Stored {
    /// Decodes the payload of a circuit with this common data.
    pub(crate) fn decode(payload: &[u8], common: &CommonData) -> IoResult<Self> {
        let serializer = Generators::new();
        let source = &mut Buffer::new(payload);
        let rows = 1 << common.degree_bits();
        let stored = Self {
            generators: (0..read_index(source)?)
                .map(|_| serializer.read(source, common))
                .collect::<IoResult<_>>()?,
            generator_indices_by_watches: (0..read_index(source)?)
                .map(|_| Ok((read_index(source)?, read_indices(source)?)))
                .collect::<IoResult<_>>()?,
            polynomials: (0..read_index(source)?)
                .map(|_| Ok(PolynomialCoeffs::new(read_many(source, rows, Buffer::read_field)?)))
                .collect::<IoResult<_>>()?,
            digests: read_counted(source, Buffer::read_hash::<F, <C as GenericConfig<D>>::Hasher>)?,
            public_inputs: source.read_target_vec()?,
            representative_map: read_indices(source)?,
        };
        let is_whole = source.unread_bytes().is_empty() && stored.polynomials.len() >= common.num_constants;
        if is_whole { Ok(stored) } else { Err(IoError) }
    }

    /// Computes the rest of the prover data of the circuit with this key and common data.
    pub(crate) fn complete(self, key: &VerifierKey, common: &CommonData) -> ProverData {
        let degree_bits = common.degree_bits();
        let rate_bits = common.config.fri_config.rate_bits;
        let largest_rate_bits = rate_bits.max(log2_ceil(common.quotient_degree_factor));
        let roots = fft_root_table(1 << (degree_bits + largest_rate_bits));
        // A row of the table has the roots of one order, whatever the size of the domain.
        let roots_up_to = |bits: usize| roots[..bits].to_vec();
        let extended_roots = roots_up_to(degree_bits + rate_bits);
        let leaves = leaves(&self.polynomials, rate_bits, &extended_roots);
        let subgroup_roots = roots_up_to(degree_bits);
        let on_subgroup = |polynomial: &PolynomialCoeffs<F>| {
            polynomial.clone().fft_with_options(None, Some(&subgroup_roots)).values
        };
        let sigmas: Vec<_> = self.polynomials[common.num_constants..].par_iter().map(on_subgroup).collect();
        let cap = key.constants_sigmas_cap.clone();
        ProverData {
            generators: self.generators,
            generator_indices_by_watches: self.generator_indices_by_watches,
            constants_sigmas_commitment: PolynomialBatch {
                polynomials: self.polynomials,
                merkle_tree: MerkleTree { leaves, digests: self.digests, cap },
                degree_log: degree_bits,
                rate_bits,
                blinding: false,
            },
            sigmas: transpose(&sigmas),
            subgroup: F::two_adic_subgroup(degree_bits),
            public_inputs: self.public_inputs,
            representative_map: self.representative_map,
            fft_root_table: Some(roots),
            circuit_digest: key.circuit_digest,
            lookup_rows: vec![],
            lut_to_lookups: vec![],
        }
    }
}

/// How many polynomials are extended to the larger domain before they are written into leaves. All of them at once would
/// take as much memory as the leaves, and allocating it costs more than the transforms.
const POLYNOMIALS_AT_ONCE: usize = 16;

/// Evaluates the polynomials on the domain that FRI commits to, and returns a leaf for each point, in bit-reversed order.
/// `roots` are the roots of that domain.
fn leaves(polynomials: &[PolynomialCoeffs<F>], rate_bits: usize, roots: &FftRootTable<F>) -> Vec<Vec<F>> {
    let rows = polynomials.first().map_or(0, PolynomialCoeffs::len);
    let points = rows << rate_bits;
    let shifts: Vec<_> = F::coset_shift().powers().take(rows).collect();
    let mut leaves: Vec<Vec<F>> =
        (0..points).into_par_iter().map(|_| Vec::with_capacity(polynomials.len())).collect();
    for polynomials in polynomials.chunks(POLYNOMIALS_AT_ONCE) {
        let extended = |polynomial: &PolynomialCoeffs<F>| {
            let mut coefficients = Vec::with_capacity(points);
            coefficients.extend(polynomial.coeffs.iter().zip(&shifts).map(|(&value, &shift)| value * shift));
            coefficients.resize(points, F::ZERO);
            PolynomialCoeffs::new(coefficients).fft_with_options(Some(rate_bits), Some(roots)).values
        };
        let extended: Vec<_> = polynomials.par_iter().map(extended).collect();
        leaves
            .par_iter_mut()
            .enumerate()
            .for_each(|(point, leaf)| leaf.extend(extended.iter().map(|values| values[point])));
    }
    reverse_index_bits_in_place(&mut leaves);
    leaves
}

/// Encodes the payload of a circuit's common data. Returns `None` if it has gates that are not plonky2's.
pub(crate) fn encode_common(common: &CommonData) -> Option<Vec<u8>> {
    encoding::encode_common(common).ok()
}

/// Decodes what [`encode_common`] wrote.
pub(crate) fn decode_common(payload: &[u8]) -> IoResult<CommonData> {
    encoding::decode_common(payload)
}

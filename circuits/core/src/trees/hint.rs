//! Values that a prover may choose, and that gadgets constrain. They are not trusted.

use circuits_prover::basetypes::{Builder, CommonData, D, F, ReadGenerator};
use plonky2::{
    field::types::{Field, PrimeField64},
    iop::{
        generator::{GeneratedValues, SimpleGenerator, WitnessGeneratorRef},
        target::Target,
        witness::{PartitionWitness, Witness as _, WitnessWrite},
    },
    util::serialization::{Buffer, IoError, IoResult, Read, Write},
};

use crate::constrain::note_choice;

/// What a hint computes. The number of elements of the answer does not depend on the inputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Question {
    /// For a digest: weights `w` with `w * digest = 1`, if it is not zero.
    #[default]
    NonzeroWeights,
    /// For a digest: 1 if it is zero, else 0.
    IsZero,
    /// For an element: its high and low 32 bits.
    Words,
    /// For an element: its high and low 32 bits, and the inverse of `high - (2^32 - 1)` or 0.
    CanonicalWords,
    /// For two digests: one-hot, the position of the first difference among limbs 1 to 3 (all zero for limb 0 or no
    /// difference), and whether the high words of that limb agree.
    FirstDifference,
    /// For two digests: the one-hot position of [`Self::FirstDifference`] alone.
    FirstLimb,
    /// For an element: its inverse, or 0 if it has none.
    Inverse,
}

/// Questions whose readers precede those of divisions.
pub(crate) const FIRST_QUESTIONS: usize = 5;

/// All questions. The position of one is part of prover keys, as that of its reader is.
const ALL: [Question; 7] = [
    Question::NonzeroWeights,
    Question::IsZero,
    Question::Words,
    Question::CanonicalWords,
    Question::FirstDifference,
    Question::FirstLimb,
    Question::Inverse,
];

impl Question {
    fn id(self) -> String {
        format!("{self:?}")
    }

    fn answer_len(self) -> usize {
        match self {
            Self::NonzeroWeights | Self::FirstDifference => 4,
            Self::IsZero | Self::Inverse => 1,
            Self::Words => 2,
            Self::CanonicalWords | Self::FirstLimb => 3,
        }
    }

    fn answer(self, input: &[F]) -> Vec<F> {
        match self {
            Self::NonzeroWeights => {
                let mut weights = vec![F::ZERO; input.len()];
                if let Some(position) = input.iter().position(|limb| *limb != F::ZERO) {
                    weights[position] = input[position].inverse();
                }
                weights
            }
            Self::IsZero => vec![F::from_bool(input.iter().all(|limb| *limb == F::ZERO))],
            Self::Inverse => vec![input[0].try_inverse().unwrap_or(F::ZERO)],
            Self::Words | Self::CanonicalWords => {
                let (high, low) = words(input[0]);
                let above = F::from_canonical_u64(high) - F::from_canonical_u64(u64::from(u32::MAX));
                let inverse = above.try_inverse().unwrap_or(F::ZERO);
                let mut answer = vec![F::from_canonical_u64(high), F::from_canonical_u64(low), inverse];
                answer.truncate(self.answer_len());
                answer
            }
            Self::FirstDifference | Self::FirstLimb => {
                let (a, b) = input.split_at(input.len() / 2);
                let position = (0..a.len()).find(|&i| a[i] != b[i]).unwrap_or(0);
                let mut answer: Vec<_> = (1..a.len()).map(|i| F::from_bool(i == position)).collect();
                answer.push(F::from_bool(words(a[position]).0 == words(b[position]).0));
                answer.truncate(self.answer_len());
                answer
            }
        }
    }
}

fn words(element: F) -> (u64, u64) {
    let value = element.to_canonical_u64();
    (value >> 32, value & u64::from(u32::MAX))
}

/// Allocates targets that an honest prover fills with the answer. The caller must constrain them.
pub(crate) fn hint(builder: &mut Builder, question: Question, inputs: &[Target]) -> Vec<Target> {
    let outputs = builder.add_virtual_targets(question.answer_len());
    builder.add_simple_generator(Hint { question, inputs: inputs.to_vec(), outputs: outputs.clone() });
    note_choice(&outputs);
    outputs
}

/// The functions that read the hints, with their ids.
pub(crate) fn hint_readers() -> Vec<(String, ReadGenerator)> {
    let read: ReadGenerator =
        |source, common| Ok(WitnessGeneratorRef::new(Hint::deserialize(source, common)?.adapter()));
    ALL.into_iter().map(|question| (question.id(), read)).collect()
}

#[derive(Clone, Debug, Default)]
struct Hint {
    question: Question,
    inputs: Vec<Target>,
    outputs: Vec<Target>,
}

impl SimpleGenerator<F, D> for Hint {
    fn id(&self) -> String {
        self.question.id()
    }

    fn dependencies(&self) -> Vec<Target> {
        self.inputs.clone()
    }

    fn run_once(
        &self,
        witness: &PartitionWitness<'_, F>,
        out_buffer: &mut GeneratedValues<F>,
    ) -> anyhow::Result<()> {
        let inputs = witness.get_targets(&self.inputs);
        for (&target, value) in self.outputs.iter().zip(self.question.answer(&inputs)) {
            out_buffer.set_target(target, value)?;
        }
        Ok(())
    }

    fn serialize(&self, dst: &mut Vec<u8>, _: &CommonData) -> IoResult<()> {
        dst.write_usize(ALL.iter().position(|&question| question == self.question).unwrap_or_default())?;
        dst.write_target_vec(&self.inputs)?;
        dst.write_target_vec(&self.outputs)
    }

    fn deserialize(src: &mut Buffer<'_>, _: &CommonData) -> IoResult<Self> {
        let question = *ALL.get(src.read_usize()?).ok_or(IoError)?;
        Ok(Self { question, inputs: src.read_target_vec()?, outputs: src.read_target_vec()? })
    }
}

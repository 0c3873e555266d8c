//! Statements as structs that are generic over field elements and targets, so that their encoding is written once.

use circuits_prover::basetypes::{Builder, F, Witness};
use plonky2::{
    field::types::{Field, Field64, PrimeField64},
    iop::{target::Target, witness::WitnessWrite},
};
use thiserror::Error;

use crate::{
    constrain::{note_added, note_assigned},
    digest::Digest,
};

/// What an element of an encoding is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElementName {
    /// The fields that lead to it, separated by dots; empty if it is not in a struct.
    pub path: String,
    /// Its position among the elements of this path: a digest and an array have several.
    pub position: usize,
    /// Whether it is part of a digest.
    pub in_digest: bool,
}

impl ElementName {
    fn array(path: &str, len: usize, in_digest: bool) -> impl Iterator<Item = Self> {
        (0..len).map(move |position| Self { path: path.to_owned(), position, in_digest })
    }
}

/// The path of `field` in the struct at `path`.
#[must_use]
pub fn field_path(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
}

/// A value with a fixed sequence of `T`s as its only encoding.
pub trait Layout<T: Copy>: Sized {
    /// The number of elements in the encoding.
    const LEN: usize;

    /// Appends the names of the encoding's elements to `out`, for a value at `path`.
    fn name_into(path: &str, out: &mut Vec<ElementName>);

    /// The names of the encoding's elements, in order.
    #[must_use]
    fn names() -> Vec<ElementName> {
        let mut out = Vec::with_capacity(Self::LEN);
        Self::name_into("", &mut out);
        out
    }

    /// Appends the encoding to `out`.
    fn encode_into(&self, out: &mut Vec<T>);

    /// Takes a value from the front of `source`. Returns `None` if `source` ends too early.
    fn decode_from(source: &mut impl Iterator<Item = T>) -> Option<Self>;

    /// Encodes the value.
    fn encode(&self) -> Vec<T> {
        let mut out = Vec::with_capacity(Self::LEN);
        self.encode_into(&mut out);
        debug_assert_eq!(out.len(), Self::LEN);
        out
    }

    /// Decodes a value from exactly [`Self::LEN`] elements.
    ///
    /// # Errors
    /// [`LayoutError::Length`] if there are more or fewer.
    fn decode(elements: &[T]) -> Result<Self, LayoutError> {
        let error = LayoutError::Length { expected: Self::LEN, found: elements.len() };
        if elements.len() != Self::LEN {
            return Err(error);
        }
        Self::decode_from(&mut elements.iter().copied()).ok_or(error)
    }
}

/// Why elements or bytes are not a statement.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LayoutError {
    /// The number of elements is not the layout's.
    #[error("a statement of {expected} elements was expected, found {found}")]
    Length { expected: usize, found: usize },
    /// The number of bytes is not the layout's.
    #[error("a statement of {expected} bytes was expected, found {found}")]
    Bytes { expected: usize, found: usize },
    /// An element is not below the field's order.
    #[error("element {index} of a statement is {value}, which is not below the field order {}", F::ORDER)]
    NonCanonical { index: usize, value: u64 },
}

impl<T: Copy> Layout<T> for T {
    const LEN: usize = 1;

    fn name_into(path: &str, out: &mut Vec<ElementName>) {
        out.extend(ElementName::array(path, 1, false));
    }

    fn encode_into(&self, out: &mut Vec<T>) {
        out.push(*self);
    }

    fn decode_from(source: &mut impl Iterator<Item = T>) -> Option<Self> {
        source.next()
    }
}

impl<T: Copy> Layout<T> for Digest<T> {
    const LEN: usize = 4;

    fn name_into(path: &str, out: &mut Vec<ElementName>) {
        out.extend(ElementName::array(path, 4, true));
    }

    fn encode_into(&self, out: &mut Vec<T>) {
        out.extend(self.0);
    }

    fn decode_from(source: &mut impl Iterator<Item = T>) -> Option<Self> {
        Some(Self([source.next()?, source.next()?, source.next()?, source.next()?]))
    }
}

impl<T: Copy, const N: usize> Layout<T> for [T; N] {
    const LEN: usize = N;

    fn name_into(path: &str, out: &mut Vec<ElementName>) {
        out.extend(ElementName::array(path, N, false));
    }

    fn encode_into(&self, out: &mut Vec<T>) {
        out.extend(self);
    }

    fn decode_from(source: &mut impl Iterator<Item = T>) -> Option<Self> {
        source.take(N).collect::<Vec<_>>().try_into().ok()
    }
}

impl<T: Copy, const N: usize> Layout<T> for [Digest<T>; N] {
    const LEN: usize = 4 * N;

    fn name_into(path: &str, out: &mut Vec<ElementName>) {
        out.extend(ElementName::array(path, 4 * N, true));
    }

    fn encode_into(&self, out: &mut Vec<T>) {
        self.iter().for_each(|item| item.encode_into(out));
    }

    fn decode_from(source: &mut impl Iterator<Item = T>) -> Option<Self> {
        let items: Option<Vec<_>> = (0..N).map(|_| Digest::decode_from(source)).collect();
        items?.try_into().ok()
    }
}

/// Declares a struct over `T` together with its [`Layout`]: fields are encoded in the order written.
#[macro_export]
macro_rules! layout {
    ($(#[$meta:meta])* pub struct $name:ident<$t:ident> {
        $($(#[$field_meta:meta])* pub $field:ident: $kind:ty,)+
    }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name<$t = $crate::F> {
            $($(#[$field_meta])* pub $field: $kind,)+
        }

        impl<$t: Copy> $crate::layout::Layout<$t> for $name<$t> {
            const LEN: usize = 0 $(+ <$kind as $crate::layout::Layout<$t>>::LEN)+;

            fn name_into(path: &str, out: &mut Vec<$crate::layout::ElementName>) {
                $(
                    let path_of_field = $crate::layout::field_path(path, stringify!($field));
                    <$kind as $crate::layout::Layout<$t>>::name_into(&path_of_field, out);
                )+
            }

            fn encode_into(&self, out: &mut Vec<$t>) {
                $($crate::layout::Layout::<$t>::encode_into(&self.$field, out);)+
            }

            fn decode_from(source: &mut impl Iterator<Item = $t>) -> Option<Self> {
                Some(Self { $($field: $crate::layout::Layout::<$t>::decode_from(source)?,)+ })
            }
        }
    };
}

/// Serialises a value as the bytes of [`to_bytes`], for fields of structs that are serialised: `#[serde(with =
/// "circuits_core::layout::as_bytes")]`.
pub mod as_bytes {
    use circuits_prover::basetypes::F;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

    use super::Layout;

    /// Writes the bytes.
    ///
    /// # Errors
    /// Those of the serialiser.
    pub fn serialize<L: Layout<F>, S: Serializer>(value: &L, serializer: S) -> Result<S::Ok, S::Error> {
        super::to_bytes(value).serialize(serializer)
    }

    /// Reads the bytes.
    ///
    /// # Errors
    /// Those of the deserialiser, and one for bytes that are not the encoding of a value.
    pub fn deserialize<'de, L: Layout<F>, De: Deserializer<'de>>(deserializer: De) -> Result<L, De::Error> {
        super::from_bytes(&Vec::<u8>::deserialize(deserializer)?).map_err(De::Error::custom)
    }
}

/// Encodes a value as bytes, 8 little-endian bytes for each element.
#[must_use]
pub fn to_bytes<L: Layout<F>>(value: &L) -> Vec<u8> {
    value.encode().into_iter().flat_map(|element| element.to_canonical_u64().to_le_bytes()).collect()
}

/// Decodes what [`to_bytes`] wrote.
///
/// # Errors
/// [`LayoutError`] if the length is not the layout's or an element is not canonical.
pub fn from_bytes<L: Layout<F>>(bytes: &[u8]) -> Result<L, LayoutError> {
    if bytes.len() != 8 * L::LEN {
        return Err(LayoutError::Bytes { expected: 8 * L::LEN, found: bytes.len() });
    }
    let mut elements = Vec::with_capacity(L::LEN);
    for (index, chunk) in bytes.chunks_exact(8).enumerate() {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        let value = u64::from_le_bytes(word);
        if value >= F::ORDER {
            return Err(LayoutError::NonCanonical { index, value });
        }
        elements.push(F::from_canonical_u64(value));
    }
    L::decode(&elements)
}

/// Allocates targets for a value. Constraints must bind them.
#[track_caller]
pub fn new_virtual<L: Layout<Target>>(builder: &mut Builder) -> L {
    let targets = L::decode(&builder.add_virtual_targets(L::LEN));
    let targets = targets.expect("as many targets as the layout has elements");
    note_added(&targets);
    targets
}

/// Makes `value` a constant of the circuit, in the same layout over targets.
pub fn constant<N: Layout<F>, L: Layout<Target>>(builder: &mut Builder, value: &N) -> L {
    let targets: Vec<_> = value.encode().into_iter().map(|element| builder.constant(element)).collect();
    L::decode(&targets).expect("both sides have one layout")
}

/// Assigns `value` to `targets`, element by element.
///
/// # Errors
/// [`WitnessError`] if a target already has another value.
#[track_caller]
pub fn set<L: Layout<Target>, N: Layout<F>>(
    witness: &mut Witness,
    targets: &L,
    value: &N,
) -> Result<(), WitnessError> {
    note_assigned(targets);
    for (target, element) in targets.encode().into_iter().zip(value.encode()) {
        assign(witness, target, element)?;
    }
    Ok(())
}

/// A witness was given two values for one target.
#[derive(Debug, Error)]
#[error("a witness target was given two values: {0}")]
pub struct WitnessError(String);

impl WitnessError {
    /// Wraps plonky2's message about the two values.
    #[must_use]
    pub fn new(reason: String) -> Self {
        Self(reason)
    }
}

/// Assigns one target.
///
/// # Errors
/// [`WitnessError`] if the target already has another value.
#[track_caller]
pub fn set_target(witness: &mut Witness, target: Target, value: F) -> Result<(), WitnessError> {
    note_assigned(&target);
    assign(witness, target, value)
}

fn assign(witness: &mut Witness, target: Target, value: F) -> Result<(), WitnessError> {
    witness.set_target(target, value).map_err(|error| WitnessError::new(error.to_string()))
}

/// Registers the encoding of `statement` as the circuit's public inputs: all of them, in the layout's order, once.
///
/// # Panics
/// If the circuit already has public inputs.
pub fn register<L: Layout<Target>>(builder: &mut Builder, statement: &L) {
    assert_eq!(builder.num_public_inputs(), 0, "a circuit has one statement");
    builder.register_public_inputs(&statement.encode());
    assert_eq!(builder.num_public_inputs(), L::LEN, "the statement is encoded in full");
}

//! The permutation of 1,600 bits on lanes, after [FIPS 202](https://doi.org/10.6028/NIST.FIPS.202), in the steps that the
//! table shows.
//!
//! Lane `(x, y)` has number `x + 5 y`.

/// Rounds of the permutation.
pub const ROUNDS: usize = 24;
/// Lanes in a row or a column.
pub const WIDTH: usize = 5;
/// Lanes of a state.
pub const LANES: usize = WIDTH * WIDTH;
/// The number of bits of a lane.
pub const LANE_BITS: usize = 64;
/// Lanes of the rate, 136 bytes; the other ones are the capacity.
pub const RATE_LANES: usize = 17;

/// A state.
pub type Lanes = [u64; LANES];
/// For each `x` the parities of the lanes with this `x`.
pub type Parities = [u64; WIDTH];

/// What iota adds to the first lane in each round.
pub const ROUND_CONSTANTS: [u64; ROUNDS] = [
    0x0000_0000_0000_0001,
    0x0000_0000_0000_8082,
    0x8000_0000_0000_808a,
    0x8000_0000_8000_8000,
    0x0000_0000_0000_808b,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8009,
    0x0000_0000_0000_008a,
    0x0000_0000_0000_0088,
    0x0000_0000_8000_8009,
    0x0000_0000_8000_000a,
    0x0000_0000_8000_808b,
    0x8000_0000_0000_008b,
    0x8000_0000_0000_8089,
    0x8000_0000_0000_8003,
    0x8000_0000_0000_8002,
    0x8000_0000_0000_0080,
    0x0000_0000_0000_800a,
    0x8000_0000_8000_000a,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8080,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8008,
];

/// How far rho rotates each lane to the left.
const ROTATIONS: [usize; LANES] =
    [0, 1, 62, 28, 27, 36, 44, 6, 55, 20, 3, 10, 43, 25, 39, 41, 45, 15, 21, 8, 18, 2, 61, 56, 14];

/// [`mix`] has order 192: three times the length of a lane.
const MIX_ORDER: u32 = 192;

/// The parities of `lanes`.
#[must_use]
pub fn parities(lanes: &Lanes) -> Parities {
    std::array::from_fn(|x| (0..WIDTH).fold(0, |parity, y| parity ^ lanes[x + WIDTH * y]))
}

/// What theta does to the parities.
#[must_use]
pub fn mix(parities: &Parities) -> Parities {
    mix_squared(parities, 0)
}

/// [`mix`] done `2^squarings` times. As a polynomial over two elements, `1 + x + z / x`, its squares have the same
/// terms with squared variables.
fn mix_squared(parities: &Parities, squarings: u32) -> Parities {
    let distance = 1_usize << squarings;
    let rotation = distance % LANE_BITS;
    let step = distance % WIDTH;
    std::array::from_fn(|x| {
        let left = parities[(x + WIDTH - step) % WIDTH];
        let right = parities[(x + step) % WIDTH].rotate_left(rotation as u32);
        parities[x] ^ left ^ right
    })
}

/// The inverse of [`mix`].
#[must_use]
pub fn unmix(parities: &Parities) -> Parities {
    let exponent = MIX_ORDER - 1;
    (0..u32::BITS - exponent.leading_zeros())
        .filter(|squarings| exponent >> squarings & 1 == 1)
        .fold(*parities, |parities, squarings| mix_squared(&parities, squarings))
}

/// Adds what theta adds to the lanes of a state with these parities.
#[must_use]
pub fn add_effect(lanes: &Lanes, parities: &Parities) -> Lanes {
    let mixed = mix(parities);
    std::array::from_fn(|lane| lanes[lane] ^ parities[lane % WIDTH] ^ mixed[lane % WIDTH])
}

/// The lane that rho and pi move to lane `(x, y)`, where both are taken modulo 5, and how far it is rotated to the left.
#[must_use]
pub fn moved_to(x: usize, y: usize) -> (usize, usize) {
    let from = (x + 3 * y) % WIDTH + WIDTH * (x % WIDTH);
    (from, ROTATIONS[from])
}

/// Rho, pi and chi.
#[must_use]
pub fn rho_pi_chi(lanes: &Lanes) -> Lanes {
    let moved = |x, y| {
        let (from, rotation) = moved_to(x, y);
        lanes[from].rotate_left(rotation as u32)
    };
    std::array::from_fn(|lane| {
        let (x, y) = (lane % WIDTH, lane / WIDTH);
        moved(x, y) ^ (!moved(x + 1, y) & moved(x + 2, y))
    })
}

//! Whether this processor has what the program is compiled for.
//!
//! The workspace builds for the processor at hand, so that the compiler may use all of its features anywhere. Without them
//! the operating system would kill the program at the first such instruction, and nobody would know why.
//! `is_x86_feature_detected!` does not help: for a feature that the program is compiled with, it is the constant `true`.
//!
//! Nor may the question itself use those features. The compiler cannot be told so for single functions, hence these ask
//! for nothing that it would use them for: values fit in a register, masks are constants, nothing is copied, collected or
//! formatted, and this crate is compiled without optimisation. What they call of the standard library comes compiled for
//! every x86-64, as does all that runs before `main`.

use std::{
    arch::x86_64::{__cpuid, __cpuid_count},
    io::{self, Write as _},
};

/// The features that the program is compiled with, separated by commas.
const COMPILED_WITH: &str = env!("SUPERBLOCK_TARGET_FEATURES");

/// A register that says in its bits which features there are.
#[derive(Clone, Copy, Debug)]
enum Register {
    /// Leaf 1.
    BasicEcx,
    BasicEdx,
    /// Leaf 7.
    MoreEbx,
    MoreEcx,
    MoreEdx,
    /// Leaf 7, subleaf 1.
    NewestEax,
    NewestEdx,
    /// Leaf 0x8000_0001.
    ExtendedEcx,
    /// Not a register: bit `n` says that the version of AVX10 is above `n`.
    Avx10,
}

/// Registers that a feature uses and the operating system must save.
#[derive(Clone, Copy, Debug)]
enum State {
    /// Those that every x86-64 has.
    None,
    Avx,
    Avx512,
}

/// A feature of processors, by the name that the compiler gives it.
#[derive(Debug)]
struct Feature {
    name: &'static str,
    register: Register,
    mask: u32,
    state: State,
}

const fn feature(name: &'static str, register: Register, bit: u32, state: State) -> Feature {
    Feature { name, register, mask: 1 << bit, state }
}

/// The features whose instructions the compiler, or a library that detects them, may use.
const FEATURES: &[Feature] = &[
    feature("x87", Register::BasicEdx, 0, State::None),
    feature("fxsr", Register::BasicEdx, 24, State::None),
    feature("sse", Register::BasicEdx, 25, State::None),
    feature("sse2", Register::BasicEdx, 26, State::None),
    feature("sse3", Register::BasicEcx, 0, State::None),
    feature("pclmulqdq", Register::BasicEcx, 1, State::None),
    feature("ssse3", Register::BasicEcx, 9, State::None),
    feature("cmpxchg16b", Register::BasicEcx, 13, State::None),
    feature("sse4.1", Register::BasicEcx, 19, State::None),
    feature("sse4.2", Register::BasicEcx, 20, State::None),
    feature("movbe", Register::BasicEcx, 22, State::None),
    feature("popcnt", Register::BasicEcx, 23, State::None),
    feature("aes", Register::BasicEcx, 25, State::None),
    feature("rdrand", Register::BasicEcx, 30, State::None),
    feature("fma", Register::BasicEcx, 12, State::Avx),
    feature("avx", Register::BasicEcx, 28, State::Avx),
    feature("f16c", Register::BasicEcx, 29, State::Avx),
    feature("lahfsahf", Register::ExtendedEcx, 0, State::None),
    feature("lzcnt", Register::ExtendedEcx, 5, State::None),
    feature("sse4a", Register::ExtendedEcx, 6, State::None),
    feature("prfchw", Register::ExtendedEcx, 8, State::None),
    feature("tbm", Register::ExtendedEcx, 21, State::None),
    feature("xop", Register::ExtendedEcx, 11, State::Avx),
    feature("bmi1", Register::MoreEbx, 3, State::None),
    feature("bmi2", Register::MoreEbx, 8, State::None),
    feature("rdseed", Register::MoreEbx, 18, State::None),
    feature("adx", Register::MoreEbx, 19, State::None),
    feature("sha", Register::MoreEbx, 29, State::None),
    feature("avx2", Register::MoreEbx, 5, State::Avx),
    feature("avx512f", Register::MoreEbx, 16, State::Avx512),
    feature("avx512dq", Register::MoreEbx, 17, State::Avx512),
    feature("avx512ifma", Register::MoreEbx, 21, State::Avx512),
    feature("avx512cd", Register::MoreEbx, 28, State::Avx512),
    feature("avx512bw", Register::MoreEbx, 30, State::Avx512),
    feature("avx512vl", Register::MoreEbx, 31, State::Avx512),
    feature("gfni", Register::MoreEcx, 8, State::None),
    feature("vaes", Register::MoreEcx, 9, State::Avx),
    feature("vpclmulqdq", Register::MoreEcx, 10, State::Avx),
    feature("avx512vbmi", Register::MoreEcx, 1, State::Avx512),
    feature("avx512vbmi2", Register::MoreEcx, 6, State::Avx512),
    feature("avx512vnni", Register::MoreEcx, 11, State::Avx512),
    feature("avx512bitalg", Register::MoreEcx, 12, State::Avx512),
    feature("avx512vpopcntdq", Register::MoreEcx, 14, State::Avx512),
    feature("avx512vp2intersect", Register::MoreEdx, 8, State::Avx512),
    feature("avx512fp16", Register::MoreEdx, 23, State::Avx512),
    feature("movrs", Register::NewestEax, 31, State::None),
    feature("sha512", Register::NewestEax, 0, State::Avx),
    feature("sm3", Register::NewestEax, 1, State::Avx),
    feature("sm4", Register::NewestEax, 2, State::Avx),
    feature("avxvnni", Register::NewestEax, 4, State::Avx),
    feature("avxifma", Register::NewestEax, 23, State::Avx),
    feature("avx512bf16", Register::NewestEax, 5, State::Avx512),
    feature("apxf", Register::NewestEdx, 21, State::None),
    feature("avxvnniint8", Register::NewestEdx, 4, State::Avx),
    feature("avxneconvert", Register::NewestEdx, 5, State::Avx),
    feature("avxvnniint16", Register::NewestEdx, 10, State::Avx),
    feature("avx10.1", Register::Avx10, 0, State::Avx512),
    feature("avx10.2", Register::Avx10, 1, State::Avx512),
];

const COUNT: usize = FEATURES.len();

/// Which of [`FEATURES`] the program needs.
static REQUIRED: [bool; COUNT] = required(COMPILED_WITH);

/// Which of [`FEATURES`] are in `list`.
const fn required(list: &str) -> [bool; COUNT] {
    let mut required = [false; COUNT];
    let mut index = 0;
    while index < COUNT {
        required[index] = contains(list.as_bytes(), FEATURES[index].name.as_bytes());
        index += 1;
    }
    required
}

/// Whether `name` stands between the commas of `list`.
const fn contains(list: &[u8], name: &[u8]) -> bool {
    let mut start = 0;
    while start < list.len() {
        let mut end = start;
        while end < list.len() && list[end] != b',' {
            end += 1;
        }
        let mut same = 0;
        while same < name.len() && start + same < end && list[start + same] == name[same] {
            same += 1;
        }
        if same == name.len() && start + same == end {
            return true;
        }
        start = end + 1;
    }
    false
}

/// What a processor and its operating system say.
struct Detected {
    basic_ecx: u32,
    basic_edx: u32,
    more_ebx: u32,
    more_ecx: u32,
    more_edx: u32,
    newest_eax: u32,
    newest_edx: u32,
    extended_ecx: u32,
    avx10: u32,
    saves_avx: bool,
    saves_avx512: bool,
}

impl Detected {
    fn register(&self, register: Register) -> u32 {
        match register {
            Register::BasicEcx => self.basic_ecx,
            Register::BasicEdx => self.basic_edx,
            Register::MoreEbx => self.more_ebx,
            Register::MoreEcx => self.more_ecx,
            Register::MoreEdx => self.more_edx,
            Register::NewestEax => self.newest_eax,
            Register::NewestEdx => self.newest_edx,
            Register::ExtendedEcx => self.extended_ecx,
            Register::Avx10 => self.avx10,
        }
    }

    fn saves(&self, state: State) -> bool {
        match state {
            State::None => true,
            State::Avx => self.saves_avx,
            State::Avx512 => self.saves_avx512,
        }
    }
}

/// The first feature from position `from` on that is required and not there.
fn missing(required: &[bool; COUNT], detected: &Detected, from: usize) -> Option<usize> {
    let mut index = from;
    while index < COUNT {
        let feature = &FEATURES[index];
        let is_there = detected.register(feature.register) & feature.mask != 0;
        if required[index] && !(is_there && detected.saves(feature.state)) {
            return Some(index);
        }
        index += 1;
    }
    None
}

/// CPUID up to a last leaf. Beyond it, processors answer for another leaf.
#[derive(Clone, Copy)]
struct Leaves {
    last: u32,
}

impl Leaves {
    fn eax(self, leaf: u32, subleaf: u32) -> u32 {
        if leaf > self.last { 0 } else { __cpuid_count(leaf, subleaf).eax }
    }

    fn ebx(self, leaf: u32, subleaf: u32) -> u32 {
        if leaf > self.last { 0 } else { __cpuid_count(leaf, subleaf).ebx }
    }

    fn ecx(self, leaf: u32, subleaf: u32) -> u32 {
        if leaf > self.last { 0 } else { __cpuid_count(leaf, subleaf).ecx }
    }

    fn edx(self, leaf: u32, subleaf: u32) -> u32 {
        if leaf > self.last { 0 } else { __cpuid_count(leaf, subleaf).edx }
    }

    /// Whether the operating system saves the state of this number. Reading XCR0, which says so, takes unsafe code. But
    /// CPUID has the size of all that is saved, and where in it each state ends; only a later state, saved without this
    /// one, would be taken for it.
    fn saves(self, state: u32) -> bool {
        let is_enabled = self.ecx(1, 0) & OSXSAVE != 0;
        let (saved, size, start) = (self.ebx(0xd, 0), self.eax(0xd, state), self.ebx(0xd, state));
        is_enabled && size != 0 && size <= saved && start <= saved - size
    }
}

/// In `ecx` of leaf 1: the operating system saves more than the registers of every x86-64.
const OSXSAVE: u32 = 1 << 27;
/// In `edx` of leaf 7, subleaf 1: there is a leaf about AVX10.
const AVX10: u32 = 1 << 19;

fn detect() -> Detected {
    let leaves = Leaves { last: __cpuid(0).eax };
    let extended = Leaves { last: __cpuid(0x8000_0000).eax };
    let newest_edx = leaves.edx(7, 1);
    let version = if newest_edx & AVX10 == 0 { 0 } else { leaves.ebx(0x24, 0) & 0xff };
    Detected {
        basic_ecx: leaves.ecx(1, 0),
        basic_edx: leaves.edx(1, 0),
        more_ebx: leaves.ebx(7, 0),
        more_ecx: leaves.ecx(7, 0),
        more_edx: leaves.edx(7, 0),
        newest_eax: leaves.eax(7, 1),
        newest_edx,
        extended_ecx: extended.ecx(0x8000_0001, 0),
        avx10: match version {
            0 => 0,
            1 => 0b1,
            _ => 0b11,
        },
        saves_avx: leaves.saves(2),
        // The last of its three states.
        saves_avx512: leaves.saves(7),
    }
}

/// Whether the program cannot run on this processor. Then it has said so on standard error.
#[inline(never)]
pub(crate) fn refuses() -> bool {
    let detected = detect();
    let Some(first) = missing(&REQUIRED, &detected, 0) else { return false };
    say("error: the program is compiled for a processor with ");
    let mut next = Some(first);
    while let Some(index) = next {
        if index > first {
            say(", ");
        }
        say(FEATURES[index].name);
        next = missing(&REQUIRED, &detected, index + 1);
    }
    say(", which this one does not have, or its operating system does not support.\n\
         Compile it on this machine with `cargo build --release --locked`, or elsewhere with \
         RUSTFLAGS=\"-C target-cpu=CPU\",\n\
         where CPU is the name of this processor, or x86-64, x86-64-v2, x86-64-v3 or x86-64-v4.\n");
    true
}

fn say(text: &str) {
    // The exit code says it too.
    let _ = io::stderr().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Features that may be missing, with the reasons.
    const OPTIONAL: [(&str, &[&str]); 4] = [
        ("it says how the C library is linked", &["crt-static"]),
        ("without it the same instructions are slower", &["ermsb"]),
        (
            "the compiler uses it for intrinsics only, and nothing here calls them",
            &[
                "amx-avx512",
                "amx-bf16",
                "amx-complex",
                "amx-fp16",
                "amx-fp8",
                "amx-int8",
                "amx-movrs",
                "amx-tf32",
                "amx-tile",
                "kl",
                "rtm",
                "widekl",
            ],
        ),
        (
            "it is for operating systems, which hide it even where AVX is",
            &["xsave", "xsavec", "xsaveopt", "xsaves"],
        ),
    ];

    /// A processor with everything, under an operating system that saves everything.
    fn newest() -> Detected {
        Detected {
            basic_ecx: u32::MAX,
            basic_edx: u32::MAX,
            more_ebx: u32::MAX,
            more_ecx: u32::MAX,
            more_edx: u32::MAX,
            newest_eax: u32::MAX,
            newest_edx: u32::MAX,
            extended_ecx: u32::MAX,
            avx10: u32::MAX,
            saves_avx: true,
            saves_avx512: true,
        }
    }

    /// The names of all that is missing of `list`.
    fn missing_of(list: &str, detected: &Detected) -> Vec<&'static str> {
        let required = required(list);
        let mut names = vec![];
        let mut next = missing(&required, detected, 0);
        while let Some(index) = next {
            names.push(FEATURES[index].name);
            next = missing(&required, detected, index + 1);
        }
        names
    }

    #[test]
    fn every_feature_that_the_program_is_compiled_with_is_known() {
        for name in COMPILED_WITH.split(',').filter(|name| !name.is_empty()) {
            let is_optional = OPTIONAL.iter().any(|(_, names)| names.contains(&name));
            let is_known = FEATURES.iter().any(|feature| feature.name == name);
            assert!(is_known != is_optional, "{name} must be in one of the two tables");
        }
        for (index, feature) in FEATURES.iter().enumerate() {
            assert!(
                FEATURES[..index].iter().all(|other| other.name != feature.name),
                "{feature:?} is there twice"
            );
        }
        assert!(contains(COMPILED_WITH.as_bytes(), b"sse2"), "the build script passes them on");
    }

    #[test]
    fn what_is_missing_is_named_and_nothing_else_is() {
        let first = Detected {
            basic_ecx: 0,
            basic_edx: 1 | 1 << 24 | 1 << 25 | 1 << 26,
            more_ebx: 0,
            more_ecx: 0,
            more_edx: 0,
            newest_eax: 0,
            newest_edx: 0,
            extended_ecx: 0,
            avx10: 0,
            saves_avx: false,
            saves_avx512: false,
        };
        assert_eq!(
            missing_of("avx,avx2,bmi2,fxsr,sse,sse2,sse3,xsave", &first),
            ["sse3", "avx", "bmi2", "avx2"]
        );
        assert_eq!(missing_of("fxsr,sse,sse2,x87", &first), [""; 0]);
        assert_eq!(missing_of("", &first), [""; 0]);
        let all: Vec<_> = FEATURES.iter().map(|feature| feature.name).collect();
        assert_eq!(missing_of(&all.join(","), &newest()), [""; 0]);
        let without_bmi2 = Detected { more_ebx: !(1 << 8), ..newest() };
        assert_eq!(missing_of(&all.join(","), &without_bmi2), ["bmi2"]);
    }

    #[test]
    fn a_feature_whose_registers_are_not_saved_is_missing() {
        let features = "avx,avx2,avx512f,avx512vl,bmi2,fma,sha,vaes";
        let without_avx512 = Detected { saves_avx512: false, ..newest() };
        assert_eq!(missing_of(features, &without_avx512), ["avx512f", "avx512vl"]);
        let without_both = Detected { saves_avx: false, ..without_avx512 };
        assert_eq!(
            missing_of(features, &without_both),
            ["fma", "avx", "avx2", "avx512f", "avx512vl", "vaes"]
        );
    }

    #[test]
    fn names_are_compared_whole() {
        for (list, name, is_there) in [
            ("avx2,sse", "avx2", true),
            ("sse,avx2", "avx2", true),
            ("avx2", "avx2", true),
            ("avx2", "avx", false),
            ("avx", "avx2", false),
            ("xavx,avx2x", "avx", false),
            ("", "avx", false),
        ] {
            assert_eq!(contains(list.as_bytes(), name.as_bytes()), is_there, "{list:?} {name:?}");
        }
    }

    #[test]
    fn this_processor_has_what_the_standard_library_says() {
        macro_rules! detected {
            ($($name:tt),*) => { [$(($name, std::is_x86_feature_detected!($name))),*] };
        }
        let detected = detect();
        for (name, is_there) in detected![
            "sse4.2",
            "popcnt",
            "aes",
            "pclmulqdq",
            "fma",
            "avx",
            "f16c",
            "lzcnt",
            "sse4a",
            "bmi1",
            "bmi2",
            "adx",
            "sha",
            "avx2",
            "avx512f",
            "avx512vl",
            "avx512ifma",
            "gfni",
            "vaes",
            "avx512vbmi2",
            "avx512fp16",
            "avxvnni",
            "avx512bf16",
            "sha512",
            "avxvnniint8"
        ] {
            assert_eq!(missing_of(name, &detected).is_empty(), is_there, "{name}");
        }
        assert_eq!(missing(&REQUIRED, &detected, 0), None, "the program runs here");
    }
}

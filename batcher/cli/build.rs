//! Tells the program which features of processors it is compiled with.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Cargo sets it if there is any.
    let features = env::var("CARGO_CFG_TARGET_FEATURE").unwrap_or_default();
    println!("cargo::rustc-env=SUPERBLOCK_TARGET_FEATURES={features}");
}

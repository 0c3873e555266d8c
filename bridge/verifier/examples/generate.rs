//! Writes the contract's constants, for the embedded key of the Keccak hop. Run it in the repository's root, then
//! `npm run build` in `bridge/contracts`.

use batcher_hop::circuits::keccak_common;
use batcher_verify::keys::PinnedKeys;
use bridge_verifier::{
    circuit::circuit_source,
    poseidon::{constants_source, round_constants_source},
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = "bridge/contracts/src/verifier";
    let twins = "bridge/contracts/test/twins";
    let key = PinnedKeys::embedded().hop.keccak.get();
    std::fs::write(format!("{folder}/Circuit.sol"), circuit_source(key, keccak_common())?)?;
    std::fs::write(format!("{folder}/PoseidonConstants.sol"), constants_source())?;
    std::fs::write(format!("{twins}/RoundConstants.sol"), round_constants_source())?;
    Ok(())
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Quartic} from "../../src/verifier/Quartic.sol";
import {SuperblockVerifier} from "../../src/verifier/SuperblockVerifier.sol";

/// @title FixedChallenges
/// @notice The verifier with challenges from an honest proof. A change of anything that the transcript absorbs changes all
/// challenges, and too little work hides every later check; here it does not.
contract FixedChallenges is SuperblockVerifier {
    /// @notice Runs all checks but that of the work on `proof`, with the challenges of `honest`.
    function verifyWith(bytes calldata honest, bytes calldata proof, uint256[] calldata publicInputs) external pure {
        Proof memory source = begin(honest, publicInputs);
        readChallenges(source);
        Proof memory read = begin(proof, publicInputs);
        readChallenges(read);
        read.betas = source.betas;
        read.gammas = source.gammas;
        read.alphas = source.alphas;
        read.zeta = source.zeta;
        read.friAlpha = source.friAlpha;
        read.friBetas = source.friBetas;
        read.queries = source.queries;
        checkChallenged(read);
    }

    /// @notice Runs the checks of the queries alone, whose challenges nothing in the queries changes.
    function verifyQueries(bytes calldata proof, uint256[] calldata publicInputs) external pure {
        Proof memory read = begin(proof, publicInputs);
        readChallenges(read);
        checkQueries(read);
    }

    /// @notice As `verifyQueries`, with another point of the openings.
    function verifyQueriesAt(Quartic zeta, bytes calldata proof, uint256[] calldata publicInputs) external pure {
        Proof memory read = begin(proof, publicInputs);
        readChallenges(read);
        read.zeta = zeta;
        checkQueries(read);
    }
}

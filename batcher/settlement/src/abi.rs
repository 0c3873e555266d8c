//! The contracts' interfaces and bytecode, from the committed artefacts.

#![allow(missing_docs, unreachable_pub, clippy::all)]

alloy_sol_types::sol!(
    #[derive(Debug, PartialEq, Eq)]
    Settlement,
    "../../bridge/contracts/artifacts/Settlement.json"
);

alloy_sol_types::sol!(
    #[derive(Debug, PartialEq, Eq)]
    VerifierRouter,
    "../../bridge/contracts/artifacts/VerifierRouter.json"
);

alloy_sol_types::sol!(
    #[derive(Debug, PartialEq, Eq)]
    AccessManager,
    "../../bridge/contracts/artifacts/AccessManager.json"
);

alloy_sol_types::sol!(
    #[derive(Debug, PartialEq, Eq)]
    RegistryTree,
    "../../bridge/contracts/artifacts/RegistryTree.json"
);

alloy_sol_types::sol!(
    #[derive(Debug, PartialEq, Eq)]
    SuperblockVerifier,
    "../../bridge/contracts/artifacts/SuperblockVerifier.json"
);

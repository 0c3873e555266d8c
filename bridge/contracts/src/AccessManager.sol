// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

// Who may call what, and after which delay. OpenZeppelin's contract is deployed as it is; the import has it compiled.
import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";

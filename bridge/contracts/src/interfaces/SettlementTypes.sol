// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

// Digests of the proof system are `bytes32` of four big-endian integers of 64 bits, element 0 first, each below
// 2^64 - 2^32 + 1. Digests of Keccak-256 are as the EVM has them. Amounts are in units of the bridge, below 2^58.

/// @notice What a superblock's block of environment 0 does to L1; zeros if the superblock has no such block.
struct L1Body {
    /// The queue's digest after all deposits taken, this block's included.
    bytes32 queueDigest;
    /// How many deposits these are.
    uint64 queueLength;
    /// The running digest of the block's payouts.
    bytes32 payoutsDigest;
    /// The index of the first payout among all of the deployment.
    uint64 firstPayout;
    /// How many payouts the block makes.
    uint32 payoutCount;
}

/// @notice What a superblock's proof states, field by field in the order of its public inputs.
struct Statement {
    /// The deployment: the low 62 bits of `keccak256(abi.encode(block.chainid, settlement))`.
    uint64 deployment;
    /// The superblock's number; genesis is 0.
    uint32 number;
    bytes32 previousState;
    bytes32 newState;
    bytes32 registryRoot;
    /// Digest of the superblock's blocks, and of the indices of the messages that it consumes.
    bytes32 bodyChain;
    uint32 blockCount;
    bool hasL1Block;
    L1Body l1Body;
}

/// @notice The name of an asset: the environment that issues it, and its number there, which is not 0.
struct AssetId {
    uint16 origin;
    uint32 number;
}

/// @notice An entry of the queue.
struct Deposit {
    address depositor;
    uint16 destination;
    bytes32 recipient;
    AssetId asset;
    uint64 amount;
    /// Superblocks from the one that takes the deposit to the last in which it may be claimed.
    uint32 lifetime;
}

/// @notice One payment; its fields are in the order in which they are packed and hashed.
struct Payout {
    uint32 index;
    address recipient;
    /// 0 is a claim, 1 a refund, 2 a bounce.
    uint16 kind;
    AssetId asset;
    uint64 amount;
    bytes32 name;
}

/// @notice A payout, the superblock that makes it, and its siblings in the tree of the superblock's payouts.
struct Claim {
    uint32 superblock;
    Payout payout;
    bytes32[] proof;
}

/// @notice What an asset is on L1.
enum AssetKind {
    /// The asset is unknown here.
    None,
    Ether,
    /// A token of L1.
    Token,
    /// An asset of an environment, as a token that the settlement contract mints and burns.
    Wrapped
}

/// @notice An asset as the table has it.
struct Asset {
    AssetKind kind;
    /// A unit is 10^unitExponent of the smallest parts of the token; never changes.
    uint8 unitExponent;
    /// The token; zero for ether; never changes.
    address token;
    /// The least amount of a deposit.
    uint64 minimum;
    /// The most that is deposited at once, and comes free again in a day, evenly.
    uint64 dayLimit;
    /// For ether and tokens: what was deposited and not listed as a payout, nor withdrawn from a queue that was cut; below 2^58.
    uint64 outstanding;
    /// What of the day's limit was not free after the last deposit, in units times the seconds of a day.
    uint96 used;
    /// When the last deposit was made, in seconds since 1970.
    uint32 usedAt;
}

/// @notice What can be paused apart.
enum Action {
    Deposit,
    Settle,
    Pay
}

/// @notice The rules of a deployment, which never change. Times are in seconds.
struct Parameters {
    /// From this age on a superblock owes a deposit.
    uint32 ripeAge;
    /// After so long without a batcher's superblock strangers may settle.
    uint32 stallAge;
    /// A stranger's superblock comes at least so long after the one before.
    uint32 strangerGap;
    /// After so long without consumption the queue may be cut.
    uint32 cutAge;
    /// The most superblocks in 24 hours of the contract's clock, but for 32 that may come at once.
    uint16 superblocksPerDay;
    /// A registry root is fixed at least as many superblocks ahead as so many days can have.
    uint16 registryNoticeDays;
    /// The longest pause, and the shortest time between two.
    uint32 longestPause;
}

/// @notice What was settled last, and what the next superblock owes. Times are of the contract's clock.
struct Progress {
    /// The newest superblock.
    uint32 number;
    /// The deposits that superblocks have taken.
    uint32 taken;
    /// The least that the next superblock's queue length may be.
    uint32 owed;
    /// The index of the next payout.
    uint32 nextPayout;
    /// When the newest superblock was settled.
    uint32 settledAt;
    /// When a batcher last settled.
    uint32 batcherAt;
    /// When a superblock last took deposits.
    uint32 takenAt;
    /// Up to when the superblocks settled so far would reach, if they came evenly: each takes its share of a day.
    uint32 pacedUntil;
}

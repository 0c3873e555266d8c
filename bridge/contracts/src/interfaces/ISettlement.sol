// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IRegistryTree} from "./IRegistryTree.sol";
import {IVerifierRouter} from "./IVerifierRouter.sol";
import {Action, Asset, AssetId, Claim, Deposit, Parameters, Progress, Statement} from "./SettlementTypes.sol";

/// @title The errors of the settlement contract
interface ISettlementErrors {
    // Deployment.

    /// @notice Only the deployer initialises.
    error NotDeployer(address caller);
    /// @notice The contract has its genesis already.
    error AlreadyInitialised();
    /// @notice The contract has no genesis yet.
    error NotInitialised();
    /// @notice A parameter is outside its range.
    error ParameterOutOfRange(string name, uint256 value, uint256 least, uint256 most);
    /// @notice The router's delay leaves users too little time to leave.
    error RouterDelayTooShort(uint32 delay, uint256 least);
    /// @notice This is a fork of the chain on which the contract was deployed.
    error WrongChain(uint256 chainId, uint256 expected);

    // Settling.

    /// @notice The superblock is not the next one.
    error NotNext(uint32 number, uint32 expected);
    /// @notice Another superblock with this number is settled.
    /// @param statementDigest The Keccak-256 digest of the statement, and `settled` that of the one that is settled.
    error SettledOtherwise(uint32 number, bytes32 statementDigest, bytes32 settled);
    /// @notice The proof is of another deployment.
    error WrongDeployment(uint64 deployment, uint64 expected);
    /// @notice The superblock does not start from the newest state.
    error WrongPreviousState(bytes32 previousState, bytes32 expected);
    /// @notice The superblock's blocks were checked against another registry than its number has.
    error WrongRegistryRoot(bytes32 registryRoot, bytes32 expected);
    /// @notice The superblock leaves deposits in the queue that it owes.
    error OwesDeposits(uint64 queueLength, uint32 owed);
    /// @notice The superblock takes deposits that are not in the queue, or were cut from it.
    error NotInQueue(uint64 queueLength, uint32 length);
    /// @notice The superblock's queue is shorter than what was taken before.
    error TakenBefore(uint64 queueLength, uint32 taken);
    /// @notice The superblock took other deposits than the queue has.
    error WrongQueueDigest(bytes32 queueDigest, bytes32 expected);
    /// @notice The statement has no block of environment 0, and yet something in its body.
    error BodyWithoutBlock();
    /// @notice The payouts have another length than their number asks for.
    error WrongPayoutsLength(uint256 length, uint256 expected);
    /// @notice The payouts do not continue those before.
    error WrongFirstPayout(uint64 firstPayout, uint32 expected);
    /// @notice A payout has another index than its place.
    error WrongPayoutIndex(uint32 index, uint32 expected);
    /// @notice The payouts are not those of the proof.
    error WrongPayoutsDigest(bytes32 payoutsDigest, bytes32 expected);
    /// @notice More of an asset would be paid than was deposited.
    error OverPaid(uint16 origin, uint32 number, uint64 amount, uint64 outstanding);
    /// @notice Only batchers settle this way; others use `settleStalled`.
    error NotBatcher(address caller);
    /// @notice The body chain is not that of one block and these indices.
    error WrongBodyChain(bytes32 bodyChain, bytes32 expected);
    /// @notice Strangers wait until `allowedAt` on the contract's clock.
    error StrangerTooEarly(address caller, uint32 allowedAt, uint32 time);
    /// @notice A stranger's superblock has one block, and it is of environment 0.
    error StrangerBlocks(uint32 blockCount, bool hasL1Block);
    /// @notice Superblocks come too fast; the next one may be settled at `allowedAt` on the contract's clock.
    error TooManySuperblocks(uint32 allowedAt, uint32 time);

    // Deposits.

    /// @notice The contract knows no such asset.
    error UnknownAsset(uint16 origin, uint32 number);
    /// @notice The ether sent is less than the deposit and its fee are together.
    error TooLittleValue(uint256 value, uint256 needed);
    /// @notice The tokens are no multiple of the asset's unit.
    error Remainder(uint256 tokens, uint256 unit);
    /// @notice The deposit's amount is less than the asset's minimum.
    error BelowMinimum(uint256 amount, uint64 minimum);
    /// @notice The amount, or what would be outstanding, is not below 2^58.
    error AmountTooLarge(uint256 amount, uint64 limit);
    /// @notice More than the day's limit of the asset would be in use. It comes free again evenly, all of it in a day.
    error AboveDayLimit(uint256 used, uint64 limit);
    /// @notice The contract received another number of tokens than it asked for: the token takes a fee.
    error WrongReceipt(uint256 received, uint256 expected);
    /// @notice A deposit to environment 0 would stay where it is.
    error DestinationIsL1();
    /// @notice The lifetime is outside its range.
    error LifetimeOutOfRange(uint32 lifetime, uint32 least, uint32 most);
    /// @notice A word of the recipient is not below the field's order, so it is nobody in any environment.
    error RecipientOutOfField(bytes32 recipient);
    /// @notice The queue holds as many deposits as it can.
    error QueueFull();
    /// @notice Superblock numbers end before the deposit's deadline might.
    error NumbersEnd(uint32 number);

    // Queues that were cut.

    /// @notice There is no deposit to cut from the queue.
    error NothingToCut();
    /// @notice The queue may be cut at `allowedAt` on the contract's clock.
    error CutTooEarly(uint32 allowedAt, uint32 time);
    /// @notice The deposit is not among those that were cut in this generation.
    error NotCut(uint32 generation, uint32 index);
    /// @notice The queue has another deposit at this index.
    error NotDeposited(uint32 generation, uint32 index);
    /// @notice The deposit was withdrawn already.
    error AlreadyWithdrawn(uint32 generation, uint32 index);

    // Payouts.

    /// @notice The superblock makes no such payout.
    error NotAPayout(uint32 superblock, uint32 index);
    /// @notice The payout was claimed already.
    error AlreadyClaimed(uint32 index);
    /// @notice The receiver refuses the payment.
    error PaymentFailed(address receiver);
    /// @notice Only the payee chooses another receiver.
    error NotPayee(address caller, address payee);
    /// @notice The transaction has too little gas left for a payment of a batch.
    error TooLittleGas(uint256 gas, uint256 needed);

    // Registry.

    /// @notice A registry root is fixed further ahead.
    error NoticeTooShort(uint32 number, uint256 earliest);
    /// @notice The registry's entry of environment 0 is not the pinned one.
    error OtherEntryZero(bytes32 registryRoot, bytes32 found);
    /// @notice An entry 0 of zeros is no environment.
    error EmptyEntryZero();
    /// @notice No change of entry 0 is announced.
    error NoEntryZeroProposed();
    /// @notice The change of entry 0 may take effect at `readyAt` on the contract's clock.
    error EntryZeroNotReady(uint32 readyAt, uint32 time);
    /// @notice The change of entry 0 was announced too long ago: users no longer expect it.
    error EntryZeroExpired(uint32 expiredAt, uint32 time);

    // Assets and pauses.

    /// @notice The asset is in the table, and neither its token nor its unit changes.
    error AssetExists(uint16 origin, uint32 number);
    /// @notice The contract lists only assets of L1, which have origin 0 and a number.
    error NotAnL1Asset(uint32 number);
    /// @notice A token has an address with code.
    error NoToken(address token);
    /// @notice The unit would be more than all amounts.
    error UnitTooLarge(uint8 exponent, uint8 most);
    /// @notice A pause takes a second at least, and no longer than it may.
    error PauseOutOfRange(uint32 duration, uint32 longest);
    /// @notice The action is paused until this time.
    error PausedUntil(Action action, uint32 until);
    /// @notice The action was paused so lately that it may be paused again at `allowedAt`.
    error PausedLately(Action action, uint32 allowedAt);
    /// @notice The action is not paused.
    error NotPaused(Action action);
}

/// @title The events of the settlement contract
interface ISettlementEvents {
    /// @notice The contract has its genesis.
    event Initialised(bytes32 genesisState, bytes32 registryRoot, bytes32 entryZero);
    /// @notice A superblock is settled.
    /// @param blobs The versioned hashes of the transaction's blobs. That they hold the superblock's data is not proved.
    event SuperblockSettled(
        uint32 indexed number,
        bytes32 newState,
        bytes32 registryRoot,
        bytes32 bodyChain,
        uint32 queueLength,
        address settler,
        bytes32[] blobs
    );
    /// @notice A stranger settled superblock `number`, whose block consumes the messages with these indices, in this order.
    event MessagesConsumed(uint32 indexed number, uint32[] indices);
    /// @notice A superblock makes payouts.
    /// @param payouts The payouts as `settle` takes them: whoever settles may call from a contract, whose own calls are nowhere on the
    /// chain.
    event PayoutsListed(uint32 indexed number, uint32 firstPayout, bytes32 payoutRoot, bytes payouts);
    /// @notice A deposit joined the queue.
    /// @param queueDigest The queue's digest after it.
    event Deposited(
        uint32 indexed generation,
        uint32 indexed index,
        address indexed depositor,
        uint16 destination,
        bytes32 recipient,
        uint16 origin,
        uint32 number,
        uint64 amount,
        uint32 lifetime,
        bytes32 queueDigest
    );
    /// @notice Deposits `from..to` of a generation left the queue, and their depositors withdraw them.
    event QueueCut(uint32 indexed generation, uint32 from, uint32 to);
    /// @notice A deposit that was cut from the queue went back.
    /// @param receiver The depositor, or whom it named.
    event Withdrawn(
        uint32 indexed generation,
        uint32 indexed index,
        address indexed depositor,
        address receiver,
        uint16 origin,
        uint32 number,
        uint64 amount
    );
    /// @notice A payout was paid.
    /// @param receiver The recipient, or whom it named.
    event PayoutClaimed(
        uint32 indexed index,
        address indexed recipient,
        address receiver,
        uint16 kind,
        uint16 origin,
        uint32 number,
        uint64 amount
    );
    /// @notice A receiver refused a payout of a batch, which can be claimed again.
    event PayoutRefused(uint32 indexed index, address indexed recipient);
    /// @notice The registry has this root from superblock `number` on.
    event RegistryScheduled(uint32 indexed number, bytes32 registryRoot);
    /// @notice Roots that were scheduled before for superblock `number` or later ones are void.
    event RegistriesWithdrawn(uint256 number);
    /// @notice The entry of environment 0 may change at `readyAt` on the contract's clock.
    event EntryZeroProposed(bytes32 entryZero, uint32 readyAt);
    /// @notice The change that was announced is withdrawn.
    event EntryZeroWithdrawn(bytes32 entryZero);
    /// @notice Registries have this entry of environment 0 from superblock `number` on; roots that were scheduled before for it or
    /// later ones are void.
    event EntryZeroChanged(bytes32 entryZero, uint32 number);
    /// @notice An asset joined the table.
    event AssetListed(uint16 indexed origin, uint32 indexed number, address token, uint8 unitExponent);
    /// @notice The limits of an asset's deposits changed.
    event AssetLimited(uint16 indexed origin, uint32 indexed number, uint64 minimum, uint64 dayLimit);
    /// @notice An action is paused.
    event Paused(Action indexed action, uint32 until);
    /// @notice A pause ended before its time.
    event Resumed(Action indexed action);
}

/// @title Settles superblocks on L1, takes deposits and pays
/// @notice Invariants:
/// 1. The state changes only by a superblock whose proof an active verifier accepts for this deployment, whose number is the
///    next and whose previous state is the newest.
/// 2. For each asset of L1 the contract holds at least what is outstanding and what is listed as a payout and not claimed.
/// 3. Each payout index is listed once and paid at most once. A deposit is taken by a superblock or withdrawn, never both.
/// 4. Whatever kernels of other environments prove, no more of an asset of L1 is paid than was deposited of it.
/// 5. Nothing that others deposit makes a superblock revert that was honest when its predecessor was settled.
interface ISettlement is ISettlementErrors, ISettlementEvents {
    // Deployment.

    /// @notice Gives the contract its genesis, which names the contract's address. Once, by the deployer.
    /// @param entryZero The leaf of environment 0 in the registry, and `path` its siblings.
    /// @dev Errors: `NotDeployer`, `AlreadyInitialised`, `RouterDelayTooShort`, `OtherEntryZero`, and `NoFieldElement` of the registry's tree.
    function initialise(bytes32 genesisState, bytes32 registryRoot, bytes32 entryZero, bytes32[16] calldata path)
        external;

    /// @notice The low 62 bits of `keccak256(abi.encode(block.chainid, address(this)))`.
    function deployment() external view returns (uint64);

    /// @notice Chooses the verifier of a proof. It never changes.
    function router() external view returns (IVerifierRouter);

    /// @notice Computes the registry's root over an entry of environment 0. It never changes.
    function registryTree() external view returns (IRegistryTree);

    /// @notice The rules of the deployment, which never change.
    function parameters() external view returns (Parameters memory);

    // Settling.

    /// @notice Settles the next superblock. If it is settled already, with the same statement, nothing happens. For batchers.
    /// @param outerDigest Names the verifier of the proof.
    /// @param payouts The superblock's payouts, 72 bytes each: index 4, recipient 20, kind 2, origin 2, number 4, amount 8,
    /// name 32. They are in an event, because a withheld list would be lost money. Blobs of the transaction hold what else others
    /// need to follow the superblock; their versioned hashes are in another event.
    /// @dev Errors: `PausedUntil`, `WrongChain`, `NotInitialised`, the section "Settling" of `ISettlementErrors`, and those of router and verifier.
    function settle(bytes32 outerDigest, Statement calldata statement, bytes calldata payouts, bytes calldata proof)
        external;

    /// @notice Settles the next superblock in a stall. For anybody, if its only block is of environment 0. All that others need to
    /// follow it is in events, the indices among it: payouts do not say which messages are consumed, as a message can be in the tree twice.
    /// @param blockDigest The element of the block in the body chain, a Poseidon digest.
    /// @param indices The indices of the messages that the block consumes, in order.
    /// @dev Errors: those of `settle` but `NotBatcher`, and `StrangerTooEarly`, `StrangerBlocks`, `WrongBodyChain`, and `NoFieldElement` of the registry's tree.
    function settleStalled(
        bytes32 outerDigest,
        Statement calldata statement,
        bytes calldata payouts,
        bytes calldata proof,
        bytes32 blockDigest,
        uint32[] calldata indices
    ) external;

    /// @notice The digest of the statement of superblock `number`, `keccak256(abi.encode(statement))`; zero if it is not settled, or genesis.
    function statementDigestOf(uint32 number) external view returns (bytes32);

    /// @notice What was settled last, and what the next superblock owes.
    function progress() external view returns (Progress memory);

    /// @notice The state after superblock `number`; genesis is 0. Zero if it is not settled.
    function stateOf(uint32 number) external view returns (bytes32);

    /// @notice The root of the tree of the payouts of superblock `number`; zero if it makes none.
    function payoutRoot(uint32 number) external view returns (bytes32);

    /// @notice Whether `account` settles as a batcher does, without waiting.
    function isBatcher(address account) external view returns (bool);

    /// @notice The contract's clock: seconds since 1970 less those in which settling was paused.
    function time() external view returns (uint32);

    // Deposits.

    /// @notice Locks ether or tokens of L1, or burns a wrapped asset, and adds a deposit to the queue.
    /// @param tokens How much, in the smallest parts of the token; a multiple of the asset's unit. Ether is sent along, and so is
    /// `depositFee()`, whatever the asset; what is sent beyond that comes back.
    /// @param recipient The recipient in the destination's terms: four big-endian integers of 64 bits, each below the field's order.
    /// @param lifetime Superblocks from the one that takes the deposit to the last in which it may be claimed: 64 to 2^20.
    /// @return index The deposit's index in the queue.
    /// @dev Errors: `PausedUntil`, `WrongChain`, `NotInitialised`, the section "Deposits" of `ISettlementErrors`, and `PaymentFailed` if the sender takes no ether back.
    function deposit(AssetId calldata asset, uint256 tokens, uint16 destination, bytes32 recipient, uint32 lifetime)
        external
        payable
        returns (uint32 index);

    /// @notice The queue: how often it was cut, how many deposits it has, and its digest.
    function queue() external view returns (uint32 generation, uint32 length, bytes32 digest);

    /// @notice The digest of the first `length` deposits of a generation; zero if there are not so many.
    function queueDigest(uint32 generation, uint32 length) external view returns (bytes32);

    /// @notice When a deposit of the current generation was made, on the contract's clock.
    function depositedAt(uint32 index) external view returns (uint32);

    /// @notice What a deposit costs now beside its amount, in wei. Nothing while fewer than 1,024 deposits wait; from there on
    /// 0.0001 ether, and twice as much for each 512 more. It stays in the contract and is nobody's.
    function depositFee() external view returns (uint256);

    /// @notice Cuts the queue: after `cutAge` without consumption, all deposits that no superblock has taken; if superblocks take
    /// deposits, and one that the next superblock does not owe has waited for twice `cutAge`, that one and all behind it. Anybody may.
    /// @dev Errors: `NothingToCut`, `CutTooEarly`, `PausedUntil` for settling.
    function cutQueue() external;

    /// @notice Gives a deposit that was cut from the queue back to its depositor. Anybody may.
    /// @dev Errors: `PausedUntil` for paying, `NotCut`, `NotDeposited`, `AlreadyWithdrawn`, `PaymentFailed`.
    function withdraw(uint32 generation, uint32 index, Deposit calldata entry) external;

    /// @notice Pays a deposit that was cut from the queue to somebody else. Only its depositor may.
    /// @dev Errors: those of `withdraw`, and `NotPayee`.
    function withdrawTo(uint32 generation, uint32 index, Deposit calldata entry, address receiver) external;

    /// @notice Whether a deposit that was cut from the queue went back.
    function isWithdrawn(uint32 generation, uint32 index) external view returns (bool);

    // Payouts.

    /// @notice Pays a payout to its recipient. Anybody may.
    /// @dev Errors: `PausedUntil`, `NotAPayout`, `AlreadyClaimed`, `PaymentFailed`.
    function claim(Claim calldata claimed) external;

    /// @notice Pays a payout to somebody else. Only its recipient may.
    /// @dev Errors: those of `claim`, and `NotPayee`.
    function claimTo(Claim calldata claimed, address receiver) external;

    /// @notice Pays several payouts, but for those that are claimed already. A receiver that refuses its payment, or asks for more
    /// than 100,000 gas, does not keep others from theirs; it can claim alone.
    /// @dev Errors: `PausedUntil`, `NotAPayout`, `TooLittleGas`.
    function claimAll(Claim[] calldata claimed) external;

    /// @notice Whether the payout with this index was paid.
    function isClaimed(uint32 index) external view returns (bool);

    // Registry.

    /// @notice Fixes the registry root from superblock `number` on, ahead of it. Restricted.
    /// @param path The siblings of the pinned entry of environment 0 under the root.
    /// @dev Errors: `NoticeTooShort`, `OtherEntryZero`, and `NoFieldElement` of the registry's tree.
    function scheduleRegistry(uint32 number, bytes32 registryRoot, bytes32[16] calldata path) external;

    /// @notice Makes all scheduled roots void, but those of the next superblocks that may come at once, and the last change of entry 0 with
    /// what was scheduled for numbers before it. Restricted.
    function withdrawRegistries() external;

    /// @notice The root that the next superblock must state.
    function nextRegistryRoot() external view returns (bytes32);

    /// @notice The root that is scheduled from superblock `number` on; zero if none is.
    function scheduledRegistryRoot(uint32 number) external view returns (bytes32);

    /// @notice The earliest number for which a root may be scheduled now.
    function earliestRegistryChange() external view returns (uint256);

    /// @notice The leaf of environment 0 that every scheduled registry has.
    function entryZero() external view returns (bytes32);

    /// @notice Announces another entry 0, which may take effect after the router's delay, on the contract's clock. Restricted.
    /// @dev Errors: `EmptyEntryZero`, and `NoFieldElement` of the registry's tree.
    function proposeEntryZero(bytes32 entry) external;

    /// @notice Withdraws the announcement. Restricted.
    /// @dev Errors: `NoEntryZeroProposed`.
    function withdrawEntryZero() external;

    /// @notice Makes the announced entry 0 the pinned one, after the delay and within as much time again, and schedules a root that
    /// has it for the earliest number. Roots that were scheduled before for that number or later ones are void. Restricted.
    /// @dev Errors: `NoEntryZeroProposed`, `EntryZeroNotReady`, `EntryZeroExpired`, `OtherEntryZero`, `NumbersEnd`,
    /// and `NoFieldElement` of the registry's tree.
    function changeEntryZero(bytes32 registryRoot, bytes32[16] calldata path) external;

    // Assets.

    /// @notice An asset; `AssetKind.None` if it is unknown.
    function assetOf(AssetId calldata asset) external view returns (Asset memory);

    /// @notice Lists a token of L1 under a number, for good. Restricted.
    /// @dev Errors: `NotAnL1Asset`, `AssetExists`, `NoToken`, `UnitTooLarge`.
    function listAsset(uint32 number, address token, uint8 unitExponent, uint64 minimum, uint64 dayLimit) external;

    /// @notice Changes the limits of deposits of an asset of L1; a day's limit of 0 stops them. An environment's asset has none, because
    /// a deposit is its only way home. Restricted.
    /// @dev Errors: `UnknownAsset`, `NotAnL1Asset`.
    function limitAsset(AssetId calldata asset, uint64 minimum, uint64 dayLimit) external;

    /// @notice The token of an environment's asset, which is made when its first payout is claimed.
    function wrappedToken(AssetId calldata asset) external view returns (address);

    // Pauses.

    /// @notice Pauses an action; the pause ends by itself. It may be paused again `longestPause` after that. Restricted.
    /// @dev Errors: `PauseOutOfRange`, `PausedLately`, `PausedUntil`.
    function pause(Action action, uint32 duration) external;

    /// @notice Ends a pause before its time. Restricted.
    /// @dev Errors: `NotPaused`.
    function resume(Action action) external;

    /// @notice Until when the action is paused; the past if it is not.
    function pausedUntil(Action action) external view returns (uint32);
}

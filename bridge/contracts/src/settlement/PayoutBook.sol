// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {BitMaps} from "@openzeppelin/contracts/utils/structs/BitMaps.sol";

import {ISettlement} from "../interfaces/ISettlement.sol";
import {Action, Claim, L1Body, Payout} from "../interfaces/SettlementTypes.sol";
import {Entries} from "../lib/Entries.sol";
import {PayoutTree} from "../lib/PayoutTree.sol";
import {AssetTable} from "./AssetTable.sol";

/// @title Payouts: listed by superblocks, pulled by recipients
/// @notice Invariants:
/// 1. Indices run over the whole deployment without a gap: each is listed once.
/// 2. Each index is paid at most once, to its recipient or whom the recipient names itself, in its asset and amount.
/// 3. A receiver that refuses keeps nobody else from being paid, and can still be paid later.
abstract contract PayoutBook is AssetTable {
    using BitMaps for BitMaps.BitMap;

    /// @dev What a claim of a batch may take beside its payment: to check the proof, mark the index and make a wrapped token.
    uint256 private constant BATCH_OVERHEAD_GAS = 300_000;

    mapping(uint32 number => bytes32) private _roots;
    BitMaps.BitMap private _claimed;

    /// @inheritdoc ISettlement
    function payoutRoot(uint32 number) external view returns (bytes32) {
        return _roots[number];
    }

    /// @inheritdoc ISettlement
    function isClaimed(uint32 index) external view returns (bool) {
        return _claimed.get(index);
    }

    /// @inheritdoc ISettlement
    function claim(Claim calldata claimed) external nonReentrant whenOpen(Action.Pay) {
        _claimAlone(claimed, claimed.payout.recipient);
    }

    /// @inheritdoc ISettlement
    function claimTo(Claim calldata claimed, address receiver) external nonReentrant whenOpen(Action.Pay) {
        _checkPayee(claimed.payout.recipient);
        _claimAlone(claimed, receiver);
    }

    /// @inheritdoc ISettlement
    function claimAll(Claim[] calldata claimed) external nonReentrant whenOpen(Action.Pay) {
        for (uint256 i = 0; i < claimed.length; ++i) {
            // A receiver that gets less gas than it may have would seem to refuse.
            uint256 needed = BATCH_PAYMENT_GAS + BATCH_OVERHEAD_GAS;
            if (gasleft() < needed) revert TooLittleGas(gasleft(), needed);
            Claim calldata one = claimed[i];
            (uint32 index, address recipient) = (one.payout.index, one.payout.recipient);
            // Whoever claims one of them first does not keep the others from being paid.
            if (_claimed.get(index)) continue;
            if (!_claim(one, recipient, BATCH_PAYMENT_GAS)) emit PayoutRefused(index, recipient);
        }
    }

    /// @dev Lists the payouts of superblock `number`, which have to be those of its body. Returns the index of the next payout.
    function _listPayouts(uint32 number, uint32 first, L1Body calldata body, bytes calldata payouts)
        internal
        returns (uint32)
    {
        uint256 count = body.payoutCount;
        if (payouts.length != count * Entries.PAYOUT_BYTES) {
            revert WrongPayoutsLength(payouts.length, count * Entries.PAYOUT_BYTES);
        }
        if (body.firstPayout != first) revert WrongFirstPayout(body.firstPayout, first);
        bytes32 digest = 0;
        bytes32[] memory nodes = PayoutTree.allocate(count);
        for (uint256 i = 0; i < count; ++i) {
            bytes calldata packed = payouts[i * Entries.PAYOUT_BYTES:(i + 1) * Entries.PAYOUT_BYTES];
            digest = Entries.appendPayout(digest, packed);
            Payout memory payout = Entries.unpack(packed);
            if (payout.index != first + i) revert WrongPayoutIndex(payout.index, uint32(first + i));
            _release(payout.asset, payout.amount);
            PayoutTree.setLeaf(nodes, i, Entries.leaf(payout));
        }
        if (digest != body.payoutsDigest) revert WrongPayoutsDigest(digest, body.payoutsDigest);
        if (count > 0) {
            bytes32 root = PayoutTree.root(nodes);
            _roots[number] = root;
            emit PayoutsListed(number, first, root, payouts);
        }
        return first + body.payoutCount;
    }

    /// @dev Pays one payout with all gas that there is, or reverts.
    function _claimAlone(Claim calldata claimed, address receiver) private {
        if (!_claim(claimed, receiver, gasleft())) revert PaymentFailed(receiver);
    }

    /// @dev Pays one payout to `receiver`, who is the recipient or was named by it; receiver and token get at most `paymentGas`.
    /// Returns false if the receiver refuses, and the payout can then be claimed again.
    function _claim(Claim calldata claimed, address receiver, uint256 paymentGas) private returns (bool) {
        Payout memory payout = claimed.payout;
        // Nothing can be proved under the zero root of a superblock without payouts: a leaf and a node are hashes.
        bytes32 leaf = Entries.leaf(payout);
        if (!MerkleProof.verifyCalldata(claimed.proof, _roots[claimed.superblock], leaf)) {
            revert NotAPayout(claimed.superblock, payout.index);
        }
        if (_claimed.get(payout.index)) revert AlreadyClaimed(payout.index);
        _claimed.set(payout.index);
        if (!_pay(payout.asset, receiver, payout.amount, paymentGas)) {
            _claimed.unset(payout.index);
            return false;
        }
        emit PayoutClaimed(
            payout.index,
            payout.recipient,
            receiver,
            payout.kind,
            payout.asset.origin,
            payout.asset.number,
            payout.amount
        );
        return true;
    }
}

//! The transaction kernels: one for local accounts, one for exchange orders. They differ in the authorisation only.
//!
//! ```text
//! conservation     vault, inputs, outputs and fee meet in 4 lanes, one asset each
//!
//!   input  i ──one-hot──┐                          ┌──one-hot── output j
//!                       ├── lane k: before + in = after + out + fee
//!   fee ────one-hot─────┘          │
//!                                  └── one-hot: slot of the vault; holds the lane's asset, or nothing
//!
//! Lanes are applied to the vault one after the other. Each conserves its asset, so their order and whether two of them
//! name one asset do not matter. An asset that is in no lane does not move.
//! ```

use std::sync::OnceLock;

use circuits::{
    Builder, C, Definition, Digest, DigestTarget, VerifierKey, Witness,
    amount::enforce_amount,
    basetypes::standard_config,
    constrain::{Constrain, DigestOps},
    integer::{HEIGHT_BITS, enforce_less_or_equal},
    layout::{self, WitnessError},
    recursion::{Shape, key_digest},
    trees::{PathTarget, index_bits},
};
use plonky2::{
    fri::FriConfig,
    iop::target::{BoolTarget, Target},
    plonk::circuit_data::CircuitConfig,
};
use serde::{Deserialize, Serialize};

use super::{MAX_ASSETS, MAX_INPUTS, MAX_OUTPUTS, TransactionStatement, TransactionWitness};
use crate::notes::{
    account::{
        AccountFields, NONCE_BITS, VAULT_SLOTS, Vault, account_hash_circuit, account_id_circuit,
        local_authorisation_circuit, vault_hash_circuit,
    },
    note::{NoteFields, commitment_circuit, nullifier_circuit, output_serial_circuit, swap_serial_circuit},
    policy::{ExchangeFields, FILL_BITS, RATE_BITS, exchange_authorisation_circuit},
    state::TREE_DEPTH,
};

/// Rows of the transaction shape, as a logarithm.
const SHAPE_DEGREE_BITS: usize = 9;
/// Rate of the transaction shape, as a logarithm: a transaction is small and verified by a large circuit, so that a long
/// code and few queries are cheaper in sum.
const RATE_BITS_OF_SHAPE: usize = 5;
/// Queries of the transaction shape: with 16 bits of grinding, 101 bits conjectured.
const QUERIES_OF_SHAPE: usize = 17;

/// The configuration of the transaction shape.
#[must_use]
pub fn transaction_config() -> CircuitConfig {
    let standard = standard_config();
    let fri_config = FriConfig {
        rate_bits: RATE_BITS_OF_SHAPE,
        num_query_rounds: QUERIES_OF_SHAPE,
        ..standard.fri_config
    };
    CircuitConfig { fri_config, ..standard }
}

/// A transaction kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransactionKernel {
    /// For accounts with a secret.
    Local,
    /// For accounts with an exchange order.
    Exchange,
}

/// Keys of the transaction kernels, constants of every circuit that verifies transactions.
#[derive(Clone, Debug)]
pub struct TransactionKeys {
    local: VerifierKey,
    exchange: VerifierKey,
}

impl TransactionKeys {
    /// The two keys.
    #[must_use]
    pub const fn new(local: VerifierKey, exchange: VerifierKey) -> Self {
        Self { local, exchange }
    }

    /// The key of a kernel.
    #[must_use]
    pub const fn of(&self, kernel: TransactionKernel) -> &VerifierKey {
        match kernel {
            TransactionKernel::Local => &self.local,
            TransactionKernel::Exchange => &self.exchange,
        }
    }

    /// The digest of a kernel's key.
    #[must_use]
    pub fn digest_of(&self, kernel: TransactionKernel) -> Digest {
        key_digest(self.of(kernel))
    }
}

/// The shape of both transaction kernels: their gates are few, so that verifying a transaction is cheap.
pub fn transaction_shape() -> &'static Shape {
    static SHAPE: OnceLock<Shape> = OnceLock::new();
    SHAPE.get_or_init(|| {
        let mut gates = Builder::new(transaction_config());
        let mut public_inputs = 0;
        for kernel in [TransactionKernel::Local, TransactionKernel::Exchange] {
            let mut builder = Builder::new(transaction_config());
            let (statement, _) = kernel.define(&mut builder);
            layout::register(&mut builder, &statement);
            let common = builder.mock_build::<C>().common;
            public_inputs = common.num_public_inputs;
            for gate in common.gates {
                gates.add_gate_to_gate_set(gate);
            }
        }
        let inputs = gates.add_virtual_targets(public_inputs);
        gates.register_public_inputs(&inputs);
        while gates.num_gates() <= 1 << (SHAPE_DEGREE_BITS - 1) {
            gates.add_gate(plonky2::gates::noop::NoopGate, vec![]);
        }
        Shape { name: "transaction", common: gates.mock_build::<C>().common }
    })
}

/// Targets of a note to be consumed.
pub(super) struct InputTargets {
    pub(super) used: BoolTarget,
    pub(super) unauthenticated: BoolTarget,
    pub(super) note: NoteFields<Target>,
    pub(super) is_reclaim: BoolTarget,
    pub(super) is_swap: BoolTarget,
    pub(super) index: Target,
    pub(super) path: PathTarget,
    pub(super) lanes: [BoolTarget; MAX_ASSETS],
}

/// Targets of a note to be created.
pub(super) struct OutputTargets {
    pub(super) used: BoolTarget,
    /// All but sender and serial, which are computed.
    pub(super) note: NoteFields<Target>,
    pub(super) settles: [BoolTarget; MAX_INPUTS],
    pub(super) lanes: [BoolTarget; MAX_ASSETS],
}

/// Targets of one asset's balance.
pub(super) struct LaneTargets {
    pub(super) asset: Target,
    pub(super) slots: [BoolTarget; VAULT_SLOTS],
    pub(super) pays_fee: BoolTarget,
}

/// Targets of what authorises the transaction.
pub(super) enum AuthorityTargets {
    Local { secret: DigestTarget },
    Exchange { order: ExchangeFields<Target>, fills: [Target; MAX_INPUTS] },
}

/// Where the witness of a transaction kernel goes.
pub struct TransactionTargets {
    pub(super) chain_id: Target,
    pub(super) environment: Target,
    pub(super) fee_asset: Target,
    pub(super) fee: Target,
    pub(super) not_before: Target,
    pub(super) valid_until: Target,
    pub(super) is_new: BoolTarget,
    pub(super) salt: DigestTarget,
    pub(super) account: AccountFields<Target>,
    pub(super) vault: [[Target; 2]; VAULT_SLOTS],
    pub(super) notes_root: DigestTarget,
    pub(super) inputs: Vec<InputTargets>,
    pub(super) outputs: Vec<OutputTargets>,
    pub(super) lanes: Vec<LaneTargets>,
    pub(super) authority: AuthorityTargets,
}

fn bools<const N: usize>(builder: &mut Builder) -> [BoolTarget; N] {
    std::array::from_fn(|_| builder.new_bool())
}

fn sum(builder: &mut Builder, flags: &[BoolTarget]) -> Target {
    builder.add_many(flags.iter().map(|flag| flag.target))
}

/// `sum(flags[i] * values[i])`.
fn dot(builder: &mut Builder, flags: &[BoolTarget], values: &[Target]) -> Target {
    let zero = builder.zero();
    flags.iter().zip(values).fold(zero, |total, (flag, &value)| builder.mul_add(flag.target, value, total))
}

fn masked_digest(builder: &mut Builder, flag: BoolTarget, digest: DigestTarget) -> DigestTarget {
    Digest(digest.0.map(|element| builder.mul(flag.target, element)))
}

/// Note fields that the prover chooses; `sender` and `serial` are given.
fn note_with(
    builder: &mut Builder,
    sender: DigestTarget,
    serial: DigestTarget,
    target: DigestTarget,
) -> NoteFields<Target> {
    NoteFields {
        asset: builder.add_virtual_target(),
        amount: builder.add_virtual_target(),
        kind: builder.add_virtual_target(),
        height: builder.add_virtual_target(),
        requested_asset: builder.add_virtual_target(),
        requested_amount: builder.add_virtual_target(),
        sender,
        target,
        serial,
    }
}

impl Definition for TransactionKernel {
    type Statement = TransactionStatement<Target>;
    type NativeStatement = TransactionStatement;
    type Targets = TransactionTargets;
    type Input = TransactionWitness;

    fn name(&self) -> String {
        match self {
            Self::Local => "notes-transaction-local",
            Self::Exchange => "notes-transaction-exchange",
        }
        .to_owned()
    }

    fn config(&self) -> CircuitConfig {
        transaction_config()
    }

    fn shape(&self) -> Option<&Shape> {
        Some(transaction_shape())
    }

    fn define(&self, builder: &mut Builder) -> (TransactionStatement<Target>, TransactionTargets) {
        let targets = self.new_virtual(builder);
        enforce_ranges(builder, &targets);
        let (before, id) = (account_before_circuit(builder, &targets), targets.account.id);

        let nullifiers: Vec<_> =
            targets.inputs.iter().map(|input| nullifier_circuit(builder, &input.note)).collect();
        let commitments: Vec<_> =
            targets.inputs.iter().map(|input| commitment_circuit(builder, &input.note)).collect();
        let owed: Vec<_> =
            targets.inputs.iter().map(|input| enforce_script(builder, &targets, input)).collect();
        for (input, &commitment) in targets.inputs.iter().zip(&commitments) {
            enforce_opening(builder, &targets, input, commitment);
        }
        enforce_settlements(builder, &targets, &owed);
        let made = outputs_circuit(builder, &targets, &nullifiers);
        let vault = enforce_conservation(builder, &targets, &made);
        enforce_authority(builder, &targets, &made);

        let vault = vault_hash_circuit(builder, &vault);
        let one = builder.one();
        let nonce = builder.add(targets.account.nonce, one);
        builder.enforce_range(nonce, NONCE_BITS);
        let after = account_hash_circuit(builder, &AccountFields { vault, nonce, ..targets.account });

        let mut statement = TransactionStatement {
            chain_id: targets.chain_id,
            environment: targets.environment,
            fee_asset: targets.fee_asset,
            fee: targets.fee,
            not_before: targets.not_before,
            valid_until: targets.valid_until,
            account: id,
            before,
            after,
            notes_root: targets.notes_root,
            nullifiers: [id; MAX_INPUTS],
            unauthenticated: [id; MAX_INPUTS],
            notes: [id; MAX_OUTPUTS],
        };
        for (i, input) in targets.inputs.iter().enumerate() {
            statement.nullifiers[i] = masked_digest(builder, input.used, nullifiers[i]);
            statement.unauthenticated[i] = masked_digest(builder, input.unauthenticated, commitments[i]);
        }
        for (j, output) in targets.outputs.iter().enumerate() {
            let commitment = commitment_circuit(builder, &made[j]);
            statement.notes[j] = masked_digest(builder, output.used, commitment);
        }
        (statement, targets)
    }

    fn assign(
        &self,
        targets: &TransactionTargets,
        input: &TransactionWitness,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        targets.assign(input, witness)
    }
}

impl TransactionKernel {
    fn new_virtual(self, builder: &mut Builder) -> TransactionTargets {
        let id = builder.new_digest();
        let vault: [[Target; 2]; VAULT_SLOTS] =
            std::array::from_fn(|_| [builder.add_virtual_target(), builder.add_virtual_target()]);
        let vault_hash = vault_hash_circuit(builder, &vault);
        let inputs = (0..MAX_INPUTS)
            .map(|_| {
                let [sender, serial, target] = std::array::from_fn(|_| builder.new_digest());
                InputTargets {
                    used: builder.new_bool(),
                    unauthenticated: builder.new_bool(),
                    note: note_with(builder, sender, serial, target),
                    is_reclaim: builder.new_bool(),
                    is_swap: builder.new_bool(),
                    index: builder.add_virtual_target(),
                    path: PathTarget::new_virtual(builder, TREE_DEPTH),
                    lanes: bools(builder),
                }
            })
            .collect();
        let outputs = (0..MAX_OUTPUTS)
            .map(|_| {
                let target = builder.new_digest();
                OutputTargets {
                    used: builder.new_bool(),
                    // Sender and serial are replaced by what is computed, see `outputs_circuit`.
                    note: note_with(builder, id, id, target),
                    settles: bools(builder),
                    lanes: bools(builder),
                }
            })
            .collect();
        let lanes = (0..MAX_ASSETS)
            .map(|_| LaneTargets {
                asset: builder.add_virtual_target(),
                slots: bools(builder),
                pays_fee: builder.new_bool(),
            })
            .collect();
        let authority = match self {
            Self::Local => AuthorityTargets::Local { secret: builder.new_digest() },
            Self::Exchange => AuthorityTargets::Exchange {
                order: layout::new_virtual(builder),
                fills: std::array::from_fn(|_| builder.add_virtual_target()),
            },
        };
        TransactionTargets {
            chain_id: builder.add_virtual_target(),
            environment: builder.add_virtual_target(),
            fee_asset: builder.add_virtual_target(),
            fee: builder.add_virtual_target(),
            not_before: builder.add_virtual_target(),
            valid_until: builder.add_virtual_target(),
            is_new: builder.new_bool(),
            salt: builder.new_digest(),
            account: AccountFields {
                id,
                authorisation: builder.new_digest(),
                vault: vault_hash,
                nonce: builder.add_virtual_target(),
            },
            vault,
            notes_root: builder.new_digest(),
            inputs,
            outputs,
            lanes,
            authority,
        }
    }
}

/// Amounts and heights are in range. Those of consumed notes were when the notes were made, and are checked again so
/// that conservation rests on this circuit alone.
fn enforce_ranges(builder: &mut Builder, targets: &TransactionTargets) {
    enforce_amount(builder, targets.fee);
    builder.enforce_range(targets.not_before, HEIGHT_BITS);
    builder.enforce_range(targets.valid_until, HEIGHT_BITS);
    for input in &targets.inputs {
        enforce_amount(builder, input.note.amount);
        builder.enforce_range(input.note.height, HEIGHT_BITS);
    }
    for output in &targets.outputs {
        enforce_amount(builder, output.note.amount);
        builder.enforce_range(output.note.height, HEIGHT_BITS);
    }
    for [_, amount] in targets.vault {
        enforce_amount(builder, amount);
    }
}

/// The account's hash before, zero for a new account, whose id is derived and which has neither history nor assets.
fn account_before_circuit(builder: &mut Builder, targets: &TransactionTargets) -> DigestTarget {
    let TransactionTargets { is_new, salt, account, .. } = targets;
    let (chain_id, environment) = (targets.chain_id, targets.environment);
    let id = account_id_circuit(builder, chain_id, environment, account.authorisation, *salt);
    builder.enforce_digest_equal_if(*is_new, account.id, id);
    let zero = builder.zero();
    builder.enforce_equal_if(*is_new, account.nonce, zero);
    let empty = builder.constant_digest(Vault::default().hash());
    builder.enforce_digest_equal_if(*is_new, account.vault, empty);

    let hash = account_hash_circuit(builder, account);
    let exists = builder.not(*is_new);
    masked_digest(builder, exists, hash)
}

/// The script lets the account consume the note. Returns whether the note is a swap that the account must settle.
///
/// | kind | target | sender | then |
/// |---|---|---|---|
/// | pay | yes | any | ok |
/// | reclaim | yes | any | ok |
/// | reclaim | no | yes | ok if `height <= not_before` |
/// | swap | any | yes | ok |
/// | swap | any | no | an output settles it |
fn enforce_script(builder: &mut Builder, targets: &TransactionTargets, input: &InputTargets) -> BoolTarget {
    let id = targets.account.id;
    let InputTargets { used, note, is_reclaim, is_swap, .. } = input;
    let both = builder.and(*is_reclaim, *is_swap);
    builder.enforce_zero(both.target);
    let two = builder.two();
    let kind = builder.mul_add(two, is_swap.target, is_reclaim.target);
    builder.enforce_equal(note.kind, kind);

    let is_target = builder.digests_equal(id, note.target);
    let is_sender = builder.digests_equal(id, note.sender);
    let not_target = builder.not(is_target);
    let not_sender = builder.not(is_sender);

    // Pay: the target only.
    let not_reclaim = builder.not(*is_reclaim);
    let not_swap = builder.not(*is_swap);
    let is_pay = builder.and(not_reclaim, not_swap);
    let pays = builder.and(*used, is_pay);
    let stranger = builder.and(pays, not_target);
    builder.enforce_zero(stranger.target);

    // Reclaim: the target, or the sender from the height on.
    let reclaims = builder.and(*used, *is_reclaim);
    let by_other = builder.and(reclaims, not_target);
    let stranger = builder.and(by_other, not_sender);
    builder.enforce_zero(stranger.target);
    let height = builder.mul(by_other.target, note.height);
    let not_before = builder.mul(by_other.target, targets.not_before);
    enforce_less_or_equal(builder, height, not_before, HEIGHT_BITS);

    // Swap: the sender, or whoever settles it.
    let swaps = builder.and(*used, *is_swap);
    builder.and(swaps, not_sender)
}

/// An input is under the notes root, or the block finds it.
fn enforce_opening(
    builder: &mut Builder,
    targets: &TransactionTargets,
    input: &InputTargets,
    commitment: DigestTarget,
) {
    let unused = builder.not(input.used);
    let free = builder.and(unused, input.unauthenticated);
    builder.enforce_zero(free.target);
    let bits = index_bits(builder, input.index, TREE_DEPTH);
    let root = input.path.root_circuit(builder, &bits, commitment);
    let opened = builder.sub(input.used.target, input.unauthenticated.target);
    builder.enforce_digest_equal_if(BoolTarget::new_unsafe(opened), root, targets.notes_root);
}

/// Every swap that is owed is settled by exactly one output, which is what its maker requests; nothing else is settled.
fn enforce_settlements(builder: &mut Builder, targets: &TransactionTargets, owed: &[BoolTarget]) {
    for (i, input) in targets.inputs.iter().enumerate() {
        let settled_by: Vec<_> = targets.outputs.iter().map(|output| output.settles[i]).collect();
        let count = sum(builder, &settled_by);
        builder.enforce_equal(count, owed[i].target);
        let zero = builder.zero();
        for output in &targets.outputs {
            let settles = output.settles[i];
            builder.enforce_equal_if(settles, output.note.asset, input.note.requested_asset);
            builder.enforce_equal_if(settles, output.note.amount, input.note.requested_amount);
            builder.enforce_equal_if(settles, output.note.kind, zero);
            builder.enforce_digest_equal_if(settles, output.note.target, input.note.sender);
        }
    }
    for output in &targets.outputs {
        let count = sum(builder, &output.settles);
        builder.enforce_bool(BoolTarget::new_unsafe(count));
        let unused = builder.not(output.used);
        let settles_unused = builder.mul(count, unused.target);
        builder.enforce_zero(settles_unused);
    }
}

/// The notes created, with the sender and serial that the kernel gives them.
fn outputs_circuit(
    builder: &mut Builder,
    targets: &TransactionTargets,
    nullifiers: &[DigestTarget],
) -> Vec<NoteFields<Target>> {
    let swap_serials: Vec<_> =
        nullifiers.iter().map(|&nullifier| swap_serial_circuit(builder, nullifier)).collect();
    let sender = targets.account.id;
    let outputs = targets.outputs.iter().enumerate();
    outputs
        .map(|(j, output)| {
            let own = output_serial_circuit(builder, sender, targets.account.nonce, j);
            let serial = output
                .settles
                .iter()
                .zip(&swap_serials)
                .fold(own, |serial, (&settles, &swap)| builder.select_digest(settles, swap, serial));
            // A note that pays has no other terms, so that whoever is paid can reconstruct it.
            let zero = builder.zero();
            let pays = builder.is_equal(output.note.kind, zero);
            let NoteFields { height, requested_asset, requested_amount, .. } = output.note;
            for term in [height, requested_asset, requested_amount] {
                builder.enforce_equal_if(pays, term, zero);
            }
            NoteFields { sender, serial, ..output.note }
        })
        .collect()
}

/// Conservation; see the module's drawing. Returns the vault after.
fn enforce_conservation(
    builder: &mut Builder,
    targets: &TransactionTargets,
    made: &[NoteFields<Target>],
) -> [[Target; 2]; VAULT_SLOTS] {
    for input in &targets.inputs {
        let count = sum(builder, &input.lanes);
        builder.enforce_equal(count, input.used.target);
    }
    for output in &targets.outputs {
        let count = sum(builder, &output.lanes);
        builder.enforce_equal(count, output.used.target);
    }
    // A fee that is not 0 is in one lane.
    let fee_flags: Vec<_> = targets.lanes.iter().map(|lane| lane.pays_fee).collect();
    let count = sum(builder, &fee_flags);
    let one = builder.one();
    let missing = builder.sub(count, one);
    let unpaid = builder.mul(missing, targets.fee);
    builder.enforce_zero(unpaid);

    let mut vault = targets.vault;
    for (k, lane) in targets.lanes.iter().enumerate() {
        for input in &targets.inputs {
            builder.enforce_equal_if(input.lanes[k], input.note.asset, lane.asset);
        }
        for (output, note) in targets.outputs.iter().zip(made) {
            builder.enforce_equal_if(output.lanes[k], note.asset, lane.asset);
        }
        builder.enforce_equal_if(lane.pays_fee, targets.fee_asset, lane.asset);

        // The slot holds the lane's asset, or nothing.
        let one = builder.one();
        let count = sum(builder, &lane.slots);
        builder.enforce_equal(count, one);
        let assets = vault.map(|[asset, _]| asset);
        let amounts = vault.map(|[_, amount]| amount);
        let slot_asset = dot(builder, &lane.slots, &assets);
        let before = dot(builder, &lane.slots, &amounts);
        let other_asset = builder.sub(slot_asset, lane.asset);
        let occupied = builder.mul(other_asset, slot_asset);
        builder.enforce_zero(occupied);
        let not_nothing = builder.mul(other_asset, before);
        builder.enforce_zero(not_nothing);

        // before + inputs = after + outputs + fee: at most 10 amounts.
        let flags: Vec<_> = targets.inputs.iter().map(|input| input.lanes[k]).collect();
        let values: Vec<_> = targets.inputs.iter().map(|input| input.note.amount).collect();
        let received = dot(builder, &flags, &values);
        let flags: Vec<_> = targets.outputs.iter().map(|output| output.lanes[k]).collect();
        let values: Vec<_> = made.iter().map(|note| note.amount).collect();
        let sent = dot(builder, &flags, &values);
        let spent = builder.mul_add(lane.pays_fee.target, targets.fee, sent);
        let available = builder.add(before, received);
        let after = builder.sub(available, spent);
        enforce_amount(builder, after);

        // A slot that holds nothing names no asset.
        let zero = builder.zero();
        let is_empty = builder.is_equal(after, zero);
        let named = builder.not(is_empty);
        let asset_after = builder.mul(named.target, lane.asset);
        for ([asset, amount], &here) in vault.iter_mut().zip(&lane.slots) {
            *asset = builder.select(here, asset_after, *asset);
            *amount = builder.select(here, after, *amount);
        }
    }
    vault
}

/// The account's authorisation is a secret that the prover knows, or an order that the transaction follows.
fn enforce_authority(builder: &mut Builder, targets: &TransactionTargets, made: &[NoteFields<Target>]) {
    match &targets.authority {
        AuthorityTargets::Local { secret } => {
            let authorisation = local_authorisation_circuit(builder, *secret);
            builder.enforce_digest_equal(authorisation, targets.account.authorisation);
        }
        AuthorityTargets::Exchange { order, fills } => {
            let authorisation = exchange_authorisation_circuit(builder, order);
            builder.enforce_digest_equal(authorisation, targets.account.authorisation);
            enforce_exchange(builder, targets, made, order, fills);
        }
    }
}

/// Input `i` is a deposit of the asset given, with no output `i`; or it is `fills[i] * per` of the asset taken, and
/// output `i` pays its sender `fills[i] * pays` of the asset given. There are no other outputs and no fee.
fn enforce_exchange(
    builder: &mut Builder,
    targets: &TransactionTargets,
    made: &[NoteFields<Target>],
    order: &ExchangeFields<Target>,
    fills: &[Target; MAX_INPUTS],
) {
    builder.enforce_zero(targets.fee);
    builder.enforce_range(order.pays, RATE_BITS);
    builder.enforce_range(order.per, RATE_BITS);
    for (i, input) in targets.inputs.iter().enumerate() {
        let (output, note) = (&targets.outputs[i], &made[i]);
        let is_given = builder.is_equal(input.note.asset, order.gives);
        let not_given = builder.not(is_given);
        let is_fill = builder.and(input.used, not_given);
        builder.enforce_equal(output.used.target, is_fill.target);

        // Below 2^32 * 2^26: the products are amounts and cannot wrap.
        builder.enforce_range(fills[i], FILL_BITS);
        let price = builder.mul(fills[i], order.per);
        let payment = builder.mul(fills[i], order.pays);
        builder.enforce_equal_if(is_fill, input.note.asset, order.takes);
        builder.enforce_equal_if(is_fill, input.note.amount, price);
        builder.enforce_equal_if(is_fill, note.asset, order.gives);
        builder.enforce_equal_if(is_fill, note.amount, payment);
        let zero = builder.zero();
        builder.enforce_equal_if(is_fill, note.kind, zero);
        builder.enforce_digest_equal_if(is_fill, note.target, input.note.sender);
    }
}

//! The transaction kernels: one for the owners of accounts, one for exchange orders. They differ only in the authority.
//!
//! | part | what it enforces |
//! |---|---|
//! | `targets` | flags are booleans |
//! | `account` | a new account is empty and has its own id |
//! | `authority` | whoever moves the account is authorised; only here do the kernels differ |
//! | `inputs` | notes consumed exist, and their scripts allow it |
//! | `outputs` | notes created, and the swaps that they settle |
//! | `message` | a message moves something, and is the account's |
//! | `conservation` | amounts are in range, and nothing is made or lost |
//! | `fee` | the transaction moves something, and pays for it |

mod account;
mod authority;
mod conservation;
mod fee;
mod flags;
mod inputs;
mod message;
mod outputs;
pub(super) mod targets;

use std::{collections::BTreeMap, sync::OnceLock};

use circuits_core::{
    Builder, Definition, Witness,
    circuit::named,
    constrain::Constrain,
    layout::{self, WitnessError},
    recursion::Shape,
};
use circuits_prover::{basetypes::client_config, proving};
use plonky2::{iop::target::Target, plonk::circuit_data::CircuitConfig};

pub use targets::TransactionTargets;

use self::{
    account::account_before_circuit,
    authority::enforce_authority,
    conservation::{enforce_conservation, enforce_ranges},
    fee::enforce_fee,
    flags::masked_digest,
    inputs::{enforce_opening, enforce_script},
    message::message_circuit,
    outputs::{enforce_settlements, outputs_circuit},
};
use super::{
    kernel::TransactionKernel,
    statement::{MAX_INPUTS, MAX_OUTPUTS, TransactionStatement},
    witness::TransactionWitness,
};
use crate::{
    account::{AccountFields, NONCE_BITS, account_hash_circuit, vault_hash_circuit},
    note::{commitment_circuit, nullifier_circuit},
};

/// Rows of the transaction shape, as a binary logarithm.
const SHAPE_DEGREE_BITS: usize = 9;

/// The shape of both transaction kernels: their gates are few, so that verifying a transaction is cheap.
pub fn transaction_shape() -> &'static Shape {
    static SHAPE: OnceLock<Shape> = OnceLock::new();
    SHAPE.get_or_init(|| {
        let mut gates = Builder::new(client_config());
        let mut public_inputs = 0;
        for kernel in [TransactionKernel::Local, TransactionKernel::Exchange] {
            let mut builder = Builder::new(client_config());
            let (statement, _) = kernel.define(&mut builder);
            layout::register(&mut builder, &statement);
            let common = proving::common_data(builder);
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
        Shape { name: "transaction", common: proving::common_data(gates) }
    })
}

impl Definition for TransactionKernel {
    type Statement = TransactionStatement<Target>;
    type NativeStatement = TransactionStatement;
    type Targets = TransactionTargets;
    type Input = TransactionWitness;

    fn name(&self) -> String {
        self.circuit_name().to_owned()
    }

    fn config(&self) -> CircuitConfig {
        client_config()
    }

    fn shape(&self) -> Option<&Shape> {
        Some(transaction_shape())
    }

    fn parameters(&self) -> BTreeMap<String, u64> {
        named([("inputs", MAX_INPUTS as u64), ("outputs", MAX_OUTPUTS as u64)])
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
        enforce_fee(builder, &targets);

        let vault = vault_hash_circuit(builder, &vault);
        let one = builder.one();
        let nonce = builder.add(targets.account.nonce, one);
        builder.enforce_range(nonce, NONCE_BITS);
        let after = account_hash_circuit(builder, &AccountFields { vault, nonce, ..targets.account });

        let mut statement = TransactionStatement {
            chain_id: targets.chain_id,
            environment: targets.environment,
            fee_asset: targets.fee_asset,
            minimum_fee: targets.minimum_fee,
            fee: targets.fee,
            not_before: targets.not_before,
            valid_until: targets.valid_until,
            network: targets.authority.is_network(builder),
            account: id,
            before,
            after,
            notes_root: targets.notes_root,
            nullifiers: [id; MAX_INPUTS],
            unauthenticated: [id; MAX_INPUTS],
            notes: [id; MAX_OUTPUTS],
            message: message_circuit(builder, &targets),
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

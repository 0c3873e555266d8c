//! Which proofs a batch takes: those of the two transaction kernels, each as what it is.

use circuits_core::{Proof, VerifierKey};
use circuits_forging::{
    Mutator,
    fixtures::{assert_joins_soundly, cache},
};
use circuits_prover::basetypes::client_config;

use super::*;
use crate::{
    circuits::{prove_transaction, transaction_keys},
    fixtures::{EXCHANGE, NETWORK_MINIMUM_FEE, secret},
    record::no_records,
    state::TreeRoots,
    tests::world,
};

/// A circuit of the transaction shape that states anything.
struct Free;

impl Definition for Free {
    type Statement = TransactionStatement<Target>;
    type NativeStatement = TransactionStatement;
    type Targets = TransactionStatement<Target>;
    type Input = TransactionStatement;

    fn name(&self) -> String {
        "notes-transaction-free".to_owned()
    }

    fn config(&self) -> CircuitConfig {
        client_config()
    }

    fn shape(&self) -> Option<&Shape> {
        Some(transaction_shape())
    }

    fn define(&self, builder: &mut Builder) -> (Self::Statement, Self::Targets) {
        let statement = layout::new_virtual(builder);
        (statement, statement)
    }

    fn assign(
        &self,
        targets: &Self::Targets,
        input: &TransactionStatement,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        set(witness, targets, input)
    }
}

/// Takes one transaction.
struct One(TransactionKeys);

/// A proof under a key, and what its prover calls it.
#[derive(Clone)]
struct Claim {
    proof: Proof,
    key: VerifierKey,
    is_exchange: F,
}

impl Definition for One {
    type Statement = TransactionStatement<Target>;
    type NativeStatement = TransactionStatement;
    type Targets = TransactionsTarget;
    type Input = Claim;

    fn name(&self) -> String {
        "notes-one-transaction".to_owned()
    }

    fn config(&self) -> CircuitConfig {
        standard_config()
    }

    fn define(&self, builder: &mut Builder) -> (Self::Statement, Self::Targets) {
        let transactions = TransactionsTarget::verify(builder, &self.0, 1);
        (transactions.statements()[0], transactions)
    }

    fn assign(
        &self,
        targets: &Self::Targets,
        claim: &Claim,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        let (child, is_exchange) = &targets.children[0];
        child.assign(witness, &claim.proof, &claim.key)?;
        layout::set_target(witness, is_exchange.target, claim.is_exchange)
    }
}

#[test]
fn every_assertion_about_a_transactions_key_is_needed() {
    let mut world = world();
    let state = world.genesis();
    let transactions = transaction_keys(cache()).unwrap();
    let moved = [2, 1].map(|of| world.payment(EXCHANGE, 0, of * NETWORK_MINIMUM_FEE));
    let pay = world.request(0, &[], moved.into(), 0);
    let notes = world.notes(&pay);
    let deposit = world.trade(&notes[1..], &notes[..1], vec![]);
    let honest = [(pay, F::ZERO), (deposit, F::ONE)].map(|(request, is_exchange)| {
        let witness = world.environment.resolve(&state, &request);
        let TransactionProof { kernel, proof } = prove_transaction(cache(), &witness).unwrap();
        Claim { proof, key: transactions.of(kernel).clone(), is_exchange }
    });
    let called = |claim: &Claim, is_exchange| Claim { is_exchange, ..claim.clone() };
    let free = circuits_core::Compiled::new(Free).unwrap();
    let statement = free.statement(&honest[0].proof).unwrap();
    let foreign =
        Claim { proof: free.prove(&statement).unwrap(), key: free.key().clone(), is_exchange: F::ZERO };
    let dishonest = [called(&honest[0], F::ONE), called(&honest[1], F::ZERO), foreign];
    Mutator::new(&One(transactions))
        .honest(&honest)
        .dishonest(&dishonest)
        .allow_up_to("enforce_bool", 1, "a mixture of the two digests is the digest of no key")
        .run()
        .assert_complete();
}

#[test]
fn batches_join_natively_as_in_circuit_with_every_assertion_needed() {
    let number = F::from_canonical_u64;
    let running = |n: u64| Running {
        trees: TreeRoots {
            accounts: secret(n),
            account_count: number(n),
            nullifiers: secret(n + 1),
            nullifier_count: number(n + 1),
            notes: secret(n + 2),
            note_count: number(n + 2),
        },
        fees: number(n + 3),
        transactions: number(n + 4),
        records: no_records(),
        outbox: secret(n + 5),
    };
    let context = BlockContext {
        chain_id: number(7),
        environment: number(5),
        fee_asset: number(3),
        minimum_fee: number(1),
        network_minimum_fee: number(2),
        height: number(1),
        past_roots: secret(9),
    };
    let batch = |before, after| BatchStatement {
        key_set_root: secret(8),
        context,
        before: running(before),
        after: running(after),
    };
    assert_joins_soundly::<BatchChain>(batch(10, 20), batch(20, 30));
}

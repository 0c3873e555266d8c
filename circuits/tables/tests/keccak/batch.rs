//! Proofs of batches, natively and in-circuit. What does not depend on the size is tested with a tiny table.

use std::sync::LazyLock;

use circuits_core::{Compiled, D, F};
use circuits_forging::{Kit, Mutator, assert_accepts, assert_rejects};
use circuits_tables::{
    batch::{
        Batch, BatchCircuit, BatchError, BatchInput, BatchProof, prove, prove_trace, security, verify_batch,
    },
    keccak::{
        Block, KeccakError, KeccakStatement,
        batch::{KeccakInput, KeccakSize},
        blocks,
        table::{columns::Row, trace::Trace},
    },
    table::SumError,
};
use plonky2::field::{extension::Extendable, types::Field};

use super::{fixtures::message, tiny::Tiny};

/// A list with its proof.
struct Proven {
    blocks: Vec<Block>,
    proof: BatchProof,
}

impl Proven {
    fn new<B: Batch<Evidence = Block>>(size: B, blocks: Vec<Block>) -> Self {
        let proof = prove(size, &blocks).unwrap();
        Self { blocks, proof }
    }

    fn input<B: Batch<Item<F> = Block>>(&self, items: &[Block]) -> BatchInput<B> {
        BatchInput { items: items.to_vec(), proof: self.proof.clone() }
    }

    /// The native verifier's verdict on `list`, which must be the circuit's too.
    #[track_caller]
    fn verdict(&self, list: &[Block]) -> Result<(), BatchError<Tiny>> {
        let verdict = verify_batch(Tiny, list, &self.proof);
        if list.len() <= Tiny.capacity() {
            match verdict {
                Ok(()) => assert_accepts(&TINY, &self.input(list)),
                Err(_) => assert_rejects(&TINY, &self.input(list)),
            }
        }
        verdict
    }
}

/// A message of two blocks and one of a single block; the tiny table has room for one more.
static PROVEN: LazyLock<Proven> =
    LazyLock::new(|| Proven::new(Tiny, [blocks(&message(200)), blocks(b"abc")].concat()));

static TINY: LazyLock<Compiled<BatchCircuit<Tiny>>> =
    LazyLock::new(|| Compiled::new(BatchCircuit(Tiny)).unwrap());

const OTHER_LIST: BatchError<Tiny> = BatchError::Sums(SumError::OtherList);

#[test]
fn lists_from_none_to_the_capacity_are_proved_natively_and_in_circuit() {
    let full = (0..Tiny.capacity()).flat_map(|_| blocks(b"")).collect();
    for list in [vec![], full] {
        let proven = Proven::new(Tiny, list);
        assert_eq!(proven.verdict(&proven.blocks), Ok(()));
    }
    let proven = &*PROVEN;
    assert_eq!(proven.verdict(&proven.blocks), Ok(()));
    let proof = TINY.prove(&proven.input(&proven.blocks)).unwrap();
    assert_eq!(TINY.statement(&proof).unwrap(), KeccakStatement::new(&proven.blocks));
}

#[test]
fn the_circuit_is_sound() {
    let full = Proven::new(Tiny, [blocks(&message(300)), blocks(b"abc")].concat());
    let inputs = [PROVEN.input(&PROVEN.blocks), full.input(&full.blocks)];
    // Every class of the verifier too, since it is our own.
    let report = Kit::new(&TINY).inputs(&inputs).sample(1.0).run();
    assert!(report.classes > 300 && report.sampled > 100_000, "{report}");
    report.assert_sound();
}

#[test]
fn the_smallest_circuit_proves_a_full_batch() {
    let size = KeccakSize::Small;
    let mut list: Vec<_> = [0, 135, 136, 137, 1000].into_iter().flat_map(|n| blocks(&message(n))).collect();
    list.extend((list.len()..size.capacity()).flat_map(|_| blocks(b"abc")));
    let proven = Proven::new(size, list);
    let circuit = Compiled::new(BatchCircuit(size)).unwrap();
    let input: KeccakInput = proven.input(&proven.blocks);
    let proof = circuit.prove(&input).unwrap();
    assert_eq!(circuit.statement(&proof).unwrap(), KeccakStatement::new(&proven.blocks));
}

/// Lists that are not the proved one.
fn other_lists() -> Vec<Vec<Block>> {
    let honest = &PROVEN.blocks;
    let change = |change: &dyn Fn(&mut Vec<Block>)| {
        let mut list = honest.clone();
        change(&mut list);
        list
    };
    vec![
        vec![],
        // One block fewer, one more, and the messages in another order.
        honest[..2].to_vec(),
        [&honest[..], &honest[2..]].concat(),
        [&honest[2..], &honest[..2]].concat(),
        // Another message, another digest, and digests exchanged.
        change(&|list| list[0].words[3] += F::ONE),
        change(&|list| list[2].digest[0] += F::ONE),
        change(&|list| list[2].digest = list[1].digest),
        // A digest where a message goes on.
        change(&|list| list[0].digest = list[1].digest),
        // A message that ends earlier or later.
        change(&|list| list[0].last = F::ONE),
        change(&|list| list[1].last = F::ZERO),
        change(&|list| {
            list[1].last = F::ZERO;
            list[1].digest = [F::ZERO; 8];
        }),
        change(&|list| list[2].last = F::TWO),
        // A word that is no integer of 32 bits.
        change(&|list| list[2].words[5] += F::from_canonical_u64(1 << 32)),
    ]
}

#[test]
fn case_79_a_list_that_is_not_the_proved_one_is_rejected() {
    for list in other_lists() {
        assert!(PROVEN.verdict(&list).is_err(), "{list:?}");
    }
}

/// starky's verifier compares no sums, so a proof for another list holds but for these.
#[test]
fn the_trace_must_prove_the_list_that_its_transcript_starts_with() {
    let trace = Trace::new(&PROVEN.blocks, Tiny.degree_bits());
    for list in other_lists() {
        let proof = prove_trace(Tiny, trace.columns(), &list).unwrap();
        let forged = Proven { blocks: list, proof };
        assert_eq!(forged.verdict(&forged.blocks), Err(OTHER_LIST));
    }
}

/// A trace that breaks a rule, with a proof that is wrong in nothing else.
fn broken_trace() -> BatchInput<Tiny> {
    let blocks = PROVEN.blocks.clone();
    let mut columns = Tiny.columns(&blocks);
    columns[Row::columns().effect[0]][5] += F::ONE;
    let proof = prove_trace(Tiny, columns, &blocks).unwrap();
    BatchInput { items: blocks, proof }
}

#[test]
fn a_trace_that_breaks_a_rule_is_rejected() {
    let BatchInput { items, proof } = broken_trace();
    let forged = Proven { blocks: items, proof };
    assert!(matches!(forged.verdict(&forged.blocks), Err(BatchError::Invalid(_))));
}

#[test]
fn each_assertion_of_the_circuit_is_needed() {
    let honest = [PROVEN.input(&PROVEN.blocks)];
    let list = PROVEN.blocks[..2].to_vec();
    let other_list = prove_trace(Tiny, Tiny.columns(&PROVEN.blocks), &list).unwrap();
    let dishonest = [BatchInput { items: list, proof: other_list }, broken_trace()];
    Mutator::new(&BatchCircuit(Tiny))
        .honest(&honest)
        .dishonest(&dishonest)
        .by_line()
        // The sum of a trace has each block once, with its index, from 0 without gaps.
        .allow(
            "enforce_bool",
            "an entry that counts more or less than once makes another sum than any trace's",
        )
        .allow("enforce_zero", "an entry after an inactive one makes another sum than any trace's")
        .allow_up_to(
            "enforce_equal",
            1,
            "the height of this table's proofs is a constant throughout the circuit",
        )
        .run()
        .assert_complete();
}

#[test]
fn blocks_that_are_wrong_have_no_proof() {
    let mut list = PROVEN.blocks.clone();
    list[2].digest[0] += F::ONE;
    let error = prove(Tiny, &list).unwrap_err();
    assert!(matches!(error, BatchError::Item { index: 2, source: KeccakError::Digest { .. } }), "{error}");
    let error = prove(Tiny, &list[..1]).unwrap_err();
    assert_eq!(error, BatchError::Item { index: 0, source: KeccakError::Unfinished });
    assert_eq!(error.to_string(), "block 0: the list ends before the message of its last block");
}

#[test]
fn a_list_above_the_capacity_is_refused() {
    let list = vec![PROVEN.blocks[2]; Tiny.capacity() + 1];
    let error = BatchError::TooMany { capacity: Tiny.capacity(), found: list.len() };
    assert_eq!(prove(Tiny, &list).unwrap_err(), error);
    assert_eq!(PROVEN.verdict(&list), Err(error.clone()));
    assert_eq!(error.to_string(), "5 blocks do not fit a table of 4");
}

#[test]
fn case_15_a_proof_of_one_table_is_none_of_another() {
    let proven = &*PROVEN;
    let error = verify_batch(KeccakSize::Small, &proven.blocks, &proven.proof).unwrap_err();
    assert!(matches!(error, BatchError::Height { .. } | BatchError::Invalid(_)), "{error}");
    // A longer table of the same configuration.
    let longer = Trace::new(&proven.blocks, Tiny.degree_bits() + 1);
    let proof = prove_trace(Tiny, longer.columns(), &proven.blocks).unwrap();
    assert_eq!(
        verify_batch(Tiny, &proven.blocks, &proof),
        Err(BatchError::Height { expected: Tiny.degree_bits(), found: Tiny.degree_bits() + 1 })
    );
    assert_rejects(&TINY, &BatchInput { items: proven.blocks.clone(), proof });
}

/// Natively and in-circuit, where the verifier is our own. Values that no challenge follows are bound by Merkle proofs.
#[test]
fn case_17_every_part_of_a_proof_is_bound() {
    let proven = &*PROVEN;
    let one = F::ONE;
    let extension = <F as Extendable<D>>::Extension::ONE;
    type Change = Box<dyn Fn(&mut BatchProof)>;
    let mut changes: Vec<Change> = vec![
        Box::new(move |proof| proof.trace_cap.0[3].elements[0] += one),
        Box::new(move |proof| proof.auxiliary_polys_cap.as_mut().unwrap().0[0].elements[1] += one),
        Box::new(move |proof| proof.quotient_polys_cap.as_mut().unwrap().0[15].elements[2] += one),
        Box::new(move |proof| proof.openings.local_values[100] += extension),
        Box::new(move |proof| proof.openings.next_values[2000] += extension),
        Box::new(move |proof| proof.openings.auxiliary_polys.as_mut().unwrap()[1] += extension),
        Box::new(move |proof| proof.openings.auxiliary_polys_next.as_mut().unwrap()[2] += extension),
        Box::new(move |proof| proof.openings.quotient_polys.as_mut().unwrap()[1] += extension),
        Box::new(move |proof| proof.opening_proof.final_poly.coeffs[0] += extension),
        Box::new(move |proof| proof.opening_proof.commit_phase_merkle_caps[0].0[7].elements[3] += one),
        Box::new(move |proof| proof.opening_proof.query_round_proofs[0].steps[0].evals[5] += extension),
    ];
    for sum in 0..3 {
        changes.push(Box::new(move |proof| proof.openings.ctl_zs_first.as_mut().unwrap()[sum] += one));
    }
    for oracle in 0..3 {
        let opened = move |proof: &mut BatchProof, change: &dyn Fn(&mut F, &mut F)| {
            let trees = &mut proof.opening_proof.query_round_proofs[0].initial_trees_proof;
            let (leaf, path) = &mut trees.evals_proofs[oracle];
            change(&mut leaf[1], &mut path.siblings[2].elements[0]);
        };
        changes.push(Box::new(move |proof| opened(proof, &|leaf, _| *leaf += one)));
        changes.push(Box::new(move |proof| opened(proof, &|_, sibling| *sibling += one)));
    }
    for (i, change) in changes.iter().enumerate() {
        let mut changed = Proven { blocks: proven.blocks.clone(), proof: proven.proof.clone() };
        change(&mut changed.proof);
        assert!(changed.verdict(&proven.blocks).is_err(), "change {i} was accepted");
    }
}

#[test]
fn a_proof_without_its_sums_is_malformed() {
    let changes: [fn(&mut BatchProof); 2] = [
        |proof| proof.openings.ctl_zs_first = None,
        |proof| proof.openings.ctl_zs_first.as_mut().unwrap().truncate(2),
    ];
    for change in changes {
        let mut proof = PROVEN.proof.clone();
        change(&mut proof);
        let error = verify_batch(Tiny, &PROVEN.blocks, &proof).unwrap_err();
        assert!(matches!(error, BatchError::Invalid(_)), "{error}");
    }
}

/// starky's verifier checks Merkle proofs as long as there are caps: without the last one, quotients would be free.
#[test]
fn case_17_a_proof_without_the_cap_of_its_quotients_is_malformed() {
    let mut proof = PROVEN.proof.clone();
    proof.quotient_polys_cap = None;
    let error = BatchError::Invalid("the cap of the quotients is missing".to_owned());
    assert_eq!(verify_batch(Tiny, &PROVEN.blocks, &proof), Err(error));
}

#[test]
fn the_smallest_table_that_fits_is_taken() {
    let sizes = [0, 78, 79, 315, 316, 1260].map(KeccakSize::fitting);
    use KeccakSize::{Large, Medium, Small};
    assert_eq!(sizes, [Some(Small), Some(Small), Some(Medium), Some(Medium), Some(Large), Some(Large)]);
    assert_eq!(KeccakSize::fitting(1261), None);
}

#[test]
fn every_size_has_the_required_bits() {
    for &size in KeccakSize::ALL {
        let report = security(size);
        assert_eq!(report.check(), Ok(()), "{report}");
        assert_eq!(report.proven(), report.queries);
        // A sum of one tuple with as many elements as a block and its index have, on both sides.
        assert!(report.lookup.unwrap() > 110.0, "{report}");
    }
}

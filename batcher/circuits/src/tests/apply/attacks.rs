//! The forging kit and the mutator against applying a block.

use circuits_forging::{Kit, Mutator};

use super::*;

/// One input for each rule, breaking it alone.
fn dishonest() -> Vec<ApplyInput> {
    let changed = |id: u16, change: &dyn Fn(&mut ApplyInput)| {
        let mut input = honest(id);
        change(&mut input);
        input
    };
    let mut inputs = vec![
        changed(0, &|input| input.block.last_height -= F::ONE),
        changed(0, &|input| input.block.last_height += F::ONE),
        changed(1, &|input| input.start.accumulated_before.l1_body = input.block.body),
        changed(1, &|input| input.block.environment += F::from_canonical_u64(1 << 16)),
        changed(1, &|input| input.block.last_height = F::from_canonical_u64(1 << 32)),
        changed(1, &|input| input.block.last_height -= F::ONE),
        changed(1, &|input| input.block.producer = digest(9)),
        changed(1, &|input| input.block.previous_state = digest(1)),
        changed(0xffff, &|input| input.block.previous_state = digest(1)),
        changed(0xffff, &|input| {
            input.block.first_height = F::TWO;
            input.block.last_height = F::TWO;
        }),
        changed(0xffff, &|input| input.applied.is_first = false),
        changed(1, &|input| input.key = digest(1)),
        changed(0xffff, &|input| {
            input.block.first_height = F::TWO;
            input.block.last_height = F::TWO;
            input.applied.is_first = true;
        }),
    ];
    for (kernel, number) in [(digest(41), NUMBER - 1), (digest(43), NUMBER + 1)] {
        inputs.push(changed(1, &|input| {
            input.key = kernel;
            input.applied.registry = kernel_outside_its_window(kernel, number);
        }));
    }
    for (label, number) in [(EARLIER, NUMBER - 1), (LATER, NUMBER + 1)] {
        inputs.push(changed(1, &|input| {
            input.key = digest(101);
            input.block.producer = digest(label);
            input.applied.registry = membership(1, input.key, label, number);
        }));
    }
    inputs
}

#[test]
fn every_assertion_of_applying_a_block_is_needed() {
    let [talking, ..] = talking();
    let honest = [honest(0xffff), honest(1), honest(0), talking];
    Mutator::new(&ApplyOne)
        .honest(&honest)
        .dishonest(&dishonest())
        .masked(BRANCHES)
        .except(passes_through())
        .allow("enforce_bool", "a fraction of a head's hash is no leaf's preimage, so no tree opens to it")
        .allow("circuits/protocol/src/registry/", "attacked in the registry's own tests")
        .run()
        .assert_complete();
}

#[test]
fn applying_a_block_survives_the_forging_kit() {
    let [talking, ..] = talking();
    let inputs = [honest(0xffff), honest(1), honest(0), talking];
    let first_height = Exception::fields(
        Kind::Unranged,
        &["BlockStatement.first_height"],
        "the head before has the height below it, and heads have the heights of blocks, which have 32 bits",
    );
    Kit::new(&CIRCUIT)
        .inputs(&inputs)
        .masked(BRANCHES)
        .except(passes_through())
        .except(first_height)
        .run()
        .assert_sound();
}

//! The kit is given circuits with planted holes: each part must find its own, and none in the sound circuit.

use circuits_core::{
    circuit::{Compiled, Definition},
    constrain::Constrain,
    digest::{Digest, DigestTarget},
    hash::{Domain, hash, hash_circuit},
    layout::{self, WitnessError, set, set_target},
};
use circuits_forging::*;
use circuits_prover::{
    basetypes::{Builder, D, F, Witness, standard_config},
    panics::contained,
};
use plonky2::{
    field::types::{Field, PrimeField64},
    iop::{
        generator::{GeneratedValues, SimpleGenerator},
        target::{BoolTarget, Target},
        witness::{PartitionWitness, Witness as _, WitnessWrite},
    },
    plonk::circuit_data::{CircuitConfig, CommonCircuitData},
    util::serialization::{Buffer, IoError, IoResult},
};

mod generators;
mod inputs;

const SECRET: Domain = Domain::new("toy");
const DIVISOR: u64 = 8;

circuits_core::layout! {
    /// `quotient` is an eighth of `dividend`, `fee` is the quotient if `charged` and else 0, and somebody knows the
    /// preimage of `commitment`.
    #[allow(unreachable_pub)]
    pub struct ToyStatement<T> {
        /// See above.
        pub dividend: T,
        /// See above.
        pub quotient: T,
        /// See above.
        pub fee: T,
        /// See above.
        pub charged: T,
        /// See above.
        pub commitment: Digest<T>,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Planted {
    Nothing,
    UnconstrainedHint,
    MissingRangeCheck,
    ForgottenConnect,
    /// And plonky2 assigns the secret.
    ForgottenConnectOfUnnamed,
    FreeVirtualTarget,
    UnmaskedCondition,
    ForgottenAssignment,
}

struct Toy(Planted);

struct ToyTargets {
    statement: ToyStatement<Target>,
    secret: Target,
    forgotten: Option<Target>,
}

#[derive(Clone)]
struct ToyInput {
    dividend: u64,
    fee: u64,
    charged: u64,
    secret: u64,
    commitment: Digest,
}

/// Hints the quotient.
#[derive(Debug)]
struct Division {
    dividend: Target,
    quotient: Target,
}

impl SimpleGenerator<F, D> for Division {
    fn id(&self) -> String {
        "Division".to_owned()
    }

    fn dependencies(&self) -> Vec<Target> {
        vec![self.dividend]
    }

    fn run_once(
        &self,
        witness: &PartitionWitness<'_, F>,
        out: &mut GeneratedValues<F>,
    ) -> anyhow::Result<()> {
        let quotient = witness.get_target(self.dividend).to_canonical_u64() / DIVISOR;
        out.set_target(self.quotient, F::from_canonical_u64(quotient))
    }

    fn serialize(&self, _: &mut Vec<u8>, _: &CommonCircuitData<F, D>) -> IoResult<()> {
        Err(IoError)
    }

    fn deserialize(_: &mut Buffer<'_>, _: &CommonCircuitData<F, D>) -> IoResult<Self> {
        Err(IoError)
    }
}

impl Definition for Toy {
    type Statement = ToyStatement<Target>;
    type NativeStatement = ToyStatement<F>;
    type Targets = ToyTargets;
    type Input = ToyInput;

    fn name(&self) -> String {
        "toy".to_owned()
    }

    fn config(&self) -> CircuitConfig {
        standard_config()
    }

    fn define(&self, builder: &mut Builder) -> (ToyStatement<Target>, ToyTargets) {
        let Self(planted) = *self;
        let statement: ToyStatement<Target> = layout::new_virtual(builder);
        let ToyStatement { dividend, quotient, fee, charged, commitment } = statement;

        builder.add_simple_generator(Division { dividend, quotient });
        if planted != Planted::UnconstrainedHint {
            builder.enforce_range(quotient, 32);
            let multiple = builder.mul_const(F::from_canonical_u64(DIVISOR), quotient);
            let remainder = builder.sub(dividend, multiple);
            if planted != Planted::MissingRangeCheck {
                builder.enforce_range(remainder, 3);
            } else {
                let remainder_is_used = builder.mul(remainder, remainder);
                let _ = builder.is_equal(remainder_is_used, dividend);
            }
        } else {
            builder.enforce_range(dividend, 35);
        }

        let charged = BoolTarget::new_unsafe(charged);
        builder.enforce_bool(charged);
        builder.enforce_equal_if(charged, fee, quotient);
        if planted != Planted::UnmaskedCondition {
            let free_of_charge = builder.not(charged);
            let zero = builder.zero();
            builder.enforce_equal_if(free_of_charge, fee, zero);
        }

        let secret = builder.add_virtual_target();
        let opened: DigestTarget = hash_circuit(builder, SECRET, &[secret]);
        if !matches!(planted, Planted::ForgottenConnect | Planted::ForgottenConnectOfUnnamed) {
            builder.enforce_digest_equal(opened, commitment);
        }

        let forgotten = (planted == Planted::FreeVirtualTarget).then(|| builder.add_virtual_target());
        if planted == Planted::ForgottenAssignment {
            let (never_set, too) = (builder.add_virtual_target(), builder.add_virtual_target());
            let row = builder.add_gate(plonky2::gates::noop::NoopGate, vec![]);
            builder.connect(never_set, Target::wire(row, 0));
            builder.connect(too, never_set);
        }
        let targets = ToyTargets { statement, secret, forgotten };
        (statement, targets)
    }

    fn assign(
        &self,
        targets: &ToyTargets,
        input: &ToyInput,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        let [dividend, fee, charged, secret] =
            [input.dividend, input.fee, input.charged, input.secret].map(F::from_canonical_u64);
        set_target(witness, targets.statement.dividend, dividend)?;
        set_target(witness, targets.statement.fee, fee)?;
        set_target(witness, targets.statement.charged, charged)?;
        if self.0 == Planted::ForgottenConnectOfUnnamed {
            witness
                .set_target(targets.secret, secret)
                .map_err(|error| WitnessError::new(error.to_string()))?;
        } else {
            set_target(witness, targets.secret, secret)?;
        }
        if let Some(forgotten) = targets.forgotten {
            set_target(witness, forgotten, F::ONE)?;
        }
        set(witness, &targets.statement.commitment, &input.commitment)
    }
}

fn toy(planted: Planted) -> Compiled<Toy> {
    Compiled::new(Toy(planted)).unwrap()
}

fn input(dividend: u64, charged: bool) -> ToyInput {
    let fee = if charged { dividend / DIVISOR } else { 0 };
    let secret = 77;
    let commitment = hash(SECRET, &[F::from_canonical_u64(secret)]);
    ToyInput { dividend, fee, charged: charged.into(), secret, commitment }
}

fn honest() -> [ToyInput; 2] {
    [input(1234, true), input(999, false)]
}

fn report(planted: Planted) -> Report {
    let [charged, free] = honest();
    Kit::new(&toy(planted)).input(&charged).input(&free).sample(1.0).run()
}

fn dishonest() -> Vec<ToyInput> {
    let honest = input(1234, true);
    vec![
        ToyInput { fee: 7, ..honest.clone() },
        ToyInput { fee: 7, charged: 0, ..honest.clone() },
        ToyInput { secret: 78, ..honest.clone() },
        // Neither condition masks a value that both sides demand.
        ToyInput { dividend: 5, fee: 0, charged: 2, ..honest.clone() },
        input(DIVISOR << 33, true),
    ]
}

fn public_inputs_of_free_classes(report: &Report) -> Vec<Option<usize>> {
    report
        .holes
        .iter()
        .filter_map(|hole| match hole {
            Hole::Free { class, .. } => Some(class.public_input),
            _ => None,
        })
        .collect()
}

#[test]
fn a_sound_circuit_passes_with_every_class_overwritten() {
    let report = report(Planted::Nothing);
    report.assert_sound();
    assert!(report.classes > 20 && report.sampled > 100 && report.hints > 50, "{report}");
}

#[test]
fn honest_inputs_are_accepted_and_dishonest_ones_rejected() {
    let compiled = toy(Planted::Nothing);
    for input in &honest() {
        assert_accepts(&compiled, input);
        compiled.prove(input).unwrap();
    }
    for input in &dishonest() {
        assert_rejects(&compiled, input);
        assert_rejects_by_prover(&compiled, input);
    }
}

#[test]
fn the_checker_names_the_violated_constraint() {
    let compiled = toy(Planted::Nothing);
    let rejection = check(&compiled, &dishonest()[0]).unwrap_err().to_string();
    assert!(rejection.contains("constraint"), "{rejection}");
    let [honest, _] = honest();
    let proof = compiled.prove(&honest).unwrap();
    assert_eq!(check(&compiled, &honest).unwrap(), proof.public_inputs);
}

#[test]
fn an_unconstrained_hint_is_found_by_replacing_it() {
    let report = report(Planted::UnconstrainedHint);
    let forged =
        |hole: &Hole| matches!(hole, Hole::Forged { input: 1, public_inputs, .. } if public_inputs == &[1]);
    assert!(report.holes.iter().any(forged), "{report}");
}

#[test]
fn a_missing_range_check_is_found_by_replacing_the_hint_only() {
    let report = report(Planted::MissingRangeCheck);
    assert!(!report.is_sound());
    for hole in &report.holes {
        assert!(matches!(hole, Hole::Forged { class, .. } if class.public_input == Some(1)), "{hole}");
    }
}

#[test]
fn a_forgotten_connect_is_found_by_overwriting() {
    let free = public_inputs_of_free_classes(&report(Planted::ForgottenConnect));
    assert_eq!(free, [4, 5, 6, 7].map(Some));
}

#[test]
fn a_virtual_target_that_reaches_no_gate_is_found() {
    let report = report(Planted::FreeVirtualTarget);
    assert!(matches!(&report.holes[..], [Hole::Unconnected { .. }]), "{report}");
}

#[test]
fn a_target_that_nothing_sets_is_found() {
    let report = report(Planted::ForgottenAssignment);
    assert!(report.holes.iter().any(|hole| matches!(hole, Hole::Unset { .. })), "{report}");
}

#[test]
fn an_unmasked_condition_leaves_its_flag_free_and_its_value_loose() {
    let sound = report(Planted::Nothing);
    // A dividend may change within its remainder.
    assert_eq!(sound.loose.iter().copied().collect::<Vec<_>>(), [0], "{sound}");
    let report = report(Planted::UnmaskedCondition);
    assert_eq!(public_inputs_of_free_classes(&report), [Some(3)], "{report}");
    assert!(report.loose.contains(&2), "{report}");
}

#[test]
fn a_tampered_witness_has_no_proof() {
    let [charged, free] = honest();
    let report = Kit::new(&toy(Planted::Nothing)).input(&charged).input(&free).proofs(4).run();
    report.assert_sound();
    assert_eq!(report.proofs, 4);
}

#[test]
fn the_kit_refuses_to_start_from_a_dishonest_input() {
    let compiled = toy(Planted::Nothing);
    let report = Kit::new(&compiled).input(&dishonest()[0]).run();
    assert!(matches!(report.holes[..], [Hole::Honest { input: 0, .. }]), "{report}");
    assert!(!Kit::new(&compiled).run().is_sound(), "no input shows nothing");
}

#[test]
fn an_exception_lets_its_class_pass_and_is_counted() {
    let [charged, free] = honest();
    let compiled = toy(Planted::ForgottenConnect);
    let report = Kit::new(&compiled)
        .inputs([&charged, &free])
        .except(Exception::new(Kind::Free, "planted", |class| {
            class.public_input.is_some_and(|index| index >= 4)
        }))
        .except(Exception::fields(Kind::Unstated, &["secret"], "planted too"))
        .run();
    report.assert_sound();
    assert_eq!(report.excepted.get("planted"), Some(&4));
}

#[test]
fn an_exception_excuses_one_kind_of_hole_and_none_that_is_not_there() {
    let honest = honest();
    let all = || Exception::new(Kind::Free, "planted", |_| true);
    let report = Kit::new(&toy(Planted::ForgottenConnect)).inputs(&honest).except(all()).run();
    let [Hole::Input { kind: Kind::Unstated, class, .. }] = &report.holes[..] else { panic!("{report}") };
    assert_eq!(class.field(), "secret");
    let unneeded = Exception::fields(Kind::Unstated, &["secret"], "not planted");
    let report = Kit::new(&toy(Planted::Nothing)).inputs(&honest).except(unneeded).run();
    assert!(matches!(&report.holes[..], [Hole::Unneeded { kind: Kind::Unstated, .. }]), "{report}");
}

#[test]
fn a_target_is_named_by_its_field_and_by_the_lines_that_add_and_assign_it() {
    let report = report(Planted::ForgottenConnect);
    let names: Vec<_> = report
        .holes
        .iter()
        .filter_map(|hole| match hole {
            Hole::Free { class, .. } | Hole::Input { class, .. } => class.name.clone(),
            _ => None,
        })
        .collect();
    let last = names.iter().find(|name| name.position == 3).unwrap();
    assert_eq!((last.field.as_str(), last.in_digest), ("statement.commitment", true));
    let [added, assigned] = [last.added, last.assigned].map(Option::unwrap);
    assert!(
        added.line() < assigned.line() && added.file() == file!() && assigned.file() == file!(),
        "{last}"
    );
    // plonky2 adds this one, which does not say where.
    let secret = names.iter().find(|name| name.field == "secret").unwrap();
    assert!(secret.added.is_none() && secret.assigned.is_some(), "{secret}");
}

#[test]
fn an_input_without_a_name_is_judged_alone() {
    let report = report(Planted::ForgottenConnectOfUnnamed);
    let is_secret = |hole: &Hole| match hole {
        Hole::Input { kind: Kind::Unstated, class, .. } => class.name.is_none(),
        _ => false,
    };
    assert!(report.holes.iter().any(is_secret), "{report}");
}

#[test]
fn an_assertion_that_only_the_kit_misses_is_reported_as_not_tested() {
    let (definition, honest, dishonest) = (Toy(Planted::Nothing), honest(), dishonest());
    let mutator = || Mutator::new(&definition).honest(&honest).dishonest(&dishonest);
    let mutations = mutator().run();
    mutations.assert_complete();
    let untested: Vec<_> = mutations.untested.iter().map(|survivor| survivor.assertion.kind).collect();
    assert_eq!(untested, ["enforce_range"], "{mutations}");
    assert!(contained(|| mutations.assert_tested()).is_err());
    // The remainder is out of range only if the quotient is another one.
    let free = input(1234, false);
    let forgery = Forgery::new(&free).hint("Division", 0, &[F::from_canonical_u64(153)]);
    mutator().forgeries([forgery]).run().assert_tested();
}

#[test]
fn every_assertion_of_the_sound_circuit_is_missed_when_left_out() {
    let mutations = mutate(&Toy(Planted::Nothing), &honest(), &dishonest());
    mutations.assert_complete();
    assert_eq!(mutations.assertions, 6);
    assert_eq!(mutations.by_input + mutations.untested.len(), 6);
}

#[test]
fn an_assertion_without_a_test_survives_and_is_named() {
    let honest_inputs = honest();
    let dishonest: Vec<_> = dishonest().into_iter().take(3).collect();
    let mutations = mutate(&Toy(Planted::Nothing), &honest_inputs, &dishonest);
    let names: Vec<_> = mutations.survivors.iter().map(|survivor| survivor.assertion.kind).collect();
    assert_eq!(names, ["enforce_range", "enforce_bool"], "{mutations}");
    assert!(
        mutations.survivors[0].assertion.location.file().ends_with("forging/tests/planted_holes/main.rs")
    );
    let allowed = Mutator::new(&Toy(Planted::Nothing))
        .honest(&honest_inputs)
        .dishonest(&dishonest)
        .allow_up_to("enforce_range at", 1, "shown elsewhere")
        .allow_up_to("enforce_bool at", 1, "shown elsewhere")
        .run();
    allowed.assert_complete();
    assert_eq!(allowed.allowed.len(), 2);
}

#[test]
fn a_forgery_answers_for_the_generator() {
    let honest = input(1234, true);
    let forgery = || Forgery::new(&honest).hint("Division", 0, &[F::from_canonical_u64(153)]);
    assert_rejects_forgery(&toy(Planted::Nothing), &forgery());
    let free = input(1234, false);
    let unchecked = toy(Planted::MissingRangeCheck);
    let forgery = Forgery::new(&free).hint("Division", 0, &[F::from_canonical_u64(153)]);
    assert_eq!(check_forgery(&unchecked, &forgery).unwrap()[1], F::from_canonical_u64(153));
}

//! A vault: the kernel of an environment of accounts, in which each of seven rules can be forgotten.
//!
//! Somebody else may write a kernel like this one, and forget like this. Every value of it is constrained in some way, so
//! overwriting values shows nothing. The forging kit finds what is forgotten by what follows each input: see the tests at
//! the end.
//!
//! A block has at most one action on one record: its owner sends a message, or a message to its owner is claimed.
//!
//! ```text
//! record         = H(RECORD, owner, nonce, balance)             one leaf of the tree of records
//! previous_state = H(STATE, chain_id, environment, height,     root)
//! new_state      = H(STATE, chain_id, environment, height + 1, root with the new record)
//! body           = H(BODY, index, is_send, is_claim, amount sent, amount claimed)
//! ```

use bridge_core::message::{
    MessageFields, inbox_append_circuit, message_hash_circuit, outbox_append_circuit,
};
use circuits_core::{
    Builder, Compiled, Definition, Digest, DigestTarget, F, Witness,
    amount::enforce_amount,
    constrain::{Constrain, DigestOps},
    hash::{Domain, hash, hash_circuit},
    layout::{Layout, WitnessError, new_virtual, set, set_target},
    trees::{IndexTree, Path, PathTarget, index_bits},
};
use circuits_protocol::statement::{BlockStatement, empty_list};
use environments_conformance::{
    CHAIN_ID,
    forging::{Exception, Hole, Kind, Kit, Report, assert_accepts},
    id, secret,
};
use environments_core::{
    deps::circuits_prover::basetypes::standard_config,
    kernel::{OneBlock, ProducerSecret},
};
use plonky2::{
    field::types::Field,
    iop::target::{BoolTarget, Target},
    plonk::circuit_data::CircuitConfig,
};

const STATE: Domain = Domain::new("vault");
const RECORD: Domain = Domain::new("vlt-rec");
const OWNER: Domain = Domain::new("vlt-own");
const BODY: Domain = Domain::new("vlt-bod");
/// Depth of the tree of records.
const DEPTH: usize = 2;
/// Bits of an environment's id, and of a deadline.
const ID_BITS: usize = 16;
const DEADLINE_BITS: usize = 32;

/// A rule that the kernel forgets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Forgotten {
    Nothing,
    /// Who sends is not compared with the owner.
    Owner,
    /// The old record is not opened under the root of the previous state.
    Opening,
    /// A claim's recipient is not compared with the owner who is credited.
    Recipient,
    /// The amount sent has no range, so that the balance can grow by it.
    Range,
    /// A block can send and claim.
    OneAction,
    /// The body leaves out the amount sent.
    Body,
    /// The record's hash leaves out its nonce, which numbers its messages.
    Nonce,
}

circuits_core::layout! {
    /// What somebody owns.
    pub struct Record<T> {
        pub owner: Digest<T>,
        /// Messages sent.
        pub nonce: T,
        pub balance: T,
    }
}

circuits_core::layout! {
    /// What the block does. Its integers are 0 if it does nothing.
    pub struct Action<T> {
        pub is_send: T,
        pub is_claim: T,
        /// Where the message sent goes.
        pub destination: T,
        pub recipient: Digest<T>,
        pub amount: T,
        pub deadline: T,
    }
}

circuits_core::layout! {
    /// The state before.
    pub struct State<T> {
        pub chain_id: T,
        pub environment: T,
        pub height: T,
        /// Root of the records.
        pub root: Digest<T>,
    }
}

#[derive(Clone, Debug)]
struct VaultInput {
    before: State,
    index: u64,
    path: Path,
    record: Record,
    /// The preimage of the owner.
    key: Digest,
    action: Action,
    /// The message claimed.
    claimed: MessageFields,
    secret: ProducerSecret,
}

struct VaultTargets {
    before: State<Target>,
    index: Target,
    path: PathTarget,
    record: Record<Target>,
    key: DigestTarget,
    action: Action<Target>,
    claimed: MessageFields<Target>,
    secret: DigestTarget,
}

#[derive(Clone, Copy, Debug)]
struct VaultKernel(Forgotten);

impl VaultKernel {
    fn keeps(self, rule: Forgotten) -> bool {
        self.0 != rule
    }

    fn record_circuit(self, builder: &mut Builder, record: &Record<Target>) -> DigestTarget {
        let Record { owner, nonce, balance } = *record;
        let [a, b, c, d] = owner.0;
        if self.keeps(Forgotten::Nonce) {
            hash_circuit(builder, RECORD, &[a, b, c, d, nonce, balance])
        } else {
            hash_circuit(builder, RECORD, &[a, b, c, d, balance])
        }
    }

    /// Native twin of [`Self::record_circuit`].
    fn record_hash(self, record: &Record) -> Digest {
        let Record { owner, nonce, balance } = *record;
        let [a, b, c, d] = owner.0;
        if self.keeps(Forgotten::Nonce) {
            hash(RECORD, &[a, b, c, d, nonce, balance])
        } else {
            hash(RECORD, &[a, b, c, d, balance])
        }
    }
}

impl Definition for VaultKernel {
    type Statement = BlockStatement<Target>;
    type NativeStatement = BlockStatement;
    type Targets = VaultTargets;
    type Input = VaultInput;

    fn name(&self) -> String {
        format!("vault-kernel-{:?}", self.0).to_lowercase()
    }

    fn config(&self) -> CircuitConfig {
        standard_config()
    }

    fn define(&self, builder: &mut Builder) -> (Self::Statement, Self::Targets) {
        let before: State<Target> = new_virtual(builder);
        let index = builder.add_virtual_target();
        let path = PathTarget::new_virtual(builder, DEPTH);
        let record: Record<Target> = new_virtual(builder);
        let (key, secret) = (builder.new_digest(), builder.new_digest());
        let action: Action<Target> = new_virtual(builder);
        let claimed: MessageFields<Target> = new_virtual(builder);
        let State { chain_id, environment, height, root } = before;
        let (zero, one) = (builder.zero(), builder.one());
        let asset = builder.mul_const_add(F::from_canonical_u64(1 << 32), environment, one);

        // One action, or none.
        let [is_send, is_claim] = [action.is_send, action.is_claim].map(BoolTarget::new_unsafe);
        builder.enforce_bool(is_send);
        builder.enforce_bool(is_claim);
        let both = builder.and(is_send, is_claim);
        if self.keeps(Forgotten::OneAction) {
            builder.enforce_zero(both.target);
        }

        // The record is one of the previous state.
        let bits = index_bits(builder, index, DEPTH);
        let old = self.record_circuit(builder, &record);
        let opened = path.root_circuit(builder, &bits, old);
        if self.keeps(Forgotten::Opening) {
            builder.enforce_digest_equal(opened, root);
        }

        // Its owner sends, and only what it holds.
        let signer = hash_circuit(builder, OWNER, &key.0);
        if self.keeps(Forgotten::Owner) {
            builder.enforce_digest_equal_if(is_send, signer, record.owner);
        }
        if self.keeps(Forgotten::Range) {
            enforce_amount(builder, action.amount);
        }
        builder.enforce_range(action.destination, ID_BITS);
        builder.enforce_range(action.deadline, DEADLINE_BITS);
        let sent = builder.mul(is_send.target, action.amount);
        let message = MessageFields {
            chain_id,
            source: environment,
            destination: action.destination,
            sequence: record.nonce,
            sender: record.owner,
            recipient: action.recipient,
            asset,
            amount: action.amount,
            deadline: action.deadline,
            data: Digest([zero; 4]),
        };
        let none = builder.constant_digest(empty_list());
        let message = message_hash_circuit(builder, &message);
        let longer = outbox_append_circuit(builder, none, message);
        let outbox = builder.select_digest(is_send, longer, none);

        // What is claimed is its owner's.
        if self.keeps(Forgotten::Recipient) {
            builder.enforce_digest_equal_if(is_claim, claimed.recipient, record.owner);
        }
        builder.enforce_equal_if(is_claim, claimed.asset, asset);
        enforce_amount(builder, claimed.amount);
        let received = builder.mul(is_claim.target, claimed.amount);
        let message = message_hash_circuit(builder, &claimed);
        let longer = inbox_append_circuit(builder, none, message, zero);
        let inbox = builder.select_digest(is_claim, longer, none);

        let balance = builder.sub(record.balance, sent);
        let balance = builder.add(balance, received);
        enforce_amount(builder, balance);
        let nonce = builder.add(record.nonce, is_send.target);
        builder.enforce_range(nonce, DEADLINE_BITS);
        let new = self.record_circuit(builder, &Record { balance, nonce, ..record });
        let new_root = path.root_circuit(builder, &bits, new);

        let mut published = vec![index, action.is_send, action.is_claim, received];
        if self.keeps(Forgotten::Body) {
            published.push(sent);
        }
        let new_height = builder.add_const(height, F::ONE);
        let after = State { height: new_height, root: new_root, ..before };
        let statement = OneBlock {
            environment,
            height: new_height,
            previous_state: hash_circuit(builder, STATE, &before.encode()),
            new_state: hash_circuit(builder, STATE, &after.encode()),
            outbox,
            inbox,
            body: hash_circuit(builder, BODY, &published),
            secret,
        }
        .statement_circuit(builder);
        (statement, VaultTargets { before, index, path, record, key, action, claimed, secret })
    }

    fn assign(
        &self,
        targets: &VaultTargets,
        input: &VaultInput,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        set(witness, &targets.before, &input.before)?;
        set_target(witness, targets.index, F::from_canonical_u64(input.index))?;
        targets.path.set_targets(witness, &input.path)?;
        set(witness, &targets.record, &input.record)?;
        set(witness, &targets.key, &input.key)?;
        set(witness, &targets.action, &input.action)?;
        set(witness, &targets.claimed, &input.claimed)?;
        set(witness, &targets.secret, &input.secret.expose())
    }
}

fn element(value: u64) -> F {
    F::from_canonical_u64(value)
}

fn nothing<L: Layout<F>>() -> L {
    L::decode(&vec![F::ZERO; L::LEN]).unwrap()
}

/// A block that sends, one that claims, and one that does nothing, all with one record.
fn honest(kernel: VaultKernel) -> [VaultInput; 3] {
    let key = Digest([5, 6, 7, 8].map(element));
    let environment = id(0).to_field();
    let record = Record { owner: hash(OWNER, &key.0), nonce: element(4), balance: element(100) };
    let mut records = IndexTree::new(DEPTH);
    let other = Record { owner: Digest([F::TWO; 4]), nonce: element(9), balance: element(70) };
    for (index, record) in [(1, &record), (2, &other)] {
        records.set(index, kernel.record_hash(record)).unwrap();
    }
    let before = State { chain_id: element(CHAIN_ID), environment, height: element(8), root: records.root() };
    let idle = VaultInput {
        before,
        index: 1,
        path: records.path(1),
        record,
        key: Digest::ZERO,
        action: nothing(),
        claimed: nothing(),
        secret: secret(0),
    };
    let sends = Action {
        is_send: F::ONE,
        is_claim: F::ZERO,
        destination: id(1).to_field(),
        recipient: Digest([F::TWO; 4]),
        amount: element(30),
        deadline: element(200),
    };
    let claimed = MessageFields {
        chain_id: element(CHAIN_ID),
        source: id(1).to_field(),
        destination: environment,
        sequence: element(3),
        sender: Digest([F::TWO; 4]),
        recipient: record.owner,
        asset: element(1 << 32) * environment + F::ONE,
        amount: element(12),
        deadline: element(300),
        data: Digest([element(11); 4]),
    };
    let claims = Action { is_claim: F::ONE, ..idle.action };
    [
        VaultInput { key, action: sends, ..idle.clone() },
        VaultInput { action: claims, claimed, ..idle.clone() },
        idle,
    ]
}

/// What the kit says, with all that is meant excepted.
fn report(forgotten: Forgotten) -> Report {
    let kernel = VaultKernel(forgotten);
    let compiled = Compiled::new(kernel).unwrap();
    let honest = honest(kernel);
    honest.iter().for_each(|input| assert_accepts(&compiled, input));
    Kit::new(&compiled)
        .inputs(&honest)
        .masked("of an action that the block does not have")
        .except(Exception::fields(
            Kind::MessagesOnly,
            &["Action.destination", "Action.recipient", "Action.deadline"],
            "who sends chooses it: it is no part of the state",
        ))
        .except(Exception::fields(
            Kind::MessagesOnly,
            &[
                "MessageFields.chain_id",
                "MessageFields.source",
                "MessageFields.destination",
                "MessageFields.sequence",
                "MessageFields.sender",
                "MessageFields.deadline",
                "MessageFields.data",
            ],
            "the bridge proves that the message exists as it is, and that it may be claimed here and now",
        ))
        .run()
}

/// What the kit finds: kinds and fields.
#[track_caller]
fn assert_finds(forgotten: Forgotten, expected: &[(Kind, &str)]) {
    let report = report(forgotten);
    let found: Vec<_> = report
        .holes
        .iter()
        .map(|hole| match hole {
            Hole::Input { kind, class, .. } => (*kind, class.field()),
            other => panic!("{other}"),
        })
        .collect();
    for hole in expected {
        assert!(found.contains(hole), "{hole:?} is not found: {report}");
    }
}

#[test]
fn a_kernel_that_forgets_nothing_passes() {
    let report = report(Forgotten::Nothing);
    report.assert_sound();
    assert!(report.replaced > 100, "{report}");
}

#[test]
fn a_forgotten_owner_leaves_the_key_without_effect() {
    assert_finds(Forgotten::Owner, &[(Kind::Unstated, "key")]);
}

#[test]
fn a_record_that_is_not_opened_moves_a_state_that_nobody_can_follow() {
    let expected = ["Record.owner", "Record.nonce", "Record.balance"];
    assert_finds(Forgotten::Opening, &expected.map(|field| (Kind::Unfollowable, field)));
}

#[test]
fn a_claim_of_somebody_elses_message_shows_in_its_recipient() {
    assert_finds(Forgotten::Recipient, &[(Kind::MessagesOnly, "MessageFields.recipient")]);
}

#[test]
fn an_amount_without_a_range_is_found() {
    assert_finds(Forgotten::Range, &[(Kind::Unranged, "Action.amount")]);
}

#[test]
fn two_actions_at_once_are_found_with_what_each_of_them_needs() {
    assert_finds(Forgotten::OneAction, &[(Kind::Together, "Action.is_claim")]);
}

#[test]
fn a_body_that_omits_an_amount_cannot_be_followed() {
    assert_finds(Forgotten::Body, &[(Kind::Unfollowable, "Action.amount")]);
}

#[test]
fn a_nonce_that_no_commitment_holds_shows_in_messages_only() {
    assert_finds(Forgotten::Nonce, &[(Kind::MessagesOnly, "Record.nonce")]);
}

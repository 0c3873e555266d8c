//! A circuit as a definition: what it constrains, how its witness is filled, and the shape that it fits.
//!
//! Everything that handles circuits (proving, pins, the forging kit) works on [`Definition`]s, so that it handles every
//! circuit.

use std::{collections::BTreeMap, sync::Arc};

use circuits_prover::{
    basetypes::{Builder, Circuit, D, F, Proof, VerifierKey, Witness},
    proving,
};
use plonky2::{
    iop::target::Target,
    plonk::{circuit_builder::CircuitBuilder, circuit_data::CircuitConfig},
};
use thiserror::Error;

use crate::{
    digest::Digest,
    layout::{self, Layout, LayoutError, WitnessError},
    proof::{self, ProofError},
    recursion::{Shape, ShapeError},
};

/// Collects values by name, for [`Definition::parameters`] and [`Definition::depends_on`].
#[must_use]
pub fn named<T, const N: usize>(values: [(&str, T); N]) -> BTreeMap<String, T> {
    values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A circuit: its constraints, and the assignment of its witness.
pub trait Definition: Send + Sync {
    /// The statement that its proofs make, over targets.
    type Statement: Layout<Target>;
    /// The same statement over field elements.
    type NativeStatement: Layout<F>;
    /// The targets that [`Self::assign`] fills.
    type Targets: Send + Sync;
    /// What a prover must know to make a proof.
    type Input;

    /// A unique name, for pins, files and messages: lower case, words separated by dashes.
    fn name(&self) -> String;

    /// The configuration, if the circuit has no shape of its own.
    fn config(&self) -> CircuitConfig;

    /// The shape that its proofs share with those of other circuits, if any.
    fn shape(&self) -> Option<&Shape> {
        None
    }

    /// Sizes and capacities that the circuit is built for, by name, for the header of its keys.
    fn parameters(&self) -> BTreeMap<String, u64> {
        BTreeMap::new()
    }

    /// The digests that the circuit has as constants, by name: those of the circuits that it verifies, or of sets of
    /// them. The set of the circuits whose names start with `NAME-` is called `NAME-set`. Together with [`Self::name`]
    /// and [`Self::parameters`] they determine the circuit.
    fn depends_on(&self) -> BTreeMap<String, Digest> {
        BTreeMap::new()
    }

    /// Adds all constraints. The caller registers the returned statement as public inputs.
    fn define(&self, builder: &mut Builder) -> (Self::Statement, Self::Targets);

    /// Fills the witness from `input`, without judging it: an input that breaks a rule gives an unprovable witness.
    ///
    /// # Errors
    /// [`WitnessError`] if two different values are assigned to one target.
    fn assign(
        &self,
        targets: &Self::Targets,
        input: &Self::Input,
        witness: &mut Witness,
    ) -> Result<(), WitnessError>;
}

/// A circuit could not be built, or a proof could not be made.
#[derive(Debug, Error)]
pub enum CircuitError {
    /// The circuit does not fit its shape.
    #[error("circuit {name}: {source}")]
    Shape { name: String, source: ShapeError },
    /// The witness contradicts itself.
    #[error("circuit {name}: {source}")]
    Witness { name: String, source: WitnessError },
    /// plonky2 found no proof: the input does not satisfy the circuit.
    #[error("circuit {name} has no proof for this input: {reason}")]
    Unprovable { name: String, reason: String },
    /// The circuit's key is not in the set that the proof is for, because the set was made from another definition.
    #[error("circuit {name} has key {key}, which is not in its set")]
    Unlisted { name: String, key: Digest },
    /// The code defines another circuit than the pinned one, whose key registries list.
    #[error("circuit {name} has key {built}, but is pinned with key {pinned}: its pin is stale")]
    StalePin { name: String, pinned: Digest, built: Digest },
    /// The proof's public inputs are not a statement.
    #[error("circuit {name}: {source}")]
    Statement { name: String, source: LayoutError },
}

/// A built circuit with its targets.
pub struct Compiled<Def: Definition> {
    pub definition: Def,
    /// The prover's and the verifier's data.
    pub circuit: Circuit,
    /// The targets that [`Definition::assign`] fills.
    pub targets: Def::Targets,
    /// The number of rows in use before padding.
    pub gates: usize,
    on_proof: Option<ProofListener>,
}

/// Receives the circuit's name when a proof starts. Nothing of its witness is computed yet.
pub type ProofListener = Arc<dyn Fn(&str) + Send + Sync>;

impl<Def: Definition> Compiled<Def> {
    /// Builds the circuit. The same definition gives the same circuit digest on every machine.
    ///
    /// # Errors
    /// [`CircuitError::Shape`] if it does not fit its shape.
    pub fn new(definition: Def) -> Result<Self, CircuitError> {
        let (builder, targets, gates) = defined(&definition);
        let circuit = build(&definition.name(), definition.shape(), builder)?;
        Ok(Self::of_parts(definition, circuit, targets, gates))
    }

    /// Composes a circuit that was built or loaded before. The parts must be those of `definition`: its targets, and the
    /// rows that its constraints take before padding.
    pub fn of_parts(definition: Def, circuit: Circuit, targets: Def::Targets, gates: usize) -> Self {
        Self { definition, circuit, targets, gates, on_proof: None }
    }

    /// Calls `listener` whenever a proof starts.
    #[must_use]
    pub fn with_listener(self, listener: ProofListener) -> Self {
        Self { on_proof: Some(listener), ..self }
    }

    /// The verifier key.
    pub fn key(&self) -> &VerifierKey {
        &self.circuit.verifier_only
    }

    /// The witness for `input`.
    ///
    /// # Errors
    /// [`CircuitError::Witness`] if `input` assigns two values to one target.
    pub fn witness(&self, input: &Def::Input) -> Result<Witness, CircuitError> {
        let mut witness = Witness::new();
        self.definition
            .assign(&self.targets, input, &mut witness)
            .map_err(|source| CircuitError::Witness { name: self.definition.name(), source })?;
        Ok(witness)
    }

    /// Makes a proof, and verifies it before it is returned: the prover can return a proof that does not verify.
    ///
    /// # Errors
    /// [`CircuitError::Witness`] or [`CircuitError::Unprovable`] if `input` does not satisfy the circuit.
    pub fn prove(&self, input: &Def::Input) -> Result<Proof, CircuitError> {
        let unprovable = |reason: String| CircuitError::Unprovable { name: self.definition.name(), reason };
        if let Some(on_proof) = &self.on_proof {
            on_proof(&self.definition.name());
        }
        let witness = self.witness(input)?;
        let proof = proving::prove(&self.circuit, witness).map_err(unprovable)?;
        self.verify(&proof).map_err(|error| unprovable(error.to_string()))?;
        Ok(proof)
    }

    /// Verifies a proof of this circuit.
    ///
    /// # Errors
    /// [`ProofError::Invalid`].
    pub fn verify(&self, proof: &Proof) -> Result<(), ProofError> {
        proof::verify(proof, self.key(), &self.circuit.common)
    }

    /// The statement that a proof of this circuit makes.
    ///
    /// # Errors
    /// [`CircuitError::Statement`] if the public inputs have another length.
    pub fn statement(&self, proof: &Proof) -> Result<Def::NativeStatement, CircuitError> {
        Def::NativeStatement::decode(&proof.public_inputs)
            .map_err(|source| CircuitError::Statement { name: self.definition.name(), source })
    }
}

/// A compiled circuit, whatever its definition.
pub trait AnyCompiled {
    /// The circuit's name.
    fn name(&self) -> String;
    /// The circuit.
    fn circuit(&self) -> &Circuit;
    /// The number of rows in use before padding.
    fn gates(&self) -> usize;
    /// See [`all_parameters`].
    fn parameters(&self) -> BTreeMap<String, u64>;
    /// See [`Definition::depends_on`].
    fn depends_on(&self) -> BTreeMap<String, Digest>;
}

impl<Def: Definition> AnyCompiled for Compiled<Def> {
    fn name(&self) -> String {
        self.definition.name()
    }

    fn circuit(&self) -> &Circuit {
        &self.circuit
    }

    fn gates(&self) -> usize {
        self.gates
    }

    fn parameters(&self) -> BTreeMap<String, u64> {
        all_parameters(&self.definition)
    }

    fn depends_on(&self) -> BTreeMap<String, Digest> {
        self.definition.depends_on()
    }
}

/// [`Definition::parameters`], and the parameters of the configuration.
pub fn all_parameters<Def: Definition>(definition: &Def) -> BTreeMap<String, u64> {
    let mut parameters = definition.parameters();
    parameters.extend(config_parameters(&config_of(definition)));
    parameters
}

/// The parameters of a configuration.
#[must_use]
pub fn config_parameters(config: &CircuitConfig) -> BTreeMap<String, u64> {
    let fri = &config.fri_config;
    let security = [
        ("cap_height", fri.cap_height),
        ("challenges", config.num_challenges),
        ("extension_degree", D),
        ("grinding_bits", fri.proof_of_work_bits as usize),
        ("queries", fri.num_query_rounds),
        ("rate_bits", fri.rate_bits),
        ("routed_wires", config.num_routed_wires),
        ("wires", config.num_wires),
        ("zero_knowledge", usize::from(config.zero_knowledge)),
    ];
    named(security.map(|(name, value)| (name, value as u64)))
}

/// The configuration of the shape, or the circuit's own.
fn config_of<Def: Definition>(definition: &Def) -> CircuitConfig {
    definition.shape().map_or_else(|| definition.config(), |shape| shape.common.config.clone())
}

/// Builds the circuit called `name`, to its shape if it has one.
///
/// # Errors
/// [`CircuitError::Shape`] if it does not fit its shape.
pub fn build(name: &str, shape: Option<&Shape>, builder: Builder) -> Result<Circuit, CircuitError> {
    let Some(shape) = shape else { return Ok(proving::build(builder)) };
    shape.build(builder).map_err(|source| CircuitError::Shape { name: name.to_owned(), source })
}

/// Adds all of the definition's constraints to a new builder. Returns the builder, the targets, and the rows in use.
pub fn defined<Def: Definition>(definition: &Def) -> (Builder, Def::Targets, usize) {
    let mut builder = CircuitBuilder::new(config_of(definition));
    let (statement, targets) = definition.define(&mut builder);
    layout::register(&mut builder, &statement);
    let gates = builder.num_gates();
    (builder, targets, gates)
}

//! Accounts: an id, a nonce, a vault, and a commitment to the secret or policy that authorises transactions.

use bridge_core::{AssetError, AssetId};
use circuits_core::{
    Builder, Digest, DigestTarget, F,
    amount::{Amount, AmountError},
    hash::{Domain, hash, hash_circuit},
    layout::{self, Layout, LayoutError},
    secret::Secret,
};
use environments_core::environment::EnvironmentId;
pub use environments_core::vault::{Holding, VAULT_SLOTS, Vault, VaultError};
use plonky2::{
    field::types::{Field, PrimeField64},
    iop::target::Target,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Domain of account ids.
pub const ACCOUNT_ID: Domain = Domain::new("acct-id");
/// Domain of account hashes, the values of the account tree.
pub const ACCOUNT: Domain = Domain::new("account");
/// Domain of vault hashes.
pub const VAULT: Domain = Domain::new("vault");
/// Domain of the commitments to the secrets of local accounts.
pub const LOCAL_AUTHORISATION: Domain = Domain::new("authloc");
/// Bits of a nonce.
pub const NONCE_BITS: usize = 32;

/// The vault's hash.
#[must_use]
pub fn vault_hash(vault: &Vault) -> Digest {
    hash(VAULT, vault.to_fields().as_flattened())
}

/// In-circuit twin of [`vault_hash`].
pub fn vault_hash_circuit(builder: &mut Builder, slots: &[[Target; 2]; VAULT_SLOTS]) -> DigestTarget {
    hash_circuit(builder, VAULT, slots.as_flattened())
}

/// An account as its owner knows it. The public state holds its hash, and those of network accounts whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// `H(ACCOUNT_ID, chain id, environment, authorisation, salt)`.
    pub id: Digest,
    /// Transactions made so far.
    pub nonce: u32,
    /// Commitment to the secret of a local account, or to the policy of a network account.
    pub authorisation: Digest,
    /// Its assets.
    pub vault: Vault,
}

circuits_core::layout! {
    /// What an account's hash covers.
    pub struct AccountFields<T> {
        /// The id.
        pub id: Digest<T>,
        /// The commitment to its authorisation.
        pub authorisation: Digest<T>,
        /// Hash of its vault.
        pub vault: Digest<T>,
        /// Transactions made so far.
        pub nonce: T,
    }
}

circuits_core::layout! {
    /// What a body publishes of a network account, beside its id.
    pub struct PublishedFields<T> {
        /// The commitment to its policy.
        pub authorisation: Digest<T>,
        /// Transactions made so far.
        pub nonce: T,
        /// The slots of its vault: each an asset and its amount, two zeros if it is empty.
        pub vault: [T; 2 * VAULT_SLOTS],
    }
}

/// Bytes of what a body publishes of a network account.
pub const PUBLISHED_BYTES: usize = 8 * <PublishedFields as Layout<F>>::LEN;

/// Why bytes are not a published account.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PublishedError {
    /// The bytes are not in the canonical encoding.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The nonce has too many bits.
    #[error("the nonce {0} is not below 2^{NONCE_BITS}")]
    Nonce(u64),
    /// A slot of the vault names no asset.
    #[error("slot {slot} of the vault names no asset")]
    Asset {
        /// The slot.
        slot: usize,
        /// Why.
        #[source]
        source: AssetError,
    },
    /// A slot of the vault holds more than an amount.
    #[error("slot {slot} of the vault holds too much")]
    Amount {
        /// The slot.
        slot: usize,
        /// Why.
        #[source]
        source: AmountError,
    },
    /// The slots are not a vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl Account {
    /// What a body publishes of it.
    #[must_use]
    pub fn to_published(&self) -> Vec<u8> {
        let mut vault = [F::ZERO; 2 * VAULT_SLOTS];
        vault.copy_from_slice(self.vault.to_fields().as_flattened());
        let nonce = F::from_canonical_u32(self.nonce);
        layout::to_bytes(&PublishedFields { authorisation: self.authorisation, nonce, vault })
    }

    /// The account `id` of which a body publishes these bytes.
    ///
    /// # Errors
    /// [`PublishedError`]
    pub fn from_published(id: Digest, bytes: &[u8]) -> Result<Self, PublishedError> {
        let PublishedFields { authorisation, nonce, vault } = layout::from_bytes(bytes)?;
        let nonce = nonce.to_canonical_u64();
        let nonce = u32::try_from(nonce).map_err(|_| PublishedError::Nonce(nonce))?;
        let slots = vault.chunks_exact(2).enumerate().map(|(slot, pair)| {
            let [asset, amount] = [pair[0], pair[1]].map(|element| element.to_canonical_u64());
            if (asset, amount) == (0, 0) {
                return Ok(None);
            }
            let asset = AssetId::unpack(asset).map_err(|source| PublishedError::Asset { slot, source })?;
            let amount = Amount::new(amount).map_err(|source| PublishedError::Amount { slot, source })?;
            Ok(Some(Holding { asset, amount }))
        });
        let vault = Vault::try_from(slots.collect::<Result<Vec<_>, PublishedError>>()?)?;
        Ok(Self { id, nonce, authorisation, vault })
    }

    /// An account that has made no transaction and holds nothing.
    #[must_use]
    pub fn new(chain_id: u64, environment: EnvironmentId, authorisation: Digest, salt: Digest) -> Self {
        let id = account_id(chain_id, environment, authorisation, salt);
        Self { id, nonce: 0, authorisation, vault: Vault::default() }
    }

    /// The value that the account tree holds.
    #[must_use]
    pub fn hash(&self) -> Digest {
        let fields = AccountFields {
            id: self.id,
            authorisation: self.authorisation,
            vault: vault_hash(&self.vault),
            nonce: F::from_canonical_u32(self.nonce),
        };
        hash(ACCOUNT, &fields.encode())
    }
}

/// In-circuit twin of [`Account::hash`].
pub fn account_hash_circuit(builder: &mut Builder, fields: &AccountFields<Target>) -> DigestTarget {
    hash_circuit(builder, ACCOUNT, &fields.encode())
}

/// The id of the account with this authorisation and salt: nobody can take another's id, and the same keys have other
/// accounts in other environments and deployments.
#[must_use]
pub fn account_id(chain_id: u64, environment: EnvironmentId, authorisation: Digest, salt: Digest) -> Digest {
    let mut input = vec![F::from_canonical_u64(chain_id), environment.to_field()];
    input.extend([authorisation.0, salt.0].concat());
    hash(ACCOUNT_ID, &input)
}

/// In-circuit twin of [`account_id`].
pub fn account_id_circuit(
    builder: &mut Builder,
    chain_id: Target,
    environment: Target,
    authorisation: DigestTarget,
    salt: DigestTarget,
) -> DigestTarget {
    let mut input = vec![chain_id, environment];
    input.extend([authorisation.0, salt.0].concat());
    hash_circuit(builder, ACCOUNT_ID, &input)
}

/// The authorisation of a local account: a commitment to its owner's secret.
#[must_use]
pub fn local_authorisation(secret: Secret) -> Digest {
    hash(LOCAL_AUTHORISATION, &secret.expose().0)
}

/// In-circuit twin of [`local_authorisation`].
pub fn local_authorisation_circuit(builder: &mut Builder, secret: DigestTarget) -> DigestTarget {
    hash_circuit(builder, LOCAL_AUTHORISATION, &secret.0)
}

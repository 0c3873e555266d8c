//! A transaction with the openings of the notes that it consumes, checked natively.

use bridge_core::{AssetId, Message};
use circuits_core::{Digest, F, amount::Amount};
use environments_core::instance::DeployedState as _;
use plonky2::field::types::Field;

use super::{
    emission::Emission,
    error::TransactionError,
    kernel::TransactionKernel,
    request::{Authority, Output, Request},
    statement::{MAX_ASSETS, MAX_INPUTS, MAX_OUTPUTS, TransactionStatement},
};
use crate::{
    account::{Account, Vault, VaultError, account_id},
    config::Deployment,
    note::{Membership, Note, Script, output_serial, swap_serial},
    state::NotesState,
};

/// A note to be consumed and its opening; `None` leaves it to the block to find the note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// The note.
    pub note: Note,
    /// Its opening.
    pub membership: Option<Membership>,
    /// Whether it pays the fee, in a transaction by an exchange order.
    pub pays_fee: bool,
}

/// What the prover of a transaction kernel must know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionWitness {
    /// The deployment that it is made for.
    pub deployment: Deployment,
    /// The account before.
    pub account: Account,
    /// For a transaction that creates the account, the salt in its id.
    pub salt: Option<Digest>,
    /// What authorises it.
    pub authority: Authority,
    /// Notes to be consumed.
    pub inputs: Vec<Input>,
    /// Root that they are opened under.
    pub notes_root: Digest,
    /// Notes to be created.
    pub outputs: Vec<Output>,
    /// What is sent to another environment.
    pub send: Option<Emission>,
    /// The fee.
    pub fee: Amount,
    /// First height of a block that may contain it.
    pub not_before: u32,
    /// Last height of a block that may contain it.
    pub valid_until: u32,
}

impl TransactionWitness {
    /// A request, with `openings` for the inputs that are to be opened under `notes_root`.
    #[must_use]
    pub fn new(
        deployment: Deployment,
        request: &Request,
        notes_root: Digest,
        mut opening: impl FnMut(&Note) -> Option<Membership>,
    ) -> Self {
        let inputs = request
            .inputs
            .iter()
            .map(|input| Input {
                note: input.note,
                membership: if input.unauthenticated { None } else { opening(&input.note) },
                pays_fee: input.pays_fee,
            })
            .collect();
        Self {
            deployment,
            account: request.account.clone(),
            salt: request.salt,
            authority: request.authority,
            inputs,
            notes_root,
            outputs: request.outputs.clone(),
            send: request.send.clone(),
            fee: request.fee,
            not_before: request.not_before,
            valid_until: request.valid_until,
        }
    }

    /// A request on top of a state: each input that was in the note tree at the last block's end is opened, the
    /// others are left for the block to find. A trade starts from its order's account as the state has it. If that does not
    /// allow the trade yet, and is behind the account that the trade names, the trade starts from this one: another transaction
    /// may bring the state there.
    #[must_use]
    pub fn resolve(state: &NotesState, request: &Request) -> Self {
        let witness = Self::new(*state.deployment(), request, state.notes_root(), |note| state.open(note));
        let Some(account) = request.account_traded(state) else { return witness };
        let traded = Self { account: account.clone(), ..witness };
        if account.nonce < request.account.nonce && traded.account_after().is_err() {
            return Self { account: request.account.clone(), ..traded };
        }
        traded
    }

    /// A request on the account that it names, with all inputs left for the block to find.
    pub(crate) fn unopened(state: &NotesState, request: &Request) -> Self {
        Self::new(*state.deployment(), request, state.notes_root(), |_| None)
    }

    /// The kernel that proves it.
    #[must_use]
    pub const fn kernel(&self) -> TransactionKernel {
        match self.authority {
            Authority::Local { .. } | Authority::Owner { .. } => TransactionKernel::Local,
            Authority::Exchange { .. } => TransactionKernel::Exchange,
        }
    }

    /// The notes created.
    #[must_use]
    pub fn notes(&self) -> Vec<Note> {
        self.outputs.iter().enumerate().map(|(index, output)| self.note(index, output)).collect()
    }

    fn note(&self, index: usize, output: &Output) -> Note {
        let settled = output.settles.and_then(|input| self.inputs.get(input));
        let serial = match settled {
            Some(input) => swap_serial(input.note.nullifier()),
            None => output_serial(self.account.id, self.account.nonce, index),
        };
        let Output { asset, amount, script, .. } = *output;
        Note { asset, amount, script, sender: self.account.id, serial }
    }

    /// The message sent.
    #[must_use]
    pub fn message(&self) -> Option<Message> {
        self.send.as_ref().map(|send| send.message(&self.deployment, &self.account))
    }

    /// The assets moved, in the order in which they are first named.
    #[must_use]
    pub fn assets(&self) -> Vec<AssetId> {
        let fee = (self.fee != Amount::ZERO).then_some(self.deployment.fee_asset);
        let named = self.inputs.iter().map(|input| input.note.asset);
        let sent = self.send.iter().map(|send| send.asset);
        let named = named.chain(self.outputs.iter().map(|output| output.asset)).chain(sent).chain(fee);
        let mut assets = vec![];
        for asset in named {
            if !assets.contains(&asset) {
                assets.push(asset);
            }
        }
        assets
    }

    /// Checks the transaction against every rule of the transaction kernel and gives its statement.
    ///
    /// # Errors
    /// The first rule broken, one variant of [`TransactionError`] each.
    pub fn check(&self) -> Result<TransactionStatement, TransactionError> {
        self.check_sizes()?;
        self.check_account()?;
        self.check_inputs()?;
        self.check_settlements()?;
        if let Some(send) = &self.send {
            send.check(&self.deployment)?;
        }
        if let Authority::Exchange { .. } = self.authority {
            self.check_exchange()?;
        }
        let after = self.account_after()?;
        self.check_fee()?;
        Ok(self.statement(&after))
    }

    /// What it pays at least for each note and message.
    #[must_use]
    pub const fn minimum_fee(&self) -> Amount {
        self.deployment.minimum_fee_of(self.authority.is_network())
    }

    /// What it pays at least: the minimum fee for each note that it consumes or creates, and for its message.
    #[must_use]
    pub fn least_fee(&self) -> u64 {
        // At most 9 amounts below 2^58.
        self.moved() * self.minimum_fee().get()
    }

    /// Notes consumed and created, and messages sent.
    fn moved(&self) -> u64 {
        (self.inputs.len() + self.outputs.len() + usize::from(self.send.is_some())) as u64
    }

    /// The transaction moves something, and pays for it; by an order exactly what it must.
    fn check_fee(&self) -> Result<(), TransactionError> {
        let (least, found) = (self.least_fee(), self.fee);
        if self.moved() == 0 {
            return Err(TransactionError::MovesNothing);
        }
        match self.authority {
            Authority::Exchange { .. } if found.get() != least => {
                Err(TransactionError::NetworkFee { expected: least, found })
            }
            Authority::Local { .. } | Authority::Owner { .. } if found.get() < least => {
                Err(TransactionError::FeeTooLow { least, found })
            }
            Authority::Local { .. } | Authority::Exchange { .. } | Authority::Owner { .. } => Ok(()),
        }
    }

    /// The account after a valid transaction.
    ///
    /// # Errors
    /// [`TransactionError::Insufficient`], [`TransactionError::Vault`], [`TransactionError::TooManyAssets`] or
    /// [`TransactionError::NonceExhausted`].
    pub fn account_after(&self) -> Result<Account, TransactionError> {
        let assets = self.assets();
        if assets.len() > MAX_ASSETS {
            return Err(TransactionError::TooManyAssets { found: assets.len() });
        }
        let mut vault = self.account.vault.clone();
        for asset in assets {
            self.balance(&mut vault, asset)?;
        }
        let nonce = self.account.nonce.checked_add(1).ok_or(TransactionError::NonceExhausted)?;
        Ok(Account { nonce, vault, ..self.account.clone() })
    }

    /// The account after a valid transaction, if it is a network account and therefore published.
    ///
    /// # Errors
    /// As [`Self::account_after`].
    pub fn published(&self) -> Result<Option<Account>, TransactionError> {
        self.authority.is_network().then(|| self.account_after()).transpose()
    }

    /// Conservation of one asset: vault + inputs = vault after + outputs + message + fee.
    fn balance(&self, vault: &mut Vault, asset: AssetId) -> Result<(), TransactionError> {
        let (added, spent) = self.moved_of(asset);
        // At most 4 summands below 2^58 on each side, and two more: no overflow.
        let available = vault.balance(asset).get() + added;
        let left =
            available.checked_sub(spent).ok_or(TransactionError::Insufficient { asset, available, spent })?;
        let left = Amount::new(left).map_err(|source| VaultError::Balance { asset, source })?;
        Ok(vault.set_balance(asset, left)?)
    }

    /// How much of an asset it consumes, and how much it creates, sends and pays.
    pub(crate) fn moved_of(&self, asset: AssetId) -> (u64, u64) {
        let inputs = self.inputs.iter().map(|input| &input.note).filter(|note| note.asset == asset);
        let outputs = self.outputs.iter().filter(|output| output.asset == asset);
        let fee = if asset == self.deployment.fee_asset { self.fee.get() } else { 0 };
        let message = self.send.iter().filter(|send| send.asset == asset).map(|send| send.amount.get());
        let spent = outputs.map(|output| output.amount.get()).sum::<u64>();
        (inputs.map(|note| note.amount.get()).sum(), spent + message.sum::<u64>() + fee)
    }

    fn check_sizes(&self) -> Result<(), TransactionError> {
        let (inputs, outputs) = (self.inputs.len(), self.outputs.len());
        if inputs > MAX_INPUTS {
            return Err(TransactionError::TooManyInputs { found: inputs });
        }
        if outputs > MAX_OUTPUTS {
            return Err(TransactionError::TooManyOutputs { found: outputs });
        }
        let Self { not_before, valid_until, .. } = *self;
        if not_before > valid_until {
            return Err(TransactionError::EmptyWindow { not_before, valid_until });
        }
        Ok(())
    }

    fn check_account(&self) -> Result<(), TransactionError> {
        let account = &self.account;
        let found = self.authority.authorisation();
        if found != account.authorisation {
            let expected = account.authorisation;
            return Err(TransactionError::WrongAuthority { account: account.id, expected, found });
        }
        let Some(salt) = self.salt else { return Ok(()) };
        let Deployment { chain_id, environment, .. } = self.deployment;
        let expected = account_id(chain_id, environment, account.authorisation, salt);
        if account.id != expected {
            return Err(TransactionError::WrongAccountId { expected, found: account.id });
        }
        if account.nonce != 0 || account.vault != Vault::default() {
            return Err(TransactionError::NewAccountNotEmpty { nonce: account.nonce });
        }
        Ok(())
    }

    fn check_inputs(&self) -> Result<(), TransactionError> {
        let account = self.account.id;
        let is_by_order = matches!(self.authority, Authority::Exchange { .. });
        for (input, Input { note, membership, pays_fee }) in self.inputs.iter().enumerate() {
            if *pays_fee && !is_by_order {
                return Err(TransactionError::FeeInput { input });
            }
            if let Some(first) = self.inputs[..input].iter().position(|earlier| earlier.note == *note) {
                return Err(TransactionError::DuplicateInput { first, second: input });
            }
            if let Some(Membership { index, path }) = membership {
                let (index, root) = (*index, self.notes_root);
                if path.verify(root, index, note.commitment()).is_err() {
                    return Err(TransactionError::NotUnderRoot { input, index, root });
                }
            }
            match note.script {
                Script::Pay { target } if target == account => {}
                Script::Pay { .. } => return Err(TransactionError::NotTheTarget { input, account }),
                Script::Reclaim { target, .. } if target == account => {}
                Script::Reclaim { height, .. } if note.sender == account => {
                    let not_before = self.not_before;
                    if not_before < height {
                        return Err(TransactionError::ReclaimTooEarly { input, height, not_before });
                    }
                }
                Script::Reclaim { .. } => return Err(TransactionError::NotTheTarget { input, account }),
                Script::Swap { .. } => {}
            }
        }
        Ok(())
    }

    /// Whether the input is a swap note of another account.
    fn owes(&self, input: &Input) -> bool {
        matches!(input.note.script, Script::Swap { .. }) && input.note.sender != self.account.id
    }

    fn check_settlements(&self) -> Result<(), TransactionError> {
        for (output, made) in self.outputs.iter().enumerate() {
            let Some(input) = made.settles else { continue };
            let settled = self.inputs.get(input).filter(|settled| self.owes(settled));
            let Some(Input { note, .. }) = settled else {
                return Err(TransactionError::NothingToSettle { output, input });
            };
            let Script::Swap { asset, amount } = note.script else {
                return Err(TransactionError::NothingToSettle { output, input });
            };
            let requested = (asset, amount, Script::Pay { target: note.sender });
            if (made.asset, made.amount, made.script) != requested {
                return Err(TransactionError::WrongSettlement { output, input });
            }
        }
        for (input, _) in self.inputs.iter().enumerate().filter(|(_, input)| self.owes(input)) {
            let found = self.outputs.iter().filter(|output| output.settles == Some(input)).count();
            if found != 1 {
                return Err(TransactionError::SwapNotSettled { input, found });
            }
        }
        Ok(())
    }

    /// The policy: input `i` pays the fee, or is a deposit of the asset paid, or fills the order and is paid by output `i`.
    fn check_exchange(&self) -> Result<(), TransactionError> {
        let Authority::Exchange { order } = self.authority else { return Ok(()) };
        let terms = order.terms();
        if self.send.is_some() {
            return Err(TransactionError::NetworkSends);
        }
        let (mut payments, mut paid) = (vec![None; MAX_OUTPUTS], 0);
        for (input, Input { note, pays_fee, .. }) in self.inputs.iter().enumerate() {
            let is_target = match note.script {
                Script::Pay { target } | Script::Reclaim { target, .. } => target == self.account.id,
                Script::Swap { .. } => false,
            };
            if note.sender == self.account.id && !is_target {
                return Err(TransactionError::TakesBack { input });
            }
            if *pays_fee {
                let (expected, found) = (self.deployment.fee_asset, note.asset);
                if found != expected {
                    return Err(TransactionError::FeeInputAsset { input, expected, found });
                }
                paid += note.amount.get();
                continue;
            }
            if note.asset == terms.gives {
                continue;
            }
            let fills = order.fills(note.amount.get()).filter(|_| note.asset == terms.takes);
            let fills = fills.ok_or(TransactionError::NotAFill { input })?;
            if note.sender == Digest::ZERO {
                return Err(TransactionError::NoSender { input });
            }
            payments[input] = Some((u64::from(terms.pays) * fills, Script::Pay { target: note.sender }));
        }
        for (output, payment) in payments.into_iter().enumerate() {
            let settles = self.outputs.get(output).and_then(|made| made.settles);
            if let Some(input) = settles.filter(|&input| input != output) {
                return Err(TransactionError::SettlesAnother { output, input });
            }
            let made = self.outputs.get(output).map(|made| (made.amount.get(), made.script));
            let right_asset = self.outputs.get(output).is_none_or(|made| made.asset == terms.gives);
            if made != payment || !right_asset {
                return Err(TransactionError::NotThePayment { output });
            }
        }
        if paid != self.fee.get() {
            return Err(TransactionError::FeeInputs { paid, fee: self.fee });
        }
        Ok(())
    }

    fn statement(&self, after: &Account) -> TransactionStatement {
        let mut nullifiers = [Digest::ZERO; MAX_INPUTS];
        let mut unauthenticated = [Digest::ZERO; MAX_INPUTS];
        let mut notes = [Digest::ZERO; MAX_OUTPUTS];
        for (slot, input) in self.inputs.iter().enumerate() {
            nullifiers[slot] = input.note.nullifier();
            if input.membership.is_none() {
                unauthenticated[slot] = input.note.commitment();
            }
        }
        for (slot, note) in notes.iter_mut().zip(self.notes()) {
            *slot = note.commitment();
        }
        TransactionStatement {
            chain_id: self.deployment.chain_id(),
            environment: self.deployment.environment.to_field(),
            fee_asset: self.deployment.fee_asset.to_field(),
            minimum_fee: self.minimum_fee().to_field(),
            fee: self.fee.to_field(),
            not_before: F::from_canonical_u32(self.not_before),
            valid_until: F::from_canonical_u32(self.valid_until),
            network: F::from_bool(self.authority.is_network()),
            account: self.account.id,
            before: if self.salt.is_some() { Digest::ZERO } else { self.account.hash() },
            after: after.hash(),
            notes_root: self.notes_root,
            nullifiers,
            unauthenticated,
            notes,
            message: self.message().map_or(Digest::ZERO, |message| message.hash()),
        }
    }
}

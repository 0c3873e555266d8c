//! Reading typed data that somebody else wrote, and saying what differs.

use bridge_core::AssetId;
use circuits_core::{Digest, F, amount::Amount};
use circuits_files::text::quoted;
use environments_core::environment::EnvironmentId;
use plonky2::field::types::{Field, Field64};
use serde_json::{Map, Value};

use super::{
    domain::{SigningDomain, VERSION},
    encoding::ASSET_BYTES,
    error::TypedDataError,
    json::{DOMAIN, DOMAIN_MEMBERS},
    types::{ACTIONS, ActionType, Member, TRANSACTION, referenced, transaction_members},
};
use crate::{
    address::{ADDRESS_BYTES, Address},
    transaction::{Action, Transaction},
};

/// Reads what `eth_signTypedData_v4` would take, as a transaction of `sender` in this domain. Integers are numbers, or decimal
/// or hexadecimal text; hexadecimal digits have either case. Whether the transaction is well-formed is judged elsewhere.
///
/// # Errors
/// One variant of [`TypedDataError`] for each cause.
pub fn check_typed_data(
    domain: &SigningDomain,
    sender: Address,
    data: &Value,
) -> Result<Transaction, TypedDataError> {
    let data = Object::new("the typed data", data)?;
    data.has_only(&["types", "primaryType", "domain", "message"])?;
    let primary = data.text("primaryType")?;
    if primary != TRANSACTION {
        return Err(TypedDataError::PrimaryType { found: quoted(primary) });
    }
    check_domain(domain, &data.object("domain")?)?;
    let types = action_types(&data.object("types")?)?;

    let message = data.object("message")?;
    let names: Vec<_> = transaction_members(&types).into_iter().map(|(_, name)| name).collect();
    message.has_only(&names)?;
    let actions = types
        .iter()
        .zip(ACTIONS)
        .map(|(&of, name)| read_action(of, &message.object(name)?))
        .collect::<Result<_, _>>()?;
    Ok(Transaction {
        sender,
        nonce: message.uint32("nonce")?,
        fee: message.amount("fee")?,
        deadline: message.uint32("lastBlock")?,
        actions,
    })
}

fn check_domain(expected: &SigningDomain, found: &Object<'_>) -> Result<(), TypedDataError> {
    found.has_only(&DOMAIN_MEMBERS.map(|(_, name)| name))?;
    let name = found.text("name")?;
    if name != expected.name() {
        return Err(TypedDataError::DomainName { expected: expected.name(), found: quoted(name) });
    }
    let version = found.text("version")?;
    if version != VERSION {
        return Err(TypedDataError::DomainVersion { expected: VERSION, found: quoted(version) });
    }
    let chain_id = found.uint("chainId", "an integer of 64 bits")?;
    if chain_id != expected.settlement.chain_id {
        return Err(TypedDataError::OtherChain { expected: expected.settlement.chain_id, found: chain_id });
    }
    let contract = found.address("verifyingContract")?;
    if contract != expected.settlement.contract {
        let (expected, found) = (expected.settlement.contract.to_string(), contract.to_string());
        return Err(TypedDataError::OtherContract { expected, found });
    }
    Ok(())
}

/// The types of the actions, if all types are described as they should be.
fn action_types(types: &Object<'_>) -> Result<Vec<ActionType>, TypedDataError> {
    let transaction = members(types, TRANSACTION)?;
    let mut actions = vec![];
    for name in ACTIONS {
        let Some((_, of)) = transaction.iter().find(|(member, _)| member == name) else { break };
        let found = ActionType::ALL.into_iter().find(|action| action.name() == of);
        actions.push(found.ok_or_else(|| TypedDataError::ActionType { member: name, found: quoted(of) })?);
    }
    check_members(TRANSACTION, &transaction_members(&actions), &transaction)?;
    if actions.is_empty() {
        return Err(TypedDataError::NoAction);
    }
    let referenced = referenced(&actions);
    for of in &referenced {
        check_members(of.name(), of.members(), &members(types, of.name())?)?;
    }
    // Whoever hashes derives the domain's type from the domain.
    if types.0.contains_key(DOMAIN) {
        check_members(DOMAIN, &DOMAIN_MEMBERS, &members(types, DOMAIN)?)?;
    }
    let is_used =
        |name: &str| name == DOMAIN || name == TRANSACTION || referenced.iter().any(|of| of.name() == name);
    match types.0.keys().find(|name| !is_used(name)) {
        Some(name) => Err(TypedDataError::UnusedType { name: quoted(name) }),
        None => Ok(actions),
    }
}

/// The members that a type is described to have: their names and types.
fn members(types: &Object<'_>, name: &str) -> Result<Vec<(String, String)>, TypedDataError> {
    let path = types.path(name);
    let list = types.get(name)?.as_array().ok_or_else(|| TypedDataError::Value {
        path: path.clone(),
        expected: "a list of members",
        found: shown(&types.0[name]),
    })?;
    let member = |(i, value): (usize, &Value)| {
        let member = Object::at(format!("{path}[{i}]"), value)?;
        member.has_only(&["name", "type"])?;
        Ok((member.text("name")?.to_owned(), member.text("type")?.to_owned()))
    };
    list.iter().enumerate().map(member).collect()
}

fn check_members(name: &str, expected: &[Member], found: &[(String, String)]) -> Result<(), TypedDataError> {
    let name = || name.to_owned();
    for (member, of) in found {
        let Some((expected, _)) = expected.iter().find(|(_, other)| other == member) else {
            return Err(TypedDataError::ExtraMember { name: name(), member: quoted(member) });
        };
        if expected != of {
            let (member, expected, found) = (member.clone(), (*expected).to_owned(), quoted(of));
            return Err(TypedDataError::MemberType { name: name(), member, expected, found });
        }
        if found.iter().filter(|(other, _)| other == member).count() > 1 {
            return Err(TypedDataError::ExtraMember { name: name(), member: member.clone() });
        }
    }
    if let Some((_, missing)) =
        expected.iter().find(|(_, name)| !found.iter().any(|(other, _)| other == name))
    {
        return Err(TypedDataError::MissingMember { name: name(), member: (*missing).to_owned() });
    }
    let expected: Vec<_> = expected.iter().map(|(_, name)| *name).collect();
    let found: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
    if expected != found {
        let (expected, found) = (expected.join(","), found.join(","));
        return Err(TypedDataError::Order { name: name(), expected, found });
    }
    Ok(())
}

fn read_action(of: ActionType, message: &Object<'_>) -> Result<Action, TypedDataError> {
    let names: Vec<_> = of.members().iter().map(|(_, name)| *name).collect();
    message.has_only(&names)?;
    Ok(match of {
        ActionType::Transfer => Action::Transfer {
            to: message.address("to")?,
            asset: message.asset("asset")?,
            amount: message.amount("amount")?,
        },
        ActionType::Swap => Action::Swap {
            asset_in: message.asset("sell")?,
            amount: message.amount("amount")?,
            asset_out: message.asset("buy")?,
            minimum: message.amount("atLeast")?,
        },
        ActionType::AddLiquidity => Action::AddLiquidity {
            asset_a: message.asset("assetA")?,
            asset_b: message.asset("assetB")?,
            shares: message.amount("shares")?,
            maximum_a: message.amount("atMostA")?,
            maximum_b: message.amount("atMostB")?,
        },
        ActionType::RemoveLiquidity => Action::RemoveLiquidity {
            asset_a: message.asset("assetA")?,
            asset_b: message.asset("assetB")?,
            shares: message.amount("shares")?,
            minimum_a: message.amount("atLeastA")?,
            minimum_b: message.amount("atLeastB")?,
        },
        ActionType::Bridge => Action::Bridge {
            destination: message.environment("toEnvironment")?,
            recipient: message.recipient("recipient")?,
            asset: message.asset("asset")?,
            amount: message.amount("amount")?,
            deadline: message.uint32("claimBy")?,
        },
        ActionType::Withdraw => Action::Bridge {
            destination: EnvironmentId::L1,
            recipient: message.address("to")?.to_digest(),
            asset: message.asset("asset")?,
            amount: message.amount("amount")?,
            deadline: message.uint32("claimBy")?,
        },
    })
}

/// An object, and where it is.
struct Object<'a>(&'a Map<String, Value>, String);

impl<'a> Object<'a> {
    fn new(path: &str, value: &'a Value) -> Result<Self, TypedDataError> {
        let object =
            value.as_object().ok_or_else(|| TypedDataError::NotAnObject { path: path.to_owned() })?;
        Ok(Self(object, String::new()))
    }

    fn at(path: String, value: &'a Value) -> Result<Self, TypedDataError> {
        match value.as_object() {
            Some(object) => Ok(Self(object, path)),
            None => Err(TypedDataError::NotAnObject { path }),
        }
    }

    fn path(&self, name: &str) -> String {
        if self.1.is_empty() { name.to_owned() } else { format!("{}.{name}", self.1) }
    }

    fn has_only(&self, names: &[&str]) -> Result<(), TypedDataError> {
        match self.0.keys().find(|key| !names.contains(&key.as_str())) {
            Some(key) => Err(TypedDataError::Unexpected { path: self.path(&quoted(key)) }),
            None => Ok(()),
        }
    }

    fn get(&self, name: &str) -> Result<&'a Value, TypedDataError> {
        self.0.get(name).ok_or_else(|| TypedDataError::Missing { path: self.path(name) })
    }

    fn object(&self, name: &str) -> Result<Object<'a>, TypedDataError> {
        Object::at(self.path(name), self.get(name)?)
    }

    fn error(&self, name: &str, expected: &'static str) -> TypedDataError {
        let found = self.0.get(name).map_or_else(String::new, shown);
        TypedDataError::Value { path: self.path(name), expected, found }
    }

    fn text(&self, name: &str) -> Result<&'a str, TypedDataError> {
        self.get(name)?.as_str().ok_or_else(|| self.error(name, "text"))
    }

    fn bytes<const N: usize>(&self, name: &str, expected: &'static str) -> Result<[u8; N], TypedDataError> {
        let mut bytes = [0; N];
        let digits = self.get(name)?.as_str().and_then(|text| text.strip_prefix("0x"));
        let decoded = digits.and_then(|digits| hex::decode_to_slice(digits, &mut bytes).ok());
        decoded.map(|()| bytes).ok_or_else(|| self.error(name, expected))
    }

    fn uint(&self, name: &str, expected: &'static str) -> Result<u64, TypedDataError> {
        let number = match self.get(name)? {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => match text.strip_prefix("0x") {
                Some(digits) if !digits.starts_with('+') => u64::from_str_radix(digits, 16).ok(),
                None if !text.starts_with('+') => text.parse().ok(),
                _ => None,
            },
            _ => None,
        };
        number.ok_or_else(|| self.error(name, expected))
    }

    fn uint32(&self, name: &str) -> Result<u32, TypedDataError> {
        const EXPECTED: &str = "an integer of 32 bits";
        u32::try_from(self.uint(name, EXPECTED)?).map_err(|_| self.error(name, EXPECTED))
    }

    fn amount(&self, name: &str) -> Result<Amount, TypedDataError> {
        const EXPECTED: &str = "an amount, which is an integer below 2^58";
        Amount::new(self.uint(name, EXPECTED)?).map_err(|_| self.error(name, EXPECTED))
    }

    fn environment(&self, name: &str) -> Result<EnvironmentId, TypedDataError> {
        const EXPECTED: &str = "the number of an environment from 1 to 65535: a message to L1 is a Withdraw";
        match u16::try_from(self.uint(name, EXPECTED)?) {
            Ok(number) if number != EnvironmentId::L1.get() => Ok(EnvironmentId(number)),
            _ => Err(self.error(name, EXPECTED)),
        }
    }

    fn address(&self, name: &str) -> Result<Address, TypedDataError> {
        self.bytes::<ADDRESS_BYTES>(name, "an address, which is 0x and 40 hexadecimal digits").map(Address)
    }

    fn asset(&self, name: &str) -> Result<AssetId, TypedDataError> {
        const EXPECTED: &str =
            "an asset, which is 0x, 4 hexadecimal digits of its origin, and 8 of its number there, not 0";
        let [a, b, local @ ..] = self.bytes::<ASSET_BYTES>(name, EXPECTED)?;
        let asset = AssetId::new(u16::from_be_bytes([a, b]), u32::from_be_bytes(local));
        asset.map_err(|_| self.error(name, EXPECTED))
    }

    fn recipient(&self, name: &str) -> Result<Digest, TypedDataError> {
        const EXPECTED: &str =
            "a recipient, which is 0x and four numbers of 16 hexadecimal digits below the field's order";
        let bytes: [u8; 32] = self.bytes(name, EXPECTED)?;
        let mut digest = Digest::ZERO;
        for (element, bytes) in digest.0.iter_mut().zip(bytes.as_chunks::<8>().0) {
            let value = u64::from_be_bytes(*bytes);
            if value >= F::ORDER {
                return Err(self.error(name, EXPECTED));
            }
            *element = F::from_canonical_u64(value);
        }
        Ok(digest)
    }
}

/// A value of somebody else, for a message.
fn shown(value: &Value) -> String {
    quoted(&value.to_string())
}

//! Typed data as text.

use std::fmt;

use serde::{Serialize, Serializer, ser::SerializeMap as _};
use serde_json::Value;

use super::json::DOMAIN;

/// Typed data as JSON whose members are in the order of their types. That order changes nothing for whoever hashes, but many
/// wallets show members in the order of the text.
#[derive(Clone, Copy, Debug)]
pub struct InOrder<'a>(
    /// What [`typed_data`](super::typed_data) returns.
    pub &'a Value,
);

/// A value of the type `of`.
struct TypedValue<'a> {
    data: &'a Value,
    value: &'a Value,
    of: &'a str,
}

impl Serialize for TypedValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { data, value, of } = *self;
        let Some(members) = data["types"][of].as_array() else { return value.serialize(serializer) };
        serializer.collect_map(members.iter().map(|member| {
            let [name, of] = ["name", "type"].map(|field| member[field].as_str().unwrap_or_default());
            (name, TypedValue { data, value: &value[name], of })
        }))
    }
}

impl Serialize for InOrder<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let data = self.0;
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("types", &data["types"])?;
        map.serialize_entry("primaryType", &data["primaryType"])?;
        for (name, of) in [("domain", DOMAIN), ("message", data["primaryType"].as_str().unwrap_or_default())]
        {
            map.serialize_entry(name, &TypedValue { data, value: &data[name], of })?;
        }
        map.end()
    }
}

impl fmt::Display for InOrder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fixtures::{HOME, World, swap, transfer},
        typed_data::typed_data,
    };

    #[test]
    fn a_wallet_shows_members_in_the_order_of_their_types() {
        let world = World::new(1, HOME, environments_conformance::secret(0));
        let transaction = world.unsigned(0, &[swap(0, 7, 3), transfer(1, 0, 5)]);
        let data = typed_data(&world.environment.deployment().signing_domain(), &transaction);
        let text = InOrder(&data).to_string();
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), data);
        let (_, message) = text.split_once("\"message\":").unwrap();
        let names = [
            "nonce",
            "fee",
            "lastBlock",
            "action1",
            "sell",
            "amount",
            "buy",
            "atLeast",
            "action2",
            "to",
            "asset",
        ];
        let positions = names.map(|name| message.find(&format!("\"{name}\":")).unwrap());
        assert!(positions.is_sorted(), "{message}");
    }
}

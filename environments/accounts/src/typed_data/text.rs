//! Typed data as text.

use std::fmt;

use serde_json::Value;

use super::json::DOMAIN;

/// Typed data as JSON whose members are in the order of their types. That order changes nothing for whoever hashes, but many
/// wallets show members in the order of the text.
#[derive(Clone, Copy, Debug)]
pub struct InOrder<'a>(
    /// What [`typed_data`](super::typed_data) returns.
    pub &'a Value,
);

impl InOrder<'_> {
    /// Writes a value of a type.
    fn write(self, f: &mut fmt::Formatter<'_>, value: &Value, of: &Value) -> fmt::Result {
        let members = of.as_str().and_then(|name| self.0["types"][name].as_array());
        let Some(members) = members else { return write!(f, "{value}") };
        for (i, member) in members.iter().enumerate() {
            let (separator, name) = (if i == 0 { '{' } else { ',' }, &member["name"]);
            write!(f, "{separator}{name}:")?;
            self.write(f, &value[name.as_str().unwrap_or_default()], &member["type"])?;
        }
        f.write_str("}")
    }
}

impl fmt::Display for InOrder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (types, primary) = (&self.0["types"], &self.0["primaryType"]);
        write!(f, "{{\"types\":{types},\"primaryType\":{primary},\"domain\":")?;
        self.write(f, &self.0["domain"], &DOMAIN.into())?;
        f.write_str(",\"message\":")?;
        self.write(f, &self.0["message"], primary)?;
        f.write_str("}")
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

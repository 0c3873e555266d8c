//! What became of each message, from the superblock state.

use std::fmt;

use bridge_core::{BridgeState, Consumption, Message, state::Location};
use circuits_core::Digest;
use circuits_protocol::registry::EnvironmentId;
use serde::Serialize;

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// Its destination may claim it up to its deadline; its source may take it back afterwards.
    Pending,
    /// Its destination took it.
    Claimed(Location),
    /// Its source took it back.
    Refunded(Location),
}

/// One message's life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lifecycle {
    pub hash: Digest,
    pub message: Message,
    /// Where it was emitted.
    pub emitted: Location,
    pub fate: Fate,
}

/// The lives of all messages, in the order of emission.
#[must_use]
pub fn lifecycles(state: &BridgeState) -> Vec<Lifecycle> {
    let lives = state.records().map(|record| Lifecycle {
        hash: record.message.hash(),
        message: record.message,
        emitted: record.emitted,
        fate: match record.consumed {
            None => Fate::Pending,
            Some((Consumption::Claim, location)) => Fate::Claimed(location),
            Some((Consumption::Refund, location)) => Fate::Refunded(location),
        },
    });
    lives.collect()
}

/// What a claim by the destination is called.
fn claimed(destination: EnvironmentId) -> &'static str {
    if destination == EnvironmentId::L1 { "paid out on L1" } else { "claimed" }
}

impl Lifecycle {
    /// What became of the message, in a few words.
    #[must_use]
    pub fn outcome(&self) -> String {
        let Message { source, destination, deadline, .. } = &self.message;
        match self.fate {
            Fate::Pending => format!("pending until superblock {deadline}"),
            Fate::Claimed(at) => format!("{} in superblock {}", claimed(*destination), at.superblock),
            Fate::Refunded(at) => {
                // A deposit that comes home is a refund on L1 too.
                let word = if *source == EnvironmentId::L1 { "refunded on L1" } else { "refunded" };
                format!("{word} in superblock {}", at.superblock)
            }
        }
    }

    /// The message's life in sentences, as of superblock `number`.
    #[must_use]
    pub fn explain(&self, number: u32) -> Vec<String> {
        let Message { source, destination, amount, asset, deadline, sender, recipient, .. } = &self.message;
        let mut lines = vec![
            format!("message {}", self.hash),
            format!("{amount} of asset {asset} from {} to {}", name(*source), name(*destination)),
            format!("sender {sender}"),
            format!("recipient {recipient}"),
            format!("emitted in {}", location(self.emitted, *source)),
        ];
        lines.push(match self.fate {
            Fate::Pending if number < *deadline => format!(
                "pending after superblock {number}: claimable by {} until superblock {deadline}; {} can take it back from \
                 superblock {} on",
                name(*destination),
                name(*source),
                deadline.saturating_add(1)
            ),
            Fate::Pending => format!(
                "pending after superblock {number}: it was claimable until superblock {deadline}; {} can take it back",
                name(*source)
            ),
            Fate::Claimed(at) => {
                format!("{} in {}", claimed(*destination), location(at, *destination))
            }
            Fate::Refunded(at) => format!("refunded in {}", location(at, *source)),
        });
        lines
    }
}

/// Writes the message's life in one line.
impl fmt::Display for Lifecycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Message { source, destination, amount, asset, .. } = &self.message;
        let [from, to] = [source, destination].map(|&environment| name(environment));
        write!(
            f,
            "message {:.8}  {from} -> {to}  {amount} of {asset}  emitted in superblock {}, ",
            self.hash.to_string(),
            self.emitted.superblock
        )?;
        f.write_str(&self.outcome())
    }
}

fn name(environment: EnvironmentId) -> String {
    if environment == EnvironmentId::L1 { "L1".to_owned() } else { format!("environment {environment}") }
}

fn location(location: Location, environment: EnvironmentId) -> String {
    format!("superblock {}, block {} of {}", location.superblock, location.height, name(environment))
}

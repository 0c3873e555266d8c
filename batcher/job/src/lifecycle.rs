//! What became of each message, from the superblock state and from superblock bundles.

use std::fmt;

use batcher_verify::bundle::SuperblockBundle;
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
    /// L1 owes it to its recipient: a withdrawal, final when it was emitted.
    PaidOut,
    /// L1 owes it to its sender: a deposit that came after its deadline and never entered the tree.
    SentBack,
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

/// The lives of all messages: first those of the tree, in the order of emission, then those that never enter the tree.
/// Only the superblocks that moved the latter have them.
#[must_use]
pub fn lifecycles<'b>(
    state: &BridgeState,
    superblocks: impl IntoIterator<Item = (u32, &'b SuperblockBundle)>,
) -> Vec<Lifecycle> {
    let in_tree = state.records().iter().map(|record| Lifecycle {
        hash: record.message.hash(),
        message: record.message.clone(),
        emitted: record.emitted,
        fate: match record.consumed {
            None => Fate::Pending,
            Some((Consumption::Claim, location)) => Fate::Claimed(location),
            Some((Consumption::Refund, location)) => Fate::Refunded(location),
        },
    });
    let mut lifecycles: Vec<_> = in_tree.collect();
    for (number, bundle) in superblocks {
        for (message, consumption) in &bundle.l1_outbox {
            let fate = match consumption {
                Consumption::Claim => Fate::PaidOut,
                // A deposit that was in the tree is among its messages already.
                Consumption::Refund if bundle.deposits.contains(message) => Fate::SentBack,
                Consumption::Refund => continue,
            };
            let emitted = Location { superblock: number, height: None };
            lifecycles.push(Lifecycle { hash: message.hash(), message: message.clone(), emitted, fate });
        }
    }
    lifecycles
}

impl Lifecycle {
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
            Fate::Claimed(at) => format!("claimed in {}", location(at, *destination)),
            Fate::Refunded(at) => format!("refunded in {}", location(at, *source)),
            Fate::PaidOut => "final: L1 owes it to the recipient".to_owned(),
            Fate::SentBack => format!("came after its deadline, superblock {deadline}: L1 owes it to the sender"),
        });
        lines
    }
}

/// Writes the message's life in one line.
impl fmt::Display for Lifecycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Message { source, destination, amount, asset, deadline, .. } = &self.message;
        let [from, to] = [source, destination].map(|&environment| name(environment));
        write!(
            f,
            "message {:.8}  {from} -> {to}  {amount} of {asset}  emitted in superblock {}, ",
            self.hash.to_string(),
            self.emitted.superblock
        )?;
        match self.fate {
            Fate::Pending => write!(f, "pending until superblock {deadline}"),
            Fate::Claimed(at) => write!(f, "claimed in superblock {}", at.superblock),
            Fate::Refunded(at) => write!(f, "refunded in superblock {}", at.superblock),
            Fate::PaidOut => write!(f, "paid out on L1"),
            Fate::SentBack => write!(f, "sent back on L1"),
        }
    }
}

fn name(environment: EnvironmentId) -> String {
    if environment == EnvironmentId::L1 { "L1".to_owned() } else { format!("environment {environment}") }
}

fn location(location: Location, environment: EnvironmentId) -> String {
    let block = location.height.map(|height| format!(", block {height} of {}", name(environment)));
    format!("superblock {}{}", location.superblock, block.unwrap_or_default())
}

//! A chain that is tried before it takes the place of another one.

use circuits_database::Change;
use environments_core::{follower::DynFollower, stored::StoredError};

use super::{RefusedFile, chain::Link, published::Published};

/// A chain that leaves the one in place, as far as its blocks were applied. Nothing of it is stored.
pub(super) struct Trial {
    /// The height at which it leaves the chain in place.
    pub(super) from: u32,
    /// The step that led there.
    pub(super) step: u64,
    /// It is after the last one of `blocks`.
    pub(super) follower: Box<dyn DynFollower>,
    /// Its blocks above `from`, each with what it changes.
    pub(super) blocks: Vec<(Link, Vec<Change>)>,
}

impl Trial {
    /// Whether its blocks are the first ones of a chain that leaves the one in place at `from`.
    pub(super) fn begins(&self, from: u32, links: &[Link]) -> bool {
        let blocks = self.blocks.iter().map(|(link, _)| link);
        self.from == from
            && self.blocks.len() <= links.len()
            && blocks.zip(links).all(|(own, link)| own == link)
    }

    /// Goes on to the last one of `links`, of which its blocks are the first ones. Returns false if a block does not apply, and is
    /// then before that one.
    ///
    /// # Errors
    /// [`StoredError`]
    pub(super) fn go_on(
        &mut self,
        links: &[Link],
        published: &mut Published,
        refused: &mut Vec<RefusedFile>,
    ) -> Result<bool, StoredError> {
        for link in links.iter().skip(self.blocks.len()) {
            if !published.apply(link, &mut *self.follower, refused)? {
                return Ok(false);
            }
            self.blocks.push((*link, self.follower.changes()?));
        }
        Ok(true)
    }
}

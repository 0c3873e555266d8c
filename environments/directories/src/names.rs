//! The names of published blocks' files. They help to find blocks, and nothing relies on them.

use std::path::{Path, PathBuf};

use circuits_core::Digest;

/// Digits of an id in a file's name: enough that two blocks of one height do not share one.
const ID_DIGITS: usize = 16;

/// The file in `directory` of the block with this id.
pub(crate) fn proposed_file(directory: &Path, height: u32, id: Digest) -> PathBuf {
    let id = id.to_string();
    directory.join(format!("proposed-{height:010}-{}.superblock", id.get(..ID_DIGITS).unwrap_or(&id)))
}

/// The height, and the first digits of the id, of the block that a file is named after.
pub(crate) fn named_block(path: &Path) -> Option<(u32, &str)> {
    let name = path.file_name()?.to_str()?.strip_prefix("proposed-")?.strip_suffix(".superblock")?;
    let (height, digits) = name.split_once('-')?;
    (digits.len() == ID_DIGITS).then_some((height.parse().ok()?, digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_after_its_block() {
        let id = Digest::ZERO;
        let path = proposed_file(Path::new("blocks"), 7, id);
        assert_eq!(path, Path::new("blocks/proposed-0000000007-0000000000000000.superblock"));
        assert_eq!(named_block(&path), Some((7, "0000000000000000")));
        for other in
            ["", "proposed-7.superblock", "proposed-7-00.superblock", "x-0000000000000000.superblock"]
        {
            assert_eq!(named_block(Path::new(other)), None, "{other}");
        }
    }
}

//! How the parts of a block meet in its kernel.

/// How many of `parts` consecutive proofs each child of a kernel covers: 1 for a proof as it is, more for a
/// fold of one of the `arities`, which fall. The fewest children that the arities allow, the largest first;
/// without any fold if there are at most `most` parts. Empty if no `most` children cover them.
#[must_use]
pub(crate) fn fold_sizes(parts: usize, arities: &[usize], most: usize) -> Vec<usize> {
    if parts <= most {
        return vec![1; parts];
    }
    (1..=most).find_map(|children| search(parts, arities, children)).unwrap_or_default()
}

fn search(parts: usize, arities: &[usize], children: usize) -> Option<Vec<usize>> {
    if parts == 0 {
        return Some(vec![]);
    }
    let fitting = arities.iter().chain([&1]).filter(|&&size| size <= parts && children > 0);
    fitting
        .filter_map(|&size| Some([vec![size], search(parts - size, arities, children - 1)?].concat()))
        .next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fewest_children_cover_all_parts() {
        assert_eq!(fold_sizes(3, &[6, 3], 3), [1, 1, 1]);
        assert_eq!(fold_sizes(5, &[6, 5, 3], 3), [5]);
        assert_eq!(fold_sizes(8, &[6, 5, 3], 3), [5, 3]);
        assert_eq!(fold_sizes(11, &[6, 3], 3), [0usize; 0]);
    }
}

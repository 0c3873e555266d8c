//! The segment and superblock circuits with real proofs, over kernels that prove whatever they are asked to.

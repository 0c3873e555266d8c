mod apply;
mod follow;
mod frame;
mod lies;
mod messages;
mod superblock;

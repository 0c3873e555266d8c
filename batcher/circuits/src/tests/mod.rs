mod apply;
mod frame;
mod lies;
mod messages;
mod superblock;

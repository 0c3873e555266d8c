mod apply;
mod frame;
mod superblock;

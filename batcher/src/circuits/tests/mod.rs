mod apply;
mod superblock;

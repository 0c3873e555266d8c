mod apply;
mod capacities;
mod follow;
mod frame;
mod lies;
mod messages;
mod superblock;

mod batch;
mod fixtures;
mod forged;
mod identities;
mod mutations;
mod native;
mod trace;
mod vectors;

//! The JSON shapes of the contract.

pub mod media;
pub mod task;

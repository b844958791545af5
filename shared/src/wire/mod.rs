//! The JSON shapes of the contract.

pub mod account;
pub mod body;
pub mod envelope;
pub mod history;
pub mod media;
pub mod quota;
pub mod task;
pub mod time;
pub mod worker;

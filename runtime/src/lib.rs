//! The native binary's parts.

pub mod database;
pub mod egress;
pub mod host;
pub mod process;
pub mod server;
pub mod tools;
pub mod worker;

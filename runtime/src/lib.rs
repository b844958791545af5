//! The native binary's parts: the databases, the bundled runner of `spin.toml`, the server in front of
//! both, and the worker.

pub mod database;
pub mod egress;
pub mod host;
pub mod process;
pub mod server;

//! The native side: the databases, the bundled runner of `spin.toml`, and the server in front of both.

pub mod database;
pub mod host;
pub mod process;
pub mod server;

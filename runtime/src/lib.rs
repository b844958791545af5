//! The native binary's parts: the bundled runner (`host`, `server`), the worker, the databases, the egress
//! door, processes and tools, settings and commands, and the user's own client.

pub mod backup;
pub mod client;
pub mod clock;
pub mod command;
pub mod data_folder;
pub mod database;
pub mod doctor;
pub mod egress;
pub mod fault;
pub mod host;
pub mod keys;
pub mod log;
pub mod metrics;
pub mod process;
pub mod server;
pub mod settings;
pub mod tools;
pub mod worker;

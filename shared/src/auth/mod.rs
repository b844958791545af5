//! Tokens, passwords, signatures. Keys are arguments; nothing here reads configuration.

pub mod password;
pub mod secret;
pub mod signature;
pub mod token;

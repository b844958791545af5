//! Tokens, passwords, clients' secrets, signatures, sealed cookie jars. Keys are arguments; nothing here reads configuration.

pub mod callback;
pub mod password;
pub mod payment;
pub mod seal;
pub mod secret;
pub mod signature;
pub mod token;

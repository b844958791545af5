//! The native binary's parts.

pub mod egress;
pub mod process;
pub mod tools;
pub mod worker;

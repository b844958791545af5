//! The native binary's parts.

pub mod egress;
pub mod process;

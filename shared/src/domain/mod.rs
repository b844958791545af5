//! The pure rules: no IO, no clock, no randomness. Constructors parse and return `Result`.

pub mod egress;
pub mod media;
pub mod progress;
pub mod task;

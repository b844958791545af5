//! The subcommands, one file each.

pub mod admin;
pub mod audit;
pub mod config;
pub mod migrate;
pub mod project;
pub mod serve;
pub mod site;
pub mod sync;
pub mod up;
pub mod work;

mod parts;

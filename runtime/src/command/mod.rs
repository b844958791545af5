//! The subcommands, one file each.

pub mod admin;
pub mod audit;
pub mod backup;
pub mod config;
pub mod doctor;
pub mod mails;
pub mod migrate;
pub mod project;
pub mod serve;
pub mod site;
pub mod sync;
pub mod up;
pub mod work;

pub(crate) mod parts;

//! The JSON shapes of the contract.

pub mod account;
pub mod batch;
pub mod body;
pub mod cookies;
pub mod delivery;
pub mod envelope;
pub mod export;
pub mod finding;
#[cfg(any(feature = "spin", feature = "sheet"))]
pub mod gzip;
pub mod history;
pub mod ledger;
pub mod media;
pub mod oauth;
pub mod order;
pub mod overview;
pub mod payment;
pub mod project;
pub mod proxy;
pub mod queue;
pub mod quota;
pub mod record;
pub mod resource;
pub mod review;
pub mod search;
pub mod site;
pub mod source;
pub mod task;
pub mod template;
pub mod time;
pub mod tool;
pub mod user;
pub mod worker;

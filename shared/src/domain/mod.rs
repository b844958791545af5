//! The pure rules: no IO, no clock, no randomness. Constructors parse and return `Result`.

pub mod account;
pub mod breaker;
pub mod business_type;
pub mod client;
pub mod cookies;
pub mod delivery;
pub mod egress;
pub mod export;
pub mod file_name;
pub mod forwarded;
pub mod heads;
pub mod layout;
pub mod media;
pub mod page;
pub mod pairs;
pub mod progress;
pub mod project;
pub mod proxy;
pub mod quota;
pub mod ranges;
pub mod request_id;
pub mod source;
pub mod style;
pub mod task;
mod web_url;
pub mod ytdlp;

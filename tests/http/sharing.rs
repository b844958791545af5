//! Sharing: resources, their reviews, what is bought and paid (SH-1 to SH-14).

mod checks;
mod mails;
mod market;
mod orders;
mod payments;
mod resources;
mod reviews;
mod search;
mod secrets;

//! Sharing: resources, their reviews, what is bought and paid (SH-1 to SH-14).

mod payments;
mod resources;
mod reviews;

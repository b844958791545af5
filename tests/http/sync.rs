//! `/api/v1/sync/…`: shops' servers and their cloud (DS-1 to DS-13).

mod command;
mod outbox;
mod rows;
mod site;
mod sites;
mod visibility;

//! The test harness: starts the real binary with its worker, a media server beside it, and speaks to both
//! the way clients do. Every answer that passes through it is also checked against the OpenAPI document.

mod answer;
mod app;
mod browser;
mod business;
mod caller;
pub mod catalogue;
mod chance;
mod chaos;
mod client;
mod clips;
mod contract;
mod database;
mod drives;
mod exports;
pub mod figures;
mod fleet;
mod mailbox;
pub mod market;
mod media_routes;
mod media_server;
mod nginx;
mod process;
mod product;
mod progress;
mod project;
mod pty;
mod python;
mod rented;
mod secure;
mod sharing;
mod shop;
mod site;
mod spin;
mod sync;
mod tools;
mod wait;

pub use answer::Answer;
pub use app::{Builder, TestApp};
pub use browser::{Browser, Device};
pub use business::{Asked, Business, Manners, Told, row};
pub use caller::{Caller, Tokens, User};
pub use chance::Chance;
pub use chaos::{ChaosProxy, Fate, Rates, evenly};
pub use client::{Client, Ran};
pub use clips::{Clip, clip, hls_folder, ladder_folder};
pub use contract::Contract;
pub use database::TestDatabase;
pub use drives::{DriveServer, SHARE_CODE, ShareManner};
pub use fleet::{Fleet, Member, Role, Shape, standing_address};
pub use mailbox::{Encryption, Mailbox, Received, SMTP_PASSWORD, smtp_config};
pub use media_server::{Seen, Shelf, media};
pub use nginx::{Nginx, nginx_around};
pub use product::{binary, target_dir, workspace_root};
pub use progress::ProgressSocket;
pub use project::Project;
pub use pty::Pty;
pub use python::{deployment_schemas, openpyxl, to_pdf};
pub use rented::{Manner, PROVIDER_KEY, PROXY_PASSWORD, Provider, Service, proxy_credentials};
pub use secure::{Certificate, authority, tls_client, tls_client_of};
pub use sharing::{publication, share_url};
pub use shop::{Entry, Faults, Key, Shop, Trouble};
pub use site::Site;
pub use tools::{browsing_ytdlp, ffmpeg, plain_ytdlp, ytdlp};
pub use wait::{PATIENCE, eventually};

use std::path::PathBuf;

/// A fresh text of hexadecimal digits, unique in and between test runs.
pub fn unique() -> String {
    uuid::Uuid::now_v7().simple().to_string()
}

/// The regular files under `folder`, at any depth; none where it does not exist.
pub fn files_under(folder: &std::path::Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => open.push(entry.path()),
                Ok(_) => found.push(entry.path()),
                Err(_) => {}
            }
        }
    }
    found.sort();
    found
}

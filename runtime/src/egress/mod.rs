//! The one way out (invariant 9): [`door`] resolves once and connects to permitted addresses only,
//! [`forward_proxy`] puts yt-dlp and ffmpeg behind it, [`client`] what we ask for ourselves.

pub mod client;
pub mod door;
pub mod forward_proxy;
mod hop_by_hop;
mod known;
mod ticket;
mod tunnel;

pub use client::Client;
pub use door::{Door, EgressError};
pub use forward_proxy::ForwardProxy;
pub use ticket::{ProxyTicket, Refusal, Upstream};

#[cfg(test)]
mod tests;

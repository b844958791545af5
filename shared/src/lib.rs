//! What the components and the worker share: `domain` holds the pure rules, `wire` the JSON shapes,
//! `auth` tokens and signatures, `store` all SQL, and `spin` (feature) the handler prelude and the
//! Spin adapters of the store.

pub mod auth;
pub mod domain;
pub mod error;
pub mod limits;
#[cfg(feature = "spin")]
pub mod spin;
pub mod store;
pub mod wire;

pub use error::{Code, Error, Result};

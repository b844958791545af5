//! What the components and the worker share: `domain` holds the pure rules, `wire` the JSON shapes,
//! `auth` tokens and signatures, `store` all SQL, `sheet` (feature) writes CSV and Excel files, `language` (feature)
//! holds the command language, and `spin` (feature) has the handler prelude and the Spin adapters of the store.

pub mod auth;
pub mod domain;
pub mod error;
#[cfg(feature = "language")]
pub mod language;
pub mod limits;
#[cfg(feature = "sheet")]
pub mod sheet;
#[cfg(feature = "spin")]
pub mod spin;
pub mod store;
pub mod wire;

pub use error::{Code, Error, Result};

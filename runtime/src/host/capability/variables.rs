//! `spin:variables`: the component's own variables, their templates filled in at start.

use super::bindings::spin::variables::variables::{Error, Host, HostWithStore};
use crate::host::instance::InstanceState;
use wasmtime::component::{Accessor, HasSelf};

impl Host for InstanceState {}

impl<T> HostWithStore<T> for HasSelf<InstanceState> {
    async fn get(accessor: &Accessor<T, Self>, name: String) -> Result<String, Error> {
        accessor.with(|mut store| {
            let variables = &store.get().grants.variables;
            match variables.get(&name) {
                Some(value) => Ok(value.clone()),
                None if is_name(&name) => Err(Error::Undefined(format!("no variable {name:?}"))),
                None => Err(Error::InvalidName(name)),
            }
        })
    }
}

/// Lower-case words joined by single underscores, as Spin has it.
fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && !name.ends_with('_')
        && !name.contains("__")
        && name.chars().all(|character| {
            character.is_ascii_lowercase() || character.is_ascii_digit() || character == '_'
        })
}

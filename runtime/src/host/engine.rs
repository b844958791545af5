//! The wasmtime engine: pooled instances, compiled code kept on disk, and a clock that interrupts
//! components which compute without a pause.

use super::instance::InstanceState;
use anyhow::{Context, Result};
use shared::limits::{
    CPU_SLICE_MS, INSTANCE_KEEP_RESIDENT_BYTES, INSTANCE_MEMORY_BYTES_MAX, INSTANCE_SLOTS,
    INSTANCE_TABLE_ELEMENTS_MAX,
};
use std::path::Path;
use std::time::Duration;
use wasmtime::component::{Component, HasSelf, InstancePre, Linker};
use wasmtime::{
    Cache, CacheConfig, Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig,
};

/// A component has its own module, the shims of its imports and little else.
const CORE_INSTANCES_PER_COMPONENT: u32 = 24;
const TABLES_PER_COMPONENT: u32 = 4;
const MEMORIES_PER_COMPONENT: u32 = 2;

/// Makes the engine; compiled code is kept in `cache_dir`, so that a second start compiles nothing.
pub fn new_engine(cache_dir: &Path) -> Result<Engine> {
    let mut config = Config::new();
    config.wasm_component_model_async(true);
    config.epoch_interruption(true);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool()));
    // A cache that cannot be written costs start-up time only.
    match open_cache(cache_dir) {
        Ok(cache) => {
            config.cache(Some(cache));
        }
        Err(error) => tracing::warn!(%error, "compiled components are not kept"),
    }
    let engine = Engine::new(&config).map_err(anyhow::Error::from)?;
    start_clock(&engine)?;
    Ok(engine)
}

fn open_cache(folder: &Path) -> Result<Cache> {
    // wasmtime insists on an absolute path.
    let folder = std::path::absolute(folder)?;
    let mut config = CacheConfig::new();
    config.with_directory(folder);
    Ok(Cache::new(config)?)
}

fn pool() -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(INSTANCE_SLOTS)
        .total_core_instances(INSTANCE_SLOTS * CORE_INSTANCES_PER_COMPONENT)
        .total_memories(INSTANCE_SLOTS)
        .total_tables(INSTANCE_SLOTS * TABLES_PER_COMPONENT)
        .total_stacks(INSTANCE_SLOTS * 2)
        .max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT)
        .max_memories_per_component(MEMORIES_PER_COMPONENT)
        .max_tables_per_component(TABLES_PER_COMPONENT)
        .max_memory_size(INSTANCE_MEMORY_BYTES_MAX)
        .table_elements(INSTANCE_TABLE_ELEMENTS_MAX)
        // Resetting by writing zeros is cheaper than unmapping and faulting in again.
        .linear_memory_keep_resident(INSTANCE_KEEP_RESIDENT_BYTES)
        .table_keep_resident(64 * 1024);
    pool
}

/// Every [`CPU_SLICE_MS`] each computing component is asked to let others run.
fn start_clock(engine: &Engine) -> Result<()> {
    let engine = engine.weak();
    std::thread::Builder::new()
        .name("component-clock".into())
        .spawn(move || {
            while let Some(engine) = engine.upgrade() {
                engine.increment_epoch();
                drop(engine);
                std::thread::sleep(Duration::from_millis(CPU_SLICE_MS));
            }
        })
        .context("the component clock cannot be started")?;
    Ok(())
}

/// All that a component can import.
pub fn new_linker(engine: &Engine) -> Result<Linker<InstanceState>> {
    use super::capability::bindings::spin;
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi::p3::add_to_linker(&mut linker)?;
    wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
    spin::sqlite::sqlite::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    spin::postgres::postgres::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    spin::variables::variables::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    Ok(linker)
}

/// Compiles a component (or takes it from the cache) and links it. Blocks for as long as that takes.
pub fn prepare(
    engine: &Engine,
    linker: &Linker<InstanceState>,
    wasm: &Path,
) -> Result<InstancePre<InstanceState>> {
    if !wasm.exists() {
        anyhow::bail!("{} is not there; build it first", wasm.display());
    }
    let component = Component::from_file(engine, wasm)
        .map_err(anyhow::Error::from)
        .with_context(|| format!("{} is not a component", wasm.display()))?;
    linker
        .instantiate_pre(&component)
        .map_err(anyhow::Error::from)
        .context("it imports what this runner does not offer")
}

//! What is made once for all plugins: wasmtime's engine, the instance pool, the linker, the ticker.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use wasmtime::component::Linker as ComponentLinker;
use wasmtime::{
    Config, Enabled, InstanceAllocationStrategy, Linker, OptLevel, PoolingAllocationConfig,
    WasmBacktraceDetails,
};

use super::limits::{MAX_TABLE_ELEMENTS, MAX_TABLES};
use super::state::State;
use super::ticker::Ticker;
use super::{component, hostcalls, wasi};

/// The stack of wasm code, in bytes. Recursion beyond it is a trap.
const WASM_STACK: usize = 512 * 1024;

/// The whole stack of a call, hostcalls included, in bytes. Address space; touched pages count.
const CALL_STACK: usize = 1024 * 1024;

/// Memory of a slot that stays resident when its instance ends, zeroed instead of given back: 3.5
/// to 4.7 µs per instance against 25 to 36 µs. Bounded by [`WARM_SLOTS`] of them.
const KEEP_RESIDENT: usize = 256 * 1024;

/// The same for tables.
const KEEP_TABLE_RESIDENT: usize = 64 * 1024;

/// Slots that stay warm though unused: at most 25 MiB in all.
const WARM_SLOTS: u32 = 100;

/// Memory mappings that an open exchange costs: two for its stack, three for its instance.
const MAPPINGS_PER_INSTANCE: u64 = 5;

/// Mappings left for everything else of the process: code, thread stacks, the allocator.
const SPARE_MAPPINGS: u64 = 4_096;

/// Linux's default of `vm.max_map_count`.
const DEFAULT_MAX_MAPPINGS: u64 = 65_530;

/// Address space of a slot's memory, in bytes: all that 32 bits reach, so that accesses need no
/// bounds checks. How much of it an instance gets is its limit's matter.
const MEMORY_RESERVATION: usize = 1 << 32;

/// Instances beyond those of exchanges: new code is tried while all others may be in use.
const PROBES: u32 = 1;

/// Memories of a module that are understood.
const MAX_UNDERSTOOD_MEMORIES: u32 = 16;

/// The most core instances of a component. Python's have 38.
pub(super) const MAX_CORE_INSTANCES: u32 = 64;

/// The most tables of a component.
const MAX_COMPONENT_TABLES: u32 = 256;

/// The most bytes of what the runtime knows of an instance: Python's components need more than the
/// default of 1 MiB.
const MAX_INSTANCE_SIZE: usize = 4 * 1024 * 1024;

/// Tables in the pool for each instance that may be open. A component that has more takes as many places
/// as it needs for them ([`super::Code::slots`]).
pub(super) const TABLES_PER_SLOT: u32 = MAX_TABLES;

/// The sizes of an [`Engine`].
#[derive(Clone, Copy, Debug)]
pub struct EngineOptions {
    /// The most instances of exchanges at a time. There is room for one more, to try new code.
    pub max_instances: u32,
}

/// Compiles plugins and holds the pool that their instances live in.
#[derive(Clone)]
pub struct Engine {
    pub(super) wasmtime: wasmtime::Engine,
    pub(super) linker: Arc<Linker<State>>,
    pub(super) component_linker: Arc<ComponentLinker<State>>,
    pub(super) ticker: Arc<Ticker>,
    max_instances: u32,
}

impl Engine {
    /// Reserves the pool and starts the ticker.
    ///
    /// # Errors
    ///
    /// When the system does not give the address space, the mappings or the thread; the text says
    /// what to set.
    pub fn new(options: &EngineOptions) -> anyhow::Result<Self> {
        check_mappings(options.max_instances)?;
        let engine = wasmtime::Engine::new(&config(options)).map_err(|error| {
            anyhow::Error::from(error).context(format!(
                "no room for {} instances: lower --max-exchanges, or raise the limit on address \
                 space (ulimit -v)",
                options.max_instances
            ))
        })?;
        let mut linker = Linker::new(&engine);
        hostcalls::link(&mut linker)?;
        wasi::link(&mut linker)?;
        let mut component_linker = ComponentLinker::new(&engine);
        component::link(&mut component_linker)?;
        let epoch = engine.weak();
        let ticker = Ticker::start(move || {
            if let Some(engine) = epoch.upgrade() {
                engine.increment_epoch();
            }
        })
        .context("no thread for the ticker")?;
        let (linker, component_linker) = (Arc::new(linker), Arc::new(component_linker));
        Ok(Self {
            wasmtime: engine,
            linker,
            component_linker,
            ticker: Arc::new(ticker),
            max_instances: options.max_instances,
        })
    }

    /// The heartbeat, which is also a coarse clock.
    #[must_use]
    pub fn ticker(&self) -> Arc<Ticker> {
        Arc::clone(&self.ticker)
    }

    /// The most instances of exchanges at a time.
    #[must_use]
    pub const fn max_instances(&self) -> u32 {
        self.max_instances
    }

    /// The most instances that this system has mappings for.
    #[must_use]
    pub fn max_instances_here() -> u32 {
        let instances = max_mappings().saturating_sub(SPARE_MAPPINGS) / MAPPINGS_PER_INSTANCE;
        u32::try_from(instances).unwrap_or(u32::MAX)
    }
}

fn check_mappings(instances: u32) -> anyhow::Result<()> {
    if instances > Engine::max_instances_here() {
        let needed = u64::from(instances) * MAPPINGS_PER_INSTANCE + SPARE_MAPPINGS;
        bail!(
            "{instances} exchanges need {needed} memory mappings, and the system allows {}: set \
             sysctl vm.max_map_count={needed}, or lower --max-exchanges",
            max_mappings()
        );
    }
    Ok(())
}

fn max_mappings() -> u64 {
    let text = std::fs::read_to_string("/proc/sys/vm/max_map_count").unwrap_or_default();
    text.trim().parse().unwrap_or(DEFAULT_MAX_MAPPINGS)
}

fn config(options: &EngineOptions) -> Config {
    let mut pool = PoolingAllocationConfig::new();
    let instances = options.max_instances.saturating_add(PROBES);
    // The trial of a component may need more than one place.
    let spare = MAX_COMPONENT_TABLES;
    pool.total_core_instances(instances.saturating_mul(MAX_CORE_INSTANCES))
        .total_component_instances(instances)
        .total_memories(instances.saturating_add(MAX_UNDERSTOOD_MEMORIES))
        .total_tables(instances.saturating_mul(TABLES_PER_SLOT).saturating_add(spare))
        .total_stacks(instances)
        .max_core_instances_per_component(MAX_CORE_INSTANCES)
        .max_memories_per_component(MAX_UNDERSTOOD_MEMORIES)
        .max_tables_per_component(MAX_COMPONENT_TABLES)
        .max_component_instance_size(MAX_INSTANCE_SIZE)
        .max_core_instance_size(MAX_INSTANCE_SIZE)
        // One memory is all that the ABI allows; more are understood only to be refused in our own
        // words, as is one whose first size is beyond its limit.
        .max_memories_per_module(MAX_UNDERSTOOD_MEMORIES)
        .max_memory_size(MEMORY_RESERVATION)
        .max_tables_per_module(MAX_TABLES)
        .table_elements(MAX_TABLE_ELEMENTS)
        .max_unused_warm_slots(WARM_SLOTS)
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .table_keep_resident(KEEP_TABLE_RESIDENT)
        .pagemap_scan(Enabled::Auto);
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .epoch_interruption(true)
        .cranelift_opt_level(OptLevel::Speed)
        .max_wasm_stack(WASM_STACK)
        .async_stack_size(CALL_STACK)
        .wasm_backtrace_details(WasmBacktraceDetails::Enable)
        // Also only to be refused in our own words.
        .wasm_memory64(true)
        // Nothing here runs several calls of one store at a time.
        .concurrency_support(false);
    config
}

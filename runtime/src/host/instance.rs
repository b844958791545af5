//! One component's instances: each serves one request at a time, is used again for the next, and is
//! thrown away after a trap, after enough requests, or when idle. A fault takes its own request only.

use super::capability::{Grants, outbound_http::OutboundHttp};
use super::output::Lines;
use shared::limits::INSTANCE_MEMORY_BYTES_MAX;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::component::{GuestTaskId, ResourceTable};
use wasmtime::{Engine, ResourceLimiter, Store, StoreContextMut, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::handler::{
    HandlerState, Instance, ProxyPre, ShouldAccept, WorkerExpiration, WorkerState, WorkerStatus,
};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

/// The limits of all instances; the defaults are those of `shared::limits`.
#[derive(Clone, Debug)]
pub struct InstanceLimits {
    pub request: Duration,
    pub cpu: Duration,
    pub idle: Duration,
    pub memory_bytes: usize,
    pub reuse: usize,
    pub instances: usize,
}

impl Default for InstanceLimits {
    fn default() -> Self {
        use shared::limits;
        Self {
            request: Duration::from_secs(limits::REQUEST_S_MAX),
            cpu: Duration::from_millis(limits::CPU_MS_MAX),
            idle: Duration::from_secs(limits::INSTANCE_IDLE_S),
            memory_bytes: INSTANCE_MEMORY_BYTES_MAX,
            reuse: limits::INSTANCE_REUSE_MAX,
            instances: limits::INSTANCES_MAX as usize,
        }
    }
}

/// Why a request was ended for the component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Fault {
    None,
    /// The component asked for more memory than it gets.
    Memory,
    /// It computed for longer than it may.
    Cpu,
    /// It did not answer in time.
    Deadline,
}

/// One request on its way through an instance.
pub struct RequestState {
    pub id: String,
    fault: AtomicU8,
    answered: AtomicBool,
}

/// What goes along with a request into an instance.
pub struct Job {
    pub request: Arc<RequestState>,
    /// Kept until the component has answered, even when the client is gone.
    pub slot: Arc<OwnedSemaphorePermit>,
}

impl RequestState {
    pub fn new(id: String) -> Arc<Self> {
        Arc::new(Self {
            id,
            fault: AtomicU8::new(Fault::None as u8),
            answered: AtomicBool::new(false),
        })
    }

    pub fn fault(&self) -> Fault {
        match self.fault.load(Ordering::Acquire) {
            1 => Fault::Memory,
            2 => Fault::Cpu,
            3 => Fault::Deadline,
            _ => Fault::None,
        }
    }

    /// Notes that nobody waits for the component any more: it has answered, or its client has gone.
    pub fn set_answered(&self) {
        self.answered.store(true, Ordering::Release);
    }

    fn is_answered(&self) -> bool {
        self.answered.load(Ordering::Acquire)
    }

    fn set_fault(&self, fault: Fault) {
        self.fault.store(fault as u8, Ordering::Release);
    }
}

/// What an instance is busy with.
#[derive(Default)]
pub struct Current {
    request: Mutex<Option<Arc<RequestState>>>,
    /// Times that the current request was found computing, [`shared::limits::CPU_SLICE_MS`] apart.
    slices: AtomicU64,
    pub logged_bytes: AtomicUsize,
}

impl Current {
    fn start(&self, request: Arc<RequestState>) {
        *self.request.lock().unwrap_or_else(PoisonError::into_inner) = Some(request);
        self.slices.store(0, Ordering::Relaxed);
        self.logged_bytes.store(0, Ordering::Relaxed);
    }

    fn request(&self) -> Option<Arc<RequestState>> {
        self.request
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Empty before the first request.
    pub fn request_id(&self) -> String {
        self.request()
            .map(|request| request.id.clone())
            .unwrap_or_default()
    }

    fn set_fault(&self, fault: Fault) {
        if let Some(request) = self.request() {
            request.set_fault(fault);
        }
    }

    fn is_expired(&self) -> bool {
        self.request()
            .is_some_and(|request| request.fault() == Fault::Deadline)
    }
}

/// What the host keeps for one instance.
pub struct InstanceState {
    pub(super) table: ResourceTable,
    pub(super) grants: Arc<Grants>,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    outbound: OutboundHttp,
    memory: MemoryLimit,
}

impl WasiView for InstanceState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for InstanceState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            hooks: &mut self.outbound,
            table: &mut self.table,
            ctx: &mut self.http,
        }
    }
}

/// Refuses memory beyond the limit; a component that cannot live without it traps alone.
struct MemoryLimit {
    bytes_max: usize,
    current: Arc<Current>,
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(
        &mut self,
        _: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let granted = desired <= self.bytes_max;
        if !granted {
            self.current.set_fault(Fault::Memory);
        }
        Ok(granted)
    }

    fn table_growing(
        &mut self,
        _: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= shared::limits::INSTANCE_TABLE_ELEMENTS_MAX)
    }
}

/// Makes instances of one component.
pub struct ComponentHandler {
    pub engine: Engine,
    pub pre: ProxyPre<InstanceState>,
    pub grants: Arc<Grants>,
    pub limits: Arc<InstanceLimits>,
}

impl ComponentHandler {
    fn new_store(&self, current: &Arc<Current>) -> Store<InstanceState> {
        let lines = || Lines::new(self.grants.component.clone(), current.clone());
        let mut wasi = WasiCtx::builder();
        wasi.stdout(lines())
            .stderr(lines())
            .allow_tcp(false)
            .allow_udp(false);
        for (name, value) in &self.grants.environment {
            wasi.env(name, value);
        }
        let state = InstanceState {
            table: ResourceTable::new(),
            grants: self.grants.clone(),
            wasi: wasi.build(),
            http: WasiHttpCtx::new(),
            outbound: OutboundHttp::new(self.grants.clone()),
            memory: MemoryLimit {
                bytes_max: self.limits.memory_bytes,
                current: current.clone(),
            },
        };
        let mut store = Store::new(&self.engine, state);
        store.limiter(|state| &mut state.memory);
        store.set_epoch_deadline(1);
        let slice = Duration::from_millis(shared::limits::CPU_SLICE_MS);
        let slices_max = self.limits.cpu.div_duration_f64(slice) as u64;
        let current = current.clone();
        store.epoch_deadline_callback(move |_| {
            if current.slices.fetch_add(1, Ordering::Relaxed) >= slices_max {
                current.set_fault(Fault::Cpu);
                return Err(wasmtime::Error::msg("the component computed for too long"));
            }
            // tokio's own yield: it looks after the sockets before this task has its next turn.
            Ok(UpdateDeadline::YieldCustom(
                1,
                Box::pin(tokio::task::yield_now()),
            ))
        });
        store
    }
}

impl HandlerState for ComponentHandler {
    type StoreData = InstanceState;
    type WorkerExpiration = Expiration;
    type WorkerState = Work;

    async fn instantiate(&self) -> wasmtime::Result<Instance<InstanceState, Expiration, Work>> {
        let current = Arc::<Current>::default();
        let mut store = self.new_store(&current);
        let proxy = self.pre.instantiate_async(&mut store).await?;
        Ok(Instance {
            store,
            proxy,
            view: InstanceState::http,
            expiration: Expiration {
                limits: self.limits.clone(),
                current: current.clone(),
                timer: Box::pin(tokio::time::sleep(self.limits.request)),
            },
            state: Work {
                component: self.grants.component.clone(),
                limits: self.limits.clone(),
                current,
            },
        })
    }
}

/// Ends an instance from outside, when the component does not let its own clock run.
pub struct Expiration {
    limits: Arc<InstanceLimits>,
    current: Arc<Current>,
    timer: Pin<Box<tokio::time::Sleep>>,
}

impl WorkerExpiration for Expiration {
    fn poll(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        status: WorkerStatus,
        start: Instant,
    ) -> Poll<()> {
        let life = match status {
            WorkerStatus::Idle => self.limits.idle,
            // Its caller has had the answer that it took too long; what it still does is of no use.
            WorkerStatus::PostReturn if self.current.is_expired() => return Poll::Ready(()),
            WorkerStatus::Requests | WorkerStatus::PostReturn => self.limits.request,
        };
        let deadline = (start + life).into();
        if self.timer.deadline() != deadline {
            self.timer.as_mut().reset(deadline);
        }
        let expired = self.timer.as_mut().poll(context);
        if expired.is_ready() && status != WorkerStatus::Idle {
            self.current.set_fault(Fault::Deadline);
        }
        expired
    }
}

/// Decides what an instance takes on and hears of its end.
pub struct Work {
    component: Arc<str>,
    limits: Arc<InstanceLimits>,
    current: Arc<Current>,
}

impl WorkerState for Work {
    type StoreData = InstanceState;
    type RequestData = Job;

    fn should_accept_request(&self, concurrent: usize, total: usize) -> ShouldAccept {
        if total >= self.limits.reuse {
            ShouldAccept::Never
        } else if concurrent > 0 {
            ShouldAccept::No
        } else {
            ShouldAccept::Yes
        }
    }

    fn on_request_start(
        &self,
        mut store: StoreContextMut<'_, InstanceState>,
        job: Job,
        _: GuestTaskId,
    ) -> Pin<Box<dyn Future<Output = ()> + 'static + Send + Sync>> {
        // Without it the time spent idle would count as the first slice.
        store.set_epoch_deadline(1);
        self.current.start(job.request.clone());
        let deadline = tokio::time::sleep(self.limits.request);
        Box::pin(async move {
            let _slot = job.slot;
            deadline.await;
            job.request.set_fault(Fault::Deadline);
        })
    }

    fn drop(&self, store: Store<InstanceState>, result: wasmtime::Result<()>) {
        drop(store);
        let Err(error) = result else { return };
        let request = self.current.request();
        let fault = request
            .as_ref()
            .map_or(Fault::None, |request| request.fault());
        let is_answered = request.as_ref().is_none_or(|request| request.is_answered());
        let cause = match fault {
            // Said by whoever answered the request.
            Fault::Deadline => return,
            Fault::Memory => "out of memory".to_owned(),
            Fault::Cpu => "computed for too long".to_owned(),
            // An instance that goes with the process, idle or busy for a client that has gone: our components do
            // not unwind, so this is what wasmtime says of a task that was dropped.
            Fault::None if error.to_string() == "worker panicked" && is_answered => return,
            Fault::None => format!("{:#}", anyhow::Error::from(error)),
        };
        tracing::error!(
            component = %self.component,
            request_id = request.map(|request| request.id.clone()).unwrap_or_default(),
            cause,
            "the component failed"
        );
    }
}

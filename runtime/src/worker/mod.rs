//! The native worker: what runs long or touches the disk. Each duty is a loop in a file of its own:
//! `queue` claims and runs tasks (`video`, `export`), `callbacks` tells projects what became of theirs, `sync` exchanges rows
//! between sites and cloud, `check` asks drives about links, `mail` sends what is in the outbox, `lease` extends claims and notices lost ones, `rescue` puts tasks of dead
//! workers back, `clean` removes files whose time is over, `sweep` looks for what rows and disk say of each
//! other, `release` makes earnings the sellers' own, `disk` watches how full it is, `changes` tells WebSockets what happened elsewhere, `beat` tells
//! admins how this worker is, `update` brings tools to the version that they ask for. They share the [`Worker`] and hand over through rows.

pub mod attempt;
pub mod beat;
pub mod callbacks;
pub mod changes;
pub mod check;
pub mod clean;
pub mod cookies;
pub mod delivery;
pub mod disk;
pub mod export;
pub mod finish;
pub mod http;
pub mod hub;
pub mod index;
pub mod lease;
pub mod mail;
pub mod proxies;
pub mod queue;
pub mod release;
pub mod rescue;
pub mod retry;
pub mod sweep;
pub mod sync;
pub mod update;
pub mod video;
pub mod ytdlp;

use crate::database::Handle;
use crate::egress::{Client, Door};
use crate::metrics::worker::WorkerCounts;
use crate::settings::Settings;
use delivery::Delivery;
use disk::Disk;
use hub::Hub;
use proxies::Proxies;
use queue::Kind;
use shared::auth::callback::CallbackKey;
use shared::auth::signature::FileKeys;
use shared::domain::drive::Drive;
use shared::domain::egress::AllowList;
use shared::store::Database;
use shared::store::queue::Held;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use ytdlp::Ytdlp;

/// A claim that is being worked on.
struct Running {
    kind: Kind,
    stop: CancellationToken,
}

/// What the duties share.
pub struct Worker {
    /// Names this worker in leases; new at every start.
    pub id: String,
    pub settings: Settings,
    pub database: Arc<dyn Database>,
    pub handle: Handle,
    pub hub: Hub,
    pub ytdlp: Ytdlp,
    pub file_keys: FileKeys,
    pub callback_key: CallbackKey,
    pub proxies: Proxies,
    /// For the sources and callbacks of exports.
    pub client: Client,
    pub drives: check::Drives,
    /// `None`: mail waits.
    pub outgoing: Option<mail::Outgoing>,
    pub disk: Disk,
    pub delivery: Delivery,
    pub counts: WorkerCounts,
    update_error: Mutex<Option<String>>,
    /// The claims being worked on, and how to stop each.
    running: Mutex<HashMap<Held, Running>>,
    /// Something may be due.
    wake: watch::Sender<()>,
    /// Rows of data sync may be due.
    pub rows: watch::Sender<()>,
    parses: Semaphore,
    sockets: Arc<Semaphore>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Worker {
    pub fn new(settings: Settings, handle: Handle, ytdlp: Ytdlp) -> anyhow::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            id: uuid::Uuid::now_v7().to_string(),
            database: handle.database(),
            handle,
            hub: Hub::default(),
            ytdlp,
            file_keys: FileKeys::parse(&settings.files.kids)?,
            callback_key: CallbackKey::from_setting(&settings.keys.callbacks)?,
            proxies: Proxies::new(&settings)?,
            client: Client::new(Door::new(AllowList::parse(&settings.egress.allow)?)),
            drives: check::Drives::new(&settings)?,
            outgoing: mail::Outgoing::new(&settings.smtp).map_err(anyhow::Error::msg)?,
            disk: Disk::new(&settings.data_dir),
            delivery: Delivery::new(&settings.delivery),
            counts: WorkerCounts::default(),
            update_error: Mutex::default(),
            running: Mutex::default(),
            wake: watch::Sender::new(()),
            rows: watch::Sender::new(()),
            parses: Semaphore::new(shared::limits::PARSE_CONCURRENCY),
            sockets: Arc::new(Semaphore::new(shared::limits::WEBSOCKETS_MAX)),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            settings,
        }))
    }

    /// Starts every duty.
    pub fn start(self: &Arc<Self>) {
        tracing::info!(worker = self.id, "worker started");
        self.tasks.spawn(queue::run(self.clone(), Kind::Video));
        self.tasks.spawn(queue::run(self.clone(), Kind::Export));
        self.tasks.spawn(callbacks::run(self.clone()));
        for drive in Drive::ALL {
            self.tasks.spawn(check::run(self.clone(), drive));
        }
        self.tasks.spawn(mail::run(self.clone()));
        self.tasks.spawn(sync::business::run(self.clone()));
        self.tasks.spawn(sync::load::run(self.clone()));
        self.tasks.spawn(sync::site::run(self.clone()));
        self.tasks.spawn(index::run(self.clone()));
        self.tasks.spawn(lease::run(self.clone()));
        self.tasks.spawn(rescue::run(self.clone()));
        self.tasks.spawn(clean::run(self.clone()));
        self.tasks.spawn(release::run(self.clone()));
        self.tasks.spawn(changes::run(self.clone()));
        self.tasks.spawn(disk::run(self.clone()));
        self.tasks.spawn(beat::run(self.clone()));
        self.tasks.spawn(update::run(self.clone()));
    }

    /// Stops every duty and gives all claims back (PF-10).
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        let now = crate::clock::now_ms();
        let released = shared::store::queue::release(&*self.database, &self.id, now).await;
        match released {
            Ok(count) => tracing::info!(released = count, "worker stopped"),
            // The leases end by themselves; nothing is lost.
            Err(error) => tracing::error!(%error, "could not give the claims back"),
        }
        let _ = shared::store::duties::release(&*self.database, &self.id).await;
        let _ = shared::store::workers::leave(&*self.database, &self.id).await;
    }

    /// Tasks of this kind that are under way.
    pub fn active(&self, kind: Kind) -> usize {
        let running = self.running();
        running.values().filter(|it| it.kind == kind).count()
    }

    /// Lets every duty look for what is due.
    fn wake(&self) {
        self.wake.send_replace(());
    }

    pub fn websocket_clients(&self) -> usize {
        shared::limits::WEBSOCKETS_MAX.saturating_sub(self.sockets.available_permits())
    }

    pub fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    fn running(&self) -> std::sync::MutexGuard<'_, HashMap<Held, Running>> {
        self.running
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The folder in which a task is worked on, and where a quick download stays (VA-7).
    fn task_folder(&self, task_id: &str) -> PathBuf {
        self.settings.data_dir.join("tmp").join(task_id)
    }

    /// Waits, but no longer than until the worker stops. Returns false when it stops.
    async fn pause(&self, duration: std::time::Duration) -> bool {
        tokio::select! {
            () = self.stop.cancelled() => false,
            () = tokio::time::sleep(duration) => true,
        }
    }
}

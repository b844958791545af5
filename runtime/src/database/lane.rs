//! A queue of jobs in front of threads that each own one SQLite connection.

use rusqlite::Connection;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use tokio::sync::oneshot;

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

#[derive(Default)]
struct Queue {
    jobs: Mutex<State>,
    filled: Condvar,
    /// Threads that run a job.
    busy: AtomicUsize,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Job>,
    closed: bool,
}

/// Threads that serve one queue, first come first served. They end when the lane is dropped and its
/// queue is empty.
pub(super) struct Lane {
    queue: Arc<Queue>,
}

impl Lane {
    /// One thread per connection.
    pub(super) fn start(name: &str, connections: Vec<Connection>) -> std::io::Result<Self> {
        let lane = Self {
            queue: Arc::default(),
        };
        for (number, connection) in connections.into_iter().enumerate() {
            let queue = lane.queue.clone();
            std::thread::Builder::new()
                .name(format!("{name}-{number}"))
                .spawn(move || queue.serve(connection))?;
        }
        Ok(lane)
    }

    /// How many of the threads run a job.
    pub(super) fn busy(&self) -> usize {
        self.queue.busy.load(Ordering::Relaxed)
    }

    /// Puts a job at the end of the queue and waits for what it returns; `None` when it panicked.
    /// The job runs even when nobody waits any more.
    pub(super) fn ask<T, J>(&self, job: J) -> impl Future<Output = Option<T>> + use<T, J>
    where
        T: Send + 'static,
        J: FnOnce(&mut Connection) -> T + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // A caller that is gone does not want the answer.
            let _ = sender.send(job(connection));
        });
        self.queue.lock().waiting.push_back(job);
        self.queue.filled.notify_one();
        async move { receiver.await.ok() }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.queue.lock().closed = true;
        self.queue.filled.notify_all();
    }
}

impl Queue {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.waiting.pop_front() {
                return Some(job);
            }
            if state.closed {
                return None;
            }
            state = self
                .filled
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn serve(&self, mut connection: Connection) {
        while let Some(job) = self.next() {
            self.busy.fetch_add(1, Ordering::Relaxed);
            // A bug in one job must not take the connection from all others.
            if catch_unwind(AssertUnwindSafe(|| job(&mut connection))).is_err() {
                tracing::error!("a database job panicked");
            }
            self.busy.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

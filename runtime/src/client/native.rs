//! What the command language is given of this machine, and nothing else: the server, a place for its logins, the
//! terminal, downloads into the current folder, one named file to send. `host.js` makes the host of it that the
//! language's contract describes.

use super::http::{Asked, Http};
use super::save::save;
use super::socket::Sockets;
use super::storage::{Lock, Storage};
use super::terminal::{self, Terminal};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use rquickjs::function::Async;
use rquickjs::{Ctx, Exception, Function, Object, Result, TypedArray};
use shared::limits::{CLIENT_FILE_BYTES_MAX, CLIENT_RANDOM_BYTES_MAX};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt::Display;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::sync::Notify;

/// What runs under a command of the user.
pub struct Host {
    /// The server's origin, without a slash at the end.
    pub server: String,
    pub storage: Storage,
    pub terminal: Terminal,
    /// Whether colours are wanted.
    pub colour: bool,
    /// "en" or "zh".
    pub locale: &'static str,
    http: Http,
    sockets: Sockets,
    locks: RefCell<HashMap<u32, Lock>>,
    last_lock: Cell<u32>,
    stopped: Notify,
}

impl Host {
    pub fn new(server: String, storage: Storage, colour: bool) -> Rc<Self> {
        Rc::new(Self {
            server,
            storage,
            terminal: Terminal::default(),
            colour,
            locale: locale(),
            http: Http::default(),
            sockets: Sockets::default(),
            locks: RefCell::default(),
            last_lock: Cell::default(),
            stopped: Notify::new(),
        })
    }

    /// Ends everything that the language waits for at this moment.
    pub fn stop(&self) {
        self.stopped.notify_waiters();
    }

    async fn unless_stopped<T>(
        &self,
        work: impl Future<Output = T>,
    ) -> std::result::Result<T, &'static str> {
        tokio::select! {
            done = work => Ok(done),
            () = self.stopped.notified() => Err("Stopped."),
        }
    }
}

/// The object that `host.js` builds on.
pub fn install<'js>(ctx: &Ctx<'js>, host: &Rc<Host>) -> Result<Object<'js>> {
    let native = Object::new(ctx.clone())?;
    native.set("base", host.server.as_str())?;
    native.set("locale", host.locale)?;
    native.set("colour", host.colour)?;
    native.set("live", terminal::is_live())?;
    native.set("columns", Function::new(ctx.clone(), terminal::columns)?)?;
    native.set("random", Function::new(ctx.clone(), random)?)?;
    let own = Rc::clone(host);
    native.set(
        "write",
        Function::new(ctx.clone(), move |text: String| own.terminal.write(&text))?,
    )?;
    let own = Rc::clone(host);
    let write_error = move |text: String| own.terminal.write_error(&text);
    native.set("writeError", Function::new(ctx.clone(), write_error)?)?;
    install_network(ctx, host, &native)?;
    install_storage(ctx, host, &native)?;
    install_user(ctx, host, &native)?;
    Ok(native)
}

/// `fetch(asked)`, `save(name, asked)`, `connect(url)`, `receive(number)`, `close(number)`, `sleep(ms)`.
fn install_network<'js>(ctx: &Ctx<'js>, host: &Rc<Host>, native: &Object<'js>) -> Result<()> {
    let own = Rc::clone(host);
    let fetch = move |ctx: Ctx<'js>, asked: Object<'js>| {
        let host = Rc::clone(&own);
        async move {
            let asked = read_asked(&ctx, &asked)?;
            let answer = thrown(&ctx, host.unless_stopped(host.http.fetch(asked)).await)?;
            show_answer(&ctx, thrown(&ctx, answer)?)
        }
    };
    native.set("fetch", Function::new(ctx.clone(), Async(fetch))?)?;
    let own = Rc::clone(host);
    let save = move |ctx: Ctx<'js>, name: String, asked: Object<'js>| {
        let host = Rc::clone(&own);
        async move {
            let asked = read_asked(&ctx, &asked)?;
            let saving = save(&host.http, Path::new("."), &name, asked);
            let saved = thrown(&ctx, thrown(&ctx, host.unless_stopped(saving).await)?)?;
            let shown = Object::new(ctx)?;
            shown.set("path", saved.path)?;
            shown.set("bytes", saved.bytes as f64)?;
            Ok::<_, rquickjs::Error>(shown)
        }
    };
    native.set("save", Function::new(ctx.clone(), Async(save))?)?;
    let own = Rc::clone(host);
    let connect = move |ctx: Ctx<'js>, url: String| {
        let host = Rc::clone(&own);
        async move {
            thrown(
                &ctx,
                thrown(&ctx, host.unless_stopped(host.sockets.connect(&url)).await)?,
            )
        }
    };
    native.set("connect", Function::new(ctx.clone(), Async(connect))?)?;
    let own = Rc::clone(host);
    let receive = move |number: u32| {
        let host = Rc::clone(&own);
        async move { host.sockets.receive(number).await }
    };
    native.set("receive", Function::new(ctx.clone(), Async(receive))?)?;
    let own = Rc::clone(host);
    native.set(
        "close",
        Function::new(ctx.clone(), move |number: u32| own.sockets.close(number))?,
    )?;
    let own = Rc::clone(host);
    let sleep = move |ctx: Ctx<'js>, ms: f64| {
        let host = Rc::clone(&own);
        let length = Duration::from_millis(ms.max(0.0) as u64);
        async move { thrown(&ctx, host.unless_stopped(tokio::time::sleep(length)).await) }
    };
    native.set("sleep", Function::new(ctx.clone(), Async(sleep))?)
}

/// `get(key)`, `set(key, text)`, `remove(key)`, `lock(name)`, `unlock(number)`. A file this small is read and written
/// where it is asked for: the only one who could wait meanwhile is the one who asks.
fn install_storage<'js>(ctx: &Ctx<'js>, host: &Rc<Host>, native: &Object<'js>) -> Result<()> {
    let own = Rc::clone(host);
    let get = move |ctx: Ctx<'js>, key: String| thrown(&ctx, own.storage.get(&own.server, &key));
    native.set("get", Function::new(ctx.clone(), get)?)?;
    let own = Rc::clone(host);
    let set = move |ctx: Ctx<'js>, key: String, text: Option<String>| {
        let host = Rc::clone(&own);
        async move { thrown(&ctx, host.storage.set(&host.server, &key, text).await) }
    };
    native.set("set", Function::new(ctx.clone(), Async(set))?)?;
    let own = Rc::clone(host);
    let lock = move |ctx: Ctx<'js>, name: String| {
        let host = Rc::clone(&own);
        async move {
            let lock = host.unless_stopped(host.storage.lock(&name)).await;
            let lock = thrown(&ctx, thrown(&ctx, lock)?)?;
            let number = host.last_lock.get() + 1;
            host.last_lock.set(number);
            host.locks.borrow_mut().insert(number, lock);
            Ok::<_, rquickjs::Error>(number)
        }
    };
    native.set("lock", Function::new(ctx.clone(), Async(lock))?)?;
    let own = Rc::clone(host);
    let unlock = move |number: u32| {
        own.locks.borrow_mut().remove(&number);
    };
    native.set("unlock", Function::new(ctx.clone(), unlock)?)
}

/// `ask(question, hidden)`, `read(path)`.
fn install_user<'js>(ctx: &Ctx<'js>, host: &Rc<Host>, native: &Object<'js>) -> Result<()> {
    let own = Rc::clone(host);
    let ask = move |ctx: Ctx<'js>, question: String, hidden: bool| {
        let host = Rc::clone(&own);
        async move {
            let asking = host.terminal.ask(&question, hidden);
            thrown(&ctx, thrown(&ctx, host.unless_stopped(asking).await)?)
        }
    };
    native.set("ask", Function::new(ctx.clone(), Async(ask))?)?;
    let read = move |ctx: Ctx<'js>, path: String| async move {
        let bytes = read_file(&path).await;
        let bytes = bytes
            .map_err(|error| format!("{} cannot be read: {error}.", terminal::harmless(&path)));
        TypedArray::<u8>::new(ctx.clone(), thrown(&ctx, bytes)?)
    };
    native.set("read", Function::new(ctx.clone(), Async(read))?)
}

async fn read_file(path: &str) -> std::io::Result<Vec<u8>> {
    let file = tokio::fs::File::open(path).await?;
    let mut bytes = Vec::new();
    file.take(CLIENT_FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .await?;
    match bytes.len() as u64 > CLIENT_FILE_BYTES_MAX {
        true => Err(std::io::Error::other(format!(
            "it is larger than {CLIENT_FILE_BYTES_MAX} bytes"
        ))),
        false => Ok(bytes),
    }
}

/// `{ url, method, headers: [[name, value]…], text?, base64? }`.
fn read_asked(ctx: &Ctx<'_>, asked: &Object<'_>) -> Result<Asked> {
    let text: Option<String> = asked.get("text")?;
    let base64: Option<String> = asked.get("base64")?;
    let body = match (text, base64) {
        (Some(text), _) => Bytes::from(text),
        (None, Some(base64)) => Bytes::from(thrown(ctx, STANDARD.decode(base64))?),
        (None, None) => Bytes::new(),
    };
    let pairs: Vec<Vec<String>> = asked.get("headers")?;
    let headers: Vec<(String, String)> = pairs
        .into_iter()
        .filter_map(|pair| <[String; 2]>::try_from(pair).ok())
        .map(|[name, value]| (name, value))
        .collect();
    let (method, url): (String, String) = (asked.get("method")?, asked.get("url")?);
    thrown(ctx, Asked::new(&method, &url, &headers, body))
}

/// `{ status, headers: [[name, value]…], text, bytes }`.
fn show_answer<'js>(ctx: &Ctx<'js>, answer: http::Response<Bytes>) -> Result<Object<'js>> {
    let (head, body) = answer.into_parts();
    let headers: Vec<Vec<String>> = head
        .headers
        .iter()
        .map(|(name, value)| {
            vec![
                name.to_string(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            ]
        })
        .collect();
    let shown = Object::new(ctx.clone())?;
    shown.set("status", head.status.as_u16())?;
    shown.set("headers", headers)?;
    shown.set("text", String::from_utf8_lossy(&body).as_ref())?;
    shown.set("bytes", TypedArray::<u8>::new_copy(ctx.clone(), &body)?)?;
    Ok(shown)
}

fn random<'js>(ctx: Ctx<'js>, count: usize) -> Result<TypedArray<'js, u8>> {
    let mut bytes = vec![0; count.min(CLIENT_RANDOM_BYTES_MAX)];
    thrown(&ctx, getrandom::fill(&mut bytes))?;
    TypedArray::new(ctx, bytes)
}

/// An error becomes an exception with its sentence.
fn thrown<T, E: Display>(ctx: &Ctx<'_>, done: std::result::Result<T, E>) -> Result<T> {
    done.map_err(|error| Exception::throw_message(ctx, &error.to_string()))
}

/// The language that the environment asks for (POSIX: `LC_ALL`, then `LC_MESSAGES`, then `LANG`).
fn locale() -> &'static str {
    let asked = ["LC_ALL", "LC_MESSAGES", "LANG"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|value| !value.is_empty());
    match asked.is_some_and(|value| value.starts_with("zh")) {
        true => "zh",
        false => "en",
    }
}

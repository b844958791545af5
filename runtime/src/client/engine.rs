//! QuickJS with the command language in it. Its modules come from this binary alone; they reach of the machine what
//! [`super::native`] gives them.

use super::native::{Host, install};
use anyhow::{Context as _, anyhow};
use rquickjs::loader::{ImportAttributes, Loader, Resolver};
use rquickjs::module::Declared;
use rquickjs::{
    Array, AsyncContext, AsyncRuntime, CatchResultExt as _, CaughtError, Ctx, FromJs, Function,
    Module, Object, Promise,
};
use shared::language::MODULES;
use shared::limits::{CLIENT_MEMORY_BYTES_MAX, CLIENT_STACK_BYTES_MAX};
use std::rc::Rc;

/// The module that makes the language's host, beside those of the language.
const HOST: (&str, &str) = ("host.js", include_str!("host.js"));

/// A command as lists show it.
#[derive(Clone, Debug)]
pub struct Command {
    pub name: String,
    pub summary: String,
}

/// What could be typed next.
#[derive(Debug, Default)]
pub struct Completion {
    /// Where in the line the replaced word begins, bytes.
    pub from: usize,
    /// Texts, each with a hint.
    pub items: Vec<(String, String)>,
}

/// The language, ready to run commands.
pub struct Language<'js> {
    ctx: Ctx<'js>,
    /// What `start` in `host.js` gives.
    object: Object<'js>,
}

/// Runs `work` with the language. `own` are the names of the binary's own commands.
pub async fn with_language<W, R>(host: Rc<Host>, own: Vec<String>, work: W) -> anyhow::Result<R>
where
    W: for<'js> AsyncFnOnce(Language<'js>) -> anyhow::Result<R> + 'static,
    R: 'static,
{
    let runtime = AsyncRuntime::new()?;
    runtime.set_memory_limit(CLIENT_MEMORY_BYTES_MAX).await;
    runtime.set_max_stack_size(CLIENT_STACK_BYTES_MAX).await;
    runtime.set_loader(Modules, Modules).await;
    let context = AsyncContext::full(&runtime).await?;
    let working = context.async_with(async move |ctx| {
        let language = Language::load(&ctx, &host, own).await?;
        work(language).await
    });
    working.await
}

impl<'js> Language<'js> {
    async fn load(ctx: &Ctx<'js>, host: &Rc<Host>, own: Vec<String>) -> anyhow::Result<Self> {
        let loading = async {
            let (module, loaded) = Module::declare(ctx.clone(), HOST.0, HOST.1)?.eval()?;
            loaded.into_future::<()>().await?;
            let start: Function = module.get("start")?;
            start.call((install(ctx, host)?, own))
        };
        let object = loading.await.catch(ctx).map_err(|error| said(&error))?;
        Ok(Self {
            ctx: ctx.clone(),
            object,
        })
    }

    /// Runs a command that came as words. A promise of its exit code.
    pub fn run(&self, words: Vec<String>, json: bool) -> anyhow::Result<Promise<'js>> {
        self.call("run", (words, json))
    }

    /// Runs a command that came as a line. A promise of its exit code.
    pub fn line(&self, line: &str) -> anyhow::Result<Promise<'js>> {
        self.call("line", (line,))
    }

    /// Stops what runs.
    pub fn cancel(&self) -> anyhow::Result<()> {
        self.call::<_, bool>("cancel", ()).map(|_was_running| ())
    }

    /// All commands, in the order in which they are shown.
    pub fn commands(&self) -> anyhow::Result<Vec<Command>> {
        let read = || -> rquickjs::Result<Vec<Command>> {
            let list: Array = self.object.get("commands")?;
            list.iter::<Object>()
                .map(|command| {
                    let command = command?;
                    Ok(Command {
                        name: command.get("name")?,
                        summary: command.get("summary")?,
                    })
                })
                .collect()
        };
        read().catch(&self.ctx).map_err(|error| said(&error))
    }

    /// What could stand at `cursor` (bytes) of the line.
    pub async fn complete(&self, line: &str, cursor: usize) -> anyhow::Result<Completion> {
        let units = utf16_units(line, cursor);
        let promise: Promise = self.call("complete", (line, units))?;
        let found: Object = self.settled(promise).await?;
        let read = || -> rquickjs::Result<Completion> {
            let from: usize = found.get("from")?;
            let items: Array = found.get("items")?;
            let items = items.iter::<Object>().map(|item| {
                let item = item?;
                Ok((
                    item.get("text")?,
                    item.get::<_, Option<String>>("hint")?.unwrap_or_default(),
                ))
            });
            Ok(Completion {
                from: byte_offset(line, from),
                items: items.collect::<rquickjs::Result<_>>()?,
            })
        };
        read().catch(&self.ctx).map_err(|error| said(&error))
    }

    /// What the promise comes to.
    pub async fn settled<T: FromJs<'js>>(&self, promise: Promise<'js>) -> anyhow::Result<T> {
        let settled = promise.into_future::<T>().await;
        settled.catch(&self.ctx).map_err(|error| said(&error))
    }

    fn call<A, R>(&self, name: &str, arguments: A) -> anyhow::Result<R>
    where
        A: rquickjs::function::IntoArgs<'js>,
        R: FromJs<'js>,
    {
        let calling = || -> rquickjs::Result<R> {
            let function: Function = self.object.get(name)?;
            function.call(arguments)
        };
        let called = calling().catch(&self.ctx).map_err(|error| said(&error));
        called.with_context(|| format!("The command language failed in {name}."))
    }
}

/// An exception for whoever reports it.
fn said(error: &CaughtError<'_>) -> anyhow::Error {
    anyhow!("{error}")
}

/// The place in UTF-16 units, as JavaScript counts, of a place in bytes.
fn utf16_units(line: &str, bytes: usize) -> usize {
    let before = line.get(..bytes).unwrap_or(line);
    before.chars().map(char::len_utf16).sum()
}

/// The way back; what lies inside a character is its beginning.
fn byte_offset(line: &str, units: usize) -> usize {
    let mut passed = 0;
    for (at, character) in line.char_indices() {
        passed += character.len_utf16();
        if passed > units {
            return at;
        }
    }
    line.len()
}

/// Modules out of this binary.
struct Modules;

impl Resolver for Modules {
    fn resolve<'js>(
        &mut self,
        _: &Ctx<'js>,
        base: &str,
        name: &str,
        _: Option<ImportAttributes<'js>>,
    ) -> rquickjs::Result<String> {
        let found = join(base, name).filter(|path| source(path).is_some());
        found.ok_or_else(|| rquickjs::Error::new_resolving(base, name))
    }
}

impl Loader for Modules {
    fn load<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        name: &str,
        _: Option<ImportAttributes<'js>>,
    ) -> rquickjs::Result<Module<'js, Declared>> {
        let text = source(name).ok_or_else(|| rquickjs::Error::new_loading(name))?;
        Module::declare(ctx.clone(), name, text)
    }
}

fn source(path: &str) -> Option<&'static str> {
    let found = MODULES.iter().find(|(name, _)| *name == path);
    found.map(|(_, text)| *text)
}

/// `../text.js` from `commands/media.js` is `text.js`; what leads out of the folder, or is no relative path, is
/// nothing.
fn join(base: &str, name: &str) -> Option<String> {
    if !name.starts_with("./") && !name.starts_with("../") {
        return None;
    }
    let mut path: Vec<&str> = base.split('/').collect();
    path.pop();
    for part in name.split('/') {
        match part {
            "." => {}
            ".." => {
                path.pop()?;
            }
            part => path.push(part),
        }
    }
    Some(path.join("/"))
}

#[cfg(test)]
mod tests {
    use super::{byte_offset, join, utf16_units};

    #[test]
    fn imports_stay_within_the_language() {
        assert_eq!(join("host.js", "./index.js").as_deref(), Some("index.js"));
        assert_eq!(
            join("commands/media.js", "../text.js").as_deref(),
            Some("text.js")
        );
        assert_eq!(
            join("commands/index.js", "./media.js").as_deref(),
            Some("commands/media.js")
        );
        for outside in ["../x.js", "fs", "/etc/passwd", "https://example.com/x.js"] {
            assert_eq!(join("index.js", outside), None, "{outside}");
        }
    }

    #[test]
    fn places_in_a_line_are_counted_as_javascript_counts_them() {
        let line = "a三𝄞b";
        for (bytes, units) in [(0, 0), (1, 1), (4, 2), (8, 4), (9, 5)] {
            assert_eq!(utf16_units(line, bytes), units);
            assert_eq!(byte_offset(line, units), bytes);
        }
    }
}

/**
 * The host of the command language on a terminal, made of what `native.rs` gives. Runs in QuickJS, which has neither
 * fetch nor WebSocket nor timers of its own.
 */
import { createSession, TextScreen } from "./index.js";
import * as blocks from "./blocks.js";
import { nearest } from "./words.js";

/** Headers by their name in any case. */
class Headers {
  #values = new Map();

  constructor(pairs) {
    for (const [name, value] of pairs) {
      const before = this.#values.get(name);
      this.#values.set(name, before === undefined ? value : `${before}, ${value}`);
    }
  }

  get(name) {
    return this.#values.get(name.toLowerCase()) ?? null;
  }
}

const asked = (url, { method = "GET", headers = {}, body } = {}) => ({
  url,
  method,
  headers: Object.entries(headers),
  text: typeof body === "string" ? body : null,
  base64: body instanceof Uint8Array ? body.toBase64() : null,
});

function fetching(native) {
  return async (url, options) => {
    const answer = await native.fetch(asked(url, options));
    return {
      status: answer.status,
      ok: answer.status >= 200 && answer.status < 300,
      headers: new Headers(answer.headers),
      text: async () => answer.text,
      json: async () => JSON.parse(answer.text),
      bytes: async () => answer.bytes,
    };
  };
}

/** As much of a browser's WebSocket as listening takes. */
function sockets(native) {
  return class WebSocket {
    #number = null;
    #isClosed = false;

    constructor(url) {
      this.#listen(url);
    }

    close() {
      this.#isClosed = true;
      if (this.#number !== null) native.close(this.#number);
    }

    async #listen(url) {
      try {
        this.#number = await native.connect(url);
      } catch (error) {
        this.onerror?.({ error });
        this.onclose?.({});
        return;
      }
      if (this.#isClosed) native.close(this.#number);
      else this.onopen?.({});
      for (;;) {
        const data = await native.receive(this.#number);
        if (data === undefined || this.#isClosed) break;
        this.onmessage?.({ data });
      }
      this.onclose?.({});
    }
  };
}

/** `work` alone among all clients of this user. */
async function locked(native, name, work) {
  const number = await native.lock(name);
  try {
    return await work();
  } finally {
    native.unlock(number);
  }
}

/**
 * What the native side calls. `own` are the names of the commands of the binary itself, which an unknown word may have
 * meant too.
 */
export function start(native, own) {
  const columns = () => native.columns() ?? Infinity;
  const { colour, live } = native;
  const out = new TextScreen({ write: native.write, columns, colour, live });
  const errors = new TextScreen({ write: native.writeError, columns, colour });
  const emit = (block) => (block.type === "error" ? errors : out).show(block);
  const session = createSession({
    base: native.base,
    locale: native.locale,
    fetch: fetching(native),
    WebSocket: sockets(native),
    storage: {
      get: native.get,
      set: native.set,
      remove: (key) => native.set(key, null),
    },
    emit,
    ask: (question, { hidden = false } = {}) => native.ask(question, hidden),
    save: (url, name, headers = {}) => native.save(name, asked(url, { headers })),
    read: native.read,
    lock: (name, work) => locked(native, name, work),
    now: () => Date.now(),
    sleep: native.sleep,
    random: native.random,
  });
  return {
    commands: session.commands,
    cancel: () => session.cancel(),
    complete: (line, cursor) => session.complete(line, cursor),
    line: (text) => session.runLine(text),
    run: (words, json) => run(session, emit, words, json, own),
  };
}

async function run(session, emit, words, json, own) {
  const known = session.commands.flatMap((command) => [command.name, ...command.aliases]);
  const aliases = Object.keys(await session.aliases());
  if (![...known, ...aliases].includes(words[0]) && own.includes(nearest(words[0], [...known, ...own]))) {
    const meant = nearest(words[0], own);
    emit(blocks.error(session.t(`There is no command “${words[0]}”.`, `没有命令“${words[0]}”。`), null, session.t(`Did you mean “${meant}”?`, `是不是“${meant}”？`)));
    return 2;
  }
  return session.run(words, { json });
}

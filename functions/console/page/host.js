/** What a browser gives the command language. */

const PLACE = "wharf:";
const FILE_BYTES_MAX = 4 * 1024 * 1024;
/** A lock of a page that went away is nobody's after so long. */
const LOCK_MS_MAX = 10_000;
const LOCK_STEP_MS = 40;

const preferred = navigator.languages?.[0] ?? navigator.language ?? "en";
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** What the browser's storage does not take, because it is full or forbidden, is kept as long as the page. */
const unkept = new Map();

/** Texts by name. */
export const storage = {
  get(key) {
    if (unkept.has(key)) return unkept.get(key);
    try {
      return localStorage.getItem(PLACE + key);
    } catch {
      return null;
    }
  },
  set(key, text) {
    try {
      localStorage.setItem(PLACE + key, text);
      unkept.delete(key);
    } catch {
      unkept.set(key, text);
    }
  },
  remove(key) {
    unkept.delete(key);
    try {
      localStorage.removeItem(PLACE + key);
    } catch {
      // Nothing is kept there.
    }
  },
};

/** A host that shows blocks by `emit` and asks by `ask`. */
export function browserHost({ emit, ask, localeChanged, t }) {
  return {
    base: location.origin,
    fetch: (url, options) => fetch(url, { ...options, credentials: "omit", cache: "no-store" }),
    WebSocket,
    storage,
    emit,
    ask,
    localeChanged,
    read: () => chosen(t),
    now: () => Date.now(),
    sleep,
    random: (n) => crypto.getRandomValues(new Uint8Array(n)),
    lock: (name, work) =>
      navigator.locks ? navigator.locks.request(PLACE + name, work) : locked(name, work),
    locale: preferred.startsWith("zh") ? "zh" : "en",
  };
}

/**
 * A lock among the tabs of this browser where it has none of its own: it has them only over TLS or on this machine.
 * Two that come within one step may both get in; the language bears that.
 */
async function locked(name, work) {
  const key = `lock:${name}`;
  const own = String(Math.random());
  for (const since = Date.now(); Date.now() - since < LOCK_MS_MAX; await sleep(LOCK_STEP_MS)) {
    const [holder, until] = storage.get(key)?.split(" ") ?? [];
    if (holder === own) break;
    if (!holder || !(Number(until) > Date.now())) storage.set(key, `${own} ${Date.now() + LOCK_MS_MAX}`);
  }
  try {
    return await work();
  } finally {
    storage.remove(key);
  }
}

/** The bytes of a file that the user picks; a page reads no other. */
function chosen(t) {
  const input = document.getElementById("file");
  input.value = "";
  return new Promise((done, failed) => {
    input.onchange = async () => {
      const file = input.files[0];
      if (file.size > FILE_BYTES_MAX)
        failed(new Error(t("The file is larger than 4 MiB.", "文件超过 4 MiB。")));
      else done(new Uint8Array(await file.arrayBuffer()));
    };
    input.oncancel = () => failed(new Error(t("No file was chosen.", "没有选择文件。")));
    input.click();
  });
}

/** What a browser gives the command language. */

const PLACE = "wharf:";
const FILE_BYTES_MAX = 4 * 1024 * 1024;

const preferred = navigator.languages?.[0] ?? navigator.language ?? "en";

/** A host that shows blocks by `emit` and asks by `ask`. */
export function browserHost({ emit, ask, localeChanged }) {
  return {
    base: location.origin,
    fetch: (url, options) => fetch(url, { ...options, credentials: "omit", cache: "no-store" }),
    WebSocket,
    storage: {
      get: (key) => localStorage.getItem(PLACE + key),
      set: (key, text) => localStorage.setItem(PLACE + key, text),
      remove: (key) => localStorage.removeItem(PLACE + key),
    },
    emit,
    ask,
    localeChanged,
    read: chosen,
    now: () => Date.now(),
    sleep: (ms) => new Promise((done) => setTimeout(done, ms)),
    random: (n) => crypto.getRandomValues(new Uint8Array(n)),
    // Only where the page is served over TLS or from this machine do browsers have locks.
    lock: navigator.locks ? (name, work) => navigator.locks.request(PLACE + name, work) : undefined,
    locale: preferred.startsWith("zh") ? "zh" : "en",
  };
}

/** The bytes of a file that the user picks; a page reads no other. */
function chosen() {
  const input = document.getElementById("file");
  input.value = "";
  return new Promise((done, failed) => {
    input.onchange = async () => {
      const file = input.files[0];
      if (file.size > FILE_BYTES_MAX) failed(new Error("The file is larger than 4 MiB."));
      else done(new Uint8Array(await file.arrayBuffer()));
    };
    input.oncancel = () => failed(new Error("No file was chosen."));
    input.click();
  });
}

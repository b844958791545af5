/**
 * The command language of Wharf (SH-15): one definition for the terminal page, the native client and Node.js.
 *
 * Plain ES modules. They touch nothing of the machine but what a host gives them, so they run wherever
 * JavaScript does. `createSession(host)` makes an interpreter; what it has to show it hands to `host.emit` as
 * blocks (see blocks.js), which `TextScreen` turns into text.
 *
 * A host has:
 * - `base`: the server's origin, without a slash at the end
 * - `fetch(url, { method, headers, body })` and `WebSocket` as browsers and Node.js have them
 * - `storage`: `get(key)`, `set(key, text)`, `remove(key)`; may answer promises. Holds tokens, so keep it private.
 * - `emit(block)`: shows a block
 * - `ask(question, { hidden })`: a promise of a line, or of null where there is nobody to ask
 * - `now()` in milliseconds, `sleep(ms)`, `random(n)`: n random bytes
 * - `locale`: "en" or "zh"
 * and may have:
 * - `save(url, name, headers)`: writes a download to a file, a promise of `{ path, bytes }`
 * - `read(path)`: the bytes of a local file
 * - `lock(name, work)`: runs `work` while no other shell on the same storage does
 */
export { createSession, EXIT } from "./session.js";
export { TextScreen } from "./screen.js";
export { COMMANDS } from "./commands/index.js";

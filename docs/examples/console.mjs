/**
 * Wharf's commands in Node.js 18 and later, without a package: `node console.mjs search 三体`.
 * WHARF_SERVER says where; passwords are asked for, or taken from WHARF_ANSWERS in a script.
 */
import { randomBytes } from "node:crypto";
import { createWriteStream, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { createInterface } from "node:readline/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createSession, TextScreen } from "../../shared/language/index.js";

const place = ".wharf";
const kept = existsSync(`${place}/client.json`) ? JSON.parse(readFileSync(`${place}/client.json`)) : {};
const answers = process.env.WHARF_ANSWERS?.split("\n") ?? [];

/** Tokens are in there: nobody else may read it. */
function keep() {
  mkdirSync(place, { recursive: true, mode: 0o700 });
  writeFileSync(`${place}/client.json`, JSON.stringify(kept), { mode: 0o600 });
}

async function ask(question) {
  if (answers.length > 0 && answers[0] !== "") return answers.shift();
  if (!process.stdin.isTTY) return null;
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return await terminal.question(question);
  } finally {
    terminal.close();
  }
}

async function save(url, name, headers) {
  const path = basename(name);
  const response = await fetch(url, { headers });
  if (!response.ok) throw new Error(`The file's answer is ${response.status}.`);
  const file = createWriteStream(path, { flags: "wx" });
  await pipeline(Readable.fromWeb(response.body), file);
  return { path, bytes: file.bytesWritten };
}

const screen = new TextScreen({
  write: (text) => process.stdout.write(text),
  columns: () => process.stdout.columns ?? 80,
  colour: process.stdout.isTTY === true,
  live: process.stdout.isTTY === true,
});
const session = createSession({
  base: process.env.WHARF_SERVER ?? "http://127.0.0.1:3000",
  fetch,
  // Node.js has one from 22 on; without it progress is polled.
  WebSocket: globalThis.WebSocket,
  storage: {
    get: (key) => kept[key] ?? null,
    set: (key, text) => {
      kept[key] = text;
      keep();
    },
    remove: (key) => {
      delete kept[key];
      keep();
    },
  },
  emit: (block) => screen.show(block),
  ask,
  save,
  read: (path) => readFile(path),
  now: () => Date.now(),
  sleep: (ms) => new Promise((done) => setTimeout(done, ms)),
  random: (n) => randomBytes(n),
  locale: process.env.LANG?.startsWith("zh") ? "zh" : "en",
});
process.on("SIGINT", () => session.cancel() || process.exit(130));
process.exitCode = await session.run(process.argv.slice(2).length > 0 ? process.argv.slice(2) : ["help"]);

/**
 * What a command shows, as data; each shell has its own way to draw it. A cell is a text, or
 * `{ text, tone?, run?, copy?, url?, spans? }`: `run` is a command that a click gives, `copy` what a click copies.
 * Tones: "plain", "good", "warning", "bad", "muted", "title".
 *
 * Texts that come from a server or a user are cleaned here, once, so that no shell can forget it.
 */
import { clean, cleanLines } from "./text.js";

export function cell(value, more = {}) {
  const made = value !== null && typeof value === "object" ? { ...value } : { text: value, ...more };
  made.text = clean(made.text);
  if (made.run) made.run = clean(made.run);
  if (made.url) made.url = webAddress(made.url);
  return made;
}

/** A line or several. */
export const text = (value, tone = "plain") => ({ type: "text", text: cleanLines(value), tone });

export const title = (value) => text(value, "title");

/**
 * `columns`: `[{ title, right?, keep? }]`; `right` aligns, `keep` is never shortened. A column that no row has
 * anything in is left out. `more` is the line that shows the next page.
 */
export function table(columns, rows, note = null, more = null) {
  const cells = rows.map((row) => row.map((value) => cell(value)));
  const isUsed = columns.map((_, at) => cells.length === 0 || cells.some((row) => row[at].text !== ""));
  return {
    type: "table",
    columns: columns.filter((_, at) => isUsed[at]),
    rows: cells.map((row) => row.filter((_, at) => isUsed[at])),
    note: note && clean(note),
    more,
  };
}

/** Labels with values; those that are null or empty are left out. */
export const fields = (pairs) => ({
  type: "fields",
  fields: pairs
    .filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([name, value]) => [clean(name), cell(value)]),
});

/** A bar; a later one with the same `id` takes its place. `state`: "running", "good", "bad". */
export const progress = (id, label, percent, detail, state) => ({
  type: "progress",
  id,
  label: clean(label),
  percent: Math.min(100, Math.max(0, percent)),
  detail: clean(detail),
  state,
});

/** A web address to open; `name` is the file that it gives, where it gives one. */
export const link = (url, label, name = null) => ({
  type: "link",
  url: webAddress(url),
  text: clean(label),
  name: name && clean(name),
});

export const image = (url, label) => ({ type: "image", url: webAddress(url), text: clean(label) });

/** `kind`: "video" or "audio". */
export const media = (url, kind, label) => ({
  type: "media",
  url: webAddress(url),
  kind,
  text: clean(label),
});

/** `series`: `[{ name, values, tone }]` over `labels`. */
export const chart = (heading, labels, series) => ({ type: "chart", title: heading, labels, series });

/** Numbers as one line of bars. */
export const spark = (label, values, value) => ({ type: "spark", label, values, text: clean(value) });

/** Folders and files: `[{ name, type, size?, children? }]`. */
export const tree = (nodes) => ({ type: "tree", nodes: nodes.map(node) });

function node({ name, type, size, children }) {
  return { name: clean(name), type, size, children: children?.map(node) };
}

/** Blocks that belong together; a later group with the same `id` takes their place. */
export const group = (id, members) => ({ type: "group", id, blocks: members });

export const clear = { type: "clear" };

export const json = (value) => ({ type: "json", value });

/** `code` of the server's envelope or null; `hint` is what to do. */
export const error = (message, code = null, hint = null) => ({
  type: "error",
  message: clean(message),
  code,
  hint: hint && clean(hint),
});

/** Only http and https are ever a link. */
function webAddress(url) {
  return /^https?:\/\//iu.test(url ?? "") ? clean(url) : null;
}

/** What is shown of values: harmless text, its width in a terminal, sizes, durations, times. */

/** Control characters, marks that turn the direction of text, blanks that nobody sees, halves of characters. */
const HARMFUL =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff\ufff9-\ufffb]/gu;
/** So many marks stand above and below a character in no script; more run over the lines around. */
const PILE = /(\p{M}{6})\p{M}+/gu;

/** Text of anybody's, made harmless for one line of a terminal or a page. */
export function clean(text) {
  return String(text ?? "")
    .replace(/\r?\n|\t/gu, " ")
    .replace(HARMFUL, "\ufffd")
    .replace(PILE, "$1");
}

/** The same for text of several lines. */
export function cleanLines(text) {
  return String(text ?? "")
    .split(/\r?\n/u)
    .map(clean)
    .join("\n");
}

/** The same value as JSON, with what would be harmful to a terminal or an eye as `\uXXXX`. */
export function cleanJson(value, indent = 0) {
  const escaped = (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(value, null, indent).replace(HARMFUL, escaped);
}

const WIDE =
  /[\u1100-\u115f\u231a\u231b\u23e9-\u23ec\u23f0\u23f3\u2614\u2615\u26a1\u26bd\u26be\u26c4\u26d4\u2705\u270a\u270b\u2728\u274c\u274e\u2753-\u2755\u2757\u2795-\u2797\u2b1b\u2b1c\u2b50\u2b55\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f680}-\u{1f6ff}\u{1f900}-\u{1f9ff}\u{20000}-\u{3fffd}]/u;
const NONE = /[\p{Mn}\p{Me}\u200d\ufe00-\ufe0f]/u;

/** How many cells of a terminal a text takes: two for what East Asian fonts draw wide, none for marks. */
export function width(text) {
  let cells = 0;
  for (const character of text) cells += NONE.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
  return cells;
}

/** The text in at most `cells`, with an ellipsis where something is missing. */
export function fit(text, cells) {
  if (width(text) <= cells) return text;
  let kept = "";
  let used = 1;
  for (const character of text) {
    const more = width(character);
    if (used + more > cells) break;
    kept += character;
    used += more;
  }
  return cells < 1 ? "" : `${kept}…`;
}

export function pad(text, cells, right = false) {
  const blanks = " ".repeat(Math.max(0, cells - width(text)));
  return right ? blanks + text : text + blanks;
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** Bytes for people: `1.5 MiB`; an em dash where there is no number. */
export function size(bytes) {
  if (bytes === null || bytes === undefined) return "—";
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) [value, unit] = [value / 1024, unit + 1];
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

/** `8192`, `1.5g`, `20 MiB` as bytes (powers of 1024), or null. */
export function parseSize(text) {
  const found = /^\s*(\d+(?:\.\d+)?)\s*([kmgtp]?)(?:i?b)?\s*$/iu.exec(text);
  if (!found) return null;
  const power = " kmgtp".indexOf(found[2].toLowerCase() || " ");
  return Math.round(Number(found[1]) * 1024 ** power);
}

/** Seconds as `1:02:03` or `2:05`. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "—";
  const whole = Math.round(seconds);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  if (parts[0] === 0) parts.shift();
  return parts.map((part, at) => (at === 0 ? String(part) : String(part).padStart(2, "0"))).join(":");
}

/** An RFC 3339 time as `2026-11-24 18:05` in the zone of whoever looks. */
export function time(text) {
  if (!text) return "—";
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return clean(text);
  const two = (number) => String(number).padStart(2, "0");
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}`;
}

const ENTITIES = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'", "#x27": "'" };

/**
 * A fragment of a search, HTML-escaped with hits in `<em>`, as spans `[{ text, hit }]`. Nothing of it is ever
 * given to anybody as HTML.
 */
export function spans(fragment) {
  return fragment
    .split(/(<em>.*?<\/em>)/su)
    .filter(Boolean)
    .map((piece) => {
      const hit = piece.startsWith("<em>");
      const bare = hit ? piece.slice(4, -5) : piece;
      const text = bare.replace(/&(#?\w+);/gu, (whole, name) => ENTITIES[name] ?? whole);
      return { text: clean(text), hit };
    });
}

const BARS = "▁▂▃▄▅▆▇█";

/** Numbers as a line of bars; the highest is full. */
export function sparkline(values) {
  const top = Math.max(...values, 0);
  return values.map((value) => BARS[top === 0 ? 0 : Math.round((value / top) * (BARS.length - 1))]).join("");
}

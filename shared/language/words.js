/**
 * Lines to words and back, much as a shell has it: blanks separate, quotes hold together, a backslash takes the next.
 * A quote opens at the beginning of a word or behind `=`; elsewhere it is a character, as in `don't`, `三体「全集」`
 * and `[{"name":"Ada"}]`.
 */

const OPENING = { '"': '"', "'": "'", "“": "”", "‘": "’", "「": "」" };

/**
 * The words of a line with their places: `[{ text, from, to, open }]`. `open` is a quote that nobody closed.
 * The blank of a Chinese keyboard (U+3000) separates too.
 */
export function split(line) {
  const words = [];
  let word = null;
  let closing = null;
  let mayOpen = true;
  for (let at = 0; at < line.length; at++) {
    const character = line[at];
    if (closing === null && /\s/u.test(character)) {
      if (word) words.push({ ...word, to: at });
      word = null;
      mayOpen = true;
      continue;
    }
    word ??= { text: "", from: at, to: line.length, open: null };
    const opens = mayOpen;
    mayOpen = character === "=" || character === closing;
    if (character === closing) {
      closing = null;
    } else if (character === "\\" && closing !== "'" && at + 1 < line.length) {
      at += 1;
      word.text += line[at];
    } else if (closing === null && opens && Object.hasOwn(OPENING, character)) {
      closing = OPENING[character];
    } else {
      word.text += character;
    }
  }
  if (word) words.push({ ...word, open: closing });
  return words;
}

/** A word as it would have to be typed. */
export function quote(text) {
  return text !== "" && !/[\s"'“”‘’「」\\]/u.test(text) ? text : `"${text.replace(/["\\]/gu, "\\$&")}"`;
}

/** The one of `names` that `typed` was probably meant to be, or null. */
export function nearest(typed, names) {
  let best = null;
  let least = Math.max(1, Math.floor([...typed].length / 3)) + 1;
  for (const name of names) {
    const far = distance(typed, name);
    if (far < least) [best, least] = [name, far];
  }
  return best;
}

/** Damerau's distance (optimal string alignment). */
function distance(from, to) {
  const a = [...from];
  const b = [...to];
  const rows = Array.from({ length: a.length + 1 }, (_, i) => [i]);
  for (let j = 0; j <= b.length; j++) rows[0][j] = j;
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const other = a[i - 1] === b[j - 1] ? 0 : 1;
      rows[i][j] = Math.min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + other);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        rows[i][j] = Math.min(rows[i][j], rows[i - 2][j - 2] + 1);
      }
    }
  }
  return rows[a.length][b.length];
}

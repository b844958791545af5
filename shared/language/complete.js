/** What could be typed next: commands, options, values, and lines of the last list. */
import { COMMANDS, find } from "./commands/index.js";
import { optionsOf } from "./grammar.js";
import { quote, split } from "./words.js";

const LIST_MAX = 20;

/** `{ from, to, items: [{ text, hint }] }` for the word at the cursor. */
export function complete(line, cursor, { t, aliases, lists }) {
  const words = split(line.slice(0, cursor));
  const last = words.at(-1);
  const isNew = !last || last.to < cursor;
  const typed = isNew ? "" : last.text;
  const from = isNew ? cursor : last.from;
  const before = (isNew ? words : words.slice(0, -1)).map((word) => word.text);
  const items = before.length === 0 ? names(t, aliases) : within(before, typed, { t, aliases, lists });
  const fitting = items.filter((item) => item.text.startsWith(typed) && item.text !== typed);
  return { from, to: cursor, items: fitting.map((item) => ({ ...item, text: quote(item.text) })) };
}

function names(t, aliases) {
  const own = Object.entries(aliases).map(([text, hint]) => ({ text, hint }));
  const known = COMMANDS.flatMap((command) => {
    const hint = t(...command.summary);
    const others = (command.aliases ?? []).map((text) => ({ text, hint }));
    return [{ text: command.name, hint }, ...others];
  });
  return [...own, ...known];
}

function within(before, typed, { t, aliases, lists }) {
  const name = Object.hasOwn(aliases, before[0]) ? split(aliases[before[0]])[0]?.text : before[0];
  const command = find(name);
  if (!command) return [];
  const options = optionsOf(command);
  const open = options.find((one) => !one.flag && before.at(-1) === `--${one.name}`);
  if (open) return valuesOf(open, lists, t);
  if (typed.startsWith("-")) {
    return options
      .filter((one) => !before.includes(`--${one.name}`))
      .map((one) => ({ text: `--${one.name}`, hint: t(...one.help) }));
  }
  const argument = (command.arguments ?? [])[plain(before.slice(1), options)];
  return argument ? valuesOf(argument, lists, t) : [];
}

/** How many of the words are neither options nor their values. */
function plain(words, options) {
  const takesOne = (word) => options.some((one) => !one.flag && word === `--${one.name}`);
  return words.filter((word, at) => !word.startsWith("-") && !(at > 0 && takesOne(words[at - 1]))).length;
}

function valuesOf(spec, lists, t) {
  if (spec.values) return spec.values.map((text) => ({ text, hint: "" }));
  if (spec.commands) return names(t, {});
  const ids = (spec.list && lists[spec.list]) || [];
  return ids.slice(0, LIST_MAX).map((id, at) => ({ text: String(at + 1), hint: id }));
}

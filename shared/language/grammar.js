/**
 * How a command's words are read. A command is
 * `{ name, aliases, summary: [en, zh], group, arguments, options, examples, run }`:
 * - an argument is `{ name, help: [en, zh], optional?, rest?, line?, values?, list? }`; `rest` takes all words that
 *   are left, `line` too, with their options, as a line of their own; `list` says that `#2` stands for the second of the last list of that kind
 * - an option is `{ name, help, flag?, values?, value? }`; `value` is what its value is called
 */
import { Misuse } from "./client.js";
import { nearest, quote } from "./words.js";

/** Every command has these. */
export const COMMON = [
  { name: "json", flag: true, help: ["Show the answer as JSON", "以 JSON 显示结果"] },
  { name: "help", flag: true, help: ["Show how the command is used", "显示用法"] },
];

/** Phones make one long dash of two, and Chinese keyboards have wide ones. */
const DASHES = /^(?:--?|[\u2013\u2014]{1,2}|\uff0d{1,2})(?=[a-z])/iu;

export const optionsOf = (command) => [...(command.options ?? []), ...COMMON];

/**
 * `{ values, options }` of the words behind a command's name. Throws `Misuse`. An option may stand anywhere,
 * as `--name value` or `--name=value`; behind `--` nothing is an option.
 */
export function read(command, words, t) {
  const options = {};
  const plain = [];
  const rest = [...words];
  const lineAt = (command.arguments ?? []).findIndex((one) => one.line);
  while (rest.length > 0) {
    const word = rest.shift();
    if (word === "--") {
      plain.push(...rest.splice(0));
    } else if (DASHES.test(word)) {
      option(command, word, rest, options, t);
    } else {
      plain.push(word);
      if (lineAt >= 0 && plain.length > lineAt) plain.push(...rest.splice(0));
    }
  }
  return { values: options.help ? {} : place(command, plain, t), options };
}

function option(command, word, rest, options, t) {
  const at = word.indexOf("=");
  const name = word.slice(0, at < 0 ? undefined : at).replace(DASHES, "");
  const known = optionsOf(command);
  const found = known.find((one) => one.name === name);
  if (!found) {
    const meant = nearest(
      name,
      known.map((one) => one.name),
    );
    throw new Misuse(
      t(`${command.name} has no option --${name}.`, `${command.name} 没有选项 --${name}。`),
      meant ? t(`Did you mean --${meant}?`, `是不是 --${meant}？`) : usage(command, t),
    );
  }
  if (found.flag) {
    if (at >= 0) throw new Misuse(t(`--${name} takes no value.`, `--${name} 不带值。`));
    options[name] = true;
    return;
  }
  const isNext = rest.length > 0 && known.some((one) => rest[0] === `--${one.name}`);
  if (at < 0 && (rest.length === 0 || isNext))
    throw new Misuse(t(`--${name} needs a value.`, `--${name} 需要一个值。`), usage(command, t));
  const value = at < 0 ? rest.shift() : word.slice(at + 1);
  options[name] = oneOf(found, `--${name}`, value, t);
}

function place(command, plain, t) {
  const values = {};
  const rest = [...plain];
  for (const argument of command.arguments ?? []) {
    if (rest.length === 0 || (rest[0] === "" && !argument.optional)) {
      if (argument.optional) continue;
      throw new Misuse(
        t(
          `${command.name} needs ${argument.name.toUpperCase()}.`,
          `${command.name} 缺少 ${argument.name.toUpperCase()}。`,
        ),
        usage(command, t),
      );
    }
    values[argument.name] = argument.rest
      ? rest.splice(0).join(" ")
      : argument.line
        ? lineOf(rest.splice(0))
        : oneOf(argument, argument.name, rest.shift(), t);
  }
  if (rest.length > 0)
    throw new Misuse(t(`“${rest[0]}” is one word too many.`, `“${rest[0]}” 多余。`), usage(command, t));
  return values;
}

/** Several words as they would be typed; one is a line already. */
const lineOf = (words) => (words.length === 1 ? words[0] : words.map(quote).join(" "));

function oneOf(spec, label, value, t) {
  if (!spec.values || spec.values.includes(value)) return value;
  const all = spec.values.join(", ");
  throw new Misuse(t(`${label} is one of: ${all}.`, `${label} 可取：${all}。`));
}

/** The command on one line: `search WORDS [--drive DRIVE] …`. */
export function usage(command, t) {
  const words = (command.arguments ?? []).map((argument) => {
    const name = argument.name.toUpperCase() + (argument.rest || argument.line ? "…" : "");
    return argument.optional ? `[${name}]` : name;
  });
  const options = (command.options ?? []).map((one) =>
    one.flag ? `[--${one.name}]` : `[--${one.name} ${valueName(one)}]`,
  );
  return t("Usage: ", "用法：") + [command.name, ...words, ...options].join(" ");
}

export const valueName = (one) => one.value ?? one.name.toUpperCase();

/** The interpreter: a line or words in, blocks out, an exit code back. */
import * as blocks from "./blocks.js";
import { Client, Failure, Misuse } from "./client.js";
import { COMMANDS, find } from "./commands/index.js";
import { complete } from "./complete.js";
import { explain } from "./failures.js";
import { read, usage } from "./grammar.js";
import { help } from "./help.js";
import { nearest, quote, split } from "./words.js";

/** Exit codes: all is well, the server or the world said no, the line was wrong, the user stopped it. */
export const EXIT = { ok: 0, failed: 1, misuse: 2, stopped: 130 };

const ALIASES_PLACE = "aliases";
const LISTS_PLACE = "lists";
const LOCALE_PLACE = "locale";
const ALIAS_DEPTH_MAX = 8;

class Stopped extends Error {}

export function createSession(host) {
  return new Session(host);
}

class Session {
  #stops = new Set();

  constructor(host) {
    this.host = host;
    this.locale = host.locale === "zh" ? "zh" : "en";
    this.t = (en, zh) => (this.locale === "zh" ? zh : en);
    this.api = new Client(host, this.t);
    this.commands = COMMANDS.map((command) => ({
      name: command.name,
      aliases: command.aliases ?? [],
      summary: this.t(...command.summary),
      usage: usage(command, this.t),
    }));
  }

  /** What a user wrote: one line of text. */
  async runLine(line) {
    const words = split(line);
    if (words.length === 0) return EXIT.ok;
    if (words.at(-1).open) {
      const hint = this.t(
        `It ends with ${words.at(-1).open}; a backslash before a quote makes it a character.`,
        `应以 ${words.at(-1).open} 结束；引号前加反斜杠表示引号本身。`,
      );
      this.#show(blocks.error(this.t("A quote is not closed.", "引号没有闭合。"), null, hint));
      return EXIT.misuse;
    }
    return this.run(words.map((word) => word.text));
  }

  /** The same as separate words, as a shell of the system hands them over. `json` is as `--json`. */
  async run(words, { json = false } = {}) {
    let stop;
    const wantsJson = json || words.includes("--json");
    try {
      await this.#ready();
      const expanded = await this.#expand(words);
      const isAddress = /^https?:\/\//iu.test(expanded[0]);
      const [name = "", ...rest] = isAddress ? ["parse", ...expanded] : expanded;
      const command = find(name);
      if (!command) throw this.#unknown(name);
      const { values, options } = read(command, rest, this.t);
      if (options.help) {
        help(command, this.t).forEach((block) => this.#show(block));
        return EXIT.ok;
      }
      stop = this.#stop();
      const call = new Call(this, {
        words: expanded,
        values,
        options,
        json: json || options.json === true,
        stop,
      });
      const data = await call.until(command.run(call));
      if (call.json && data !== undefined && !call.said) this.#show(blocks.json(data));
      return call.exit ?? EXIT.ok;
    } catch (failure) {
      return this.#failed(failure, wantsJson);
    } finally {
      if (stop) this.#stops.delete(stop);
    }
  }

  /** Ends what runs. Whether anything did. */
  cancel() {
    for (const stop of this.#stops) stop.now();
    return this.#stops.size > 0;
  }

  /** What could stand where the cursor is: `{ from, to, items: [{ text, hint }] }`. */
  async complete(line, cursor = line.length) {
    await this.#ready();
    return complete(line, cursor, { t: this.t, aliases: await this.aliases(), lists: await this.#lists() });
  }

  async aliases() {
    const kept = Object.entries(await this.#stored(ALIASES_PLACE));
    return Object.fromEntries(kept.filter(([, line]) => typeof line === "string"));
  }

  async setAliases(aliases) {
    await this.host.storage.set(ALIASES_PLACE, JSON.stringify(aliases));
  }

  async setLocale(locale) {
    this.locale = locale;
    await this.host.storage.set(LOCALE_PLACE, locale);
    this.host.localeChanged?.(locale);
  }

  /** Remembers what was listed last, so that `2` may stand for the second. */
  async remember(kind, ids) {
    try {
      const lists = await this.#lists();
      await this.host.storage.set(LISTS_PLACE, JSON.stringify({ ...lists, [kind]: ids }));
    } catch {
      // A storage that takes nothing more is no reason to hide what the server answered.
    }
  }

  /** The id that a word stands for. */
  async id(kind, word) {
    const found = /^#?(\d{1,3})$/u.exec(word);
    if (!found) return word;
    const ids = (await this.#lists())[kind] ?? [];
    const id = ids[Number(found[1]) - 1];
    if (id) return id;
    throw new Misuse(
      this.t(`There is no number ${found[1]} in the last list.`, `上一个列表中没有第 ${found[1]} 项。`),
      this.t(
        "A number stands for a line of the list before; an id always works.",
        "数字指上一个列表中的行；也可以直接用 id。",
      ),
    );
  }

  /** What another shell on the same storage may have changed. */
  async reread() {
    this.started = false;
    await this.#ready();
  }

  async #ready() {
    if (this.started) return;
    this.started = true;
    const kept = await this.host.storage.get(LOCALE_PLACE);
    if (kept === "en" || kept === "zh") this.locale = kept;
  }

  async #expand(words) {
    const aliases = await this.aliases();
    const seen = new Set();
    let expanded = words;
    while (Object.hasOwn(aliases, expanded[0]) && !seen.has(expanded[0]) && seen.size < ALIAS_DEPTH_MAX) {
      seen.add(expanded[0]);
      expanded = [...split(aliases[expanded[0]]).map((word) => word.text), ...expanded.slice(1)];
    }
    return expanded;
  }

  #unknown(name) {
    const names = COMMANDS.flatMap((command) => [command.name, ...(command.aliases ?? [])]);
    const meant = nearest(name, names);
    return new Misuse(
      this.t(`There is no command “${name}”.`, `没有命令“${name}”。`),
      meant
        ? this.t(`Did you mean “${meant}”? All of them: help`, `是不是“${meant}”？全部命令：help`)
        : this.t("All commands: help", "全部命令：help"),
    );
  }

  #failed(failure, json) {
    if (failure instanceof Stopped) {
      if (!json) this.#show(blocks.text(this.t("Stopped.", "已停止。"), "muted"));
      return EXIT.stopped;
    }
    const isMisuse = failure instanceof Misuse;
    const shown = isMisuse
      ? blocks.error(failure.message, null, failure.hint)
      : failure instanceof Failure
        ? explain(failure, this.locale, this.t)
        : blocks.error(String(failure?.message ?? failure));
    const { code = null, data = null, message = shown.message } = failure;
    this.#show(json ? blocks.json({ code, message, data }) : shown);
    return isMisuse ? EXIT.misuse : EXIT.failed;
  }

  #show(block) {
    this.host.emit(block);
  }

  #stop() {
    const stop = {};
    stop.promise = new Promise((_, reject) => {
      stop.now = () => {
        stop.isStopped = true;
        reject(new Stopped());
      };
    });
    stop.promise.catch(() => {});
    this.#stops.add(stop);
    return stop;
  }

  async #lists() {
    const kept = Object.entries(await this.#stored(LISTS_PLACE));
    return Object.fromEntries(kept.filter(([, ids]) => Array.isArray(ids)));
  }

  /** An object out of the storage; an empty one where something else is. */
  async #stored(place) {
    try {
      const kept = JSON.parse(await this.host.storage.get(place));
      return typeof kept === "object" && kept !== null ? kept : {};
    } catch {
      return {};
    }
  }
}

/** One command under way: what it was given and what it may do. */
class Call {
  constructor(session, { words, values, options, json, stop }) {
    Object.assign(this, { session, words, values, options, json });
    this.host = session.host;
    this.api = session.api;
    this.t = session.t;
    this.stop = stop;
  }

  /** Shows a block, unless JSON is wanted. */
  show(...shown) {
    if (!this.json) shown.filter(Boolean).forEach((block) => this.host.emit(block));
  }

  /** Gives out one of several JSON answers, where a command has more than one. */
  say(value) {
    this.said = true;
    if (this.json) this.host.emit(blocks.json(value));
  }

  /** The promise's value, unless the user stops the command first. */
  until(promise) {
    return Promise.race([promise, this.stop.promise]);
  }

  pause(ms) {
    return this.until(this.host.sleep(ms));
  }

  /** A request for `realm`; see Client. */
  request(method, path, more) {
    return this.api.request(method, path, more);
  }

  id(kind, word) {
    return this.session.id(kind, word).then(encodeURIComponent);
  }

  /** Refuses a command that changes something when none of these options says what. */
  needs(names) {
    if (names.some((name) => this.options[name] !== undefined)) return;
    const all = names.map((name) => `--${name}`).join(", ");
    throw new Misuse(this.t(`Nothing to change: ${all}.`, `没有要修改的内容：${all}。`));
  }

  /** An answer of a person, or a refusal in their place. */
  async ask(question, hidden = false) {
    const answer = await this.until(this.host.ask(question, { hidden }));
    if (answer === null || answer === undefined || answer === "") {
      throw new Misuse(this.t("Nothing was entered.", "没有输入。"));
    }
    return answer;
  }

  /** A page of a list as a table with how to go on; `nothing` is what stands in place of an empty list. */
  list(data, columns, rows, nothing) {
    if (rows.length > 0) this.show(blocks.table(columns, rows, ...this.pages(data)));
    else if (data.total > 0)
      this.show(
        blocks.text(
          this.t(
            `There is nothing on page ${data.page}: ${data.total} in all.`,
            `第 ${data.page} 页没有内容，共 ${data.total} 项。`,
          ),
          "muted",
        ),
      );
    else this.show(nothing);
  }

  /** What stands under a page that is not the last: where it is, and the line that shows the next. */
  pages({ items, total, total_is_exact, page, page_size }) {
    if (total <= page * page_size) return [null, null];
    const first = (page - 1) * page_size + 1;
    const last = first + items.length - 1;
    const all = `${total}${total_is_exact === false ? "+" : ""}`;
    const shown = this.t(`${first}–${last} of ${all}`, `第 ${first}–${last} 项，共 ${all} 项`);
    const words = this.words.filter(
      (word, at) => !/^--page(=|$)/u.test(word) && this.words[at - 1] !== "--page",
    );
    const next = ["--page", String(page + 1)];
    return [`${shown} · ${next.join(" ")}`, [words[0], ...next, ...words.slice(1)].map(quote).join(" ")];
  }
}

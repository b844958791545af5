/** The interpreter: a line or words in, blocks out, an exit code back. */
import * as blocks from "./blocks.js";
import { Client, Failure, Misuse } from "./client.js";
import { COMMANDS, find } from "./commands/index.js";
import { complete } from "./complete.js";
import { explain } from "./failures.js";
import { read, usage } from "./grammar.js";
import { help } from "./help.js";
import { nearest, split } from "./words.js";

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
      this.#show(blocks.error(this.t("A quote is not closed.", "引号没有闭合。")));
      return EXIT.misuse;
    }
    return this.run(words.map((word) => word.text));
  }

  /** The same as separate words, as a shell of the system hands them over. `json` is as `--json`. */
  async run(words, { json = false } = {}) {
    await this.#ready();
    const expanded = await this.#expand(words);
    const isAddress = /^https?:\/\//iu.test(expanded[0]);
    const [name, ...rest] = isAddress ? ["parse", ...expanded] : expanded;
    const command = find(name);
    let stop;
    try {
      if (!command) throw this.#unknown(name);
      const { values, options } = read(command, rest, this.t);
      if (options.help) {
        help(command, this.t).forEach((block) => this.#show(block));
        return EXIT.ok;
      }
      stop = this.#stop();
      const call = new Call(this, command, { values, options, json: json || options.json === true, stop });
      const data = await call.until(command.run(call));
      if (call.json && data !== undefined && !call.said) this.#show(blocks.json(data));
      return call.exit ?? EXIT.ok;
    } catch (failure) {
      return this.#failed(failure);
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
    return this.#stored(ALIASES_PLACE, {});
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
    const lists = await this.#lists();
    await this.host.storage.set(LISTS_PLACE, JSON.stringify({ ...lists, [kind]: ids }));
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

  #failed(failure) {
    if (failure instanceof Stopped) {
      this.#show(blocks.text(this.t("Stopped.", "已停止。"), "muted"));
      return EXIT.stopped;
    }
    if (failure instanceof Misuse) {
      this.#show(blocks.error(failure.message, null, failure.hint));
      return EXIT.misuse;
    }
    if (failure instanceof Failure) {
      this.#show(explain(failure, this.locale, this.t));
      return EXIT.failed;
    }
    this.#show(blocks.error(String(failure?.message ?? failure)));
    return EXIT.failed;
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
    return this.#stored(LISTS_PLACE, {});
  }

  async #stored(place, otherwise) {
    try {
      return JSON.parse(await this.host.storage.get(place)) ?? otherwise;
    } catch {
      return otherwise;
    }
  }
}

/** One command under way: what it was given and what it may do. */
class Call {
  constructor(session, command, { values, options, json, stop }) {
    Object.assign(this, { session, command, values, options, json });
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

  /** An answer of a person, or a refusal in their place. */
  async ask(question, hidden = false) {
    const answer = await this.until(this.host.ask(question, { hidden }));
    if (answer === null || answer === undefined || answer === "") {
      throw new Misuse(this.t("Nothing was entered.", "没有输入。"));
    }
    return answer;
  }

  /** The next page, as a hint under a list. */
  pages(list, kind) {
    if (list.total <= list.page * list.page_size) return null;
    const shown = this.t(
      `${list.items.length} of ${list.total}`,
      `共 ${list.total} 项，已显示 ${list.items.length} 项`,
    );
    return `${shown} · --page ${list.page + 1}${kind ?? ""}`;
  }
}

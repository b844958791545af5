/** Blocks as text: for terminals, with colours and lines that are rewritten, and for files and pipes, without. */
import { cleanJson, fit, size, pad, sparkline, width } from "./text.js";

const ESCAPE = "\u001b[";
const STYLES = { good: "32", warning: "33", bad: "31", muted: "2", title: "1", hit: "1;33", link: "4" };
const STYLED = /\u001b\[[\d;]*m/gu;
const COLUMNS_MIN = 20;
const ROWS_MIN = 4;
const BAR_CELLS = 20;
const LABEL_CELLS_MAX = 30;
const GAP = "  ";
/** Without a terminal, a bar is written again when it has grown by so much. */
const STEP_PERCENT = 10;

export class TextScreen {
  #live = new Map();
  #lines = 0;
  #said = new Map();

  /**
   * `write(text)` takes what is to be shown. `columns` is the terminal's width and `rows` its height, or functions
   * that tell them. With `colour` it may use colours, with `live` rewrite its last lines.
   */
  constructor({ write, columns = 80, rows = 24, colour = false, live = false }) {
    this.write = write;
    this.rows = () => Math.max(ROWS_MIN, (typeof rows === "function" ? rows() : rows) || 24);
    this.columns = () => Math.max(COLUMNS_MIN, (typeof columns === "function" ? columns() : columns) || 80);
    this.colour = colour;
    this.live = live;
  }

  show(block) {
    if (block.type === "progress" || block.type === "group") {
      this.#moving(block);
      return;
    }
    this.#settle();
    if (block.type === "clear") {
      if (this.live) this.write(`${ESCAPE}2J${ESCAPE}H`);
      return;
    }
    this.write(
      this.#render(block)
        .map((line) => `${line}\n`)
        .join(""),
    );
  }

  #moving(block) {
    const lines = this.#render(block);
    if (!this.live) {
      if (block.type === "group" || this.#isNews(block))
        this.write(lines.map((line) => `${line}\n`).join(""));
      return;
    }
    this.#live.set(block.id, { lines, isOver: block.state !== undefined && block.state !== "running" });
    const all = this.#fitting();
    const back = this.#lines > 0 ? `${ESCAPE}${this.#lines}A${ESCAPE}0J` : "";
    this.write(back + all.map((line) => `${line}\n`).join(""));
    this.#lines = this.#height(all);
  }

  /** The lines that the terminal has room for, since no more could be rewritten: what goes on before what is over. */
  #fitting() {
    const all = [...this.#live.values()];
    let room = this.rows() - 1;
    const kept = new Set();
    for (const one of [...all.filter((it) => !it.isOver), ...all.filter((it) => it.isOver).reverse()]) {
      room -= this.#height(one.lines);
      if (room < 0 && kept.size > 0) break;
      kept.add(one);
    }
    return all.filter((one) => kept.has(one)).flatMap((one) => one.lines);
  }

  /** Rows of the terminal that lines take, those that it wraps more than one. */
  #height(lines) {
    const rowsOf = (line) => Math.max(1, Math.ceil(width(line.replace(STYLED, "")) / this.columns()));
    return lines.reduce((all, line) => all + rowsOf(line), 0);
  }

  /** What moved stays as it is. */
  #settle() {
    this.#live.clear();
    this.#lines = 0;
  }

  #isNews({ id, percent, state }) {
    const before = this.#said.get(id);
    const isNews = !before || before.state !== state || percent - before.percent >= STEP_PERCENT;
    if (isNews) this.#said.set(id, { percent, state });
    return isNews;
  }

  #render(block) {
    switch (block.type) {
      case "text":
        return block.text.split("\n").map((line) => this.#paint(line, block.tone));
      case "error":
        return this.#error(block);
      case "fields":
        return this.#fields(block.fields);
      case "table":
        return this.#table(block);
      case "progress":
        return [this.#bar(block)];
      case "group":
        return block.blocks.flatMap((one) => this.#render(one));
      case "link":
        return block.url ? [`${block.text}: ${this.#paint(block.url, "link")}`] : [block.text];
      case "image":
        return [];
      case "media":
        return [];
      case "spark":
        return [`${block.label} ${sparkline(block.values)} ${this.#paint(block.text, "muted")}`];
      case "chart":
        return this.#chart(block);
      case "tree":
        return this.#tree(block.nodes, "");
      case "json":
        return cleanJson(block.value, this.live ? 2 : 0).split("\n");
      default:
        return [];
    }
  }

  #paint(text, tone) {
    const style = STYLES[tone];
    return this.colour && style && text !== "" ? `${ESCAPE}${style}m${text}${ESCAPE}0m` : text;
  }

  #cell(cell, text) {
    const spans = cell.spans;
    if (!this.colour || !spans || spans.map((span) => span.text).join("") !== text)
      return this.#paint(text, cell.tone);
    return spans.map((span) => this.#paint(span.text, span.hit ? "hit" : cell.tone)).join("");
  }

  #error({ message, code, hint }) {
    const number = code === null ? "" : ` (${code})`;
    return [this.#paint(message + number, "bad"), ...(hint ? [this.#paint(hint, "muted")] : [])];
  }

  #fields(pairs) {
    const label = Math.max(0, ...pairs.map(([name]) => width(name)));
    return pairs.map(
      ([name, cell]) => `${this.#paint(pad(name, label), "muted")}${GAP}${this.#cell(cell, cell.text)}`,
    );
  }

  #table({ columns, rows, note }) {
    const widths = columns.map((column, at) =>
      Math.max(width(column.title), ...rows.map((row) => width(row[at].text))),
    );
    const room = this.columns() - GAP.length * (columns.length - 1);
    const isTooNarrow = !shrink(widths, columns, room);
    const body = isTooNarrow ? this.#records(columns, rows) : this.#grid(columns, rows, widths);
    return note ? [...body, this.#paint(note, "muted")] : body;
  }

  #grid(columns, rows, widths) {
    const line = (cells) => cells.join(GAP).trimEnd();
    const heads = columns.map((column, at) =>
      this.#paint(pad(fit(column.title, widths[at]), widths[at], column.right), "muted"),
    );
    const body = rows.map((row) =>
      line(
        row.map((cell, at) => {
          const text = fit(cell.text, widths[at]);
          const blanks = " ".repeat(Math.max(0, widths[at] - width(text)));
          const painted = this.#cell(cell, text);
          return columns[at].right ? blanks + painted : painted + blanks;
        }),
      ),
    );
    return [line(heads), ...body];
  }

  /** A row below the other, where the terminal is too narrow for columns. */
  #records(columns, rows) {
    return rows.flatMap((row, at) => [
      ...(at === 0 ? [] : [""]),
      ...this.#fields(
        row
          .map((cell, column) => [
            columns[column].title,
            { ...cell, text: fit(cell.text, this.columns() - 12) },
          ])
          .filter(([, cell]) => cell.text !== ""),
      ),
    ]);
  }

  #bar({ label, percent, detail, state }) {
    const cells = Math.min(BAR_CELLS, Math.floor(this.columns() / 3));
    const filled = Math.round((percent / 100) * cells);
    const bar =
      this.#paint("█".repeat(filled), state === "running" ? "plain" : state) +
      this.#paint("░".repeat(cells - filled), "muted");
    const number = pad(`${Math.floor(percent)}%`, 4, true);
    const room = this.columns() - cells - number.length - 3 * GAP.length;
    const name = fit(label, Math.min(LABEL_CELLS_MAX, Math.max(8, Math.floor(room / 2))));
    const rest = fit(detail, Math.max(0, room - width(name) - 1));
    return `${name}${GAP}${bar}${GAP}${number}${GAP}${this.#paint(rest, "muted")}`.trimEnd();
  }

  #chart({ title, series }) {
    const label = Math.max(0, ...series.map((one) => width(one.name)));
    const sum = (one) => one.values.reduce((all, value) => all + value, 0);
    return [
      this.#paint(title, "title"),
      ...series.map((one) => {
        const total = one.unit === "bytes" ? size(sum(one)) : String(sum(one));
        return `${pad(one.name, label)}${GAP}${this.#paint(sparkline(one.values), one.tone)}${GAP}${this.#paint(total, "muted")}`;
      }),
    ];
  }

  #tree(nodes, indent) {
    return nodes.flatMap((node, at) => {
      const isLast = at === nodes.length - 1;
      const bytes = node.size === undefined ? "" : this.#paint(`${GAP}${size(node.size)}`, "muted");
      const name =
        fit(node.name, Math.max(8, this.columns() - width(indent) - 16)) + (node.type === "dir" ? "/" : "");
      const below = node.children ? this.#tree(node.children, indent + (isLast ? "   " : "│  ")) : [];
      return [`${indent}${isLast ? "└─ " : "├─ "}${name}${bytes}`, ...below];
    });
  }
}

/** Takes from the widest columns until all fit. Whether they do. */
function shrink(widths, columns, room) {
  let over = widths.reduce((all, one) => all + one, 0) - room;
  while (over > 0) {
    let widest = -1;
    for (let at = 0; at < widths.length; at++) {
      if (!columns[at].keep && (widest < 0 || widths[at] > widths[widest])) widest = at;
    }
    if (widest < 0 || widths[widest] <= 8) return false;
    widths[widest] -= 1;
    over -= 1;
  }
  return true;
}

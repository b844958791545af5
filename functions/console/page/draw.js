/** Blocks as elements. Texts become text, never markup: nothing here parses HTML. */
import { cleanJson, size } from "./language/text.js";

const SVG = "http://www.w3.org/2000/svg";
const COPY = "M5 5V2h9v9h-3M2 5h9v9H2z";
const DONE = "M2 8l4 4 8-9";
const CHART = { width: 440, height: 70 };

/** An element with attributes and children; a child that is a text stays one. */
export function element(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

const shape = (name, attributes = {}, ...children) =>
  filled(document.createElementNS(SVG, name), attributes, children);

function filled(made, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? "" : String(value));
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return made;
}

/** Draws the blocks of one command into `place`. `run(line)` is what a click on a command does. */
export class Drawing {
  #moving = new Map();

  constructor(place, { run, t }) {
    this.place = place;
    this.run = run;
    this.t = t;
  }

  show(block) {
    if (block.type === "clear") return;
    const before = block.id && this.#moving.get(block.id);
    if (before && block.type === "progress" && move(before, block)) return;
    // Whoever marks a text to copy it keeps it.
    if (before && !getSelection().isCollapsed && before.contains(getSelection().anchorNode)) return;
    const drawn = this.#draw(block);
    if (!drawn) return;
    // What moves is not read out again and again, only what came of it.
    if (block.type === "group" || block.state === "running") drawn.setAttribute("aria-live", "off");
    if (before) replace(before, drawn);
    else this.place.append(drawn);
    if (block.id) this.#moving.set(block.id, drawn);
  }

  #draw(block) {
    switch (block.type) {
      case "text":
        return element("p", { class: block.tone }, block.text);
      case "error":
        return this.#error(block);
      case "fields":
        return this.#fields(block);
      case "table":
        return this.#table(block);
      case "progress":
        return this.#bar(block);
      case "group":
        return element(
          "div",
          {},
          block.blocks.map((one) => this.#draw(one)),
        );
      case "link":
        return this.#link(block);
      case "image":
        return (
          block.url &&
          element("img", { src: block.url, alt: block.text, loading: "lazy", referrerpolicy: "no-referrer" })
        );
      case "media":
        return (
          block.url &&
          element(block.kind, {
            src: block.url,
            controls: true,
            preload: "metadata",
            "aria-label": block.text,
          })
        );
      case "spark":
        return element(
          "p",
          {},
          `${block.label} `,
          sparkline(block.values),
          element("span", { class: "muted" }, ` ${block.text}`),
        );
      case "chart":
        return chart(block);
      case "tree":
        return element(
          "ul",
          { class: "tree" },
          block.nodes.map((node) => branch(node, 0)),
        );
      case "json":
        return this.#json(block.value);
      default:
        return null;
    }
  }

  #error({ message, code, hint }) {
    const number = code === null ? "" : ` (${code})`;
    return element(
      "div",
      { role: "alert" },
      element("p", { class: "bad" }, message + number),
      hint && element("p", { class: "muted" }, hint),
    );
  }

  #fields({ fields, runs }) {
    return element(
      "dl",
      {},
      fields.map(([name, cell]) => [
        element("dt", {}, runs ? this.#command(name, `help ${name}`) : name),
        element("dd", {}, this.#cell(cell)),
      ]),
    );
  }

  #json(value) {
    const text = cleanJson(value, 2);
    return element(
      "div",
      { class: "copied" },
      element("pre", {}, text),
      this.#copy(text, this.t("Copy", "复制")),
    );
  }

  #table({ columns, rows, note, more }) {
    const style = (column) =>
      [column.right && "right", column.keep && "keep"].filter(Boolean).join(" ") || null;
    const heads = columns.map((column) =>
      element("th", { class: style(column), scope: "col" }, column.title),
    );
    const copied = [
      columns.map((column) => column.title),
      ...rows.map((row) => row.map((cell) => cell.text)),
    ];
    const whole = copied.map((cells) => cells.join("\t")).join("\n");
    heads.at(-1)?.append(this.#copy(whole, this.t("Copy the table", "复制表格")));
    const body = rows.map((row) =>
      element(
        "tr",
        {},
        row.map((cell, at) => element("td", { class: style(columns[at]) }, this.#cell(cell))),
      ),
    );
    const table = element(
      "table",
      {},
      element("thead", {}, element("tr", {}, heads)),
      element("tbody", {}, body),
    );
    return element(
      "div",
      {},
      element("div", { class: "scroll" }, table),
      note && element("p", { class: "muted" }, more ? this.#command(note, more) : note),
    );
  }

  #cell(cell) {
    const text = cell.spans
      ? cell.spans.map((span) => (span.hit ? element("mark", {}, span.text) : span.text))
      : [cell.text];
    const shown = cell.run
      ? this.#command(text, cell.run)
      : cell.url
        ? element("a", { href: cell.url, target: "_blank", rel: "noopener noreferrer" }, text)
        : element("span", { class: cell.tone }, text);
    return [shown, cell.copy && this.#copy(cell.copy)];
  }

  #command(text, line) {
    return element(
      "button",
      { type: "button", class: "run", title: line, onclick: () => this.run(line) },
      text,
    );
  }

  #copy(text, label = this.t(`Copy ${text}`, `复制 ${text}`)) {
    const button = element(
      "button",
      { type: "button", class: "copy", title: label, "aria-label": label },
      icon(COPY),
    );
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(text);
        button.replaceChildren(icon(DONE));
      } catch {
        // Without a secure context there is no clipboard: the text is marked to be copied by hand.
        const beside = button.previousElementSibling ?? button.closest("table");
        if (beside) getSelection().selectAllChildren(beside);
      }
    });
    return button;
  }

  #link({ url, text, name }) {
    if (!url) return element("p", {}, text);
    const attributes = name
      ? { href: url, download: name }
      : { href: url, target: "_blank", rel: "noopener noreferrer" };
    return element("p", {}, element("a", attributes, text), this.#copy(url));
  }

  #bar({ label, percent, detail, state, speeds }) {
    return element(
      "div",
      { class: "bar" },
      element("span", { title: label }, label),
      element("progress", { max: 100, value: percent, class: state, "aria-label": label }),
      element("span", { class: "percent" }, `${Math.floor(percent)}%`),
      element(
        "span",
        { class: "muted" },
        detail,
        speeds?.length > 1 && state === "running" ? sparkline(speeds) : null,
      ),
    );
  }
}

/** Moves a bar on, so that it glides; one whose state is another is drawn anew. */
function move(drawn, { label, percent, detail, state, speeds }) {
  const bar = drawn.querySelector("progress");
  if (bar.className !== state) return false;
  const [name, , number, rest] = drawn.children;
  name.textContent = label;
  name.title = label;
  bar.value = percent;
  bar.setAttribute("aria-label", label);
  number.textContent = `${Math.floor(percent)}%`;
  rest.replaceChildren(detail, ...(speeds?.length > 1 && state === "running" ? [sparkline(speeds)] : []));
  return true;
}

/** One element for another; what has the focus in it keeps it. */
function replace(before, drawn) {
  const those = (place) => [...place.querySelectorAll("button, a, summary")];
  const at = those(before).indexOf(document.activeElement);
  before.replaceWith(drawn);
  if (at >= 0) those(drawn)[at]?.focus();
}

function icon(path) {
  return shape(
    "svg",
    { viewBox: "0 0 16 16", class: "icon", "aria-hidden": "true" },
    shape("path", { d: path }),
  );
}

function branch(node, depth) {
  const bytes = node.size === undefined ? null : element("span", { class: "muted" }, ` ${size(node.size)}`);
  if (node.type !== "dir") return element("li", {}, node.name, bytes);
  const below = element(
    "ul",
    {},
    (node.children ?? []).map((child) => branch(child, depth + 1)),
  );
  return element(
    "li",
    {},
    element("details", { open: depth < 2 }, element("summary", {}, `${node.name}/`, bytes), below),
  );
}

function sparkline(values) {
  const top = Math.max(...values, 1);
  const step = 100 / Math.max(1, values.length - 1);
  const points = values.map((value, at) => `${at * step},${20 - (value / top) * 18}`).join(" ");
  const drawn = shape("polyline", { points });
  return shape(
    "svg",
    { viewBox: "0 0 100 20", preserveAspectRatio: "none", class: "spark", "aria-hidden": "true" },
    drawn,
  );
}

/** Bars side by side, with all numbers as a text for those who do not see them. */
function chart({ title, labels, series }) {
  const top = Math.max(...series.flatMap((one) => one.values), 1);
  const slot = CHART.width / Math.max(1, labels.length);
  const bars = labels.flatMap((label, at) =>
    series.map((one, nth) => {
      const height = (one.values[at] / top) * CHART.height;
      const wide = (slot * 0.8) / series.length;
      const shown = one.unit === "bytes" ? size(one.values[at]) : one.values[at];
      const place = { x: at * slot + nth * wide + slot * 0.1, y: CHART.height - height, width: wide, height };
      return shape(
        "rect",
        { ...place, class: one.tone },
        shape("title", {}, `${label} ${one.name}: ${shown}`),
      );
    }),
  );
  const sums = series.map((one) => {
    const sum = one.values.reduce((all, value) => all + value, 0);
    return element("span", { class: one.tone }, ` ■ ${one.name} ${one.unit === "bytes" ? size(sum) : sum}`);
  });
  const box = {
    viewBox: `0 0 ${CHART.width} ${CHART.height}`,
    preserveAspectRatio: "none",
    role: "img",
    "aria-label": title,
  };
  const ends = [labels[0], labels.at(-1)].map((label) => element("span", {}, label));
  return element(
    "figure",
    {},
    element("figcaption", {}, title, sums),
    shape("svg", box, bars),
    element("p", { class: "axis muted" }, ends),
  );
}

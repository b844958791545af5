/** What could stand at the cursor, or a line of before, above the line: Tab and arrows choose, a finger too. */
import { element } from "./draw.js";
import { clean } from "./language/text.js";

const SHOWN_MAX = 12;

export class Choices {
  #items = [];
  #at = -1;
  #span = { from: 0, to: 0 };
  #round = 0;
  #isSearch = false;
  #left = 0;

  /** `find(text, cursor)` is the language's `complete`, `lines()` the lines of before, the oldest first. */
  constructor(list, line, { find, lines, t }) {
    Object.assign(this, { list, line, find, lines, t });
    line.addEventListener("input", () => this.#look());
    const gone = () => document.activeElement !== line && this.close();
    line.addEventListener("blur", () => setTimeout(gone, 150));
  }

  get isOpen() {
    return !this.list.hidden;
  }

  close() {
    this.#round += 1;
    this.#items = [];
    this.#at = -1;
    this.#isSearch = false;
    this.#draw();
  }

  /** Offers the lines of before that have in them what is written; once more, the next of them. */
  search() {
    if (this.#isSearch && this.#items.length > 0) {
      this.#choose((this.#at + 1) % this.#items.length);
      return;
    }
    this.#isSearch = true;
    this.#look();
  }

  /** Whether the key was for the choices. */
  key(event) {
    if (event.key === "Tab" && !event.shiftKey && !event.ctrlKey && !event.altKey) return this.#tab();
    if (!this.isOpen) return false;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (this.#at < 0 && event.key === "ArrowUp") return false;
      this.#choose(
        (this.#at + (event.key === "ArrowDown" ? 1 : -1) + this.#items.length) % this.#items.length,
      );
      return true;
    }
    if (event.key === "Enter" && (this.#at >= 0 || this.#isSearch)) {
      this.#take(this.#items[Math.max(0, this.#at)]);
      return true;
    }
    return false;
  }

  /** Completes what all choices have in common, else goes through them. An empty line leaves Tab to the page. */
  #tab() {
    if (this.line.value === "" || !this.isOpen) return false;
    if (this.#items.length === 1 || this.#at >= 0 || this.#isSearch) {
      this.#take(this.#items[Math.max(0, this.#at)]);
      return true;
    }
    const common = this.#items.map((item) => item.text).reduce(shared);
    const typed = this.line.value.slice(this.#span.from, this.#span.to);
    if (common.length > typed.length) this.#insert(common);
    else this.#choose(0);
    return true;
  }

  async #look() {
    const round = ++this.#round;
    if (this.line.type === "password" || (this.line.value === "" && !this.#isSearch)) {
      this.close();
      return;
    }
    const found = this.#isSearch
      ? this.#before()
      : await this.find(this.line.value, this.line.selectionStart);
    if (round !== this.#round) return;
    this.#span = found;
    this.#items = found.items.slice(0, SHOWN_MAX);
    this.#left = found.items.length - this.#items.length;
    this.#at = -1;
    this.#draw();
  }

  #before() {
    const { value } = this.line;
    const those = new Set([...this.lines()].reverse().filter((text) => text.includes(value)));
    return { from: 0, to: value.length, items: [...those].map((text) => ({ text, hint: "" })) };
  }

  #take(item) {
    this.#insert(this.#isSearch ? item.text : `${item.text} `);
    this.close();
  }

  #insert(text) {
    const { value } = this.line;
    this.line.value = value.slice(0, this.#span.from) + text + value.slice(this.#span.to);
    const end = this.#span.from + text.length;
    this.line.setSelectionRange(end, end);
    this.#span = { ...this.#span, to: end };
  }

  #choose(at) {
    this.#at = at;
    this.#draw();
  }

  #draw() {
    this.list.hidden = this.#items.length === 0;
    const rows = this.#items.map((item, at) => {
      const row = element(
        "li",
        { role: "option", id: `choice-${at}`, "aria-selected": String(at === this.#at) },
        element("span", {}, clean(item.text)),
        element("span", {}, clean(item.hint)),
      );
      row.addEventListener("pointerdown", (event) => {
        event.preventDefault();
        this.#take(item);
      });
      return row;
    });
    if (rows.length > 0 && this.#left > 0) {
      const more = this.t(`${this.#left} more: write on`, `还有 ${this.#left} 项，继续输入`);
      rows.push(element("li", { role: "presentation", class: "muted" }, element("span", {}, more)));
    }
    this.list.replaceChildren(...rows);
    if (this.#at >= 0) rows[this.#at].scrollIntoView({ block: "nearest" });
    this.line.setAttribute("aria-expanded", String(rows.length > 0));
    if (this.#at >= 0) this.line.setAttribute("aria-activedescendant", `choice-${this.#at}`);
    else this.line.removeAttribute("aria-activedescendant");
  }
}

function shared(left, right) {
  let length = 0;
  while (length < left.length && left[length] === right[length]) length += 1;
  return left.slice(0, length);
}

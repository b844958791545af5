/** What could stand at the cursor, above the line: Tab and arrows choose, a finger too. */
import { element } from "./draw.js";

const SHOWN_MAX = 12;

export class Choices {
  #items = [];
  #at = -1;
  #span = { from: 0, to: 0 };
  #round = 0;

  /** `find(text, cursor)` is the language's `complete`. */
  constructor(list, line, find) {
    this.list = list;
    this.line = line;
    this.find = find;
    line.addEventListener("input", () => this.#look());
    line.addEventListener("blur", () => setTimeout(() => this.close(), 150));
  }

  get isOpen() {
    return !this.list.hidden;
  }

  close() {
    this.#round += 1;
    this.#items = [];
    this.#draw();
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
    if (event.key === "Enter" && this.#at >= 0) {
      this.#take(this.#items[this.#at]);
      return true;
    }
    return false;
  }

  /** Completes what all choices have in common, else goes through them. An empty line leaves Tab to the page. */
  #tab() {
    if (this.line.value === "" || !this.isOpen) return false;
    if (this.#items.length === 1 || this.#at >= 0) {
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
    if (this.line.type === "password" || this.line.value === "") {
      this.close();
      return;
    }
    const found = await this.find(this.line.value, this.line.selectionStart);
    if (round !== this.#round) return;
    this.#span = found;
    this.#items = found.items.slice(0, SHOWN_MAX);
    this.#at = -1;
    this.#draw();
  }

  #take(item) {
    this.#insert(`${item.text} `);
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
        element("span", {}, item.text),
        element("span", {}, item.hint),
      );
      row.addEventListener("pointerdown", (event) => {
        event.preventDefault();
        this.#take(item);
      });
      return row;
    });
    this.list.replaceChildren(...rows);
    if (this.#at >= 0) this.line.setAttribute("aria-activedescendant", `choice-${this.#at}`);
    else this.line.removeAttribute("aria-activedescendant");
  }
}

function shared(left, right) {
  let length = 0;
  while (length < left.length && left[length] === right[length]) length += 1;
  return left.slice(0, length);
}

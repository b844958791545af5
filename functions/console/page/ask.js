/** Questions of commands, asked in the line itself, one after the other. What is hidden is not remembered. */

export class Questions {
  #open = [];
  #draft = "";

  /** `mark` stands before the line; `changed()` is told when a question comes or goes. */
  constructor(line, mark, changed) {
    this.line = line;
    this.mark = mark;
    this.changed = changed;
  }

  /** The question that the line answers now, or null. */
  get current() {
    return this.#open[0] ?? null;
  }

  /** A promise of the answer; of null where the question is left. `owner` is whose questions `leave` means. */
  ask(owner, text, hidden) {
    return new Promise((resolve) => {
      this.#open.push({ owner, text, hidden, resolve });
      if (this.#open.length > 1) return;
      this.#draft = this.line.value;
      this.#show();
    });
  }

  answer(text) {
    this.#open.shift()?.resolve(text);
    this.#show();
  }

  /** Nobody waits for the answers of `owner` any more. */
  leave(owner) {
    const before = this.current;
    this.#open = this.#open.filter((one) => one.owner !== owner);
    if (this.current !== before) this.#show();
  }

  #show() {
    const { current, line } = this;
    const hidden = current?.hidden === true;
    line.value = "";
    line.type = hidden ? "password" : "text";
    line.autocomplete = hidden ? "current-password" : "off";
    this.mark.textContent = current?.text ?? "❯";
    if (current) line.focus();
    else [line.value, this.#draft] = [this.#draft, ""];
    this.changed();
  }
}

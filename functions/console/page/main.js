/** The terminal page: a line to write in, and what came of the lines before. */
import { Questions } from "./ask.js";
import { Choices } from "./choices.js";
import { Drawing, element } from "./draw.js";
import { browserHost, storage } from "./host.js";
import { createSession, EXIT } from "./language/index.js";
import { clean } from "./language/text.js";

const LINES_PLACE = "lines";
const THEME_PLACE = "theme";
const LINES_MAX = 300;
const ENTRIES_MAX = 200;
/** Who writes a password behind these, where none belongs, does not find it in the history. */
const SECRETIVE = /^\s*(login|register|password|登录|注册|改密)\s+\S+\s+\S/u;
/** What a link to this page may run by itself: what only shows. */
const HARMLESS = ["help", "overview", "search", "show", "tasks", "coins", "orders", "reviews", "queue"];

const log = document.getElementById("log");
const line = document.getElementById("line");
const running = new Map();
let lines = kept();
let back = 0;
let draft = "";

const base = createSession(browserHost({ emit() {}, ask: async () => null }));
await base.complete("");
const t = (en, zh) => base.t(en, zh);
const choices = new Choices(document.getElementById("choices"), line, {
  find: (text, at) => base.complete(text, at),
  lines: () => lines,
  t,
});
const questions = new Questions(line, document.getElementById("question"), () => {
  choices.close();
  label();
});

/** The lines of before, of this tab and of others. */
function kept() {
  try {
    const all = JSON.parse(storage.get(LINES_PLACE) ?? "[]");
    return Array.isArray(all) ? all.filter((one) => typeof one === "string") : [];
  } catch {
    return [];
  }
}

/** Runs a line in an entry of its own; several may run at once. A promise of its exit code. */
async function run(text) {
  const place = element("section", { class: "entry" });
  const what = t(`Stop: ${clean(text)}`, `停止：${clean(text)}`);
  const stop = element("button", { type: "button", hidden: true, "aria-label": what }, t("stop", "停止"));
  place.append(element("div", { class: "command" }, element("span", {}, clean(text)), stop));
  log.append(place);
  const drawing = new Drawing(place, { run, t });
  const host = browserHost({
    emit: (block) => {
      if (block.type === "clear") clear(place);
      else pinned(() => drawing.show(block));
    },
    ask: (question, { hidden }) => ask(session, place, question, hidden),
    localeChanged: (locale) => {
      base.locale = locale;
      dress();
    },
    t,
  });
  const session = createSession(host);
  const patience = setTimeout(() => (stop.hidden = false), 400);
  stop.addEventListener("click", () => {
    session.cancel();
    line.focus();
  });
  running.set(session, place);
  place.setAttribute("aria-busy", "true");
  trim();
  log.scrollTop = log.scrollHeight;
  try {
    return await session.runLine(text);
  } finally {
    clearTimeout(patience);
    questions.leave(session);
    running.delete(session);
    stop.remove();
    place.removeAttribute("aria-busy");
    dress();
  }
}

/** Asks in the line, and says so in the log for those who hear it. */
async function ask(session, place, question, hidden) {
  const said = element("p", { class: "muted" }, clean(question));
  pinned(() => place.append(said));
  const answer = await questions.ask(session, clean(question), hidden);
  if (answer && !hidden) said.append(clean(answer));
  return answer;
}

/** Takes away what is over; what runs stays, with its way to be stopped. */
function clear(own = null) {
  const busy = [...running.values()].filter((place) => place !== own);
  log.replaceChildren(...busy);
}

function trim() {
  const busy = new Set(running.values());
  const over = [...log.children].filter((place) => !busy.has(place));
  over.slice(0, Math.max(0, log.childElementCount - ENTRIES_MAX)).forEach((place) => place.remove());
}

/** Changes the log and stays at its end, unless the reader has gone up. */
function pinned(change) {
  const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 60;
  change();
  if (isAtEnd) log.scrollTop = log.scrollHeight;
}

async function submit(event) {
  event.preventDefault();
  const text = line.value;
  if (questions.current) {
    questions.answer(text);
    return;
  }
  choices.close();
  if (text.trim() === "") return;
  line.value = "";
  back = 0;
  // As in a shell, a blank before a line keeps it out of the history.
  if (!/^\s/u.test(text)) keep((all) => (all.at(-1) === text ? all : [...all, text]));
  const code = await run(text);
  if (code === EXIT.misuse && SECRETIVE.test(text)) keep((all) => all.filter((one) => one !== text));
}

/** Changes the lines of before, as they are in all tabs. */
function keep(change) {
  lines = change(kept()).slice(-LINES_MAX);
  storage.set(LINES_PLACE, JSON.stringify(lines));
}

function key(event) {
  // An input method is composing: its keys are its own.
  if (event.isComposing || event.keyCode === 229) return;
  const isFree = questions.current === null;
  const control = event.ctrlKey && !event.altKey && !event.metaKey ? event.key : null;
  if (event.key === "Escape") {
    if (choices.isOpen) choices.close();
    else leave();
  } else if (control === "c" && line.selectionStart === line.selectionEnd) {
    if (!leave()) line.value = "";
    choices.close();
  } else if (control === "l") {
    clear();
  } else if (control === "u") {
    line.setRangeText("", 0, line.selectionStart, "end");
    choices.close();
  } else if (control === "r" && isFree) {
    choices.search();
  } else if (isFree && choices.key(event)) {
    // It moved in the choices or took one.
  } else if (isFree && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
    remember(event.key === "ArrowUp" ? 1 : -1);
  } else {
    return;
  }
  event.preventDefault();
}

/** Leaves a question, or else stops what runs. Whether there was any of them. */
function leave() {
  if (questions.current) {
    questions.answer(null);
    return true;
  }
  const were = [...running.keys()];
  were.forEach((session) => session.cancel());
  return were.length > 0;
}

/** The line so many before, or the one that was being written. */
function remember(step) {
  if (back === 0) draft = line.value;
  back = Math.min(lines.length, Math.max(0, back + step));
  line.value = back === 0 ? draft : lines[lines.length - back];
  line.setSelectionRange(line.value.length, line.value.length);
  choices.close();
}

/** Whatever is written elsewhere on the page goes into the line. */
function stray(event) {
  if (event.defaultPrevented || event.target.closest("input, video, audio")) return;
  if (event.key === "Escape") {
    leave();
    line.focus();
  } else if (
    [...event.key].length === 1 &&
    event.key !== " " &&
    !event.ctrlKey &&
    !event.metaKey &&
    !event.altKey
  ) {
    line.focus();
  }
}

/** A line is one line: what had several becomes one with blanks between, for the writer to look at. */
function paste(event) {
  const text = event.clipboardData?.getData("text/plain") ?? "";
  if (!/[\r\n]/u.test(text.trim()) || line.type === "password") return;
  event.preventDefault();
  const flat = text.trim().replace(/\s*[\r\n]+\s*/gu, " ");
  line.setRangeText(flat, line.selectionStart, line.selectionEnd, "end");
}

function label() {
  line.setAttribute("aria-label", questions.current?.text ?? t("Command", "命令"));
  line.placeholder = questions.current ? "" : t("help, or a video's address…", "help，或视频地址…");
}

/** Texts of the page itself, and who is logged in. */
async function dress() {
  document.documentElement.lang = base.locale === "zh" ? "zh-CN" : "en";
  document.getElementById("locale").textContent = t("中文", "English");
  document.getElementById("choices").setAttribute("aria-label", t("Completions", "补全"));
  document.getElementById("send").setAttribute("aria-label", t("Run", "执行"));
  const kinds = { auto: t("auto", "自动"), light: t("light", "浅色"), dark: t("dark", "深色") };
  const theme = Object.hasOwn(kinds, storage.get(THEME_PLACE) ?? "") ? storage.get(THEME_PLACE) : "auto";
  document.documentElement.dataset.theme = theme;
  const button = document.getElementById("theme");
  button.textContent = kinds[theme];
  button.setAttribute("aria-label", t(`Colours: ${kinds[theme]}`, `配色：${kinds[theme]}`));
  label();
  const realms = await Promise.all(["user", "project", "admin"].map((realm) => base.api.login(realm)));
  const logins = realms.filter(Boolean).map((login) => clean(login.name));
  document.getElementById("who").textContent = logins.length > 0 ? logins.join(" · ") : t("visitor", "访客");
}

function welcome() {
  const chips = ["help", "register ", "login ", "search ", "parse https://"].map((text) =>
    element("button", { type: "button", onclick: () => offer(text) }, text.trim()),
  );
  const said = t(
    "Download videos, export rows, keep shops in step, share drive links. Write a command, or begin here:",
    "下载视频、导出数据、同步门店、分享网盘资源。输入命令，或从这里开始：",
  );
  log.append(
    element("section", { class: "entry" }, element("p", {}, said), element("div", { class: "chips" }, chips)),
  );
}

/** A whole command runs; one that wants more is put into the line. */
function offer(text) {
  if (!text.endsWith(" ") && !text.endsWith("/")) {
    run(text);
    return;
  }
  if (!questions.current) line.value = text;
  line.focus();
}

async function linked() {
  let text = location.hash.slice(1);
  try {
    text = decodeURIComponent(text);
  } catch {
    // A percent sign that means itself.
  }
  text = clean(text).trim();
  if (text === "") return;
  if (HARMLESS.includes(text.split(/\s/u)[0])) await run(text);
  else offer(`${text} `);
}

document.getElementById("prompt").addEventListener("submit", submit);
line.addEventListener("keydown", key);
line.addEventListener("paste", paste);
document.addEventListener("keydown", stray);
document.getElementById("locale").addEventListener("click", async () => {
  await base.setLocale(base.locale === "zh" ? "en" : "zh");
  dress();
});
document.getElementById("theme").addEventListener("click", () => {
  const order = ["auto", "light", "dark"];
  const theme = document.documentElement.dataset.theme;
  storage.set(THEME_PLACE, order[(order.indexOf(theme) + 1) % order.length]);
  dress();
});
addEventListener("hashchange", linked);
// Another tab logged in or out, or changed the language or the colours.
addEventListener("storage", async () => {
  await base.reread();
  dress();
});
// Whoever clicks beside everything wants to write; who marks a text does not.
log.addEventListener("click", (event) => {
  if (event.target === log && getSelection().isCollapsed) line.focus();
});
dress();
welcome();
performance.mark("ready");
linked();

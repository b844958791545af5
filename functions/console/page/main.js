/** The terminal page: a line to write in, and what came of the lines before. */
import { Choices } from "./choices.js";
import { Drawing, element } from "./draw.js";
import { browserHost } from "./host.js";
import { createSession } from "./language/index.js";

const LINES_PLACE = "wharf:lines";
const THEME_PLACE = "wharf:theme";
const LINES_MAX = 300;
const ENTRIES_MAX = 200;
/** What a link to this page may run by itself: what only shows. */
const HARMLESS = ["help", "overview", "search", "show", "tasks", "coins", "orders", "reviews", "queue"];

const log = document.getElementById("log");
const line = document.getElementById("line");
const question = document.getElementById("question");
const running = new Set();
const lines = JSON.parse(localStorage.getItem(LINES_PLACE) ?? "[]");
let back = 0;
let draft = "";
let asked = null;

const base = createSession(browserHost({ emit() {}, ask: async () => null }));
await base.complete("");
const t = (en, zh) => base.t(en, zh);
const choices = new Choices(document.getElementById("choices"), line, (text, at) => base.complete(text, at));

/** Runs a line in an entry of its own; several may run at once. */
async function run(text) {
  const place = element("section", { class: "entry" });
  const stop = element("button", { type: "button", hidden: true }, t("stop", "停止"));
  place.append(element("div", { class: "command" }, element("span", {}, text), stop));
  log.append(place);
  while (log.childElementCount > ENTRIES_MAX) log.firstElementChild.remove();
  const drawing = new Drawing(place, { run, t });
  const host = browserHost({
    emit: (block) => {
      if (block.type === "clear") log.replaceChildren();
      else pinned(() => drawing.show(block));
    },
    ask,
    localeChanged: (locale) => {
      base.locale = locale;
      dress();
    },
  });
  const session = createSession(host);
  const patience = setTimeout(() => (stop.hidden = false), 400);
  stop.addEventListener("click", () => session.cancel());
  running.add(session);
  place.setAttribute("aria-busy", "true");
  log.scrollTop = log.scrollHeight;
  try {
    await session.runLine(text);
  } finally {
    clearTimeout(patience);
    running.delete(session);
    stop.remove();
    place.removeAttribute("aria-busy");
    dress();
  }
}

/** Changes the log and stays at its end, unless the reader has gone up. */
function pinned(change) {
  const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 60;
  change();
  if (isAtEnd) log.scrollTop = log.scrollHeight;
}

/** Asks in the line itself; what is hidden is not remembered. */
function ask(text, { hidden }) {
  asked?.done(null);
  return new Promise((resolve) => {
    const done = (answer) => {
      asked = null;
      line.type = "text";
      line.value = "";
      line.autocomplete = "off";
      question.textContent = "❯";
      resolve(answer);
    };
    asked = { done };
    line.type = hidden ? "password" : "text";
    line.autocomplete = hidden ? "current-password" : "off";
    line.value = "";
    question.textContent = text;
    choices.close();
    line.focus();
  });
}

function submit(event) {
  event.preventDefault();
  const text = line.value;
  if (asked) {
    asked.done(text);
    return;
  }
  choices.close();
  if (text.trim() === "") return;
  line.value = "";
  back = 0;
  if (lines.at(-1) !== text) lines.push(text);
  lines.splice(0, lines.length - LINES_MAX);
  localStorage.setItem(LINES_PLACE, JSON.stringify(lines));
  run(text);
}

function key(event) {
  // An input method is composing: its keys are its own.
  if (event.isComposing || event.keyCode === 229) return;
  if (event.key === "Escape") {
    if (choices.isOpen) choices.close();
    else if (asked) asked.done(null);
    else cancel();
  } else if (event.key === "c" && event.ctrlKey && line.selectionStart === line.selectionEnd) {
    if (asked) asked.done(null);
    else cancel();
  } else if (event.key === "l" && event.ctrlKey) {
    log.replaceChildren();
  } else if (!asked && choices.key(event)) {
    // It moved in the choices or took one.
  } else if (!asked && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
    remember(event.key === "ArrowUp" ? 1 : -1);
  } else {
    return;
  }
  event.preventDefault();
}

function cancel() {
  for (const session of running) session.cancel();
}

/** The line so many before, or the one that was being written. */
function remember(step) {
  if (back === 0) draft = line.value;
  back = Math.min(lines.length, Math.max(0, back + step));
  line.value = back === 0 ? draft : lines[lines.length - back];
  line.setSelectionRange(line.value.length, line.value.length);
  choices.close();
}

/** Texts of the page itself, and who is logged in. */
async function dress() {
  document.documentElement.lang = base.locale === "zh" ? "zh-CN" : "en";
  document.getElementById("locale").textContent = t("中文", "English");
  const theme = localStorage.getItem(THEME_PLACE) ?? "auto";
  const names = { auto: t("auto", "自动"), light: t("light", "浅色"), dark: t("dark", "深色") };
  document.documentElement.dataset.theme = theme;
  document.getElementById("theme").textContent = names[theme];
  document
    .getElementById("theme")
    .setAttribute("aria-label", t(`Colours: ${names[theme]}`, `配色：${names[theme]}`));
  line.setAttribute("aria-label", t("Command", "命令"));
  line.placeholder = t("help, or a video's address…", "help，或视频地址…");
  const realms = await Promise.all(["user", "project", "admin"].map((realm) => base.api.login(realm)));
  const logins = realms.filter(Boolean).map((login) => login.name);
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
  line.value = text;
  line.focus();
}

async function linked() {
  const text = decodeURIComponent(location.hash.slice(1)).trim();
  if (text === "") return;
  if (HARMLESS.includes(text.split(/\s/u)[0])) await run(text);
  else offer(`${text} `);
}

document.getElementById("prompt").addEventListener("submit", submit);
line.addEventListener("keydown", key);
document.getElementById("locale").addEventListener("click", async () => {
  await base.setLocale(base.locale === "zh" ? "en" : "zh");
  dress();
});
document.getElementById("theme").addEventListener("click", () => {
  const order = ["auto", "light", "dark"];
  const theme = localStorage.getItem(THEME_PLACE) ?? "auto";
  localStorage.setItem(THEME_PLACE, order[(order.indexOf(theme) + 1) % order.length]);
  dress();
});
addEventListener("hashchange", linked);
// Whoever clicks beside everything wants to write; who marks a text does not.
log.addEventListener("click", (event) => {
  if (event.target === log && getSelection().isCollapsed) line.focus();
});
dress();
welcome();
performance.mark("ready");
linked();

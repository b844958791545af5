/** The command line itself. */
import * as blocks from "../blocks.js";
import { Misuse } from "../client.js";
import { help, overview } from "../help.js";
import { nearest, quote, split } from "../words.js";
import { COMMANDS, find } from "./index.js";

const GROUP = "shell";

export const SHELL = [
  {
    name: "help",
    aliases: ["?", "man", "帮助"],
    group: GROUP,
    summary: ["List the commands, or explain one", "命令列表或某个命令的说明"],
    arguments: [
      {
        name: "command",
        optional: true,
        commands: true,
        help: ["Which, or a word to look for in all of them", "命令名，或要查找的词"],
      },
    ],
    examples: ["help get", "help proxy", "help 退款"],
    run: show,
  },
  {
    name: "alias",
    aliases: ["别名"],
    group: GROUP,
    summary: ["List your own names for commands, or make one", "别名列表或新建别名"],
    arguments: [
      { name: "name", optional: true, help: ["The new name", "别名"] },
      { name: "line", line: true, optional: true, help: ["What it stands for", "代表的命令"] },
    ],
    examples: ["alias new search --period week"],
    run: alias,
  },
  {
    name: "unalias",
    group: GROUP,
    summary: ["Delete such a name", "删除别名"],
    arguments: [{ name: "name", help: ["Which", "别名"] }],
    run: unalias,
  },
  {
    name: "language",
    aliases: ["lang", "语言"],
    group: GROUP,
    summary: ["English or Chinese", "切换语言"],
    arguments: [{ name: "language", values: ["en", "zh"], help: ["Which", "语言"] }],
    run: language,
  },
  {
    name: "clear",
    aliases: ["cls", "清屏"],
    group: GROUP,
    summary: ["Clear the screen", "清屏"],
    run: clear,
  },
];

async function show(call) {
  const { t } = call;
  const name = call.values.command;
  if (name === undefined) {
    call.show(
      ...overview(COMMANDS, t),
      blocks.text(t("One of them in full: help COMMAND", "详细说明：help COMMAND"), "muted"),
    );
    return COMMANDS.map((command) => described(command, t));
  }
  const command = find(name) ?? find(split((await call.session.aliases())[name] ?? "")[0]?.text);
  if (!command) {
    const those = about(name);
    if (those.length > 0) {
      call.show(...overview(those, t));
      return those.map((one) => described(one, t));
    }
    const meant = nearest(
      name,
      COMMANDS.map((one) => one.name),
    );
    throw new Misuse(
      t(`There is no command “${name}”.`, `没有命令“${name}”。`),
      meant && t(`Did you mean “${meant}”?`, `是不是“${meant}”？`),
    );
  }
  call.show(...help(command, t));
  return described(command, t);
}

const described = (command, t) => ({
  name: command.name,
  aliases: command.aliases ?? [],
  summary: t(...command.summary),
});

/** The commands that say this word anywhere, in either language. */
function about(word) {
  const sought = word.toLowerCase().replace(/^(\w{3,}?)(?:ies|y|s)$/u, "$1");
  return COMMANDS.filter((command) => {
    const parts = [...(command.arguments ?? []), ...(command.options ?? [])];
    const texts = [command.name, ...(command.aliases ?? []), ...command.summary];
    for (const part of parts) texts.push(part.name, ...part.help);
    return texts.some((text) => text.toLowerCase().includes(sought));
  });
}

async function alias(call) {
  const { t } = call;
  const aliases = await call.session.aliases();
  const values = { ...call.values };
  // As shells of systems have it: alias ll='tasks --status running'.
  const joint = /^([^=\s]+)=(.+)$/su.exec(values.name ?? "");
  if (joint && !values.line) [, values.name, values.line] = joint;
  if (values.name === undefined) {
    const pairs = Object.entries(aliases);
    call.show(
      pairs.length === 0
        ? blocks.text(
            t("None yet. To make one: alias NAME COMMAND…", "还没有别名。新建：alias NAME COMMAND…"),
          )
        : blocks.fields(pairs),
    );
    return aliases;
  }
  const words = split(values.line ?? "");
  if (words.length === 0 || words.at(-1).open)
    throw new Misuse(t("alias needs what the name stands for.", "缺少别名所代表的命令。"));
  if (find(values.name))
    throw new Misuse(t(`“${values.name}” is a command already.`, `“${values.name}” 已是命令。`));
  await call.session.setAliases({ ...aliases, [values.name]: values.line });
  call.show(blocks.text(`${quote(values.name)} = ${values.line}`, "good"));
  return { [values.name]: values.line };
}

async function unalias(call) {
  const { name } = call.values;
  const aliases = await call.session.aliases();
  if (!Object.hasOwn(aliases, name)) throw new Misuse(call.t("There is no such name.", "没有这个别名。"));
  delete aliases[name];
  await call.session.setAliases(aliases);
  call.show(blocks.text(call.t("Deleted.", "已删除。"), "good"));
  return {};
}

async function language(call) {
  await call.session.setLocale(call.values.language);
  call.show(blocks.text(call.session.t("The language is English.", "语言已切换为中文。"), "good"));
  return { language: call.values.language };
}

async function clear(call) {
  call.show(blocks.clear);
  return {};
}

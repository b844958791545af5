/** What `help` shows: all commands by group, or one in full. */
import * as blocks from "./blocks.js";
import { optionsOf, usage, valueName } from "./grammar.js";

export const GROUPS = [
  ["account", ["Account", "账号"]],
  ["media", ["Media", "媒体下载"]],
  ["exports", ["Exports", "导出"]],
  ["market", ["Sharing", "资源分享"]],
  ["sync", ["Data sync", "数据同步"]],
  ["review", ["For reviewers", "审核"]],
  ["admin", ["For admins", "管理"]],
  ["shell", ["This command line", "命令行"]],
];

/** One command in full. */
export function help(command, t) {
  const given = (command.arguments ?? []).map((one) => [one.name.toUpperCase(), described(one, t)]);
  const options = optionsOf(command).map((one) => [
    `--${one.name}${one.flag ? "" : ` ${valueName(one)}`}`,
    described(one, t),
  ]);
  const aliases = command.aliases?.length > 0 ? t("Also: ", "别名：") + command.aliases.join(", ") : null;
  return [
    blocks.title(t(...command.summary)),
    blocks.text(usage(command, t)),
    aliases && blocks.text(aliases, "muted"),
    blocks.fields([...given, ...options]),
    ...(command.examples ?? []).map((example) => blocks.text(`  ${example}`, "muted")),
  ].filter(Boolean);
}

function described(one, t) {
  return t(...one.help) + (one.values ? ` (${one.values.join(", ")})` : "");
}

/** What it does; in Chinese with its Chinese name, where that says something else. */
function summary(command, t) {
  const own = (command.aliases ?? []).find((name) => /[\u4e00-\u9fff]/u.test(name));
  const [, chinese] = command.summary;
  return t(command.summary[0], own && own !== chinese ? `${chinese}（${own}）` : chinese);
}

/** All commands, by group. */
export function overview(commands, t) {
  return GROUPS.flatMap(([group, heading]) => {
    const those = commands.filter((command) => command.group === group);
    if (those.length === 0) return [];
    const pairs = those.map((command) => [command.name, summary(command, t)]);
    return [blocks.title(t(...heading)), { ...blocks.fields(pairs), runs: true }];
  });
}

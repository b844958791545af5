/** Users, proxies, cookies, tools: VA-16, ID-5. */
import * as blocks from "../blocks.js";
import { Misuse, query } from "../client.js";
import { size, time } from "../text.js";

const GROUP = "admin";
const REALM = { realm: "admin" };
const PAGE = { name: "page", help: ["Which page", "页码"] };

export const OPERATIONS = [
  {
    name: "users",
    aliases: ["用户列表"],
    group: GROUP,
    summary: ["List users", "用户列表"],
    arguments: [
      { name: "prefix", optional: true, help: ["What their e-mail address begins with", "邮箱前缀"] },
    ],
    options: [PAGE],
    run: users,
  },
  {
    name: "set-user",
    group: GROUP,
    summary: ["Change a user's level or quota, block or unblock him", "修改等级、额度，封禁或解封"],
    arguments: [
      { name: "user", list: "user", help: ["The number in the last list, or the id", "列表序号或 id"] },
    ],
    options: [
      { name: "role", values: ["user", "vip"], help: ["The level", "等级"] },
      {
        name: "limit",
        value: "N|none",
        help: ["Downloads a day, or none for the level's own", "每日额度；none 为按等级"],
      },
      { name: "block", flag: true, help: ["End his sessions and tasks, let him in no more", "封禁"] },
      { name: "unblock", flag: true, help: ["Let him in again", "解封"] },
    ],
    run: change,
  },
  {
    name: "proxies",
    aliases: ["代理"],
    group: GROUP,
    summary: ["Show the rented proxies' use, or change when they are used", "代理使用情况与策略"],
    options: [
      { name: "mode", values: ["always", "on_refusal", "never"], help: ["When", "何时使用"] },
      {
        name: "direct",
        value: "SITES",
        help: ["Sites that never need one, with commas", "直连站点，逗号分隔"],
      },
      { name: "events", flag: true, help: ["List what happened", "列出事件"] },
      PAGE,
    ],
    run: proxies,
  },
  {
    name: "cookies",
    group: GROUP,
    summary: ["List the sites whose cookies are kept, add or delete some", "站点 Cookie 管理"],
    options: [
      { name: "site", help: ["Of this site", "站点"] },
      { name: "file", help: ["A cookies.txt to keep for it", "cookies.txt 文件"] },
      { name: "delete", flag: true, help: ["Delete them", "删除"] },
    ],
    run: cookies,
  },
  {
    name: "findings",
    group: GROUP,
    summary: ["List files and rows that do not fit together", "文件与记录不一致的发现"],
    options: [PAGE],
    run: findings,
  },
  {
    name: "tools",
    group: GROUP,
    summary: ["Show yt-dlp's version on each worker, or ask for another", "yt-dlp 版本"],
    options: [{ name: "ytdlp", value: "VERSION", help: ["The version to set up", "要安装的版本"] }],
    run: tools,
  },
];

async function users(call) {
  const { t } = call;
  const data = await call.request(
    "GET",
    `/admin/api/v1/users${query({ email: call.values.prefix, page: call.options.page })}`,
    REALM,
  );
  await call.session.remember(
    "user",
    data.items.map((item) => item.user_id),
  );
  const columns = [
    { title: "#", right: true, keep: true },
    { title: t("E-mail", "邮箱") },
    { title: t("Nickname", "昵称") },
    { title: t("Level", "等级"), keep: true },
    { title: t("Today", "今日"), right: true, keep: true },
    { title: t("Since", "注册"), keep: true },
  ];
  const rows = data.items.map((item, at) => [
    { text: String(at + 1), copy: item.user_id },
    item.email,
    item.nickname,
    item.blocked ? { text: t("blocked", "已封禁"), tone: "bad" } : level(item, t),
    item.daily_limit === null ? String(item.daily_used) : `${item.daily_used}/${item.daily_limit}`,
    time(item.created_at),
  ]);
  call.list(data, columns, rows, blocks.text(t("Nobody.", "没有用户。")));
  return data;
}

/** What an admin gave, or what was paid for. */
const level = (item, t) =>
  item.role === "user" && item.vip_expire_time
    ? t(`vip until ${time(item.vip_expire_time)}`, `vip 至 ${time(item.vip_expire_time)}`)
    : item.role;

async function change(call) {
  const { t, options } = call;
  if (options.block && options.unblock)
    throw new Misuse(t("One of --block and --unblock.", "--block 与 --unblock 只能选一个。"));
  const body = { role: options.role };
  if (options.limit !== undefined) {
    if (!/^(none|\d+)$/u.test(options.limit))
      throw new Misuse(t("--limit is a number or none.", "--limit 是数字或 none。"));
    body.daily_limit = options.limit === "none" ? null : Number(options.limit);
  }
  if (options.block || options.unblock) body.blocked = options.block === true;
  call.needs(["role", "limit", "block", "unblock"]);
  const data = await call.request("PUT", `/admin/api/v1/users/${await call.id("user", call.values.user)}`, {
    ...REALM,
    body,
  });
  call.show(
    blocks.text(t("Changed.", "已修改。"), "good"),
    blocks.fields([
      [t("E-mail", "邮箱"), data.email],
      [t("Level", "等级"), level(data, t)],
      [t("Blocked", "封禁"), data.blocked ? t("yes", "是") : t("no", "否")],
    ]),
  );
  return data;
}

/** Hosts or sites with commas between them, as a list. */
export const hosts = (text) =>
  text
    ?.split(",")
    .map((host) => host.trim())
    .filter(Boolean);

async function proxies(call) {
  const { t, options } = call;
  if (options.events) return events(call);
  let data = await call.request("GET", "/admin/api/v1/proxies", REALM);
  if (options.mode !== undefined || options.direct !== undefined) {
    const { mode, direct_sites } = data.policy;
    const body = { mode: options.mode ?? mode, direct_sites: hosts(options.direct) ?? direct_sites };
    await call.request("PUT", "/admin/api/v1/proxies/policy", { ...REALM, body });
    data = await call.request("GET", "/admin/api/v1/proxies", REALM);
  }
  call.show(
    blocks.fields([
      [
        t("Provider", "供应商"),
        data.configured ? t("configured", "已配置") : t("none: every attempt is direct", "未配置，全部直连"),
      ],
      [t("Used", "策略"), data.policy.mode],
      [t("Direct", "直连站点"), data.policy.direct_sites.join(", ") || "—"],
      ...Object.entries(data.last_day).map(([name, count]) => [name, count]),
    ]),
    ...data.breakers.map((breaker) =>
      blocks.text(
        `${breaker.worker_id}: ${breaker.state || "—"}`,
        breaker.state === "open" ? "bad" : "muted",
      ),
    ),
  );
  return data;
}

async function events(call) {
  const { t } = call;
  const data = await call.request(
    "GET",
    `/admin/api/v1/proxies/events${query({ page: call.options.page })}`,
    REALM,
  );
  const columns = [
    { title: t("When", "时间"), keep: true },
    { title: t("Site", "站点") },
    { title: t("Proxy", "代理") },
    { title: t("Outcome", "结果") },
  ];
  call.list(
    data,
    columns,
    data.items.map((one) => [time(one.at), one.site, one.proxy ?? "", one.outcome]),
    blocks.text(t("Nothing happened.", "没有事件。")),
  );
  return data;
}

async function cookies(call) {
  const { t, options } = call;
  if (!options.site && (options.delete || options.file))
    throw new Misuse(t("Which site? --site SITE", "哪个站点？--site SITE"));
  if (options.delete && options.file)
    throw new Misuse(t("One of --file and --delete.", "--file 与 --delete 只能选一个。"));
  if (options.site && options.delete)
    await call.request("DELETE", `/admin/api/v1/cookies/${encodeURIComponent(options.site)}`, REALM);
  if (options.site && options.file) {
    if (!call.host.read) throw new Misuse(t("This shell reads no files.", "此处不能读取文件。"));
    const bytes = await call.until(call.host.read(options.file));
    await call.api.upload("PUT", `/admin/api/v1/cookies/${encodeURIComponent(options.site)}`, {
      bytes,
      type: "text/plain",
      realm: "admin",
    });
  }
  const data = await call.request("GET", "/admin/api/v1/cookies", REALM);
  const columns = [
    { title: t("Site", "站点") },
    { title: t("Cookies", "数量"), right: true },
    { title: t("Until", "有效至") },
    { title: t("Changed", "修改") },
  ];
  const items = data.items.filter((one) => !options.site || one.site === options.site);
  call.show(
    items.length === 0
      ? blocks.text(t("No cookies are kept.", "没有保存 Cookie。"))
      : blocks.table(
          columns,
          items.map((one) => [one.site, one.cookies, time(one.expires_at), time(one.updated_at)]),
        ),
  );
  return data;
}

async function findings(call) {
  const { t } = call;
  const data = await call.request(
    "GET",
    `/admin/api/v1/findings${query({ page: call.options.page })}`,
    REALM,
  );
  const columns = [
    { title: t("What", "类型"), keep: true },
    { title: t("Path", "路径") },
    { title: t("Size", "大小"), right: true, keep: true },
    { title: t("Seen", "时间"), keep: true },
  ];
  const kinds = {
    file_without_row: t("file without row", "有文件无记录"),
    row_without_file: t("row without file", "有记录无文件"),
  };
  call.list(
    data,
    columns,
    data.items.map((one) => [kinds[one.kind], one.path, size(one.file_size), time(one.seen_at)]),
    blocks.text(t("All fits together.", "一切一致。"), "good"),
  );
  return data;
}

async function tools(call) {
  const { t, options } = call;
  if (options.ytdlp)
    await call.request("PUT", "/admin/api/v1/tools/yt-dlp", { ...REALM, body: { version: options.ytdlp } });
  const data = await call.request("GET", "/admin/api/v1/tools", REALM);
  const tool = data["yt-dlp"];
  call.show(
    tool.requested &&
      blocks.text(t(`Asked for: ${tool.requested.version}`, `要求版本：${tool.requested.version}`), "muted"),
    blocks.table(
      [{ title: "Worker" }, { title: "yt-dlp" }],
      tool.workers.map((one) => [one.worker_id, one.version ?? { text: one.error ?? "—", tone: "bad" }]),
    ),
  );
  return data;
}

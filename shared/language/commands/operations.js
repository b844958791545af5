/** Users, projects, proxies, cookies, tools: VA-16, ID-5, DC-1. */
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
    name: "projects",
    aliases: ["项目"],
    group: GROUP,
    summary: ["List projects", "项目列表"],
    options: [{ name: "group", help: ["Of this group", "按分组筛选"] }, PAGE],
    run: projects,
  },
  {
    name: "project",
    group: GROUP,
    summary: ["Show or change a project, or give it a new secret", "查看、修改项目或换发密钥"],
    arguments: [
      { name: "project", list: "project", help: ["Its number in the last list, or its id", "列表序号或 id"] },
    ],
    options: [
      {
        name: "allow",
        value: "HOSTS",
        help: ["Hosts for sources and callbacks, with commas", "允许的主机，逗号分隔"],
      },
      { name: "enable", flag: true, help: ["Let it in again", "启用"] },
      { name: "disable", flag: true, help: ["Let it in no more", "停用"] },
      { name: "secret", flag: true, help: ["Give it a new client secret", "换发 client secret"] },
    ],
    run: project,
  },
  {
    name: "new-project",
    group: GROUP,
    summary: ["Make a project; its secrets are shown once", "新建项目，密钥只显示一次"],
    arguments: [{ name: "name", help: ["What it is called", "名称"] }],
    options: [
      { name: "group", help: ["Its group", "分组"] },
      {
        name: "allow",
        value: "HOSTS",
        help: ["Hosts for sources and callbacks, with commas", "允许的主机，逗号分隔"],
      },
    ],
    run: create,
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
        help: ["Sites that never need one, with commas; with --mode", "直连站点，逗号分隔；与 --mode 同用"],
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
    item.blocked ? { text: t("blocked", "已封禁"), tone: "bad" } : item.role,
    item.daily_limit === null ? String(item.daily_used) : `${item.daily_used}/${item.daily_limit}`,
    time(item.created_at),
  ]);
  call.show(
    rows.length === 0
      ? blocks.text(t("Nobody.", "没有用户。"))
      : blocks.table(columns, rows, call.pages(data)),
  );
  return data;
}

async function change(call) {
  const { t, options } = call;
  if (options.block && options.unblock)
    throw new Misuse(t("One of --block and --unblock.", "--block 与 --unblock 只能选一个。"));
  const body = { role: options.role };
  if (options.limit !== undefined) body.daily_limit = options.limit === "none" ? null : Number(options.limit);
  if (Number.isNaN(body.daily_limit))
    throw new Misuse(t("--limit is a number or none.", "--limit 是数字或 none。"));
  if (options.block || options.unblock) body.blocked = options.block === true;
  const data = await call.request("PUT", `/admin/api/v1/users/${await call.id("user", call.values.user)}`, {
    ...REALM,
    body,
  });
  call.show(
    blocks.text(t("Changed.", "已修改。"), "good"),
    blocks.fields([
      [t("E-mail", "邮箱"), data.email],
      [t("Level", "等级"), data.role],
      [t("Blocked", "封禁"), data.blocked ? t("yes", "是") : t("no", "否")],
    ]),
  );
  return data;
}

async function projects(call) {
  const { t, options } = call;
  const data = await call.request(
    "GET",
    `/admin/api/v1/projects${query({ group: options.group, page: options.page })}`,
    REALM,
  );
  await call.session.remember(
    "project",
    data.items.map((item) => item.project_id),
  );
  const columns = [
    { title: "#", right: true, keep: true },
    { title: t("Name", "名称") },
    { title: t("Group", "分组") },
    { title: t("Hosts", "主机") },
    { title: t("State", "状态"), keep: true },
    { title: t("When", "时间"), keep: true },
  ];
  const rows = data.items.map((item, at) => [
    { text: String(at + 1), copy: item.project_id },
    blocks.cell(item.name, { run: `project ${item.project_id}` }),
    item.group,
    item.hosts.join(", "),
    item.disabled
      ? { text: t("disabled", "停用"), tone: "bad" }
      : { text: t("enabled", "启用"), tone: "good" },
    time(item.created_at),
  ]);
  call.show(
    rows.length === 0
      ? blocks.text(t("No projects. To make one: new-project NAME", "没有项目。新建：new-project NAME"))
      : blocks.table(columns, rows, call.pages(data)),
  );
  return data;
}

const hosts = (text) =>
  text
    ?.split(",")
    .map((host) => host.trim())
    .filter(Boolean);

async function project(call) {
  const { t, options } = call;
  const path = `/admin/api/v1/projects/${await call.id("project", call.values.project)}`;
  if (options.secret) {
    const made = await call.request("POST", `${path}/secret`, { ...REALM, body: {} });
    call.show(...secrets(made, t));
    return made;
  }
  const body = { hosts: hosts(options.allow) };
  if (options.enable || options.disable) body.disabled = options.disable === true;
  const isChange = body.hosts !== undefined || body.disabled !== undefined;
  const data = await call.request(isChange ? "PUT" : "GET", path, {
    ...REALM,
    body: isChange ? body : undefined,
  });
  call.show(
    blocks.title(data.name),
    blocks.fields([
      [t("Group", "分组"), data.group],
      [t("State", "状态"), data.disabled ? t("disabled", "停用") : t("enabled", "启用")],
      [t("Hosts", "主机"), data.hosts.join(", ") || "—"],
      ["client_id", { text: data.client_id, copy: data.client_id }],
      [t("Project", "项目"), { text: data.project_id, copy: data.project_id }],
    ]),
  );
  return data;
}

const secrets = (made, t) => [
  blocks.fields(
    ["client_id", "client_secret", "callback_secret"].map((name) => [
      name,
      made[name] && { text: made[name], copy: made[name] },
    ]),
  ),
  blocks.text(t("They are shown this once.", "仅显示这一次。"), "warning"),
];

async function create(call) {
  const body = { name: call.values.name, group: call.options.group, hosts: hosts(call.options.allow) };
  const data = await call.request("POST", "/admin/api/v1/projects", { ...REALM, body });
  call.show(...secrets(data, call.t));
  return data;
}

async function proxies(call) {
  const { t, options } = call;
  if (options.events) return events(call);
  if (options.mode) {
    await call.request("PUT", "/admin/api/v1/proxies/policy", {
      ...REALM,
      body: { mode: options.mode, direct_sites: hosts(options.direct) ?? [] },
    });
  }
  const data = await call.request("GET", "/admin/api/v1/proxies", REALM);
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
  call.show(
    blocks.table(
      [
        { title: t("When", "时间"), keep: true },
        { title: t("Site", "站点") },
        { title: t("Proxy", "代理") },
        { title: t("Outcome", "结果") },
      ],
      data.items.map((one) => [time(one.at), one.site, one.proxy ?? "", one.outcome]),
      call.pages(data),
    ),
  );
  return data;
}

async function cookies(call) {
  const { t, options } = call;
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
  call.show(
    data.items.length === 0
      ? blocks.text(t("No cookies are kept.", "没有保存 Cookie。"))
      : blocks.table(
          columns,
          data.items.map((one) => [one.site, one.cookies, time(one.expires_at), time(one.updated_at)]),
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
  call.show(
    data.items.length === 0
      ? blocks.text(t("All fits together.", "一切一致。"), "good")
      : blocks.table(
          columns,
          data.items.map((one) => [kinds[one.kind], one.path, size(one.file_size), time(one.seen_at)]),
          call.pages(data),
        ),
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

/** Data sync, on a site and in its cloud: DS-7, DS-10, DS-13. */
import * as blocks from "../blocks.js";
import { Misuse, query } from "../client.js";
import { time } from "../text.js";

const ACTIONS = ["status", "now", "dead", "retry", "skip", "edit"];
const USER = { realm: "user" };
const ADMIN = { realm: "admin" };
const SITE = {
  name: "site",
  list: "site",
  help: ["Its number in the last list, or its id", "列表序号或 id"],
};
const PAGE = { name: "page", help: ["Which page", "页码"] };

export const SYNC = [
  {
    name: "sync",
    aliases: ["同步"],
    group: "sync",
    summary: [
      "How this server's data sync stands, a run at once, its dead rows",
      "数据同步：状态、立即同步、死信",
    ],
    arguments: [
      {
        name: "action",
        values: ACTIONS,
        optional: true,
        help: ["What to do; without one, the status", "操作，默认查看状态"],
      },
      {
        name: "row",
        list: "row",
        optional: true,
        help: ["For retry, skip, edit: the dead row's number or syn_id", "死信序号或 syn_id"],
      },
      {
        name: "json",
        optional: true,
        help: ["For edit: what takes the place of data_detail", "edit：新的 data_detail"],
      },
    ],
    options: [
      {
        name: "from",
        value: "SERVER",
        help: ["Of several rows with that syn_id, the one of this server", "同号多行时指定来源"],
      },
      PAGE,
    ],
    examples: ["sync", "sync dead", "sync retry 1"],
    run: sync,
  },
  {
    name: "sites",
    aliases: ["站点"],
    group: "sync",
    summary: ["List the shops of this cloud (admin)", "站点列表（管理员）"],
    options: [PAGE],
    run: sites,
  },
  {
    name: "site",
    group: "sync",
    summary: ["Show a shop, its dead rows, revoke or reload it (admin)", "查看、吊销或重载站点（管理员）"],
    arguments: [SITE],
    options: [
      { name: "dead", flag: true, help: ["List its dead rows", "列出死信"] },
      { name: "retry", value: "SYN_ID", help: ["Deliver a dead row again", "重试死信"] },
      { name: "skip", value: "SYN_ID", help: ["Do not deliver a dead row", "跳过死信"] },
      { name: "revoke", flag: true, help: ["Let it in no more", "吊销"] },
      { name: "reload", flag: true, help: ["Send it everything anew", "重新全量下发"] },
    ],
    run: site,
  },
  {
    name: "site-code",
    aliases: ["站点注册码"],
    group: "sync",
    summary: ["Make a one-time code for a shop (admin)", "生成一次性注册码（管理员）"],
    arguments: [{ name: "name", help: ["What the shop is called", "站点名称"] }],
    options: [{ name: "group", help: ["The group that shares members", "所属分组"] }],
    run: code,
  },
];

async function sync(call) {
  const action = call.values.action ?? "status";
  // On the cloud these are for admins, on a site for its users.
  const realm = (await call.api.login("admin")) ? ADMIN : USER;
  try {
    return await act(call, action, realm);
  } catch (failure) {
    const isOther =
      realm === ADMIN && [40101, 40301].includes(failure.code) && (await call.api.login("user"));
    if (isOther) return act(call, action, USER);
    if (failure.code === 40101)
      failure.hint = call.t(
        "On a site: login EMAIL; on the cloud: login --admin EMAIL",
        "站点：login EMAIL；云端：login --admin EMAIL",
      );
    throw failure;
  }
}

function act(call, action, realm) {
  if (action === "status") return status(call, realm);
  if (action === "now") return now(call);
  if (action === "dead") return dead(call, "/api/v1/sync/dead", realm);
  return free(call, action, realm);
}

async function status(call, realm) {
  const { t } = call;
  const data = await call.request("GET", "/api/v1/sync/status", realm);
  call.show(
    blocks.fields([
      [t("This is", "角色"), data.role === "site" ? t("a shop's server", "站点") : t("the cloud", "云端")],
      [t("Waiting", "待同步"), data.backlog],
      [t("Dead", "死信"), { text: String(data.dead), tone: data.dead > 0 ? "bad" : "plain" }],
      [t("Held behind them", "被挂起"), data.held],
      [t("Last push", "最近上行"), time(data.last_push)],
      [t("Last pull", "最近下行"), time(data.last_pull)],
      [
        t("Cloud", "上游"),
        data.role === "site"
          ? {
              text: data.upstream_ok
                ? t("answers", "正常")
                : (data.upstream_error ?? t("does not answer", "无响应")),
              tone: data.upstream_ok ? "good" : "bad",
            }
          : null,
      ],
    ]),
  );
  return data;
}

async function now(call) {
  const data = await call.request("POST", "/api/v1/sync/now", USER);
  call.show(blocks.text(call.t("A run was asked for. How it stands: sync", "已请求同步。查看：sync")));
  return data;
}

async function dead(call, path, realm) {
  const { t } = call;
  const data = await call.request("GET", `${path}${query({ page: call.options.page })}`, realm);
  await call.session.remember(
    "row",
    data.items.map((item) => item.syn_id),
  );
  const columns = [
    { title: "#", right: true, keep: true },
    { title: "syn_id" },
    { title: t("Entity", "实体") },
    { title: t("Reason", "原因") },
    { title: t("Held", "挂起"), right: true, keep: true },
    { title: t("Since", "时间"), keep: true },
  ];
  const rows = data.items.map((item, at) => [
    String(at + 1),
    { text: item.syn_id, copy: item.syn_id },
    item.entity,
    item.reason ?? "",
    item.held,
    time(item.dead_since),
  ]);
  call.list(data, columns, rows, blocks.text(t("No dead rows.", "没有死信。"), "good"));
  return data;
}

async function free(call, action, realm) {
  const { t, values } = call;
  if (!values.row) throw new Misuse(t(`sync ${action} needs ROW.`, `sync ${action} 缺少 ROW。`));
  const body = { action, data_from_server_id: call.options.from };
  if (action === "edit") body.data_detail = detail(call);
  const id = await call.id("row", values.row);
  const data = await call.request("POST", `/api/v1/sync/dead/${id}`, { ...realm, body });
  call.show(blocks.text(t("Done. What it held goes on.", "已处理，被挂起的行继续。"), "good"));
  return data;
}

function detail(call) {
  try {
    return JSON.parse(call.values.json);
  } catch {
    throw new Misuse(
      call.t(
        "sync edit needs JSON that takes the place of data_detail.",
        "sync edit 需要新的 data_detail（JSON）。",
      ),
    );
  }
}

async function sites(call) {
  const { t } = call;
  const data = await call.request("GET", `/admin/api/v1/sites${query({ page: call.options.page })}`, ADMIN);
  await call.session.remember(
    "site",
    data.items.map((item) => item.site_id),
  );
  const columns = [
    { title: "#", right: true, keep: true },
    { title: t("Shop", "站点") },
    { title: t("Group", "分组") },
    { title: t("Last contact", "最近联系"), keep: true },
    { title: t("Waiting", "积压"), right: true, keep: true },
    { title: t("Dead", "死信"), right: true, keep: true },
    { title: t("Behind", "延迟"), right: true, keep: true },
    { title: t("State", "状态"), keep: true },
  ];
  const rows = data.items.map((item, at) => [
    { text: String(at + 1), copy: item.site_id },
    blocks.cell(item.name, { run: `site ${item.site_id}` }),
    item.group,
    time(item.last_contact),
    item.backlog,
    { text: String(item.dead), tone: item.dead > 0 ? "bad" : "plain" },
    `${item.lag_s} s`,
    state(item, t),
  ]);
  call.list(
    data,
    columns,
    rows,
    blocks.text(t("No shops. To let one in: site-code NAME", "没有站点。添加：site-code NAME")),
  );
  return data;
}

function state(item, t) {
  if (item.revoked) return { text: t("revoked", "已吊销"), tone: "bad" };
  if (!item.registered) return { text: t("has a code", "待注册"), tone: "muted" };
  return item.loading ? t("loading", "初始化中") : { text: t("registered", "已注册"), tone: "good" };
}

async function site(call) {
  const { t, options } = call;
  const chosen = ["dead", "retry", "skip", "revoke", "reload"].filter((name) => options[name] !== undefined);
  if (chosen.length > 1) {
    const all = chosen.map((name) => `--${name}`).join(", ");
    throw new Misuse(t(`One of ${all}.`, `${all} 只能选一个。`));
  }
  const id = await call.id("site", call.values.site);
  const path = `/admin/api/v1/sites/${id}`;
  if (options.dead) return dead(call, `${path}/dead`, ADMIN);
  for (const action of ["retry", "skip"]) {
    if (options[action]) {
      const row = encodeURIComponent(options[action]);
      const data = await call.request("POST", `${path}/dead/${row}`, { ...ADMIN, body: { action } });
      call.show(blocks.text(t("Done. What it held goes on.", "已处理，被挂起的行继续。"), "good"));
      return data;
    }
  }
  for (const action of ["revoke", "reload"]) {
    if (options[action]) await call.request("POST", `${path}/${action}`, ADMIN);
  }
  const data = await call.request("GET", path, ADMIN);
  call.show(
    blocks.title(data.name),
    blocks.fields([
      [t("State", "状态"), state(data, t)],
      [t("Group", "分组"), data.group],
      [t("Version", "版本"), data.version],
      [t("Last contact", "最近联系"), time(data.last_contact)],
      [t("Waits here", "云端积压"), data.backlog],
      [t("Dead here", "云端死信"), data.dead],
      [t("Waits there", "站点积压"), data.report?.backlog],
      [t("Dead there", "站点死信"), data.report?.dead],
      [t("Behind", "延迟"), `${data.lag_s} s`],
      [t("Site", "站点"), { text: data.site_id, copy: data.site_id }],
    ]),
  );
  return data;
}

async function code(call) {
  const { t } = call;
  const data = await call.request("POST", "/admin/api/v1/sites", {
    ...ADMIN,
    body: { name: call.values.name, group: call.options.group },
  });
  call.show(
    blocks.fields([
      [t("Code", "注册码"), { text: data.code, copy: data.code }],
      [t("Until", "有效至"), time(data.expires_at)],
    ]),
  );
  return data;
}

/** Projects, whose tokens export: DC-1, ID-4. */
import * as blocks from "../blocks.js";
import { Misuse, query } from "../client.js";
import { time } from "../text.js";
import { hosts } from "./operations.js";

const GROUP = "admin";
const REALM = { realm: "admin" };
const PAGE = { name: "page", help: ["Which page", "页码"] };

export const PROJECTS = [
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
];

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
  call.list(
    data,
    columns,
    rows,
    blocks.text(t("No projects. To make one: new-project NAME", "没有项目。新建：new-project NAME")),
  );
  return data;
}

async function project(call) {
  const { t, options } = call;
  if (options.enable && options.disable)
    throw new Misuse(t("One of --enable and --disable.", "--enable 与 --disable 只能选一个。"));
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

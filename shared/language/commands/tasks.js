/** Tasks of both kinds, and their files: VA-6, VA-8, DC-8, DC-9. */
import * as blocks from "../blocks.js";
import { Failure, query } from "../client.js";
import { follow, isOver } from "../progress.js";
import { duration, size, time } from "../text.js";

const GROUP = "media";
const STATUSES = ["queued", "running", "succeeded", "failed", "dead", "cancelled", "expired"];
const TASK = {
  name: "task",
  list: "task",
  help: ["Its number in the last list, or its id", "列表序号或 id"],
};
const PROJECT = {
  name: "project",
  flag: true,
  help: ["The project's, not the user's", "项目的任务，而不是用户的"],
};
const SPEEDS_MAX = 40;

export const TASKS = [
  {
    name: "tasks",
    aliases: ["ls", "任务"],
    group: GROUP,
    summary: ["List your tasks", "任务列表"],
    options: [
      { name: "status", values: STATUSES, help: ["Those alone", "按状态筛选"] },
      { name: "name", help: ["Those with this in their name", "按名称筛选"] },
      { name: "page", help: ["Which page", "页码"] },
      PROJECT,
    ],
    run: tasks,
  },
  {
    name: "task",
    group: GROUP,
    summary: ["Show one task", "查看任务"],
    arguments: [TASK],
    options: [PROJECT],
    run: one,
  },
  {
    name: "watch",
    aliases: ["进度"],
    group: GROUP,
    summary: ["Watch a task, or all, until they end", "实时查看进度"],
    arguments: [{ ...TASK, optional: true }],
    options: [PROJECT],
    run: watch,
  },
  {
    name: "cancel",
    aliases: ["取消"],
    group: GROUP,
    summary: ["Stop a task", "取消任务"],
    arguments: [TASK],
    options: [PROJECT],
    run: cancel,
  },
  {
    name: "delete",
    aliases: ["rm", "删除"],
    group: GROUP,
    summary: ["Delete a task and its file", "删除任务及文件"],
    arguments: [TASK],
    options: [PROJECT],
    run: remove,
  },
  {
    name: "file",
    aliases: ["取文件"],
    group: GROUP,
    summary: ["Fetch a task's file", "取回任务的文件"],
    arguments: [TASK],
    options: [PROJECT],
    run: file,
  },
  {
    name: "link",
    aliases: ["链接"],
    group: GROUP,
    summary: ["A web address of the file, for 5 minutes", "5 分钟有效的文件链接"],
    arguments: [TASK],
    options: [PROJECT],
    run: share,
  },
  {
    name: "play",
    aliases: ["播放"],
    group: GROUP,
    summary: ["Play a task's video or sound", "播放任务的视频或音频"],
    arguments: [TASK],
    run: play,
  },
];

const realmOf = (call) => (call.options.project ? "project" : "user");

async function tasks(call) {
  const { t, options } = call;
  const path = `/api/v1/tasks${query({ status: options.status, name: options.name, page: options.page })}`;
  const data = await call.request("GET", path, { realm: realmOf(call) });
  await call.session.remember(
    "task",
    data.items.map((task) => task.task_id),
  );
  const columns = [
    { title: "#", right: true, keep: true },
    { title: t("Name", "名称") },
    { title: t("State", "状态"), keep: true },
    { title: "%", right: true, keep: true },
    { title: t("Size", "大小"), right: true, keep: true },
    { title: t("When", "时间"), keep: true },
  ];
  const flag = options.project ? " --project" : "";
  const rows = data.items.map((task, at) => [
    { text: String(at + 1), copy: task.task_id },
    blocks.cell(task.name || task.task_id, { run: `task ${task.task_id}${flag}` }),
    { text: state(task.status, t), tone: tone(task.status) },
    String(Math.floor(task.progress.percent)),
    size(task.result?.file_size ?? task.progress.total_bytes),
    time(task.created_at),
  ]);
  call.list(data, columns, rows, blocks.text(t("No tasks.", "没有任务。")));
  if (rows.length > 1) call.show(spark(data.items, t));
  if (data.items.some((task) => !isOver(task)))
    call.show(blocks.fields([[t("Under way", "进行中"), { text: `watch${flag}`, run: `watch${flag}` }]]));
  return data;
}

/** How long each of the tasks took, the oldest first. */
function spark(items, t) {
  const took = items
    .filter((task) => task.started_at && task.finished_at)
    .map((task) => (new Date(task.finished_at) - new Date(task.started_at)) / 1000)
    .reverse();
  if (took.length < 2) return null;
  const longest = duration(Math.max(...took));
  return blocks.spark(t("Took", "耗时"), took, t(`at most ${longest}`, `最长 ${longest}`));
}

async function one(call) {
  const { t } = call;
  const id = await call.id("task", call.values.task);
  const task = await call.request("GET", `/api/v1/tasks/${id}`, { realm: realmOf(call) });
  const flag = call.options.project ? " --project" : "";
  call.show(
    blocks.title(task.name || task.task_id),
    bar(task, t),
    blocks.fields([
      [t("Task", "任务"), { text: task.task_id, copy: task.task_id }],
      [t("Kind", "类型"), task.kind],
      [t("Attempt", "第几次"), task.attempt],
      [t("Created", "创建"), time(task.created_at)],
      [t("Finished", "完成"), task.finished_at && time(task.finished_at)],
      [
        t("File", "文件"),
        task.result && blocks.cell(task.result.file_name, { run: `file ${task.task_id}${flag}` }),
      ],
      [t("Size", "大小"), task.result && size(task.result.file_size)],
      [t("Rows", "行数"), task.result?.rows],
      ["SHA-256", task.result && { text: task.result.sha256, copy: task.result.sha256 }],
      [t("Kept until", "保留至"), task.result?.expires_at && time(task.result.expires_at)],
    ]),
    task.error && blocks.error(task.error.message, task.error.code),
    ...(task.result?.warnings ?? []).map((warning) => blocks.text(warning, "warning")),
  );
  return task;
}

async function watch(call) {
  const realm = realmOf(call);
  if (call.values.task) {
    const task = await watchOne(call, realm, await call.id("task", call.values.task));
    call.say(task);
    if (task.status !== "succeeded") call.exit = 1;
    return task;
  }
  const open = new Map();
  const show = teller(call);
  const first = await call.request("GET", "/api/v1/tasks?page_size=100", { realm });
  for (const task of first.items.filter((item) => !isOver(item))) open.set(task.task_id, task);
  if (open.size === 0) call.show(blocks.text(call.t("Nothing is under way.", "没有进行中的任务。")));
  await follow(
    call,
    realm,
    null,
    (task) => {
      if (!open.has(task.task_id) && isOver(task)) return;
      show(task);
      call.say(task);
      if (!isOver(task)) {
        open.set(task.task_id, task);
        return;
      }
      open.delete(task.task_id);
      if (task.status !== "succeeded") call.exit = 1;
      if (task.error) call.show(blocks.text(`${task.name || task.task_id}: ${task.error.message}`, "bad"));
    },
    () => open.size === 0,
  );
  return undefined;
}

/** Shows a task until it ends. */
export async function watchOne(call, realm, id) {
  let last = null;
  const show = teller(call);
  await follow(
    call,
    realm,
    decodeURIComponent(id),
    (task) => {
      last = task;
      show(task);
    },
    () => last !== null && isOver(last),
  );
  if (last.error) call.show(blocks.error(last.error.message, last.error.code));
  else if (last.status === "succeeded" && last.kind === "export" && last.result?.warnings?.length)
    last.result.warnings.forEach((warning) => call.show(blocks.text(warning, "warning")));
  return last;
}

/** Shows tasks as bars, with their speed so far as a line. */
function teller(call) {
  const speeds = new Map();
  return (task) => {
    const so = speeds.get(task.task_id) ?? [];
    if (task.progress.speed) so.push(task.progress.speed);
    speeds.set(task.task_id, so.slice(-SPEEDS_MAX));
    call.show({ ...bar(task, call.t), speeds: speeds.get(task.task_id) });
  };
}

function bar(task, t) {
  const { progress } = task;
  const parts = [state(task.status === "running" ? progress.stage : task.status, t)];
  if (progress.rows !== null && progress.rows !== undefined)
    parts.push(t(`${progress.rows} rows`, `${progress.rows} 行`));
  if (progress.downloaded_bytes && progress.total_bytes)
    parts.push(`${size(progress.downloaded_bytes)} / ${size(progress.total_bytes)}`);
  if (task.status === "running" && progress.speed) parts.push(`${size(progress.speed)}/s`);
  if (task.status === "running" && progress.eta)
    parts.push(t(`${duration(progress.eta)} left`, `剩余 ${duration(progress.eta)}`));
  if (task.attempt > 1) parts.push(t(`attempt ${task.attempt}`, `第 ${task.attempt} 次`));
  const look = isOver(task) ? (task.status === "succeeded" ? "good" : "bad") : "running";
  return blocks.progress(task.task_id, task.name || task.task_id, progress.percent, parts.join(" · "), look);
}

const NAMES = {
  queued: "排队中",
  running: "进行中",
  succeeded: "成功",
  failed: "失败",
  dead: "重试用尽",
  cancelled: "已取消",
  expired: "已过期",
  reading: "读取中",
  downloading: "下载中",
  processing: "处理中",
  finishing: "收尾",
  done: "完成",
};

const state = (name, t) => t(name, NAMES[name] ?? name);
const tone = (status) =>
  ({ succeeded: "good", failed: "bad", dead: "bad", expired: "muted", cancelled: "muted" })[status] ??
  "plain";

async function cancel(call) {
  const id = await call.id("task", call.values.task);
  const task = await call.request("POST", `/api/v1/tasks/${id}/cancel`, { realm: realmOf(call) });
  call.show(bar(task, call.t));
  return task;
}

async function remove(call) {
  const id = await call.id("task", call.values.task);
  const data = await call.request("DELETE", `/api/v1/tasks/${id}`, { realm: realmOf(call) });
  call.show(blocks.text(call.t("Deleted.", "已删除。"), "good"));
  return data;
}

async function file(call) {
  const realm = realmOf(call);
  const task = await call.request("GET", `/api/v1/tasks/${await call.id("task", call.values.task)}`, {
    realm,
  });
  const data = await arrived(call, realm, task, true);
  return data;
}

/** Shows where a finished task's file is; saves it where the shell can and `save` wants it. */
export async function arrived(call, realm, task, save) {
  const { t } = call;
  if (!task.result || task.status !== "succeeded") {
    throw new Failure(
      t(`The task is ${task.status}: it has no file.`, `任务状态为“${state(task.status, t)}”，没有文件。`),
      { code: 41001 },
    );
  }
  const url = await address(call, realm, task.task_id);
  if (save && call.host.save) {
    const kept = await call.until(call.host.save(url.url, task.result.file_name, {}));
    call.show(
      blocks.text(
        t(`Saved: ${kept.path} (${size(kept.bytes)})`, `已保存：${kept.path}（${size(kept.bytes)}）`),
        "good",
      ),
    );
    return { ...task.result, path: kept.path };
  }
  const label = `${task.result.file_name} (${size(task.result.file_size)})`;
  call.show(blocks.link(url.url, label, task.result.file_name), preview(task, url.url));
  return { ...task.result, ...url };
}

const address = (call, realm, id) =>
  call.request("POST", `/api/v1/tasks/${encodeURIComponent(id)}/url`, { realm });

function preview(task, url) {
  const ending = /\.(\w+)$/u.exec(task.result.file_name)?.[1].toLowerCase();
  if (["mp4", "webm"].includes(ending)) return blocks.media(url, "video", task.result.file_name);
  if (["mp3", "m4a", "ogg", "opus"].includes(ending))
    return blocks.media(url, "audio", task.result.file_name);
  return null;
}

async function share(call) {
  const id = await call.id("task", call.values.task);
  const data = await call.request("POST", `/api/v1/tasks/${id}/url`, { realm: realmOf(call) });
  call.show(
    blocks.fields([
      [call.t("Address", "链接"), { text: data.url, url: data.url, copy: data.url }],
      [call.t("Until", "有效至"), time(data.expires_at)],
    ]),
  );
  return data;
}

async function play(call) {
  const task = await call.request("GET", `/api/v1/tasks/${await call.id("task", call.values.task)}`, {
    realm: "user",
  });
  return arrived(call, "user", task, false);
}

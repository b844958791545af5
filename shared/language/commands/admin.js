/** What admins look after: VA-3, VA-16. */
import * as blocks from "../blocks.js";
import { Misuse, query } from "../client.js";
import { duration, size, time } from "../text.js";

const GROUP = "admin";
const REALM = { realm: "admin" };
const PAGE = { name: "page", help: ["Which page", "页码"] };
const LETTER = {
  name: "task",
  list: "letter",
  help: ["Its number in the last list, or its id", "列表序号或 id"],
};
const REFRESH_MS = 2_000;

export const ADMIN = [
  {
    name: "overview",
    aliases: ["总览"],
    group: GROUP,
    summary: ["Show how everything goes, with charts", "运行总览与图表"],
    options: [{ name: "live", flag: true, help: ["Go on showing it", "持续刷新"] }],
    run: overview,
  },
  {
    name: "queue",
    aliases: ["队列"],
    group: GROUP,
    summary: ["Show the queue and its workers", "队列与 worker"],
    run: queue,
  },
  {
    name: "dead-letters",
    aliases: ["dead", "死信"],
    group: GROUP,
    summary: ["List tasks that spent their retries", "重试用尽的任务"],
    options: [PAGE],
    run: letters,
  },
  {
    name: "dead-letter",
    group: GROUP,
    summary: ["Show the attempts of one", "查看其各次尝试"],
    arguments: [LETTER],
    options: [PAGE],
    run: letter,
  },
  {
    name: "replay",
    aliases: ["重放"],
    group: GROUP,
    summary: ["Put a dead letter back into the queue, or all", "重新入队"],
    arguments: [{ ...LETTER, help: ["Its number in the last list, its id, or all", "序号、id 或 all"] }],
    run: replay,
  },
  {
    name: "drop",
    aliases: ["丢弃"],
    group: GROUP,
    summary: ["Delete a dead letter", "删除死信"],
    arguments: [LETTER],
    run: drop,
  },
];

async function overview(call) {
  for (;;) {
    const [data, line] = await call.until(
      Promise.all([
        call.request("GET", "/admin/api/v1/overview", REALM),
        call.request("GET", "/admin/api/v1/queue", REALM),
      ]),
    );
    call.show(blocks.group("overview", overviewBlocks(data, line, call.t)));
    if (!call.options.live) return { ...data, queue: line };
    call.say({ ...data, queue: line });
    await call.pause(REFRESH_MS);
  }
}

function overviewBlocks(data, line, t) {
  const { hours, totals } = data;
  const labels = hours.map((hour) => time(hour.hour).slice(-5));
  const column = (name) => hours.map((hour) => hour[name]);
  return [
    blocks.fields([
      [t("Waiting", "排队"), line.queued],
      [t("Running", "进行中"), line.running],
      [
        t("Dead letters", "死信"),
        { text: String(line.dead), tone: line.dead > 0 ? "bad" : "good", run: "dead-letters" },
      ],
      [
        t("Success", "成功率"),
        data.success_rate === null ? "—" : `${(data.success_rate * 100).toFixed(1)} %`,
      ],
      [t("Users", "用户"), totals.users],
      [t("Kept", "已存"), size(totals.bytes_kept)],
    ]),
    blocks.chart(t("Tasks by the hour", "每小时任务"), labels, [
      { name: t("succeeded", "成功"), values: column("succeeded"), tone: "good" },
      { name: t("failed", "失败"), values: column("failed"), tone: "bad" },
    ]),
    blocks.chart(t("Bytes by the hour", "每小时字节"), labels, [
      { name: t("bytes", "字节"), values: column("bytes"), tone: "plain", unit: "bytes" },
    ]),
    ...data.disks.map((disk) =>
      blocks.progress(
        `disk ${disk.worker_id}`,
        t(`Disk of …${disk.worker_id.slice(-12)}`, `…${disk.worker_id.slice(-12)} 的磁盘`),
        disk.usage_percent,
        t(`${size(disk.free_bytes)} free`, `剩余 ${size(disk.free_bytes)}`),
        disk.usage_percent >= 85 ? "bad" : "good",
      ),
    ),
  ];
}

async function queue(call) {
  const { t } = call;
  const data = await call.request("GET", "/admin/api/v1/queue", REALM);
  call.show(
    blocks.fields([
      [t("Waiting", "排队"), data.queued],
      [t("For another attempt", "等待重试"), data.waiting_for_retry],
      [t("Running", "进行中"), data.running],
      [t("Dead", "死信"), data.dead],
      [t("The oldest", "最早"), data.oldest_queued_at && time(data.oldest_queued_at)],
    ]),
    blocks.table(
      [
        { title: "Worker" },
        { title: t("Runs", "进行"), right: true, keep: true },
        { title: t("Disk", "磁盘"), right: true, keep: true },
        { title: "yt-dlp", keep: true },
        { title: t("Seen", "心跳"), keep: true },
      ],
      data.workers.map((worker) => [
        worker.worker_id,
        `${worker.running}/${worker.concurrency}`,
        `${Math.round(worker.disk_usage_percent)} %`,
        worker.ytdlp ?? { text: worker.ytdlp_error ?? "—", tone: "bad" },
        time(worker.seen_at),
      ]),
    ),
    ...data.running_tasks.map((task) =>
      blocks.progress(
        task.task_id,
        `${task.site || t("export", "导出")} ${task.task_id}`,
        task.progress.percent,
        `${size(task.progress.downloaded_bytes)} · ${task.worker_id}`,
        "running",
      ),
    ),
    ...data.cooling_sites.map((site) =>
      blocks.text(
        t(
          `${site.site} is left alone until ${time(site.cool_until)}: ${site.reason}`,
          `${site.site} 暂停至 ${time(site.cool_until)}：${site.reason}`,
        ),
        "warning",
      ),
    ),
  );
  return data;
}

const list = (call) =>
  call.request("GET", `/admin/api/v1/dead-letters${query({ page: call.options.page })}`, REALM);

async function letters(call) {
  const { t } = call;
  const data = await list(call);
  await call.session.remember(
    "letter",
    data.items.map((item) => item.task_id),
  );
  const columns = [
    { title: "#", right: true, keep: true },
    { title: t("Name", "名称") },
    { title: t("Kind", "类型"), keep: true },
    { title: t("Why", "原因") },
    { title: t("Attempts", "次数"), right: true, keep: true },
    { title: t("When", "时间"), keep: true },
  ];
  const rows = data.items.map((item, at) => [
    { text: String(at + 1), copy: item.task_id },
    blocks.cell(item.name || item.source, { run: `dead-letter ${item.task_id}` }),
    item.kind,
    item.error?.message ?? "",
    item.attempts.length,
    time(item.finished_at),
  ]);
  call.list(data, columns, rows, blocks.text(t("No dead letters.", "没有死信。"), "good"));
  return data;
}

async function letter(call) {
  const { t } = call;
  const id = decodeURIComponent(await call.id("letter", call.values.task));
  const found = (await list(call)).items.find((item) => item.task_id === id);
  if (!found) throw new Misuse(t("That dead letter is not on this page.", "该死信不在本页。"), "--page");
  call.show(
    blocks.title(found.name || found.source),
    blocks.fields([
      [t("Task", "任务"), { text: found.task_id, copy: found.task_id }],
      [t("From", "来源"), found.source],
      [t("Owner", "所有者"), found.owner_id],
    ]),
    blocks.table(
      [
        { title: "#", right: true, keep: true },
        { title: t("Why", "原因") },
        { title: t("Proxy", "代理") },
        { title: t("Took", "耗时"), right: true, keep: true },
        { title: t("When", "时间"), keep: true },
      ],
      found.attempts.map((one) => [
        one.attempt,
        one.error.message,
        one.proxy ?? "",
        duration(one.elapsed_ms / 1000),
        time(one.at),
      ]),
    ),
    blocks.fields([
      [t("Again", "重放"), { text: `replay ${id}`, run: `replay ${id}` }],
      [t("Delete", "丢弃"), { text: `drop ${id}`, run: `drop ${id}` }],
    ]),
  );
  return found;
}

async function replay(call) {
  const isAll = call.values.task === "all";
  const path = isAll ? "replay" : `${await call.id("letter", call.values.task)}/replay`;
  const data = await call.request("POST", `/admin/api/v1/dead-letters/${path}`, REALM);
  call.show(blocks.text(call.t("Back in the queue.", "已重新入队。"), "good"));
  return data;
}

async function drop(call) {
  const data = await call.request(
    "DELETE",
    `/admin/api/v1/dead-letters/${await call.id("letter", call.values.task)}`,
    REALM,
  );
  call.show(blocks.text(call.t("Deleted.", "已删除。"), "good"));
  return data;
}

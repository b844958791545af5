/** Media: VA-1, VA-2, VA-10, VA-11. */
import * as blocks from "../blocks.js";
import { duration, size, time } from "../text.js";
import { quote } from "../words.js";
import { arrived, watchOne } from "./tasks.js";

const GROUP = "media";
const QUALITIES = ["best", "4320p", "2160p", "1440p", "1080p", "720p", "480p", "360p", "240p", "audio"];
const FORMATS = ["mp4", "webm", "mkv", "mp3", "m4a"];
const HISTORY = {
  0: ["failed", "失败"],
  1: ["there", "可取"],
  2: ["expired", "已过期"],
  3: ["being removed", "待清理"],
  4: ["running", "进行中"],
  5: ["queued", "排队中"],
};

export const MEDIA = [
  {
    name: "parse",
    aliases: ["解析"],
    group: GROUP,
    summary: ["Look at a video without downloading it", "查看视频信息"],
    arguments: [{ name: "url", help: ["The video's web address", "视频地址"] }],
    examples: ["parse https://example.com/watch?v=1"],
    run: parse,
  },
  {
    name: "get",
    aliases: ["download", "下载"],
    group: GROUP,
    summary: ["Download a video and watch it arrive", "下载视频并显示进度"],
    arguments: [{ name: "url", help: ["The video's web address", "视频地址"] }],
    options: [
      {
        name: "archive",
        flag: true,
        help: ["Keep it until you delete it, not for a day", "长期保存，而不是一天"],
      },
      { name: "quality", values: QUALITIES, help: ["The best of at most this", "最高画质"] },
      { name: "format", values: FORMATS, help: ["The file's type", "文件类型"] },
      {
        name: "subtitles",
        value: "LANGUAGES",
        help: ["Subtitles too, such as en,zh-Hans", "同时下载字幕，如 en,zh-Hans"],
      },
      { name: "thumbnail", flag: true, help: ["The picture too", "同时下载封面"] },
      { name: "save", flag: true, help: ["Save the file here when it is there", "完成后保存到本机"] },
      { name: "background", flag: true, help: ["Do not wait for it", "不等待"] },
    ],
    examples: [
      "get https://example.com/watch?v=1",
      "get https://example.com/watch?v=1 --quality audio --format mp3 --archive",
    ],
    run: get,
  },
  {
    name: "history",
    aliases: ["历史"],
    group: GROUP,
    summary: ["List what you downloaded", "下载历史"],
    options: [
      {
        name: "status",
        values: Object.keys(HISTORY),
        help: [
          "0 failed, 1 there, 2 expired, 3 being removed, 4 running, 5 queued",
          "0 失败 1 可取 2 过期 3 待清理 4 进行 5 排队",
        ],
      },
      { name: "page", help: ["Which page", "页码"] },
    ],
    run: history,
  },
  {
    name: "forget",
    aliases: ["删除历史"],
    group: GROUP,
    summary: ["Delete a line of your history and its file", "删除历史记录及其文件"],
    arguments: [
      { name: "history", list: "history", help: ["Its number in the last list, or its id", "列表序号或 id"] },
    ],
    run: forget,
  },
  {
    name: "quota",
    aliases: ["额度"],
    group: GROUP,
    summary: ["Show what is left of today's downloads", "今日剩余额度"],
    run: quota,
  },
  {
    name: "stats",
    aliases: ["统计"],
    group: GROUP,
    summary: ["Show what you downloaded in all", "下载统计"],
    run: stats,
  },
];

/** People leave the scheme away. */
const webAddress = (text) =>
  /^[a-z][a-z0-9+.-]*:/iu.test(text) && !/^[^/]*:\d+(\/|$)/u.test(text) ? text : `https://${text}`;

async function parse(call) {
  const { t } = call;
  call.show(blocks.text(t("Reading…", "读取中…"), "muted"));
  const data = await call.request("POST", "/api/v1/parse", {
    realm: "user",
    body: { url: webAddress(call.values.url) },
  });
  const line = `get ${quote(call.values.url)}`;
  call.show(
    data.thumbnail && blocks.image(data.thumbnail, data.title),
    blocks.title(data.title),
    blocks.fields([
      [t("By", "作者"), data.uploader],
      [t("Length", "时长"), data.duration && duration(data.duration)],
      [t("Site", "站点"), data.extractor],
      [t("Subtitles", "字幕"), data.subtitles?.length ? data.subtitles.join(", ") : null],
    ]),
    blocks.table(
      [
        { title: t("Format", "格式") },
        { title: t("Type", "类型"), keep: true },
        { title: t("Height", "高度"), right: true },
        { title: t("Size", "大小"), right: true },
        { title: t("Video", "视频") },
        { title: t("Audio", "音频") },
      ],
      data.formats.map((one) => [
        one.format_id,
        one.ext,
        one.height ?? "",
        one.filesize ? size(one.filesize) : "",
        one.vcodec ?? "",
        one.acodec ?? "",
      ]),
    ),
    blocks.fields([[t("To download it", "下载"), { text: line, run: line }]]),
  );
  return data;
}

async function get(call) {
  const { options } = call;
  const body = {
    url: webAddress(call.values.url),
    mode: options.archive ? "archive" : "quick_download",
    quality: options.quality,
    format: options.format,
    subtitles: options.subtitles
      ?.split(",")
      .map((language) => language.trim())
      .filter(Boolean),
    thumbnail: options.thumbnail,
  };
  const data = await call.request("POST", "/api/v1/download", { realm: "user", body, once: true });
  await call.session.remember("task", [data.task_id]);
  if (options.background) {
    call.show(
      blocks.fields([
        [call.t("Task", "任务"), { text: data.task_id, run: `watch ${data.task_id}`, copy: data.task_id }],
      ]),
    );
    return data;
  }
  const task = await watchOne(call, "user", data.task_id);
  if (task.status === "succeeded") await arrived(call, "user", task, options.save === true);
  else call.exit = 1;
  call.say(task);
  return task;
}

async function history(call) {
  const { t } = call;
  const path =
    `/api/v1/user/history?page=${encodeURIComponent(call.options.page ?? 1)}` +
    (call.options.status ? `&status=${call.options.status}` : "");
  const data = await call.request("GET", path, { realm: "user" });
  await call.session.remember(
    "history",
    data.items.map((item) => item.history_id),
  );
  await call.session.remember(
    "task",
    data.items.map((item) => item.task_id),
  );
  const rows = data.items.map((item, at) =>
    [
      { text: String(at + 1), copy: item.history_id },
      {
        text: item.title || item.url,
        run: item.status === 1 ? `file ${item.task_id}` : `task ${item.task_id}`,
      },
      t(...HISTORY[item.status]),
      size(item.file_size),
      item.mode === "archive" ? t("for good", "长期") : time(item.expire_at),
      time(item.created_at),
    ].map((value) => blocks.cell(value)),
  );
  const columns = [
    { title: "#", right: true, keep: true },
    { title: t("Title", "标题") },
    { title: t("State", "状态"), keep: true },
    { title: t("Size", "大小"), right: true, keep: true },
    { title: t("Kept", "保留至"), keep: true },
    { title: t("When", "时间"), keep: true },
  ];
  call.list(
    data,
    columns,
    rows,
    blocks.text(t("Nothing yet. To begin: get URL", "还没有记录。开始：get URL")),
  );
  return data;
}

async function forget(call) {
  const id = await call.id("history", call.values.history);
  const data = await call.request("DELETE", `/api/v1/user/history/${id}`, { realm: "user" });
  call.show(blocks.text(call.t("Deleted.", "已删除。"), "good"));
  return data;
}

async function quota(call) {
  const { t } = call;
  const data = await call.request("GET", "/api/v1/user/quota", { realm: "user" });
  const share = data.daily_limit > 0 ? (data.daily_used / data.daily_limit) * 100 : 100;
  const detail = t(
    `${data.daily_used} of ${data.daily_limit}, anew at ${time(data.reset_at)}`,
    `已用 ${data.daily_used} / ${data.daily_limit}，${time(data.reset_at)} 重置`,
  );
  call.show(blocks.progress("quota", t("Today", "今日"), share, detail, share >= 100 ? "bad" : "good"));
  return data;
}

async function stats(call) {
  const { t } = call;
  const data = await call.request("GET", "/api/v1/user/stats", { realm: "user" });
  call.show(
    blocks.fields([
      [t("Downloads", "下载"), data.total],
      [t("Succeeded", "成功"), data.succeeded],
      [t("Failed", "失败"), data.failed],
      [t("Size", "大小"), size(data.bytes)],
    ]),
  );
  return data;
}

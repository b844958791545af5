/** Exports: DC-2, DC-5, DC-6. With a project's token: `login --project CLIENT_ID`. */
import * as blocks from "../blocks.js";
import { Misuse, query } from "../client.js";
import { size, time } from "../text.js";
import { arrived, watchOne } from "./tasks.js";

const GROUP = "exports";
const REALM = "project";
const WORKBOOK = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
const TEMPLATE = {
  name: "template",
  list: "template",
  help: ["Its number in the last list, or its id", "列表序号或 id"],
};

export const EXPORTS = [
  {
    name: "export",
    aliases: ["导出"],
    group: GROUP,
    summary: ["Export rows to CSV or Excel and watch it", "导出为 CSV 或 Excel 并显示进度"],
    arguments: [{ name: "name", help: ["What the export is called", "导出名称"] }],
    options: [
      { name: "source", value: "URL", help: ["Where the rows come from, page by page", "分页数据源地址"] },
      { name: "data", value: "JSON", help: ["The rows themselves", "直接给出的数据"] },
      {
        name: "request",
        value: "FILE",
        help: ["A file with the whole request as JSON", "包含完整请求的 JSON 文件"],
      },
      { name: "type", values: ["csv", "excel"], help: ["The file's type", "文件类型"] },
      { name: "file-name", help: ["The file's name", "文件名"] },
      { name: "step", value: "ROWS", help: ["Rows of a page, 100 to 5000", "每页行数，100 到 5000"] },
      { name: "title", help: ["A line above the rows", "标题行"] },
      {
        name: "template",
        list: "template",
        value: "ID",
        help: ["An uploaded workbook to fill", "要填充的模板"],
      },
      { name: "heads", value: "JSON", help: ["A tree of heads", "表头树"] },
      { name: "save", flag: true, help: ["Save the file here when it is there", "完成后保存到本机"] },
      { name: "background", flag: true, help: ["Do not wait for it", "不等待"] },
    ],
    examples: [
      'export members --type excel --data \'[{"name":"Ada","age":36}]\'',
      "export orders --source https://shop.example.com/pages",
    ],
    run: submit,
  },
  {
    name: "templates",
    aliases: ["模板"],
    group: GROUP,
    summary: ["List the workbooks that exports may fill", "模板列表"],
    options: [{ name: "page", help: ["Which page", "页码"] }],
    run: templates,
  },
  {
    name: "template",
    group: GROUP,
    summary: ["Show a workbook's placeholders", "查看模板占位符"],
    arguments: [TEMPLATE],
    options: [{ name: "delete", flag: true, help: ["Delete it", "删除"] }],
    run: template,
  },
  {
    name: "upload",
    aliases: ["上传模板"],
    group: GROUP,
    summary: ["Upload a workbook with placeholders", "上传带占位符的模板"],
    arguments: [
      { name: "file", optional: true, help: ["An .xlsx file; without one you are asked", ".xlsx 文件"] },
    ],
    options: [{ name: "name", help: ["What it is called", "名称"] }],
    run: upload,
  },
];

async function submit(call) {
  const body = { ...(await requested(call)), name: call.values.name };
  const { options } = call;
  if (options.step !== undefined && !/^\d+$/u.test(options.step))
    throw new Misuse(call.t("--step is a whole number.", "--step 是整数。"));
  Object.assign(
    body,
    defined({
      source_url: options.source,
      source_data: options.data && parsed(call, options.data, "--data"),
      type: options.type,
      file_name: options["file-name"],
      step: options.step && Number(options.step),
      title: options.title,
      template_id: options.template && decodeURIComponent(await call.id("template", options.template)),
      template: options.heads && parsed(call, options.heads, "--heads"),
    }),
  );
  const data = await call.request("POST", "/api/v1/export", { realm: REALM, body, once: true });
  await call.session.remember("task", [data.task_id]);
  if (options.background) {
    call.show(
      blocks.fields([
        [
          call.t("Task", "任务"),
          { text: data.task_id, run: `watch ${data.task_id} --project`, copy: data.task_id },
        ],
      ]),
    );
    return data;
  }
  const task = await watchOne(call, REALM, data.task_id);
  if (task.status === "succeeded") await arrived(call, REALM, task, options.save === true);
  else call.exit = 1;
  call.say(task);
  return task;
}

const defined = (values) =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));

async function requested(call) {
  if (!call.options.request) return {};
  if (!call.host.read) throw new Misuse(call.t("This shell reads no files.", "此处不能读取文件。"));
  const bytes = await call.until(call.host.read(call.options.request));
  return parsed(call, decode(bytes), call.options.request);
}

/** UTF-8 without TextDecoder, which not every host has. */
function decode(bytes) {
  let escaped = "";
  for (const byte of bytes) escaped += `%${byte.toString(16).padStart(2, "0")}`;
  return decodeURIComponent(escaped);
}

function parsed(call, text, label) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Misuse(call.t(`${label} is not JSON.`, `${label} 不是 JSON。`));
  }
}

async function templates(call) {
  const { t } = call;
  const data = await call.request("GET", `/api/v1/templates${query({ page: call.options.page })}`, {
    realm: REALM,
  });
  await call.session.remember(
    "template",
    data.items.map((item) => item.template_id),
  );
  const rows = data.items.map((item, at) => [
    { text: String(at + 1), copy: item.template_id },
    blocks.cell(item.name, { run: `template ${item.template_id}` }),
    item.placeholders.length,
    size(item.file_size),
    time(item.created_at),
  ]);
  const columns = [
    { title: "#", right: true, keep: true },
    { title: t("Name", "名称") },
    { title: t("Placeholders", "占位符"), right: true, keep: true },
    { title: t("Size", "大小"), right: true, keep: true },
    { title: t("When", "时间"), keep: true },
  ];
  call.list(
    data,
    columns,
    rows,
    blocks.text(t("No templates. To add one: upload FILE", "没有模板。添加：upload FILE")),
  );
  return data;
}

async function template(call) {
  const id = await call.id("template", call.values.template);
  if (call.options.delete) {
    const data = await call.request("DELETE", `/api/v1/templates/${id}`, { realm: REALM });
    call.show(blocks.text(call.t("Deleted.", "已删除。"), "good"));
    return data;
  }
  return shown(call, await call.request("GET", `/api/v1/templates/${id}`, { realm: REALM }));
}

function shown(call, data) {
  const { t } = call;
  call.show(
    blocks.title(data.name),
    data.template_id &&
      blocks.fields([[t("Template", "模板"), { text: data.template_id, copy: data.template_id }]]),
    blocks.table(
      [
        { title: t("Sheet", "工作表") },
        { title: t("Cell", "单元格"), keep: true },
        { title: t("Placeholder", "占位符") },
      ],
      data.placeholders.map((one) => [
        one.sheet,
        one.cell,
        one.kind === "list" ? `{${one.list ?? ""}.${one.name}}` : `{${one.name}}`,
      ]),
    ),
    ...data.problems.map((problem) =>
      blocks.text(`${problem.sheet} ${problem.cell ?? ""}: ${problem.message}`, "warning"),
    ),
  );
  return data;
}

async function upload(call) {
  if (!call.host.read) throw new Misuse(call.t("This shell reads no files.", "此处不能读取文件。"));
  const bytes = await call.until(call.host.read(call.values.file ?? null));
  const name = call.options.name ?? call.values.file?.split(/[\\/]/u).at(-1);
  const data = await call.api.upload("POST", `/api/v1/templates${query({ name })}`, {
    bytes,
    type: WORKBOOK,
    realm: REALM,
  });
  await call.session.remember("template", [data.template_id]);
  return shown(call, data);
}

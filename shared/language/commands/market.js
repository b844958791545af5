/** Resources: SH-5, SH-7, SH-9, SH-10, SH-11. */
import * as blocks from "../blocks.js";
import { Misuse, query } from "../client.js";
import { clean, parseSize, size, spans, time } from "../text.js";

const GROUP = "market";
const RESOURCE = {
  name: "resource",
  list: "resource",
  help: ["Its number in the last list, or its id", "列表序号或 id"],
};
const CONTENT = [
  { name: "title", help: ["What it is", "标题"] },
  { name: "price", value: "COINS", help: ["0.00 to 100.00", "价格，0.00 到 100.00"] },
  { name: "code", help: ["The link's extraction code", "提取码"] },
  { name: "bio", help: ["A few words about it", "简介"] },
];
const STATES = {
  pending: "待审核",
  ok: "正常",
  invalidated: "已失效",
  rejected: "未通过",
  taken_down: "已下架",
};
const VERDICTS = {
  ok: ["the link opens", "链接有效"],
  bad: ["the link is dead", "链接已失效"],
  locked: ["the code does not open it", "提取码错误或缺失"],
  uncertain: ["the drive did not say", "网盘未给出结果"],
};
/** How old a check is when the link is to be checked again (SH-9). */
const CHECK_STALE_MS = 60 * 60 * 1000;

export const MARKET = [
  {
    name: "search",
    aliases: ["s", "搜索", "搜"],
    group: GROUP,
    summary: ["Find resources", "搜索资源"],
    arguments: [
      {
        name: "words",
        rest: true,
        optional: true,
        help: [
          "Any part of a title, a file's name, a folder's or the text",
          "标题、文件、文件夹或简介中的任意片段",
        ],
      },
    ],
    options: [
      {
        name: "period",
        values: ["all", "week", "month", "half_year", "year"],
        help: ["Published since", "发布时间"],
      },
      { name: "min-size", value: "SIZE", help: ["At least, such as 500m", "最小，例如 500m"] },
      { name: "max-size", value: "SIZE", help: ["At most, such as 20g", "最大，例如 20g"] },
      { name: "drive", values: ["aliyun", "baidu"], help: ["On this drive", "网盘"] },
      { name: "page", help: ["Which page", "页码"] },
    ],
    examples: ["search 三体 --drive aliyun", "search rust --period month --max-size 2g"],
    run: search,
  },
  {
    name: "show",
    aliases: ["查看"],
    group: GROUP,
    summary: ["Show a resource with its files", "查看资源与文件目录"],
    arguments: [RESOURCE],
    run: show,
  },
  {
    name: "publish",
    aliases: ["发布"],
    group: GROUP,
    summary: ["Offer a drive link", "发布网盘链接"],
    arguments: [{ name: "link", help: ["A share link of Aliyun or Baidu", "阿里云盘或百度网盘分享链接"] }],
    options: CONTENT,
    examples: ["publish https://www.alipan.com/s/abc --title 三体全集 --price 2.50 --code 1a2b"],
    run: publish,
  },
  {
    name: "edit",
    aliases: ["修改"],
    group: GROUP,
    summary: ["Change one of your resources", "修改资源"],
    arguments: [RESOURCE],
    options: [
      { name: "link", help: ["Another link: it is reviewed anew", "新链接，将重新审核"] },
      ...CONTENT,
    ],
    run: edit,
  },
  {
    name: "unpublish",
    aliases: ["撤下"],
    group: GROUP,
    summary: ["Delete one of your resources", "删除资源"],
    arguments: [RESOURCE],
    run: unpublish,
  },
  {
    name: "mine",
    aliases: ["我的资源"],
    group: GROUP,
    summary: ["List what you published", "我发布的资源"],
    options: [{ name: "page", help: ["Which page", "页码"] }],
    run: mine,
  },
  {
    name: "recheck",
    aliases: ["重检"],
    group: GROUP,
    summary: ["Have a resource's link checked again", "重新检测链接"],
    arguments: [RESOURCE],
    run: recheck,
  },
  {
    name: "report",
    aliases: ["举报"],
    group: GROUP,
    summary: ["Report a resource to the reviewers", "举报资源"],
    arguments: [RESOURCE, { name: "reason", rest: true, help: ["What is wrong with it", "原因"] }],
    run: report,
  },
  {
    name: "user",
    aliases: ["用户"],
    group: GROUP,
    summary: ["Show somebody's profile and record", "查看用户资料与记录"],
    arguments: [{ name: "user", help: ["The user's id", "用户 id"] }],
    run: person,
  },
];

async function search(call) {
  const { t, options } = call;
  const data = await call.request(
    "GET",
    `/api/v1/search${query({
      q: call.values.words,
      period: options.period,
      min_size: bytes(call, "min-size"),
      max_size: bytes(call, "max-size"),
      drive: options.drive,
      page: options.page,
    })}`,
  );
  await call.session.remember(
    "resource",
    data.items.map((item) => item.resource_id),
  );
  if (data.items.length === 0) {
    call.list(data, [], [], blocks.text(t("Nothing found.", "没有找到。")));
    return data;
  }
  const columns = [
    { title: "#", right: true, keep: true },
    { title: t("Title", "标题") },
    { title: t("Found in", "匹配") },
    { title: t("Price", "价格"), right: true, keep: true },
    { title: t("Size", "大小"), right: true, keep: true },
    { title: t("Drive", "网盘"), keep: true },
    { title: t("Sold", "销量"), right: true, keep: true },
  ];
  const rows = data.items.map((item, at) => [
    { text: String(at + 1), copy: item.resource_id },
    titled(item),
    elsewhere(item),
    price(item.price, t),
    size(item.total_size),
    drive(item),
    item.sale_count,
  ]);
  const total = t(
    `${data.total}${data.total_is_exact ? "" : "+"} found`,
    `共 ${data.total}${data.total_is_exact ? "" : "+"} 项`,
  );
  const [note, more] = call.pages(data);
  call.show(
    data.fuzzy && blocks.text(t("Nothing like that. Did you mean:", "没有完全匹配，相近的有："), "warning"),
    blocks.table(columns, rows, note ?? total, more),
  );
  return data;
}

function bytes(call, name) {
  const text = call.options[name];
  if (text === undefined) return undefined;
  const value = parseSize(text);
  if (value === null)
    throw new Misuse(
      call.t(`--${name} is a size such as 500m or 20g.`, `--${name} 是大小，例如 500m 或 20g。`),
    );
  return value;
}

/** The title, with what was found in it marked where all of it is in the fragment. */
function titled(item) {
  const found = item.matches.find((match) => match.field === "title");
  const marked = found ? spans(found.fragment) : [];
  const title = clean(item.title);
  const isWhole = marked.map((span) => span.text).join("") === title;
  return { text: title, run: `show ${item.resource_id}`, spans: isWhole ? marked : undefined };
}

function elsewhere(item) {
  const found = item.matches.find((match) => match.field !== "title");
  if (!found) return "";
  const marked = spans(found.fragment);
  return { text: marked.map((span) => span.text).join(""), spans: marked, tone: "muted" };
}

/** The drive, marked where the link is dead, or was not opened by its code. */
function drive(item) {
  if (item.state !== "ok") return { text: `${item.drive} ✗`, tone: "bad" };
  return item.verdict === "locked" ? { text: `${item.drive} ?`, tone: "warning" } : item.drive;
}

const price = (value, t) => (Number(value) === 0 ? { text: t("free", "免费"), tone: "good" } : value);

async function show(call) {
  const id = await call.id("resource", call.values.resource);
  const data = await call.request("GET", `/api/v1/resources/${id}`, { realm: "user", optional: true });
  await call.session.remember("resource", [data.resource_id]);
  data.check_pending ||= await asksForCheck(call, data);
  call.show(...resource(data, call.t));
  return data;
}

/**
 * Has a link checked that was not checked for an hour (SH-9), for those who are logged in; whether it is being checked
 * now. What is shown does not depend on it, so a failure is none of the command's.
 */
async function asksForCheck(call, { resource_id, state, last_check_time }) {
  const isStale = !last_check_time || call.host.now() - Date.parse(last_check_time) > CHECK_STALE_MS;
  const isPublic = state === "ok" || state === "invalidated";
  if (!isStale || !isPublic || !(await call.api.login("user"))) return false;
  try {
    const asked = await call.request("POST", `/api/v1/resources/${resource_id}/recheck`, { realm: "user" });
    return asked.check_pending;
  } catch {
    return false;
  }
}

/** A resource in full. */
export function resource(data, t) {
  const buys = data.buy_cost !== undefined && !data.bought && data.url === undefined && data.state === "ok";
  return [
    blocks.title(data.title),
    data.bio ? blocks.text(data.bio) : null,
    blocks.fields([
      [t("Price", "价格"), price(data.price, t)],
      [t("For you", "您需支付"), data.buy_cost && !data.bought ? data.buy_cost : null],
      [
        t("State", "状态"),
        {
          text: t(data.state.replace("_", " "), STATES[data.state]),
          tone: data.state === "ok" ? "good" : "warning",
        },
      ],
      [t("Because", "原因"), data.reason],
      [t("Drive", "网盘"), data.drive],
      [t("Size", "大小"), size(data.total_size)],
      [
        t("Publisher", "发布者"),
        blocks.cell(data.publisher.nickname, { run: `user ${data.publisher.user_id}` }),
      ],
      [
        t("Checked", "检测时间"),
        data.check_pending ? t("being checked", "检测中") : time(data.last_check_time),
      ],
      [
        t("Last check", "检测结果"),
        data.verdict && { text: t(...VERDICTS[data.verdict]), tone: data.verdict === "ok" ? "good" : "warning" },
      ],
      [
        t("Sold", "销量"),
        t(
          `${data.sale_count}, ${data.refund_count} given back`,
          `${data.sale_count}，退款 ${data.refund_count}`,
        ),
      ],
      [t("Link", "链接"), data.url && blocks.cell(data.url, { url: data.url, copy: data.url })],
      [t("Code", "提取码"), data.code && blocks.cell(data.code, { copy: data.code })],
      [t("Resource", "资源"), { text: data.resource_id, copy: data.resource_id }],
    ]),
    data.directory?.length > 0 ? blocks.tree(data.directory) : null,
    buys
      ? blocks.fields([
          [t("To buy it", "购买"), { text: `buy ${data.resource_id}`, run: `buy ${data.resource_id}` }],
        ])
      : null,
  ];
}

const content = (call) => {
  const { title, price: coins, code, bio } = call.options;
  return { title, price: coins, code, bio };
};

async function publish(call) {
  const { t } = call;
  const body = { ...content(call), url: call.values.link };
  body.title ??= await call.ask(t("Title: ", "标题："));
  body.price ??= await call.ask(t("Price in coins: ", "价格（金币）："));
  const data = await call.request("POST", "/api/v1/resources", { realm: "user", body, once: true });
  await call.session.remember("resource", [data.resource_id]);
  call.show(
    blocks.text(
      t(
        "Published. A reviewer looks at it, and the link is checked; then it is found.",
        "已发布，审核并检测链接后即可被搜索到。",
      ),
      "good",
    ),
    ...resource(data, t),
  );
  return data;
}

async function edit(call) {
  call.needs(["link", "title", "price", "code", "bio"]);
  const id = await call.id("resource", call.values.resource);
  const body = { ...content(call), url: call.options.link };
  const data = await call.request("PUT", `/api/v1/resources/${id}`, { realm: "user", body });
  call.show(...resource(data, call.t));
  return data;
}

async function unpublish(call) {
  const id = await call.id("resource", call.values.resource);
  const data = await call.request("DELETE", `/api/v1/resources/${id}`, { realm: "user" });
  call.show(blocks.text(call.t("Deleted. Who bought it keeps it.", "已删除，买家不受影响。"), "good"));
  return data;
}

async function mine(call) {
  const { t } = call;
  const data = await call.request("GET", `/api/v1/resources${query({ page: call.options.page })}`, {
    realm: "user",
  });
  await call.session.remember(
    "resource",
    data.items.map((item) => item.resource_id),
  );
  const columns = [
    { title: "#", right: true, keep: true },
    { title: t("Title", "标题") },
    { title: t("State", "状态"), keep: true },
    { title: t("Price", "价格"), right: true, keep: true },
    { title: t("Sold", "销量"), right: true, keep: true },
    { title: t("When", "时间"), keep: true },
  ];
  const rows = data.items.map((item, at) => [
    { text: String(at + 1), copy: item.resource_id },
    blocks.cell(item.title, { run: `show ${item.resource_id}` }),
    t(item.state.replace("_", " "), STATES[item.state]),
    price(item.price, t),
    item.sale_count,
    time(item.created_at),
  ]);
  call.list(
    data,
    columns,
    rows,
    blocks.text(t("Nothing yet. To offer something: publish LINK", "还没有发布。发布：publish LINK")),
  );
  return data;
}

async function recheck(call) {
  const id = await call.id("resource", call.values.resource);
  const data = await call.request("POST", `/api/v1/resources/${id}/recheck`, { realm: "user" });
  call.show(
    blocks.text(
      data.check_pending
        ? call.t("It is being checked.", "检测中。")
        : call.t("It was checked a short while ago.", "刚刚检测过。"),
    ),
  );
  return data;
}

async function report(call) {
  const id = await call.id("resource", call.values.resource);
  const data = await call.request("POST", `/api/v1/resources/${id}/report`, {
    realm: "user",
    body: { reason: call.values.reason },
  });
  call.show(
    blocks.text(
      call.t("Reported. You get an e-mail if a reviewer confirms it.", "已举报。审核确认后会邮件通知你。"),
      "good",
    ),
  );
  return data;
}

async function person(call) {
  const { t } = call;
  const data = await call.request("GET", `/api/v1/users/${encodeURIComponent(call.values.user)}`, {
    realm: "user",
  });
  call.show(
    blocks.title(data.nickname),
    data.bio ? blocks.text(data.bio) : null,
    blocks.fields([
      [
        t("Bought", "购买"),
        t(
          `${data.buy_count}, ${data.buy_return_count} given back`,
          `${data.buy_count}，退款 ${data.buy_return_count}`,
        ),
      ],
      [
        t("Sold", "售出"),
        t(
          `${data.sale_count}, ${data.sale_return_count} given back`,
          `${data.sale_count}，被退 ${data.sale_return_count}`,
        ),
      ],
    ]),
  );
  return data;
}

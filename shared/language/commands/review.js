/** The reviewers' realm: SH-8, SH-10, SH-12. */
import * as blocks from "../blocks.js";
import { query } from "../client.js";
import { time } from "../text.js";
import { resource } from "./market.js";

const GROUP = "review";
const ADMIN = { realm: "admin" };
const ONE = {
  name: "review",
  list: "review",
  help: ["Its number in the last list, or its id", "列表序号或 id"],
};
const REASON = {
  name: "reason",
  rest: true,
  help: ["Why; the e-mails about it say it", "原因，会写入通知邮件"],
};
const KINDS = { resource: "资源", report: "举报" };
const STATES = { pending: "待处理", approved: "通过", rejected: "拒绝" };

export const REVIEW = [
  {
    name: "reviews",
    aliases: ["审核"],
    group: GROUP,
    summary: ["List what waits for a decision", "待审核列表"],
    options: [
      { name: "kind", values: Object.keys(KINDS), help: ["Those alone", "按类型筛选"] },
      {
        name: "state",
        values: Object.keys(STATES),
        help: ["Pending ones, unless said otherwise", "默认待处理"],
      },
      { name: "page", help: ["Which page", "页码"] },
    ],
    run: reviews,
  },
  {
    name: "review",
    group: GROUP,
    summary: ["Show one with its resource", "查看审核项"],
    arguments: [ONE],
    run: review,
  },
  {
    name: "approve",
    aliases: ["通过"],
    group: GROUP,
    summary: ["Approve: a resource is found, a report takes it down", "通过：资源上架，举报则下架"],
    arguments: [ONE, { ...REASON, optional: true }],
    run: (call) => decide(call, "approve"),
  },
  {
    name: "reject",
    aliases: ["拒绝"],
    group: GROUP,
    summary: ["Reject, with a reason", "拒绝并说明原因"],
    arguments: [ONE, REASON],
    run: (call) => decide(call, "reject"),
  },
];

async function reviews(call) {
  const { t, options } = call;
  const data = await call.request(
    "GET",
    `/admin/api/v1/reviews${query({ kind: options.kind, state: options.state ?? "pending", page: options.page })}`,
    ADMIN,
  );
  await call.session.remember(
    "review",
    data.items.map((item) => item.review_id),
  );
  const columns = [
    { title: "#", right: true, keep: true },
    { title: t("Kind", "类型"), keep: true },
    { title: t("Resource", "资源") },
    { title: t("Publisher", "发布者") },
    { title: t("Reason", "原因") },
    { title: t("State", "状态"), keep: true },
    { title: t("When", "时间"), keep: true },
  ];
  const rows = data.items.map((item, at) => [
    { text: String(at + 1), copy: item.review_id },
    t(item.kind, KINDS[item.kind]),
    blocks.cell(item.resource?.title ?? "—", { run: `review ${item.review_id}` }),
    item.resource?.publisher.nickname ?? "—",
    item.reason ?? "",
    t(item.state, STATES[item.state]),
    time(item.created_at),
  ]);
  call.list(data, columns, rows, blocks.text(t("Nothing waits.", "没有待处理项。"), "good"));
  return data;
}

async function review(call) {
  const data = await call.request(
    "GET",
    `/admin/api/v1/reviews/${await call.id("review", call.values.review)}`,
    ADMIN,
  );
  show(call, data);
  return data;
}

function show(call, data) {
  const { t } = call;
  call.show(
    blocks.fields([
      [t("Kind", "类型"), t(data.kind, KINDS[data.kind])],
      [t("State", "状态"), t(data.state, STATES[data.state])],
      [t("Reported by", "举报人"), data.reporter?.nickname],
      [t("Reason", "原因"), data.reason],
      [t("Decided because", "处理说明"), data.decision_reason],
      [t("Review", "审核项"), { text: data.review_id, copy: data.review_id }],
    ]),
    ...(data.resource ? resource(data.resource, t) : []),
    data.state === "pending" &&
      blocks.fields([
        [t("To approve it", "通过"), { text: `approve ${data.review_id}`, run: `approve ${data.review_id}` }],
        [t("To reject it", "拒绝"), `reject ${data.review_id} ${t("REASON", "原因")}`],
      ]),
  );
}

async function decide(call, decision) {
  const { t } = call;
  const id = await call.id("review", call.values.review);
  const body = { decision, reason: call.values.reason };
  const data = await call.request("POST", `/admin/api/v1/reviews/${id}`, { ...ADMIN, body });
  call.show(
    blocks.text(decision === "approve" ? t("Approved.", "已通过。") : t("Rejected.", "已拒绝。"), "good"),
  );
  return data;
}

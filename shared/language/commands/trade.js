/** Buying, coins and payments: SH-1 to SH-6, SH-13. */
import * as blocks from "../blocks.js";
import { Misuse, query } from "../client.js";
import { time } from "../text.js";

const GROUP = "market";
const USER = { realm: "user" };
const ORDER = {
  name: "order",
  list: "order",
  help: ["Its number in the last list, or its id", "列表序号或 id"],
};
const PAGE = { name: "page", help: ["Which page", "页码"] };
const POLL_MS = 1_000;

export const TRADE = [
  {
    name: "buy",
    aliases: ["购买", "买"],
    group: GROUP,
    summary: ["Buy a resource", "购买资源"],
    arguments: [
      {
        name: "resource",
        list: "resource",
        help: ["Its number in the last list, or its id", "列表序号或 id"],
      },
    ],
    options: [
      {
        name: "price",
        value: "COINS",
        help: ["The list price that you accept; else you are asked", "接受的标价，不填则询问"],
      },
      { name: "yes", flag: true, help: ["Do not ask", "不再询问"] },
    ],
    run: buy,
  },
  {
    name: "orders",
    aliases: ["订单"],
    group: GROUP,
    summary: ["List what you bought or sold", "买卖记录"],
    options: [
      { name: "side", values: ["buy", "sale"], help: ["Bought or sold", "买入或卖出"] },
      { name: "state", values: ["active", "refunded"], help: ["Those alone", "按状态筛选"] },
      PAGE,
    ],
    run: orders,
  },
  { name: "order", group: GROUP, summary: ["Show one order", "查看订单"], arguments: [ORDER], run: order },
  {
    name: "refund",
    aliases: ["退款"],
    group: GROUP,
    summary: ["Give a purchase back, within the time for it", "在期限内退款"],
    arguments: [ORDER],
    run: refund,
  },
  {
    name: "refresh",
    aliases: ["刷新"],
    group: GROUP,
    summary: ["Bring an order's copy of resource and people up to date", "刷新订单快照"],
    arguments: [ORDER],
    run: refresh,
  },
  {
    name: "coins",
    aliases: ["金币", "余额"],
    group: GROUP,
    summary: ["Show your coins and factors", "余额与系数"],
    run: coins,
  },
  {
    name: "ledger",
    aliases: ["流水"],
    group: GROUP,
    summary: ["List what moved your coins", "金币流水"],
    options: [PAGE],
    run: ledger,
  },
  {
    name: "recharge",
    aliases: ["充值"],
    group: GROUP,
    summary: ["Buy coins: 1 yuan is 10", "充值：1 元 = 10 金币"],
    arguments: [{ name: "yuan", help: ["How much, such as 10.00", "金额（元）"] }],
    options: [{ name: "wait", flag: true, help: ["Wait until it is paid", "等待支付完成"] }],
    run: recharge,
  },
  {
    name: "vip",
    aliases: ["会员"],
    group: GROUP,
    summary: ["Become a VIP for some months", "开通 VIP"],
    arguments: [{ name: "months", help: ["How many", "月数"] }],
    options: [{ name: "wait", flag: true, help: ["Wait until it is paid", "等待支付完成"] }],
    run: vip,
  },
  {
    name: "payments",
    aliases: ["支付记录"],
    group: GROUP,
    summary: ["List your payments", "支付记录"],
    options: [PAGE],
    run: payments,
  },
];

async function buy(call) {
  const { t, options } = call;
  const id = await call.id("resource", call.values.resource);
  let expected = options.price;
  if (expected === undefined) {
    const seen = await call.request("GET", `/api/v1/resources/${id}`, USER);
    expected = seen.price;
    if (!options.yes && Number(seen.buy_cost ?? seen.price) > 0) await agree(call, seen);
  }
  const data = await call.request("POST", `/api/v1/resources/${id}/buy`, {
    ...USER,
    body: { expected_price: expected },
    once: true,
  });
  await call.session.remember("order", [data.order_id]);
  call.show(
    blocks.text(t(`Bought for ${data.buy_cost} coins.`, `已购买，支付 ${data.buy_cost} 金币。`), "good"),
    blocks.fields([
      [t("Link", "链接"), data.url && blocks.cell(data.url, { url: data.url, copy: data.url })],
      [t("Code", "提取码"), data.code && blocks.cell(data.code, { copy: data.code })],
      [t("Order", "订单"), { text: data.order_id, copy: data.order_id }],
    ]),
    blocks.fields([
      [t("To give it back", "退款"), { text: `refund ${data.order_id}`, run: `refund ${data.order_id}` }],
    ]),
  );
  return data;
}

async function agree(call, seen) {
  const { t } = call;
  const cost = seen.buy_cost ?? seen.price;
  if (seen.verdict === "locked")
    call.show(
      blocks.text(
        t("The code did not open the link when it was last checked.", "上次检测时，提取码未能打开链接。"),
        "warning",
      ),
    );
  const question = t(
    `“${blocks.cell(seen.title).text}” costs you ${cost} coins. Buy it? [y/N] `,
    `“${blocks.cell(seen.title).text}” 需 ${cost} 金币，购买吗？[y/N] `,
  );
  const answer = await call.until(call.host.ask(question, { hidden: false }));
  if (!/^(y|yes|是|好)$/iu.test(answer?.trim() ?? "")) {
    throw new Misuse(
      t("Not bought.", "未购买。"),
      answer === null ? t("Without asking: --yes", "不询问：--yes") : null,
    );
  }
}

async function orders(call) {
  const { t, options } = call;
  const data = await call.request(
    "GET",
    `/api/v1/orders${query({ side: options.side, state: options.state, page: options.page })}`,
    USER,
  );
  await call.session.remember(
    "order",
    data.items.map((item) => item.order_id),
  );
  const columns = [
    { title: "#", right: true, keep: true },
    { title: t("Resource", "资源") },
    { title: t("With", "对方") },
    { title: t("Coins", "金币"), right: true, keep: true },
    { title: t("State", "状态"), keep: true },
    { title: t("When", "时间"), keep: true },
  ];
  const rows = data.items.map((item, at) => [
    { text: String(at + 1), copy: item.order_id },
    blocks.cell(item.resource.title, { run: `order ${item.order_id}` }),
    item.buy_cost === undefined ? item.buyer.nickname : item.seller.nickname,
    item.buy_cost === undefined ? { text: `+${item.sale_earn}`, tone: "good" } : `−${item.buy_cost}`,
    item.state === "refunded"
      ? { text: t("given back", "已退款"), tone: "muted" }
      : item.released
        ? t("final", "已完成")
        : t("can be given back", "可退款"),
    time(item.buy_time),
  ]);
  call.list(data, columns, rows, blocks.text(t("No orders.", "没有订单。")));
  return data;
}

async function order(call) {
  const data = await call.request("GET", `/api/v1/orders/${await call.id("order", call.values.order)}`, USER);
  call.show(...detail(data, call.t));
  return data;
}

function detail(data, t) {
  return [
    blocks.title(data.resource.title),
    blocks.fields([
      [t("Buyer", "买家"), data.buyer.nickname],
      [t("Seller", "卖家"), data.seller.nickname],
      [t("List price", "标价"), data.price],
      [t("Paid", "支付"), data.buy_cost],
      [t("Earned", "收入"), data.sale_earn],
      [
        t("State", "状态"),
        data.state === "refunded"
          ? t("given back", "已退款")
          : data.released
            ? t("final", "已完成")
            : t("can be given back", "可退款"),
      ],
      [t("Bought", "购买时间"), time(data.buy_time)],
      [t("Until", "退款截止"), data.state === "active" && !data.released ? time(data.refund_until) : null],
      [t("Given back", "退款时间"), data.refund_time && time(data.refund_time)],
      [t("Coins back", "退回金币"), data.refund_coin],
      [t("Link", "链接"), data.url && blocks.cell(data.url, { url: data.url, copy: data.url })],
      [t("Code", "提取码"), data.code && blocks.cell(data.code, { copy: data.code })],
      [t("Order", "订单"), { text: data.order_id, copy: data.order_id }],
    ]),
  ];
}

async function refund(call) {
  const data = await call.request(
    "POST",
    `/api/v1/orders/${await call.id("order", call.values.order)}/refund`,
    { ...USER, once: true },
  );
  call.show(blocks.text(call.t("Given back.", "已退款。"), "good"), ...detail(data, call.t));
  return data;
}

async function refresh(call) {
  const data = await call.request(
    "POST",
    `/api/v1/orders/${await call.id("order", call.values.order)}/refresh`,
    USER,
  );
  call.show(...detail(data, call.t));
  return data;
}

async function coins(call) {
  const { t } = call;
  const data = await call.request("GET", "/api/v1/account", USER);
  call.show(
    blocks.fields([
      [t("To spend", "可用"), { text: data.coin_available, tone: "good" }],
      [t("Frozen", "冻结"), data.coin_frozen],
      [t("In all", "合计"), data.coin],
      [
        "VIP",
        data.vip_expire_time
          ? t(`until ${time(data.vip_expire_time)}`, `至 ${time(data.vip_expire_time)}`)
          : t("no", "否"),
      ],
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
      [t("You pay × ", "购买系数 × "), data.buy_factor],
      [t("You earn × ", "收入系数 × "), data.sale_factor],
    ]),
  );
  return data;
}

const KINDS = { buy: "买卖", refund: "退款", release: "解冻", recharge: "充值" };
const PARTS = { available: "可用", frozen: "冻结" };

async function ledger(call) {
  const { t } = call;
  const data = await call.request("GET", `/api/v1/account/ledger${query({ page: call.options.page })}`, USER);
  const columns = [
    { title: t("When", "时间"), keep: true },
    { title: t("What", "类型"), keep: true },
    { title: t("Coins", "金币"), right: true, keep: true },
    { title: t("Part", "账户"), keep: true },
    { title: t("For", "关联") },
  ];
  const rows = data.items.map((item) => [
    time(item.created_at),
    t(item.kind, KINDS[item.kind]),
    { text: item.amount, tone: item.amount.startsWith("-") ? "plain" : "good" },
    t(item.part, PARTS[item.part]),
    item.order_id ? { text: item.order_id, run: `order ${item.order_id}` } : (item.payment_id ?? ""),
  ]);
  call.list(data, columns, rows, blocks.text(t("Nothing moved yet.", "还没有流水。")));
  return data;
}

async function recharge(call) {
  return pay(call, { kind: "recharge", amount_yuan: call.values.yuan });
}

async function vip(call) {
  const months = Number(call.values.months);
  if (!Number.isInteger(months)) throw new Misuse(call.t("MONTHS is a whole number.", "月数是整数。"));
  return pay(call, { kind: "vip", months });
}

async function pay(call, body) {
  const { t } = call;
  const data = await call.request("POST", "/api/v1/payments", { ...USER, body, once: true });
  const url = data.pay_url;
  call.show(
    blocks.fields([
      [t("To pay", "应付"), `${data.amount_yuan} ¥`],
      [t("Coins", "金币"), data.coins],
      [t("Months", "月数"), data.months],
    ]),
    url && blocks.link(url, t("Pay here", "前往支付")),
  );
  if (!call.options.wait) return data;
  call.show(blocks.text(t("Waiting for the payment…", "等待支付…"), "muted"));
  for (;;) {
    const now = await call.request("GET", `/api/v1/payments/${data.payment_id}`, USER);
    if (now.state !== "pending") {
      call.show(
        blocks.text(
          now.state === "paid"
            ? t("Paid. Thank you.", "已支付，谢谢。")
            : t("The payment failed.", "支付失败。"),
          now.state === "paid" ? "good" : "bad",
        ),
      );
      if (now.state !== "paid") call.exit = 1;
      return now;
    }
    await call.pause(POLL_MS);
  }
}

const STATES = { pending: "待支付", paid: "已支付", failed: "失败" };

async function payments(call) {
  const { t } = call;
  const data = await call.request("GET", `/api/v1/payments${query({ page: call.options.page })}`, USER);
  const columns = [
    { title: t("When", "时间"), keep: true },
    { title: t("For", "用途"), keep: true },
    { title: "¥", right: true, keep: true },
    { title: t("State", "状态"), keep: true },
    { title: t("Payment", "支付单") },
  ];
  const rows = data.items.map((item) => [
    time(item.created_at),
    item.kind === "vip" ? `VIP ${item.months}` : t(`${item.coins} coins`, `${item.coins} 金币`),
    item.amount_yuan,
    t(item.state, STATES[item.state]),
    { text: item.payment_id, copy: item.payment_id },
  ]);
  call.list(data, columns, rows, blocks.text(t("No payments.", "没有支付记录。")));
  return data;
}

/** What the server refused, for people: its own sentence, in Chinese with what the code means before it. */
import { error } from "./blocks.js";

const MEANINGS = {
  40001: "参数不正确",
  40002: "JSON 格式不正确",
  40101: "未登录或登录无效",
  40102: "登录已过期",
  40103: "账号或密码不正确",
  40201: "金币不足",
  40301: "没有权限",
  40401: "找不到",
  40501: "不支持该方法",
  40901: "状态冲突",
  40902: "幂等键已用于其他内容",
  41001: "已过期",
  41301: "内容过大",
  41501: "不支持的类型",
  42201: "无法处理",
  42901: "请求过于频繁",
  42902: "额度已用完",
  50001: "服务器内部错误",
  50301: "服务器繁忙",
};

const HINTS = {
  40103: ["Register first with: register EMAIL", "如未注册：register EMAIL"],
  40201: ["More coins: recharge YUAN", "充值：recharge YUAN"],
  40102: ["Log in again.", "请重新登录。"],
  42902: ["What is left, and until when: quota", "剩余额度与重置时间：quota"],
};

export function explain(failure, locale, t) {
  // What no server said is in the reader's language already.
  const meaning = locale === "zh" && failure.status > 0 ? MEANINGS[failure.code] : undefined;
  const reason = failure.data?.field ? ` (${failure.data.field})` : "";
  const message = failure.message + (failure.message.includes(failure.data?.field) ? "" : reason);
  const wait = failure.code === 42901 && failure.data?.wait_ms;
  const again = wait
    ? t(`Again in ${Math.ceil(wait / 1000)} s.`, `${Math.ceil(wait / 1000)} 秒后再试。`)
    : null;
  // What is used up is said by the message; the hint is of the quota.
  const isQuota = failure.code !== 42902 || !failure.data?.reason;
  const hint = failure.hint ?? again ?? (isQuota && HINTS[failure.code] ? t(...HINTS[failure.code]) : null);
  return error(meaning ? `${meaning}：${message}` : message, failure.code, hint);
}

/** Who one is: ID-1, ID-2, ID-4, SH-1. */
import * as blocks from "../blocks.js";
import { Misuse } from "../client.js";
import { time } from "../text.js";

const GROUP = "account";

export const ACCOUNT = [
  {
    name: "register",
    aliases: ["注册"],
    group: GROUP,
    summary: ["Open an account", "注册账号"],
    arguments: [{ name: "email", help: ["Your e-mail address", "邮箱"] }],
    options: [{ name: "nickname", help: ["What others see", "昵称"] }],
    examples: ["register ada@example.com --nickname Ada"],
    run: register,
  },
  {
    name: "login",
    aliases: ["登录"],
    group: GROUP,
    summary: ["Log in", "登录"],
    arguments: [
      { name: "who", help: ["An e-mail address, or a project's client id", "邮箱，或项目的 client id"] },
    ],
    options: [
      { name: "admin", flag: true, help: ["As a reviewer or admin", "以审核员或管理员身份"] },
      { name: "project", flag: true, help: ["As a project, for exports", "以项目身份，用于导出"] },
    ],
    examples: ["login ada@example.com", "login --admin root@example.com"],
    run: login,
  },
  {
    name: "logout",
    aliases: ["退出"],
    group: GROUP,
    summary: ["End all your sessions", "退出所有会话"],
    options: [
      {
        name: "admin",
        flag: true,
        help: ["Forget the reviewer's or admin's login here", "仅在本机忘记审核员或管理员的登录"],
      },
      { name: "project", flag: true, help: ["Forget the project's login here", "仅在本机忘记项目的登录"] },
    ],
    run: logout,
  },
  {
    name: "whoami",
    aliases: ["我是谁"],
    group: GROUP,
    summary: ["Show who is logged in", "显示当前登录"],
    run: whoami,
  },
  {
    name: "profile",
    aliases: ["资料"],
    group: GROUP,
    summary: ["Show or change your profile", "查看或修改资料"],
    options: [
      { name: "nickname", help: ["What others see", "昵称"] },
      { name: "bio", help: ["A few words about you", "简介"] },
    ],
    run: profile,
  },
  {
    name: "password",
    aliases: ["改密"],
    group: GROUP,
    summary: ["Change your password", "修改密码"],
    run: password,
  },
];

async function register(call) {
  const { t } = call;
  const secret = await call.ask(t("New password: ", "设置密码："), true);
  const body = { email: call.values.email, password: secret, nickname: call.options.nickname };
  const tokens = await call.request("POST", "/api/v1/auth/register", { body });
  await call.api.keep("user", call.values.email, tokens);
  call.show(blocks.text(t("Welcome. You are logged in.", "欢迎，已登录。"), "good"));
  return { user_id: tokens.user_id };
}

async function login(call) {
  const { t, values, options } = call;
  if (options.admin && options.project)
    throw new Misuse(t("One of --admin and --project.", "--admin 与 --project 只能选一个。"));
  const realm = options.admin ? "admin" : options.project ? "project" : "user";
  const asked = realm === "project" ? t("Client secret: ", "Client secret：") : t("Password: ", "密码：");
  const secret = await call.ask(asked, true);
  if (realm === "project") {
    await call.api.keep(realm, values.who, await call.api.grant(values.who, secret));
  } else {
    const path = realm === "admin" ? "/admin/api/v1/login" : "/api/v1/auth/login";
    const body = { email: values.who, password: secret };
    await call.api.keep(realm, values.who, await call.request("POST", path, { body }));
  }
  call.show(blocks.text(t(`Logged in as ${values.who}.`, `已登录：${values.who}`), "good"));
  return { realm, name: values.who };
}

async function logout(call) {
  const realm = call.options.admin ? "admin" : call.options.project ? "project" : "user";
  const isIn = await call.api.login(realm);
  if (isIn && realm === "user") {
    try {
      await call.request("POST", "/api/v1/auth/logout", { realm });
    } catch (failure) {
      // Tokens that are refused have ended already; without an answer they are at least gone from here.
      if (![40101, 40102].includes(failure.code)) {
        await call.api.forget(realm);
        failure.hint = call.t(
          "You are logged out here; other sessions may go on.",
          "此处已退出，其他会话可能仍然有效。",
        );
        throw failure;
      }
    }
  }
  await call.api.forget(realm);
  call.show(
    blocks.text(
      isIn ? call.t("Logged out.", "已退出。") : call.t("You were not logged in.", "本来就没有登录。"),
    ),
  );
  return {};
}

async function whoami(call) {
  const { t } = call;
  const data = {};
  const names = {
    user: t("User", "用户"),
    project: t("Project", "项目"),
    admin: t("Reviewer or admin", "审核员或管理员"),
  };
  for (const realm of Object.keys(names)) data[realm] = (await call.api.login(realm))?.name ?? null;
  const pairs = Object.entries(names).map(([realm, label]) => [label, data[realm]]);
  const nobody = pairs.every(([, name]) => name === null);
  call.show(
    nobody
      ? blocks.text(t("A visitor. To log in: login EMAIL", "访客。登录：login EMAIL"))
      : blocks.fields(pairs),
  );
  return { server: call.host.base, ...data };
}

async function profile(call) {
  const { t, options } = call;
  const body = { nickname: options.nickname, bio: options.bio };
  const isChange = body.nickname !== undefined || body.bio !== undefined;
  const data = await call.request(isChange ? "PUT" : "GET", "/api/v1/auth/profile", {
    realm: "user",
    body: isChange ? body : undefined,
  });
  call.show(
    blocks.fields([
      [t("E-mail", "邮箱"), data.email],
      [t("Nickname", "昵称"), data.nickname],
      [t("Bio", "简介"), data.bio || null],
      [t("Level", "等级"), data.role],
      [t("Since", "注册时间"), time(data.created_at)],
    ]),
  );
  return data;
}

async function password(call) {
  const { t } = call;
  const body = {
    old_password: await call.ask(t("Password so far: ", "原密码："), true),
    new_password: await call.ask(t("New password: ", "新密码："), true),
  };
  await call.request("PUT", "/api/v1/auth/password", { realm: "user", body });
  await call.api.forget("user");
  call.show(
    blocks.text(
      t("Changed. All sessions have ended: log in again.", "已修改，所有会话已结束，请重新登录。"),
      "good",
    ),
  );
  return {};
}

/** Requests to a Wharf: the envelope, the tokens of three realms, keys that make a repetition harmless. */

/** What went wrong, for people. `code` is the envelope's, or null where no server spoke. */
export class Failure extends Error {
  constructor(message, { code = null, hint = null, data = {}, status = 0 } = {}) {
    super(message);
    Object.assign(this, { code, hint, data, status });
  }
}

/** What the user did not write as it has to be written. */
export class Misuse extends Error {
  constructor(message, hint = null) {
    super(message);
    this.hint = hint;
  }
}

const REPEATS = 2;
const WAIT_MS_MAX = 5_000;
/** A token that ends within so long is renewed before it is used. */
const SPARE_MS = 60_000;

/** Sessions of one program wait for each other, where the shell knows no wider lock. */
let turn = Promise.resolve();
function inTurn(_, work) {
  const done = turn.then(work);
  turn = done.catch(() => {});
  return done;
}

const hex = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");

/** A query of what is set: `{ page: 2, drive: undefined }` is `?page=2`. */
export function query(values) {
  const parts = Object.entries(values)
    .filter(([, value]) => value !== undefined && value !== null && value !== "")
    .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`);
  return parts.length === 0 ? "" : `?${parts.join("&")}`;
}

export class Client {
  #host;
  #t;

  constructor(host, t) {
    this.#host = host;
    this.#t = t;
  }

  /** Who is logged in to a realm ("user", "project", "admin"): `{ name, access_token, … }`, or null. */
  async login(realm) {
    const text = await this.#host.storage.get(this.#place(realm));
    try {
      const login = JSON.parse(text);
      return typeof login?.access_token === "string" ? login : null;
    } catch {
      return null;
    }
  }

  /** Keeps tokens as the server gave them. */
  async keep(realm, name, tokens) {
    const { access_token, refresh_token, expires_in } = tokens;
    const ends_at = this.#host.now() + expires_in * 1000;
    const login = { name, access_token, refresh_token, ends_at };
    await this.#host.storage.set(this.#place(realm), JSON.stringify(login));
    return login;
  }

  async forget(realm) {
    await this.#host.storage.remove(this.#place(realm));
  }

  /**
   * The data of an answer. `realm` is whose token goes with it: required, or with `optional` sent where there is
   * one. `once` adds an Idempotency-Key, so that a lost answer can be asked for again.
   */
  async request(method, path, { body, realm, optional = false, once = false } = {}) {
    const headers = {};
    if (body !== undefined) headers["content-type"] = "application/json";
    if (once) headers["idempotency-key"] = hex(await this.#host.random(16));
    const sent = { method, headers, body: body === undefined ? undefined : JSON.stringify(body) };
    return (await this.#send(path, sent, { realm, optional, repeat: once || method === "GET" })).data;
  }

  /** As `request`, with bytes of any type as the body. */
  async upload(method, path, { bytes, type, realm }) {
    const sent = { method, headers: { "content-type": type }, body: bytes };
    return (await this.#send(path, sent, { realm })).data;
  }

  /** Asks OAuth's way for a token of a project (ID-4); that answer has no envelope. */
  async grant(id, secret) {
    const body = { grant_type: "client_credentials", client_id: id, client_secret: secret };
    const headers = { "content-type": "application/json" };
    return this.#answer(
      await this.#fetch("/api/v1/auth/token", { method: "POST", headers, body: JSON.stringify(body) }),
    );
  }

  async #send(path, sent, { realm, optional = false, repeat = false }) {
    let isRenewed = false;
    for (let attempt = 0; ; attempt++) {
      const login = realm ? await this.#current(realm, optional) : null;
      if (login) sent.headers.authorization = `Bearer ${login.access_token}`;
      try {
        return await this.#answer(await this.#fetch(path, sent));
      } catch (failure) {
        if (!(failure instanceof Failure)) throw failure;
        const isRefused = login && [40101, 40102].includes(failure.code);
        if (isRefused && !isRenewed && login.refresh_token) {
          isRenewed = true;
          if (!(await this.#renewed(realm, login, optional))) delete sent.headers.authorization;
          continue;
        }
        if (isRefused) failure.hint ??= this.#loginHint(realm);
        const waits = failure.status === 0 || failure.status === 502 || failure.code === 50301;
        if (!repeat || !waits || attempt >= REPEATS) throw failure;
        await this.#host.sleep(Math.min(failure.data.wait_ms ?? 300 * 2 ** attempt, WAIT_MS_MAX));
      }
    }
  }

  async #fetch(path, sent) {
    try {
      return await this.#host.fetch(this.#host.base + path, sent);
    } catch {
      throw new Failure(this.#t(`${this.#host.base} does not answer.`, `${this.#host.base} 没有响应。`), {
        hint: this.#t("Is Wharf running there, and is the address right?", "Wharf 在那里运行吗？地址对吗？"),
      });
    }
  }

  async #answer(response) {
    const text = await response.text();
    let parsed = null;
    try {
      parsed = JSON.parse(text);
    } catch {
      // What is no JSON came from something in between.
    }
    if (response.ok && parsed !== null) return parsed;
    const message =
      parsed?.message ?? this.#t(`The answer is ${response.status}.`, `响应为 ${response.status}。`);
    const data = { ...parsed?.data };
    const wait = Number(response.headers.get("retry-after"));
    if (wait > 0) data.wait_ms = wait * 1000;
    throw new Failure(message, { code: parsed?.code ?? null, data, status: response.status });
  }

  async #current(realm, optional) {
    const login = await this.login(realm);
    if (!login && optional) return null;
    if (!login)
      throw new Failure(this.#t("You are not logged in.", "尚未登录。"), {
        code: 40101,
        hint: this.#loginHint(realm),
      });
    const isOver = login.ends_at - SPARE_MS < this.#host.now();
    if (!isOver || !login.refresh_token) return login;
    return this.#renewed(realm, login, optional);
  }

  /** As `#refresh`; null where the tokens are refused and a visitor may go on without. */
  async #renewed(realm, login, optional) {
    try {
      return await this.#refresh(realm, login);
    } catch (failure) {
      // Without an answer nothing is known of the tokens: they stay.
      if (failure instanceof Failure && optional && failure.status !== 0) return null;
      throw failure;
    }
  }

  /** New tokens for old ones. Another shell on the same storage may have done it meanwhile: then they are there. */
  async #refresh(realm, old) {
    const lock = this.#host.lock ?? inTurn;
    return lock("refresh", async () => {
      const login = await this.login(realm);
      // The refresh token tells: an access token of the same second may be the same.
      if (login && login.refresh_token !== old.refresh_token) return login;
      try {
        const body = JSON.stringify({ refresh_token: old.refresh_token });
        const headers = { "content-type": "application/json" };
        const response = await this.#fetch("/api/v1/auth/refresh", { method: "POST", headers, body });
        return await this.keep(realm, old.name, (await this.#answer(response)).data);
      } catch (failure) {
        if ([400, 401, 403].includes(failure.status)) {
          // A shell without this lock may have been quicker: its tokens are the good ones.
          const now = await this.login(realm);
          if (now && now.refresh_token !== old.refresh_token) return now;
          await this.forget(realm);
          failure.hint = this.#loginHint(realm);
        }
        throw failure;
      }
    });
  }

  #loginHint(realm) {
    const how = { user: "login EMAIL", project: "login --project CLIENT_ID", admin: "login --admin EMAIL" }[
      realm
    ];
    return this.#t(`Log in first: ${how}`, `请先登录：${how}`);
  }

  #place(realm) {
    return `login:${realm}`;
  }
}

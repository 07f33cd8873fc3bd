import { randomBytes, randomUUID } from "node:crypto";

/** What a request comes to. */
export interface VaultReply {
  readonly status: number;
  readonly body?: unknown;
}

interface Token {
  /** Where it was issued. */
  readonly from: string;
  readonly policies: readonly string[];
  readonly ttl: number;
  readonly endsAt: number;
  /** Renewals do not get past it. */
  readonly lastEnd: number;
}

interface Version {
  data: Record<string, unknown> | null;
  readonly number: number;
}

interface Role {
  readonly id: string;
  readonly ttl: number;
  readonly maxTtl: number;
  readonly policies: readonly string[];
  readonly secretIds: Map<string, number>;
}

type Body = Readonly<Record<string, unknown>>;
const refused = (status: number, ...errors: string[]): VaultReply => ({ status, body: { errors } });
const given = (data: unknown): VaultReply => ({ status: 200, body: { request_id: randomUUID(), data } });
const done: VaultReply = { status: 204 };
const badToken = refused(403, "permission denied");
const denied = refused(403, "1 error occurred:\n\t* permission denied\n\n");
const noRoute = (path: string) => refused(404, `no handler for route "${path}". route entry not found.`);

/**
 * A double of HashiCorp Vault, not Vault itself: the requests that its KV engine, its tokens and its AppRoles take, with
 * its statuses and its words, as Vault 1.14 has them. Policies are JSON texts. It keeps the real time.
 */
export class VaultDouble {
  readonly rootToken = `root.${randomUUID()}`;
  readonly unsealKey = randomBytes(32).toString("hex");
  /** Requests so far: `GET secret/data/a`. */
  readonly requests: string[] = [];
  #isSealed = false;
  readonly #mounts = new Map<string, { readonly version: string; readonly secrets: Map<string, Version[]> }>();
  readonly #policies = new Map<string, Record<string, { capabilities: string[] }>>();
  readonly #roles = new Map<string, Map<string, Role>>();
  readonly #tokens = new Map<string, Token>();

  answer(method: string, url: URL, token: string, body: Body): VaultReply {
    const path = decodeURIComponent(url.pathname.replace(/^\/v1\//, "")).replace(/\/+$/, "");
    this.requests.push(`${method} ${path}`);
    if (path === "sys/health") {
      const [initialized, sealed] = [true, this.#isSealed];
      return { status: sealed ? 503 : 200, body: { initialized, sealed, standby: sealed, version: "double" } };
    }
    if (path === "sys/unseal") {
      if (body["key"] === this.unsealKey) this.#isSealed = false;
      return { status: 200, body: { sealed: this.#isSealed } };
    }
    if (this.#isSealed) return refused(503, "Vault is sealed");
    const login = /^auth\/(.+)\/login$/.exec(path);
    if (login) return this.#logIn(login[1] ?? "", body);
    const user = this.#find(token);
    if (!user) return badToken;
    const [first = "", second = ""] = path.split("/");
    if (first === "sys") return this.#system(method, path, body, user);
    if (first === "auth" && second === "token") return this.#token(method, path, token, user, body);
    if (first === "auth") return this.#role(method, path, body);
    return this.#secret(method, path, url, user, body);
  }

  #find(token: string): Token | undefined {
    if (token === this.rootToken) return { from: "", policies: ["root"], ttl: 0, endsAt: 0, lastEnd: 0 };
    const found = this.#tokens.get(token);
    return found && found.endsAt > Date.now() ? found : undefined;
  }

  #issue(from: string, policies: readonly string[], ttl: number, maxTtl: number) {
    const token = `hvs.${randomUUID()}`;
    const now = Date.now();
    this.#tokens.set(token, { from, policies, ttl, endsAt: now + ttl * 1000, lastEnd: now + (maxTtl || 1e9) * 1000 });
    return this.#auth(token, ttl);
  }

  #auth(token: string, ttl: number): VaultReply {
    return { status: 200, body: { data: null, auth: { client_token: token, lease_duration: ttl, renewable: true } } };
  }

  #mayDo(user: Token, path: string, capability: string): boolean {
    if (user.policies.includes("root")) return true;
    const rules = user.policies.flatMap((name) => Object.entries(this.#policies.get(name) ?? {}));
    return rules.some(
      ([rule, { capabilities }]) =>
        (rule === path || (rule.endsWith("*") && path.startsWith(rule.slice(0, -1)))) &&
        capabilities.includes(capability),
    );
  }

  #system(method: string, path: string, body: Body, user: Token): VaultReply {
    const [, kind = "", name = "", ...rest] = path.split("/");
    if (kind === "internal") {
      const engine = rest.slice(1).join("/");
      const mount = this.#mounts.get(engine);
      const isRoot = user.policies.includes("root");
      const rules = user.policies.flatMap((policy) => Object.keys(this.#policies.get(policy) ?? {}));
      if (!mount || !(isRoot || rules.some((rule) => rule.startsWith(`${engine}/`)))) {
        return refused(
          403,
          `preflight capability check returned 403, please ensure client's policies grant access to path "${engine}/"`,
        );
      }
      return given({ type: "kv", path: `${engine}/`, options: mount.version === "2" ? { version: "2" } : {} });
    }
    if (!user.policies.includes("root")) return denied;
    if (kind === "seal") this.#isSealed = true;
    else if (kind === "mounts" && method === "POST") {
      const version = String((body["options"] as Body | undefined)?.["version"] ?? "1");
      this.#mounts.set([name, ...rest].join("/"), { version, secrets: new Map() });
    } else if (kind === "auth") this.#roles.set(name, new Map());
    else if (kind === "leases") {
      const prefix = rest.join("/");
      for (const [token, { from }] of this.#tokens) if (from.startsWith(prefix)) this.#tokens.delete(token);
    } else if (kind === "policies") this.#policies.set(rest.join("/"), JSON.parse(String(body["policy"])).path);
    else return noRoute(path);
    return done;
  }

  #token(method: string, path: string, token: string, user: Token, body: Body): VaultReply {
    switch (`${method} ${path.slice("auth/token/".length)}`) {
      case "GET lookup-self":
        return given({ policies: user.policies, ttl: Math.max(0, Math.round((user.endsAt - Date.now()) / 1000)) });
      case "POST renew-self": {
        const endsAt = Math.min(Date.now() + user.ttl * 1000, user.lastEnd);
        this.#tokens.set(token, { ...user, endsAt });
        return this.#auth(token, Math.max(0, Math.floor((endsAt - Date.now()) / 1000)));
      }
      case "POST revoke-self":
        this.#tokens.delete(token);
        return done;
      case "POST revoke":
        this.#tokens.delete(String(body["token"]));
        return done;
      case "POST create":
        return this.#issue(
          "create",
          (body["policies"] as string[] | undefined) ?? [],
          seconds(body["ttl"]) || 2_764_800,
          0,
        );
      default:
        return noRoute(path);
    }
  }

  #role(method: string, path: string, body: Body): VaultReply {
    const [, method_ = "", , name = "", part] = path.split("/");
    const roles = this.#roles.get(method_);
    if (!roles) return noRoute(path);
    const role = roles.get(name);
    if (method === "POST" && part === undefined) {
      roles.set(name, {
        id: randomUUID(),
        ttl: seconds(body["token_ttl"]),
        maxTtl: seconds(body["token_max_ttl"]),
        policies: (body["token_policies"] as string[] | undefined) ?? [],
        secretIds: new Map(),
      });
      return done;
    }
    if (!role) return refused(404);
    if (part === "role-id") return given({ role_id: role.id });
    const secretId = randomUUID();
    role.secretIds.set(secretId, Number(body["num_uses"] ?? 0) || Number.POSITIVE_INFINITY);
    return given({ secret_id: secretId });
  }

  #logIn(path: string, body: Body): VaultReply {
    const roles = this.#roles.get(path);
    if (!roles) return badToken;
    const role = [...roles.values()].find(({ id }) => id === body["role_id"]);
    if (!role) return refused(400, "invalid role ID");
    const secretId = String(body["secret_id"] ?? "");
    const uses = role.secretIds.get(secretId) ?? 0;
    // As if it had failed; later versions answer 400.
    if (uses <= 0) return refused(500, "invalid secret id");
    role.secretIds.set(secretId, uses - 1);
    return this.#issue(`auth/${path}/login`, role.policies, role.ttl, role.maxTtl);
  }

  #secret(method: string, path: string, url: URL, user: Token, body: Body): VaultReply {
    const found = [...this.#mounts].find(([name]) => path.startsWith(`${name}/`));
    if (!found) return user.policies.includes("root") ? noRoute(path) : denied;
    const [engine, { version, secrets }] = found;
    const isList = url.searchParams.get("list") === "true";
    const capability = isList ? "list" : method === "GET" ? "read" : method === "DELETE" ? "delete" : "create";
    if (!this.#mayDo(user, isList ? `${path}/` : path, capability)) return denied;
    const below = path.slice(engine.length + 1);
    const [kind = "", ...rest] = version === "2" ? below.split("/") : ["data", ...below.split("/")];
    if (version === "2" && kind !== "data" && kind !== "metadata") {
      const warnings = ["Invalid path for a versioned K/V secrets engine."];
      return { status: 404, body: { data: null, warnings } };
    }
    const name = rest.join("/");
    if (isList) return listing([...secrets.keys()], name);
    const versions = secrets.get(name) ?? [];
    if (method === "GET") return reading(versions, version, url.searchParams.get("version"));
    if (method === "DELETE") {
      const last = versions.at(-1);
      if (last) last.data = null;
      return done;
    }
    const data = (version === "2" ? body["data"] : body) as Record<string, unknown>;
    secrets.set(name, [...versions, { data, number: versions.length + 1 }]);
    return given({ version: versions.length + 1 });
  }
}

function listing(names: readonly string[], folder: string): VaultReply {
  const prefix = folder === "" ? "" : `${folder}/`;
  const below = names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
  const keys = new Set(below.map((name) => (name.includes("/") ? `${name.split("/")[0]}/` : name)));
  return keys.size > 0 ? given({ keys: [...keys].sort() }) : refused(404);
}

function reading(versions: readonly Version[], engine: string, wanted: string | null): VaultReply {
  const one = wanted && wanted !== "0" ? versions.find(({ number }) => number === Number(wanted)) : versions.at(-1);
  if (!one) return refused(404);
  if (engine === "1") return given(one.data);
  const metadata = { version: one.number, destroyed: false, deletion_time: one.data ? "" : "2026-01-01T00:00:00Z" };
  return { status: one.data ? 200 : 404, body: { data: { data: one.data, metadata } } };
}

/** `2s`, `1m`, or a number of seconds. */
function seconds(ttl: unknown): number {
  const [, number = "0", unit = "s"] = /^(\d+)([smh]?)$/.exec(String(ttl ?? "0")) ?? [];
  return Number(number) * ({ s: 1, m: 60, h: 3600 }[unit || "s"] ?? 1);
}

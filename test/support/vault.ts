import { randomUUID } from "node:crypto";
import type { ServerOptions } from "node:https";
import { startHttpServer } from "./http-server.ts";
import { VaultDouble, type VaultReply } from "./vault-double.ts";

/** A server for one test, with the means of its operator. */
export interface TestVault {
  readonly address: string;
  readonly rootToken: string;
  /** Undefined: this server cannot be sealed by a test. */
  readonly unsealKey: string | undefined;
  readonly isDouble: boolean;
  /** Requests so far; none where it is not the double. */
  readonly requests: readonly string[];
  /** As root, below /v1/. Rejects unless the server does as it is told. */
  tell(method: string, path: string, body?: object): Promise<Record<string, unknown>>;
  /** Mounts a KV engine of that version at a new place. */
  mount(version?: "1" | "2"): Promise<string>;
  /** A token of a policy that gives `capabilities` on paths. */
  token(paths: Readonly<Record<string, readonly string[]>>, ttl?: string): Promise<string>;
}

/**
 * Starts a double of Vault, which is gone when the test is. A real server takes its place where MECHA_TEST_VAULT_ADDR,
 * MECHA_TEST_VAULT_TOKEN (a root token) and MECHA_TEST_VAULT_UNSEAL_KEY name one: it need not be empty, but it gets
 * engines, policies and roles of random names that stay.
 */
export async function startVault(tls?: ServerOptions): Promise<TestVault> {
  const real = tls ? undefined : process.env["MECHA_TEST_VAULT_ADDR"];
  if (real) {
    const token = process.env["MECHA_TEST_VAULT_TOKEN"] ?? "";
    return { ...withMeans(overHttp(real, token)), address: real, rootToken: token, ...realParts() };
  }
  const double = new VaultDouble();
  const { rootToken, unsealKey, requests } = double;
  const answer = (method: string, path: string, token: string, text: string) =>
    double.answer(method, new URL(path, "http://vault"), token, text ? JSON.parse(text) : {});
  const address = await startHttpServer(({ method, url, headers }, body) => {
    const { status, body: reply } = answer(method ?? "", url ?? "", String(headers["x-vault-token"] ?? ""), body);
    return { status, ...(reply ? { body: JSON.stringify(reply) } : {}) };
  }, tls);
  const ask = async (method: string, path: string, body?: object) =>
    answer(method, `/v1/${path}`, rootToken, body ? JSON.stringify(body) : "");
  return { ...withMeans(ask), address, rootToken, unsealKey, isDouble: true, requests };
}

const realParts = () => ({ isDouble: false, unsealKey: process.env["MECHA_TEST_VAULT_UNSEAL_KEY"], requests: [] });

type Ask = (method: string, path: string, body?: object) => Promise<VaultReply>;

const overHttp =
  (address: string, token: string): Ask =>
  async (method, path, body) => {
    const answer = await fetch(`${address}/v1/${path}`, {
      method,
      headers: { "x-vault-token": token },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const text = await answer.text();
    return { status: answer.status, body: text ? JSON.parse(text) : undefined };
  };

function withMeans(ask: Ask): Pick<TestVault, "tell" | "mount" | "token"> {
  const tell = async (method: string, path: string, body?: object) => {
    const { status, body: reply } = await ask(method, path, body);
    if (status >= 300) throw new Error(`${method} ${path}: ${status} ${JSON.stringify(reply)}`);
    return (reply ?? {}) as Record<string, unknown>;
  };
  return {
    tell,
    async mount(version = "2") {
      const path = `kv-${randomUUID()}`;
      await tell("POST", `sys/mounts/${path}`, { type: "kv", options: { version } });
      // A new engine is not ready at once; the answers until then are failures of the server.
      for (;;) {
        const { status } = await ask("GET", `${path}/${version === "2" ? "metadata/" : ""}?list=true`);
        if (status === 404) return path;
      }
    },
    async token(paths, ttl) {
      const policy = `policy-${randomUUID()}`;
      const rules = Object.entries(paths).map(([path, capabilities]) => [path, { capabilities }]);
      await tell("PUT", `sys/policies/acl/${policy}`, { policy: JSON.stringify({ path: Object.fromEntries(rules) }) });
      const answer = await tell("POST", "auth/token/create", { policies: [policy], ...(ttl ? { ttl } : {}) });
      return String((answer["auth"] as { client_token: string }).client_token);
    },
  };
}

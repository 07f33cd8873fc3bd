import { readFile } from "node:fs/promises";
import { causeText, fail, type MechaError } from "../../specs/errors.ts";
import type { OpenContext } from "../contract/driver.ts";
import { type HttpAnswer, HttpClient } from "../contract/http-client.ts";
import { connectionFix } from "../contract/http-failures.ts";
import { readPem } from "../contract/pem.ts";
import type { Connection } from "./settings.ts";

export interface AgentRequest {
  readonly method?: "GET" | "PUT";
  /** Below `/v1/`; its parts are encoded already. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: object;
  /** Instead of the connection's. */
  readonly token?: string | undefined;
  /** What a token must allow, for the error when it does not: `service:write on orders`. */
  readonly needs?: string;
  readonly timeoutMs?: number;
}

export interface AgentAnswer {
  readonly status: number;
  readonly text: string;
  /** Grows with every change of what was asked for; 0: not told. */
  readonly index: number;
}

const timeoutMs = 10_000;
const maxBytes = 16 * 2 ** 20;

/** One Consul agent, asked over HTTP. */
export class Agent {
  readonly #connection: Connection;
  readonly #http: HttpClient;
  readonly #name: string;
  #token: string | undefined;

  /** Asks nothing of the agent. Rejects with `openFailed` when a file cannot be read. */
  static async open(connection: Connection, { name, clock }: OpenContext): Promise<Agent> {
    const { serverName, insecure, certificate, key } = connection;
    if (Boolean(certificate) !== Boolean(key)) {
      throw fail("openFailed", { why: "certFile and keyFile belong together: give both or neither" });
    }
    const tls = {
      ca: await readPem("caFile", connection.ca),
      certificate: await readPem("certFile", certificate),
      key: await readPem("keyFile", key),
      serverName,
      insecure,
    };
    const agent = new Agent(connection, new HttpClient({ clock, tls, timeoutMs, maxBytes }), name);
    agent.#token = connection.tokenFile ? await readToken(connection.tokenFile) : connection.token;
    return agent;
  }

  private constructor(connection: Connection, http: HttpClient, name: string) {
    this.#connection = connection;
    this.#http = http;
    this.#name = name;
  }

  get address(): string {
    return this.#connection.url.host;
  }

  /** An answer of 200 or 404; rejects with `backendUnavailable` for all others, and when there is none. */
  async ask(request: AgentRequest, signal?: AbortSignal): Promise<AgentAnswer> {
    const token = request.token ?? this.#token;
    let answer = await this.#sent(request, token, signal);
    if (answer.status === 403 && request.token === undefined && (await this.#renewed(token))) {
      answer = await this.#sent(request, this.#token, signal);
    }
    const text = answer.body.toString("utf8");
    const index = Number(answer.headers["x-consul-index"] ?? 0) || 0;
    if (answer.status === 200 || answer.status === 404) return { status: answer.status, text, index };
    throw this.#refusal(answer.status, oneLine(text), request);
  }

  /** Any status; rejects with `backendUnavailable` when there is no answer. */
  async status(path: string, signal?: AbortSignal): Promise<{ readonly status: number; readonly text: string }> {
    const { status, body } = await this.#sent({ path }, this.#token, signal);
    return { status, text: oneLine(body.toString("utf8")) };
  }

  close(): void {
    this.#http.close();
  }

  async #sent(request: AgentRequest, token: string | undefined, signal?: AbortSignal): Promise<HttpAnswer> {
    const { method = "GET", path, query, body, timeoutMs: patience } = request;
    const { url: base, scope, basic } = this.#connection;
    const url = new URL(`${base.pathname.replace(/\/+$/, "")}/v1/${path}`, base);
    for (const [key, value] of Object.entries({ ...scope, ...query })) url.searchParams.set(key, value);
    const headers: Record<string, string> = { accept: "application/json" };
    if (token) headers["x-consul-token"] = token;
    if (basic) headers["authorization"] = `Basic ${Buffer.from(`${basic.user}:${basic.password}`).toString("base64")}`;
    const text = body === undefined ? undefined : JSON.stringify(body);
    try {
      const more = patience === undefined ? {} : { timeoutMs: patience };
      return await this.#http.send({ method, url, headers, body: text, ...more }, signal);
    } catch (error) {
      if (signal?.aborted) throw error;
      const keys = { address: "address", ca: "caFile", serverName: "tlsAddress", clientCertificate: "certFile" };
      throw this.#unavailable(connectionFix(error, this.address, keys), error);
    }
  }

  /** Whether the file of the token holds another one by now. */
  async #renewed(refused: string | undefined): Promise<boolean> {
    const { tokenFile } = this.#connection;
    if (!tokenFile) return false;
    this.#token = await readToken(tokenFile).catch(() => this.#token);
    return this.#token !== refused;
  }

  #refusal(status: number, text: string, { needs, token }: AgentRequest): MechaError {
    const words = `(${status}${text ? `: ${text}` : ""})`;
    const key = token === undefined ? (this.#connection.tokenFile ? "tokenFile" : "token") : "queryToken";
    if (status === 403 && /ACL not found/i.test(text)) {
      return this.#unavailable(`${key}: ${this.address} does not know the token; correct it ${words}`);
    }
    if (status === 403) {
      return this.#unavailable(`${key}: the token does not allow ${needs ?? "this"}; give one that does ${words}`);
    }
    if (/HTTP request to an HTTPS server/.test(text)) {
      return this.#unavailable(`scheme: ${this.address} speaks TLS; set scheme to https ${words}`);
    }
    if (/No cluster leader/.test(text)) return this.#unavailable(`${this.address} has no leader just now ${words}`);
    if (/boolean expression/.test(text)) return this.#unavailable(`queryOptions.filter: cannot be read ${words}`);
    if (/No path to datacenter/.test(text)) {
      return this.#unavailable(`datacenter: ${this.address} knows no such datacenter; correct it ${words}`);
    }
    return this.#unavailable(`${this.address} refuses the request ${words}`);
  }

  #unavailable(cause: string, error?: unknown): MechaError {
    return fail("backendUnavailable", { name: this.#name, cause }, { cause: error });
  }
}

const oneLine = (text: string) => text.slice(0, 300).replace(/\s+/g, " ").trim();

async function readToken(path: string): Promise<string> {
  try {
    return (await readFile(path, "utf8")).trim();
  } catch (error) {
    throw fail("openFailed", { why: `tokenFile: cannot be read (${causeText(error)})` }, { cause: error });
  }
}

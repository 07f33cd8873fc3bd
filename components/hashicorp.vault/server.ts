import { fail, MechaError } from "../../specs/errors.ts";
import type { OpenContext } from "../contract/driver.ts";
import { type HttpAnswer, HttpClient } from "../contract/http-client.ts";
import { connectionFix } from "../contract/http-failures.ts";
import { readAddress, readTls, type VaultSettings } from "./settings.ts";

export interface VaultRequest {
  readonly method: "GET" | "POST" | "PUT";
  /** Below `/v1/`; its parts are encoded already. */
  readonly path: string;
  readonly token?: string | undefined;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** What the server may say with a status of trouble that is none. */
  readonly not?: RegExp;
}

export interface VaultAnswer {
  readonly status: number;
  readonly text: string;
  /** What the server says is wrong. */
  readonly errors: readonly string[];
}

const maxBytes = 64 * 2 ** 20;
const redirects: ReadonlySet<number> = new Set([301, 302, 307, 308]);

/** One Vault or OpenBao server, asked over HTTP. */
export class VaultServer {
  readonly address: string;
  readonly #base: URL;
  readonly #http: HttpClient;
  readonly #namespace: string | undefined;
  readonly #name: string;

  /** Asks nothing of the server. Rejects with `openFailed` when the settings cannot be used. */
  static async open(settings: VaultSettings, { name, clock }: OpenContext): Promise<VaultServer> {
    const base = readAddress(settings);
    const tls = await readTls(settings);
    const http = new HttpClient({ clock, tls, timeoutMs: settings.vaultTimeout, maxBytes });
    return new VaultServer(base, http, settings.vaultNamespace, name);
  }

  private constructor(base: URL, http: HttpClient, namespace: string | undefined, name: string) {
    this.#base = base;
    this.#http = http;
    this.#namespace = namespace;
    this.#name = name;
    this.address = base.host;
  }

  /** Any answer of the server; rejects with `backendUnavailable` when there is none, or when it cannot do its work. */
  async ask(request: VaultRequest, signal?: AbortSignal): Promise<VaultAnswer> {
    let answer: VaultAnswer;
    try {
      answer = await this.answer(request, signal);
    } catch (error) {
      if (signal?.aborted) throw error;
      throw this.#unavailable(this.explain(error), error);
    }
    const trouble = troubleOf(answer);
    const isTrouble = trouble !== undefined && !request.not?.test(answer.errors.join());
    if (isTrouble) throw this.#unavailable(`vaultAddr: ${this.address} ${trouble}`);
    return answer;
  }

  /** Any answer of the server; rejects with the error of the connection. */
  async answer(request: VaultRequest, signal?: AbortSignal): Promise<VaultAnswer> {
    const url = new URL(`v1/${request.path}`, this.#base);
    for (const [key, value] of Object.entries(request.query ?? {})) url.searchParams.set(key, value);
    const first = await this.#send(url, request, signal);
    const next = redirectOf(first, url);
    return toAnswer(next ? await this.#send(next, request, signal) : first);
  }

  /** Why an error of `answer` came about, with the setting that is meant. */
  explain(error: unknown): string {
    if (error instanceof MechaError) return error.message;
    const keys = { address: "vaultAddr", ca: "caPem, caPath or caCert", serverName: "tlsServerName" };
    return connectionFix(error, this.address, keys);
  }

  /** An error that every caller may see. */
  #unavailable(cause: string, error?: unknown): MechaError {
    return fail("backendUnavailable", { name: this.#name, cause }, { cause: error });
  }

  close(): void {
    this.#http.close();
  }

  #send(url: URL, { method, token, body }: VaultRequest, signal?: AbortSignal): Promise<HttpAnswer> {
    const headers: Record<string, string> = { accept: "application/json", "x-vault-request": "true" };
    if (token) headers["x-vault-token"] = token;
    if (this.#namespace) headers["x-vault-namespace"] = this.#namespace;
    if (body === undefined) return this.#http.send({ method, url, headers }, signal);
    headers["content-type"] = "application/json";
    return this.#http.send({ method, url, headers, body: JSON.stringify(body) }, signal);
  }
}

/** A standby may send to the active server. The token goes along, so never from TLS to plain text. */
function redirectOf({ status, headers }: HttpAnswer, from: URL): URL | undefined {
  if (!redirects.has(status) || !headers.location) return undefined;
  const to = URL.parse(headers.location, from.href);
  if (!to || (to.protocol !== "https:" && to.protocol !== from.protocol)) return undefined;
  return to;
}

function toAnswer({ status, body }: HttpAnswer): VaultAnswer {
  const text = body.toString("utf8");
  return { status, text, errors: errorsIn(text) };
}

function errorsIn(text: string): readonly string[] {
  try {
    const { errors } = JSON.parse(text) as { readonly errors?: unknown };
    if (Array.isArray(errors)) return errors.map((one) => oneLine(String(one)));
    return [];
  } catch {
    // A proxy, or another server altogether.
    return text === "" ? [] : [oneLine(text.slice(0, 200))];
  }
}

const oneLine = (text: string) => text.replace(/\s+/g, " ").trim();

/** What keeps the server from its work, as opposed to what it says about a request; undefined: nothing. */
function troubleOf({ status, text, errors }: VaultAnswer): string | undefined {
  const words = errors.length > 0 ? ` (${status}: ${errors.join("; ")})` : ` (${status})`;
  // Health says it in other words than the rest.
  if (status === 503 && (/sealed/i.test(errors.join()) || /"sealed":\s*true/.test(text)))
    return `is sealed; unseal it${words}`;
  if (status === 429) return `limits requests; ask less often, or raise its quota${words}`;
  if (/HTTP request to an HTTPS server/.test(errors.join())) return `speaks TLS; write https://${words}`;
  if (status === 472 || status === 473) return `is a standby that serves no reads; name the active server${words}`;
  if (status === 412) return `has not yet seen the latest write; ask again${words}`;
  if (status >= 500) return `cannot answer now${words}`;
  if (redirects.has(status)) return `sends to another place; name that one${words}`;
  return undefined;
}

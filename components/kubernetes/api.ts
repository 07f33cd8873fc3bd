import { fail, MechaError } from "../../specs/errors.ts";
import type { OpenContext } from "../contract/driver.ts";
import { type HttpAnswer, HttpClient, type HttpStream } from "../contract/http-client.ts";
import { connectionFix } from "../contract/http-failures.ts";
import { type Cluster, findCluster } from "./cluster.ts";

/** An object of the API, such as a Secret. */
export interface KubeObject {
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid?: string;
    readonly resourceVersion?: string;
  };
}

/** One page of a list, or all of it. */
export interface KubeList<T extends KubeObject> {
  readonly items: readonly T[];
  /** Where a watch that misses nothing starts. */
  readonly resourceVersion: string;
}

/** What the server says about a request that it has not done. */
interface Status {
  readonly message?: string;
  readonly reason?: string;
}

interface Page<T> {
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
  readonly items?: readonly T[];
}

const timeoutMs = 30_000;
const maxBytes = 64 * 2 ** 20;
const pageSize = 250;

/** The API server of one cluster. Rejects with `backendUnavailable` unless said otherwise. */
export class KubernetesApi {
  readonly #cluster: Cluster;
  readonly #http: HttpClient;
  readonly #name: string;
  readonly #pageSize: number;

  /** Asks nothing of the server. Rejects with `openFailed`. */
  static async open(kubeconfigPath: string | undefined, context: OpenContext): Promise<KubernetesApi> {
    const cluster = await findCluster(kubeconfigPath, context.clock);
    return new KubernetesApi(cluster, context);
  }

  constructor(cluster: Cluster, { name, clock }: Pick<OpenContext, "name" | "clock">, size = pageSize) {
    this.#cluster = cluster;
    this.#http = new HttpClient({ clock, tls: cluster.tls, timeoutMs, maxBytes });
    this.#name = name;
    this.#pageSize = size;
  }

  /** Rejects with `openFailed` unless the server answers and knows who asks; what that one may do is not asked. */
  async check(signal: AbortSignal): Promise<void> {
    try {
      await this.#get("version", {}, signal);
    } catch (error) {
      if (signal.aborted || !(error instanceof MechaError) || error.reason === "openFailed") throw error;
      throw fail("openFailed", { why: String(error.params["cause"] ?? error.message) }, { cause: error });
    }
  }

  /** One object; undefined: there is none. */
  async find<T extends KubeObject>(path: string, what: string, signal?: AbortSignal): Promise<T | undefined> {
    const answer = await this.#ask(path, {}, signal);
    if (answer.status === 404) return undefined;
    if (answer.status === 200) return JSON.parse(answer.body.toString("utf8")) as T;
    throw this.#failure(answer, what);
  }

  /** All objects below a path, read in pages. */
  async list<T extends KubeObject>(path: string, what: string, signal?: AbortSignal): Promise<KubeList<T>> {
    for (let attempt = 1; ; attempt += 1) {
      const items: T[] = [];
      let next: Readonly<Record<string, string>> | undefined = {};
      let resourceVersion = "";
      while (next) {
        const answer: HttpAnswer = await this.#ask(path, { limit: String(this.#pageSize), ...next }, signal);
        // The list is older than what the server keeps of the past: it has to begin again.
        if (answer.status === 410 && attempt < 3) break;
        if (answer.status !== 200) throw this.#failure(answer, what);
        const page = JSON.parse(answer.body.toString("utf8")) as Page<T>;
        items.push(...(page.items ?? []));
        resourceVersion = page.metadata?.resourceVersion ?? "";
        next = page.metadata?.continue ? { continue: page.metadata.continue } : undefined;
      }
      if (!next) return { items, resourceVersion };
    }
  }

  /** What changes below a path from a version on, as the server writes it, line by line. Undefined: the version is too old. */
  async watch(path: string, from: string, what: string, signal: AbortSignal): Promise<HttpStream | undefined> {
    const query = { watch: "true", allowWatchBookmarks: "true", resourceVersion: from };
    const stream = await this.#authorized((headers) =>
      this.#sent(this.#http.stream({ method: "GET", url: this.#url(path, query), headers }, signal), signal),
    );
    if (stream.status === 200) return stream;
    const chunks: Uint8Array[] = [];
    for await (const chunk of stream.body) chunks.push(chunk);
    if (stream.status === 410) return undefined;
    throw this.#failure({ ...stream, body: Buffer.concat(chunks) }, what);
  }

  close(): void {
    this.#http.close();
  }

  async #get(path: string, query: Readonly<Record<string, string>>, signal?: AbortSignal): Promise<HttpAnswer> {
    const answer = await this.#ask(path, query, signal);
    if (answer.status === 200) return answer;
    throw this.#failure(answer, `get ${path}`);
  }

  #ask(path: string, query: Readonly<Record<string, string>>, signal?: AbortSignal): Promise<HttpAnswer> {
    const url = this.#url(path, query);
    return this.#authorized((headers) => this.#sent(this.#http.send({ method: "GET", url, headers }, signal), signal));
  }

  #url(path: string, query: Readonly<Record<string, string>>): URL {
    const url = new URL(path, this.#cluster.url);
    for (const [key, value] of Object.entries(query)) url.searchParams.set(key, value);
    return url;
  }

  /** Once more with new credentials where those there are have been refused. */
  async #authorized<T extends { readonly status: number }>(
    send: (headers: Record<string, string>) => Promise<T>,
  ): Promise<T> {
    const { credentials } = this.#cluster;
    const once = async () => {
      const authorization = await credentials.header();
      return send({ accept: "application/json", ...(authorization ? { authorization } : {}) });
    };
    const answer = await once();
    return answer.status === 401 && credentials.renew() ? once() : answer;
  }

  async #sent<T>(work: Promise<T>, signal?: AbortSignal): Promise<T> {
    try {
      return await work;
    } catch (error) {
      if (signal?.aborted) throw error;
      const { source, url } = this.#cluster;
      const keys = {
        address: source,
        ca: `certificate-authority of ${source}`,
        serverName: `tls-server-name of ${source}`,
        clientCertificate: source,
      };
      throw this.#unavailable(connectionFix(error, url.host, keys), error);
    }
  }

  #failure({ status, body }: HttpAnswer, what: string): MechaError {
    const { source, url } = this.#cluster;
    const { message = "", reason = "" } = statusIn(body.toString("utf8"));
    const words = `(${status}${reason ? ` ${reason}` : ""}${message ? `: ${message}` : ""})`;
    if (status === 401)
      return this.#unavailable(`${source}: ${url.host} does not accept the credentials; renew them ${words}`);
    if (status === 403) return this.#unavailable(`${source}: no role allows to ${what}; give one that does ${words}`);
    if (status === 429) return this.#unavailable(`${url.host} limits requests; ask less often ${words}`);
    if (status === 404)
      return this.#unavailable(`${source}: ${url.host} has no such thing as ${what} asks for ${words}`);
    return this.#unavailable(`${url.host} cannot answer now ${words}`);
  }

  #unavailable(cause: string, error?: unknown): MechaError {
    return fail("backendUnavailable", { name: this.#name, cause }, { cause: error });
  }
}

function statusIn(text: string): Status {
  try {
    return JSON.parse(text) as Status;
  } catch {
    return { message: text.slice(0, 200).replace(/\s+/g, " ").trim() };
  }
}

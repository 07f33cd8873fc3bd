import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";
import { authority, server as serverPair } from "./certificates.ts";

interface Stored {
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    resourceVersion: string;
  };
  readonly [field: string]: unknown;
}

interface Logged {
  readonly version: number;
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly path: string;
  readonly object: Stored;
}

interface Watcher {
  readonly path: string;
  readonly response: ServerResponse;
}

/**
 * A double of the Kubernetes API server, not Kubernetes itself: secrets and events of namespaces, read, listed in pages
 * and watched over HTTPS, with bearer tokens, and with the Status objects of the real one where it refuses.
 */
export class KubernetesDouble {
  /** Who may ask; a token that is not among them is refused with 401. */
  readonly tokens = new Set(["valid"]);
  /** What nobody may do: `list secrets in other`. */
  readonly forbidden = new Set<string>();
  /** Requests so far: `GET /api/v1/namespaces/a/secrets?limit=2`. */
  readonly requests: string[] = [];
  /** The next page of a list is refused with 410, as if the list had become too old. */
  expiresNextPage = false;
  /** Answers instead of all others, such as a 429. */
  trouble: { readonly status: number; readonly message: string } | undefined;
  readonly #objects = new Map<string, Stored>();
  readonly #log: Logged[] = [];
  readonly #watchers = new Set<Watcher>();
  #version = 100;
  #oldest = 0;

  /** Makes or replaces an object; fields go beside its metadata. */
  put(plural: "secrets" | "events", namespace: string, name: string, fields: object): void {
    const path = `/api/v1/namespaces/${namespace}/${plural}`;
    const before = this.#objects.get(`${path}/${name}`);
    this.#version += 1;
    const metadata = {
      name,
      namespace,
      uid: before?.metadata.uid ?? randomUUID(),
      resourceVersion: String(this.#version),
    };
    const object = { kind: plural === "secrets" ? "Secret" : "Event", apiVersion: "v1", metadata, ...fields };
    this.#objects.set(`${path}/${name}`, object);
    this.#note({ version: this.#version, type: before ? "MODIFIED" : "ADDED", path, object });
  }

  remove(plural: "secrets" | "events", namespace: string, name: string): void {
    const path = `/api/v1/namespaces/${namespace}/${plural}`;
    const object = this.#objects.get(`${path}/${name}`);
    if (!object) return;
    this.#objects.delete(`${path}/${name}`);
    this.#version += 1;
    const metadata = { ...object.metadata, resourceVersion: String(this.#version) };
    this.#note({ version: this.#version, type: "DELETED", path, object: { ...object, metadata } });
  }

  /** Forgets the past: watches from there, and pages of lists from there, are refused with 410. */
  compact(): void {
    this.#oldest = this.#version;
  }

  get watching(): number {
    return this.#watchers.size;
  }

  /** Ends all watches as the real one does now and then; with a line before it, such as an error. */
  endWatches(line?: object): void {
    for (const { response } of this.#watchers) {
      if (line) response.write(`${JSON.stringify(line)}\n`);
      response.end();
    }
    this.#watchers.clear();
  }

  handle(request: IncomingMessage, response: ServerResponse): ServerResponse {
    const url = new URL(request.url ?? "", "https://kubernetes");
    this.requests.push(`${request.method} ${url.pathname}${url.search}`);
    const token = /^Bearer (.*)$/.exec(request.headers.authorization ?? "")?.[1] ?? "";
    if (this.trouble) return refuse(response, this.trouble.status, "TooManyRequests", this.trouble.message);
    if (!this.tokens.has(token)) return refuse(response, 401, "Unauthorized", "Unauthorized");
    if (url.pathname === "/version") return send(response, { major: "1", minor: "34", gitVersion: "double" });
    const [, path = "", namespace = "", plural = "", , name] =
      /^(\/api\/v1\/namespaces\/([^/]+)\/(secrets|events))(\/([^/]+))?$/.exec(url.pathname) ?? [];
    const isWatch = url.searchParams.get("watch") === "true";
    const verb = isWatch ? "watch" : name ? "get" : "list";
    if (path === "") return refuse(response, 404, "NotFound", "the server could not find the requested resource");
    if (this.forbidden.has(`${verb} ${plural} in ${namespace}`)) {
      const user = `User "system:serviceaccount:${namespace}:default"`;
      const what = `cannot ${verb} resource "${plural}" in API group "" in the namespace "${namespace}"`;
      return refuse(response, 403, "Forbidden", `${plural} is forbidden: ${user} ${what}`);
    }
    if (isWatch) return this.#watch(path, Number(url.searchParams.get("resourceVersion") ?? 0), response);
    if (!name) return this.#list(path, url.searchParams, response);
    const found = this.#objects.get(url.pathname);
    if (found) return send(response, found);
    return refuse(response, 404, "NotFound", `${plural} "${name}" not found`);
  }

  #note(entry: Logged): void {
    this.#log.push(entry);
    for (const watcher of this.#watchers) if (watcher.path === entry.path) tell(watcher.response, entry);
  }

  #list(path: string, query: URLSearchParams, response: ServerResponse): ServerResponse {
    const [from = "", version = String(this.#version)] = (query.get("continue") ?? "").split("@");
    if (from !== "" && (this.expiresNextPage || Number(version) < this.#oldest)) {
      this.expiresNextPage = false;
      return refuse(
        response,
        410,
        "Expired",
        "The provided continue parameter is too old to display a consistent list",
      );
    }
    const all = [...this.#objects].filter(([key]) => key.startsWith(`${path}/`)).sort(([a], [b]) => (a < b ? -1 : 1));
    const rest = all.filter(([key]) => key > from);
    const limit = Number(query.get("limit") ?? 0) || rest.length;
    const page = rest.slice(0, limit);
    const metadata = {
      resourceVersion: version || String(this.#version),
      ...(rest.length > limit ? { continue: `${page.at(-1)?.[0]}@${version || this.#version}` } : {}),
    };
    return send(response, { kind: "List", apiVersion: "v1", metadata, items: page.map(([, object]) => object) });
  }

  #watch(path: string, from: number, response: ServerResponse): ServerResponse {
    if (from < this.#oldest) return refuse(response, 410, "Expired", `too old resource version: ${from}`);
    response.writeHead(200, { "content-type": "application/json" });
    response.flushHeaders();
    for (const entry of this.#log) if (entry.path === path && entry.version > from) tell(response, entry);
    const metadata = { resourceVersion: String(this.#version) };
    response.write(`${JSON.stringify({ type: "BOOKMARK", object: { kind: "Event", metadata } })}\n`);
    const watcher = { path, response };
    this.#watchers.add(watcher);
    return response.once("close", () => this.#watchers.delete(watcher));
  }
}

/** Where the double is, with its certificate's authority. */
export interface TestKubernetes {
  readonly cluster: KubernetesDouble;
  readonly url: string;
  readonly port: number;
  /** A kubeconfig for it; `user` holds the credentials, `server` parts of the cluster's entry. */
  kubeconfig(user?: object, server?: object): string;
}

/** Starts a double of the API server, which is gone when the test is. */
export async function startKubernetes(): Promise<TestKubernetes> {
  const cluster = new KubernetesDouble();
  const tls = { cert: serverPair.certificate, key: serverPair.key };
  const server = createServer(tls, (request, response) => cluster.handle(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(() => resolve()));
  });
  const { port } = server.address() as AddressInfo;
  const url = `https://127.0.0.1:${port}`;
  return {
    cluster,
    url,
    port,
    kubeconfig: (user = { token: "valid" }, more = {}) =>
      JSON.stringify({
        apiVersion: "v1",
        kind: "Config",
        "current-context": "test",
        contexts: [{ name: "test", context: { cluster: "double", user: "tester" } }],
        clusters: [
          {
            name: "double",
            cluster: {
              server: url,
              "certificate-authority-data": Buffer.from(authority.certificate).toString("base64"),
              ...more,
            },
          },
        ],
        users: [{ name: "tester", user }],
      }),
  };
}

function tell(response: ServerResponse, { type, object }: Logged): void {
  response.write(`${JSON.stringify({ type, object })}\n`);
}

function send(response: ServerResponse, body: object): ServerResponse {
  return response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
}

function refuse(response: ServerResponse, code: number, reason: string, message: string): ServerResponse {
  const status = { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", message, reason, code };
  return response.writeHead(code, { "content-type": "application/json" }).end(JSON.stringify(status));
}

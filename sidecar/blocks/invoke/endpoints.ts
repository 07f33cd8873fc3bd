import { fail } from "../../../specs/errors.ts";
import type { Components } from "../../kernel/components.ts";
import type { HttpEndpointResource, NameValuePair, ResolvePairs } from "../../kernel/config-types.ts";
import type { HeaderMap, HttpTarget } from "../../kernel/exchange.ts";
import { isUrl } from "./target.ts";

export interface TlsPems {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

/** Opens a client of a foreign HTTP server. */
export type Connect = (baseUrl: string, options: { readonly tls?: TlsPems }) => HttpTarget & { close(): void };

export interface EndpointsParts {
  readonly resources: readonly HttpEndpointResource[];
  readonly resolvePairs: ResolvePairs;
  /** Has the secret stores that resources refer to. */
  readonly components: Components;
  readonly connect: Connect;
}

/** Hosts that callers name by URL; as many as this keep their connections. */
const mostHosts = 100;

/**
 * Foreign HTTP servers: those that an HTTPEndpoint resource names, with its headers and certificates, and any that a caller
 * gives the URL of. A resource is resolved when it is first called, so that its secret store may open late. The app's
 * token is for the app: it never goes to a foreign host.
 */
export class Endpoints {
  readonly #parts: EndpointsParts;
  readonly #named = new Map<string, HttpEndpointResource>();
  readonly #opened = new Map<string, Promise<HttpTarget & { close(): void }>>();

  constructor(parts: EndpointsParts) {
    this.#parts = parts;
    this.declare(parts.resources);
  }

  /** From now on these resources hold; what is in flight to others may be cut off. */
  declare(resources: readonly HttpEndpointResource[]): void {
    const before = new Map(this.#named);
    this.#named.clear();
    for (const resource of resources) this.#named.set(resource.name, resource);
    for (const [name, resource] of before) if (this.#named.get(name) !== resource) this.#drop(name);
  }

  /** Names of the resources. */
  has(id: string): boolean {
    return this.#named.has(id) || isUrl(id);
  }

  /** The server that `id` names; rejects when its resource cannot be resolved or the URL is none. */
  async require(id: string): Promise<HttpTarget> {
    let opened = this.#opened.get(id);
    if (!opened) {
      this.#makeRoom();
      const resource = this.#named.get(id);
      opened = resource ? this.#open(resource) : openUrl(id, this.#parts.connect);
      this.#opened.set(id, opened);
      // A secret store that is not open yet may be open at the next call.
      opened.catch(() => this.#opened.delete(id));
    }
    return opened;
  }

  /** Cuts what is in flight. Idempotent. */
  close(): void {
    for (const id of this.#opened.keys()) this.#drop(id);
  }

  async #open(resource: HttpEndpointResource): Promise<HttpTarget & { close(): void }> {
    const { resolvePairs, components, connect } = this.#parts;
    const resolve = async (pairs: readonly NameValuePair[]) => {
      const resolved = await resolvePairs(resource, pairs, ({ store, name, key }) =>
        readSecret(components, store, name, key),
      );
      return new Map(resolved.map(({ name, value }) => [name.toLowerCase(), value]));
    };
    const headers = Object.fromEntries(await resolve(resource.headers)) as HeaderMap;
    const { rootCa, certificate, privateKey } = resource.clientTls ?? {};
    const pem = async (pair: NameValuePair | undefined) => pair && [...(await resolve([pair])).values()][0];
    const tls = { ca: await pem(rootCa), cert: await pem(certificate), key: await pem(privateKey) };
    const target = connect(resource.baseUrl, { tls });
    return {
      send: (exchange) => target.send({ ...exchange, headers: { ...exchange.headers, ...headers } }),
      close: () => target.close(),
    };
  }

  #makeRoom(): void {
    const urls = [...this.#opened.keys()].filter((id) => !this.#named.has(id));
    if (urls.length >= mostHosts) this.#drop(urls[0] as string);
  }

  #drop(id: string): void {
    const opened = this.#opened.get(id);
    this.#opened.delete(id);
    opened?.then(
      (target) => target.close(),
      () => {},
    );
  }
}

async function openUrl(url: string, connect: Connect) {
  if (!URL.canParse(url)) throw fail("invokeBadTarget", { id: url, why: "it is not a URL" });
  return connect(url, {});
}

async function readSecret(components: Components, store: string, name: string, key: string): Promise<string> {
  const found = components.find("secretstores", store);
  if (!found) {
    const known = components.names("secretstores").join(", ") || "none";
    throw fail("secretStoreNotFound", { name: store, known });
  }
  const values = await found.opened.get(name, {}, {});
  const value = values[key];
  if (value === undefined) throw fail("secretNotFound", { name: `${name}/${key}` });
  return value;
}

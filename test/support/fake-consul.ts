import type { IncomingMessage } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

interface Service {
  readonly id: string;
  readonly name: string;
  readonly address?: string;
  readonly meta?: Readonly<Record<string, string>>;
}

/** A double of a Consul agent that speaks the part of its HTTP API that finds and registers services. */
export interface FakeConsul {
  /** `host:port`. */
  readonly address: string;
  /** By id, as they were registered. */
  readonly services: Map<string, Service>;
  /** Lines of the requests, with their query. */
  readonly asked: string[];
  /** The only token that may do anything; undefined: none is asked for. */
  token: string | undefined;
  /** Registers or removes by other hands; who waits for changes hears of it. */
  change(act: (services: Map<string, Service>) => void): void;
}

/** Starts it on a free port; it is gone when the test is. */
export async function startFakeConsul(): Promise<FakeConsul> {
  const services = new Map<string, Service>();
  const asked: string[] = [];
  let index = 10;
  let waiting: (() => void)[] = [];
  const changed = () => {
    index += 1;
    for (const wake of waiting.splice(0)) wake();
  };
  const answer = async (request: IncomingMessage, body: string): Promise<readonly [status: number, text: string]> => {
    const url = new URL(request.url ?? "", "http://agent");
    const path = decodeURIComponent(url.pathname.replace("/v1/", ""));
    asked.push(`${request.method} ${path}${url.search}`);
    // Whoever asks is told who leads.
    if (path === "status/leader") return [200, '"127.0.0.1:8300"'];
    if (consul.token !== undefined && request.headers["x-consul-token"] !== consul.token) return [403, "ACL not found"];
    if (path === "acl/token/self") return [401, "ACL support disabled"];
    if (path === "agent/service/register") {
      const service = JSON.parse(body) as Service;
      services.set(service.id, service);
      changed();
      return [200, ""];
    }
    const [, gone] = /^agent\/service\/deregister\/(.*)$/.exec(path) ?? [];
    if (gone !== undefined) {
      services.delete(gone);
      changed();
      return [200, ""];
    }
    const [, id] = /^agent\/service\/(.*)$/.exec(path) ?? [];
    if (id !== undefined) return services.has(id) ? [200, "{}"] : [404, `unknown service ID: ${id}`];
    const [, name] = /^health\/service\/(.*)$/.exec(path) ?? [];
    if (name !== undefined) {
      const since = Number(url.searchParams.get("index") ?? 0);
      if (since >= index) await new Promise<void>((resolve) => (waiting = [...waiting, resolve]));
      const found = [...services.values()].filter((service) => service.name === name);
      const health = found.map(({ address, meta }) => ({
        Node: { Address: "10.0.0.1" },
        Service: { Address: address ?? "", Meta: meta ?? null },
      }));
      return [200, JSON.stringify(health)];
    }
    if (path === "catalog/services") {
      const names = [...services.values()].map((service) => [service.name, []] as const);
      return [200, JSON.stringify({ consul: [], ...Object.fromEntries(names) })];
    }
    return [404, "no such endpoint"];
  };
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const [status, text] = await answer(request, Buffer.concat(chunks).toString());
    response.writeHead(status, { "x-consul-index": String(index) }).end(text);
  }).listen(0, "127.0.0.1");
  await new Promise<void>((resolve) => server.once("listening", resolve));
  onTestFinished(() => {
    for (const wake of waiting) wake();
    server.closeAllConnections();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  });
  const consul: FakeConsul = {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    services,
    asked,
    token: undefined,
    change(act) {
      act(services);
      changed();
    },
  };
  return consul;
}

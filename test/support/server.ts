// Real servers for tests. `isMissing: !(await requireService("postgres"))` where tests are collected, and
// `await startServer("postgres")` inside a test.
import { afterAll } from "vitest";
import { installService } from "../../scripts/services/support/install-service.ts";
import type { Running } from "../../scripts/services/support/service.ts";
import { loadService, startService } from "../../scripts/services/support/start-service.ts";
import { reportNotRun } from "./services.ts";

export type Server = Running;

export interface ServerOptions {
  /** One of the service's variants, such as `tls`; default: its first. */
  readonly variant?: string;
  /** A server that no other test talks to, for tests that stop it. Default: one for all that ask. */
  readonly own?: boolean;
}

/**
 * Whether a service is on this machine; installs it first where it can. Where it cannot, that is recorded for the closing
 * summary.
 * @throws Error when it is missing and MECHA_REQUIRE_SERVICES=1
 */
export async function requireService(name: string): Promise<boolean> {
  const missing = await installService(await loadService(name));
  if (missing !== undefined) reportNotRun(name, missing);
  return missing === undefined;
}

const started: Promise<Server>[] = [];
const shared = new Map<string, Promise<Server>>();

/** Starts a server, or gives the one that runs already. All end with the test file. */
export function startServer(name: string, { variant, own = false }: ServerOptions = {}): Promise<Server> {
  const key = `${name}:${variant ?? ""}`;
  const running = own ? undefined : shared.get(key);
  if (running !== undefined) return running;
  const server = loadService(name).then((service) => startService(service, variant));
  started.push(server);
  if (!own) shared.set(key, server);
  return server;
}

afterAll(async () => {
  shared.clear();
  const ended = await Promise.allSettled(started.splice(0).map(async (server) => (await server).stop()));
  for (const end of ended) if (end.status === "rejected") throw end.reason;
});

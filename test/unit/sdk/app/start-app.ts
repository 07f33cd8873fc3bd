import Fastify from "fastify";
import { onTestFinished } from "vitest";
import { type AppOptions, createApp, mechaFastify } from "../../../../sdk/src/index.ts";
import { openApp } from "../../../../sidecar/app-channel/open.ts";
import { systemClock } from "../../../../sidecar/kernel/clock.ts";
import type { Subscription } from "../../../../sidecar/kernel/config-types.ts";
import { KeptLog } from "../../../support/open-driver.ts";

/** How an app can be served. */
export const servers = ["node:http", "fastify"] as const;
export type ServerName = (typeof servers)[number];

/** Starts an app on a free port; it is gone when the test is. */
export async function startApp(
  options: AppOptions,
  server: ServerName = "node:http",
): Promise<{ port: number; url: string }> {
  const port = await (server === "fastify" ? startFastify(options) : startNode(options));
  return { port, url: `http://127.0.0.1:${port}` };
}

async function startNode(options: AppOptions): Promise<number> {
  const running = await createApp(options).listen({ port: 0 });
  onTestFinished(() => running.close());
  return running.port;
}

async function startFastify(options: AppOptions): Promise<number> {
  const fastify = Fastify({ forceCloseConnections: true });
  fastify.post("/own", (request) => request.body);
  await fastify.register(mechaFastify, options);
  await fastify.listen({ port: 0, host: "127.0.0.1" });
  onTestFinished(() => fastify.close());
  return (fastify.server.address() as { port: number }).port;
}

/** The real sidecar's channel to an app, which reads the app's subscriptions and judges its answers. */
export async function openChannel(port: number, apiToken?: string) {
  const log = new KeptLog();
  const opened = openApp({
    config: {
      ...{ port, protocol: "http", address: "127.0.0.1", maxConcurrency: 0, apiToken, bindingOptionsTimeoutMs: 1000 },
      healthCheck: { enabled: false, path: "/healthz", intervalMs: 5000, timeoutMs: 500, threshold: 3 },
    } as Parameters<typeof openApp>[0]["config"],
    ...{ appId: "shop", maxBodyBytes: 4 * 1024 * 1024, log, clock: systemClock },
  });
  if (!opened) throw new Error("there is an app port");
  onTestFinished(() => opened.close());
  return { app: opened.app, log };
}

/** Path by match expression; the default has the empty one. */
export const pathsOf = ({ routes }: Subscription): Record<string, string> =>
  Object.fromEntries(routes.map(({ match, path }) => [match, path]));

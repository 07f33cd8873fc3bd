import { describe, expect, it, onTestFinished } from "vitest";
import { openApp } from "../../../../sidecar/app-channel/open.ts";
import { readBody } from "../../../../sidecar/kernel/body.ts";
import { systemClock } from "../../../../sidecar/kernel/clock.ts";
import type { AppConfig, AppProtocol } from "../../../../sidecar/kernel/config-types.ts";
import type { Exchange } from "../../../../sidecar/kernel/exchange.ts";
import { MechaError } from "../../../../specs/errors.ts";
import { server as serverCertificate } from "../../../support/certificates.ts";
import { startHttp2App, startHttpApp, unusedPort } from "../../../support/fake-app.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { startHttpServer } from "../../../support/http-server.ts";

const silent = { debug() {}, info() {}, warn() {}, error() {} };

function open(port: number, part: Partial<AppConfig> = {}, clock = systemClock) {
  const config: AppConfig = {
    port,
    protocol: "http",
    address: "127.0.0.1",
    maxConcurrency: 0,
    healthCheck: { enabled: false, path: "/healthz", intervalMs: 5000, timeoutMs: 500, threshold: 3 },
    bindingOptionsTimeoutMs: 3000,
    ...part,
  };
  const opened = openApp({ config, appId: "me", maxBodyBytes: 4 << 20, log: silent, clock });
  if (!opened) throw new Error("no port");
  onTestFinished(() => opened.close());
  return opened;
}

const exchange = (part: Partial<Exchange> = {}): Exchange => ({
  verb: "GET",
  path: "",
  query: "",
  headers: {},
  body: undefined,
  signal: new AbortController().signal,
  ...part,
});
const reasonOf = (promise: Promise<unknown>) =>
  promise.then(
    () => "none",
    (error) => (error instanceof MechaError ? error.reason : String(error)),
  );

describe("the channel to the app", () => {
  it("does not exist without a port", () => {
    const { port: _, ...rest } = {
      port: 1,
      protocol: "http" as const,
      address: "a",
      maxConcurrency: 0,
      bindingOptionsTimeoutMs: 1,
    };
    const config: AppConfig = {
      ...rest,
      healthCheck: { enabled: false, path: "", intervalMs: 1, timeoutMs: 1, threshold: 1 },
    };
    expect(openApp({ config, appId: "me", maxBodyBytes: 1, log: silent, clock: new FakeClock() })).toBeUndefined();
  });

  it.each<AppProtocol>(["http", "https", "h2c"])("speaks %s and sends the app's token", async (protocol) => {
    const port = await start(protocol);
    const { app } = open(port, { protocol, apiToken: "s3cret" });
    const answer = await app.send(exchange({ path: "x" }));
    expect(Buffer.from(await readBody(answer.body)).toString()).toBe("s3cret");
  });

  it("lets only as many exchanges through at once as it may, each until its answer is read", async () => {
    const inside: (() => void)[] = [];
    let most = 0;
    const { port } = await startHttpApp((_, response) => {
      inside.push(() => response.end("x"));
      most = Math.max(most, inside.length);
      // Answers only once as many as may come are in.
      if (inside.length === 2) for (const answer of inside.splice(0)) answer();
    });
    const { app } = open(port, { maxConcurrency: 2 });
    await Promise.all(Array.from({ length: 20 }, async () => readBody((await app.send(exchange())).body)));
    expect(most).toBe(2);
  });

  it("lets a caller that leaves give up its place in the queue", async () => {
    const { port } = await startHttpApp((_, response) => response.flushHeaders());
    const { app } = open(port, { maxConcurrency: 1 });
    const answer = await app.send(exchange());
    const caller = new AbortController();
    const waiting = app.send(exchange({ signal: caller.signal }));
    caller.abort();
    expect(await reasonOf(waiting)).toBe("canceled");
    answer.body.destroy();
    const next = await app.send(exchange());
    next.body.destroy();
  });

  it("says that the app does not answer when nobody listens", async () => {
    const { app } = open(await unusedPort());
    expect(await reasonOf(app.send(exchange()))).toBe("appUnreachable");
  });

  it("is healthy when the port accepts, unhealthy when the app has gone, healthy when it is back", async () => {
    const first = await startHttpApp((_, response) => response.end("x"));
    const { app, health } = open(first.port);
    const seen: boolean[] = [];
    const changes = (count: number) => expect.poll(() => seen.length, { timeout: 5000 }).toBe(count);
    health.watch((healthy) => void seen.push(healthy));
    await changes(2);
    await readBody((await app.send(exchange())).body);
    await first.stop();
    await changes(3);
    await startHttpApp((_, response) => response.end("x"), first.port);
    await changes(4);
    expect(seen).toEqual([false, true, false, true]);
  });

  it("refuses calls while the health check fails, but not the probes themselves, and sends probes no token", async () => {
    let status = 503;
    const probes: (string | undefined)[] = [];
    const url = await startHttpServer((request) => {
      if (request.url !== "/health") return { body: "x" };
      probes.push(request.headers["dapr-api-token"] as string | undefined);
      return { status };
    });
    const healthCheck = { enabled: true, path: "/health", intervalMs: 10, timeoutMs: 10, threshold: 1 };
    const { app, health } = open(Number(new URL(url).port), { healthCheck, apiToken: "s3cret", maxConcurrency: 1 });
    await expect.poll(() => probes.length).toBeGreaterThan(1);
    expect(await reasonOf(app.send(exchange()))).toBe("appUnhealthy");
    status = 204;
    await expect.poll(() => health.healthy).toBe(true);
    const answer = await app.send(exchange());
    const before = probes.length;
    await expect.poll(() => probes.length).toBeGreaterThan(before);
    answer.body.resume();
    expect(probes.every((token) => token === undefined)).toBe(true);
  });
});

async function start(protocol: AppProtocol): Promise<number> {
  if (protocol === "h2c") {
    return startHttp2App((stream, headers) => {
      stream.respond({ ":status": 200 });
      stream.end(headers["dapr-api-token"]);
    });
  }
  const tls = { cert: serverCertificate.certificate, key: serverCertificate.key };
  const answer = (request: { headers: Record<string, unknown> }) => ({
    body: String(request.headers["dapr-api-token"]),
  });
  return Number(new URL(await startHttpServer(answer, protocol === "https" ? tls : undefined)).port);
}

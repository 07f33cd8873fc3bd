import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { Dapr } from "../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { GrpcCaller } from "../support/grpc-call.ts";
import { callHttp } from "../support/http-call.ts";
import { type RunningSidecar, startSidecar } from "../support/sidecar.ts";

/** How a sidecar ends as a program: by signals, by the shutdown API, in time or by force. */

async function start(...args: string[]): Promise<RunningSidecar> {
  const sidecar = await startSidecar({ appId: "app", args: ["--dapr-listen-addresses", "127.0.0.1", ...args] });
  onTestFinished(async () => {
    await sidecar.kill9();
    await sidecar.stop();
  });
  return sidecar;
}
const exitOf = async ({ process }: RunningSidecar) => {
  const [code] = (await once(process, "exit")) as [number | null];
  return code;
};
const isAlive = async ({ httpPort }: RunningSidecar) =>
  callHttp(httpPort, { path: "/v1.0/healthz/outbound" }).then(
    () => true,
    () => false,
  );
/** The servers take no new connections: the shutdown has come that far. */
async function whenClosing(sidecar: RunningSidecar): Promise<void> {
  while (await isAlive(sidecar)) await new Promise((resolve) => setImmediate(resolve));
}

/** An app; `flags` make a sidecar use it without asking it anything at first. */
async function startApp(listener: RequestListener) {
  const app = createServer(listener).listen(0, "127.0.0.1");
  await once(app, "listening");
  onTestFinished(() => {
    app.closeAllConnections();
    app.close();
  });
  const { port } = app.address() as AddressInfo;
  return ["--app-port", String(port), "--disable-init-endpoints", "config,subscribe"];
}
/** A sidecar with a request in flight that its app does not answer. */
async function startBusy(...args: string[]) {
  const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
  const answers: (() => void)[] = [];
  const flags = await startApp((_, response) => {
    answers.push(() => response.end("done"));
    ask();
  });
  const sidecar = await start(...flags, ...args);
  const reply = callHttp(sidecar.httpPort, { path: "/v1.0/invoke/app/method/slow" });
  reply.catch(() => {});
  await asked;
  return { sidecar, reply, answer: () => answers.forEach((one) => void one()) };
}

describe("a sidecar ends with code 0", () => {
  it.each(["SIGTERM", "SIGINT"] as const)("by %s", async (signal) => {
    const sidecar = await start();
    const exit = exitOf(sidecar);
    sidecar.process.kill(signal);
    expect(await exit).toBe(0);
  });

  it("by the shutdown API over HTTP, which answers first", async () => {
    const sidecar = await start();
    const exit = exitOf(sidecar);
    expect(await callHttp(sidecar.httpPort, { verb: "POST", path: "/v1.0/shutdown" })).toMatchObject({
      status: 204,
      text: "",
    });
    expect(await exit).toBe(0);
  });

  it("by the shutdown API over gRPC, which answers first", async () => {
    const sidecar = await start();
    const exit = exitOf(sidecar);
    expect((await new GrpcCaller(`127.0.0.1:${sidecar.grpcPort}`).call(Dapr.method.shutdown, {})).code).toBe(0);
    expect(await exit).toBe(0);
  });

  it("when the request in flight has its answer", async () => {
    const { sidecar, reply, answer } = await startBusy();
    const exit = exitOf(sidecar);
    sidecar.process.kill("SIGTERM");
    await whenClosing(sidecar);
    answer();
    expect((await reply).text).toBe("done");
    expect(await exit).toBe(0);
  });
});

describe("a sidecar ends with code 1", () => {
  it("by the shutdown API when it is forced, over both wires", async () => {
    const [http, grpc] = await Promise.all([startBusy(), startBusy()]);
    const exits = Promise.all([exitOf(http.sidecar), exitOf(grpc.sidecar)]);
    const headers = { "dapr-force-shutdown": "true" };
    expect((await callHttp(http.sidecar.httpPort, { verb: "POST", path: "/v1.0/shutdown", headers })).status).toBe(204);
    expect(
      (await new GrpcCaller(`127.0.0.1:${grpc.sidecar.grpcPort}`).call(Dapr.method.shutdown, {}, headers)).code,
    ).toBe(0);
    expect(await exits).toEqual([1, 1]);
  });

  it("by a second signal, which waits for nothing", async () => {
    const { sidecar } = await startBusy("--dapr-graceful-shutdown-seconds", "60");
    const exit = exitOf(sidecar);
    sidecar.process.kill("SIGTERM");
    await whenClosing(sidecar);
    sidecar.process.kill("SIGTERM");
    expect(await exit).toBe(1);
  });

  it("when stopping takes longer than it may", async () => {
    const { sidecar } = await startBusy("--dapr-graceful-shutdown-seconds", "1");
    const exit = exitOf(sidecar);
    sidecar.process.kill("SIGTERM");
    expect(await exit).toBe(1);
    expect(sidecar.output()).toContain("shutdown took longer than 1000 ms (--dapr-graceful-shutdown-seconds)");
  });

  it("when it cannot start", async () => {
    const running = await start();
    await expect(start("--dapr-http-port", String(running.httpPort))).rejects.toThrow(
      /ended \(1\).*choose another port/s,
    );
  });
});

describe("with a block duration", () => {
  it("the API stays until the time has passed", async () => {
    const sidecar = await start("--dapr-block-shutdown-duration", "1s");
    const exit = exitOf(sidecar);
    const began = performance.now();
    sidecar.process.kill("SIGTERM");
    let answered = 0;
    while (await isAlive(sidecar)) answered++;
    expect(answered).toBeGreaterThan(0);
    expect(performance.now() - began).toBeGreaterThan(900);
    expect(await exit).toBe(0);
  });

  it("the API stays no longer than the app is healthy", async () => {
    let status = 200;
    const flags = await startApp((_, response) => response.writeHead(status).end());
    const health = ["--enable-app-health-check", "--app-health-probe-interval", "1", "--app-health-threshold", "1"];
    const sidecar = await start(...flags, ...health, "--dapr-block-shutdown-duration", "10m");
    while ((await callHttp(sidecar.httpPort, { path: "/v1.0/healthz" })).status !== 204);
    const exit = exitOf(sidecar);
    sidecar.process.kill("SIGTERM");
    expect(await isAlive(sidecar)).toBe(true);
    status = 500;
    expect(await exit).toBe(0);
  });
});

describe("SIGHUP", () => {
  it("starts the sidecar anew in the same process", async () => {
    const sidecar = await start();
    const { promise, resolve } = Promise.withResolvers<number>();
    let text = "";
    sidecar.process.stdout?.on("data", (chunk) => {
      text += String(chunk);
      const line = text.split("\n").find((one) => one.includes("dapr initialized") && one.endsWith("}"));
      if (line) resolve((JSON.parse(line) as { http: number }).http);
    });
    sidecar.process.kill("SIGHUP");
    expect((await callHttp(await promise, { path: "/v1.0/healthz/outbound" })).status).toBe(204);
    const exit = exitOf(sidecar);
    sidecar.process.kill("SIGTERM");
    expect(await exit).toBe(0);
  });
});

import { describe, expect, it, onTestFinished } from "vitest";
import { openApp } from "../../../../sidecar/app-channel/open.ts";
import { systemClock } from "../../../../sidecar/kernel/clock.ts";
import type { RawCall } from "../../../../sidecar/kernel/exchange.ts";
import type { Caller } from "../../../../sidecar/kernel/peer.ts";
import { failedAnswer } from "../../../../sidecar/kernel/status.ts";
import { PeerClient } from "../../../../sidecar/peers/client.ts";
import { openPeerServer } from "../../../../sidecar/peers/server.ts";
import { fail } from "../../../../specs/errors.ts";
import { echo, startEchoApp } from "../../../support/echo-app.ts";
import { unusedPort } from "../../../support/fake-app.ts";
import { Feed, rawCall, whole } from "../../../support/raw-calls.ts";
import { standstill } from "../../../support/standstill.ts";

const silent = { debug() {}, info() {}, warn() {}, error() {} };

/** Our client, a peer's listener, the peer's channel to its app, and the app. */
async function connected() {
  const app = await startEchoApp();
  const channel = openApp({
    config: {
      port: app.port,
      protocol: "grpc",
      address: "127.0.0.1",
      maxConcurrency: 0,
      healthCheck: { enabled: false, path: "", intervalMs: 1000, timeoutMs: 500, threshold: 1 },
      bindingOptionsTimeoutMs: 1000,
    },
    appId: "callee",
    maxBodyBytes: 4 << 20,
    log: silent,
    clock: systemClock,
  });
  const grpc = channel?.app.grpc;
  if (!grpc) throw new Error("no gRPC");
  const calls: RawCall[] = [];
  const callers: (Caller | undefined)[] = [];
  const server = await openPeerServer({
    address: "127.0.0.1",
    port: 0,
    maxBodyBytes: 4 << 20,
    log: silent,
    receive: {
      receiveHttp: () => Promise.reject(new Error("not HTTP")),
      receiveGrpc(call, caller) {
        calls.push(call);
        callers.push(caller);
        if (call.path === "/denied/Method")
          return failedAnswer(fail("invokeDenied", { id: "me", operation: call.path }));
        return grpc.call(call);
      },
    },
  });
  const client = new PeerClient(systemClock);
  onTestFinished(async () => {
    client.close();
    await server.close();
    await channel.close();
  });
  let lost = 0;
  const target = client.target("callee", `127.0.0.1:${server.port}`, () => void lost++);
  return { app, target, server, client, calls, callers, lost: () => lost };
}

describe("a gRPC call between sidecars", () => {
  it("may be of any kind, its metadata and trailers kept", async () => {
    const { target, app, callers } = await connected();
    const metadata = {
      "x-text": ["1", "2"],
      "x-some-bin": Buffer.from([1, 254]).toString("base64"),
      "dapr-caller-app-id": "shop",
    };
    const ok = { code: 0, metadata: { "x-trailer": "t" } };
    const initial = { "x-initial": "i", "x-bytes-bin": Buffer.from([0, 255]).toString("base64") };
    const run = (path: string, messages: string[]) => whole(target.call(rawCall(path, messages, { metadata })));
    expect(await run(echo.unary, ["hello"])).toMatchObject({ metadata: initial, messages: ["HELLO"], status: ok });
    expect(await run(echo.serverStream, ["3"])).toMatchObject({
      metadata: initial,
      messages: ["0", "1", "2"],
      status: ok,
    });
    expect(await run(echo.clientStream, ["a", "b"])).toMatchObject({ messages: ["a+b"], status: ok });
    expect(await run(echo.bidi, ["a", "b"])).toMatchObject({ messages: ["a", "b"], status: ok });
    expect(app.metadata.at(-1)?.get("x-text")).toEqual(["1, 2"]);
    expect(app.metadata.at(-1)?.get("x-some-bin")).toEqual([Buffer.from([1, 254])]);
    expect(callers[0]).toEqual({ appId: "shop", namespace: "" });
  });

  it("streams both ways at the same time", async () => {
    const { target } = await connected();
    const feed = new Feed();
    const answer = target.call(rawCall(echo.bidi, feed));
    const messages = answer.messages[Symbol.asyncIterator]();
    for (const word of ["one", "two", "three"]) {
      feed.push(word);
      expect(Buffer.from((await messages.next()).value as Uint8Array).toString()).toBe(word);
    }
    feed.end();
    expect((await messages.next()).done).toBe(true);
    expect((await answer.status).code).toBe(0);
  });

  it("carries messages of several megabytes", async () => {
    const { target } = await connected();
    const large = "x".repeat(3 << 20);
    expect((await whole(target.call(rawCall(echo.unary, [large])))).messages).toEqual([large.toUpperCase()]);
  });

  it("ends with the app's own status, or with that of the peer", async () => {
    const { target } = await connected();
    const failed = await whole(target.call(rawCall(echo.unary, ["fail"])));
    expect(failed).toMatchObject({
      messages: [],
      status: { code: 9, details: "not in this state, ü", metadata: { "x-trailer": "t" } },
    });
    const denied = await whole(target.call(rawCall("/denied/Method", ["x"])));
    expect(denied).toMatchObject({ messages: [], status: { code: 7 } });
    expect((await whole(target.call(rawCall("/test.Echo/Missing", ["x"])))).status.code).toBe(12);
  });

  it("is unavailable when nobody listens", async () => {
    const client = new PeerClient(systemClock);
    let lost = 0;
    const target = client.target("callee", `127.0.0.1:${await unusedPort()}`, () => void lost++);
    expect((await whole(target.call(rawCall(echo.unary, ["x"])))).status).toMatchObject({
      code: 14,
      details: expect.stringContaining("its sidecar at"),
    });
    expect(lost).toBe(1);
  });

  it("is unavailable when the peer goes down in the middle of it", async () => {
    const { target, client } = await connected();
    const answer = target.call(rawCall(echo.bidi, new Feed()));
    await answer.metadata;
    client.close();
    expect((await whole(answer)).status.code).toBe(14);
  });

  it("stops taking messages from the caller while the app does not read", async () => {
    const { target } = await connected();
    let given = 0;
    async function* endless() {
      yield Buffer.from("hang");
      for (; given < 2000; given++) yield Buffer.alloc(64 * 1024);
    }
    const caller = new AbortController();
    const answer = target.call(rawCall(echo.bidi, endless(), { signal: caller.signal }));
    await answer.metadata;
    expect(await standstill(() => given)).toBeLessThan(300);
    caller.abort();
    expect((await answer.status).code).toBe(1);
  });

  it("is cancelled at the app when its caller leaves, when its messages break off, and when its reader leaves", async () => {
    const { target, app } = await connected();
    const caller = new AbortController();
    const left = target.call(rawCall(echo.bidi, new Feed(), { signal: caller.signal }));
    await left.metadata;
    caller.abort();
    expect((await left.status).code).toBe(1);

    const feed = new Feed();
    async function* breaking() {
      yield* feed;
      throw new Error("broken");
    }
    const broken = target.call(rawCall(echo.clientStream, breaking()));
    await expect.poll(() => app.metadata.length).toBe(2);
    feed.end();
    expect((await broken.status).code).toBe(14);

    const talking = new Feed();
    const unread = target.call(rawCall(echo.bidi, talking));
    talking.push("word");
    for await (const _ of unread.messages) break;
    await expect.poll(() => app.cancelled).toBe(3);
  });

  it("takes its deadline along", async () => {
    const { target, calls } = await connected();
    const deadline = Date.now() + 40;
    const answer = target.call(rawCall(echo.bidi, new Feed(), { deadline }));
    expect((await answer.status).code).toBe(4);
    expect(Math.abs((calls[0]?.deadline ?? 0) - deadline)).toBeLessThan(30);
  });
});

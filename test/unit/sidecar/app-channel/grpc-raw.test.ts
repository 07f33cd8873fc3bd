import { describe, expect, it, onTestFinished } from "vitest";
import { openApp } from "../../../../sidecar/app-channel/open.ts";
import { systemClock } from "../../../../sidecar/kernel/clock.ts";
import type { GrpcTarget } from "../../../../sidecar/kernel/exchange.ts";
import { echo, startEchoApp } from "../../../support/echo-app.ts";
import { unusedPort } from "../../../support/fake-app.ts";
import { Feed, rawCall, whole } from "../../../support/raw-calls.ts";
import { standstill } from "../../../support/standstill.ts";

function open(port: number, maxConcurrency = 0): GrpcTarget {
  const opened = openApp({
    config: {
      port,
      protocol: "grpc",
      address: "127.0.0.1",
      maxConcurrency,
      healthCheck: { enabled: false, path: "", intervalMs: 10, timeoutMs: 500, threshold: 1 },
      bindingOptionsTimeoutMs: 3000,
      apiToken: "s3cret",
    },
    appId: "me",
    maxBodyBytes: 4 << 20,
    log: { debug() {}, info() {}, warn() {}, error() {} },
    clock: systemClock,
  });
  if (!opened?.app.grpc) throw new Error("no gRPC");
  onTestFinished(() => opened.close());
  return opened.app.grpc;
}

describe("a gRPC call passed through to the app", () => {
  it("may be of any kind", async () => {
    const app = open((await startEchoApp()).port);
    const ok = { code: 0, metadata: { "x-trailer": "t" } };
    expect(await whole(app.call(rawCall(echo.unary, ["hello"])))).toMatchObject({ messages: ["HELLO"], status: ok });
    expect(await whole(app.call(rawCall(echo.serverStream, ["3"])))).toMatchObject({
      messages: ["0", "1", "2"],
      status: ok,
    });
    expect(await whole(app.call(rawCall(echo.clientStream, ["a", "b"])))).toMatchObject({
      messages: ["a+b"],
      status: ok,
    });
    expect(await whole(app.call(rawCall(echo.bidi, ["a", "b"])))).toMatchObject({ messages: ["a", "b"], status: ok });
  });

  it("carries metadata both ways, binary values as base64, and the app's token", async () => {
    const echoApp = await startEchoApp();
    const metadata = { "x-text": ["1", "2"], "x-some-bin": Buffer.from([1, 254]).toString("base64") };
    const answer = await whole(open(echoApp.port).call(rawCall(echo.unary, ["a"], { metadata })));
    expect(answer.metadata).toMatchObject({
      "x-initial": "i",
      "x-bytes-bin": Buffer.from([0, 255]).toString("base64"),
    });
    const [seen] = echoApp.metadata;
    expect(seen?.get("x-text")).toEqual(["1, 2"]);
    expect(seen?.get("x-some-bin")).toEqual([Buffer.from([1, 254])]);
    expect(seen?.get("dapr-api-token")).toEqual(["s3cret"]);
  });

  it("streams both ways at the same time", async () => {
    const feed = new Feed();
    const answer = open((await startEchoApp()).port).call(rawCall(echo.bidi, feed));
    const messages = answer.messages[Symbol.asyncIterator]();
    for (const word of ["one", "two", "three"]) {
      feed.push(word);
      expect(Buffer.from((await messages.next()).value as Uint8Array).toString()).toBe(word);
    }
    feed.end();
    expect((await messages.next()).done).toBe(true);
    expect((await answer.status).code).toBe(0);
  });

  it("stops taking messages from the caller while the app does not read", async () => {
    let given = 0;
    async function* endless() {
      yield Buffer.from("hang");
      for (; given < 1000; given++) yield Buffer.alloc(64 * 1024);
    }
    const caller = new AbortController();
    const answer = open((await startEchoApp()).port).call(rawCall(echo.bidi, endless(), { signal: caller.signal }));
    await answer.metadata;
    expect(await standstill(() => given)).toBeLessThan(200);
    caller.abort();
    expect((await answer.status).code).toBe(1);
  });

  it("ends with the app's own status", async () => {
    const app = open((await startEchoApp()).port);
    const failed = await whole(app.call(rawCall(echo.unary, ["fail"])));
    expect(failed).toMatchObject({
      messages: [],
      status: { code: 9, details: "not in this state, ü", metadata: { "x-trailer": "t" } },
    });
    expect((await whole(app.call(rawCall("/test.Echo/Missing", ["x"])))).status.code).toBe(12);
  });

  it("ends as unavailable when nobody listens", async () => {
    const answer = await whole(open(await unusedPort()).call(rawCall(echo.unary, ["x"])));
    expect(answer.status.code).toBe(14);
  });

  it("is cancelled when its caller leaves, when its messages break off, and when its reader leaves", async () => {
    const echoApp = await startEchoApp();
    const app = open(echoApp.port);
    const caller = new AbortController();
    const left = app.call(rawCall(echo.bidi, new Feed(), { signal: caller.signal }));
    await left.metadata;
    caller.abort();
    expect((await left.status).code).toBe(1);

    const feed = new Feed();
    async function* breaking() {
      yield* feed;
      throw new Error("broken");
    }
    const broken = app.call(rawCall(echo.bidi, breaking()));
    await broken.metadata;
    feed.end();
    expect((await broken.status).code).toBe(1);

    const talking = new Feed();
    const unread = app.call(rawCall(echo.bidi, talking));
    talking.push("word");
    for await (const _ of unread.messages) break;
    expect((await unread.status).code).toBe(1);
    await expect.poll(() => echoApp.cancelled).toBe(3);
  });

  it("ends when its deadline has passed", async () => {
    const app = open((await startEchoApp()).port);
    const answer = app.call(rawCall(echo.bidi, new Feed(), { deadline: Date.now() + 30 }));
    expect((await answer.status).code).toBe(4);
  });

  it("does not reach the app when its caller has already left", async () => {
    const echoApp = await startEchoApp();
    const answer = open(echoApp.port).call(rawCall(echo.unary, ["x"], { signal: AbortSignal.abort() }));
    expect((await answer.status).code).toBe(1);
    expect(echoApp.metadata).toEqual([]);
  });

  it("holds its place until it has ended", async () => {
    const app = open((await startEchoApp()).port, 1);
    const feed = new Feed();
    const first = app.call(rawCall(echo.bidi, feed));
    await first.metadata;
    let secondEnded = false;
    const second = whole(app.call(rawCall(echo.unary, ["x"]))).finally(() => {
      secondEnded = true;
    });
    feed.push("still here");
    await first.messages[Symbol.asyncIterator]().next();
    expect(secondEnded).toBe(false);
    feed.end();
    expect((await second).messages).toEqual(["X"]);
  });
});

import { once } from "node:events";
import { join } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import type { StatusObject } from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";
import { type AnyMethod, method } from "../../../../../sidecar/kernel/method.ts";
import { Metrics } from "../../../../../sidecar/kernel/metrics.ts";
import type { Request } from "../../../../../sidecar/kernel/request.ts";
import { StatusFailure } from "../../../../../sidecar/kernel/status.ts";
import { apiAccess } from "../../../../../sidecar/wire/api-access.ts";
import { fail, type MechaError } from "../../../../../specs/errors.ts";
import { Dapr } from "../../../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { SetMetadataRequestSchema } from "../../../../../specs/gen/dapr/proto/runtime/v1/metadata_pb.js";
import { GrpcCaller, whole } from "../../../../support/grpc-call.ts";
import { startHttpServer } from "../../../../support/http-server.ts";
import { tempFolder } from "../../../../support/temp-folder.ts";
import { KeptScopedLog, pipelineOf, startGrpcWire } from "../../../../support/wires.ts";

const getState = (run: (key: string, request: Request) => unknown): AnyMethod =>
  method(Dapr.method.getState, "state", undefined, async ({ key }, request) => run(key, request) as object);
const ask = (key = "k") => [Dapr.method.getState, { storeName: "s", key }] as const;

/** Streams back the sequence numbers it is sent. */
const encrypt = (
  run: (
    messages: AsyncIterable<{ readonly payload?: { readonly seq: bigint } | undefined }>,
    request: Request,
  ) => AsyncIterable<object>,
) => method(Dapr.method.encryptAlpha1, "crypto", undefined, async (messages, request) => run(messages, request));
async function* seqs(messages: AsyncIterable<{ readonly payload?: { readonly seq: bigint } | undefined }>) {
  for await (const { payload } of messages) yield { payload: { seq: (payload?.seq ?? 0n) + 1n } };
}
const subscribe = (run: (request: Request) => AsyncIterable<object>) =>
  method(Dapr.method.subscribeConfiguration, "configuration", undefined, async (_, request) => run(request));

describe("a unary call", () => {
  it("gives the message the method made, and its headers as initial metadata", async () => {
    const wire = await startGrpcWire({
      methods: [
        getState((key, request) => {
          request.reply("metadata.a", "b");
          request.reply("not legal", "x");
          return { data: Buffer.from(key), etag: "7" };
        }),
      ],
    });
    const { code, messages, headers } = await wire.call(...ask("hi"));
    expect(code).toBe(0);
    expect(messages).toMatchObject([{ data: Buffer.from("hi"), etag: "7" }]);
    expect(headers).toMatchObject({ "metadata.a": "b" });
  });

  it("gives an empty message for an empty output", async () => {
    const wire = await startGrpcWire({ methods: [getState(() => ({}))] });
    expect(await wire.call(...ask())).toMatchObject({ code: 0, messages: [{ etag: "" }] });
  });

  it("sees the caller's metadata", async () => {
    const wire = await startGrpcWire({ methods: [getState((_, request) => ({ etag: request.header("x-own") }))] });
    expect((await wire.call(...ask(), { "x-own": "mine" })).messages).toMatchObject([{ etag: "mine" }]);
  });

  it("runs under all names of its method", async () => {
    const both = method(
      [Dapr.method.getConfiguration, Dapr.method.getConfigurationAlpha1],
      "configuration",
      undefined,
      async () => ({ items: { a: {} } }),
    );
    const wire = await startGrpcWire({ methods: [both] });
    for (const rpc of [Dapr.method.getConfiguration, Dapr.method.getConfigurationAlpha1]) {
      expect(await wire.call(rpc, {})).toMatchObject({ code: 0, messages: [{ items: { a: {} } }] });
    }
  });

  it("aborts the method's signal when its caller leaves or its deadline passes", async () => {
    const { promise, resolve } = Promise.withResolvers<AbortSignal>();
    const wire = await startGrpcWire({
      methods: [
        getState((_, request) => {
          resolve(request.signal);
          return new Promise(() => {});
        }),
      ],
    });
    const call = wire.caller.open(Dapr.method.getState);
    const answered = whole(call);
    call.write({ key: "k" });
    call.end();
    const signal = await promise;
    call.cancel();
    if (!signal.aborted) await once(signal, "abort");
    expect((await answered).code).toBe(1);
  });
});

describe("an error", () => {
  it("carries the row's code, message and details", async () => {
    const error = fail("stateTransactionUnsupported", { name: "s" });
    const wire = await startGrpcWire({ methods: [getState(() => Promise.reject(error))] });
    expect(await wire.call(...ask())).toMatchObject({
      code: 12,
      message: error.message,
      messages: [],
      details: [
        { resourceType: "state", resourceName: "s", owner: "", description: error.message },
        { links: [{ url: "mecha components --capability transaction" }] },
        { reason: "DAPR_STATE_TRANSACTIONS_NOT_SUPPORTED", domain: "dapr.io", metadata: { appID: "app" } },
      ],
    });
  });

  it("in the short form has no details", async () => {
    const wire = await startGrpcWire({ methods: [getState(() => Promise.reject(fail("badRequest", { why: "so" })))] });
    expect(await wire.call(...ask())).toMatchObject({ code: 3, message: "so", details: [] });
  });

  it("that nobody expected is internal, and its cause goes to the log only", async () => {
    const log = new KeptScopedLog();
    const wire = await startGrpcWire({
      methods: [getState(() => Promise.reject(new Error("boom", { cause: "hidden" })))],
      log,
    });
    expect(await wire.call(...ask())).toMatchObject({ code: 13, message: "boom", details: [] });
    expect(log.lines.join()).toContain("boom");
  });

  it("of a callee is handed on as it is, details included", async () => {
    const failure = new StatusFailure({ grpc: 9 }, "theirs, ü", {
      "grpc-status-details-bin": Buffer.from([8, 9]).toString("base64"),
      "x-own": "1",
    });
    const wire = await startGrpcWire({ methods: [getState(() => Promise.reject(failure))] });
    const call = wire.caller.open(Dapr.method.getState);
    const ended = new Promise<StatusObject>((resolve) => call.once("status", resolve));
    call.on("error", () => {});
    call.resume().end({ key: "k" });
    const { code, details, metadata } = await ended;
    expect({ code, details }).toEqual({ code: 9, details: "theirs, ü" });
    expect(metadata.getMap()).toMatchObject({ "x-own": "1", "grpc-status-details-bin": Buffer.from([8, 9]) });
  });
});

describe("streams", () => {
  it("answer while the caller still sends", async () => {
    const wire = await startGrpcWire({ methods: [encrypt(seqs)] });
    const call = wire.caller.open(Dapr.method.encryptAlpha1);
    for (const seq of [1n, 5n]) {
      call.write({ payload: { seq } });
      const [answer] = await once(call, "data");
      expect(answer).toMatchObject({ payload: { seq: seq + 1n } });
    }
    const answered = whole(call);
    call.end();
    expect((await answered).code).toBe(0);
  });

  it("may fail before, during and after their messages", async () => {
    for (const count of [0, 1, 2]) {
      const failing = encrypt(async function* () {
        for (let i = 0; i < count; i++) yield {};
        throw fail("cryptoRequest", { why: "enough" });
      });
      const wire = await startGrpcWire({ methods: [failing] });
      const reply = await wire.call(Dapr.method.encryptAlpha1, {});
      expect(reply).toMatchObject({ code: 3, message: "enough" });
      expect(reply.messages).toHaveLength(count);
    }
  });

  it("from the server send initial metadata before the first message", async () => {
    const wire = await startGrpcWire({
      methods: [
        subscribe(async function* (request) {
          yield { id: request.header("x-own") ?? "" };
          yield { id: "2" };
        }),
      ],
    });
    expect(await wire.call(Dapr.method.subscribeConfiguration, {}, { "x-own": "1" })).toMatchObject({
      code: 0,
      messages: [{ id: "1" }, { id: "2" }],
    });
  });

  it("end the method's generator when the caller leaves", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const wire = await startGrpcWire({
      methods: [
        subscribe(async function* (request) {
          try {
            yield { id: "1" };
            await once(request.signal, "abort");
            yield { id: "nobody reads this" };
          } finally {
            resolve();
          }
        }),
      ],
    });
    const call = wire.caller.open(Dapr.method.subscribeConfiguration);
    call.on("error", () => {});
    call.end({});
    await once(call, "data");
    call.cancel();
    await promise;
  });
});

describe("metadata", () => {
  it("may be as large and as many as the server allows", async () => {
    const run = (_: string, request: Request) => ({ etag: `${(request.header("x-large") ?? "").length}` });
    const wire = await startGrpcWire({ methods: [getState(run)], maxMetadataBytes: 200 * 1024 });
    const many = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`x-${i}`, "1"]));
    const { messages } = await wire.call(...ask(), { ...many, "x-large": "a".repeat(90 * 1024) });
    expect(messages).toMatchObject([{ etag: `${90 * 1024}` }]);
  });

  it("gives the trace in text, or in the binary form of older libraries", async () => {
    const run = (_: string, { callerTrace }: Request) => ({ etag: callerTrace?.traceparent ?? "none" });
    const wire = await startGrpcWire({ methods: [getState(run)] });
    const told = async (headers: Record<string, string | Buffer>) => (await wire.call(...ask(), headers)).messages;
    const binary = Buffer.from(`0000${"a".repeat(32)}01${"b".repeat(16)}0201`, "hex");
    const text = `00-${"c".repeat(32)}-${"d".repeat(16)}-01`;
    const inText = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`;
    expect(await told({ "grpc-trace-bin": binary })).toMatchObject([{ etag: inText }]);
    expect(await told({ "grpc-trace-bin": binary, traceparent: text })).toMatchObject([{ etag: text }]);
    expect(await told({ "grpc-trace-bin": Buffer.from("what") })).toMatchObject([{ etag: "none" }]);
  });
});

describe("messages", () => {
  it("are counted in bytes", async () => {
    const metrics = new Metrics({}, []);
    const answering = [getState(() => ({ data: Buffer.alloc(100) })), encrypt(seqs)];
    const wire = await startGrpcWire({ methods: answering, pipeline: pipelineOf({ metrics }) });
    await wire.call(...ask("k".repeat(50)));
    const payload = { payload: { seq: 0n, data: Buffer.alloc(40) } };
    await wire.call(Dapr.method.encryptAlpha1, [payload, payload]);
    const { text } = await metrics.expose();
    const sum = (method: string, way: string) =>
      Number(new RegExp(`${way}_bytes_per_rpc_sum\\{[^}]*/${method}"\\} (\\d+)`).exec(text)?.[1]);
    expect([sum("GetState", "received"), sum("GetState", "sent")]).toEqual([55, 102]);
    expect([sum("EncryptAlpha1", "received"), sum("EncryptAlpha1", "sent")]).toEqual([88, 8]);
  });

  it("over the limit are refused both ways", async () => {
    const wire = await startGrpcWire({
      methods: [getState((key) => ({ data: Buffer.alloc(key === "large" ? 2000 : 10) }))],
      maxBodyBytes: 1000,
    });
    expect((await wire.call(...ask("a".repeat(2000)))).code).toBe(8);
    expect((await wire.call(...ask("large"))).code).toBe(8);
    expect((await wire.call(...ask())).code).toBe(0);
  });

  it("that are not of the method's type are refused", async () => {
    const wire = await startGrpcWire({ methods: [getState(() => ({}))] });
    const path = "/dapr.proto.runtime.v1.Dapr/GetState";
    for (const bytes of [
      Buffer.from([0xff]),
      Buffer.from("text"),
      Buffer.from([0x12, 0x05, 0x61]),
      Buffer.from([0x12, 0x01, 0xff]),
    ]) {
      const reply = await wire.caller.callRaw(path, [bytes]);
      expect(reply.code).toBe(13);
    }
    expect((await wire.call(...ask())).code).toBe(0);
  });

  it("of another type are read as far as they fit", async () => {
    const wire = await startGrpcWire({ methods: [getState((key) => ({ etag: key }))] });
    const other = toBinary(SetMetadataRequestSchema, create(SetMetadataRequestSchema, { key: "store", value: "key" }));
    expect((await wire.caller.callRaw("/dapr.proto.runtime.v1.Dapr/GetState", [other])).messages).toHaveLength(1);
  });
});

describe("the API lists", () => {
  it("refuse a denied method with the published form, and leave others", async () => {
    const access = apiAccess({ allowed: [], denied: [{ name: "state", version: "v1", protocol: "grpc" }] });
    const query = method(Dapr.method.queryStateAlpha1, "state", undefined, async () => ({ token: "t" }));
    const wire = await startGrpcWire({ methods: [getState(() => ({})), query], access });
    const reply = await wire.call(...ask());
    expect(reply).toMatchObject({ code: 12, message: "Not Implemented" });
    const metadata = { "http.code": "501", "http.error_message": expect.stringContaining("GetState is switched") };
    expect(reply.details).toMatchObject([{ reason: "Not Implemented", domain: "dapr.io", metadata }]);
    expect((await wire.call(Dapr.method.queryStateAlpha1, {})).code).toBe(0);
  });

  it("go before the token", async () => {
    const access = apiAccess({ allowed: [], denied: [{ name: "state", version: "v1", protocol: "grpc" }] });
    const pipeline = pipelineOf({ apiToken: "secret" });
    const wire = await startGrpcWire({ methods: [getState(() => ({}))], access, pipeline });
    expect((await wire.call(...ask())).code).toBe(12);
  });
});

describe("the API token", () => {
  it("is asked for by every method, health and reflection included", async () => {
    const wire = await startGrpcWire({ methods: [getState(() => ({}))], pipeline: pipelineOf({ apiToken: "secret" }) });
    const refused = {
      code: 16,
      message: "Unauthorized",
      details: [
        {
          reason: "Unauthorized",
          domain: "dapr.io",
          metadata: { "http.code": "401", "http.error_message": "invalid api token" },
        },
      ],
    };
    expect(await wire.call(...ask())).toMatchObject(refused);
    expect(await wire.call(...ask(), { "dapr-api-token": "wrong" })).toMatchObject(refused);
    expect(await wire.caller.callRaw("/grpc.health.v1.Health/Check", [new Uint8Array()])).toMatchObject(refused);
    expect(await wire.caller.callRaw("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", [])).toMatchObject(
      refused,
    );
    expect((await wire.call(...ask(), { "dapr-api-token": "secret" })).code).toBe(0);
  });
});

describe("addresses", () => {
  it("several share one free port", async () => {
    const wire = await startGrpcWire({ methods: [getState(() => ({}))] }, ["127.0.0.1:0", "127.0.0.2:0"]);
    for (const host of ["127.0.0.1", "127.0.0.2"]) {
      expect((await new GrpcCaller(`${host}:${wire.port}`).call(...ask())).code).toBe(0);
    }
  });

  it("may be Unix sockets", async () => {
    const wire = await startGrpcWire({ methods: [getState(() => ({ etag: "1" }))] }, [
      `unix:${join(tempFolder(), "api.socket")}`,
    ]);
    expect(wire.port).toBe(0);
    expect((await wire.call(...ask())).messages).toMatchObject([{ etag: "1" }]);
  });

  it("in use are refused in words that say what to do, and none is kept", async () => {
    const taken = new URL(await startHttpServer(() => ({}))).host;
    const error = await startGrpcWire({}, ["127.0.0.1:0", taken]).then(
      () => undefined,
      (refusal: MechaError) => refusal,
    );
    expect(error?.reason).toBe("openFailed");
    expect(error?.message).toBe(
      `cannot listen on ${taken}: it is in use; choose another port or end the process that holds it`,
    );
  });

  it("that this machine has not are refused with what the system says", async () => {
    await expect(startGrpcWire({}, ["192.0.2.1:0"])).rejects.toThrow(
      "cannot listen on 192.0.2.1:0: listen EADDRNOTAVAIL",
    );
  });
});

describe("closing", () => {
  it("waits for calls in flight", async () => {
    const { promise: started, resolve: start } = Promise.withResolvers<void>();
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const wire = await startGrpcWire({
      methods: [
        getState(async () => {
          start();
          await released;
          return { etag: "1" };
        }),
      ],
    });
    const reply = wire.call(...ask());
    await started;
    const closing = wire.close(10_000);
    release();
    expect(await reply).toMatchObject({ code: 0, messages: [{ etag: "1" }] });
    await closing;
    expect((await new GrpcCaller(`127.0.0.1:${wire.port}`).call(...ask())).code).toBe(14);
  });

  it("cuts those that take longer than it may", async () => {
    const { promise: started, resolve: start } = Promise.withResolvers<void>();
    const wire = await startGrpcWire({
      methods: [
        getState(() => {
          start();
          return new Promise(() => {});
        }),
      ],
    });
    const reply = wire.call(...ask());
    await started;
    await wire.close(1);
    expect((await reply).code).not.toBe(0);
  });
});

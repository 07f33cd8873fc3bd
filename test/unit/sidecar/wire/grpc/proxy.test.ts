import { once } from "node:events";
import type { StatusObject } from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";
import type { InvokeProxy, RawAnswer, RawCall } from "../../../../../sidecar/kernel/exchange.ts";
import { method } from "../../../../../sidecar/kernel/method.ts";
import { failedAnswer } from "../../../../../sidecar/kernel/status.ts";
import { fail } from "../../../../../specs/errors.ts";
import { Dapr } from "../../../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { whole } from "../../../../support/grpc-call.ts";
import { pipelineOf, startGrpcWire } from "../../../../support/wires.ts";

const proxyOf = (grpc: (call: RawCall) => RawAnswer): InvokeProxy => ({
  grpc,
  http: () => Promise.reject(new Error("not over HTTP")),
});

/** Sends every message back, then a status. */
const echo = (call: RawCall, status: Partial<Awaited<RawAnswer["status"]>> = {}): RawAnswer => {
  const { promise, resolve } = Promise.withResolvers<Awaited<RawAnswer["status"]>>();
  async function* back() {
    for await (const message of call.messages) yield Buffer.from(`<${Buffer.from(message).toString()}>`);
    resolve({ code: 0, details: "", metadata: {}, ...status });
  }
  return { metadata: Promise.resolve({ "x-initial": "i" }), messages: back(), status: promise };
};

const texts = (messages: readonly unknown[]) => messages.map(String);
const path = "/their.Service/Method";

describe("a call of a service that is not ours", () => {
  it("goes to the proxy as bytes, with its metadata but without our token", async () => {
    const seen: RawCall[] = [];
    const proxy = proxyOf((call) => {
      seen.push(call);
      return echo(call);
    });
    const wire = await startGrpcWire({ proxy, pipeline: pipelineOf({ apiToken: "t" }) });
    const reply = await wire.caller.callRaw(path, [Buffer.from("a"), Buffer.from("b"), Buffer.alloc(0)], {
      "dapr-app-id": "other",
      "dapr-api-token": "t",
    });
    expect(texts(reply.messages)).toEqual(["<a>", "<b>", "<>"]);
    expect(reply).toMatchObject({ code: 0, headers: { "x-initial": "i" } });
    expect(seen[0]).toMatchObject({
      path,
      metadata: { "dapr-app-id": "other", traceparent: expect.stringMatching(/^00-/) },
      deadline: undefined,
    });
    expect(seen[0]?.metadata).not.toHaveProperty("dapr-api-token");
  });

  it("is answered message by message while the caller still sends", async () => {
    const wire = await startGrpcWire({ proxy: proxyOf(echo) });
    const call = wire.caller.openRaw(path);
    for (const text of ["a", "b"]) {
      call.write(Buffer.from(text));
      expect(String((await once(call, "data"))[0])).toBe(`<${text}>`);
    }
    const answered = whole(call as never);
    call.end();
    expect((await answered).code).toBe(0);
  });

  it("ends with the callee's status and trailers", async () => {
    const wire = await startGrpcWire({
      proxy: proxyOf((call) =>
        echo(call, { code: 9, details: "no, ü", metadata: { "x-trailer": "t", "grpc-status-details-bin": "CAk=" } }),
      ),
    });
    const call = wire.caller.openRaw(path);
    call.on("error", () => {});
    const ended = new Promise<StatusObject>((resolve) => call.once("status", resolve));
    call.resume().end(Buffer.from("a"));
    const { code, details, metadata } = await ended;
    expect({ code, details }).toEqual({ code: 9, details: "no, ü" });
    expect(metadata.getMap()).toMatchObject({ "x-trailer": "t", "grpc-status-details-bin": Buffer.from([8, 9]) });
  });

  it("knows its deadline", async () => {
    const { promise, resolve } = Promise.withResolvers<number | undefined>();
    const wire = await startGrpcWire({
      proxy: proxyOf((call) => {
        resolve(call.deadline);
        return echo(call);
      }),
    });
    const deadline = Date.now() + 60_000;
    const same = (bytes: Uint8Array) => Buffer.from(bytes);
    wire.caller.client.makeUnaryRequest(path, same, same, Buffer.alloc(0), { deadline }, () => {});
    expect(Math.abs(((await promise) ?? 0) - deadline)).toBeLessThan(2_000);
  });

  it("is aborted when its caller leaves", async () => {
    const { promise, resolve } = Promise.withResolvers<AbortSignal>();
    const wire = await startGrpcWire({
      proxy: proxyOf((call) => {
        resolve(call.signal);
        return echo(call);
      }),
    });
    const call = wire.caller.openRaw(path);
    call.on("error", () => {});
    const signal = await promise;
    call.cancel();
    if (!signal.aborted) await once(signal, "abort");
  });

  it("that the proxy refuses ends with its reason", async () => {
    const wire = await startGrpcWire({
      proxy: proxyOf(({ path: method }) => failedAnswer(fail("proxyNoTarget", { method }))),
    });
    expect(await wire.caller.callRaw(path, [Buffer.from("a")])).toMatchObject({
      code: 12,
      message: expect.stringContaining(path),
    });
  });

  it("survives a proxy that throws, and metadata that never was", async () => {
    let broken: (call: RawCall) => RawAnswer = () => {
      throw new Error("oops");
    };
    const wire = await startGrpcWire({ proxy: proxyOf((call) => broken(call)) });
    expect(await wire.caller.callRaw(path, [])).toMatchObject({ code: 13, message: "oops" });
    broken = (call) => ({ ...echo(call), metadata: Promise.reject(new Error("no metadata")) });
    expect((await wire.caller.callRaw(path, [])).code).toBe(0);
    expect(await wire.caller.callRaw(path, [Buffer.from("a")])).toMatchObject({ code: 13, message: "no metadata" });
  });

  it("carries metadata that gRPC cannot carry as far as it can", async () => {
    const wire = await startGrpcWire({
      proxy: proxyOf((call) => ({
        ...echo(call),
        metadata: Promise.resolve({ "a b": "1", fine: "2", connection: "close", price: "€" }),
      })),
    });
    const reply = await wire.caller.callRaw(path, [Buffer.from("a")]);
    expect(reply).toMatchObject({ code: 0, headers: { fine: "2" } });
    expect(reply.headers).not.toHaveProperty("price");
  });

  it("is refused without a proxy, as is a method that our own service does not have", async () => {
    const methods = [method(Dapr.method.getState, "state", undefined, async () => ({}))];
    const alone = await startGrpcWire({ methods });
    expect((await alone.caller.callRaw(path, [])).code).toBe(12);
    expect((await alone.caller.callRaw("/dapr.proto.runtime.v1.Dapr/NoSuch", [])).code).toBe(12);
  });
});

import { connect, constants } from "node:http2";
import type { DescMethod } from "@bufbuild/protobuf";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { InProcessSidecar } from "../support/in-process-sidecar.ts";
import { betrayals, expectAlive, startBench } from "./bad-input/bench.ts";
import { badCalls, notProtobuf, notUtf8, unary } from "./bad-input/grpc-requests.ts";

/** Whatever comes in over gRPC, the status says what is wrong, and the sidecar lives on. */

let bench: InProcessSidecar;
beforeAll(async () => {
  bench = await startBench();
});
afterAll(() => bench.stop());

const pathOf = (rpc: DescMethod) => `/${rpc.parent.typeName}/${rpc.name}`;

describe("gRPC calls that ask for nonsense", () => {
  it.each(badCalls)("$name", async ({ rpc, messages, codes }) => {
    const reply = await bench.grpc.call(rpc as DescMethod, messages as never);
    expect(codes, reply.message).toContain(reply.code);
    expect(reply.message).toMatch(/\S/);
    expect(reply.message).not.toMatch(betrayals);
    await expectAlive(bench);
  });

  it.each(unary)("$name of bytes that are no message", async (rpc) => {
    for (const [what, bytes] of Object.entries({ ...notProtobuf, "a text that is not UTF-8": notUtf8 })) {
      const { code, message } = await bench.grpc.callRaw(pathOf(rpc), [bytes]);
      expect([what, code, message]).toEqual([what, 13, expect.stringMatching(/the request is no |deserializing/)]);
    }
    await expectAlive(bench);
  });

  it("unknown services and methods", async () => {
    for (const path of [
      "/dapr.proto.runtime.v1.Dapr/Fly",
      "/no.such.Service/Method",
      "/x",
      "/",
      "//",
      "/dapr.proto.runtime.v1.Dapr",
    ]) {
      const { code, message } = await bench.grpc.callRaw(path, [new Uint8Array()]);
      expect([path, code]).toEqual([path, 12]);
      expect(message).toMatch(/\S/);
    }
    await expectAlive(bench);
  });

  it("no message, and two, where one is wanted", async () => {
    expect((await bench.grpc.callRaw("/dapr.proto.runtime.v1.Dapr/GetState", [])).code).not.toBe(0);
    expect(
      (await bench.grpc.callRaw("/dapr.proto.runtime.v1.Dapr/SetMetadata", [new Uint8Array(), new Uint8Array()])).code,
    ).not.toBe(2);
    await expectAlive(bench);
  });

  it("a message over the limit", async () => {
    const large = Buffer.alloc(70_000, 1);
    expect((await bench.grpc.callRaw("/dapr.proto.runtime.v1.Dapr/GetState", [large])).code).toBe(8);
    expect((await bench.grpc.callRaw("/dapr.proto.runtime.v1.Dapr/EncryptAlpha1", [large])).code).toBe(8);
    await expectAlive(bench);
  });

  it("bytes made up at random", async () => {
    const rpcs = fc.constantFrom<DescMethod[]>(...unary);
    await fc.assert(
      fc.asyncProperty(rpcs, fc.uint8Array(), async (rpc, bytes) => {
        const { code, message } = await bench.grpc.callRaw(pathOf(rpc), [bytes]);
        if (code !== 0) expect(message).not.toMatch(betrayals);
        expect([2, 14]).not.toContain(code);
      }),
      { numRuns: 150, interruptAfterTimeLimit: 8000 },
    );
    await expectAlive(bench);
  });
});

describe("gRPC that lies about its frames", () => {
  const call = (headers: Record<string, string>, body: Uint8Array) =>
    new Promise<Record<string, unknown>>((resolve) => {
      const session = connect(`http://127.0.0.1:${bench.grpcPort}`);
      session.on("error", () => {});
      const standard = {
        ":method": "POST",
        ":path": "/dapr.proto.runtime.v1.Dapr/GetState",
        "content-type": "application/grpc",
        te: "trailers",
      };
      const stream = session.request({ ...standard, ...headers });
      let answer: Record<string, unknown> = {};
      stream.on("response", (one) => (answer = { ...answer, ...one }));
      stream.on("trailers", (one) => (answer = { ...answer, ...one }));
      stream.on("error", () => {});
      stream.on("close", () => {
        session.destroy();
        resolve({ ...answer, rst: stream.rstCode });
      });
      stream.resume();
      stream.end(body);
    });
  const framed = (compressed: number, length: number, payload = Buffer.alloc(0)) => {
    const head = Buffer.alloc(5);
    head.writeUInt8(compressed, 0);
    head.writeUInt32BE(length, 1);
    return Buffer.concat([head, payload]);
  };

  it.each([
    ["half a frame", {}, Buffer.from([0, 0])],
    ["a frame shorter than it says", {}, framed(0, 100, Buffer.from("abc"))],
    ["a frame that no memory holds", {}, framed(0, 0xffffffff)],
    ["a message said to be compressed", {}, framed(1, 3, Buffer.from("abc"))],
    ["a message said to be in gzip", { "grpc-encoding": "gzip" }, framed(1, 3, Buffer.from("abc"))],
    ["an encoding nobody knows", { "grpc-encoding": "cow" }, framed(1, 3, Buffer.from("abc"))],
    ["a compression flag nobody knows", {}, framed(7, 3, Buffer.from("abc"))],
    ["no body", {}, Buffer.alloc(0)],
    ["a time-out in words", { "grpc-timeout": "soon" }, framed(0, 0)],
    ["a time-out that has passed", { "grpc-timeout": "0n" }, framed(0, 0)],
    ["a time-out without end", { "grpc-timeout": "99999999999H" }, framed(0, 0)],
    ["metadata that is no base64", { "x-bin": "%%%" }, framed(0, 0)],
  ])("%s", async (_, headers, body) => {
    const answer = await call(headers, body);
    expect(answer["grpc-status"] !== "0" || answer["rst"] !== constants.NGHTTP2_NO_ERROR).toBe(true);
    await expectAlive(bench);
  });

  it.each([
    ["another content type", { "content-type": "application/json" }, 415],
    ["no content type", { "content-type": "" }, 415],
  ])("%s", async (_, headers, status) => {
    expect((await call(headers, framed(0, 0)))[":status"]).toBe(status);
    await expectAlive(bench);
  });

  it.each(["GET", "PUT"])("the verb %s", async (verb) => {
    await call({ ":method": verb }, framed(0, 0));
    await expectAlive(bench);
  });
});

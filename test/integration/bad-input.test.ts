import { mkdtempSync, rmSync } from "node:fs";
import { connect, constants } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DescMethod } from "@bufbuild/protobuf";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type HttpAsk, type HttpReply, RawConnection } from "../support/http-call.ts";
import { component, type InProcessSidecar, startInProcess } from "../support/in-process-sidecar.ts";
import { badCalls, notProtobuf, notUtf8, unary } from "./bad-input/grpc-requests.ts";
import {
  type BadRequest,
  badBodies,
  badEncodings,
  badFields,
  endpoints,
  oddities,
  wrongVerbs,
} from "./bad-input/http-requests.ts";
import { abandoned, brokenHttp1, brokenHttp2, frame, http2Preface } from "./bad-input/raw-http.ts";

/** Whatever comes in, the answer says what is wrong in the published form, and the sidecar lives on. */

const files = mkdtempSync(join(tmpdir(), "mecha-bad-input-"));
let bench: InProcessSidecar;
beforeAll(async () => {
  bench = await startInProcess({
    args: ["--max-body-size", "64Ki"],
    env: { MECHA_TEST_SECRET: "x" },
    resources: {
      "store.yaml": component("store", "state.in-memory"),
      "bus.yaml": component("bus", "pubsub.in-memory"),
      "files.yaml": component("files", "bindings.localstorage", { rootPath: files }),
      "vault.yaml": component("vault", "secretstores.local.env"),
      "config.yaml": component("config", "configuration.in-memory"),
      "locks.yaml": component("locks", "lock.in-memory"),
      "keys.yaml": component("keys", "crypto.in-memory"),
      "echo.yaml": component("echo", "conversation.echo"),
    },
  });
});
afterAll(async () => {
  await bench.stop();
  rmSync(files, { recursive: true, force: true });
});

/** Both wires still do their work. */
async function expectAlive(): Promise<void> {
  const key = `alive-${Math.random()}`;
  const saved = await bench.http({
    verb: "POST",
    path: "/v1.0/state/store",
    body: JSON.stringify([{ key, value: 1 }]),
  });
  expect(saved.status).toBe(204);
  const { code, messages } = await bench.grpc.callRaw("/dapr.proto.runtime.v1.Dapr/GetState", [
    Buffer.concat([Buffer.from([0x0a, 5]), Buffer.from("store"), Buffer.from([0x12, key.length]), Buffer.from(key)]),
  ]);
  expect([code, messages.length]).toEqual([0, 1]);
}

/** Words that only our own mistakes would bring into a message. */
const betrayals =
  /cannot read prop|is not a function|is not iterable|undefined|maximum call stack|\[object|at .*\.ts:\d+|cannot (mix|convert)/i;

function expectErrorForm(reply: HttpReply): void {
  if (reply.headers["content-type"]?.startsWith("text/plain")) {
    expect(reply.status).toBe(400);
    expect(reply.text).not.toBe("");
    return;
  }
  expect(reply.headers["content-type"]).toBe("application/json");
  const { errorCode, message, details } = reply.json() as { errorCode?: unknown; message?: unknown; details?: unknown };
  expect(errorCode).toMatch(/^(ERR|DAPR)_[A-Z_]+$/);
  expect(message).toMatch(/\S/);
  expect(message).not.toMatch(betrayals);
  if (details !== undefined)
    expect(details).toEqual(expect.arrayContaining([expect.objectContaining({ "@type": expect.any(String) })]));
}

/** A few dozen requests are a test, so that a failure names its table and each request its line. */
async function expectRefused(requests: readonly BadRequest[]): Promise<void> {
  for (const [index, { name, ask, statuses = [400] }] of requests.entries()) {
    const reply = await bench.http(ask);
    expect.soft(statuses, `${name}: ${reply.status} ${reply.text}`).toContain(reply.status);
    if (reply.status >= 300) expectErrorForm(reply);
    if (index % 20 === 0) await expectAlive();
  }
  await expectAlive();
}

it("the tables hold more than three hundred requests", () => {
  const http = [badBodies, badFields, wrongVerbs, badEncodings, oddities].map((table) => table.length);
  const raw = [brokenHttp1, brokenHttp2, abandoned].map((table) => Object.keys(table).length);
  const grpc = badCalls.length + unary.length * (Object.keys(notProtobuf).length + 1);
  expect([...http, ...raw, grpc].reduce((sum, count) => sum + count)).toBeGreaterThan(1000);
});

describe("requests that ask for nonsense", () => {
  it("by a body that cannot be read are refused", () => expectRefused(badBodies));
  it("by a field of a wrong type, or without one they need, are refused", () => expectRefused(badFields));
  it("by a verb that a path does not take are refused", () => expectRefused(wrongVerbs));
  it("by a path that cannot be decoded are refused", () => expectRefused(badEncodings));
  it("in some other way are refused", () => expectRefused(oddities));

  it("are taken when they make sense", async () => {
    for (const { verb, path, good } of endpoints) {
      const reply = await bench.http({ verb, path, body: JSON.stringify(good) });
      // Some of these name keys or text that only a complete request would have.
      if (!/subtlecrypto|jobs/.test(path))
        expect([path, reply.text, reply.status < 300]).toEqual([path, reply.text, true]);
    }
  });
});

describe("requests made up at random", () => {
  const text = fc.oneof(
    fc.string(),
    fc.string({ unit: "binary" }),
    fc.constantFrom("store", "k", "||", "__proto__", "constructor", "%00", "ü"),
  );
  const segment = text.map((one) => encodeURIComponent(one.toWellFormed()));
  const endpoint = fc.constantFrom(...endpoints);
  const send = async (ask: HttpAsk) => {
    const reply = await bench.http(ask);
    if (reply.status >= 300) expectErrorForm(reply);
  };
  const runs = { numRuns: 150, interruptAfterTimeLimit: 8000 };

  it("of JSON are taken or refused", async () => {
    await fc.assert(
      fc.asyncProperty(endpoint, fc.jsonValue(), ({ verb, path }, value) =>
        send({ verb, path, body: JSON.stringify(value) }),
      ),
      runs,
    );
    await expectAlive();
  });

  it("of JSON with the right names and wrong values are taken or refused", async () => {
    const fields = endpoints.flatMap(({ wrong }) => Object.keys(wrong ?? {}));
    const record = fc.dictionary(fc.constantFrom(...fields, "__proto__", "value"), fc.jsonValue());
    const body = fc.oneof(record, fc.array(record));
    await fc.assert(
      fc.asyncProperty(endpoint, body, ({ verb, path }, value) => send({ verb, path, body: JSON.stringify(value) })),
      runs,
    );
    await expectAlive();
  });

  it("of bytes are taken or refused", async () => {
    await fc.assert(
      fc.asyncProperty(endpoint, fc.uint8Array({ minLength: 1 }), ({ verb, path }, body) => send({ verb, path, body })),
      runs,
    );
    await expectAlive();
  });

  it("of paths and queries are taken or refused", async () => {
    const root = fc.constantFrom(
      "/v1.0/state",
      "/v1.0/secrets",
      "/v1.0/configuration",
      "/v1.0/publish",
      "/v1.0/invoke",
      "/v1.0-alpha1",
      "/v1.0/actors",
      "",
    );
    const path = fc.tuple(root, fc.array(segment, { maxLength: 5 }), fc.dictionary(segment, segment, { maxKeys: 3 }));
    const verb = fc.constantFrom("GET", "POST", "PUT", "DELETE");
    await fc.assert(
      fc.asyncProperty(verb, path, (chosen, [start, segments, query]) => {
        const search = Object.entries(query).map(([key, value]) => `metadata.${key}=${value}`);
        return send({ verb: chosen, path: `${start}/${segments.join("/")}?${search.join("&")}` });
      }),
      runs,
    );
    await expectAlive();
  });

  it("of gRPC messages are taken or refused", async () => {
    const rpcs = fc.constantFrom<DescMethod[]>(...unary);
    await fc.assert(
      fc.asyncProperty(rpcs, fc.uint8Array(), async (rpc, bytes) => {
        const { code, message } = await bench.grpc.callRaw(pathOf(rpc), [bytes]);
        if (code !== 0) expect(message).not.toMatch(betrayals);
        expect([2, 14]).not.toContain(code);
      }),
      runs,
    );
    await expectAlive();
  });
});

describe("bytes that break HTTP/1.1", () => {
  it.each(Object.entries(brokenHttp1))("%s", async (_, bytes) => {
    const raw = new RawConnection(bench.httpPort).write(bytes);
    raw.socket.end();
    const answered = (await raw.closed()).match(/^HTTP\/1.1 (\d+)/gm) ?? [];
    // The last word is a refusal, or there is none and the connection is closed.
    if (answered.length > 0) expect(answered.at(-1)).toMatch(/ (400|404|413|417|431|501)$/);
    await expectAlive();
  });

  it.each(Object.entries(abandoned))("a sender who leaves after %s", async (_, bytes) => {
    const raw = new RawConnection(bench.httpPort);
    await new Promise((resolve) => raw.socket.write(bytes || "\r\n", resolve));
    raw.destroy();
    await expectAlive();
  });
});

describe("frames that break HTTP/2", () => {
  const settings = frame(4, 0, 0);

  it.each(Object.entries(brokenHttp2))("%s", async (_, bytes) => {
    for (const port of [bench.httpPort, bench.grpcPort]) {
      const raw = new RawConnection(port).write(http2Preface).write(settings).write(bytes);
      raw.socket.end();
      await raw.closed();
    }
    await expectAlive();
  });
});

const pathOf = (rpc: DescMethod) => `/${rpc.parent.typeName}/${rpc.name}`;

describe("gRPC calls that ask for nonsense", () => {
  it.each(badCalls)("$name", async ({ rpc, messages, codes }) => {
    const reply = await bench.grpc.call(rpc as DescMethod, messages as never);
    expect(codes, reply.message).toContain(reply.code);
    expect(reply.message).toMatch(/\S/);
    expect(reply.message).not.toMatch(betrayals);
    await expectAlive();
  });

  it.each(unary)("$name of bytes that are no message", async (rpc) => {
    for (const [what, bytes] of Object.entries({ ...notProtobuf, "a text that is not UTF-8": notUtf8 })) {
      const { code, message } = await bench.grpc.callRaw(pathOf(rpc), [bytes]);
      expect([what, code, message]).toEqual([what, 13, expect.stringContaining("deserializing")]);
    }
    await expectAlive();
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
    await expectAlive();
  });

  it("no message, and two, where one is wanted", async () => {
    expect((await bench.grpc.callRaw("/dapr.proto.runtime.v1.Dapr/GetState", [])).code).not.toBe(0);
    expect(
      (await bench.grpc.callRaw("/dapr.proto.runtime.v1.Dapr/SetMetadata", [new Uint8Array(), new Uint8Array()])).code,
    ).not.toBe(2);
    await expectAlive();
  });

  it("a message over the limit", async () => {
    const large = Buffer.alloc(70_000, 1);
    expect((await bench.grpc.callRaw("/dapr.proto.runtime.v1.Dapr/GetState", [large])).code).toBe(8);
    expect((await bench.grpc.callRaw("/dapr.proto.runtime.v1.Dapr/EncryptAlpha1", [large])).code).toBe(8);
    await expectAlive();
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
    await expectAlive();
  });

  it.each([
    ["another content type", { "content-type": "application/json" }, 415],
    ["no content type", { "content-type": "" }, 415],
  ])("%s", async (_, headers, status) => {
    expect((await call(headers, framed(0, 0)))[":status"]).toBe(status);
    await expectAlive();
  });

  it.each(["GET", "PUT"])("the verb %s", async (verb) => {
    await call({ ":method": verb }, framed(0, 0));
    await expectAlive();
  });
});

import { once } from "node:events";
import { request as httpRequest } from "node:http";
import type { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { asStream, readBody } from "../../../../../sidecar/kernel/body.ts";
import type { Incoming, InvokeProxy } from "../../../../../sidecar/kernel/exchange.ts";
import { type AnyMethod, type HttpShape, method, type Route } from "../../../../../sidecar/kernel/method.ts";
import type { Request } from "../../../../../sidecar/kernel/request.ts";
import { apiAccess } from "../../../../../sidecar/wire/api-access.ts";
import { fail } from "../../../../../specs/errors.ts";
import { Dapr } from "../../../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { RawConnection } from "../../../../support/http-call.ts";
import { pipelineOf, startHttpWire } from "../../../../support/wires.ts";

type GetState = typeof Dapr.method.getState;
type SaveState = typeof Dapr.method.saveState;

const getState = (
  run: (key: string, request: Request) => unknown,
  part: Partial<HttpShape<GetState>> = {},
): AnyMethod =>
  method(
    Dapr.method.getState,
    "state",
    { verbs: ["GET"], paths: ["/v1.0/state/:storeName/:key"], ...part },
    async (input, request) => run(input.key, request) as object,
  );

/** Answers with its whole input, for looking at what was decoded. */
const mirror = (paths: readonly string[], part: Partial<HttpShape<SaveState>> = {}): AnyMethod =>
  method(
    Dapr.method.saveState,
    "state",
    {
      verbs: ["POST", "PUT"],
      paths,
      input: (http) => ({
        storeName: JSON.stringify({ ...http, params: { ...http.params }, body: Buffer.from(http.body).toString() }),
      }),
      output: (_, http) => ({
        status: 200,
        body: JSON.stringify({ route: http.route, params: http.params, body: Buffer.from(http.body).toString() }),
      }),
      ...part,
    },
    async () => ({}),
  );

const proxyOf = (
  http: (incoming: Incoming) => Promise<{ status?: number; headers?: Record<string, string>; text?: string }>,
): InvokeProxy => ({
  async http(incoming) {
    const { status = 200, headers = {}, text = "" } = await http(incoming);
    return { status, headers, body: asStream(Buffer.from(text)) };
  },
  grpc: () => {
    throw new Error("not over gRPC");
  },
});

describe("routing", () => {
  it.each([
    ["/v1.0/x/a/b", { p: "a", "*": "b" }],
    ["/v1.0/x/a/b/c/d", { p: "a", "*": "b/c/d" }],
    ["/v1.0/x/a%2Fb/c", { p: "a/b", "*": "c" }],
    ["/v1.0/x/a%252Fb/c", { p: "a%2Fb", "*": "c" }],
    ["/v1.0/x/a+b/c+d", { p: "a b", "*": "c d" }],
    ["/v1.0/x/a%2Bb/c", { p: "a+b", "*": "c" }],
    ["/v1.0/x/%C3%BC/%E2%82%AC", { p: "ü", "*": "€" }],
    ["/v1.0//x/./a/../b/c", { p: "b", "*": "c" }],
    ["/v1.0/x/a%00b/c", { p: "a\0b", "*": "c" }],
    ["/v1.0/x/a%3Fb/c%23d", { p: "a?b", "*": "c#d" }],
    ["/v1.0/x/a:b;c/d", { p: "a:b;c", "*": "d" }],
    ["/v1.0/x/__proto__/constructor", { p: "__proto__", "*": "constructor" }],
  ])("decodes the parameters of %s", async (path, params) => {
    const wire = await startHttpWire({ methods: [mirror(["/v1.0/x/:p/*"])] });
    expect((await wire.call({ verb: "POST", path })).json()).toMatchObject({ params });
  });

  it.each(["/v1.0/x/%/b", "/v1.0/x/%zz/b", "/v1.0/x/%E0%A4%A/b", "/v1.0/x/a/%C3", "/%"])(
    "refuses %s in plain text",
    async (path) => {
      const wire = await startHttpWire({ methods: [mirror(["/v1.0/x/:p/*"])] });
      const reply = await wire.call({ verb: "POST", path });
      expect(reply.status).toBe(400);
      expect(reply.headers["content-type"]).toBe("text/plain; charset=utf-8");
    },
  );

  it("leaves a slash at the end to the wildcard", async () => {
    const wire = await startHttpWire({ methods: [mirror(["/v1.0/x/:p/*"])] });
    const restOf = async (path: string) =>
      ((await wire.call({ verb: "POST", path })).json() as { params?: Record<string, string> }).params?.["*"];
    expect([await restOf("/v1.0/x/a/b/"), await restOf("/v1.0/x/a/"), await restOf("/v1.0/x/a")]).toEqual([
      "b/",
      "",
      undefined,
    ]);
  });

  it("prefers a fixed segment to a parameter and takes a trailing slash", async () => {
    const wire = await startHttpWire({
      methods: [mirror(["/v1.0/state/:storeName"]), mirror(["/v1.0/state/:storeName/bulk"])],
    });
    const routeOf = async (path: string) =>
      ((await wire.call({ verb: "POST", path })).json() as { route: string }).route;
    expect(await routeOf("/v1.0/state/s/bulk")).toBe("/v1.0/state/:storeName/bulk");
    expect(await routeOf("/v1.0/state/s/")).toBe("/v1.0/state/:storeName");
    expect(await routeOf("/v1.0/state/s")).toBe("/v1.0/state/:storeName");
  });

  it("takes requests in absolute form", async () => {
    const wire = await startHttpWire({ methods: [mirror(["/v1.0/x/:p/*"])] });
    const reply = await wire.call({ verb: "PUT", path: "http://localhost:3500/v1.0/x/a/b" });
    expect(reply.json()).toMatchObject({ params: { p: "a", "*": "b" } });
  });

  it("takes bodies of any content type, and none", async () => {
    const wire = await startHttpWire({ methods: [mirror(["/v1.0/x"])] });
    for (const type of [
      "application/json",
      "text/plain",
      "application/x-www-form-urlencoded",
      "nonsense",
      "a/b; charset=utf-16",
    ]) {
      const headers = { "content-type": type };
      expect((await wire.call({ verb: "POST", path: "/v1.0/x", headers, body: "{" })).json()).toMatchObject({
        body: "{",
      });
    }
    expect((await wire.call({ verb: "POST", path: "/v1.0/x" })).json()).toMatchObject({ body: "" });
    expect((await wire.call({ verb: "POST", path: "/v1.0/x", body: "" })).json()).toMatchObject({ body: "" });
  });

  it("does not mount what the Configuration denies", async () => {
    const access = apiAccess({ allowed: [], denied: [{ name: "state", version: "v1", protocol: "http" }] });
    const wire = await startHttpWire({ methods: [getState(() => ({ etag: "1" }))], access });
    expect((await wire.call({ path: "/v1.0/state/s/k" })).status).toBe(404);
  });
});

describe("what is not a path of ours", () => {
  it("goes to the proxy as it was sent, without our token", async () => {
    const seen: Incoming[] = [];
    const proxy = proxyOf(async (incoming) => {
      seen.push(incoming);
      return { status: 299, headers: { "x-app": "1" }, text: Buffer.from(await readBody(incoming.body)).toString() };
    });
    const wire = await startHttpWire({ proxy, pipeline: pipelineOf({ apiToken: "t" }) });
    const path = "/v1.0/invoke/http:%2F%2Fa//b/../c?d=%2F+e";
    const headers = { "dapr-api-token": "t", "x-many": ["1", "2"], "X-Upper": "3" };
    const reply = await wire.call({ verb: "PATCH", path, headers, body: "hi" });
    expect(reply).toMatchObject({ status: 299, text: "hi", headers: { "x-app": "1" } });
    expect(seen[0]).toMatchObject({ verb: "PATCH", url: path, headers: { "x-many": ["1", "2"], "x-upper": "3" } });
    expect(seen[0]?.headers).not.toHaveProperty("dapr-api-token");
    expect(seen[0]?.remoteAddress).toContain("127.0.0.1");
  });

  it.each(["GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "LOCK", "QUERY", "M-SEARCH", "PURGE"])(
    "takes %s",
    async (verb) => {
      const wire = await startHttpWire({
        proxy: proxyOf(async (incoming) => ({ headers: { "x-verb": incoming.verb } })),
      });
      for (const body of [undefined, "text"]) {
        const reply = await wire.call({ verb, path: "/anything", body });
        expect(reply.status).toBe(200);
        expect(reply.headers["x-verb"]).toBe(verb);
      }
    },
  );

  it("has no body unless the request has one", async () => {
    const bodies: unknown[] = [];
    const wire = await startHttpWire({
      proxy: proxyOf(async ({ body }) => {
        bodies.push(body);
        return {};
      }),
    });
    await wire.call({ path: "/a" });
    await wire.call({ verb: "POST", path: "/a", body: "" });
    expect(bodies).toEqual([undefined, undefined]);
  });

  it("is refused where there is no proxy", async () => {
    const wire = await startHttpWire({});
    const reply = await wire.call({ path: "/nothing/here?a=b" });
    expect(reply.status).toBe(404);
    expect(reply.json()).toMatchObject({
      errorCode: "ERR_DIRECT_INVOKE",
      message: expect.stringContaining("/nothing/here,"),
    });
  });
});

describe("answers", () => {
  it("are JSON unless the method says otherwise, with its headers", async () => {
    const wire = await startHttpWire({
      methods: [
        getState(
          (key, request) => {
            request.reply("metadata.a", "b");
            return { data: Buffer.from(key) };
          },
          { output: ({ data }) => ({ status: 200, headers: { etag: "7" }, body: data ?? "" }) },
        ),
      ],
    });
    const { status, headers, text } = await wire.call({ path: "/v1.0/state/s/k" });
    expect({ status, text }).toEqual({ status: 200, text: "k" });
    expect(headers).toMatchObject({
      "content-type": "application/json",
      "content-length": "1",
      etag: "7",
      "metadata.a": "b",
    });
  });

  it("survive header values and names that a backend made up", async () => {
    const odd = {
      "metadata.line": "a\r\nb: c\0",
      "metadata.ü": "x",
      "metadata.price": "3 €",
      "metadata.": "ok",
      "metadata.a b": "x",
    };
    const wire = await startHttpWire({
      methods: [
        getState((key, request) => {
          for (const [name, value] of Object.entries(odd)) request.reply(name, value);
          if (key === "fail") throw fail("internal", { why: "no" });
          return { etag: "1" };
        }),
      ],
    });
    for (const [key, status] of [
      ["k", 200],
      ["fail", 500],
    ] as const) {
      const reply = await wire.call({ path: `/v1.0/state/s/${key}` });
      expect(reply.status).toBe(status);
      expect(reply.headers["metadata.line"]).toBe("a  b: c");
      expect(Buffer.from(reply.headers["metadata.price"] as string, "latin1").toString()).toBe("3 €");
      expect(Object.keys(reply.headers).filter((name) => name.startsWith("metadata"))).toEqual([
        "metadata.line",
        "metadata.price",
        "metadata.",
      ]);
    }
  });

  it("tell an error of the table in its own words", async () => {
    const wire = await startHttpWire({
      methods: [getState(() => Promise.reject(fail("stateStoreNotFound", { name: "s" })))],
    });
    const reply = await wire.call({ path: "/v1.0/state/s/k" });
    expect(reply.status).toBe(400);
    expect(reply.json()).toEqual({
      errorCode: "ERR_STATE_STORE_NOT_FOUND",
      message: "state store s is not found",
      details: [
        {
          "@type": "type.googleapis.com/google.rpc.ErrorInfo",
          reason: "DAPR_STATE_NOT_FOUND",
          domain: "dapr.io",
          metadata: { appID: "app" },
        },
      ],
    });
  });

  it.each([
    ["an Error", new Error("boom"), "boom"],
    ["a text", "boom", "boom"],
    ["nothing", undefined, "undefined"],
  ])("to %s that nobody expected are 500 ERROR", async (_, thrown, message) => {
    const wire = await startHttpWire({ methods: [getState(() => Promise.reject(thrown))] });
    const reply = await wire.call({ path: "/v1.0/state/s/k" });
    expect({ status: reply.status, body: reply.json() }).toEqual({
      status: 500,
      body: { errorCode: "ERROR", message },
    });
  });

  it("may fail in the method's own form", async () => {
    const own: Partial<HttpShape<GetState>> = {
      failure: (error) => ((error as Error).message === "mine" ? { status: 418, body: '"mine"' } : undefined),
    };
    const wire = await startHttpWire({ methods: [getState((key) => Promise.reject(new Error(key)), own)] });
    expect(await wire.call({ path: "/v1.0/state/s/mine" })).toMatchObject({ status: 418, text: '"mine"' });
    expect(await wire.call({ path: "/v1.0/state/s/other" })).toMatchObject({ status: 500 });
  });

  it("may be streams, whose first chunk decides between an answer and an error", async () => {
    async function* chunks(key: string) {
      if (key === "early") throw fail("cryptoRequest", { why: "early" });
      yield Buffer.from("one");
      if (key === "late") throw new Error("late");
      yield Buffer.from("two");
    }
    const shape: Partial<HttpShape<GetState>> = {
      output: (_, http) => ({ status: 200, body: chunks(http.params["key"] ?? "") }),
    };
    const wire = await startHttpWire({ methods: [getState(() => ({}), shape)] });
    expect(await wire.call({ path: "/v1.0/state/s/k" })).toMatchObject({ status: 200, text: "onetwo" });
    expect(await wire.call({ path: "/v1.0/state/s/early" })).toMatchObject({
      status: 400,
      text: expect.stringContaining("early"),
    });
    await expect(wire.call({ path: "/v1.0/state/s/late" })).rejects.toThrow();
    expect(await wire.call({ path: "/v1.0/state/s/k" })).toMatchObject({ status: 200 });
  });

  it("of a stream that ends before its first chunk have no content", async () => {
    async function* none(): AsyncGenerator<Uint8Array> {}
    const wire = await startHttpWire({
      methods: [getState(() => ({}), { output: () => ({ status: 200, body: none() }) })],
    });
    expect(await wire.call({ path: "/v1.0/state/s/k" })).toMatchObject({ status: 200, text: "" });
  });
});

describe("bodies", () => {
  it("over the limit are refused, and the connection goes on", async () => {
    const wire = await startHttpWire({ methods: [mirror(["/v1.0/x"])], maxBodyBytes: 10 });
    const raw = new RawConnection(wire.port);
    raw.write(`POST /v1.0/x HTTP/1.1\r\nhost: a\r\ncontent-length: 11\r\n\r\n${"a".repeat(11)}`);
    expect(await raw.until("--max-body-size")).toMatch(/^HTTP\/1.1 400 .*ERR_BODY_READ.*larger than 10 bytes/s);
    raw.write(
      `POST /v1.0/x HTTP/1.1\r\nhost: b\r\ntransfer-encoding: chunked\r\n\r\n6\r\naaaaaa\r\n5\r\naaaaa\r\n0\r\n\r\n`,
    );
    await raw.until(/max-body-size.*max-body-size/s);
    raw.write(`POST /v1.0/x HTTP/1.1\r\nhost: c\r\nconnection: close\r\ncontent-length: 10\r\n\r\n${"b".repeat(10)}`);
    const text = await raw.closed();
    expect(text.match(/HTTP\/1.1 \d+/g)).toEqual(["HTTP/1.1 400", "HTTP/1.1 400", "HTTP/1.1 200"]);
    expect(text).toContain("b".repeat(10));
  });

  it("that break off do not run the method", async () => {
    let ran = 0;
    const wire = await startHttpWire({
      methods: [mirror(["/v1.0/x"], { input: () => ({ storeName: String(ran++) }) })],
    });
    const raw = new RawConnection(wire.port);
    raw.write("POST /v1.0/x HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc");
    await once(raw.socket, "connect");
    raw.socket.end();
    await raw.closed();
    expect((await wire.call({ verb: "POST", path: "/v1.0/x", body: "abc" })).status).toBe(200);
    expect(ran).toBe(1);
  });

  it("are not read before the method where the shape streams", async () => {
    const parts: string[] = [];
    const shape: Partial<HttpShape<SaveState>> = {
      streams: true,
      input: (http) => {
        void (async () => {
          for await (const chunk of http.stream ?? []) parts.push(Buffer.from(chunk).toString());
        })();
        return {};
      },
      output: () => ({ status: 204 }),
    };
    const wire = await startHttpWire({ methods: [mirror(["/v1.0/x"], shape)] });
    const raw = new RawConnection(wire.port);
    raw.write("PUT /v1.0/x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n");
    expect(await raw.until("204")).toContain("204");
    raw.write("3\r\ndef\r\n0\r\n\r\n");
    raw.write("PUT /v1.0/x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    await raw.closed();
    expect(parts.join("")).toBe("abcdef");
  });
});

describe("a caller who leaves", () => {
  it("aborts the method's signal", async () => {
    const { promise, resolve } = Promise.withResolvers<AbortSignal>();
    const wire = await startHttpWire({
      methods: [
        getState((_, request) => {
          resolve(request.signal);
          return new Promise(() => {});
        }),
      ],
    });
    const raw = new RawConnection(wire.port);
    raw.write("GET /v1.0/state/s/k HTTP/1.1\r\nhost: a\r\n\r\n");
    const signal = await promise;
    expect(signal.aborted).toBe(false);
    raw.destroy();
    await once(signal, "abort");
  });

  it("is not one who has been answered", async () => {
    let signal: AbortSignal | undefined;
    const wire = await startHttpWire({
      methods: [
        getState((_, request) => {
          signal = request.signal;
          return { etag: "1" };
        }),
      ],
    });
    expect((await wire.call({ path: "/v1.0/state/s/k" })).status).toBe(200);
    await wire.close();
    expect(signal?.aborted).toBe(false);
  });

  it("takes the answer's stream with it", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    async function* endless() {
      try {
        for (;;) {
          yield Buffer.alloc(65_536);
          await new Promise((turn) => setImmediate(turn));
        }
      } finally {
        resolve();
      }
    }
    const wire = await startHttpWire({
      methods: [getState(() => ({}), { output: () => ({ status: 200, body: endless() }) })],
    });
    const raw = new RawConnection(wire.port);
    raw.write("GET /v1.0/state/s/k HTTP/1.1\r\nhost: a\r\n\r\n");
    await raw.until("200");
    raw.destroy();
    await promise;
  });
});

describe("the API token", () => {
  const open: Route = {
    verbs: ["GET"],
    paths: ["/v1.0/healthz"],
    group: "healthz",
    open: true,
    run: async () => ({ status: 204 }),
  };

  it("is asked for everywhere but on open routes, in plain text and before the body is read", async () => {
    const wire = await startHttpWire({
      methods: [getState(() => ({ etag: "1" }))],
      routes: [open],
      pipeline: pipelineOf({ apiToken: "secret" }),
    });
    for (const headers of [
      {},
      { "dapr-api-token": "wrong" },
      { "dapr-api-token": "" },
      { "dapr-api-token": "secret2" },
    ]) {
      for (const path of ["/v1.0/state/s/k", "/no/such/path"]) {
        const reply = await wire.call({ path, headers });
        expect(reply).toMatchObject({ status: 401, text: "invalid api token" });
        expect(reply.headers["content-type"]).toBe("text/plain; charset=utf-8");
      }
    }
    expect((await wire.call({ path: "/v1.0/state/s/k", headers: { "dapr-api-token": "secret" } })).status).toBe(200);
    expect((await wire.call({ path: "/v1.0/healthz" })).status).toBe(204);
  });
});

describe("bytes that are not HTTP", () => {
  it.each([
    ["nonsense", "hello there\r\n\r\n", "400"],
    ["a wrong version", "GET / HTTP/9.9\r\n\r\n", "400"],
    ["too many header bytes", `GET / HTTP/1.1\r\nhost: a\r\nx: ${"y".repeat(5000)}\r\n\r\n`, "431"],
    ["a header without a name", "GET / HTTP/1.1\r\n: x\r\n\r\n", "400"],
    ["two lengths", "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", "400"],
    ["no host", "GET / HTTP/1.1\r\n\r\n", "400"],
  ])("are refused: %s", async (_, bytes, status) => {
    const wire = await startHttpWire({});
    expect(await new RawConnection(wire.port).write(bytes).closed()).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect((await wire.call({ path: "/" })).status).toBe(404);
  });
});

describe("closing", () => {
  it("waits for requests in flight and takes no new ones", async () => {
    const { promise: started, resolve: start } = Promise.withResolvers<void>();
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const wire = await startHttpWire({
      methods: [
        getState(async () => {
          start();
          await released;
          return { etag: "1" };
        }),
      ],
    });
    const reply = wire.call({ path: "/v1.0/state/s/k", headers: { connection: "keep-alive" } });
    await started;
    let closed = false;
    const closing = wire.close().then(() => {
      closed = true;
    });
    await new Promise((turn) => setImmediate(turn));
    await expect(wire.call({ path: "/v1.0/state/s/k" })).rejects.toThrow("ECONNREFUSED");
    expect(closed).toBe(false);
    release();
    expect((await reply).status).toBe(200);
    await closing;
  });

  it("ends connections that are idle, now or as soon as they are", async () => {
    const wire = await startHttpWire({ methods: [getState(() => ({ etag: "1" }))] });
    const raw = new RawConnection(wire.port);
    raw.write("GET /v1.0/state/s/k HTTP/1.1\r\nhost: a\r\n\r\n");
    await raw.until("etag");
    await Promise.all([wire.close(), raw.closed()]);
  });

  it("tells a kept connection that it is the last answer", async () => {
    const { promise: started, resolve: start } = Promise.withResolvers<void>();
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const wire = await startHttpWire({
      methods: [
        getState(async () => {
          start();
          await released;
          return { etag: "1" };
        }),
      ],
    });
    const raw = new RawConnection(wire.port);
    raw.write("GET /v1.0/state/s/k HTTP/1.1\r\nhost: a\r\n\r\n");
    await started;
    const closing = wire.close();
    release();
    await closing;
    expect(await raw.closed()).toContain("etag");
  });
});

describe("100-continue", () => {
  it("is answered before the body comes", async () => {
    const wire = await startHttpWire({ methods: [mirror(["/v1.0/x"])] });
    const outgoing = httpRequest({
      port: wire.port,
      host: "127.0.0.1",
      method: "POST",
      path: "/v1.0/x",
      agent: false,
      headers: { expect: "100-continue", "content-length": "2" },
    });
    outgoing.flushHeaders();
    await once(outgoing, "continue");
    outgoing.end("hi");
    const [response] = (await once(outgoing, "response")) as [Readable];
    expect(JSON.parse(Buffer.from(await readBody(response)).toString())).toMatchObject({ body: "hi" });
  });
});

import { describe, expect, it } from "vitest";
import { asStream, readBody } from "../../../../../sidecar/kernel/body.ts";
import type { Incoming, InvokeProxy } from "../../../../../sidecar/kernel/exchange.ts";
import type { Route } from "../../../../../sidecar/kernel/method.ts";
import { apiAccess } from "../../../../../sidecar/wire/api-access.ts";
import { RawConnection } from "../../../../support/http-call.ts";
import { pipelineOf, startHttpWire } from "../../../../support/wires.ts";
import { getState, mirror } from "./scripted-methods.ts";

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

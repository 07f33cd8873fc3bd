import { describe, expect, it } from "vitest";
import type { Route } from "../../../../../sidecar/kernel/method.ts";
import { pipelineOf, startHttpWire } from "../../../../support/wires.ts";

const health: Route = {
  verbs: ["GET"],
  paths: ["/v1.0/healthz"],
  group: "healthz",
  run: async () => ({ status: 204 }),
};
const start = (...allowedOrigins: string[]) =>
  startHttpWire({ routes: [health], allowedOrigins, pipeline: pipelineOf({ apiToken: "secret" }) });
const get = { path: "/v1.0/healthz" };
const preflight = (origin: string, more: Record<string, string> = {}) => ({
  ...get,
  verb: "OPTIONS",
  headers: { origin, "access-control-request-method": "POST", ...more },
});

describe("cross-origin rules", () => {
  it("are off without allowed origins", async () => {
    const wire = await start();
    const reply = await wire.call({ ...get, headers: { origin: "http://a.example", "dapr-api-token": "secret" } });
    expect(reply.headers).not.toHaveProperty("access-control-allow-origin");
    expect((await wire.call(preflight("http://a.example"))).status).toBe(401);
  });

  it("allow the listed origins and no other", async () => {
    const wire = await start("http://a.example", "http://b.example");
    const originOf = async (origin: string) =>
      (await wire.call({ ...get, headers: { origin } })).headers["access-control-allow-origin"];
    expect(await originOf("http://a.example")).toBe("http://a.example");
    expect(await originOf("http://b.example")).toBe("http://b.example");
    expect(await originOf("http://c.example")).toBeUndefined();
    expect(await originOf("http://a.example.evil")).toBeUndefined();
  });

  it("allow every origin by a star", async () => {
    const { headers } = await (await start("*")).call({ ...get, headers: { origin: "http://any.example" } });
    expect(headers).toMatchObject({ "access-control-allow-origin": "*", vary: "Origin" });
  });

  it("answer a preflight before the token is asked for", async () => {
    const wire = await start("http://a.example");
    const reply = await wire.call(
      preflight("http://a.example", { "access-control-request-headers": "x-own, dapr-api-token" }),
    );
    expect(reply.status).toBe(204);
    expect(reply.headers).toMatchObject({
      "access-control-allow-origin": "http://a.example",
      "access-control-allow-methods": "HEAD, GET, POST, PUT, PATCH, DELETE",
      "access-control-allow-headers": "x-own, dapr-api-token",
    });
    expect((await wire.call(preflight("http://a.example"))).headers["access-control-allow-headers"]).toBe("*");
    expect((await wire.call(preflight("http://c.example"))).status).toBe(401);
  });

  it("leave an OPTIONS request that is no preflight to its receiver", async () => {
    const wire = await start("*");
    expect((await wire.call({ ...get, verb: "OPTIONS", headers: { origin: "http://a.example" } })).status).toBe(401);
  });

  it("are told on refusals too", async () => {
    const reply = await (await start("*")).call({ ...get, headers: { origin: "http://a.example" } });
    expect({ status: reply.status, allowed: reply.headers["access-control-allow-origin"] }).toEqual({
      status: 401,
      allowed: "*",
    });
  });
});

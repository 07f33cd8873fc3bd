import { describe, expect, it } from "vitest";
import { type Facts, healthRoutes, metadataMethods } from "../../../../../sidecar/blocks/metadata/methods.ts";
import { loadConfig } from "../../../../../sidecar/config/config.ts";
import { Dapr } from "../../../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import type { GetMetadataResponse } from "../../../../../specs/gen/dapr/proto/runtime/v1/metadata_pb.js";
import { startGrpcWire, startHttpWire } from "../../../../support/wires.ts";

async function factsOf(
  part: Partial<Facts> = {},
  ...flags: string[]
): Promise<Facts & { readonly shutdowns: boolean[] }> {
  const shutdowns: boolean[] = [];
  const config = await loadConfig(["--app-id", "shop", ...flags], {});
  return {
    config,
    declared: () => config,
    version: "1.2.3",
    components: () => [],
    subscriptions: () => [],
    notReady: () => undefined,
    outboundNotReady: () => undefined,
    shutdown: (force) => void shutdowns.push(force),
    shutdowns,
    ...part,
  };
}

async function both(facts: Facts) {
  const methods = metadataMethods(facts);
  const http = await startHttpWire({ methods, routes: healthRoutes(facts) });
  const grpc = await startGrpcWire({ methods });
  const overHttp = async () => (await http.call({ path: "/v1.0/metadata" })).json() as Record<string, unknown>;
  const overGrpc = async () => (await grpc.call(Dapr.method.getMetadata, {})).messages[0] as GetMetadataResponse;
  return { http, grpc, overHttp, overGrpc };
}

describe("metadata", () => {
  it("of a sidecar without an app has only what is there", async () => {
    const { overHttp, overGrpc } = await both(await factsOf());
    expect(await overHttp()).toEqual({
      id: "shop",
      runtimeVersion: "1.2.3",
      enabledFeatures: expect.arrayContaining(["HotReload"]),
      extended: { daprRuntimeVersion: "1.2.3" },
      actorRuntime: { runtimeStatus: "DISABLED", hostReady: false, placement: "placement: disconnected" },
    });
    expect(await overGrpc()).toMatchObject({
      id: "shop",
      runtimeVersion: "1.2.3",
      extendedMetadata: { daprRuntimeVersion: "1.2.3" },
    });
  });

  it("tells how the app is reached", async () => {
    const flags = ["--app-port", "6000", "--app-protocol", "h2c", "--app-max-concurrency", "7"];
    const { overHttp } = await both(await factsOf({}, ...flags));
    expect((await overHttp())["appConnectionProperties"]).toEqual({
      port: 6000,
      protocol: "h2c",
      channelAddress: "127.0.0.1",
      maxConcurrency: 7,
    });
  });

  it("tells how the app's health is checked, with a path only over HTTP", async () => {
    const healthOf = async (...flags: string[]) => {
      const { overHttp } = await both(await factsOf({}, "--app-port", "6000", "--enable-app-health-check", ...flags));
      return ((await overHttp())["appConnectionProperties"] as { health: unknown }).health;
    };
    expect(await healthOf()).toEqual({
      healthCheckPath: "/healthz",
      healthProbeInterval: "5s",
      healthProbeTimeout: "500ms",
      healthThreshold: 3,
    });
    expect(await healthOf("--app-protocol", "grpc")).not.toHaveProperty("healthCheckPath");
  });

  it("lists the components that are open, with capabilities by their published names", async () => {
    const components: Facts["components"] = () => [
      {
        name: "store",
        type: "state.redis",
        version: "v1",
        state: "ready",
        capabilities: ["etag", "ttl", "transaction", "query"],
      },
      {
        name: "bus",
        type: "pubsub.redis",
        version: "v1",
        state: "degraded",
        why: "slow",
        capabilities: ["ttl", "bulkPublish"],
      },
      { name: "cron", type: "bindings.cron", version: "v1", state: "ready", capabilities: ["input"] },
      { name: "none", type: "secretstores.local.env", version: "v1", state: "ready", capabilities: [] },
      { name: "odd", type: "state.odd", version: "v2", state: "ready", capabilities: ["someNew"] },
      { name: "broken", type: "state.redis", version: "v1", state: "failed", capabilities: ["etag"] },
      { name: "coming", type: "state.redis", version: "v1", state: "pending", capabilities: [] },
    ];
    const { overHttp, overGrpc } = await both(await factsOf({ components }));
    expect((await overHttp())["components"]).toEqual([
      {
        name: "store",
        type: "state.redis",
        version: "v1",
        capabilities: ["ETAG", "TTL", "TRANSACTIONAL", "QUERY_API"],
      },
      { name: "bus", type: "pubsub.redis", version: "v1", capabilities: ["MESSAGE_TTL", "BULK_PUBLISH"] },
      { name: "cron", type: "bindings.cron", version: "v1", capabilities: ["INPUT_BINDING"] },
      { name: "none", type: "secretstores.local.env", version: "v1" },
      { name: "odd", type: "state.odd", version: "v2", capabilities: ["SOMENEW"] },
    ]);
    expect((await overGrpc()).registeredComponents).toHaveLength(5);
  });

  it("lists subscriptions, their rules flat over HTTP", async () => {
    const subscriptions: Facts["subscriptions"] = () => [
      {
        pubsubName: "bus",
        topic: "a",
        routes: [
          { match: 'event.type == "x"', path: "/x" },
          { match: "", path: "/rest" },
        ],
        metadata: { rawPayload: "true" },
        deadLetterTopic: "dead",
        type: "DECLARATIVE",
      },
      { pubsubName: "bus", topic: "b", routes: [], metadata: {}, type: "STREAMING" },
    ];
    const { overHttp, overGrpc } = await both(await factsOf({ subscriptions }));
    expect((await overHttp())["subscriptions"]).toEqual([
      {
        pubsubname: "bus",
        topic: "a",
        metadata: { rawPayload: "true" },
        rules: [{ match: 'event.type == "x"', path: "/x" }, { path: "/rest" }],
        deadLetterTopic: "dead",
        type: "DECLARATIVE",
      },
      { pubsubname: "bus", topic: "b", rules: [], deadLetterTopic: "", type: "STREAMING" },
    ]);
    expect((await overGrpc()).subscriptions[0]?.rules?.rules).toMatchObject([{ path: "/x" }, { path: "/rest" }]);
  });

  it("is extended over either wire", async () => {
    const { http, grpc, overHttp, overGrpc } = await both(await factsOf());
    expect((await http.call({ verb: "PUT", path: "/v1.0/metadata/cliPID", body: "4711" })).status).toBe(204);
    expect((await grpc.call(Dapr.method.setMetadata, { key: "appCommand", value: "node app" })).code).toBe(0);
    const extended = { daprRuntimeVersion: "1.2.3", cliPID: "4711", appCommand: "node app" };
    expect((await overHttp())["extended"]).toEqual(extended);
    expect((await overGrpc()).extendedMetadata).toEqual(extended);
  });

  it("ignores an empty key and refuses a value that is not text", async () => {
    const { http, grpc, overHttp } = await both(await factsOf());
    expect((await grpc.call(Dapr.method.setMetadata, { key: "", value: "x" })).code).toBe(0);
    expect((await http.call({ verb: "PUT", path: "/v1.0/metadata/a", body: new Uint8Array([0xff]) })).status).toBe(400);
    expect((await overHttp())["extended"]).toEqual({ daprRuntimeVersion: "1.2.3" });
  });
});

describe("health over HTTP", () => {
  it("has no content when all is well", async () => {
    const { http } = await both(await factsOf());
    for (const path of ["/v1.0/healthz", "/v1.0/healthz?appid=shop", "/v1.0/healthz/outbound"]) {
      expect(await http.call({ path })).toMatchObject({ status: 204, text: "" });
    }
  });

  it("says why it is not", async () => {
    const { http } = await both(
      await factsOf({ notReady: () => "it is starting", outboundNotReady: () => "it is starting" }),
    );
    const bodyOf = async (path: string) => {
      const { status, text } = await http.call({ path });
      return [status, JSON.parse(text)];
    };
    expect(await bodyOf("/v1.0/healthz")).toEqual([
      500,
      { errorCode: "ERR_HEALTH_NOT_READY", message: "the sidecar is not ready: it is starting" },
    ]);
    expect(await bodyOf("/v1.0/healthz/outbound")).toEqual([
      500,
      { errorCode: "ERR_OUTBOUND_HEALTH_NOT_READY", message: "the outbound APIs are not ready: it is starting" },
    ]);
    expect(await bodyOf("/v1.0/healthz?appid=other")).toEqual([
      500,
      { errorCode: "ERR_HEALTH_APPID_NOT_MATCH", message: "this sidecar serves app shop, not other" },
    ]);
  });
});

describe("shutdown", () => {
  it("begins over either wire, at once when it is forced", async () => {
    const facts = await factsOf();
    const { http, grpc } = await both(facts);
    expect(await http.call({ verb: "POST", path: "/v1.0/shutdown", body: "anything" })).toMatchObject({
      status: 204,
      text: "",
    });
    expect(
      (await http.call({ verb: "POST", path: "/v1.0/shutdown", headers: { "dapr-force-shutdown": "true" } })).status,
    ).toBe(204);
    expect((await grpc.call(Dapr.method.shutdown, {})).code).toBe(0);
    expect((await grpc.call(Dapr.method.shutdown, {}, { "dapr-force-shutdown": "true" })).code).toBe(0);
    expect((await grpc.call(Dapr.method.shutdown, {}, { "dapr-force-shutdown": "no" })).code).toBe(0);
    expect(facts.shutdowns).toEqual([false, true, false, true, false]);
  });
});

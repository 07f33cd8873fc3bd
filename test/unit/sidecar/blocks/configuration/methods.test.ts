import { type EventEmitter, once } from "node:events";
import { describe, expect, it } from "vitest";
import type { ConfigurationStore } from "../../../../../components/contract/configuration.ts";
import memory from "../../../../../components/memory/configuration.ts";
import { openConfigurationBlock } from "../../../../../sidecar/blocks/configuration/methods.ts";
import type { App } from "../../../../../sidecar/kernel/app.ts";
import type { Component, Components } from "../../../../../sidecar/kernel/components.ts";
import type { Policies } from "../../../../../sidecar/kernel/policy.ts";
import type { SubscribeConfigurationResponse } from "../../../../../specs/gen/dapr/proto/runtime/v1/configuration_pb.js";
import { Dapr } from "../../../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { componentsOf } from "../../../../support/components.ts";
import { whole } from "../../../../support/grpc-call.ts";
import { openDriver } from "../../../../support/open-driver.ts";
import { KeptScopedLog, startGrpcWire, startHttpWire } from "../../../../support/wires.ts";

const values = JSON.stringify({ a: "1", b: { value: "2", version: "v7" } });

/** The block with one store, `config`, and what the app is told. `subscribed` counts what is open in the store. */
async function open({
  withApp = true,
  instead = {},
}: {
  withApp?: boolean;
  instead?: Partial<Awaited<ReturnType<typeof memory.open>>>;
} = {}) {
  const real = await openDriver(memory, { values });
  const counted = { subscribed: 0 };
  const store = {
    ...real,
    async subscribe(...args: Parameters<typeof real.subscribe>) {
      const subscription = await real.subscribe(...args);
      counted.subscribed++;
      return {
        async close() {
          counted.subscribed--;
          await subscription.close();
        },
      };
    },
    ...instead,
  };
  const told: unknown[][] = [];
  const log = new KeptScopedLog();
  const app = {
    async configurationChanged(...args: unknown[]) {
      told.push(args);
      if (told.length > 1) throw new Error("the app answered 500");
    },
  } as unknown as App;
  const fixed = componentsOf({ name: "config", driver: memory, opened: store });
  let follow = (_: Component<"configuration">) => {};
  const components: Components = {
    ...fixed,
    onOpen(kind, listener) {
      follow = listener as unknown as typeof follow;
      return fixed.onOpen(kind, listener);
    },
  };
  /** The store is opened anew. */
  const openAnew = async (instead: Partial<ConfigurationStore> = {}) => {
    const next = { ...(await openDriver(memory, { values })), ...instead };
    const [component] = componentsOf({ name: "config", driver: memory, opened: next }).all("configuration");
    if (component) follow(component);
    await new Promise((turn) => setImmediate(turn));
    return next;
  };
  const policies = { component: (...about: unknown[]) => about.join(" "), app: () => undefined } as unknown as Policies;
  const block = openConfigurationBlock({ components, app: withApp ? app : undefined, policies, log });
  return { block, store: real, counted, told, log, openAnew };
}

async function http(given: Parameters<typeof open>[0] = {}) {
  const parts = await open(given);
  const wire = await startHttpWire({ methods: parts.block.methods, routes: parts.block.routes });
  const get = async (path: string, version = "v1.0") => {
    const { status, text } = await wire.call({ path: `/${version}/configuration/${path}` });
    return { status, body: text === "" ? undefined : (JSON.parse(text) as Record<string, unknown>) };
  };
  return { ...parts, get };
}

describe("reading over HTTP", () => {
  it("gives the asked keys, or all, in both versions", async () => {
    const { get } = await http();
    const a = { value: "1", version: "1", metadata: {} };
    const b = { value: "2", version: "v7", metadata: {} };
    for (const version of ["v1.0", "v1.0-alpha1"]) {
      expect(await get("config?key=a", version)).toEqual({ status: 200, body: { a } });
      expect(await get("config?key=a&key=b&key=none", version)).toEqual({ status: 200, body: { a, b } });
      expect(await get("config", version)).toEqual({ status: 200, body: { a, b } });
    }
  });

  it("of nothing has no content", async () => {
    expect(await (await http()).get("config?key=none")).toEqual({ status: 204, body: undefined });
  });

  it("says which store is unknown, and what failed", async () => {
    const { get } = await http({ instead: { get: () => Promise.reject(new Error("disk")) } });
    expect(await get("other")).toMatchObject({
      status: 400,
      body: {
        errorCode: "ERR_CONFIGURATION_STORE_NOT_FOUND",
        message: "configuration store other not found; configured: config",
      },
    });
    expect(await get("config?key=a")).toMatchObject({
      status: 500,
      body: { errorCode: "ERR_CONFIGURATION_GET", message: "failed to get [a] from configuration store config: disk" },
    });
    expect(await get("config")).toMatchObject({
      body: { message: "failed to get all keys from configuration store config: disk" },
    });
  });
});

describe("subscribing over HTTP", () => {
  it("has the app told of changes until it is ended", async () => {
    const { get, store, told, counted } = await http();
    const { body } = await get("config/subscribe?key=a");
    const id = body?.["id"];
    await store.put?.({ a: { value: "3" }, b: { value: "4" } }, {});
    const items = { a: { value: "3", version: expect.any(String), metadata: {} } };
    expect(told).toEqual([["config", id, items, "config configuration inbound"]]);
    expect(await get(`config/${id}/unsubscribe`)).toEqual({ status: 200, body: { ok: true } });
    expect(counted.subscribed).toBe(0);
    await store.put?.({ a: { value: "5" } }, {});
    expect(told).toHaveLength(1);
  });

  it("logs a change that the app did not take", async () => {
    const { get, store, log } = await http();
    await get("config/subscribe");
    await store.put?.({ a: { value: "3" } }, {});
    await store.put?.({ a: { value: "4" } }, {});
    await new Promise((turn) => setImmediate(turn));
    expect(log.lines.join()).toContain("the app did not take a configuration change");
  });

  it("needs an app, a store that is known, and a subscription that is open", async () => {
    const alone = await http({ withApp: false });
    expect(await alone.get("config/subscribe")).toMatchObject({
      status: 500,
      body: { errorCode: "ERR_APP_CHANNEL_NIL" },
    });
    const { get } = await http({ instead: { subscribe: () => Promise.reject(new Error("disk")) } });
    expect(await get("other/subscribe")).toMatchObject({ status: 400 });
    expect(await get("config/subscribe")).toMatchObject({
      status: 500,
      body: { errorCode: "ERR_CONFIGURATION_SUBSCRIBE" },
    });
    expect(await get("config/none/unsubscribe")).toEqual({
      status: 500,
      body: { message: "subscription none is not known to configuration store config" },
    });
  });
});

describe("subscribing over gRPC", () => {
  const { subscribeConfiguration, subscribeConfigurationAlpha1, unsubscribeConfiguration } = Dapr.method;
  const next = async (call: EventEmitter) => (await once(call, "data"))[0] as SubscribeConfigurationResponse;

  it("tells the id first, then what changes, until it is ended", async () => {
    for (const rpc of [subscribeConfiguration, subscribeConfigurationAlpha1]) {
      const { block, store, counted } = await open();
      const wire = await startGrpcWire({ methods: block.methods });
      const call = wire.caller.open(rpc);
      call.end({ storeName: "config", keys: ["b", "a"] });
      const { id, items } = await next(call);
      expect(items).toEqual({});
      await store.put?.({ a: { value: "3" } }, {});
      expect(await next(call)).toMatchObject({ id, items: { a: { value: "3" } } });
      const answered = whole(call as never);
      expect((await wire.call(unsubscribeConfiguration, { storeName: "config", id })).messages).toMatchObject([
        { ok: true, message: "" },
      ]);
      expect((await answered).code).toBe(0);
      expect(counted.subscribed).toBe(0);
    }
  });

  it("ends with its caller", async () => {
    const { block, counted } = await open();
    const wire = await startGrpcWire({ methods: block.methods });
    const call = wire.caller.open(subscribeConfiguration);
    call.on("error", () => {});
    call.end({ storeName: "config" });
    await next(call);
    expect(counted.subscribed).toBe(1);
    call.cancel();
    while (counted.subscribed > 0) await new Promise((turn) => setImmediate(turn));
  });

  it("ends with a caller who left before it was open", async () => {
    const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    let closed = 0;
    const subscribe = async () => {
      ask();
      await released;
      return { close: async () => void closed++ };
    };
    const { block } = await open({ instead: { subscribe } });
    const wire = await startGrpcWire({ methods: block.methods });
    const call = wire.caller.open(subscribeConfiguration);
    const answered = whole(call as never);
    call.end({ storeName: "config" });
    await asked;
    call.cancel();
    await answered;
    release();
    while (closed === 0) await new Promise((turn) => setImmediate(turn));
  });

  it("ends when the block is closed, and later ones at once", async () => {
    const { block, counted } = await open();
    const wire = await startGrpcWire({ methods: block.methods });
    const call = wire.caller.open(subscribeConfiguration);
    const answered = whole(call as never);
    call.end({ storeName: "config" });
    await once(call, "data");
    await block.close();
    expect((await answered).code).toBe(0);
    expect(counted.subscribed).toBe(0);
    expect(await wire.call(subscribeConfiguration, { storeName: "config" })).toMatchObject({ code: 0 });
    expect(counted.subscribed).toBe(0);
  });

  it("goes on at a store that is opened anew, and ends where that one does not take it", async () => {
    const { block, counted, openAnew, log } = await open();
    const wire = await startGrpcWire({ methods: block.methods });
    const call = wire.caller.open(subscribeConfiguration);
    const answered = whole(call as never);
    call.end({ storeName: "config", keys: ["a"] });
    const { id } = await next(call);
    const opened = await openAnew();
    expect(counted.subscribed).toBe(0);
    await opened.put?.({ a: { value: "9" } }, {});
    expect(await next(call)).toMatchObject({ id, items: { a: { value: "9" } } });
    await openAnew({ subscribe: () => Promise.reject(new Error("disk")) });
    expect((await answered).code).toBe(0);
    expect(log.lines.join()).toContain("a changed store does not take its subscriptions");
  });

  it("says so when an unknown subscription is to be ended", async () => {
    const { block } = await open();
    const wire = await startGrpcWire({ methods: block.methods });
    expect((await wire.call(unsubscribeConfiguration, { storeName: "config", id: "none" })).messages).toMatchObject([
      { ok: false, message: "subscription none is not known to configuration store config" },
    ]);
  });
});

describe("writing items", () => {
  it("writes items that subscribers hear of, and deletes them", async () => {
    const { block, store } = await http();
    const wire = await startHttpWire({ methods: block.methods, routes: block.routes });
    const heard: unknown[] = [];
    await store.subscribe([], {}, (items) => heard.push(items), {});
    const put = await wire.call({
      verb: "POST",
      path: "/v1.0/configuration/config",
      body: '{"items":{"theme":{"value":"dark"},"size":{"value":"4","version":"v2"}}}',
    });
    expect(put.status).toBe(204);
    const items = await store.get(["theme", "size"], {}, {});
    expect(items["theme"]?.value).toBe("dark");
    expect(items["size"]).toMatchObject({ value: "4", version: "v2" });
    const gone = await wire.call({ verb: "DELETE", path: "/v1.0/configuration/config?key=theme" });
    expect(gone.status).toBe(204);
    expect(await store.get(["theme"], {}, {})).toEqual({});
    expect(heard.length).toBeGreaterThanOrEqual(2);
  });

  it("refuses an empty key, and a deletion that names nothing", async () => {
    const { block } = await http();
    const wire = await startHttpWire({ methods: block.methods, routes: block.routes });
    const empty = await wire.call({
      verb: "POST",
      path: "/v1.0/configuration/config",
      body: '{"items":{"":{"value":"x"}}}',
    });
    expect([empty.status, JSON.parse(empty.text).errorCode]).toEqual([400, "ERR_BAD_REQUEST"]);
    const nothing = await wire.call({ verb: "DELETE", path: "/v1.0/configuration/config" });
    expect([nothing.status, JSON.parse(nothing.text).errorCode]).toEqual([400, "ERR_BAD_REQUEST"]);
  });

  it("says that a store is written by other tools", async () => {
    const { block, store } = await http({ instead: { put: undefined, remove: undefined } as never });
    expect(store).toBeDefined();
    const wire = await startHttpWire({ methods: block.methods, routes: block.routes });
    for (const call of [
      { verb: "POST", path: "/v1.0/configuration/config", body: "{}" },
      { verb: "DELETE", path: "/v1.0/configuration/config?key=a" },
    ]) {
      const answer = await wire.call(call);
      expect([answer.status, JSON.parse(answer.text).errorCode]).toEqual([501, "ERR_CONFIGURATION_READ_ONLY"]);
    }
  });

  it("tells why a store could not be written", async () => {
    const broken = async () => Promise.reject(new Error("disk full"));
    const { block } = await http({ instead: { put: broken } });
    const wire = await startHttpWire({ methods: block.methods, routes: block.routes });
    const answer = await wire.call({
      verb: "POST",
      path: "/v1.0/configuration/config",
      body: '{"items":{"a":{"value":"x"}}}',
    });
    expect([answer.status, JSON.parse(answer.text).message]).toEqual([
      500,
      "failed to write configuration store config: disk full",
    ]);
  });
});

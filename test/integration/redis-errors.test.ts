import { inspect } from "node:util";
import { Redis } from "ioredis";
import { describe, expect, onTestFinished, test } from "vitest";
import redisBindings from "../../components/redis/bindings.ts";
import redisConfiguration from "../../components/redis/configuration.ts";
import redisLock from "../../components/redis/lock.ts";
import redisPubsub from "../../components/redis/pubsub.ts";
import redisState from "../../components/redis/state.ts";
import { readSettings } from "../../sidecar/host/settings.ts";
import { authority, client } from "../support/certificates.ts";
import { openDriver } from "../support/open-driver.ts";
import { requireService, startServer } from "../support/server.ts";

const isMissing = !(await requireService("redis"));
const quick = { redisMinRetryInterval: 5, redisMaxRetryInterval: 20, redisMaxRetries: 1, dialTimeout: 500 };

const addressOf = async (variant: string) => {
  const { host, port } = await startServer("redis", { variant });
  return `${host}:${port}`;
};
const openFails = async (settings: Readonly<Record<string, unknown>>, message: RegExp) => {
  const opening = openDriver(redisState, { ...quick, ...settings });
  await expect(opening).rejects.toMatchObject({ reason: "openFailed", message: expect.stringMatching(message) });
};

describe.skipIf(isMissing)("opening a component of Redis", () => {
  test("names the wrong credentials", async () => {
    const redisHost = await addressOf("acl");
    const wrong = { redisHost, redisUsername: "mecha", redisPassword: "guess" };
    await openFails(
      wrong,
      /^redisUsername, redisPassword: 127.0.0.1:\d+ does not accept them; correct them \(WRONGPASS/,
    );
    await openFails({ redisHost }, /^redisPassword: 127.0.0.1:\d+ asks for a password; set it \(NOAUTH/);
  });

  test("never says the password", async () => {
    const redisHost = await addressOf("acl");
    const opening = openDriver(redisState, { ...quick, redisHost, redisUsername: "mecha", redisPassword: "gu355ed" });
    const error: unknown = await opening.catch((caught: unknown) => caught);
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain("gu355ed");
  });

  test.each([
    ["nobody listens", { redisHost: "127.0.0.1:1" }, /^redisHost: nothing listens at 127.0.0.1:1; start Redis there/],
    ["the name is unknown", { redisHost: "no-such-host.invalid" }, /^redisHost: the name in no-such-host.invalid/],
    ["the address is a URL", { redisHost: "redis://localhost" }, /^redisHost: .* is a URL; write it as localhost:6379/],
    ["there are several hosts", { redisHost: "a:1,b:1" }, /^redisHost: several hosts need redisType cluster/],
    ["sentinels lack a name", { redisHost: "a:1", failover: true }, /^sentinelMasterName: failover needs the name/],
    [
      "a cluster fails over",
      { redisHost: "a:1", failover: true, sentinelMasterName: "m", redisType: "cluster" },
      /^failover: a cluster/,
    ],
    [
      "a cluster has a database",
      { redisHost: "a:1", redisDB: 1, redisType: "cluster" },
      /^redisDB: a cluster has only/,
    ],
    [
      "a certificate lacks its key",
      { redisHost: "a:1", clientCert: "x" },
      /^clientCert, clientKey: give both or neither/,
    ],
    ["OIDC lacks its server", { redisHost: "a:1", useOIDC: true }, /^oidcTokenEndpoint: useOIDC needs it/],
  ])("names the setting when %s", async (_, settings, message) => {
    await openFails(settings, message);
  });

  test("names enableTLS when only one side encrypts, and caCert when the certificate is not trusted", async () => {
    await openFails({ redisHost: await addressOf("single"), enableTLS: true }, /^redisHost: .*leave enableTLS out/);
    const redisHost = await addressOf("tls");
    await openFails({ redisHost }, /^redisHost: .*set enableTLS/);
    await openFails({ redisHost, enableTLS: true }, /^enableTLS: the certificate .* is not trusted; .* as caCert/);
    await openDriver(redisState, { redisHost, enableTLS: true, insecureSkipTLSVerify: true });
    await openDriver(redisState, { redisHost, enableTLS: true, caCert: authority.certificate });
  });

  test("needs the client's certificate where the server asks for it", async () => {
    const tls = { redisHost: await addressOf("mtls"), enableTLS: true, caCert: authority.certificate };
    await openFails(tls, /^clientCert, clientKey: .*asks for a certificate/);
    await openDriver(redisState, { ...tls, clientCert: client.certificate, clientKey: client.key });
  });

  test("names redisDB and redisType when the server has no such thing", async () => {
    const redisHost = await addressOf("single");
    await openFails({ redisHost, redisDB: 99 }, /^redisDB: .* has no such database/);
    await openFails({ redisHost, redisType: "cluster" }, /^redisType: .* is no cluster; set redisType to node/);
  });

  test("refuses locks that two could hold", async () => {
    const open = (settings: object) => openDriver(redisLock, { redisHost: "a:1", ...settings });
    await expect(open({ redisType: "cluster" })).rejects.toThrow(/^redisType: locks need one server/);
    await expect(open({ failover: true, sentinelMasterName: "m" })).rejects.toThrow(/^failover: locks need one server/);
  });

  test("says which key nobody reads, and which one was meant", () => {
    const pairs = [{ name: "redisHosts", value: "a:1" }];
    const { problems, unknown } = readSettings(redisState.metadata, undefined, pairs);
    expect(problems).toEqual(["metadata redisHost: is required"]);
    expect(unknown.join()).toMatch(/redisHosts: unknown key; did you mean .redisHost/);
  });
});

describe.skipIf(isMissing)("a call to Redis", () => {
  const withServer = async () => {
    const server = await startServer("redis", { own: true });
    const admin = new Redis(server.port);
    onTestFinished(() => admin.disconnect());
    return { admin, settings: { ...quick, ...server.settings } };
  };

  test("tells a permission that is missing", async () => {
    const { admin, settings } = await withServer();
    await admin.call("ACL", "SETUSER", "reader", "on", ">secret", "~*", "+ping", "+info", "+select", "+client", "+get");
    const user = { redisUsername: "reader", redisPassword: "secret" };
    const store = await openDriver(redisState, { ...settings, ...user });
    await expect(store.set("k", Buffer.from("1"), {}, {})).rejects.toMatchObject({
      reason: "backendUnavailable",
      message: expect.stringMatching(/under-test does not answer: the user of redisUsername lacks a permission/),
    });
  });

  test("tells that a key holds something else", async () => {
    const { admin, settings } = await withServer();
    await admin.rpush("list", "1");
    const store = await openDriver(redisState, settings);
    await expect(store.get("list", {}, {})).rejects.toThrow(/the key holds something else/);
    await expect(store.set("list", Buffer.from("1"), {}, {})).rejects.toThrow(/the key holds something else/);
    const broker = await openDriver(redisPubsub, settings);
    await expect(broker.publish({ topic: "list", data: Buffer.from("1"), metadata: {} }, {})).rejects.toThrow(
      /something else/,
    );
    const binding = await openDriver(redisBindings, settings);
    const increment = { operation: "increment", data: Buffer.alloc(0), metadata: { key: "text" } };
    await admin.set("text", "no number");
    await expect(binding.invoke?.(increment, {})).rejects.toThrow(/not an integer/);
    const configuration = await openDriver(redisConfiguration, settings);
    expect(await configuration.get(["list"], {}, {})).toEqual({});
  });

  test("tells that a value is larger than the server takes, and the next call works", async () => {
    const { admin, settings } = await withServer();
    await admin.config("SET", "proto-max-bulk-len", "1mb");
    const store = await openDriver(redisState, { ...settings, redisMaxRetries: 5 });
    const large = Buffer.alloc(2 << 20);
    await expect(store.set("k", large, {}, {})).rejects.toThrow(
      /larger than the server takes: raise its proto-max-bulk-len/,
    );
    await store.set("k", Buffer.from("1"), {}, {});
  });

  test("tells that the server has no memory left", async () => {
    const { admin, settings } = await withServer();
    const store = await openDriver(redisState, settings);
    await admin.config("SET", "maxmemory", "1mb");
    await expect(store.set("k", Buffer.alloc(1000), {}, {})).rejects.toMatchObject({
      reason: "backendUnavailable",
      message: expect.stringMatching(/has reached its maxmemory/),
    });
  });

  test("with a foreign etag or time to live is refused before anything is sent", async () => {
    const { settings } = await withServer();
    const store = await openDriver(redisState, settings);
    await expect(store.set("k", Buffer.from("1"), { etag: "abc" }, {})).rejects.toMatchObject({
      reason: "etagInvalid",
    });
    const binding = await openDriver(redisBindings, settings);
    const create = (metadata: Readonly<Record<string, string>>) =>
      binding.invoke?.({ operation: "create", data: Buffer.from("1"), metadata }, {});
    await expect(create({})).rejects.toMatchObject({ reason: "requestMetadataInvalid" });
    await expect(create({ key: "k", ttlInSeconds: "soon" })).rejects.toThrow(/ttlInSeconds/);
  });

  test("after closing is refused", async () => {
    const { settings } = await withServer();
    const store = await openDriver(redisState, settings);
    await store.close();
    await expect(store.get("k", {}, {})).rejects.toThrow(/under-test does not answer: the component is closed/);
  });
});

import { describe, expect, test } from "vitest";
import consulResolver from "../../components/consul/name-resolution.ts";
import { startFakeConsul } from "../support/fake-consul.ts";
import { type Given, KeptLog, openContext, openDriver } from "../support/open-driver.ts";

const orders = { appId: "orders", namespace: "default", address: "10.1.2.3:5001" };

/** A double of an agent, and a resolver that uses it. */
async function open(settings: Given = {}) {
  const consul = await startFakeConsul();
  const log = new KeptLog();
  const resolver = await openDriver(
    consulResolver,
    { address: consul.address, ...settings },
    openContext({ name: "consul", log }),
  );
  return { consul, resolver, log };
}

describe("nameresolution.consul at a double of an agent", () => {
  test("registers the sidecar with its port, a health check and tags, and takes it back", async () => {
    const settings = { selfRegister: true, selfDeregister: true, tags: "a, b", meta: `{"zone": "\${ZONE}"}` };
    process.env["ZONE"] = "eu";
    const { consul, resolver } = await open(settings);
    await resolver.register(orders, {});
    expect([...consul.services.values()]).toMatchObject([
      {
        name: "orders",
        address: "10.1.2.3",
        tags: ["a", "b"],
        meta: { DAPR_PORT: "5001", zone: "eu" },
        checks: [{ interval: "15s" }],
      },
    ]);
    await resolver.close();
    expect(consul.services.size).toBe(0);
  });

  test("leaves the registration where it is when it is not asked to take it back", async () => {
    const { consul, resolver } = await open({ selfRegister: true });
    await resolver.register(orders, {});
    await resolver.close();
    expect(consul.services.size).toBe(1);
  });

  test("registers nothing unless it is asked to", async () => {
    const { consul, resolver } = await open();
    await resolver.register(orders, {});
    expect(consul.services.size).toBe(0);
  });

  test("follows changes where it keeps apps in memory", async () => {
    const { consul, resolver } = await open({ useCache: true });
    const at = (address: string) => ({ id: address, name: "orders", address, meta: { DAPR_PORT: "5001" } });
    consul.change((services) => services.set("1", at("10.0.0.1")));
    expect(await resolver.resolve("orders", "default", {})).toEqual(["10.0.0.1:5001"]);
    consul.change((services) => services.set("2", at("10.0.0.2")));
    await expect.poll(() => resolver.resolve("orders", "default", {})).toEqual(["10.0.0.1:5001", "10.0.0.2:5001"]);
    const before = consul.asked.length;
    await resolver.resolve("orders", "default", {});
    expect(consul.asked.length).toBe(before);
  });

  test("asks as the query options say", async () => {
    const { consul, resolver } = await open({ queryOptions: '{"datacenter": "dc2", "filter": "x == y"}' });
    await resolver.resolve("orders", "default", {});
    const line = consul.asked.find((one) => one.includes("health/service/orders")) ?? "";
    expect(line).toContain("dc=dc2");
    expect(line).toContain("filter=x+%3D%3D+y");
    expect(line).toContain("passing=1");
  });

  test("names the key of a service that tells no port", async () => {
    const { consul, resolver } = await open();
    consul.change((services) => services.set("1", { id: "1", name: "orders", address: "10.0.0.1" }));
    await expect(resolver.resolve("orders", "default", {})).rejects.toMatchObject({
      message: expect.stringContaining("daprPortMetaKey: the service orders is registered without DAPR_PORT"),
    });
  });

  test("names the token that the agent does not know, and does not show it", async () => {
    const { consul, resolver } = await open();
    consul.token = "right";
    const failure = await resolver.resolve("orders", "default", {}).catch((error: Error) => error.message);
    expect(failure).toContain("token: ");
    expect(failure).toContain("does not know the token");
    const opening = openDriver(consulResolver, { address: consul.address, token: "s3cret" }, openContext());
    const refused = await opening.catch((error: Error) => error.message);
    expect(refused).toContain("does not know the token");
    expect(refused).not.toContain("s3cret");
  });

  test.each([
    [{ address: "http://" }, "address: "],
    [{ client: '{"adress": "x"}' }, "client.adress: unknown key; there are address, scheme"],
    [{ queryOptions: "[1]" }, "queryOptions: must be an object"],
    [{ allowStale: true, requireConsistent: true }, "allowStale and requireConsistent: only one can be had"],
    [{ certFile: "a.pem" }, "certFile and keyFile belong together"],
    [{ waitTime: "soon" }, 'waitTime: "soon" is not a duration'],
  ])("%j is refused", async (settings, why) => {
    await expect(openDriver(consulResolver, settings, openContext())).rejects.toMatchObject({
      reason: "openFailed",
      message: expect.stringContaining(why),
    });
  });

  test("opens although the agent is away, and says so", async () => {
    const log = new KeptLog();
    const context = openContext({ name: "consul", log });
    const resolver = await openDriver(consulResolver, { address: "127.0.0.1:1" }, context);
    expect(log.lines.join()).toContain("the agent is away");
    await expect(resolver.resolve("orders", "default", {})).rejects.toMatchObject({ reason: "backendUnavailable" });
  });
});

import { expect, test } from "vitest";
import kubernetes from "../../components/kubernetes/name-resolution.ts";
import { startDnsServer, type Zone } from "../support/dns-server.ts";
import { type Given, openDriver } from "../support/open-driver.ts";

const opened = async (zone: Zone | undefined, settings: Given = {}) =>
  openDriver(kubernetes, { servers: [await startDnsServer(zone)], timeout: 100, ...settings });

const orders = "orders-dapr.shop.svc.cluster.local";

test("the sidecars of an app are the addresses of its service", async () => {
  const resolver = await opened({ [orders]: { a: ["10.1.0.1", "10.1.0.2"] } });
  expect((await resolver.resolve("orders", "shop", {})).toSorted()).toEqual(["10.1.0.1:50002", "10.1.0.2:50002"]);
  expect(await resolver.resolve("orders", "other", {})).toEqual([]);
  expect(await resolver.resolve("nobody", "shop", {})).toEqual([]);
});

test("a cluster of IPv6 is found too", async () => {
  const address = Uint8Array.from([0xfd, ...Array(14).fill(0), 7]);
  const resolver = await opened({ [orders]: { aaaa: [address] } });
  expect(await resolver.resolve("orders", "shop", {})).toEqual(["[fd00::7]:50002"]);
});

test.each<[Given, string]>([
  [{ clusterDomain: "example.org" }, "orders-dapr.shop.svc.example.org"],
  [{ clusterDomain: ".example.org." }, "orders-dapr.shop.svc.example.org"],
  [{ template: "{{.ID}}.{{ .Namespace }}.internal:{{.Port}}" }, "orders.shop.internal"],
  [{ template: "{{.ID}}.internal" }, "orders.internal"],
])("%j asks for %s", async (settings, name) => {
  const resolver = await opened({ [name]: { a: ["10.1.0.1"] } }, settings);
  expect(await resolver.resolve("orders", "shop", {})).toEqual(["10.1.0.1:50002"]);
});

test("the port is chosen, also by a template", async () => {
  const name = "orders.internal";
  const zone = { [orders]: { a: ["10.1.0.1"] }, [name]: { a: ["10.1.0.1"] } };
  const port = async (settings: Given) => (await opened(zone, settings)).resolve("orders", "shop", {});
  expect(await port({ port: 7000 })).toEqual(["10.1.0.1:7000"]);
  expect(await port({ template: "{{.ID}}.internal:8000", port: 7000 })).toEqual(["10.1.0.1:8000"]);
});

test("without a lookup the name itself is the address", async () => {
  const resolver = await opened({}, { lookup: "name" });
  expect(await resolver.resolve("orders", "shop", {})).toEqual([`${orders}:50002`]);
});

test("a server that fails, or that says nothing, is told apart from an app that is not there", async () => {
  const failing = await opened(undefined);
  await expect(failing.resolve("orders", "shop", {})).rejects.toMatchObject({
    reason: "backendUnavailable",
    message: expect.stringMatching(/^under-test does not answer: no answer about orders-dapr.shop.svc.cluster.local: /),
  });
  const silent = await openDriver(kubernetes, { servers: ["127.0.0.1:9"], timeout: 60_000 });
  const caller = new AbortController();
  const asking = silent.resolve("orders", "shop", { signal: caller.signal });
  caller.abort(new Error("the caller has left"));
  await expect(asking).rejects.toThrow("the caller has left");
});

test.each<[Given, RegExp]>([
  [{ template: "{{.ID}}-{{.Data.region}}" }, /^template: {{.Data.region}} is not known; use {{.ID}}, /],
  [{ template: "sidecar.internal" }, /^template: must contain {{.ID}}/],
  [{ servers: ["dns.example.org"] }, /^servers: must be addresses, such as 10.0.0.2:53/],
])("%j is refused", async (settings, message) => {
  await expect(openDriver(kubernetes, settings)).rejects.toMatchObject({
    reason: "openFailed",
    message: expect.stringMatching(message),
  });
});

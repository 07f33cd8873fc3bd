import { expect, test } from "vitest";
import dns from "../../../../components/dns/name-resolution.ts";
import { startDnsServer } from "../../../support/dns-server.ts";
import { openDriver } from "../../../support/open-driver.ts";

const format = "{appid}.{namespace}.test";

test("IPv6 is taken when there is no IPv4", async () => {
  const loopback = Uint8Array.from([...Array(15).fill(0), 1]);
  const server = await startDnsServer({
    "six.ns.test": { aaaa: [loopback] },
    "both.ns.test": { a: ["10.0.0.1"], aaaa: [loopback] },
  });
  const resolver = await openDriver(dns, { format, servers: [server] });
  expect(await resolver.resolve("six", "ns", {})).toEqual(["[::1]:50002"]);
  expect(await resolver.resolve("both", "ns", {})).toEqual(["10.0.0.1:50002"]);
});

test("service records bring their port; only the most wanted are given, the heaviest first", async () => {
  const server = await startDnsServer({
    "a.ns.test": {
      srv: [
        { name: "spare.test", port: 1, priority: 20, weight: 9 },
        { name: "light.test", port: 2, priority: 10, weight: 1 },
        { name: "heavy.test", port: 3, priority: 10, weight: 5 },
      ],
    },
  });
  const resolver = await openDriver(dns, { format, record: "srv", servers: [server] });
  expect(await resolver.resolve("a", "ns", {})).toEqual(["heavy.test:3", "light.test:2"]);
  expect(await resolver.resolve("none", "ns", {})).toEqual([]);
});

test("a server that fails is unavailable, which is not the same as an app that is not there", async () => {
  const resolver = await openDriver(dns, { format, servers: [await startDnsServer(undefined)] });
  await expect(resolver.resolve("a", "ns", {})).rejects.toMatchObject({ reason: "backendUnavailable" });
});

test("settings that cannot work are refused by name", async () => {
  await expect(openDriver(dns, { format: "orders.test" })).rejects.toThrow(/format must contain \{appid\}/);
  await expect(openDriver(dns, { format, servers: ["my-server"] })).rejects.toThrow(/servers must be addresses/);
});

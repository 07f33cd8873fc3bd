import consul from "../../components/consul/name-resolution.ts";
import dns from "../../components/dns/name-resolution.ts";
import mdns from "../../components/mdns/name-resolution.ts";
import nameFormat from "../../components/nameformat/name-resolution.ts";
import sqlite from "../../components/sqlite/name-resolution.ts";
import fixed from "../../components/static/name-resolution.ts";
import { startDnsServer } from "../support/dns-server.ts";
import { startFakeConsul } from "../support/fake-consul.ts";
import { freeUdpPort, requireMulticast } from "../support/multicast.ts";
import { kubernetesResolverTarget } from "./kubernetes.targets.ts";
import type { ResolverTarget } from "./name-resolution.suite.ts";

/** The resolvers under test. */
export const resolverTargets: readonly ResolverTarget[] = [
  {
    driver: dns,
    prepare: async (addresses) => ({
      format: "{appid}.{namespace}.test",
      port: 5001,
      servers: [
        await startDnsServer({ "orders.default.test": { a: addresses.map((address) => address.split(":")[0] ?? "") } }),
      ],
    }),
  },
  {
    driver: consul,
    registry: true,
    // A double of an agent.
    prepare: async () => ({ address: (await startFakeConsul()).address, selfRegister: true, selfDeregister: true }),
  },
  {
    driver: mdns,
    registry: true,
    isMissing: !(await requireMulticast()),
    // Another port than the machine's own multicast DNS, so that tests hear nobody else.
    prepare: async () => ({ port: await freeUdpPort(), timeout: 500 }),
  },
  { driver: nameFormat, guesses: "orders.test:5001", prepare: () => ({ format: "{appid}.test", port: 5001 }) },
  { driver: sqlite, registry: true, prepare: () => ({}) },
  { driver: fixed, prepare: (addresses) => ({ apps: JSON.stringify({ orders: addresses }) }) },
  kubernetesResolverTarget,
];

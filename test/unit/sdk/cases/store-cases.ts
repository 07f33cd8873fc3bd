import { Dapr } from "../../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { apiCase, json } from "./api-case.ts";

const { method: dapr } = Dapr;

/** Secrets, configuration and locks. */
export const storeCases = [
  apiCase("a secret", (client) => client.secrets("vault").get("a", { metadata: { v: "1" } }), dapr.getSecret, {
    input: { storeName: "vault", key: "a", metadata: { v: "1" } },
    output: { data: { a: "x" } },
    line: "GET /v1.0/secrets/vault/a?metadata.v=1",
    reply: json({ a: "x" }),
    gives: { a: "x" },
  }),
  apiCase("all secrets", (client) => client.secrets("vault").getAll(), dapr.getBulkSecret, {
    input: { storeName: "vault" },
    output: { data: { a: { secrets: { a: "x" } } } },
    line: "GET /v1.0/secrets/vault/bulk",
    reply: json({ a: { a: "x" } }),
    gives: { a: { a: "x" } },
  }),
  apiCase("configuration by keys", (client) => client.configuration("c").get(["a", "b"]), dapr.getConfiguration, {
    input: { storeName: "c", keys: ["a", "b"] },
    output: { items: { a: { value: "1", version: "v" } } },
    line: "GET /v1.0/configuration/c?key=a&key=b",
    reply: json({ a: { value: "1", version: "v" } }),
    gives: { a: { value: "1", version: "v", metadata: {} } },
  }),
  apiCase("no configuration", (client) => client.configuration("c").get(), dapr.getConfiguration, {
    input: { storeName: "c" },
    line: "GET /v1.0/configuration/c",
    gives: {},
  }),
  apiCase(
    "the end of a configuration subscription",
    (client) => client.configuration("c").unsubscribe("id"),
    dapr.unsubscribeConfiguration,
    {
      input: { storeName: "c", id: "id" },
      output: { ok: true },
      line: "GET /v1.0/configuration/c/id/unsubscribe",
      reply: json({ ok: true }),
      gives: true,
    },
  ),
  apiCase(
    "the end of a configuration subscription that is not there",
    (client) => client.configuration("c").unsubscribe("id"),
    dapr.unsubscribeConfiguration,
    {
      input: { storeName: "c", id: "id" },
      output: { ok: false, message: "no" },
      line: "GET /v1.0/configuration/c/id/unsubscribe",
      reply: { ...json({ message: "no" }), status: 500 },
      gives: false,
    },
  ),
  apiCase(
    "a lock that is free",
    async (client) => {
      const lock = await client.locks("l").tryLock("r", { owner: "me", expirySeconds: 5 });
      return lock && [lock.resource, lock.owner, lock.fencingToken];
    },
    dapr.tryLockAlpha1,
    {
      input: { storeName: "l", resourceId: "r", lockOwner: "me", expiryInSeconds: 5 },
      output: { success: true },
      line: "POST /v1.0-alpha1/lock/l",
      body: { storeName: "l", resourceId: "r", lockOwner: "me", expiryInSeconds: 5 },
      reply: json({ success: true }),
      gives: ["r", "me", undefined],
    },
  ),
  apiCase(
    "a lock that is taken",
    (client) => client.locks("l").tryLock("r", { owner: "me", expirySeconds: 5 }),
    dapr.tryLockAlpha1,
    {
      input: { storeName: "l", resourceId: "r", lockOwner: "me", expiryInSeconds: 5 },
      line: "POST /v1.0-alpha1/lock/l",
      reply: json({ success: false }),
    },
  ),
  ...([0, 1, 2] as const).map((status) =>
    apiCase(`unlocking with outcome ${status}`, (client) => client.locks("l").unlock("r", "me"), dapr.unlockAlpha1, {
      input: { storeName: "l", resourceId: "r", lockOwner: "me" },
      output: { status },
      line: "POST /v1.0-alpha1/unlock/l",
      body: { storeName: "l", resourceId: "r", lockOwner: "me" },
      reply: json({ status }),
      gives: status === 0,
    }),
  ),
];

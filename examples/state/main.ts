// Saves a cart, changes it only if nobody else has, and writes two keys together or not at all.
import assert from "node:assert/strict";
import { createClient, MechaClientError } from "@mecha/sdk";

interface Cart {
  readonly buyer: string;
  readonly items: readonly string[];
}

await using client = createClient();
const carts = client.state<Cart>("statestore");
await carts.deleteMany(["cart-1", "cart-2", "cart-3"]);

// A key that is not there is not an error.
assert.equal(await carts.get("cart-1"), undefined);
await carts.set("cart-1", { buyer: "Mei", items: ["mug"] });
const found = await carts.get("cart-1");
assert.deepEqual(found?.value, { buyer: "Mei", items: ["mug"] });
console.log("saved", found.value);

// The etag is the version that was read. Somebody else writes in between, and the write that trusts it is refused.
await carts.set("cart-1", { buyer: "Mei", items: ["mug", "lamp"] });
const refused = await carts.set("cart-1", { buyer: "Mei", items: [] }, { etag: found.etag }).catch((error) => error);
assert.ok(refused instanceof MechaClientError && refused.code === "aborted");
assert.deepEqual((await carts.get("cart-1"))?.value.items, ["mug", "lamp"]);
console.log("a write with a stale etag was refused:", refused.message);

// first-write without an etag: only if the key is new.
const taken = await carts
  .set("cart-1", { buyer: "Bo", items: [] }, { concurrency: "first-write" })
  .catch((error) => error);
assert.equal(taken.code, "aborted");

// A transaction does all or nothing.
await carts.transact([
  { operation: "upsert", key: "cart-2", value: { buyer: "Bo", items: ["vase"] } },
  { operation: "delete", key: "cart-1" },
]);
const both = await carts.getMany(["cart-1", "cart-2"]);
assert.deepEqual(
  new Map(both.map(({ key, entry }) => [key, entry?.value.buyer])),
  new Map([
    ["cart-1", undefined],
    ["cart-2", "Bo"],
  ]),
);
console.log("moved in one transaction");

// Values that end by themselves, and questions about what is there.
await carts.set("cart-3", { buyer: "Uma", items: ["rug"] }, { ttlSeconds: 60 });
assert.ok((await carts.get("cart-3"))?.metadata["ttlExpireTime"]);
const { results } = await carts.query({ filter: { EQ: { buyer: "Uma" } } });
assert.deepEqual(
  results.map(({ key }) => key),
  ["cart-3"],
);
console.log("found by its buyer:", results[0]?.key);

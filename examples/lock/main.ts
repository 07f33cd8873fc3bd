// Two workers want the same report; one of them makes it.
import assert from "node:assert/strict";
import { createClient } from "@mecha/sdk";

await using client = createClient();
const locks = client.locks("lockstore");

const first = await locks.acquire("report", { owner: "worker-1", expirySeconds: 30, waitSeconds: 30 });
assert.ok(first);
console.log("worker-1 has the lock, fencing token", first.fencingToken);

assert.equal(await locks.tryLock("report", { owner: "worker-2", expirySeconds: 30 }), undefined);
console.log("worker-2 does not get it");

// Only the owner may let go; and while it works for longer than it thought, it renews.
assert.equal(await locks.unlock("report", "worker-2"), false);
assert.equal(await first.renew(60), true);

// Who waits gets it as soon as it is free.
const waiting = locks.acquire("report", { owner: "worker-2", expirySeconds: 30, waitSeconds: 30 });
assert.equal(await first.release(), true);
{
  await using second = await waiting;
  assert.ok(second);
  // The token grows with each owner: a database that remembers the highest one turns late writers away.
  assert.ok((second.fencingToken ?? 0n) > (first.fencingToken ?? 0n));
  console.log("worker-2 has the lock, fencing token", second.fencingToken);
}

// The block above let it go.
assert.ok(await locks.tryLock("report", { owner: "worker-3", expirySeconds: 1 }));
assert.equal(await locks.unlock("report", "worker-3"), true);

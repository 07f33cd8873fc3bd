import { expect, test } from "vitest";
import type { LockStore } from "../../../../../components/contract/lock.ts";
import memory from "../../../../../components/memory/lock.ts";
import { lockMethods } from "../../../../../sidecar/blocks/lock/methods.ts";
import { Dapr } from "../../../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { Mecha } from "../../../../../specs/gen/mecha/v1/mecha_pb.js";
import { componentsOf } from "../../../../support/components.ts";
import { FakeClock } from "../../../../support/fake-clock.ts";
import { whole } from "../../../../support/grpc-call.ts";
import { openContext, openDriver } from "../../../../support/open-driver.ts";
import { startGrpcWire, startHttpWire } from "../../../../support/wires.ts";

async function parts(runtime = {}) {
  const clock = new FakeClock();
  const opened = await openDriver(memory, {}, openContext({ clock }));
  const methods = lockMethods(componentsOf({ name: "locks", driver: memory, opened, runtime }), {
    appId: "app",
    clock,
  });
  return { clock, opened, methods };
}

async function http(runtime = {}) {
  const { methods, ...rest } = await parts(runtime);
  const wire = await startHttpWire({ methods });
  const post = async (path: string, body: object) => {
    const { status, text } = await wire.call({
      verb: "POST",
      path: `/v1.0-alpha1/${path}`,
      body: JSON.stringify(body),
    });
    return [status, JSON.parse(text)];
  };
  return { ...rest, post };
}

const asked = (lockOwner: string, more = {}) => ({ resourceId: "printer", lockOwner, expiryInSeconds: 10, ...more });

test("a lock is taken once, and given back by its owner only", async () => {
  const { post } = await http();
  expect(await post("lock/locks", asked("a"))).toEqual([200, { success: true }]);
  expect(await post("lock/locks", asked("b"))).toEqual([200, { success: false }]);
  expect(await post("unlock/locks", asked("b"))).toEqual([200, { status: 2 }]);
  expect(await post("unlock/locks", asked("a"))).toEqual([200, { status: 0 }]);
  expect(await post("unlock/locks", asked("a"))).toEqual([200, { status: 1 }]);
});

test("a lock ends by itself, later when it is renewed", async () => {
  const { post, clock } = await http();
  await post("lock/locks", asked("a"));
  await clock.advance(9000);
  expect(await post("lock/locks/renew", asked("b"))).toEqual([200, { success: false }]);
  expect(await post("lock/locks/renew", asked("a"))).toEqual([200, { success: true }]);
  await clock.advance(9000);
  expect(await post("lock/locks", asked("b"))).toEqual([200, { success: false }]);
  await clock.advance(1000);
  expect(await post("lock/locks", asked("b"))).toEqual([200, { success: true }]);
});

test("each owner gets a larger token than the one before", async () => {
  const { post } = await http();
  const [, first] = await post("lock/locks/acquire", asked("a"));
  await post("unlock/locks", asked("a"));
  const [, second] = await post("lock/locks/acquire", asked("b"));
  expect([first, second]).toMatchObject([{ success: true }, { success: true }]);
  expect(BigInt(second.fencingToken)).toBeGreaterThan(BigInt(first.fencingToken));
  expect(await post("lock/locks/acquire", asked("c"))).toEqual([200, { success: false }]);
});

test("who waits gets the lock when it is given back, or is told no when the time is over", async () => {
  const { post, clock } = await http();
  await post("lock/locks", asked("a", { expiryInSeconds: 100 }));
  const patient = post("lock/locks/acquire", asked("b", { waitInSeconds: 30 }));
  await expect.poll(() => clock.pending).toBeGreaterThan(1);
  await post("unlock/locks", asked("a"));
  await clock.advance(1000);
  expect(await patient).toMatchObject([200, { success: true }]);
  const hasty = post("lock/locks/acquire", asked("c", { waitInSeconds: 2 }));
  await expect.poll(() => clock.pending).toBeGreaterThan(1);
  await clock.advance(2000);
  expect(await hasty).toEqual([200, { success: false }]);
});

test("who leaves while waiting does not keep the lock", async () => {
  const { opened, clock } = await parts();
  let free = () => {};
  const freed = new Promise<void>((resolve) => {
    free = resolve;
  });
  let attempts = 0;
  // A store whose second answer comes when the caller has left.
  const slow: LockStore = {
    ...opened,
    tryLock: async (request, call) => {
      if (++attempts === 1) return false;
      await freed;
      return opened.tryLock(request, call);
    },
  };
  const methods = lockMethods(componentsOf({ name: "locks", driver: memory, opened: slow }), { appId: "app", clock });
  const wire = await startGrpcWire({ methods });
  const call = wire.caller.open(Mecha.method.acquireLock);
  const answered = whole(call);
  call.write({ storeName: "locks", ...asked("gone", { waitInSeconds: 60 }) });
  call.end();
  await expect.poll(() => clock.pending).toBeGreaterThan(1);
  await clock.advance(1000);
  await expect.poll(() => attempts).toBe(2);
  call.cancel();
  await answered;
  // The server hears of it after the caller.
  await wire.call(Dapr.method.tryLockAlpha1, { storeName: "nowhere", ...asked("x") });
  free();
  await expect
    .poll(() => opened.tryLock({ resource: "lock||app||printer", owner: "next", expirySeconds: 5 }, {}))
    .toBe(true);
});

test.each([
  [{}, "lock||app||printer"],
  [{ keyPrefix: "appid" }, "lock||app||printer"],
  [{ keyPrefix: "name" }, "lock||locks||printer"],
  [{ keyPrefix: "none" }, "lock||printer"],
  [{ keyPrefix: "shared" }, "lock||shared||printer"],
])("with %j the key is %s", async (runtime, key) => {
  const { post, opened } = await http(runtime);
  await post("lock/locks", asked("a"));
  expect(await opened.unlock(key, "a", {})).toBe("released");
});

test.each([
  ["lock/locks", asked("a", { resourceId: "" }), 400, "ERR_MALFORMED_REQUEST", /resourceId is empty/],
  ["lock/locks", asked("", {}), 400, "ERR_MALFORMED_REQUEST", /lockOwner is empty/],
  ["lock/nowhere", asked("a", { expiryInSeconds: 0 }), 400, "ERR_MALFORMED_REQUEST", /expiryInSeconds is not over 0/],
  ["lock/locks", asked("a", { resourceId: "b||c" }), 400, "ERR_MALFORMED_REQUEST", /contains '\|\|'/],
  ["lock/locks/acquire", asked("a", { waitInSeconds: -1 }), 400, "ERR_MALFORMED_REQUEST", /waitInSeconds is below 0/],
  ["unlock/locks", asked("a", { resourceId: "b||c" }), 400, "ERR_MALFORMED_REQUEST", /contains '\|\|'/],
  ["lock/nowhere", asked("a"), 400, "ERR_LOCK_STORE_NOT_FOUND", /nowhere not found; configured: locks/],
  ["unlock/nowhere", asked("a"), 400, "ERR_LOCK_STORE_NOT_FOUND", /nowhere not found/],
])("POST %s of %j is refused", async (path, body, status, errorCode, message) => {
  const { post } = await http();
  expect(await post(path, body)).toEqual([status, { errorCode, message: expect.stringMatching(message) }]);
});

test("a store that fails is told in the words of the method", async () => {
  const { opened, clock } = await parts();
  const broken = async () => Promise.reject(new Error("disk full"));
  const failing: LockStore = { ...opened, tryLock: broken, unlock: broken, renew: broken };
  const methods = lockMethods(componentsOf({ name: "locks", driver: memory, opened: failing }), {
    appId: "app",
    clock,
  });
  const wire = await startHttpWire({ methods });
  const codes = [];
  for (const path of ["lock/locks", "lock/locks/acquire", "lock/locks/renew", "unlock/locks"]) {
    const { status, text } = await wire.call({
      verb: "POST",
      path: `/v1.0-alpha1/${path}`,
      body: JSON.stringify(asked("a")),
    });
    expect(text).toContain("disk full");
    codes.push([status, JSON.parse(text).errorCode]);
  }
  expect(codes).toEqual([
    [500, "ERR_TRY_LOCK"],
    [500, "ERR_TRY_LOCK"],
    [500, "ERR_RENEW_LOCK"],
    [500, "ERR_UNLOCK"],
  ]);
});

test("the same over gRPC", async () => {
  const { methods } = await parts();
  const wire = await startGrpcWire({ methods });
  const init = { storeName: "locks", ...asked("a") };
  expect((await wire.call(Dapr.method.tryLockAlpha1, init)).messages).toMatchObject([{ success: true }]);
  expect((await wire.call(Mecha.method.renewLock, init)).messages).toMatchObject([{ success: true }]);
  expect((await wire.call(Dapr.method.unlockAlpha1, init)).messages).toMatchObject([{ status: 0 }]);
  expect((await wire.call(Mecha.method.acquireLock, init)).messages).toMatchObject([
    { success: true, fencingToken: 2n },
  ]);
  const empty = await startGrpcWire({ methods: lockMethods(componentsOf(), { appId: "app", clock: new FakeClock() }) });
  const { code, details } = await empty.call(Dapr.method.tryLockAlpha1, init);
  expect([code, details]).toEqual([9, []]);
});

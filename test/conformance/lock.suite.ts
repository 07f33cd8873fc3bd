import { expect, test } from "vitest";
import type { OpenedByKind } from "../../components/contract/any-driver.ts";
import type { LockDriver } from "../../components/contract/lock.ts";
import { type Bench, fresh, openBench, type Target } from "./target.ts";

export type LockTarget = Target<LockDriver>;

type OpenLock = () => Promise<Bench<OpenedByKind["lock"]>>;

/** What every lock store must do. */
export function lockSuite(target: LockTarget): void {
  const open = () => openBench(target) as ReturnType<OpenLock>;
  lockCases(open);
  endCases(open);
  if (target.driver.capabilities.includes("fencing")) fencingCases(open);
  else {
    test("the store offers no fencing tokens", async () => {
      expect((await open()).opened.fencingToken).toBeUndefined();
    });
  }
  test("closing twice is closing once", async () => {
    const { opened } = await open();
    await opened.close();
    await opened.close();
  });
}

const request = (resource: string, owner: string, expirySeconds = 60) => ({ resource, owner, expirySeconds });

function lockCases(open: OpenLock): void {
  test("a free lock is taken, and held against others and against its owner", async () => {
    const { opened } = await open();
    const resource = fresh("r");
    expect(await opened.tryLock(request(resource, "one"), {})).toBe(true);
    expect(await opened.tryLock(request(resource, "two"), {})).toBe(false);
    expect(await opened.tryLock(request(resource, "one"), {})).toBe(false);
  });

  test("locks on different resources do not know of each other", async () => {
    const { opened } = await open();
    expect(await opened.tryLock(request(fresh("r"), "one"), {})).toBe(true);
    expect(await opened.tryLock(request(fresh("r"), "two"), {})).toBe(true);
  });

  test("a released lock can be taken by another", async () => {
    const { opened } = await open();
    const resource = fresh("r");
    await opened.tryLock(request(resource, "one"), {});
    expect(await opened.unlock(resource, "one", {})).toBe("released");
    expect(await opened.tryLock(request(resource, "two"), {})).toBe(true);
  });

  test("a lock is not released by one who does not hold it", async () => {
    const { opened } = await open();
    const resource = fresh("r");
    expect(await opened.unlock(resource, "one", {})).toBe("missing");
    await opened.tryLock(request(resource, "one"), {});
    expect(await opened.unlock(resource, "two", {})).toBe("foreign");
    expect(await opened.tryLock(request(resource, "two"), {})).toBe(false);
  });

  test("of many who want a lock at once one gets it", async () => {
    const { opened } = await open();
    const resource = fresh("r");
    const tries = Array.from({ length: 50 }, (_, n) => opened.tryLock(request(resource, `owner ${n}`), {}));
    expect((await Promise.all(tries)).filter(Boolean)).toHaveLength(1);
  });
}

function endCases(open: OpenLock): void {
  test("a lock ends by itself when its time is over", async () => {
    const { opened, until } = await open();
    const resource = fresh("r");
    await opened.tryLock(request(resource, "one", 1), {});
    await until(() => opened.tryLock(request(resource, "two"), {}));
    expect(await opened.unlock(resource, "one", {})).toBe("foreign");
    expect(await opened.renew(request(resource, "one"), {})).toBe(false);
  });

  test("an ended lock counts as missing", async () => {
    const { opened, pass } = await open();
    const resource = fresh("r");
    await opened.tryLock(request(resource, "one", 1), {});
    await pass(1200);
    expect(await opened.unlock(resource, "one", {})).toBe("missing");
  });

  test("renewing moves the end of a lock", async () => {
    const { opened, pass } = await open();
    const resource = fresh("r");
    await opened.tryLock(request(resource, "one", 1), {});
    expect(await opened.renew(request(resource, "one", 60), {})).toBe(true);
    await pass(1200);
    expect(await opened.tryLock(request(resource, "two"), {})).toBe(false);
  });

  test("a lock is renewed by its holder only", async () => {
    const { opened } = await open();
    const resource = fresh("r");
    expect(await opened.renew(request(resource, "one"), {})).toBe(false);
    await opened.tryLock(request(resource, "one"), {});
    expect(await opened.renew(request(resource, "two"), {})).toBe(false);
  });
}

function fencingCases(open: OpenLock): void {
  test("each change of owner gives a greater token, also after a release and after an end", async () => {
    const { opened, pass } = await open();
    const resource = fresh("r");
    const take = async (owner: string) => {
      expect(await opened.tryLock(request(resource, owner, 1), {})).toBe(true);
      return (await opened.fencingToken?.(resource, owner, {})) as bigint;
    };
    const first = await take("one");
    await opened.unlock(resource, "one", {});
    const second = await take("two");
    await pass(1200);
    const third = await take("three");
    expect([second > first, third > second]).toEqual([true, true]);
  });

  test("a token stays while the lock is held, and is told to the holder only", async () => {
    const { opened } = await open();
    const resource = fresh("r");
    expect(await opened.fencingToken?.(resource, "one", {})).toBeUndefined();
    await opened.tryLock(request(resource, "one"), {});
    const token = await opened.fencingToken?.(resource, "one", {});
    await opened.renew(request(resource, "one"), {});
    expect(await opened.fencingToken?.(resource, "one", {})).toBe(token);
    expect(await opened.fencingToken?.(resource, "two", {})).toBeUndefined();
    await opened.unlock(resource, "one", {});
    expect(await opened.fencingToken?.(resource, "one", {})).toBeUndefined();
  });
}

import { expect, test } from "vitest";
import { ClaimBuffer } from "../../../../components/postgresql/claim-buffer.ts";
import type { Claim } from "../../../../components/postgresql/message-log.ts";

let count = 0;
const claim = (key: string | null): Claim => {
  count += 1;
  return {
    seq: String(count),
    attempt: 1,
    owner: 1,
    key,
    data: Buffer.alloc(0),
    contentType: null,
    metadata: null,
    expiresAt: undefined,
  };
};

function filled(...keys: (string | null)[]) {
  const claims = keys.map(claim);
  const buffer = new ClaimBuffer();
  buffer.add(claims);
  const take = () => {
    const taken = buffer.take();
    return taken && claims.indexOf(taken);
  };
  return { buffer, take };
}

test("messages without a key come out in their order", () => {
  const { take } = filled(null, null, null);
  expect([take(), take(), take(), take()]).toEqual([0, 1, 2, undefined]);
});

test("of each key one message is out at a time, and others pass those that wait", () => {
  const { buffer, take } = filled("a", "a", "b", null, "b");
  expect(buffer.startable).toBe(3);
  expect([take(), take(), take(), take()]).toEqual([0, 2, 3, undefined]);
  expect([buffer.size, buffer.startable]).toEqual([2, 0]);
  buffer.free("b");
  expect([take(), take()]).toEqual([4, undefined]);
  buffer.free("a");
  expect([take(), take()]).toEqual([1, undefined]);
});

test("what waits under some keys can be taken out, while the keys stay busy", () => {
  const { buffer, take } = filled("a", "a", "b", "a", null);
  expect(take()).toBe(0);
  expect(buffer.withdraw(new Set(["a"]))).toHaveLength(2);
  expect([take(), take(), take()]).toEqual([2, 4, undefined]);
  buffer.add([claim("a")]);
  expect(buffer.take()).toBeUndefined();
});

test("clearing takes out all that waits", () => {
  const { buffer } = filled("a", null);
  expect(buffer.clear()).toHaveLength(2);
  expect(buffer.size).toBe(0);
});

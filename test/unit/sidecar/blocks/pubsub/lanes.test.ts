import { describe, expect, test } from "vitest";
import type { IncomingMessage, Settle } from "../../../../../components/contract/pubsub.ts";
import { Lanes, partitionKeyOf } from "../../../../../sidecar/blocks/pubsub/lanes.ts";
import { settled } from "./fakes.ts";

const message = (id: string, key?: string): IncomingMessage => ({
  id,
  topic: "t",
  data: Buffer.from(id),
  metadata: key === undefined ? {} : { partitionKey: key },
  attempt: 1,
});

/** Lanes whose handler waits until a test answers. */
function waiting() {
  const open = new Map<string, (settle: Settle) => void>();
  const lanes = new Lanes(partitionKeyOf, ({ id }) => new Promise((resolve) => open.set(id, resolve)));
  const outcomes: string[] = [];
  return {
    enter: (id: string, key?: string) =>
      void lanes.enter(message(id, key)).then((settle) => outcomes.push(`${id} ${settle}`)),
    answer: async (id: string, settle: Settle) => {
      open.get(id)?.(settle);
      open.delete(id);
      await settled();
    },
    started: () => [...open.keys()],
    outcomes,
  };
}

describe("lanes", () => {
  test("messages of one key are handled one after another, those of others and without a key meanwhile", async () => {
    const { enter, answer, started, outcomes } = waiting();
    enter("a1", "a");
    enter("a2", "a");
    enter("b1", "b");
    enter("x1");
    enter("x2");
    await settled();
    expect(started()).toEqual(["a1", "b1", "x1", "x2"]);
    await answer("a1", "ack");
    expect(started()).toContain("a2");
    await answer("a2", "ack");
    expect(outcomes).toEqual(["a1 ack", "a2 ack"]);
  });

  test("behind a message that goes back all of its key go back, and then the key begins anew", async () => {
    const { enter, answer, started, outcomes } = waiting();
    for (const id of ["a1", "a2", "a3"]) enter(id, "a");
    await settled();
    await answer("a1", "retry");
    expect(outcomes).toEqual(["a1 retry", "a2 retry", "a3 retry"]);
    enter("a1", "a");
    await settled();
    expect(started()).toEqual(["a1"]);
  });

  test("the partition key is what the driver, the publisher or Kafka calls so", () => {
    expect(partitionKeyOf({ ...message("1"), key: "k" })).toBe("k");
    expect(partitionKeyOf(message("1", "p"))).toBe("p");
    expect(partitionKeyOf({ ...message("1"), metadata: { __key: "q" } })).toBe("q");
    expect(partitionKeyOf(message("1"))).toBeUndefined();
  });
});

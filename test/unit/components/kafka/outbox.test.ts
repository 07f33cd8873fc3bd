import { describe, expect, test } from "vitest";
import { Outbox, type Outgoing } from "../../../../components/kafka/outbox.ts";
import { Ticket } from "../../../../components/kafka/ticket.ts";

const message = (bytes = 10): Outgoing => ({
  topic: "t",
  value: Buffer.alloc(bytes),
  headers: new Map(),
  bytes,
  timestamp: 0,
});
const identity = { id: 1n, epoch: 0 };

/** An outbox with so many messages, of one caller. */
function filled(count: number, deadline = 1000) {
  const outbox = new Outbox("t", 0);
  const ticket = new Ticket(count, deadline);
  for (let index = 0; index < count; index += 1) outbox.add({ message: message(), ticket, index });
  return { outbox, ticket };
}

const batchOf = ({ batch }: Outbox) => {
  if (!batch) throw new Error("there is no batch");
  return batch;
};
const take = (outbox: Outbox) => outbox.taken(batchOf(outbox));

describe("an outbox", () => {
  test("sends what waits as one batch, and the next one after it was taken", async () => {
    const { outbox, ticket } = filled(3);
    expect(outbox.fill(1000, identity)).toMatchObject({ sequence: 0, waiting: { length: 3 } });
    const later = new Ticket(1, 1000);
    outbox.add({ message: message(), ticket: later, index: 0 });
    expect(outbox.fill(1000, identity)?.waiting).toHaveLength(3);
    take(outbox);
    expect(await ticket.done).toEqual([]);
    expect(outbox.fill(1000, identity)).toMatchObject({ sequence: 3, waiting: { length: 1 } });
    take(outbox);
    expect(await later.done).toEqual([]);
    expect(outbox.isIdle).toBe(true);
  });

  test("keeps a batch small, but sends a large message alone", () => {
    const { outbox } = filled(5);
    expect(outbox.fill(25, identity)?.waiting).toHaveLength(2);
    take(outbox);
    expect(outbox.fill(5, identity)?.waiting).toHaveLength(1);
  });

  test("gives the place of a batch that was refused to the next one", async () => {
    const { outbox, ticket } = filled(1);
    outbox.fill(1000, identity);
    expect(outbox.refuse(batchOf(outbox), "too large")).toBeUndefined();
    expect(await ticket.done).toEqual([{ index: 0, cause: "too large" }]);
    outbox.add({ message: message(), ticket: new Ticket(1, 1000), index: 0 });
    expect(outbox.fill(1000, identity)?.sequence).toBe(0);
  });

  test("gives up the identity of a batch that may have been taken", () => {
    const { outbox } = filled(1);
    outbox.fill(1000, identity);
    const batch = batchOf(outbox);
    batch.isUnsure = true;
    expect(outbox.refuse(batch, "late")).toBe(identity);
  });

  test("begins anew under another identity", () => {
    const { outbox } = filled(4);
    outbox.fill(20, identity);
    take(outbox);
    expect(outbox.fill(20, identity)?.sequence).toBe(2);
    const other = { id: 2n, epoch: 0 };
    outbox.renew(other);
    expect(outbox.batch).toMatchObject({ identity: other, sequence: 0, waiting: { length: 2 } });
  });

  test("splits a batch that is too large, down to one message", () => {
    const { outbox } = filled(3);
    outbox.fill(1000, identity);
    expect(outbox.split(batchOf(outbox))).toBe(true);
    expect(outbox.batch?.waiting.map(({ index }) => index)).toEqual([0]);
    expect(outbox.split(batchOf(outbox))).toBe(false);
    take(outbox);
    expect(outbox.fill(1000, identity)?.waiting.map(({ index }) => index)).toEqual([1, 2]);
  });

  test("waits for the answer to what was sent, though nobody else does", () => {
    const { outbox, ticket } = filled(1);
    outbox.fill(1000, identity);
    const batch = batchOf(outbox);
    batch.isOwed = true;
    ticket.abandon("left");
    expect(outbox.sweep(0, () => "late")).toBeUndefined();
    expect(outbox.batch).toBe(batch);
    outbox.add({ message: message(), ticket: new Ticket(1, 1000), index: 0 });
    outbox.taken(batch);
    // What the broker has taken has used up its place.
    expect(outbox.fill(1000, identity)?.sequence).toBe(1);
  });

  test("hears an answer that comes twice, by two brokers, once", () => {
    const { outbox } = filled(2);
    const first = outbox.fill(10, identity);
    if (!first) throw new Error("there is no batch");
    outbox.taken(first);
    const second = outbox.fill(10, identity);
    outbox.taken(first);
    expect(outbox.refuse(first, "no")).toBeUndefined();
    expect(outbox.batch).toBe(second);
  });

  test("lets go of what nobody waits for, and of what has waited too long", async () => {
    const { outbox, ticket } = filled(2, 50);
    const patient = new Ticket(1, 1000);
    outbox.add({ message: message(), ticket: patient, index: 0 });
    const leaving = new Ticket(1, 1000);
    outbox.add({ message: message(), ticket: leaving, index: 0 });
    leaving.abandon("left");
    outbox.sweep(50, () => "late");
    expect(await ticket.done).toEqual([
      { index: 0, cause: "late" },
      { index: 1, cause: "late" },
    ]);
    expect(await leaving.done).toEqual([{ index: 0, cause: "left" }]);
    expect(outbox.fill(1000, identity)?.waiting).toHaveLength(1);
    expect(outbox.sweep(51, () => "late")).toBeUndefined();
    expect(outbox.batch).toBeDefined();
    outbox.sweep(1000, () => "late");
    expect(outbox.isIdle).toBe(true);
    expect(await patient.done).toEqual([{ index: 0, cause: "late" }]);
  });
});

describe("a ticket", () => {
  test("is done at once without messages", async () => {
    expect(await new Ticket(0, 1).done).toEqual([]);
  });

  test("tells of the messages that were not taken in their order, each once", async () => {
    const ticket = new Ticket(3, 1);
    ticket.refused(2, "c");
    ticket.taken(1);
    ticket.refused(0, "a");
    ticket.refused(0, "again");
    ticket.abandon("late");
    expect(await ticket.done).toEqual([
      { index: 0, cause: "a" },
      { index: 2, cause: "c" },
    ]);
  });
});

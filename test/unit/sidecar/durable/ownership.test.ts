import { describe, expect, onTestFinished, test } from "vitest";
import type { Journal } from "../../../../components/contract/journal.ts";
import { MemoryJournal } from "../../../../components/memory/journal.ts";
import { PartitionOwnership } from "../../../../sidecar/durable/ownership.ts";
import type { OpenedPartition, Partition, PartitionWorker } from "../../../../sidecar/kernel/durable.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { KeptLog } from "../../../support/open-driver.ts";

const partitions = 16;

/** Sidecars of one app over one journal, all on one clock. */
class Fixture {
  readonly clock = new FakeClock();
  readonly journal: Journal = new MemoryJournal();
  readonly #running: PartitionOwnership[] = [];

  constructor() {
    onTestFinished(async () => {
      const closing = Promise.all(this.#running.map((one) => one.close()));
      await this.clock.advance(10_000);
      await closing;
    });
  }

  async join(name: string, { journal = this.journal, drain = async () => {} } = {}) {
    const open = new Map<number, Partition>();
    const woken: number[] = [];
    const wakes: string[] = [];
    const worker: PartitionWorker = {
      async open(partition): Promise<OpenedPartition> {
        open.set(partition.index, partition);
        return {
          wake: () => void woken.push(partition.index),
          async close() {
            await drain();
            open.delete(partition.index);
          },
        };
      },
    };
    const ownership = new PartitionOwnership({
      journal,
      appId: "app",
      address: name,
      workers: [worker],
      wakeAt: async (address, partition) => void wakes.push(`${address} ${partition}`),
      clock: this.clock,
      log: new KeptLog(),
      partitions,
    });
    this.#running.push(ownership);
    ownership.start();
    await this.clock.advance(0);
    return { ownership, open, woken, wakes };
  }
}

/** A journal that can be cut off: calls wait until it is let through again. */
function cuttable(journal: Journal) {
  let through: Promise<void> = Promise.resolve();
  let heal = () => {};
  const gated: Journal = {
    read: (...args) => through.then(() => journal.read(...args)),
    scan: (...args) => through.then(() => journal.scan(...args)),
    commit: (...args) => through.then(() => journal.commit(...args)),
  };
  return {
    journal: gated,
    cut: () => {
      through = new Promise((resolve) => (heal = resolve));
    },
    heal: () => heal(),
  };
}

const put = (key: string, text: string) => ({ key, data: Buffer.from(text) });
const all = Array.from({ length: partitions }, (_, n) => n);

describe("partitions", () => {
  test("all belong to a sidecar that is alone", async () => {
    const { ownership } = await new Fixture().join("a");
    expect(ownership.held).toEqual(all);
  });

  test("are shared with one that joins, which gets them when they are given back", async () => {
    const fixture = new Fixture();
    const a = await fixture.join("a");
    const b = await fixture.join("b");
    await fixture.clock.advance(5000);
    expect([...a.ownership.held, ...b.ownership.held].sort((x, y) => x - y)).toEqual(all);
    expect(a.ownership.held.length).toBeGreaterThan(2);
    expect(b.ownership.held.length).toBeGreaterThan(2);
  });

  test("of one that leaves go to the others at once", async () => {
    const fixture = new Fixture();
    const a = await fixture.join("a");
    const b = await fixture.join("b");
    await fixture.clock.advance(5000);
    await b.ownership.close();
    await fixture.clock.advance(2000);
    expect(a.ownership.held).toEqual(all);
  });

  test("of one that has died go to the others after a lease", async () => {
    const fixture = new Fixture();
    const a = await fixture.join("a");
    const way = cuttable(fixture.journal);
    const b = await fixture.join("b", { journal: way.journal });
    await fixture.clock.advance(5000);
    way.cut();
    await fixture.clock.advance(4000);
    expect(a.ownership.held).not.toEqual(all);
    await fixture.clock.advance(4000);
    expect(a.ownership.held).toEqual(all);
    expect(b.ownership.held).toEqual([]);
    way.heal();
  });

  test("are given away only when what is under way has ended", async () => {
    const fixture = new Fixture();
    let finish = () => {};
    const drained = new Promise<void>((resolve) => (finish = resolve));
    const a = await fixture.join("a", { drain: () => drained });
    const b = await fixture.join("b");
    await fixture.clock.advance(5000);
    expect(b.ownership.held).toEqual([]);
    finish();
    await fixture.clock.advance(5000);
    expect([...a.ownership.held, ...b.ownership.held].sort((x, y) => x - y)).toEqual(all);
  });
});

describe("a commit", () => {
  test("of an owner that was replaced while it stood still is refused, and changes nothing", async () => {
    const fixture = new Fixture();
    const way = cuttable(fixture.journal);
    const a = await fixture.join("a", { journal: way.journal });
    const partition = a.open.get(3) as Partition;
    await partition.commit([put("k", "before")]);
    way.cut();
    // On its way to the store while its sidecar stands still.
    const late = partition.commit([put("k", "late")]).catch((error: { reason: string }) => error.reason);
    const b = await fixture.join("b");
    await fixture.clock.advance(12_000);
    expect(b.ownership.held).toEqual(all);
    await b.open.get(3)?.commit([put("k", "after")]);
    way.heal();
    expect(await late).toBe("ownershipLost");
    expect(partition.lost.aborted).toBe(true);
    expect(Buffer.from((await b.ownership.peek(3, ["k"], {}))[0]?.data ?? []).toString()).toBe("after");
  });

  test("goes to the store together with those that wait, in their order", async () => {
    const fixture = new Fixture();
    let commits = 0;
    const counting: Journal = {
      read: (...args) => fixture.journal.read(...args),
      scan: (...args) => fixture.journal.scan(...args),
      commit: (space, ...rest) => {
        if (space.endsWith("p0003")) commits += 1;
        return fixture.journal.commit(space, ...rest);
      },
    };
    const { open } = await fixture.join("a", { journal: counting });
    const partition = open.get(3) as Partition;
    commits = 0;
    await Promise.all(
      Array.from({ length: 100 }, (_, n) => partition.commit([put("k", String(n)), put(`log/${n}`, "")])),
    );
    expect(commits).toBe(1);
    const [record] = await partition.read(["k"], {});
    expect(Buffer.from(record?.data ?? []).toString()).toBe("99");
    expect(await partition.scan({ from: "log/", to: "log0", limit: 1000 }, {})).toHaveLength(100);
  });

  test("that the store does not take for another reason leaves the partition where it is", async () => {
    const fixture = new Fixture();
    let isAway = false;
    const failing: Journal = {
      read: (...args) => fixture.journal.read(...args),
      scan: (...args) => fixture.journal.scan(...args),
      commit: (...args) => (isAway ? Promise.reject(new Error("away")) : fixture.journal.commit(...args)),
    };
    const { open } = await fixture.join("a", { journal: failing });
    const partition = open.get(3) as Partition;
    isAway = true;
    await expect(partition.commit([put("k", "1")])).rejects.toThrow("away");
    isAway = false;
    await partition.commit([put("k", "2")]);
  });
});

describe("a sidecar that cannot reach the store", () => {
  test("stops before the others may begin", async () => {
    const fixture = new Fixture();
    const way = cuttable(fixture.journal);
    const a = await fixture.join("a", { journal: way.journal });
    const partition = a.open.get(3) as Partition;
    way.cut();
    await fixture.clock.advance(4500);
    expect([a.ownership.held, partition.lost.aborted]).toEqual([[], true]);
    way.heal();
    await fixture.clock.advance(4000);
    expect(a.ownership.held).toEqual(all);
  });
});

describe("what is put into a partition", () => {
  test("wakes its owner here, or the sidecar that owns it", async () => {
    const fixture = new Fixture();
    const a = await fixture.join("a");
    const b = await fixture.join("b");
    await fixture.clock.advance(5000);
    a.woken.length = 0;
    const [own, other] = [a.ownership.held[0] ?? 0, b.ownership.held[0] ?? 0];
    await a.ownership.deposit(own, "mail/", Buffer.from("1"), {});
    await a.ownership.deposit(other, "mail/", Buffer.from("2"), {});
    await fixture.clock.advance(0);
    expect([a.woken, a.wakes]).toEqual([[own], [`b ${other}`]]);
    const found = await b.open.get(other)?.scan({ from: "mail/", to: "mail0", limit: 10 }, {});
    expect(found?.map(({ data }) => Buffer.from(data).toString())).toEqual(["2"]);
    expect(await a.ownership.ownerOf(other, {})).toEqual({ isSelf: false, address: "b" });
    expect(await a.ownership.ownerOf(own, {})).toEqual({ isSelf: true, address: "a" });
  });

  test("is found by the owner although nobody wakes it", async () => {
    const fixture = new Fixture();
    const { woken } = await fixture.join("a");
    woken.length = 0;
    await fixture.clock.advance(10_000);
    expect(woken).toEqual(all);
  });
});

import { randomUUID } from "node:crypto";
import type { Call, Clock, Log } from "../../components/contract/driver.ts";
import type { Journal, JournalRange, JournalRecord } from "../../components/contract/journal.ts";
import { causeText, MechaError } from "../../specs/errors.ts";
import type { OpenedPartition, Ownership, PartitionOwner, PartitionWorker } from "../kernel/durable.ts";
import { Members } from "./members.ts";
import { OwnedPartition, ownerKey } from "./partition.ts";
import { chosenMember, partitionOf } from "./rendezvous.ts";

export interface OwnershipParts {
  readonly journal: Journal;
  readonly appId: string;
  /** Where this sidecar takes calls of others. */
  readonly address: string;
  readonly workers: readonly PartitionWorker[];
  /** Tells the sidecar at an address that something was put into a partition. May fail; the owner looks by itself too. */
  readonly wakeAt?: ((address: string, partition: number) => Promise<void>) | undefined;
  readonly clock: Clock;
  /** Milliseconds by a clock that never goes back; default: the clock's. */
  readonly now?: (() => number) | undefined;
  readonly log: Log;
  /** How many partitions; must be the same in all sidecars of the app. */
  readonly partitions?: number | undefined;
  readonly leaseMs?: number | undefined;
}

const defaultPartitions = 128;
const defaultLeaseMs = 5000;
/** How often a partition is looked at although nobody has woken it. */
const lookMs = 10_000;
/** Takeovers and releases at once. */
const parallel = 16;

interface OwnerRecord {
  /** Absent: it was given back. */
  readonly member?: string;
  /** One more with each owner. */
  readonly epoch: number;
}

interface Held {
  readonly partition: OwnedPartition;
  readonly opened: readonly OpenedPartition[];
}

/**
 * Spreads partitions over the sidecars of an app; docs/decisions/ownership.md has the protocol and why it is safe. Safety
 * rests on the store alone: who takes a partition over changes the version of its owner record, and commits of the one
 * before are conditioned on the version they knew. Leases decide only how soon that happens.
 */
export class PartitionOwnership implements Ownership {
  readonly #parts: OwnershipParts;
  readonly #id = randomUUID();
  readonly #members: Members;
  readonly #count: number;
  readonly #leaseMs: number;
  readonly #held = new Map<number, Held>();
  readonly #moving = new Map<number, Promise<void>>();
  readonly #ending = new AbortController();
  #cancelBeat = () => {};
  #cancelGrant = () => {};
  #cancelLook = () => {};
  #beating: Promise<void> | undefined;
  #closed: Promise<void> | undefined;

  constructor(parts: OwnershipParts) {
    this.#parts = parts;
    this.#count = parts.partitions ?? defaultPartitions;
    this.#leaseMs = parts.leaseMs ?? defaultLeaseMs;
    this.#members = new Members({
      journal: parts.journal,
      space: `${parts.appId}/members`,
      self: { id: this.#id, address: parts.address },
      leaseMs: this.#leaseMs,
      now: parts.now ?? (() => parts.clock.now()),
    });
  }

  /** Joins the app's sidecars; resolves at once. */
  start(): void {
    this.#beat();
    this.#lookLater();
  }

  partitionOf(id: string): number {
    return partitionOf(id, this.#count);
  }

  async ownerOf(partition: number, call: Call): Promise<PartitionOwner | undefined> {
    if (this.#held.has(partition)) return { isSelf: true, address: this.#parts.address };
    const { owner } = await this.#ownerRecord(partition, call);
    const member = owner.member === undefined ? undefined : this.#members.living.get(owner.member);
    return member && member.id !== this.#id ? { isSelf: false, address: member.address } : undefined;
  }

  async deposit(partition: number, prefix: string, data: Uint8Array, call: Call): Promise<void> {
    const time = String(this.#parts.clock.now()).padStart(15, "0");
    const key = `${prefix}${time}-${randomUUID()}`;
    await this.#parts.journal.commit(this.#space(partition), { writes: [{ key, data }] }, call);
    if (this.wake(partition)) return;
    // It is durable already; who waits for nothing need not wait for this.
    void this.#wakeOther(partition);
  }

  /** Something was put into a partition. False: it is not this sidecar's. */
  wake(partition: number): boolean {
    const held = this.#held.get(partition);
    for (const opened of held?.opened ?? []) opened.wake();
    return held !== undefined;
  }

  async #wakeOther(partition: number): Promise<void> {
    try {
      const owner = await this.ownerOf(partition, { signal: this.#ending.signal });
      if (owner && !owner.isSelf) await this.#parts.wakeAt?.(owner.address, partition);
    } catch (error) {
      this.#parts.log.debug("the owner of a partition was not woken", { partition, error: causeText(error) });
    }
  }

  peek(partition: number, keys: readonly string[], call: Call): Promise<readonly (JournalRecord | undefined)[]> {
    return this.#parts.journal.read(this.#space(partition), keys, call);
  }

  peekRange(partition: number, range: JournalRange, call: Call): Promise<readonly JournalRecord[]> {
    return this.#parts.journal.scan(this.#space(partition), range, call);
  }

  /** Partitions that are worked on here. */
  get held(): readonly number[] {
    return [...this.#held.keys()].sort((left, right) => left - right);
  }

  /** Gives all partitions back when what is under way has settled, and leaves. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#cancelBeat();
    this.#cancelGrant();
    this.#cancelLook();
    this.#ending.abort();
    await this.#beating;
    await Promise.all(this.#moving.values());
    await each([...this.#held.keys()], (partition) => this.#release(partition));
    await this.#members.leave({}).catch((error: unknown) => {
      this.#parts.log.warn("the other sidecars were not told of the end; they will see it", {
        error: causeText(error),
      });
    });
  }

  #space(partition: number): string {
    return `${this.#parts.appId}/p${String(partition).padStart(4, "0")}`;
  }

  #beat(): void {
    const next = this.#leaseMs / 3;
    this.#beating = this.#members
      .beat({ signal: this.#ending.signal })
      .then(() => this.#settle())
      .catch((error: unknown) => {
        if (!this.#ending.signal.aborted) {
          this.#parts.log.warn("the store of durable work does not answer; trying again", { error: causeText(error) });
        }
      })
      .finally(() => {
        this.#watchGrant();
        if (!this.#ending.signal.aborted) this.#cancelBeat = this.#parts.clock.after(next, () => this.#beat());
      });
  }

  /** When no beat succeeds any more, others may take over: this sidecar stops before they begin. */
  #watchGrant(): void {
    this.#cancelGrant();
    if (this.#ending.signal.aborted) return;
    this.#cancelGrant = this.#parts.clock.after(this.#members.grantedMs, () => {
      if (this.#members.grantedMs > 0) return this.#watchGrant();
      for (const partition of this.#held.keys()) this.#drop(partition, "this sidecar could not say that it lives");
    });
  }

  /** Takes what should be here, gives away what should not. */
  async #settle(): Promise<void> {
    const living = this.#members.living;
    const mine = new Set<number>();
    for (let partition = 0; partition < this.#count; partition += 1) {
      if (chosenMember(partition, living.keys()) === this.#id) mine.add(partition);
    }
    const surplus = [...this.#held.keys()].filter((partition) => !mine.has(partition));
    const wanted = [...mine].filter((partition) => !this.#held.has(partition));
    await Promise.all([
      each(surplus, (partition) => this.#move(partition, () => this.#release(partition))),
      each(wanted, (partition) => this.#move(partition, () => this.#take(partition))),
    ]);
  }

  /** One change of a partition at a time. A slow one does not hold up the beat. */
  async #move(partition: number, act: () => Promise<void>): Promise<void> {
    if (this.#moving.has(partition) || this.#ending.signal.aborted) return;
    const moving = act()
      .catch((error: unknown) => {
        this.#parts.log.warn("a partition could not be moved; trying again", { partition, error: causeText(error) });
      })
      .finally(() => this.#moving.delete(partition));
    this.#moving.set(partition, moving);
  }

  async #ownerRecord(partition: number, call: Call) {
    const [record] = await this.#parts.journal.read(this.#space(partition), [ownerKey], call);
    const owner = record ? (JSON.parse(Buffer.from(record.data).toString()) as OwnerRecord) : { epoch: 0 };
    return { owner: owner as OwnerRecord, version: record?.version };
  }

  async #take(partition: number): Promise<void> {
    const call = { signal: this.#ending.signal };
    const { owner, version } = await this.#ownerRecord(partition, call);
    // A living owner gives it back by itself, when it sees that it is no longer the one.
    if (owner.member !== undefined && owner.member !== this.#id && this.#members.living.has(owner.member)) return;
    const { journal } = this.#parts;
    const space = this.#space(partition);
    let fence: bigint;
    try {
      const record: OwnerRecord = { member: this.#id, epoch: owner.epoch + 1 };
      const writes = [{ key: ownerKey, data: Buffer.from(JSON.stringify(record)) }];
      fence = await journal.commit(space, { conditions: [{ key: ownerKey, version }], writes }, call);
    } catch (error) {
      // Somebody else was faster.
      if (error instanceof MechaError && error.reason === "journalConflict") return;
      throw error;
    }
    const owned = new OwnedPartition(partition, journal, space, fence);
    const opened: OpenedPartition[] = [];
    try {
      for (const worker of this.#parts.workers) opened.push(await worker.open(owned));
    } catch (error) {
      owned.lose();
      await Promise.allSettled(opened.map((one) => one.close()));
      throw error;
    }
    this.#held.set(partition, { partition: owned, opened });
    owned.lost.addEventListener("abort", () => this.#drop(partition, "another sidecar has taken it"), { once: true });
    // What came while it was being opened.
    for (const one of opened) one.wake();
  }

  /** It is, or may be, somebody else's: everything stops. */
  #drop(partition: number, why: string): void {
    const held = this.#held.get(partition);
    if (!held) return;
    this.#held.delete(partition);
    held.partition.lose();
    this.#parts.log.warn("a partition is given up", { partition, why });
    void Promise.allSettled(held.opened.map((one) => one.close()));
  }

  /** Ends what is under way, then lets the next one have it at once. */
  async #release(partition: number): Promise<void> {
    const held = this.#held.get(partition);
    if (!held) return;
    const { partition: owned, opened } = held;
    await Promise.allSettled(opened.map((one) => one.close()));
    await owned.settled();
    this.#held.delete(partition);
    if (owned.lost.aborted) return;
    owned.lose();
    const space = this.#space(partition);
    const { owner } = await this.#ownerRecord(partition, {});
    if (owner.member !== this.#id) return;
    const writes = [{ key: ownerKey, data: Buffer.from(JSON.stringify({ epoch: owner.epoch } satisfies OwnerRecord)) }];
    const conditions = [{ key: ownerKey, version: owned.fence }];
    await this.#parts.journal.commit(space, { conditions, writes }, {}).catch((error: unknown) => {
      if (!(error instanceof MechaError && error.reason === "journalConflict")) throw error;
    });
  }

  /** Word of what was put into a partition may get lost. */
  #lookLater(): void {
    this.#cancelLook = this.#parts.clock.after(lookMs, () => {
      for (const partition of this.#held.keys()) this.wake(partition);
      this.#lookLater();
    });
  }
}

/** Does the work for each, some at once. */
async function each(items: readonly number[], work: (item: number) => Promise<void>): Promise<void> {
  const rest = items.values();
  const run = async () => {
    for (const item of rest) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(parallel, items.length) }, run));
}

import type { Clock } from "../contract/driver.ts";
import type { Cluster } from "./cluster.ts";
import type { Connections } from "./connections.ts";
import { BrokerError, isPassing } from "./failures.ts";
import type { GroupMember } from "./group-member.ts";
import { orAbort, pause } from "./pause.ts";
import { decodeProgress, type Progress } from "./progress.ts";

const earliest = -2n;
const latest = -1n;
const pauseMs = 100;

const startAt = (next: number): Progress => ({ next, settled: [], failures: [] });

type Where = "newest" | "oldest";

export interface Position {
  readonly progress: Progress;
  /** The group has never said how far it is. */
  readonly isNew: boolean;
}

/** Finds where to read partitions of one topic: where the group is, else at their end or their beginning. */
export class Positions {
  readonly #cluster: Cluster;
  readonly #connections: Connections;
  readonly #topic: string;
  /** Where a group starts. */
  readonly #initial: Where;
  readonly #clock: Clock;

  constructor(cluster: Cluster, topic: string, initial: Where, clock: Clock) {
    this.#cluster = cluster;
    this.#connections = cluster.connections();
    this.#topic = topic;
    this.#initial = initial;
    this.#clock = clock;
  }

  /**
   * How far the group is in partitions. Goes on trying while brokers are away: rejects when the signal aborts, or when
   * they refuse for good.
   */
  find(member: GroupMember, partitions: readonly number[], signal: AbortSignal): Promise<Map<number, Position>> {
    return this.#untilAnswered(signal, async () => {
      const committed = await orAbort(member.committed(partitions), signal);
      const found = new Map<number, Position>();
      for (const partition of partitions) {
        const { offset = -1, metadata } = committed.get(partition) ?? {};
        const isNew = offset < 0;
        const progress = isNew
          ? startAt(await this.#offset(partition, this.#initial, signal))
          : decodeProgress(offset, metadata);
        found.set(partition, { progress, isNew });
      }
      return found;
    });
  }

  /** Where to go on when there is no such offset: messages were deleted before they were read, or the topic is another. */
  findAfter(partition: number, offset: number, signal: AbortSignal): Promise<Progress> {
    return this.#untilAnswered(signal, async () => {
      const oldest = await this.#offset(partition, "oldest", signal);
      return startAt(oldest > offset ? oldest : await this.#offset(partition, this.#initial, signal));
    });
  }

  async #untilAnswered<T>(signal: AbortSignal, ask: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        signal.throwIfAborted();
        if (!isPassing(error)) throw error;
      }
      await pause(this.#clock, pauseMs, signal);
      signal.throwIfAborted();
      // Another broker may lead by now.
      await this.#cluster.topic(this.#topic, { fresh: true }, { signal }).catch(() => {});
    }
  }

  async #offset(partition: number, where: Where, signal: AbortSignal): Promise<number> {
    const timestamp = where === "oldest" ? earliest : latest;
    const topic = await this.#cluster.topic(this.#topic, {}, { signal });
    const { leader = -1, epoch = -1 } = topic[partition] ?? {};
    const asOfClient = -1;
    const isolation = 0;
    const partitions = [{ partitionIndex: partition, currentLeaderEpoch: epoch, timestamp }];
    const address = this.#cluster.address(leader);
    const answer = await this.#connections.ask(
      address,
      "ListOffsets",
      [asOfClient, isolation, [{ name: this.#topic, partitions }]],
      { signal },
    );
    const offset = answer.topics[0]?.partitions[0]?.offset;
    if (offset === undefined) throw new BrokerError("OFFSET_NOT_AVAILABLE");
    return Number(offset);
  }

  close(): Promise<void> {
    return this.#connections.close();
  }
}

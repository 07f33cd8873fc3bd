import type { Clock } from "../contract/driver.ts";
import type { Cluster } from "./cluster.ts";
import type { Connections } from "./connections.ts";
import { BrokerError, isPassing } from "./failures.ts";
import { pause } from "./pause.ts";

const earliest = -2n;
const latest = -1n;
const pauseMs = 100;

/** Finds the first or the next offset of a partition, for who has no offset there, or a wrong one. */
export class Positions {
  readonly #cluster: Cluster;
  readonly #connections: Connections;
  readonly #topic: string;
  readonly #clock: Clock;

  constructor(cluster: Cluster, topic: string, clock: Clock) {
    this.#cluster = cluster;
    this.#connections = cluster.connections();
    this.#topic = topic;
    this.#clock = clock;
  }

  /** Rejects only when the signal aborts, or when the brokers refuse for good. */
  async find(partition: number, where: "newest" | "oldest", signal: AbortSignal): Promise<number> {
    for (let isFresh = false; ; isFresh = true) {
      try {
        return await this.#ask(partition, where === "oldest" ? earliest : latest, isFresh, signal);
      } catch (error) {
        signal.throwIfAborted();
        if (!isPassing(error)) throw error;
      }
      await pause(this.#clock, pauseMs, signal);
      signal.throwIfAborted();
    }
  }

  async #ask(partition: number, timestamp: bigint, fresh: boolean, signal: AbortSignal): Promise<number> {
    const topic = await this.#cluster.topic(this.#topic, { fresh }, { signal });
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

import type { Call, Clock } from "../contract/driver.ts";
import type { Address } from "./addresses.ts";
import type { Cluster } from "./cluster.ts";
import type { Connections } from "./connections.ts";
import { BrokerError, ClosedError, isPassing } from "./failures.ts";
import { orAbort } from "./pause.ts";
import type { Answer, ApiName, Asked } from "./requests.ts";

export interface Commit {
  readonly partition: number;
  readonly offset: number;
  readonly metadata: string;
}

export interface Committed {
  /** -1: none. */
  readonly offset: number;
  readonly metadata: string | null | undefined;
}

/** Who asks, as the coordinator knows it. */
export interface Membership {
  readonly memberId: string;
  /** Number of the round; -1: in none. */
  readonly generation: number;
}

const leaveMs = 3000;
const groups = { type: "consumer", noInstance: null } as const;

/** The broker that coordinates a group, wherever that is at present. One request at a time goes to it, in their order. */
export class Coordinator {
  readonly #cluster: Cluster;
  readonly #group: string;
  readonly #clock: Clock;
  readonly #connections: Connections;
  readonly #ending = new AbortController();
  #node: number | undefined;

  /** @param owedMs longest time that an answer may be owed */
  constructor(cluster: Cluster, group: string, owedMs: number, clock: Clock) {
    this.#cluster = cluster;
    this.#group = group;
    this.#clock = clock;
    this.#connections = cluster.connections(owedMs);
  }

  /** The protocol's name and form of what a member says of itself. Resolves when all members have joined the round. */
  join(memberId: string, name: string, metadata: Buffer, sessionMs: number, rebalanceMs: number) {
    const protocols = [{ name, metadata }];
    return this.#ask("JoinGroup", [
      this.#group,
      sessionMs,
      rebalanceMs,
      memberId,
      groups.noInstance,
      groups.type,
      protocols,
    ]);
  }

  /** Resolves when the leader of the round has given its `shares`, with that of this member. */
  async sync({ memberId, generation }: Membership, name: string, shares: Asked<"SyncGroup">[6]): Promise<Buffer> {
    const asked: Asked<"SyncGroup"> = [this.#group, generation, memberId, groups.noInstance, groups.type, name, shares];
    return (await this.#ask("SyncGroup", asked)).assignment;
  }

  /** A broker that owes the answer for `owedMs` is left for another. */
  async heartbeat({ memberId, generation }: Membership, owedMs: number): Promise<void> {
    const late = new AbortController();
    const cancel = this.#clock.after(owedMs, () => late.abort(new BrokerError("COORDINATOR_NOT_AVAILABLE")));
    try {
      const asked = this.#ask("Heartbeat", [this.#group, generation, memberId, groups.noInstance]);
      await orAbort(asked, late.signal);
    } catch (error) {
      if (late.signal.aborted) await this.#drop();
      throw error;
    } finally {
      cancel();
    }
  }

  async #drop(): Promise<void> {
    if (this.#node === undefined) return;
    await this.#connections.drop(this.#cluster.address(this.#node)).catch(() => {});
    this.#node = undefined;
  }

  /** Gives Kafka's names of errors by partition, `NONE` among them. */
  async commit(topic: string, { memberId, generation }: Membership, commits: readonly Commit[]) {
    const partitions = commits.map(({ partition, offset, metadata }) => ({
      partitionIndex: partition,
      committedOffset: BigInt(offset),
      committedLeaderEpoch: -1,
      committedMetadata: metadata,
    }));
    const topics = [{ name: topic, partitions }];
    const asked: Asked<"OffsetCommit"> = [this.#group, generation, memberId, groups.noInstance, topics];
    const answer = await this.#ask("OffsetCommit", asked, true);
    const { protocolErrorsCodesById: names } = this.#cluster.library;
    const answered = answer.topics.flatMap((one) => one.partitions);
    return new Map(
      answered.map(({ partitionIndex, errorCode }) => [partitionIndex, names[errorCode] ?? String(errorCode)] as const),
    );
  }

  /** What the group has committed of partitions. */
  async committed(topic: string, partitions: readonly number[]): Promise<ReadonlyMap<number, Committed>> {
    const topics = [{ name: topic, partitionIndexes: [...partitions] }];
    const isStable = true;
    const group = { groupId: this.#group, memberId: null, memberEpoch: -1, topics };
    const answer = await this.#ask("OffsetFetch", [[group], isStable]);
    const found = answer.topics.flatMap((one) => one.partitions);
    return new Map(
      found.map(({ partitionIndex, committedOffset, metadata }) => [
        partitionIndex,
        { offset: Number(committedOffset), metadata },
      ]),
    );
  }

  async #ask<N extends ApiName>(name: N, asked: Asked<N>, part = false): Promise<Answer<N>> {
    const { signal } = this.#ending;
    try {
      return await this.#connections.ask(await this.#address({ signal }), name, asked, { signal, part });
    } catch (error) {
      // Another broker may coordinate the group by now.
      if (isPassing(error) && !signal.aborted) this.#node = undefined;
      throw error;
    }
  }

  async #address(call: Call): Promise<Address> {
    this.#node ??= await this.#cluster.coordinator(this.#group, call);
    return this.#cluster.address(this.#node);
  }

  /** Ends what is asked: it rejects with a ClosedError. */
  end(): void {
    this.#ending.abort(new ClosedError());
  }

  /** Takes a member out of the group, by a connection of its own: the other one may owe the answer to a round. */
  async leave(memberId: string): Promise<void> {
    const connections = this.#cluster.connections(leaveMs);
    const signal = AbortSignal.timeout(leaveMs);
    try {
      await connections.ask(await this.#address({ signal }), "LeaveGroup", [this.#group, [{ memberId }]], { signal });
    } finally {
      await connections.close();
    }
  }

  /** Idempotent. */
  async close(): Promise<void> {
    this.end();
    await this.#connections.close();
  }
}

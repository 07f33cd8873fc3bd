import { causeText } from "../../specs/errors.ts";
import type { Call, Clock, OpenContext } from "../contract/driver.ts";
import type { Address } from "./addresses.ts";
import type { Strategy } from "./assignment.ts";
import type { Cluster } from "./cluster.ts";
import { type Connections, responseOf } from "./connections.ts";
import { BrokerError, brokerCode, isConnection, isPassing, saying } from "./failures.ts";
import { GroupProtocol } from "./group-protocol.ts";
import { orAbort, pause } from "./pause.ts";
import type { Answer, ApiName, Asked } from "./requests.ts";

export interface MemberOptions {
  readonly group: string;
  readonly topic: string;
  readonly strategy: Strategy;
  readonly heartbeatMs: number;
  readonly sessionMs: number;
  /** Longest time that a request may be owed an answer, beside a round of the group. */
  readonly requestMs: number;
}

/** What a member does for the partitions that it is given. */
export interface MemberHooks {
  /** The group shares anew: resolves when all is settled and committed that was in hand, or after a while. */
  yield(): Promise<void>;
  /** These partitions are the member's until the next round; resolves when they are being read. */
  own(partitions: readonly number[], signal: AbortSignal): Promise<void>;
  /** The group has gone on without this member; resolves when it may join again. */
  lose(): Promise<void>;
  /** The group counts on this member. */
  heard(): void;
}

export interface Commit {
  readonly partition: number;
  readonly offset: number;
  readonly metadata: string;
}

/** All members have so long to come together. */
const rebalanceMs = 60_000;
const shortestPauseMs = 50;
const longestPauseMs = 2000;
const leaveMs = 3000;
const firstAttempts = 20;

const unknownMember: ReadonlySet<string> = new Set(["UNKNOWN_MEMBER_ID", "FENCED_INSTANCE_ID"]);
/** The group has gone on without this member. */
const lostMember: ReadonlySet<string> = new Set([...unknownMember, "ILLEGAL_GENERATION"]);

/** One member of a consumer group, for one topic. Joins, tells that it is there, and joins again when the group shares anew. */
export class GroupMember {
  readonly #cluster: Cluster;
  readonly #options: MemberOptions;
  readonly #hooks: MemberHooks;
  readonly #context: OpenContext;
  readonly #clock: Clock;
  readonly #connections: Connections;
  readonly #protocol: GroupProtocol;
  readonly #ending = new AbortController();
  #coordinator: number | undefined;
  #memberId = "";
  #generation = -1;
  #owned: readonly number[] = [];
  #partitionCount = 0;
  /** When the coordinator was asked for the answer that came last. */
  #heardAt = Number.NEGATIVE_INFINITY;
  #running: Promise<void> | undefined;
  #closed: Promise<void> | undefined;
  #wake = () => {};

  constructor(cluster: Cluster, options: MemberOptions, hooks: MemberHooks, context: OpenContext) {
    this.#cluster = cluster;
    this.#options = options;
    this.#hooks = hooks;
    this.#context = context;
    this.#clock = context.clock;
    // The answer to a member that joins comes when all others have.
    this.#connections = cluster.connections(rebalanceMs + options.requestMs);
    this.#protocol = new GroupProtocol(cluster.library, options.strategy);
  }

  /** The group counts on this member: nobody else has its partitions. */
  get isOwner(): boolean {
    return this.#generation >= 0 && this.#clock.now() < this.#heardAt + this.#options.sessionMs;
  }

  /** Joins; resolves when the partitions are being read. Rejects when that cannot be, and leaves nothing open. */
  async join({ signal }: Call): Promise<void> {
    const first = Promise.withResolvers<void>();
    this.#running = this.#run(first);
    try {
      await orAbort(first.promise, signal);
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async #run(first: PromiseWithResolvers<void>): Promise<void> {
    let failures = 0;
    let hasJoined = false;
    while (!this.#ending.signal.aborted) {
      try {
        const partitions = await this.#round();
        failures = 0;
        await this.#belong(partitions, () => {
          hasJoined = true;
          first.resolve();
        });
        // Nothing is to be in hand when the group shares anew, however it came to that.
        await this.#hooks.yield();
      } catch (error) {
        if (this.#ending.signal.aborted) break;
        failures += 1;
        if (!hasJoined && (!isPassing(error) || failures >= firstAttempts)) {
          first.reject(error);
          return;
        }
        const { group, topic } = this.#options;
        this.#context.log.warn(`cannot join group ${group} of topic ${topic}, tries again: ${saying(error)}`);
        await pause(
          this.#clock,
          Math.min(shortestPauseMs * 2 ** Math.min(failures, 10), longestPauseMs),
          this.#ending.signal,
        );
      }
    }
    first.reject(new Error("the subscription was closed before it stood"));
  }

  // ---- a round of the group

  /** Joins the round, in which the group's leader shares the partitions. Gives those that fall to this member. */
  async #round(): Promise<readonly number[]> {
    const { group, topic, strategy } = this.#options;
    const joined = await this.#joinRound();
    this.#memberId = joined.memberId;
    this.#generation = joined.generationId;
    const isLeader = joined.leader === joined.memberId;
    const shares = isLeader ? await this.#share(joined.members) : [];
    const asked: Asked<"SyncGroup"> = [
      group,
      joined.generationId,
      joined.memberId,
      null,
      "consumer",
      joined.protocolName || strategy,
      shares,
    ];
    try {
      const { assignment } = await this.#ask("SyncGroup", asked);
      this.#heardAt = this.#clock.now();
      return this.#protocol.decodeShare(assignment, topic);
    } catch (error) {
      const code = brokerCode(error) ?? "";
      if (lostMember.has(code)) await this.#lost(code);
      // Somebody else came or left meanwhile.
      if (lostMember.has(code) || code === "REBALANCE_IN_PROGRESS") return this.#round();
      throw error;
    }
  }

  async #joinRound(): Promise<Answer<"JoinGroup">> {
    const { group, topic, strategy, sessionMs } = this.#options;
    const owned = new Map(this.#owned.length > 0 ? [[topic, this.#owned]] : []);
    const metadata = this.#protocol.encodeMember({ topics: [topic], owned, generation: this.#generation });
    for (;;) {
      const protocols = [{ name: strategy, metadata }];
      const asked: Asked<"JoinGroup"> = [group, sessionMs, rebalanceMs, this.#memberId, null, "consumer", protocols];
      try {
        return await this.#ask("JoinGroup", asked);
      } catch (error) {
        const code = brokerCode(error) ?? "";
        const given = (responseOf(error) as Partial<Answer<"JoinGroup">> | undefined)?.memberId;
        if (code === "MEMBER_ID_REQUIRED" && given) this.#memberId = given;
        else if (lostMember.has(code)) await this.#lost(code);
        else if (code !== "REBALANCE_IN_PROGRESS") throw error;
        else await pause(this.#clock, shortestPauseMs, this.#ending.signal);
      }
    }
  }

  async #share(members: Answer<"JoinGroup">["members"]): Promise<{ memberId: string; assignment: Buffer }[]> {
    const known = members.map(({ memberId, metadata }) => this.#protocol.decodeMember(memberId, metadata));
    const counts = new Map<string, number>();
    for (const topic of new Set(known.flatMap(({ topics }) => topics))) {
      try {
        counts.set(topic, (await this.#cluster.topic(topic, { fresh: true }, {})).length);
      } catch (error) {
        // A topic of another member that is gone must not end the round for all.
        if (topic === this.#options.topic || isConnection(error)) throw error;
        this.#context.log.warn(`topic ${topic} is left out of group ${this.#options.group}: ${saying(error)}`);
      }
    }
    return this.#protocol.assign(known, counts);
  }

  async #lost(code: string): Promise<void> {
    if (unknownMember.has(code)) this.#memberId = "";
    if (this.#generation < 0) return;
    this.#generation = -1;
    this.#owned = [];
    await this.#hooks.lose();
  }

  // ---- between two rounds

  /** Tells the coordinator that this member is there, until the group shares anew or has gone on without it. */
  async #belong(partitions: readonly number[], onOwned: () => void): Promise<void> {
    this.#owned = partitions;
    this.#partitionCount = this.#cluster.knownTopic(this.#options.topic)?.length ?? 0;
    const round = new AbortController();
    const end = () => round.abort();
    this.#ending.signal.addEventListener("abort", end, { once: true });
    const failure = Promise.withResolvers<never>();
    this.#hooks.own(partitions, round.signal).then(onOwned, (error: unknown) => {
      if (!round.signal.aborted) failure.reject(error);
    });
    try {
      await Promise.race([this.#heartbeats(), failure.promise]);
    } finally {
      round.abort();
      this.#ending.signal.removeEventListener("abort", end);
      // The other of the two may still fail, which nobody waits for.
      failure.promise.catch(() => {});
    }
  }

  async #heartbeats(): Promise<void> {
    let yielding: Promise<void> | undefined;
    let hasYielded = false;
    const startYield = () => {
      yielding ??= this.#hooks.yield().finally(() => {
        hasYielded = true;
        this.#wake();
      });
    };
    while (!this.#ending.signal.aborted && !hasYielded) {
      await this.#interval();
      if (this.#ending.signal.aborted || hasYielded) break;
      const askedAt = this.#clock.now();
      try {
        await this.#heartbeat();
        this.#heardAt = askedAt;
        this.#hooks.heard();
        if (await this.#hasGrown()) startYield();
      } catch (error) {
        const code = brokerCode(error) ?? "";
        if (code === "REBALANCE_IN_PROGRESS") {
          this.#heardAt = askedAt;
          startYield();
        } else if (lostMember.has(code)) {
          await this.#lost(code);
          return;
        } else if (!isPassing(error)) throw error;
        else if (!this.isOwner) {
          this.#context.log.warn(`no broker answers for the group ${this.#options.group}: ${saying(error)}`);
          await this.#lost(code);
          return;
        } else await pause(this.#clock, shortestPauseMs, this.#ending.signal);
      }
    }
    await yielding;
  }

  /** Waits for the time of the next heartbeat, or for somebody to call #wake. */
  #interval(): Promise<void> {
    const woken = new AbortController();
    const end = () => woken.abort();
    this.#wake = end;
    this.#ending.signal.addEventListener("abort", end, { once: true });
    return pause(this.#clock, this.#options.heartbeatMs, woken.signal).finally(() =>
      this.#ending.signal.removeEventListener("abort", end),
    );
  }

  /** One heartbeat; a coordinator that owes the answer for the rest of the session is left for another. */
  async #heartbeat(): Promise<void> {
    const { group, sessionMs } = this.#options;
    const late = new AbortController();
    const cancel = this.#clock.after(sessionMs / 2, () => late.abort(new BrokerError("COORDINATOR_NOT_AVAILABLE")));
    try {
      await orAbort(this.#ask("Heartbeat", [group, this.#generation, this.#memberId, null]), late.signal);
    } catch (error) {
      if (late.signal.aborted) await this.#leaveCoordinator();
      throw error;
    } finally {
      cancel();
    }
  }

  async #hasGrown(): Promise<boolean> {
    const topic = await this.#cluster.topic(this.#options.topic, {}, {}).catch(() => undefined);
    return topic !== undefined && topic.length > this.#partitionCount && this.#partitionCount > 0;
  }

  /**
   * Tells the group how far it has come. Gives Kafka's names of errors by partition, `NONE` among them.
   * Rejects with the library's error, or with a BrokerError when this is no member now.
   */
  async commit(commits: readonly Commit[]): Promise<ReadonlyMap<number, string>> {
    if (this.#generation < 0) throw new BrokerError("UNKNOWN_MEMBER_ID");
    const { group, topic } = this.#options;
    const partitions = commits.map(({ partition, offset, metadata }) => ({
      partitionIndex: partition,
      committedOffset: BigInt(offset),
      committedLeaderEpoch: -1,
      committedMetadata: metadata,
    }));
    const asked: Asked<"OffsetCommit"> = [group, this.#generation, this.#memberId, null, [{ name: topic, partitions }]];
    const answer = await this.#ask("OffsetCommit", asked, true);
    const codes = answer.topics.flatMap((one) => one.partitions);
    return new Map(codes.map(({ partitionIndex, errorCode }) => [partitionIndex, this.#codeOf(errorCode)] as const));
  }

  /** What the group knows of partitions; -1: nothing. Rejects with the library's error. */
  async committed(
    partitions: readonly number[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<number, { readonly offset: number; readonly metadata: string | null | undefined }>> {
    const { group, topic } = this.#options;
    const topics = [{ name: topic, partitionIndexes: [...partitions] }];
    const isStable = true;
    const asked: Asked<"OffsetFetch"> = [[{ groupId: group, memberId: null, memberEpoch: -1, topics }], isStable];
    const answer = await orAbort(this.#ask("OffsetFetch", asked), signal);
    const found = answer.topics.flatMap((one) => one.partitions);
    return new Map(
      found.map(({ partitionIndex, committedOffset, metadata }) => [
        partitionIndex,
        { offset: Number(committedOffset), metadata },
      ]),
    );
  }

  #codeOf(errorCode: number): string {
    return this.#cluster.library.protocolErrorsCodesById[errorCode] ?? String(errorCode);
  }

  /** Looks at once whether the group still counts on this member. */
  check(): void {
    this.#wake();
  }

  // ---- the coordinator

  async #ask<N extends ApiName>(name: N, asked: Asked<N>, part = false): Promise<Answer<N>> {
    const { signal } = this.#ending;
    try {
      return await this.#connections.ask(await this.#address(), name, asked, { signal, part });
    } catch (error) {
      // Another broker may coordinate the group by now.
      if (isPassing(error)) this.#coordinator = undefined;
      throw error;
    }
  }

  async #address(): Promise<Address> {
    this.#coordinator ??= await this.#cluster.coordinator(this.#options.group, {});
    return this.#cluster.address(this.#coordinator);
  }

  async #leaveCoordinator(): Promise<void> {
    if (this.#coordinator === undefined) return;
    await this.#connections.drop(this.#cluster.address(this.#coordinator)).catch(() => {});
    this.#coordinator = undefined;
  }

  /** Leaves the group. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#ending.abort(new BrokerError("UNKNOWN_MEMBER_ID", "the subscription is closed"));
    await this.#running;
    const { group } = this.#options;
    if (this.#memberId !== "") {
      const memberId = this.#memberId;
      const leaving = this.#leave(group, memberId);
      await leaving.catch((error: unknown) => {
        this.#context.log.debug(`group ${group} notices later that a member is gone: ${causeText(error)}`);
      });
    }
    this.#generation = -1;
    await this.#connections.close();
  }

  /** By a connection of its own: the other one may owe the answer to a round. */
  async #leave(group: string, memberId: string): Promise<void> {
    const connections = this.#cluster.connections(leaveMs);
    const signal = AbortSignal.timeout(leaveMs);
    try {
      const node = this.#coordinator ?? (await this.#cluster.coordinator(group, { signal }));
      await connections.ask(this.#cluster.address(node), "LeaveGroup", [group, [{ memberId }]], { signal });
    } finally {
      await connections.close();
    }
  }
}

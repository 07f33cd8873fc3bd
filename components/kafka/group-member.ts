import type { Call, Clock, OpenContext } from "../contract/driver.ts";
import type { Strategy } from "./assignment.ts";
import type { Cluster } from "./cluster.ts";
import { responseOf } from "./connections.ts";
import { type Commit, type Committed, Coordinator } from "./coordinator.ts";
import { BrokerError, brokerCode, isConnection, isPassing, saying } from "./failures.ts";
import { GroupProtocol } from "./group-protocol.ts";
import { orAbort, pause } from "./pause.ts";
import type { Answer } from "./requests.ts";

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
  /** Others may have had what this member had; resolves when it may have partitions again. */
  lose(): Promise<void>;
  /** The group counts on this member. */
  heard(): void;
}

/** All members have so long to come together. */
const rebalanceMs = 60_000;
const shortestPauseMs = 50;
const longestPauseMs = 2000;
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
  readonly #coordinator: Coordinator;
  readonly #protocol: GroupProtocol;
  readonly #ending = new AbortController();
  #memberId = "";
  /** The round in which this member has partitions; -1: none. */
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
    this.#coordinator = new Coordinator(cluster, options.group, rebalanceMs + options.requestMs, this.#clock);
    this.#protocol = new GroupProtocol(cluster.library, options.strategy);
  }

  /** The group counts on this member: nobody else has its partitions. */
  get isOwner(): boolean {
    return this.#generation >= 0 && this.#clock.now() < this.#heardAt + this.#options.sessionMs;
  }

  get #isEnding(): boolean {
    return this.#ending.signal.aborted;
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
    const onOwned = () => {
      failures = 0;
      hasJoined = true;
      first.resolve();
    };
    while (!this.#isEnding) {
      try {
        await this.#belong(await this.#round(), onOwned);
      } catch (error) {
        if (this.#isEnding) break;
        failures += 1;
        if (!hasJoined && (!isPassing(error) || failures >= firstAttempts)) {
          first.reject(error);
          return;
        }
        await this.#failed(error, failures);
      }
      // Nothing is to be in hand when the group shares anew, however it came to that.
      if (hasJoined && !this.#isEnding) await this.#hooks.yield();
    }
    first.reject(new Error("the subscription was closed before it stood"));
  }

  async #failed(error: unknown, failures: number): Promise<void> {
    const { group, topic } = this.#options;
    // A coordinator that moves is nothing to tell of.
    const level = failures === 4 || (failures === 1 && !isPassing(error)) ? "warn" : "debug";
    this.#context.log[level](`cannot be in group ${group} of topic ${topic}, tries again: ${saying(error)}`);
    const ms = Math.min(shortestPauseMs * 2 ** Math.min(failures, 10), longestPauseMs);
    await pause(this.#clock, ms, this.#ending.signal);
  }

  // ---- a round of the group

  /** Joins a round, in which the group's leader shares the partitions. Gives those that fall to this member. */
  async #round(): Promise<readonly number[]> {
    for (;;) {
      const { memberId, generationId, leader, members, protocolName } = await this.#joinRound();
      this.#memberId = memberId;
      const shares = leader === memberId ? await this.#share(members) : [];
      try {
        const membership = { memberId, generation: generationId };
        const name = protocolName || this.#options.strategy;
        const share = await this.#coordinator.sync(membership, name, shares);
        // In a round between, others had the partitions.
        if (this.#generation >= 0 && generationId !== this.#generation + 1) await this.#hooks.lose();
        this.#generation = generationId;
        this.#heardAt = this.#clock.now();
        return this.#protocol.decodeShare(share, this.#options.topic);
      } catch (error) {
        const code = brokerCode(error) ?? "";
        if (lostMember.has(code)) await this.#lost(code);
        // Somebody else came or left meanwhile.
        else if (code !== "REBALANCE_IN_PROGRESS") throw error;
      }
    }
  }

  async #joinRound(): Promise<Answer<"JoinGroup">> {
    const { topic, strategy, sessionMs } = this.#options;
    const owned = new Map(this.#owned.length > 0 ? [[topic, this.#owned]] : []);
    const metadata = this.#protocol.encodeMember({ topics: [topic], owned, generation: this.#generation });
    for (;;) {
      try {
        return await this.#coordinator.join(this.#memberId, strategy, metadata, sessionMs, rebalanceMs);
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
    const { signal } = this.#ending;
    for (const topic of new Set(known.flatMap(({ topics }) => topics))) {
      try {
        counts.set(topic, (await this.#cluster.topic(topic, { fresh: true }, { signal })).length);
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

  /** Is a member with these partitions until the group shares anew, or has gone on without it. */
  async #belong(partitions: readonly number[], onOwned: () => void): Promise<void> {
    this.#owned = partitions;
    this.#partitionCount = this.#cluster.knownTopic(this.#options.topic)?.length ?? 0;
    const round = new AbortController();
    const end = () => round.abort();
    this.#ending.signal.addEventListener("abort", end, { once: true });
    const { signal } = round;
    const failure = Promise.withResolvers<never>();
    // Nobody waits for it when the other one ends first.
    failure.promise.catch(() => {});
    this.#hooks.own(partitions, signal).then(onOwned, (error: unknown) => failure.reject(error));
    try {
      await Promise.race([this.#heartbeats(signal), failure.promise]);
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      round.abort();
      this.#ending.signal.removeEventListener("abort", end);
    }
  }

  async #heartbeats(round: AbortSignal): Promise<void> {
    let yielding: Promise<void> | undefined;
    let hasYielded = false;
    while (!round.aborted && !hasYielded) {
      await this.#interval(round);
      if (round.aborted || hasYielded) break;
      const state = await this.#heartbeat();
      if (state === "lost") return;
      if (state === "sharing") {
        yielding ??= this.#hooks.yield().finally(() => {
          hasYielded = true;
          this.#wake();
        });
      }
    }
    await yielding;
  }

  /** Tells that this member is there. `sharing`: the group shares anew, or should. */
  async #heartbeat(): Promise<"member" | "sharing" | "lost"> {
    const { group, sessionMs } = this.#options;
    const askedAt = this.#clock.now();
    try {
      const membership = { memberId: this.#memberId, generation: this.#generation };
      await this.#coordinator.heartbeat(membership, sessionMs / 2);
      this.#heardAt = askedAt;
      this.#hooks.heard();
      return (await this.#hasGrown()) ? "sharing" : "member";
    } catch (error) {
      const code = brokerCode(error) ?? "";
      if (code === "REBALANCE_IN_PROGRESS") {
        this.#heardAt = askedAt;
        return "sharing";
      }
      if (!lostMember.has(code)) {
        if (!isPassing(error)) throw error;
        if (this.isOwner || this.#isEnding) {
          await pause(this.#clock, shortestPauseMs, this.#ending.signal);
          return "member";
        }
        this.#context.log.warn(`no broker answers for group ${group}: ${saying(error)}`);
      }
      await this.#lost(code);
      return "lost";
    }
  }

  /** The topic has more partitions than the group knew when it shared them. */
  async #hasGrown(): Promise<boolean> {
    const { signal } = this.#ending;
    const topic = await this.#cluster.topic(this.#options.topic, {}, { signal }).catch(() => undefined);
    return topic !== undefined && topic.length > this.#partitionCount && this.#partitionCount > 0;
  }

  /** Waits for the time of the next heartbeat, or for somebody to call #wake. */
  async #interval(round: AbortSignal): Promise<void> {
    const woken = new AbortController();
    const end = () => woken.abort();
    this.#wake = end;
    round.addEventListener("abort", end, { once: true });
    await pause(this.#clock, this.#options.heartbeatMs, woken.signal);
    round.removeEventListener("abort", end);
  }

  /** Looks at once whether the group still counts on this member. */
  check(): void {
    this.#wake();
  }

  /**
   * Tells the group how far it has come. Gives Kafka's names of errors by partition, `NONE` among them.
   * Rejects with the library's error, or with a BrokerError when this is no member now.
   */
  async commit(commits: readonly Commit[]): Promise<ReadonlyMap<number, string>> {
    const membership = { memberId: this.#memberId, generation: this.#generation };
    if (membership.generation < 0) throw new BrokerError("UNKNOWN_MEMBER_ID");
    return this.#coordinator.commit(this.#options.topic, membership, commits);
  }

  /** What the group has committed of partitions. Rejects with the library's error. */
  committed(partitions: readonly number[]): Promise<ReadonlyMap<number, Committed>> {
    return this.#coordinator.committed(this.#options.topic, partitions);
  }

  /** Leaves the group. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#ending.abort();
    this.#coordinator.end();
    await this.#running;
    const { group } = this.#options;
    if (this.#memberId !== "") {
      await this.#coordinator.leave(this.#memberId).catch((error: unknown) => {
        this.#context.log.debug(`group ${group} notices later that a member is gone: ${saying(error)}`);
      });
    }
    this.#generation = -1;
    await this.#coordinator.close();
  }
}

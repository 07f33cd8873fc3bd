import type { Clock, Log } from "../contract/driver.ts";
import type { Backlog, Received } from "./backlog.ts";
import type { Cluster } from "./cluster.ts";
import type { Connections } from "./connections.ts";
import { isFinal, saying } from "./failures.ts";
import { pause } from "./pause.ts";
import type { Answer, Asked } from "./requests.ts";

export interface FetcherOptions {
  readonly topic: string;
  /** Bytes. */
  readonly minBytes: number;
  readonly partitionBytes: number;
  /** Partitions that have room for more messages, and whether all have. */
  readonly wanted: () => { readonly backlogs: readonly Backlog[]; readonly isAll: boolean };
  readonly take: (backlog: Backlog, received: readonly Received[], next: number) => void;
  /** The offset to fetch from is not, or no longer, in the partition. */
  readonly onOutOfRange: (backlog: Backlog) => Promise<void>;
}

const mostBytes = 64 * 2 ** 20;
/** How long a broker waits for messages. */
const longestWaitMs = 500;
/** The same while partitions are left out that may have room at any moment. */
const shortestWaitMs = 5;
const longestPartialWaitMs = 40;
const pauseMs = 100;
const longestPauseMs = 1000;

/** Bits of a batch's attributes. */
const control = 0b10_0000;
const logAppendTime = 0b1000;

/** Fetches messages from the brokers that lead the partitions, from each by a loop and a connection of its own. */
export class Fetcher {
  readonly #cluster: Cluster;
  readonly #options: FetcherOptions;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #connections: Connections;
  readonly #loops = new Map<number, Promise<void>>();
  readonly #ending = new AbortController();

  constructor(cluster: Cluster, options: FetcherOptions, clock: Clock, log: Log) {
    this.#cluster = cluster;
    this.#options = options;
    this.#clock = clock;
    this.#log = log;
    this.#connections = cluster.connections();
  }

  /** There are partitions, or there is room. */
  wake(): void {
    if (this.#ending.signal.aborted) return;
    for (const leader of this.#leaders()) {
      if (this.#loops.has(leader)) continue;
      const loop = this.#loop(leader).finally(() => {
        this.#loops.delete(leader);
        // Room may have come while the loop was ending, or another broker leads now.
        this.wake();
      });
      this.#loops.set(leader, loop);
    }
  }

  #leaders(): ReadonlySet<number> {
    const topic = this.#cluster.knownTopic(this.#options.topic);
    return new Set(this.#options.wanted().backlogs.map(({ partition }) => topic?.[partition]?.leader ?? -1));
  }

  #wantedOf(leader: number) {
    const topic = this.#cluster.knownTopic(this.#options.topic);
    const { backlogs, isAll } = this.#options.wanted();
    return { backlogs: backlogs.filter(({ partition }) => (topic?.[partition]?.leader ?? -1) === leader), isAll };
  }

  async #loop(leader: number): Promise<void> {
    let failures = 0;
    let waitMs = shortestWaitMs;
    while (!this.#ending.signal.aborted) {
      const { backlogs, isAll } = this.#wantedOf(leader);
      if (backlogs.length === 0) return;
      try {
        const hasMessages = await this.#fetch(leader, backlogs, isAll ? longestWaitMs : waitMs);
        waitMs = hasMessages ? shortestWaitMs : Math.min(2 * waitMs, longestPartialWaitMs);
        failures = 0;
      } catch (error) {
        if (this.#ending.signal.aborted) return;
        failures += 1;
        await this.#recover(error, failures);
      }
    }
  }

  async #recover(error: unknown, failures: number): Promise<void> {
    const { topic } = this.#options;
    const { signal } = this.#ending;
    // A leader that moves is nothing to tell of.
    const level = failures === 4 || (failures === 1 && isFinal(error)) ? "warn" : "debug";
    this.#log[level](`messages of topic ${topic} cannot be fetched, tries again: ${saying(error)}`);
    await pause(this.#clock, Math.min(pauseMs * failures, longestPauseMs), signal);
    await this.#cluster.topic(topic, { fresh: true }, { signal }).catch(() => {});
  }

  /** Whether there were messages. */
  async #fetch(leader: number, backlogs: readonly Backlog[], waitMs: number): Promise<boolean> {
    const { topic, minBytes, partitionBytes } = this.#options;
    const known = this.#cluster.knownTopic(topic);
    const partitions = backlogs.map(({ partition, next }) => ({
      partition,
      currentLeaderEpoch: known?.[partition]?.epoch ?? -1,
      fetchOffset: BigInt(next),
      lastFetchedEpoch: -1,
      partitionMaxBytes: partitionBytes,
    }));
    const isolation = 0;
    const noSession = [0, -1] as const;
    const asked: Asked<"Fetch"> = [
      waitMs,
      minBytes,
      mostBytes,
      isolation,
      ...noSession,
      [{ topicId: topic, partitions }],
      [],
      "",
    ];
    const { signal } = this.#ending;
    const answer = await this.#connections.ask(this.#cluster.address(leader), "Fetch", asked, { signal, part: true });
    signal.throwIfAborted();
    const byPartition = new Map(backlogs.map((backlog) => [backlog.partition, backlog]));
    let hasMessages = false;
    let failure: unknown;
    for (const answered of answer.responses.flatMap((one) => one.partitions)) {
      const backlog = byPartition.get(answered.partitionIndex);
      if (!backlog || backlog.isGivenUp) continue;
      const code = this.#cluster.library.protocolErrorsCodesById[answered.errorCode] ?? "UNKNOWN_SERVER_ERROR";
      if (code === "NONE") hasMessages = this.#take(backlog, answered) || hasMessages;
      else if (code === "OFFSET_OUT_OF_RANGE") await this.#options.onOutOfRange(backlog);
      else failure = new this.#cluster.library.ProtocolError(code);
    }
    if (failure !== undefined) throw failure;
    return hasMessages;
  }

  #take(backlog: Backlog, answered: Answer<"Fetch">["responses"][number]["partitions"][number]): boolean {
    let hasMessages = false;
    for (const batch of answered.records ?? []) {
      const first = Number(batch.firstOffset);
      const next = first + batch.lastOffsetDelta + 1;
      const isControl = (batch.attributes & control) !== 0;
      const received = isControl ? [] : batch.records.map((record) => toReceived(first, batch, record));
      hasMessages = true;
      this.#options.take(backlog, received, next);
    }
    return hasMessages;
  }

  /** Idempotent. */
  async close(): Promise<void> {
    this.#ending.abort();
    await Promise.all(this.#loops.values());
    await this.#connections.close();
  }
}

type Batch = NonNullable<Answer<"Fetch">["responses"][number]["partitions"][number]["records"]>[number];

function toReceived(first: number, batch: Batch, record: Batch["records"][number]): Received {
  const { offsetDelta, timestampDelta, key, value, headers } = record;
  const timestamp =
    (batch.attributes & logAppendTime) !== 0
      ? Number(batch.maxTimestamp)
      : Number(batch.firstTimestamp) + Number(timestampDelta);
  return { offset: first + offsetDelta, key, value, headers, timestamp };
}

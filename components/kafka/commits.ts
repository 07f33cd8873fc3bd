import type { Clock, Log } from "../contract/driver.ts";
import type { Backlog } from "./backlog.ts";
import type { Commit } from "./coordinator.ts";
import { brokerCode, isPassing, saying } from "./failures.ts";
import { pause } from "./pause.ts";

export interface CommitsOptions {
  readonly topic: string;
  /** Kafka's names of errors by partition. */
  readonly send: (commits: readonly Commit[]) => Promise<ReadonlyMap<number, string>>;
  /** The group has gone on without this member, as far as a commit can tell. */
  readonly onLost: () => void;
  /** More of what was settled is known to the group. */
  readonly onCommitted: () => void;
}

/**
 * So many may be settled and not committed yet; then no more are handed over until they are. They come twice after a
 * crash.
 */
export const mostUncommitted = 32;
/** Commits follow each other no faster, unless half of that is reached. */
const apartMs = 10;
const retryMs = 100;
const flushMs = 3000;

/** Tells the group how far the partitions of one member are settled. What is settled while a commit goes on makes the next one. */
export class Commits {
  readonly #options: CommitsOptions;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #changed = new Set<Backlog>();
  /** How many of a backlog's settled messages the group knows of. */
  readonly #known = new WeakMap<Backlog, number>();
  #uncommitted = 0;
  #isWaiting = false;
  #sending: Promise<void> | undefined;
  #cancel = () => {};
  #sentAt = Number.NEGATIVE_INFINITY;
  #hasMetadata = true;
  #isHeld = false;
  /** What the log knows of already. */
  #toldOf = "";

  constructor(options: CommitsOptions, clock: Clock, log: Log) {
    this.#options = options;
    this.#clock = clock;
    this.#log = log;
  }

  /** How many settled messages the group does not know of. */
  get uncommitted(): number {
    return this.#uncommitted;
  }

  /** Something of a backlog was settled, or is to come again. */
  add(backlog: Backlog, settled: number): void {
    this.#uncommitted += settled;
    this.#changed.add(backlog);
    this.#schedule(this.#pauseMs());
  }

  #pauseMs(): number {
    return this.#uncommitted >= mostUncommitted / 2 ? 0 : apartMs - (this.#clock.now() - this.#sentAt);
  }

  /** Another member has the backlog: what it has settled comes twice. */
  remove(backlog: Backlog): void {
    this.#changed.delete(backlog);
    this.#uncommitted -= backlog.settledCount - (this.#known.get(backlog) ?? 0);
    this.#known.set(backlog, backlog.settledCount);
  }

  /** Sends nothing until the group has shared anew. */
  hold(isHeld: boolean): void {
    this.#isHeld = isHeld;
    if (!isHeld && this.#changed.size > 0) this.#schedule(0);
  }

  #schedule(ms: number): void {
    if (this.#sending !== undefined || this.#isHeld) return;
    if (ms <= 0) {
      this.#unschedule();
      void this.#send();
      return;
    }
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    this.#cancel = this.#clock.after(ms, () => {
      this.#isWaiting = false;
      void this.#send();
    });
  }

  #send(): Promise<void> {
    this.#sending ??= this.#sendChanged().then((isDone) => {
      this.#sending = undefined;
      if (this.#changed.size > 0) this.#schedule(isDone ? this.#pauseMs() : retryMs);
    });
    return this.#sending;
  }

  /** False: it must be sent again. */
  async #sendChanged(): Promise<boolean> {
    if (this.#isHeld || this.#changed.size === 0) return true;
    this.#sentAt = this.#clock.now();
    const backlogs = [...this.#changed];
    this.#changed.clear();
    const settled = backlogs.map((backlog) => backlog.settledCount);
    const commits = backlogs.map((backlog) => {
      const { offset, metadata } = backlog.progress();
      return { partition: backlog.partition, offset, metadata: this.#hasMetadata ? metadata : "" };
    });
    try {
      const codes = await this.#options.send(commits);
      let isDone = true;
      backlogs.forEach((backlog, at) => {
        const code = codes.get(backlog.partition) ?? "NONE";
        if (code === "NONE") this.#committed(backlog, settled[at] ?? 0);
        else isDone = this.#failed(backlog, code) && isDone;
      });
      return isDone;
    } catch (error) {
      const code = brokerCode(error) ?? "";
      if (!isPassing(error)) {
        for (const backlog of backlogs) this.#failed(backlog, code);
        return false;
      }
      this.#log.debug(`what is settled of topic ${this.#options.topic} is not committed yet: ${saying(error)}`);
      this.#again(backlogs);
      return false;
    }
  }

  #committed(backlog: Backlog, settled: number): void {
    if (backlog.isGivenUp) return;
    this.#uncommitted -= settled - (this.#known.get(backlog) ?? 0);
    this.#known.set(backlog, settled);
    this.#toldOf = "";
    this.#options.onCommitted();
  }

  /** Whether there is nothing to send again. */
  #failed(backlog: Backlog, code: string): boolean {
    if (backlog.isGivenUp) return true;
    if (code === "ILLEGAL_GENERATION" || code === "UNKNOWN_MEMBER_ID" || code === "FENCED_INSTANCE_ID") {
      this.#again([backlog]);
      this.#options.onLost();
      return false;
    }
    if (code === "OFFSET_METADATA_TOO_LARGE" && this.#hasMetadata) {
      this.#hasMetadata = false;
      this.#log.warn(
        "the brokers' offset.metadata.max.bytes is too small for what is settled out of order, so more messages come twice after a crash",
      );
    } else if (code !== "REBALANCE_IN_PROGRESS" && code !== this.#toldOf) {
      this.#toldOf = code;
      this.#log.warn(`what is settled of topic ${this.#options.topic} is not committed, tries again: ${code}`);
    }
    this.#again([backlog]);
    return false;
  }

  #again(backlogs: readonly Backlog[]): void {
    for (const backlog of backlogs) if (!backlog.isGivenUp) this.#changed.add(backlog);
  }

  /** Sends what is left; resolves when the group knows it, when that fails once, or after a while. */
  async flush(): Promise<void> {
    const done = new AbortController();
    void this.#flush().finally(() => done.abort());
    await pause(this.#clock, flushMs, done.signal);
  }

  async #flush(): Promise<void> {
    this.#unschedule();
    await this.#sending;
    if (this.#changed.size === 0) return;
    this.#unschedule();
    await this.#sendChanged();
  }

  #unschedule(): void {
    this.#cancel();
    this.#isWaiting = false;
  }

  close(): void {
    this.#cancel();
    this.#isHeld = true;
  }
}

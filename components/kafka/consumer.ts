import { causeText } from "../../specs/errors.ts";
import type { OpenContext, Subscription } from "../contract/driver.ts";
import type { MessageHandler, Order } from "../contract/pubsub.ts";
import { Backlog, type Entry, type Received } from "./backlog.ts";
import type { Cluster } from "./cluster.ts";
import { Commits, mostUncommitted } from "./commits.ts";
import { Fetcher } from "./fetcher.ts";
import { GroupMember } from "./group-member.ts";
import type { Incoming } from "./incoming.ts";
import { pause } from "./pause.ts";
import { Positions } from "./positions.ts";
import type { Settings } from "./settings.ts";

export interface ConsumerOptions {
  readonly topic: string;
  readonly group: string;
  readonly concurrency: number;
  readonly order: Order;
  readonly handler: MessageHandler;
  /** Makes messages of what a partition holds. */
  readonly incoming: Incoming;
}

/** When a group shares anew, so long may be waited for the handler; the whole group waits along. */
const yieldMs = 3000;
/** The same where no message may overtake another. */
const orderedYieldMs = 30_000;

/**
 * One subscription: a member of a group, which fetches from its partitions, hands messages over and tells the group how
 * far they are settled. It fetches no more of a partition while enough of it waits. When the group shares anew it hands
 * nothing over until that is done, waits for the handler and commits, so that others go on where it was.
 */
export class Consumer implements Subscription {
  readonly #settings: Settings;
  readonly #options: ConsumerOptions;
  readonly #context: OpenContext;
  readonly #member: GroupMember;
  readonly #fetcher: Fetcher;
  readonly #positions: Positions;
  readonly #commits: Commits;
  readonly #backlogs = new Map<number, Backlog>();
  readonly #timers = new Set<() => void>();
  readonly #ending = new AbortController();
  /** Whose turn it is. */
  #turn: Backlog[] = [];
  #active = 0;
  #isYielding = true;
  #isClosing = false;
  #whenIdle = new Set<() => void>();
  #closed: Promise<void> | undefined;

  constructor(cluster: Cluster, settings: Settings, options: ConsumerOptions, context: OpenContext) {
    const { topic, group } = options;
    const { clock, log } = context;
    this.#settings = settings;
    this.#options = { ...options, concurrency: Math.max(1, options.concurrency) };
    this.#context = context;
    this.#positions = new Positions(cluster, topic, settings.initialOffset, clock);
    this.#member = new GroupMember(
      cluster,
      {
        group,
        topic,
        strategy: settings.consumerGroupRebalanceStrategy,
        heartbeatMs: settings.heartbeatInterval,
        sessionMs: settings.sessionTimeout,
        requestMs: settings.readTimeout,
      },
      {
        yield: () => this.#yield(),
        own: (partitions, signal) => this.#own(partitions, signal),
        lose: () => this.#lose(),
        heard: () => this.#advance(),
      },
      context,
    );
    this.#fetcher = new Fetcher(
      cluster,
      {
        topic,
        minBytes: settings.consumerFetchMin,
        partitionBytes: settings.consumerFetchDefault,
        wanted: () => this.#wanted(),
        take: (backlog, received, next) => this.#take(backlog, received, next),
        onOutOfRange: (backlog) => this.#reset(backlog),
      },
      clock,
      log,
    );
    this.#commits = new Commits(
      {
        topic,
        send: (commits) => this.#member.commit(commits),
        onLost: () => this.#member.check(),
        onCommitted: () => this.#advance(),
      },
      clock,
      log,
    );
  }

  /** Resolves when the subscription stands. Rejects with the library's error and leaves nothing open. */
  async open(signal: AbortSignal | undefined): Promise<void> {
    try {
      await this.#member.join({ signal });
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  // ---- partitions

  async #own(partitions: readonly number[], signal: AbortSignal): Promise<void> {
    const kept = new Set(partitions);
    for (const backlog of this.#backlogs.values()) if (!kept.has(backlog.partition)) this.#giveUp(backlog);
    const fresh = partitions.filter((partition) => !this.#backlogs.has(partition));
    this.#isYielding = false;
    this.#commits.hold(false);
    this.#advance();
    this.#fetcher.wake();
    if (fresh.length === 0) return;
    const found = await this.#positions.find(this.#member, fresh, signal);
    signal.throwIfAborted();
    for (const [partition, { progress, isNew }] of found) {
      const backlog = new Backlog(partition, progress, this.#options.order);
      this.#backlogs.set(partition, backlog);
      // Where a group starts is settled by its first member: the next one must not start later.
      if (isNew) this.#commits.add(backlog, 0);
    }
    this.#fetcher.wake();
    if (this.#settings.initialOffset === "newest") await this.#commits.flush();
  }

  #giveUp(backlog: Backlog): void {
    this.#backlogs.delete(backlog.partition);
    this.#turn = this.#turn.filter((one) => one !== backlog);
    backlog.isGivenUp = true;
    this.#commits.remove(backlog);
  }

  /** Messages were deleted before they were read, or the topic was made anew. */
  async #reset(backlog: Backlog): Promise<void> {
    const { topic } = this.#options;
    const progress = await this.#positions.findAfter(backlog.partition, backlog.next, this.#ending.signal);
    this.#context.log.warn(
      `offset ${backlog.next} is not in partition ${backlog.partition} of topic ${topic}; it goes on at ${progress.next}`,
    );
    if (backlog.isGivenUp) return;
    this.#giveUp(backlog);
    const fresh = new Backlog(backlog.partition, progress, this.#options.order);
    this.#backlogs.set(backlog.partition, fresh);
    this.#commits.add(fresh, 0);
  }

  async #yield(): Promise<void> {
    this.#isYielding = true;
    const ms = this.#options.order === "none" ? yieldMs : orderedYieldMs;
    const idle = new AbortController();
    void this.#idle().then(() => idle.abort());
    await pause(this.#context.clock, ms, idle.signal);
    await this.#commits.flush();
    this.#commits.hold(true);
  }

  async #lose(): Promise<void> {
    this.#isYielding = true;
    this.#commits.hold(true);
    for (const backlog of [...this.#backlogs.values()]) this.#giveUp(backlog);
    // What comes again must not meet itself in the handler.
    if (this.#options.order !== "none") await this.#idle();
  }

  // ---- fetching

  #wanted() {
    const all = [...this.#backlogs.values()];
    const backlogs = this.#isClosing ? [] : all.filter(({ waiting }) => waiting < this.#settings.channelBufferSize);
    return { backlogs, isAll: backlogs.length === all.length };
  }

  #take(backlog: Backlog, received: readonly Received[], next: number): void {
    if (backlog.isGivenUp) return;
    const before = backlog.low;
    backlog.add(received, next);
    // Records that are no messages move the offset too.
    if (backlog.low > before && backlog.low === backlog.next) this.#commits.add(backlog, 0);
    this.#advance();
  }

  // ---- handing over

  #advance(): void {
    while (
      !this.#isYielding &&
      !this.#isClosing &&
      this.#active < this.#options.concurrency &&
      this.#commits.uncommitted < mostUncommitted
    ) {
      const taken = this.#next();
      if (!taken) return;
      // The process may have stood still: then others have what it held.
      if (!this.#member.isOwner) {
        taken.backlog.retry(taken.entry);
        this.#member.check();
        return;
      }
      if (this.#options.incoming.hasEnded(taken.entry, this.#context.clock.now()))
        this.#done(taken.backlog, taken.entry);
      else this.#hand(taken.backlog, taken.entry);
    }
  }

  /** The next message, of each partition in turn. */
  #next(): { readonly backlog: Backlog; readonly entry: Entry } | undefined {
    for (let tried = this.#backlogs.size; tried > 0; tried -= 1) {
      if (this.#turn.length === 0) this.#turn = [...this.#backlogs.values()];
      const backlog = this.#turn.pop();
      const entry = backlog?.take();
      if (!backlog || !entry) continue;
      if (backlog.waiting === this.#settings.channelBufferSize - 1) this.#fetcher.wake();
      return { backlog, entry };
    }
    return undefined;
  }

  #hand(backlog: Backlog, entry: Entry): void {
    this.#active += 1;
    const { incoming, handler } = this.#options;
    const settle = (settled: unknown) => this.#settled(backlog, entry, settled === "ack");
    try {
      const message = incoming.toMessage(backlog.partition, entry);
      if (message instanceof Promise) {
        message.catch((error: unknown) => this.#undecoded(backlog, entry, error));
        message.then(handler).then(settle, settle);
      } else handler(message).then(settle, settle);
    } catch (error) {
      settle(error);
    }
  }

  #undecoded({ partition }: Backlog, { offset, attempt }: Entry, error: unknown): void {
    if (attempt > 1) return;
    const { topic } = this.#options;
    const place = `offset ${offset} of partition ${partition} of topic ${topic}`;
    this.#context.log.warn(`the message at ${place} cannot be decoded, and is tried again: ${causeText(error)}`);
  }

  #settled(backlog: Backlog, entry: Entry, isDone: boolean): void {
    this.#active -= 1;
    if (!backlog.isGivenUp) {
      if (isDone || !this.#settings.consumeRetryEnabled) this.#done(backlog, entry);
      else {
        backlog.fail(entry);
        this.#commits.add(backlog, 0);
        this.#later(this.#settings.consumeRetryInterval, () => {
          if (backlog.isGivenUp) return;
          backlog.retry(entry);
          this.#advance();
        });
      }
    }
    if (this.#active === 0) {
      for (const resolve of this.#whenIdle) resolve();
      this.#whenIdle.clear();
    }
    this.#advance();
  }

  #done(backlog: Backlog, entry: Entry): void {
    backlog.settle(entry);
    this.#commits.add(backlog, 1);
  }

  #idle(): Promise<void> {
    if (this.#active === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenIdle.add(resolve));
  }

  #later(ms: number, run: () => void): void {
    const cancel = this.#context.clock.after(ms, () => {
      this.#timers.delete(cancel);
      run();
    });
    this.#timers.add(cancel);
  }

  // ---- closing

  /** Lets the handler finish, commits and leaves the group. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#isClosing = true;
    this.#ending.abort();
    await this.#fetcher.close();
    await this.#idle();
    for (const cancel of this.#timers) cancel();
    await this.#commits.flush();
    this.#commits.close();
    await this.#member.close();
    await this.#positions.close();
  }
}

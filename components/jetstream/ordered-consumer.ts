import { randomUUID } from "node:crypto";
import { causeText } from "../../specs/errors.ts";
import type { Call, OpenContext, Subscription } from "../contract/driver.ts";
import type { StreamInfo } from "./api.ts";
import { ackWaitOf, type DurableSettings, findDurable, openReader, retireDurable } from "./durables.ts";
import { isApiError } from "./failures.ts";
import { isFree, type Kept, type Place } from "./group-place.ts";
import type { Link } from "./link.ts";
import { type OrderedOptions, OrderedWork } from "./ordered-work.ts";

const failurePauseMs = 500;
const looksPerWait = 3;

/**
 * One member of an ordered group. The server has no consumer that keeps an order over its members, so one of them works
 * at a time: the one whose name stands in the group's place, which is written as a compare and set. The others take over
 * when the place is free, or has not been written for `ackWait`: they compare its versions by their own clocks, so no
 * clocks need to agree.
 */
export class OrderedConsumer implements Subscription {
  readonly #link: Link;
  readonly #settings: DurableSettings;
  readonly #options: OrderedOptions;
  readonly #context: OpenContext;
  readonly #closing = new AbortController();
  readonly #running: Promise<void>;
  #work: OrderedWork | undefined;
  #wake = () => {};
  #closed: Promise<void> | undefined;

  private constructor(link: Link, settings: DurableSettings, options: OrderedOptions, context: OpenContext) {
    this.#link = link;
    this.#settings = settings;
    this.#options = options;
    this.#context = context;
    this.#running = this.#run();
  }

  /** Resolves when the group has a place, so that what is published from then on arrives. */
  static async open(
    link: Link,
    settings: DurableSettings,
    options: Omit<OrderedOptions, "member">,
    stream: StreamInfo,
    context: OpenContext,
    call: Call,
  ): Promise<OrderedConsumer> {
    const { group } = options;
    const { retention = "limits" } = stream.config;
    if (retention !== "limits") {
      const fix = "use a stream of retention limits, or leave order out";
      throw new Error(`order needs messages that stay; stream ${group.stream} has the retention ${retention}: ${fix}`);
    }
    await options.makePlaces(call);
    await ensurePlace(link, settings, { ...options, born: stream.created }, call);
    return new OrderedConsumer(link, settings, { ...options, member: randomUUID() }, context);
  }

  async #run(): Promise<void> {
    const { place } = this.#options;
    const listening = this.#link.listen(place.subject, (message) => {
      // Whoever leaves says so with its last version.
      if (isFree(message.string())) this.#wake();
    });
    const stopListening = this.#link.onBack(() => this.#wake());
    try {
      while (!this.#closing.signal.aborted) await this.#follow();
    } finally {
      stopListening();
      listening.unsubscribe();
    }
  }

  /** Waits for its turn, and works until that is over. */
  async #follow(): Promise<void> {
    const { place, member, group } = this.#options;
    const waitMs = ackWaitOf(this.#settings);
    const { clock, log } = this.#context;
    let seen: { readonly revision: number; readonly at: number } | undefined;
    while (!this.#closing.signal.aborted) {
      try {
        const kept = await place.find(this.#closing);
        if (!kept) {
          await this.#ensureAgain();
          continue;
        }
        if (seen?.revision !== kept.revision) seen = { revision: kept.revision, at: clock.now() };
        const { owner } = kept.place;
        if (owner === "" || owner === member || clock.now() - seen.at >= waitMs) {
          if (await this.#takeTurn(kept)) return;
          continue;
        }
      } catch (error) {
        if (this.#closing.signal.aborted) return;
        log.warn(`topic ${group.topic} cannot be read for now: ${causeText(error)}`);
        await this.#pause(failurePauseMs);
      }
      await this.#pause(waitMs / looksPerWait);
    }
  }

  async #takeTurn({ place, revision }: Kept): Promise<boolean> {
    const at = this.#context.clock.now();
    const { group, member } = this.#options;
    const { created } = await this.#link.api<StreamInfo>(`STREAM.INFO.${group.stream}`, {}, this.#closing);
    if (created !== place.born) {
      this.#context.log.warn(`stream ${group.stream} has been made anew; topic ${group.topic} is read from its start`);
    }
    const mine: Place =
      created === place.born ? { ...place, owner: member } : { owner: member, born: created, read: 0, open: [] };
    try {
      const kept = { place: mine, revision: await this.#options.place.put(mine, revision, this.#closing), at };
      this.#work = new OrderedWork(this.#link, this.#settings, this.#options, kept, this.#context);
    } catch (error) {
      // Another one was faster.
      if (isApiError(error, "wrongLastSequence")) return false;
      throw error;
    }
    await this.#work.ended;
    this.#work = undefined;
    return true;
  }

  async #ensureAgain(): Promise<void> {
    const { group, makePlaces } = this.#options;
    const { created } = await this.#link.api<StreamInfo>(`STREAM.INFO.${group.stream}`, {}, this.#closing);
    await makePlaces(this.#closing);
    await ensurePlace(this.#link, this.#settings, { ...this.#options, born: created }, this.#closing);
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#context.clock.after(ms, () => resolve());
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }

  /** Lets the handler finish and leaves the rest to another member. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#closing.abort();
    this.#wake();
    await this.#work?.close();
    await this.#running;
  }
}

/**
 * Gives a group its place, which is where its consumer without order is, if that was the last to work, else as
 * deliverPolicy says. That consumer then ends.
 */
async function ensurePlace(
  link: Link,
  settings: DurableSettings,
  { place, group, born }: Pick<OrderedOptions, "place" | "group"> & { readonly born: string },
  call: Call,
): Promise<void> {
  const durable = await findDurable(link, group, call);
  const kept = await place.find(call);
  const isAhead = durable !== undefined && kept?.place.owner === "" && durable.ack_floor.stream_seq > kept.place.read;
  if (!kept || isAhead) {
    const read = durable
      ? durable.ack_floor.stream_seq
      : (await openReader(link, group, settings, undefined, call)).delivered.stream_seq;
    await place.put({ owner: "", born, read, open: [] }, kept?.revision ?? 0, call).catch((error: unknown) => {
      // Another member was faster.
      if (!isApiError(error, "wrongLastSequence")) throw error;
    });
  }
  if (durable) await retireDurable(link, group, durable, call);
}

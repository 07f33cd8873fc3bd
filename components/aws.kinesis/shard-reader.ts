import { causeText } from "../../specs/errors.ts";
import { errorName } from "../aws/failures.ts";
import { pause } from "../aws/pause.ts";
import type { BindingHandler } from "../contract/bindings.ts";
import type { OpenContext } from "../contract/driver.ts";
import { type Lease, type Leases, shardEnd } from "./leases.ts";
import type { Place, Stream } from "./stream.ts";

/** Kinesis answers five requests a second for a shard, of all who read it together. */
const pollMs = 1000;
const longestPauseMs = 10_000;

export interface ShardReading {
  readonly lease: Pick<Lease, "shardId">;
  readonly start: Place;
  readonly handler: BindingHandler;
  /** The shard is over, or somebody else has it. */
  readonly onEnd: () => void;
}

/** Hands the records of one shard over, one after another. One that the app fails to handle is not delivered again. */
export class ShardReader {
  readonly #stream: Stream;
  readonly #leases: Leases;
  readonly #reading: ShardReading;
  readonly #context: OpenContext;
  readonly #ending = new AbortController();
  readonly #running: Promise<void>;
  /** Settles when its place in the shard is known, or cannot be known for now. */
  readonly begun: Promise<void>;
  #begin = () => {};
  #place: Place;

  constructor(stream: Stream, leases: Leases, reading: ShardReading, context: OpenContext) {
    this.#stream = stream;
    this.#leases = leases;
    this.#reading = reading;
    this.#context = context;
    this.#place = reading.start;
    this.begun = new Promise((resolve) => (this.#begin = resolve));
    this.#running = this.#run();
  }

  /** Settles after the record that is being handled. */
  async close(): Promise<void> {
    this.#ending.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { shardId } = this.#reading.lease;
    const call = { signal: this.#ending.signal };
    let failures = 0;
    let iterator: string | undefined;
    while (!this.#ending.signal.aborted) {
      try {
        iterator ??= await this.#stream.iterator(shardId, this.#place, call);
        this.#begin();
        const { records, next } = await this.#stream.records(iterator, call);
        if (!(await this.#handAll(records))) break;
        if (next === undefined) {
          await this.#leases.checkpoint(shardId, shardEnd, {});
          break;
        }
        iterator = next;
        failures = 0;
        await pause(this.#context.clock, pollMs, call);
      } catch (error) {
        if (this.#ending.signal.aborted) break;
        failures += 1;
        this.#begin();
        // Where it was is known; the iterator may be too old.
        iterator = undefined;
        if (errorName(error) !== "ExpiredIteratorException") this.#report(error, failures);
        await pause(this.#context.clock, Math.min(pollMs * 2 ** (failures - 1), longestPauseMs), call).catch(() => {});
      }
    }
    this.#begin();
    this.#reading.onEnd();
  }

  /** False: this reader's time is over. */
  async #handAll(records: Awaited<ReturnType<Stream["records"]>>["records"]): Promise<boolean> {
    const { handler, lease } = this.#reading;
    const { log, name } = this.#context;
    let last: string | undefined;
    for (const { data, metadata } of records) {
      if (this.#ending.signal.aborted) break;
      await handler({ data, metadata: { ...metadata, shardId: lease.shardId } }).catch((error: unknown) => {
        log.warn(`a record of Kinesis was not handled: ${causeText(error)}`, { component: name, shard: lease.shardId });
      });
      last = metadata.sequenceNumber;
    }
    if (last === undefined) return !this.#ending.signal.aborted;
    this.#place = { after: last };
    return (await this.#leases.checkpoint(lease.shardId, last, {})) && !this.#ending.signal.aborted;
  }

  #report(error: unknown, failures: number): void {
    if (failures !== 1) return;
    const { log, name } = this.#context;
    const { shardId } = this.#reading.lease;
    log.warn(`no records come from Kinesis for now: ${causeText(error)}`, { component: name, shard: shardId });
  }
}

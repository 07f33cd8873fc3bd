import { randomUUID } from "node:crypto";
import type { Shard } from "@aws-sdk/client-kinesis";
import { causeText } from "../../specs/errors.ts";
import { fewAtOnce } from "../aws/few-at-once.ts";
import type { AwsSettings } from "../aws/settings.ts";
import type { BindingHandler } from "../contract/bindings.ts";
import type { Call, OpenContext, Subscription } from "../contract/driver.ts";
import { type Lease, Leases, shardEnd } from "./leases.ts";
import { ShardReader } from "./shard-reader.ts";
import type { Place, Stream } from "./stream.ts";

/** A reader that has not been heard of for so long has lost its shards. */
const leaseMs = 10_000;
const roundMs = leaseMs / 3;
const asksAtOnce = 10;

/** Reads those shards of a stream that no other sidecar with the same consumer name reads. */
export class StreamReader implements Subscription {
  readonly #stream: Stream;
  readonly #leases: Leases;
  readonly #handler: BindingHandler;
  readonly #context: OpenContext;
  readonly #readers = new Map<string, ShardReader>();
  #isClosing = false;
  #round: Promise<void> = Promise.resolve();
  #cancel = () => {};
  #closed: Promise<void> | undefined;

  private constructor(stream: Stream, leases: Leases, handler: BindingHandler, context: OpenContext) {
    this.#stream = stream;
    this.#leases = leases;
    this.#handler = handler;
    this.#context = context;
  }

  /** Resolves when the shards that are free are being read. Rejects with reasons. */
  static async open(
    stream: Stream,
    settings: AwsSettings & { readonly consumerName: string },
    handler: BindingHandler,
    context: OpenContext,
    call: Call,
  ): Promise<StreamReader> {
    const owner = `${context.appId}-${randomUUID()}`;
    const leases = await Leases.open(settings, settings.consumerName, owner, context, call);
    const reader = new StreamReader(stream, leases, handler, context);
    try {
      await reader.#look(call);
    } catch (error) {
      await reader.close();
      throw error;
    }
    reader.#later();
    return reader;
  }

  #later(): void {
    if (this.#isClosing) return;
    this.#cancel = this.#context.clock.after(roundMs, () => {
      this.#round = this.#look({})
        .catch((error: unknown) => {
          const { log, name } = this.#context;
          log.warn(`the shards of a stream cannot be shared for now: ${causeText(error)}`, { component: name });
        })
        .finally(() => this.#later());
    });
  }

  /** Keeps the shards it has and takes those that are free; a shard waits for the one that it came from. */
  async #look(call: Call): Promise<void> {
    const shards = await this.#stream.shards(call);
    const leases = new Map<string, Lease | undefined>(
      await fewAtOnce(
        shards,
        asksAtOnce,
        async ({ ShardId: id = "" }) => [id, await this.#leases.find(id, call)] as const,
      ),
    );
    for (const shard of shards) {
      if (this.#isClosing) return;
      await this.#consider(shard, leases, call);
    }
  }

  async #consider(shard: Shard, leases: ReadonlyMap<string, Lease | undefined>, call: Call): Promise<void> {
    const { ShardId: shardId = "", ParentShardId: parent = "", AdjacentParentShardId: other = "" } = shard;
    const now = this.#context.clock.now();
    const lease = leases.get(shardId) ?? { ...untaken, shardId };
    const own = this.#readers.get(shardId);
    if (own) {
      if (!(await this.#leases.keep(shardId, now + leaseMs, call))) await own.close();
      return;
    }
    const parents = [parent, other].filter((id) => leases.has(id));
    const isFree = lease.owner === undefined || lease.endsAt <= now;
    const isDue = parents.every((id) => leases.get(id)?.checkpoint === shardEnd);
    if (lease.checkpoint === shardEnd || !isFree || !isDue) return;
    if (!(await this.#leases.take(lease, now + leaseMs, call))) return;
    const reading = {
      lease,
      start: startOf(lease, parents.length > 0),
      handler: this.#handler,
      onEnd: () => void this.#readers.delete(shardId),
    };
    const reader = new ShardReader(this.#stream, this.#leases, reading, this.#context);
    this.#readers.set(shardId, reader);
    await reader.begun;
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#isClosing = true;
    this.#cancel();
    await this.#round;
    const readers = [...this.#readers];
    await Promise.all(readers.map(([, reader]) => reader.close()));
    await Promise.all(readers.map(([shardId]) => this.#leases.release(shardId, {}).catch(() => {})));
    await this.#leases.close();
  }
}

const untaken = { owner: undefined, endsAt: 0, timeout: undefined, checkpoint: undefined, since: undefined };

/**
 * Where reading goes on. What came into a shard while those it came from were still read must not be missed, nor what came
 * after a reader that never got as far as a record.
 */
function startOf({ checkpoint, since }: Lease, hasParents: boolean): Place {
  if (checkpoint !== undefined) return { after: checkpoint };
  if (hasParents) return "TRIM_HORIZON";
  return since === undefined ? "LATEST" : { at: since };
}

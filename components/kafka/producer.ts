import { fail } from "../../specs/errors.ts";
import type { Call, Clock, Log } from "../contract/driver.ts";
import { Addressing } from "./addressing.ts";
import type { Cluster } from "./cluster.ts";
import type { Connections } from "./connections.ts";
import { BrokerError, brokerCode, ClosedError, isPassing, saying } from "./failures.ts";
import { anonymous, Identities, type Identity } from "./identities.ts";
import type { Outbox, Outgoing } from "./outbox.ts";
import { pause } from "./pause.ts";
import { produce, type Sent } from "./produce.ts";
import type { Settings } from "./settings.ts";
import { type Refused, Ticket } from "./ticket.ts";

export interface ProducerOptions {
  /** -1: all replicas in sync, 1: the leader, 0: nobody. */
  readonly acks: -1 | 0 | 1;
  readonly compression: Settings["compression"];
  readonly maxRefusals: number;
  readonly maxMessageBytes: number;
}

/** A batch stays below what brokers take by default, 1 MiB. */
const mostBatchBytes = 1_000_000;
/** Without a deadline of the caller. */
const patienceMs = 60_000;
const pauseMs = 50;
const longestPauseMs = 1000;
const closeMs = 5000;

const tooLarge: ReadonlySet<string> = new Set(["MESSAGE_TOO_LARGE", "RECORD_LIST_TOO_LARGE"]);
const taken: ReadonlySet<string> = new Set(["NONE", "DUPLICATE_SEQUENCE_NUMBER"]);
/** The broker does not know the identity, or misses batches of it. */
const forgotten: ReadonlySet<string> = new Set([
  "OUT_OF_ORDER_SEQUENCE_NUMBER",
  "UNKNOWN_PRODUCER_ID",
  "INVALID_PRODUCER_EPOCH",
  "INVALID_PRODUCER_ID_MAPPING",
  "PRODUCER_FENCED",
]);
/** The broker has the batch, but not yet where it should be. */
const halfTaken: ReadonlySet<string> = new Set(["NOT_ENOUGH_REPLICAS_AFTER_APPEND", "REQUEST_TIMED_OUT"]);

/**
 * Publishes. To each broker one request is on its way at a time; what is published meanwhile makes the next one, in the
 * order of each partition. A request whose answer is lost is sent again, and brokers take its batches once.
 */
export class Producer {
  readonly #cluster: Cluster;
  readonly #options: ProducerOptions;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #connections: Connections;
  readonly #identities: Identities;
  readonly #addressing: Addressing;
  /** Those that have something to send. */
  readonly #busy = new Set<Outbox>();
  /** By the number of the broker. */
  readonly #senders = new Map<number, Promise<void>>();
  readonly #ending = new AbortController();
  #failure: unknown;
  #closed: Promise<void> | undefined;

  constructor(cluster: Cluster, options: ProducerOptions, clock: Clock, log: Log) {
    this.#cluster = cluster;
    this.#options = options;
    this.#clock = clock;
    this.#log = log;
    this.#connections = cluster.connections();
    this.#identities = new Identities(cluster, log);
    this.#addressing = new Addressing(
      cluster,
      {
        maxMessageBytes: options.maxMessageBytes,
        onFilled: (outbox) => {
          this.#busy.add(outbox);
          this.#wake(this.#leaderOf(outbox));
        },
        onFailed: (error) => {
          this.#failure = error;
        },
        signal: this.#ending.signal,
      },
      clock,
    );
  }

  /** Resolves with those that were not taken, each with why: the library's error, a reason, or that of the signal. */
  async send(messages: readonly Outgoing[], { signal }: Call): Promise<readonly Refused[]> {
    if (this.#closed !== undefined) throw new ClosedError();
    signal?.throwIfAborted();
    const ticket = new Ticket(messages.length, this.#clock.now() + patienceMs);
    const abandoned = () => {
      ticket.abandon(signal?.reason);
      this.#sweep();
    };
    signal?.addEventListener("abort", abandoned, { once: true });
    for (const [index, message] of messages.entries()) this.#addressing.add({ message, ticket, index });
    try {
      return await ticket.done;
    } finally {
      signal?.removeEventListener("abort", abandoned);
    }
  }

  // ---- what nobody waits for

  #sweep(): void {
    this.#addressing.sweep(this.#late());
    for (const outbox of this.#busy) {
      this.#spoil(outbox.sweep(this.#clock.now(), this.#late));
      if (outbox.isIdle) this.#busy.delete(outbox);
    }
  }

  #spoil(identity: Identity | undefined): void {
    if (identity) this.#identities.forget(identity);
  }

  #late = (): unknown => this.#failure ?? new BrokerError("REQUEST_TIMED_OUT", `no answer in ${patienceMs / 1000} s`);

  #pause(failures: number): Promise<void> {
    const ms = Math.min(pauseMs * 2 ** Math.min(failures - 1, 10), longestPauseMs);
    return pause(this.#clock, ms, this.#ending.signal);
  }

  // ---- sending

  #wake(leader: number): void {
    if (this.#senders.has(leader)) return;
    const sender = this.#sendAll(leader).finally(() => {
      this.#senders.delete(leader);
      if (this.#ending.signal.aborted) return;
      // What came while the last request ended, or what another broker leads by now.
      for (const outbox of this.#busy) this.#wake(this.#leaderOf(outbox));
    });
    this.#senders.set(leader, sender);
  }

  #leaderOf({ topic, partition }: Outbox): number {
    return this.#cluster.knownTopic(topic)?.[partition]?.leader ?? -1;
  }

  async #sendAll(leader: number): Promise<void> {
    // What is published in the same turn of the event loop belongs to the same request.
    await Promise.resolve();
    for (let failures = 0; !this.#ending.signal.aborted; ) {
      if (failures > 0) this.#sweep();
      const outboxes = [...this.#busy].filter((outbox) => this.#leaderOf(outbox) === leader);
      if (outboxes.length === 0) return;
      try {
        failures = (await this.#send(leader, outboxes)) ? 0 : failures + 1;
      } catch (error) {
        failures += 1;
        this.#failed(error, outboxes, failures);
      }
      for (const outbox of outboxes) if (outbox.isIdle) this.#busy.delete(outbox);
      if (failures > 0) await this.#recover(outboxes, failures);
    }
  }

  /** False: some batch is to be sent again, after a while. */
  async #send(leader: number, outboxes: readonly Outbox[]): Promise<boolean> {
    const { acks, compression, maxMessageBytes } = this.#options;
    const { signal } = this.#ending;
    const identity = acks === -1 ? await this.#identities.current({ signal }) : anonymous;
    const limit = Math.min(mostBatchBytes, maxMessageBytes);
    const filled = outboxes.flatMap((outbox) => {
      const batch = outbox.fill(limit, identity);
      return batch ? [{ outbox, batch }] : [];
    });
    const sent = filled.filter(({ batch }) => batch.identity === filled[0]?.batch.identity);
    const address = this.#cluster.address(leader);
    const options = { acks, compression, signal };
    for (const { batch } of sent) batch.isOwed = true;
    let codes: Awaited<ReturnType<typeof produce>>;
    try {
      codes = await produce(this.#connections, this.#cluster.library, address, sent, options);
    } catch (error) {
      for (const { batch } of sent) batch.isUnsure = true;
      throw error;
    } finally {
      for (const { batch } of sent) batch.isOwed = false;
    }
    let isTaken = true;
    for (const one of sent) {
      const [code, message] = codes.get(one) ?? ["UNKNOWN_SERVER_ERROR"];
      if (taken.has(code)) one.outbox.taken(one.batch);
      else isTaken = this.#refused(one, new BrokerError(code, message)) && isTaken;
    }
    return isTaken;
  }

  /** The broker has not taken a batch. False: it is to be sent again. */
  #refused({ outbox, batch }: Sent, error: BrokerError): boolean {
    const { code } = error;
    if (tooLarge.has(code)) {
      if (outbox.split(batch)) return true;
      const why = `a message of ${batch.waiting[0]?.message.bytes} bytes is larger than topic ${outbox.topic} takes; raise its max.message.bytes (message.max.bytes of the brokers), or publish less at once`;
      this.#spoil(outbox.refuse(batch, fail("malformedRequest", { why }, { cause: error })));
      return true;
    }
    this.#failure = error;
    batch.refusals += 1;
    if (halfTaken.has(code)) batch.isUnsure = true;
    const mayBeTaken = forgotten.has(code) || isPassing(error) || code === "UNKNOWN_TOPIC_OR_PARTITION";
    if (!mayBeTaken || batch.refusals > this.#options.maxRefusals) {
      this.#spoil(outbox.refuse(batch, error));
      return true;
    }
    if (forgotten.has(code)) {
      this.#identities.forget(batch.identity);
      batch.isUnsure = false;
    }
    return false;
  }

  #failed(error: unknown, outboxes: readonly Outbox[], failures: number): void {
    if (this.#ending.signal.aborted) return;
    this.#failure = error;
    if (failures === 4) this.#log.warn(`messages cannot be published, tries again: ${saying(error)}`);
    if (isPassing(error)) return;
    for (const outbox of outboxes) this.#spoil(outbox.refuseAll(error));
  }

  /** Waits a little, asks who leads by now, and gives batches another identity whose own is forgotten. */
  async #recover(outboxes: readonly Outbox[], failures: number): Promise<void> {
    const { signal } = this.#ending;
    await this.#pause(failures);
    const left = outboxes.filter(({ isIdle }) => !isIdle);
    for (const topic of new Set(left.map((outbox) => outbox.topic))) {
      await this.#cluster.topic(topic, { create: true, fresh: true }, { signal }).catch((error: unknown) => {
        if (brokerCode(error) !== undefined) this.#failure = error;
      });
    }
    if (this.#options.acks !== -1) return;
    const identity = await this.#identities.current({ signal }).catch(() => undefined);
    for (const outbox of left) {
      const { batch } = outbox;
      if (!identity || !batch || batch.identity === identity) continue;
      if (!batch.isUnsure && !batch.isOwed) outbox.renew(identity);
    }
  }

  /** Gives what is on its way some time. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const sent = new AbortController();
    const senders = Promise.all(this.#senders.values()).then(() => sent.abort());
    if (this.#senders.size > 0) await pause(this.#clock, closeMs, sent.signal);
    this.#ending.abort(new ClosedError());
    await senders;
    const closed = new ClosedError();
    for (const outbox of this.#busy) outbox.refuseAll(closed);
    await this.#connections.close();
  }
}

import type { Identity } from "./identities.ts";
import type { Ticket } from "./ticket.ts";

/** A message on its way to a topic. */
export interface Outgoing {
  readonly topic: string;
  /** The partition that the publisher chose; absent: by the key. */
  readonly partition?: number | undefined;
  readonly key?: Buffer | undefined;
  readonly value: Buffer;
  readonly headers: Map<Buffer, Buffer>;
  /** About what it takes in a request. */
  readonly bytes: number;
  /** Milliseconds since 1970. */
  readonly timestamp: number;
}

/** A message that waits for its request, or for the answer to it. */
export interface Waiting {
  readonly message: Outgoing;
  readonly ticket: Ticket;
  readonly index: number;
}

export interface Batch {
  readonly waiting: readonly Waiting[];
  readonly identity: Identity;
  /** Place in the order of what this partition gets under the identity. */
  readonly sequence: number;
  /** How often the broker has refused it. */
  refusals: number;
  /** It has been sent, and the answer to it is owed. */
  isOwed: boolean;
  /** An answer to it was lost, so that it may have been taken. */
  isUnsure: boolean;
}

const mostMessages = 10_000;
/** Sequence numbers begin anew after the largest. */
const sequences = 2 ** 31;

const isHopeless = ({ ticket }: Waiting, now: number) => ticket.isAbandoned || ticket.deadline <= now;

/** What waits for one partition. One batch of it is on its way at a time, so that messages keep their order. */
export class Outbox {
  readonly topic: string;
  readonly partition: number;
  #queue: Waiting[] = [];
  #batch: Batch | undefined;
  #identity: Identity | undefined;
  #sequence = 0;

  constructor(topic: string, partition: number) {
    this.topic = topic;
    this.partition = partition;
  }

  get isIdle(): boolean {
    return this.#batch === undefined && this.#queue.length === 0;
  }

  /** What is on its way. */
  get batch(): Batch | undefined {
    return this.#batch;
  }

  add(waiting: Waiting): void {
    this.#queue.push(waiting);
  }

  /**
   * Takes out what nobody waits for any more, and what has waited too long: that is refused with `cause`. The answer to a
   * batch that was sent is waited for.
   * @returns the identity that must not be used again, because a batch under it may or may not have been taken
   */
  sweep(now: number, cause: () => unknown): Identity | undefined {
    const hopeless = this.#queue.filter((waiting) => isHopeless(waiting, now));
    if (hopeless.length > 0) this.#queue = this.#queue.filter((waiting) => !isHopeless(waiting, now));
    for (const { ticket, index } of hopeless) ticket.refused(index, cause());
    const { batch } = this;
    if (!batch || batch.isOwed || !batch.waiting.every((waiting) => isHopeless(waiting, now))) return undefined;
    return this.refuse(batch, cause());
  }

  /** The batch to send: the one that was not taken yet, or a new one. Undefined: there is nothing to send. */
  fill(mostBytes: number, identity: Identity): Batch | undefined {
    if (this.#batch !== undefined) return this.#batch;
    let [count, bytes] = [0, 0];
    for (const { message } of this.#queue) {
      if (count === mostMessages || (count > 0 && bytes + message.bytes > mostBytes)) break;
      bytes += message.bytes;
      count += 1;
    }
    if (count === 0) return undefined;
    this.#begin(this.#queue.splice(0, count), identity, 0);
    return this.#batch;
  }

  #begin(waiting: readonly Waiting[], identity: Identity, refusals: number): void {
    if (this.#identity !== identity) this.#sequence = 0;
    this.#identity = identity;
    this.#batch = { waiting, identity, sequence: this.#sequence, refusals, isOwed: false, isUnsure: false };
  }

  /** The batch was taken. */
  taken(batch: Batch): void {
    if (this.#batch !== batch) return;
    this.#sequence = (this.#sequence + batch.waiting.length) % sequences;
    this.#batch = undefined;
    for (const { ticket, index } of batch.waiting) ticket.taken(index);
  }

  /**
   * The batch will not be sent again.
   * @returns the identity that must not be used again, because the batch may or may not have been taken
   */
  refuse(batch: Batch, cause: unknown): Identity | undefined {
    if (this.#batch !== batch) return undefined;
    this.#batch = undefined;
    for (const { ticket, index } of batch.waiting) ticket.refused(index, cause);
    return batch.isUnsure ? batch.identity : undefined;
  }

  /** Nothing of all that waits will be sent. */
  refuseAll(cause: unknown): Identity | undefined {
    for (const { ticket, index } of this.#queue.splice(0)) ticket.refused(index, cause);
    return this.#batch && this.refuse(this.#batch, cause);
  }

  /** The batch is to be sent under another identity. */
  renew(identity: Identity): void {
    const batch = this.#batch;
    if (batch) this.#begin(batch.waiting, identity, batch.refusals);
  }

  /** The batch was too large: its second half waits again. False: it holds one message. */
  split(batch: Batch): boolean {
    if (this.#batch !== batch || batch.waiting.length < 2) return false;
    const half = batch.waiting.length >> 1;
    this.#queue.unshift(...batch.waiting.slice(half));
    this.#batch = { ...batch, waiting: batch.waiting.slice(0, half) };
    return true;
  }
}

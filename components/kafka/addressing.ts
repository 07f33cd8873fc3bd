import { fail } from "../../specs/errors.ts";
import type { Clock } from "../contract/driver.ts";
import type { Cluster, Topic } from "./cluster.ts";
import { isPassing } from "./failures.ts";
import { Outbox, type Waiting } from "./outbox.ts";
import { Partitioner } from "./partitioner.ts";
import { pause } from "./pause.ts";

export interface AddressingOptions {
  readonly maxMessageBytes: number;
  /** An outbox has something to send. */
  readonly onFilled: (outbox: Outbox) => void;
  /** Why messages cannot be sent at present. */
  readonly onFailed: (error: unknown) => void;
  readonly signal: AbortSignal;
}

/** One topic that is published to. */
interface Place {
  readonly partitioner: Partitioner;
  readonly outboxes: Map<number, Outbox>;
  /** Waits until the partitions are known. */
  waiting: Waiting[];
  isLooking: boolean;
}

const rememberedTopics = 1000;
const pauseMs = 50;
const longestPauseMs = 1000;

/** Puts messages into the outboxes of their partitions, in the order in which they come. */
export class Addressing {
  readonly #cluster: Cluster;
  readonly #options: AddressingOptions;
  readonly #clock: Clock;
  readonly #places = new Map<string, Place>();

  constructor(cluster: Cluster, options: AddressingOptions, clock: Clock) {
    this.#cluster = cluster;
    this.#options = options;
    this.#clock = clock;
  }

  /** A message that can have no partition is refused. */
  add(waiting: Waiting): void {
    const { topic, bytes } = waiting.message;
    const { maxMessageBytes } = this.#options;
    if (bytes > maxMessageBytes) {
      const why = `a message of ${bytes} bytes for topic ${topic} is larger than maxMessageBytes (${maxMessageBytes}); raise it, and the topic's max.message.bytes, or publish less at once`;
      waiting.ticket.refused(waiting.index, fail("malformedRequest", { why }));
      return;
    }
    const place = this.#place(topic);
    const known = this.#cluster.knownTopic(topic);
    if (known && !place.isLooking) this.#post(place, waiting, known);
    else {
      place.waiting.push(waiting);
      if (!place.isLooking) void this.#look(topic, place);
    }
  }

  #place(topic: string): Place {
    let place = this.#places.get(topic);
    if (!place) {
      if (this.#places.size >= rememberedTopics) this.#forget();
      place = { partitioner: new Partitioner(), outboxes: new Map(), waiting: [], isLooking: false };
      this.#places.set(topic, place);
    }
    return place;
  }

  /** Topics come and go; those without work need not be remembered for ever. */
  #forget(): void {
    for (const [topic, { outboxes, isLooking }] of this.#places) {
      if (!isLooking && [...outboxes.values()].every(({ isIdle }) => isIdle)) this.#places.delete(topic);
    }
  }

  /** Finds out about a topic; brokers make it, if they do such. */
  async #look(name: string, place: Place): Promise<void> {
    const { signal, onFailed } = this.#options;
    place.isLooking = true;
    for (let ms = pauseMs; place.waiting.length > 0; ms = Math.min(2 * ms, longestPauseMs)) {
      try {
        const topic = await this.#cluster.topic(name, { create: true }, { signal });
        for (const waiting of place.waiting.splice(0)) this.#post(place, waiting, topic);
      } catch (error) {
        onFailed(error);
        const isOver = !isPassing(error) || signal.aborted;
        if (isOver) for (const { ticket, index } of place.waiting.splice(0)) ticket.refused(index, error);
        else {
          await pause(this.#clock, ms, signal);
          sweep(place, this.#clock.now(), error);
        }
      }
    }
    place.isLooking = false;
  }

  #post(place: Place, waiting: Waiting, topic: Topic): void {
    const { key, bytes, partition: chosen } = waiting.message;
    const partition = chosen ?? place.partitioner.choose(key, bytes, topic.length);
    if (partition >= topic.length) {
      const why = `topic ${waiting.message.topic} has ${topic.length} partitions, which are counted from 0`;
      waiting.ticket.refused(waiting.index, fail("requestMetadataInvalid", { key: "partitionNumber", why }));
      return;
    }
    let outbox = place.outboxes.get(partition);
    if (!outbox) {
      outbox = new Outbox(waiting.message.topic, partition);
      place.outboxes.set(partition, outbox);
    }
    outbox.add(waiting);
    this.#options.onFilled(outbox);
  }

  /** Lets go of what nobody waits for any more, and of what has waited too long: that is refused with `cause`. */
  sweep(cause: unknown): void {
    const now = this.#clock.now();
    for (const place of this.#places.values()) if (place.waiting.length > 0) sweep(place, now, cause);
  }
}

function sweep(place: Place, now: number, cause: unknown): void {
  place.waiting = place.waiting.filter(({ ticket, index }) => {
    if (!ticket.isAbandoned && ticket.deadline > now) return true;
    ticket.refused(index, cause);
    return false;
  });
}

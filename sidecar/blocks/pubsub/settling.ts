import type { Clock, Log } from "../../../components/contract/driver.ts";
import type { IncomingMessage, Settle } from "../../../components/contract/pubsub.ts";
import { causeText, MechaError } from "../../../specs/errors.ts";
import { withDeadline } from "../../kernel/deadline.ts";
import type { Broker } from "./brokers.ts";
import type { Parking } from "./parking.ts";

/** What becomes of a message: `parked` is kept by the sidecar, `dead` is in the dead letter topic; the broker may forget both. */
export type Fate = Settle | "parked" | "dead";

export const toSettle = (fate: Fate): Settle => (fate === "retry" ? "retry" : "ack");

/** How long a dead letter topic, or the place for parked messages, may take to confirm a message. */
const confirmMs = 30_000;

/** The receiver is gone or closing: the message is kept for later and is nobody's failure. */
export class Held extends Error {
  override readonly name = "Held";
}

/** The app asked for the event again, by RETRY or by a refusing status. */
export class RetryAsked extends Error {
  override readonly name = "RetryAsked";
  constructor() {
    super("the app did not take it");
  }
}

/** Whether the message was not judged at all, so that neither a retry nor a dead letter is due. */
export function isHeld(error: unknown): boolean {
  return error instanceof Held || (error instanceof MechaError && error.reason === "appUnhealthy");
}

export interface SettlingParts {
  readonly broker: Broker;
  readonly topic: string;
  readonly deadLetterTopic: string | undefined;
  /** Where messages go after their last attempt when there is no dead letter topic; undefined: back to the broker. */
  readonly parking: Parking | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

type Fields = Readonly<Record<string, unknown>> & { readonly error: string };

/** Decides what becomes of messages that were not delivered. */
export class Settling {
  readonly #broker: Broker;
  readonly #topic: string;
  readonly #deadLetterTopic: string | undefined;
  readonly #parking: Parking | undefined;
  readonly #clock: Clock;
  readonly #log: Log;

  constructor(parts: SettlingParts) {
    this.#broker = parts.broker;
    this.#topic = parts.topic;
    this.#deadLetterTopic = parts.deadLetterTopic;
    this.#parking = parts.parking;
    this.#clock = parts.clock;
    this.#log = parts.log;
  }

  /**
   * Delivery was tried as often as it may be: to the dead letters, to the parked ones, or back to the broker.
   * @param attempts deliveries so far
   */
  async failed(message: IncomingMessage, attempts: number, error: unknown): Promise<Fate> {
    const fields = { ...this.#fields(message), attempt: attempts, error: causeText(error) };
    if (this.#deadLetterTopic === undefined) {
      if (this.#parking) return this.#park(this.#parking, message, attempts, fields);
      this.#log.error("the event was not processed; the broker keeps it", fields);
      return "retry";
    }
    this.#log.error("the event was not processed; it goes to the dead letter topic", fields);
    return this.#bury(message);
  }

  /** The app refuses the message for good: a copy to the dead letters, and done. */
  async dropped(message: IncomingMessage): Promise<Fate> {
    this.#log.warn("the event is dropped, as the app will not take it", this.#fields(message));
    return this.#done(message);
  }

  /** The message has expired, or no rule wants it. That is no trouble, so it does not fill the log. */
  async unwanted(message: IncomingMessage, why: string): Promise<Fate> {
    this.#log.debug("the event is not delivered", { ...this.#fields(message), why });
    return this.#done(message);
  }

  async #done(message: IncomingMessage): Promise<Fate> {
    return this.#deadLetterTopic === undefined ? "ack" : this.#bury(message);
  }

  async #park(parking: Parking, message: IncomingMessage, attempts: number, fields: Fields): Promise<Fate> {
    try {
      await withDeadline(this.#clock, "parking the message", confirmMs, undefined, (signal) =>
        parking.park(message, attempts, fields.error, { signal }),
      );
      this.#log.error("the event was not processed; it is parked until it is redriven or dropped", fields);
      return "parked";
    } catch (error) {
      this.#log.error("the event could not be parked; the broker keeps it", { ...fields, why: causeText(error) });
      return "retry";
    }
  }

  /** The message as it came, to the dead letter topic; only its confirmation lets go of the original. */
  async #bury(message: IncomingMessage): Promise<Fate> {
    const { data, contentType, metadata } = message;
    const topic = `${this.#broker.topicPrefix}${this.#deadLetterTopic}`;
    try {
      await withDeadline(this.#clock, `publishing to the dead letter topic ${topic}`, confirmMs, undefined, (signal) =>
        this.#broker.opened.publish({ topic, data, contentType, metadata }, { signal }),
      );
      return "dead";
    } catch (error) {
      const fields = { ...this.#fields(message), deadLetterTopic: topic, error: causeText(error) };
      this.#log.error("the dead letter topic did not take the event; the broker keeps it", fields);
      return "retry";
    }
  }

  #fields(message: IncomingMessage) {
    return { pubsub: this.#broker.name, topic: this.#topic, messageId: message.id, attempt: message.attempt };
  }
}

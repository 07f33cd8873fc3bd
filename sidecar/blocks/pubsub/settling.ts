import type { Clock, Log } from "../../../components/contract/driver.ts";
import type { IncomingMessage, Settle } from "../../../components/contract/pubsub.ts";
import { causeText, MechaError } from "../../../specs/errors.ts";
import { withDeadline } from "../../kernel/deadline.ts";
import type { Broker } from "./brokers.ts";

/** How long a dead letter topic may take to confirm a message. */
const deadLetterMs = 30_000;

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

/** Decides what becomes of messages that were not delivered. */
export class Settling {
  readonly #broker: Broker;
  readonly #topic: string;
  readonly #deadLetterTopic: string | undefined;
  readonly #clock: Clock;
  readonly #log: Log;

  constructor(broker: Broker, topic: string, deadLetterTopic: string | undefined, clock: Clock, log: Log) {
    this.#broker = broker;
    this.#topic = topic;
    this.#deadLetterTopic = deadLetterTopic;
    this.#clock = clock;
    this.#log = log;
  }

  /** Delivery was tried as often as the policy allows: to the dead letters, or back to the broker. */
  async failed(message: IncomingMessage, error: unknown): Promise<Settle> {
    const fields = { ...this.#fields(message), error: causeText(error) };
    if (this.#deadLetterTopic === undefined) {
      this.#log.error("the event was not processed; the broker keeps it", fields);
      return "retry";
    }
    this.#log.error("the event was not processed; it goes to the dead letter topic", fields);
    return this.#bury(message);
  }

  /** The app refuses the message for good: a copy to the dead letters, and done. */
  async dropped(message: IncomingMessage): Promise<Settle> {
    this.#log.warn("the event is dropped, as the app will not take it", this.#fields(message));
    return this.#done(message);
  }

  /** The message has expired, or no rule wants it. That is no trouble, so it does not fill the log. */
  async unwanted(message: IncomingMessage, why: string): Promise<Settle> {
    this.#log.debug("the event is not delivered", { ...this.#fields(message), why });
    return this.#done(message);
  }

  async #done(message: IncomingMessage): Promise<Settle> {
    return this.#deadLetterTopic === undefined ? "ack" : this.#bury(message);
  }

  /** The message as it came, to the dead letter topic; only its confirmation lets go of the original. */
  async #bury(message: IncomingMessage): Promise<Settle> {
    const { data, contentType, metadata } = message;
    const topic = `${this.#broker.topicPrefix}${this.#deadLetterTopic}`;
    try {
      await withDeadline(
        this.#clock,
        `publishing to the dead letter topic ${topic}`,
        deadLetterMs,
        undefined,
        (signal) => this.#broker.opened.publish({ topic, data, contentType, metadata }, { signal }),
      );
      return "ack";
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

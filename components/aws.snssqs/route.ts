import type { HeldMessage } from "../aws/queue-reader.ts";
import type { OpenContext } from "../contract/driver.ts";
import type { MessageHandler } from "../contract/pubsub.ts";
import type { Delivered } from "./message.ts";
import type { BrokerSettings } from "./settings.ts";

interface Waiting {
  readonly message: HeldMessage;
  readonly delivered: Delivered;
}

export interface RouteOptions {
  readonly topic: string;
  readonly concurrency: number;
  readonly handler: MessageHandler;
}

/** One subscription: hands messages of its topic to the handler, in the order in which they come. */
export class Route {
  readonly topic: string;
  readonly #handler: MessageHandler;
  readonly #concurrency: number;
  readonly #queueName: string;
  readonly #settings: BrokerSettings;
  readonly #context: OpenContext;
  readonly #onRoom: () => void;
  #waiting: Waiting[] = [];
  #active = 0;
  #isOpen = true;
  #idle = () => {};

  /** @param onRoom is called when there is room for a message more */
  constructor(
    { topic, concurrency, handler }: RouteOptions,
    queueName: string,
    settings: BrokerSettings,
    context: OpenContext,
    onRoom: () => void,
  ) {
    this.topic = topic;
    this.#handler = handler;
    this.#concurrency = settings.concurrencyMode === "single" ? 1 : Math.max(1, concurrency);
    this.#queueName = queueName;
    this.#settings = settings;
    this.#context = context;
    this.#onRoom = onRoom;
  }

  /** How many messages would be handed over at once. */
  get room(): number {
    return this.#isOpen ? this.#concurrency - this.#active - this.#waiting.length : 0;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  offer(message: HeldMessage, delivered: Delivered): void {
    this.#waiting.push({ message, delivered });
    this.#advance();
  }

  #advance(): void {
    while (this.#isOpen && this.#active < this.#concurrency) {
      const next = this.#waiting.shift();
      if (!next) break;
      this.#active += 1;
      void this.#handle(next).finally(() => {
        this.#active -= 1;
        if (this.#active === 0) this.#idle();
        this.#advance();
        this.#onRoom();
      });
    }
  }

  async #handle({ message, delivered }: Waiting): Promise<void> {
    const { data, contentType, metadata } = delivered;
    const incoming = { id: message.id, topic: this.topic, data, contentType, metadata, attempt: message.attempt };
    let isHandled = false;
    try {
      isHandled = (await this.#handler(incoming)) === "ack";
    } catch {
      // The contract: a handler that fails wants the message again.
    }
    if (isHandled) await message.done();
    else await this.#retry(message);
  }

  async #retry(message: HeldMessage): Promise<void> {
    const given = this.#giveBackAfter(message);
    await this.#letGo(message);
    await given;
  }

  /** Messages that must not overtake one that failed. */
  async #giveBackAfter({ group }: HeldMessage): Promise<void> {
    if (group === undefined) return;
    const behind = this.#waiting.filter(({ message }) => message.group === group);
    this.#waiting = this.#waiting.filter(({ message }) => message.group !== group);
    await Promise.all(behind.map(({ message }) => message.again(0)));
  }

  async #letGo(message: HeldMessage): Promise<void> {
    const { messageReceiveLimit, messageRetryLimit, messageVisibilityTimeout } = this.#settings;
    const { disableDeleteOnRetryLimit, sqsDeadLettersQueueName } = this.#settings;
    const isSpent = message.attempt >= messageReceiveLimit || message.attempt > messageRetryLimit;
    // The queue itself moves to the dead letters what has been received too often.
    if (!isSpent || disableDeleteOnRetryLimit || sqsDeadLettersQueueName !== "") {
      return message.again(messageVisibilityTimeout);
    }
    this.#context.log.error(
      "a message failed too often and is deleted; set sqsDeadLettersQueueName to keep such messages, or disableDeleteOnRetryLimit",
      {
        component: this.#context.name,
        topic: this.topic,
        queue: this.#queueName,
        message: message.id,
        attempts: message.attempt,
      },
    );
    await message.done();
  }

  /** Takes nothing more, gives back what has not been handed over, and settles when the handler has. */
  async close(): Promise<void> {
    this.#isOpen = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    const given = waiting.map(({ message }) => message.again(0));
    if (this.#active > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
    await Promise.all(given);
  }
}

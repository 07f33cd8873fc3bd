import { causeText } from "../../specs/errors.ts";
import type { OpenContext } from "../contract/driver.ts";
import type { Batches } from "./batches.ts";
import { errorName } from "./failures.ts";
import { pause } from "./pause.ts";
import { isNoQueue, type QueuedMessage, type Queues, type ReceiveOptions } from "./queues.ts";

/** A message that is hidden from others while somebody works on it. */
export interface HeldMessage extends QueuedMessage {
  /** Deletes it. Settles when the queue has done so, or cannot: then it comes again. */
  done(): Promise<void>;
  /** Lets go of it; it comes again after so many seconds. May be called again to change that. */
  again(seconds: number): Promise<void>;
}

export interface Reading extends ReceiveOptions {
  readonly url: string;
  /** Name of the queue, for the log. */
  readonly name: string;
  /** How many messages may be taken now; at 0 the reader waits until it is woken. */
  room(): number;
  /** They come in the order of the queue. */
  take(messages: readonly HeldMessage[]): void;
  /** The queue is not there; makes it again, or rejects. */
  restore?(): Promise<void>;
}

const shortestPauseMs = 100;
const longestPauseMs = 5000;
/** Between requests that do not wait for messages. */
const askingPauseMs = 250;
/** How long a request for messages may go on after the end, so that none are taken along by a lost answer. */
const lastWaitMs = 2000;
/** A receipt that is no longer worth anything. */
const spent: ReadonlySet<string> = new Set(["ReceiptHandleIsInvalid", "InvalidParameterValue", "MessageNotInflight"]);

/** Takes messages from one queue and keeps them hidden until they are done with. */
export class QueueReader {
  readonly #queues: Queues;
  readonly #reading: Reading;
  readonly #context: OpenContext;
  readonly #deletions: Batches<string>;
  readonly #hidings: Batches<{ readonly receipt: string; readonly seconds: number }>;
  readonly #held = new Set<string>();
  readonly #ending = new AbortController();
  readonly #aborting = new AbortController();
  readonly #running: Promise<void>;
  #isClosing = false;
  #isOver = false;
  #wake = () => {};
  #cancelRenewal = () => {};
  #closed: Promise<void> | undefined;

  constructor(queues: Queues, reading: Reading, context: OpenContext) {
    this.#queues = queues;
    this.#reading = reading;
    this.#context = context;
    this.#deletions = queues.deletions(reading.url, {});
    this.#hidings = queues.hidings(reading.url, {});
    this.#running = this.#run();
    this.#renewLater();
  }

  /** There may be room now. */
  wake(): void {
    this.#wake();
  }

  /** Takes no more messages; those that are held stay so until `end`. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  /** Keeps nothing hidden any longer. */
  end(): void {
    this.#isOver = true;
    this.#cancelRenewal();
  }

  async #close(): Promise<void> {
    this.#isClosing = true;
    this.#ending.abort();
    this.#wake();
    const cancel = this.#context.clock.after(lastWaitMs, () => this.#aborting.abort());
    await this.#running;
    cancel();
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#isClosing) {
      const most = Math.min(this.#reading.most, this.#reading.room());
      if (most <= 0) {
        await this.#woken();
        continue;
      }
      try {
        await this.#takeSome(most);
        if (failures > 0) this.#context.log.info("the queue answers again", { queue: this.#reading.name });
        failures = 0;
      } catch (error) {
        if (this.#isClosing) break;
        failures += 1;
        await this.#recover(error, failures);
      }
    }
  }

  /** A turn later, so that what ends together makes room together. */
  async #woken(): Promise<void> {
    await new Promise<void>((resolve) => (this.#wake = resolve));
    await new Promise<void>((resolve) => setImmediate(resolve));
  }

  async #takeSome(most: number): Promise<void> {
    const { url, visibilitySeconds, waitSeconds } = this.#reading;
    const options = { most, visibilitySeconds, waitSeconds };
    const messages = await this.#queues.receive(url, options, { signal: this.#aborting.signal });
    const held = messages.map((message) => this.#hold(message));
    if (this.#isClosing) await Promise.all(held.map((message) => message.again(0)));
    else if (held.length > 0) this.#reading.take(held);
    else if (waitSeconds === 0) await Promise.race([this.#rest(askingPauseMs), this.#woken()]);
  }

  async #recover(error: unknown, failures: number): Promise<void> {
    const { name, restore } = this.#reading;
    if (failures === 1) {
      this.#context.log.warn(`no messages come from queue ${name} for now: ${causeText(error)}`, { queue: name });
    }
    if (isNoQueue(error)) await restore?.().catch(() => {});
    await this.#rest(Math.min(shortestPauseMs * 2 ** (failures - 1), longestPauseMs));
  }

  async #rest(ms: number): Promise<void> {
    await pause(this.#context.clock, ms, { signal: this.#ending.signal }).catch(() => {});
  }

  #hold(message: QueuedMessage): HeldMessage {
    const { receipt } = message;
    this.#held.add(receipt);
    return {
      ...message,
      done: async () => {
        await this.#delete(receipt);
        this.#held.delete(receipt);
      },
      again: async (seconds) => {
        this.#held.delete(receipt);
        await this.#hide(receipt, seconds);
      },
    };
  }

  async #delete(receipt: string): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#deletions.add(receipt);
        return;
      } catch (error) {
        const isLast = this.#isClosing || spent.has(errorName(error)) || isNoQueue(error);
        if (isLast || attempt === 1) {
          this.#context.log.warn(
            `a handled message of queue ${this.#reading.name} is not deleted${isLast ? " and comes again" : " yet"}: ${causeText(error)}`,
          );
        }
        if (isLast) return;
        await this.#rest(Math.min(shortestPauseMs * 2 ** (attempt - 1), longestPauseMs));
      }
    }
  }

  /** What fails here ends by itself: the message comes again when its time is over. */
  async #hide(receipt: string, seconds: number): Promise<void> {
    await this.#hidings.add({ receipt, seconds }).catch((error: unknown) => {
      this.#context.log.debug(`the time of a message cannot be changed: ${causeText(error)}`);
    });
  }

  #renewLater(): void {
    const { visibilitySeconds } = this.#reading;
    if (this.#isOver) return;
    this.#cancelRenewal = this.#context.clock.after((visibilitySeconds * 1000) / 2, () => {
      const renewals = [...this.#held].map((receipt) => this.#hide(receipt, visibilitySeconds));
      void Promise.all(renewals).finally(() => this.#renewLater());
    });
  }
}

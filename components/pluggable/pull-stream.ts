import type { DescMessage, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { Clock } from "../contract/driver.ts";
import type { Duplex } from "./connection.ts";
import { pause } from "./pause.ts";

/** Gives the answer to a message; never rejects. */
export type Handle<I extends DescMessage, O extends DescMessage> = (
  message: MessageShape<O>,
) => Promise<MessageInitShape<I>>;

/** How many messages may be handled at once, over all streams of one subscription. */
export class Slots {
  readonly #limit: number;
  #taken = 0;
  /** Called when there is room again. */
  onFree: () => void = () => {};

  constructor(limit: number) {
    this.#limit = limit;
  }

  get areTaken(): boolean {
    return this.#taken >= this.#limit;
  }

  take(): void {
    this.#taken += 1;
  }

  free(): void {
    this.#taken -= 1;
    this.onFree();
  }
}

/** How long a process may take to end a stream that is finished here. */
const endMs = 2_000;

/** One stream of messages, each answered when it is handled. */
export class PullStream<I extends DescMessage, O extends DescMessage> {
  readonly #stream: Duplex<I, O>;
  readonly #slots: Slots;
  readonly #clock: Clock;
  readonly #over = new AbortController();
  /** Settles with the status it ended with; undefined: the process ended it without an error. */
  readonly ended: Promise<unknown>;
  /** Settles when the process has said that it takes the stream. */
  readonly answered: Promise<void>;
  #active = 0;
  #idle: (() => void) | undefined;
  #finished: Promise<void> | undefined;
  /** A message came. */
  hasWorked = false;

  constructor(stream: Duplex<I, O>, slots: Slots, handle: Handle<I, O>, clock: Clock) {
    this.#stream = stream;
    this.#slots = slots;
    this.#clock = clock;
    this.ended = new Promise((resolve) => {
      stream.on("error", resolve);
      stream.once("status", ({ code, details }) => resolve(code === 0 ? undefined : new Error(details)));
    });
    this.answered = new Promise((resolve) => stream.once("metadata", () => resolve()));
    void this.ended.then(() => this.#over.abort());
    stream.on("data", (message) => this.#take(message, handle));
    if (slots.areTaken) stream.pause();
  }

  /** Aborts when the stream has ended. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  write(message: MessageInitShape<I>): void {
    this.#stream.write(message);
  }

  /** There is room for more messages. */
  resume(): void {
    if (this.#finished === undefined && !this.#slots.areTaken) this.#stream.resume();
  }

  /** Ends it at once. */
  cancel(): void {
    this.#stream.cancel();
  }

  /**
   * Takes no more messages, answers those in the handler, and settles when the process has ended the stream. Messages
   * that are not answered by then are the process's again.
   */
  finish(): Promise<void> {
    this.#finished ??= this.#finish();
    return this.#finished;
  }

  #take(message: MessageShape<O>, handle: Handle<I, O>): void {
    if (this.#finished !== undefined) return;
    this.hasWorked = true;
    this.#active += 1;
    this.#slots.take();
    if (this.#slots.areTaken) this.#stream.pause();
    void handle(message).then((answer) => {
      this.#active -= 1;
      if (!this.over.aborted) this.#stream.write(answer);
      if (this.#active === 0) this.#idle?.();
      this.#slots.free();
    });
  }

  async #finish(): Promise<void> {
    this.#stream.pause();
    if (this.#active > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
    if (this.over.aborted) return;
    this.#stream.end();
    // The end comes behind what is still to be read.
    this.#stream.resume();
    await pause(this.#clock, endMs, this.over);
    if (!this.over.aborted) this.#stream.cancel();
    await this.ended;
  }
}

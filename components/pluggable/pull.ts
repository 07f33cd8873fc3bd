import type { DescMessage, DescMethodBiDiStreaming, MessageInitShape } from "@bufbuild/protobuf";
import { causeText } from "../../specs/errors.ts";
import type { Call, OpenContext, Subscription } from "../contract/driver.ts";
import type { Connection } from "./connection.ts";
import { detailsOf, translate } from "./failures.ts";
import type { Link } from "./link.ts";
import { pause } from "./pause.ts";
import { type Handle, PullStream, Slots } from "./pull-stream.ts";

export interface PullOptions<I extends DescMessage, O extends DescMessage> {
  readonly method: DescMethodBiDiStreaming<I, O>;
  /** What is pulled, for the log. */
  readonly what: string;
  /** Sent first, where the method wants something. */
  readonly first?: MessageInitShape<I>;
  /** At most so many messages are handled at once; the others stay with the process. */
  readonly concurrency: number;
  readonly handle: Handle<I, O>;
  /** Settles when the process answers another call. */
  readonly ping: (signal: AbortSignal) => Promise<void>;
  readonly context: OpenContext;
}

const firstPauseMs = 100;
const longestPauseMs = 5_000;
/** How long a process that does not say that it takes a stream is given for it. */
const graceMs = 250;

/** A subscription to a process. Its stream is opened again whenever it ends, until it is closed. */
export class Pull<I extends DescMessage, O extends DescMessage> implements Subscription {
  readonly #link: Link;
  readonly #options: PullOptions<I, O>;
  readonly #slots: Slots;
  readonly #closing = new AbortController();
  #stream: PullStream<I, O> | undefined;
  #failures = 0;
  #running: Promise<void> | undefined;
  #closed: Promise<void> | undefined;

  constructor(link: Link, options: PullOptions<I, O>) {
    this.#link = link;
    this.#options = options;
    this.#slots = new Slots(options.concurrency);
    this.#slots.onFree = () => this.#stream?.resume();
  }

  /** Opens the stream for the first time. Rejects with what the process answers. */
  async start({ signal }: Call): Promise<void> {
    const connection = await this.#link.current(signal);
    const leave = () => this.#stream?.cancel();
    signal?.addEventListener("abort", leave, { once: true });
    try {
      this.#running = this.#run(await this.#open(connection));
    } catch (error) {
      throw signal?.aborted ? signal.reason : translate(error, this.#link.name, this.#options.method.name);
    } finally {
      signal?.removeEventListener("abort", leave);
    }
  }

  /** Resolves when the stream stands, as far as that can be known; rejects when it ends before. */
  async #open(connection: Connection): Promise<PullStream<I, O>> {
    this.#closing.signal.throwIfAborted();
    const { method, first, handle, ping, context } = this.#options;
    const stream = new PullStream<I, O>(connection.stream(method), this.#slots, handle, context.clock);
    this.#stream = stream;
    if (first !== undefined) stream.write(first);
    // A process need not say anything before the first message. What comes behind the stream in its queue has come
    // after it, so that only its own work is left to wait for.
    const given = ping(stream.over).then(
      () => pause(context.clock, graceMs, stream.over),
      () => {},
    );
    await Promise.race([stream.answered, given, stream.ended]);
    if (stream.over.aborted) throw (await stream.ended) ?? new Error("the process ended the stream at once");
    // A process that is about to end waits for its streams to end.
    const yieldTo = () => void stream.finish();
    if (connection.gone.aborted) yieldTo();
    else connection.gone.addEventListener("abort", yieldTo, { once: true, signal: stream.over });
    return stream;
  }

  async #run(first: PullStream<I, O>): Promise<void> {
    const { context, what } = this.#options;
    for (let stream: PullStream<I, O> | undefined = first; stream; stream = await this.#reopen(stream.hasWorked)) {
      const error = await stream.ended;
      if (this.#closing.signal.aborted) return;
      const cause = error === undefined ? "its process ended it" : detailsOf(error);
      context.log.warn(`the stream of ${what} has ended and is opened again`, {
        component: context.name,
        error: cause,
      });
    }
  }

  /** Undefined: the subscription closes. */
  async #reopen(hasWorked: boolean): Promise<PullStream<I, O> | undefined> {
    const { context, what } = this.#options;
    const closing = this.#closing.signal;
    if (hasWorked) this.#failures = 0;
    while (!closing.aborted) {
      const ms = this.#failures === 0 ? 0 : firstPauseMs * 2 ** this.#failures;
      this.#failures += 1;
      try {
        await pause(context.clock, Math.min(ms, longestPauseMs), closing);
        return await this.#open(await this.#link.eventually(closing));
      } catch (error) {
        if (closing.aborted) return undefined;
        const cause = causeText(error);
        context.log.warn(`the stream of ${what} cannot be opened`, { component: context.name, error: cause });
      }
    }
    return undefined;
  }

  /** Takes no more and settles when what was in flight is settled and the process has ended the stream. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#closing.abort(new Error("the subscription is closed"));
    await this.#stream?.finish();
    await this.#running;
  }
}

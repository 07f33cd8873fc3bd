import { type CallOptions, openDeadline } from "./call.ts";
import { canceled, MechaClientError } from "./errors.ts";

/**
 * What comes from the sidecar as long as it is read: a subscription that is in place already. Leaving the loop ends it.
 *
 * @example
 * ```ts
 * import { type ConfigurationUpdate, createClient, type EventStream } from "@mecha/sdk";
 *
 * const updates: EventStream<ConfigurationUpdate> = await createClient().configuration("settings").subscribe(["color"]);
 * setTimeout(() => void updates.close(), 60_000);
 * for await (const { items } of updates) console.log(items["color"]?.value);
 * ```
 */
export class EventStream<T> implements AsyncIterable<T>, AsyncDisposable {
  /** The sidecar's name for the subscription; empty when it gave none. */
  readonly id: string;
  readonly #items: AsyncGenerator<T, void>;
  readonly #stop: () => void;

  /** @internal */
  constructor(id: string, items: AsyncGenerator<T, void>, stop: () => void) {
    this.id = id;
    this.#items = items;
    this.#stop = stop;
  }

  [Symbol.asyncIterator](): AsyncIterator<T> {
    return this.#items;
  }

  /** Ends it; a loop that waits for the next event ends too. Idempotent. */
  async close(): Promise<void> {
    this.#stop();
    await this.#items.return();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** How messages of a stream become events. */
export interface EventSource<M, T> {
  readonly what: string;
  readonly call: CallOptions;
  open(call: CallOptions): AsyncIterable<M>;
  /** Reads the message that confirms the subscription; returns its id. */
  confirm(first: M): string;
  /** Undefined: nothing to tell. */
  toEvent(message: M): T | undefined;
}

const confirmTimeoutMs = 30_000;

/**
 * Opens a stream and waits until it is confirmed; the caller's time limit counts for that part.
 * Rejects with the sidecar's refusal.
 */
export async function openEventStream<M, T>(source: EventSource<M, T>): Promise<EventStream<T>> {
  const { what, call } = source;
  const controller = new AbortController();
  const stop = () => controller.abort();
  const { signal, timeoutMs = confirmTimeoutMs, headers } = call;
  const deadline = openDeadline(what, signal, timeoutMs);
  deadline.signal.addEventListener("abort", stop, { once: true });
  const messages = source.open({ headers, signal: controller.signal, timeoutMs: 0 })[Symbol.asyncIterator]();
  try {
    const first = await messages.next();
    if (first.done) {
      throw new MechaClientError(`${what}: the sidecar ended the stream at once`, { code: "unavailable" });
    }
    const id = source.confirm(first.value);
    return new EventStream(id, eventsOf(source, messages, controller), stop);
  } catch (error) {
    stop();
    throw deadline.signal.aborted ? deadline.signal.reason : error;
  } finally {
    deadline.close();
    // From here on the caller's signal alone counts.
    if (!controller.signal.aborted) signal?.addEventListener("abort", stop, { once: true, signal: controller.signal });
  }
}

async function* eventsOf<M, T>(
  { toEvent, call, what }: EventSource<M, T>,
  messages: AsyncIterator<M>,
  controller: AbortController,
): AsyncGenerator<T, void> {
  try {
    while (true) {
      const next = await messages.next();
      if (next.done) return;
      const event = toEvent(next.value);
      if (event !== undefined) yield event;
    }
  } catch (error) {
    if (call.signal?.aborted) throw canceled(what, call.signal.reason);
    if (!controller.signal.aborted) throw error;
  } finally {
    controller.abort();
    await messages.return?.();
  }
}

import type { RawAnswer, RawCall, RawStatus } from "../../sidecar/kernel/exchange.ts";

/** Raw gRPC calls in a few words. */
export function rawCall(
  path: string,
  messages: readonly string[] | AsyncIterable<Uint8Array>,
  part: Partial<RawCall> = {},
): RawCall {
  return {
    path,
    metadata: {},
    messages: Symbol.asyncIterator in messages ? messages : given(messages),
    signal: new AbortController().signal,
    ...part,
  };
}

async function* given(messages: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const message of messages) yield Buffer.from(message);
}

/** Everything a call was answered. */
export async function whole(answer: RawAnswer) {
  const metadata = await answer.metadata;
  const messages: string[] = [];
  for await (const message of answer.messages) messages.push(Buffer.from(message).toString());
  const status: RawStatus = await answer.status;
  return { metadata, messages, status };
}

/** Messages that a test gives one at a time. */
export class Feed implements AsyncIterable<Uint8Array> {
  readonly #waiting: (() => void)[] = [];
  readonly #ready: Uint8Array[] = [];
  #ended = false;
  /** Messages taken so far. */
  taken = 0;

  push(message: string): void {
    this.#ready.push(Buffer.from(message));
    this.#waiting.shift()?.();
  }

  end(): void {
    this.#ended = true;
    this.#waiting.shift()?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      const next = this.#ready.shift();
      if (next) {
        this.taken++;
        yield next;
      } else if (this.#ended) return;
      else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }
}

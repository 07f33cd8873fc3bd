import { fail } from "../../../specs/errors.ts";
import type { StreamPayload } from "../../../specs/gen/dapr/proto/common/v1/common_pb.js";
import { cryptoFailure } from "./providers.ts";

/** The streams of the crypto API: options in the first message, then numbered pieces of payload, both ways. */

interface Message<O> {
  readonly options?: O | undefined;
  readonly payload?: StreamPayload | undefined;
}

/** The first message's options and the bytes of all messages. Throws `cryptoRequest` when it carries none. */
export async function opening<O>(
  messages: AsyncIterable<Message<O>>,
): Promise<{ options: O; data: AsyncGenerator<Uint8Array, void, undefined> }> {
  const source = messages[Symbol.asyncIterator]();
  const first = await source.next();
  if (first.done || !first.value.options) {
    await source.return?.();
    throw fail("cryptoRequest", { why: "the first message must carry options" });
  }
  return { options: first.value.options, data: dataOf(first.value, source) };
}

async function* dataOf<O>(
  first: Message<O>,
  source: AsyncIterator<Message<O>>,
): AsyncGenerator<Uint8Array, void, undefined> {
  let expected = 0n;
  try {
    for (let next: IteratorResult<Message<O>> = { value: first }; !next.done; next = await source.next()) {
      const { options, payload } = next.value;
      if (options && next.value !== first)
        throw fail("cryptoRequest", { why: "only the first message may carry options" });
      if (!payload) continue;
      if (payload.seq !== expected) {
        throw fail("cryptoFailed", {
          cause: `a message is missing: payload.seq is ${payload.seq}, expected ${expected}`,
        });
      }
      expected++;
      yield payload.data;
    }
  } finally {
    await source.return?.();
  }
}

/** Pieces as numbered messages; empty ones are left out. A failure comes out as the API answers it. */
export async function* numbered(pieces: AsyncIterable<Uint8Array>) {
  let seq = 0n;
  try {
    for await (const data of pieces)
      if (data.length > 0) yield { payload: { data: data as Uint8Array<ArrayBuffer>, seq: seq++ } };
  } catch (error) {
    throw cryptoFailure(error);
  }
}

/** The same stream, its first message made already: what fails before it is a refusal, not a broken answer. */
export async function begun<T>(
  stream: AsyncGenerator<T, void, undefined>,
): Promise<AsyncGenerator<T, void, undefined>> {
  const first = await stream.next();
  return (async function* () {
    try {
      if (first.done) return;
      yield first.value;
      yield* stream;
    } finally {
      await stream.return();
    }
  })();
}

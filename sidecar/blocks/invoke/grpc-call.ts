import type { GrpcTarget, RawAnswer, RawCall, RawStatus } from "../../kernel/exchange.ts";
import { laterAnswer, StatusFailure } from "../../kernel/status.ts";
import type { Destination } from "./destinations.ts";
import { wasLost } from "./http-call.ts";
import { keptBytes, Replay } from "./replay.ts";

/**
 * Passes a gRPC call on to its destination. As long as nothing has been answered it may be made again: its messages so far
 * are kept for that, up to `maxBytes`, unless the caller says that it is a stream (`dapr-stream: true`).
 */
export function callGrpc(destination: Destination, call: RawCall, maxBytes = keptBytes): RawAnswer {
  const { policy } = destination;
  // A local call has no transport that could lose it.
  if (!policy || !destination.remote) {
    return laterAnswer(destination.grpc(call.signal).then((target) => target.call(call)));
  }
  return laterAnswer(
    withPolicy(destination, call, policy.retries && call.metadata["dapr-stream"] !== "true" ? maxBytes : 0),
  );
}

async function withPolicy(destination: Destination, call: RawCall, keepBytes: number): Promise<RawAnswer> {
  const { policy, builtIn } = destination;
  const { signal, path } = call;
  const replay = new Replay(call.messages, keepBytes);
  let lost = false;
  const answer = await policy?.run(
    async (within) => {
      lost = false;
      const both = within && within !== signal ? AbortSignal.any([signal, within]) : signal;
      const target = await destination.grpc(both);
      const begun = await begin(target, { ...call, messages: replay.read(), signal: both });
      if ("answer" in begun) return begun.answer;
      lost = begun.unreached === true;
      throw new StatusFailure({ grpc: begun.code }, begun.details, begun.metadata);
    },
    { signal, method: path, retriable: (error) => replay.possible && (!builtIn || lost || wasLost(error)) },
  );
  replay.settle();
  return answer as RawAnswer;
}

/** Makes the call; resolves when the answer has begun, or with the status of a call that failed without one. */
async function begin(target: GrpcTarget, call: RawCall): Promise<{ readonly answer: RawAnswer } | RawStatus> {
  const answer = target.call(call);
  let ended: RawStatus | undefined;
  const status = answer.status.then((end) => {
    ended = end;
    return end;
  });
  const metadata = await answer.metadata;
  if (!ended || ended.code === 0) return { answer };
  // The call is over: either its messages are there, or the status is all of it.
  const messages = answer.messages[Symbol.asyncIterator]();
  const first = await messages.next();
  if (first.done) return ended;
  return { answer: { metadata: Promise.resolve(metadata), messages: startingWith(first.value, messages), status } };
}

async function* startingWith(first: Uint8Array, rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield first;
  yield* { [Symbol.asyncIterator]: () => rest };
}

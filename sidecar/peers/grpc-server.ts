import type { ServerHttp2Stream } from "node:http2";
import type { RawAnswer, RawCall, RawStatus } from "../kernel/exchange.ts";
import { Http2Body } from "../kernel/http2-body.ts";
import { decodeFrames, writeFrame } from "./frames.ts";
import { answerHeaders, type CallHead, statusTrailers } from "./grpc-headers.ts";

/** Serves one gRPC call of a peer; its messages are passed through undecoded. */
export async function serveCall(
  stream: ServerHttp2Stream,
  path: string,
  { metadata, deadline }: CallHead,
  signal: AbortSignal,
  maxMessageBytes: number,
  receive: (call: RawCall) => RawAnswer,
): Promise<void> {
  const body = new Http2Body(stream, () => stream.resume());
  const answer = receive({ path, metadata, messages: decodeFrames(body, maxMessageBytes), signal, deadline });
  let ended: RawStatus | undefined;
  const status = answer.status.then((end) => {
    ended = end;
  });
  const initial = await answer.metadata;
  const messages = answer.messages[Symbol.asyncIterator]();
  // A call that has ended already has its messages ready, or none: then its status is the whole answer.
  let next = ended ? await messages.next() : undefined;
  if (stream.destroyed) return;
  if (ended && next?.done) {
    stream.respond({ ...answerHeaders(initial), ...statusTrailers(ended) }, { endStream: true });
    return;
  }
  stream.respond(answerHeaders(initial), { waitForTrailers: true });
  // The stream is ended only once the status is there.
  stream.once("wantTrailers", () => stream.sendTrailers(ended ? statusTrailers(ended) : {}));
  for (next ??= await messages.next(); !next.done; next = await messages.next()) {
    if (stream.destroyed) {
      await messages.return?.();
      return;
    }
    const room = writeFrame(stream, next.value);
    if (room !== undefined) await room;
  }
  await status;
  stream.end();
}

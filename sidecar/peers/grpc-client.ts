import type { ClientHttp2Stream } from "node:http2";
import { codes, fail } from "../../specs/errors.ts";
import type { HeaderMap, RawAnswer, RawCall, RawStatus } from "../kernel/exchange.ts";
import { headersOfRaw } from "../kernel/headers.ts";
import { Http2Body } from "../kernel/http2-body.ts";
import { abandoned, endedAnswer, failedAnswer } from "../kernel/status.ts";
import { decodeFrames, writeFrame } from "./frames.ts";
import { callHeaders, fromAnswerHeaders, fromStatusTrailers } from "./grpc-headers.ts";
import type { PeerSessions } from "./sessions.ts";

/** Makes a failure of what the connection says. */
export type Unreachable = (cause: unknown) => Error;

/** Makes a gRPC call of a peer; its messages are passed through undecoded. */
export function callPeer(
  sessions: PeerSessions,
  { path, metadata, messages, signal, deadline }: RawCall,
  now: number,
  unreachable: Unreachable,
): RawAnswer {
  if (signal.aborted) return failedAnswer(abandoned(signal, "the call to another app"));
  let stream: ClientHttp2Stream;
  try {
    stream = sessions.open(callHeaders(path, metadata, deadline, now), { endStream: false });
  } catch (error) {
    if (error instanceof TypeError) return failedAnswer(fail("badRequest", { why: error.message }, { cause: error }));
    return endedAnswer(lost(unreachable(error)));
  }
  const abort = () => stream.destroy(new Error("the caller has left"));
  signal.addEventListener("abort", abort, { once: true });
  stream.once("close", () => signal.removeEventListener("abort", abort));
  void feed(stream, messages);
  return listen(stream, (cause) =>
    signal.aborted
      ? { code: codes.canceled.grpc, details: "cancelled by the caller", metadata: {} }
      : lost(unreachable(cause)),
  );
}

const lost = (error: Error): RawStatus => ({
  code: codes.unavailable.grpc,
  details: error.message,
  metadata: {},
  unreached: true,
});

async function feed(stream: ClientHttp2Stream, messages: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    for await (const message of messages) {
      if (stream.destroyed || stream.closed) return;
      const room = writeFrame(stream, message);
      if (room !== undefined) await room;
    }
    stream.end();
  } catch (error) {
    // What has been sent so far is not a whole call.
    stream.destroy(error as Error);
  }
}

/** The answer on a stream. `cutOff` gives the status of a call that ended without one. */
function listen(stream: ClientHttp2Stream, cutOff: (cause: unknown) => RawStatus): RawAnswer {
  const metadata = Promise.withResolvers<HeaderMap>();
  const status = Promise.withResolvers<RawStatus>();
  let failure: unknown = new Error("the connection was cut off");
  let settled = false;
  const settle = (end: RawStatus) => {
    settled = true;
    status.resolve(end);
  };
  const body = new Http2Body(stream, () => stream.destroy(new Error("the reader of the answer has left")));
  stream.once("response", (_headers, _flags, raw) => {
    const headers = headersOfRaw(raw);
    const end = fromStatusTrailers(headers);
    // The status first: whoever waits for metadata then knows that the call is over.
    if (end) settle(end);
    metadata.resolve(end ? {} : fromAnswerHeaders(headers));
  });
  stream.once("trailers", (_headers, _flags, raw) => {
    const end = fromStatusTrailers(headersOfRaw(raw));
    if (end) settle(end);
  });
  stream.on("error", (error) => {
    failure = error;
  });
  stream.once("close", () => {
    if (!settled) settle(cutOff(failure));
    metadata.resolve({});
  });
  return { metadata: metadata.promise, messages: read(body), status: status.promise };
}

/** Ends with the call, however it ended: the status says how. */
async function* read(body: Http2Body): AsyncGenerator<Uint8Array> {
  try {
    yield* decodeFrames(body);
  } catch {
    body.destroy();
  }
}

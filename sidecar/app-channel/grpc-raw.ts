import type { ClientDuplexStream, Metadata, StatusObject } from "@grpc/grpc-js";
import type { GrpcTarget, HeaderMap, RawAnswer, RawCall, RawStatus } from "../kernel/exchange.ts";
import type { GrpcClient } from "./grpc-client.ts";
import { alignTrace, fromMetadata, toMetadata } from "./grpc-metadata.ts";

type Stream = ClientDuplexStream<Uint8Array, Buffer>;

/** The app's gRPC services, whatever they are: messages go through as bytes. `token` goes with every call. */
export function rawTarget(client: GrpcClient, token: string | undefined): GrpcTarget {
  return {
    call({ path, metadata, messages, signal, deadline }: RawCall): RawAnswer {
      const outgoing = toMetadata(metadata);
      alignTrace(outgoing);
      if (token !== undefined) outgoing.set("dapr-api-token", token);
      const stream = client.raw(path, outgoing, deadline);
      const abort = () => stream.cancel();
      if (signal.aborted) abort();
      else signal.addEventListener("abort", abort, { once: true });
      void feed(stream, messages);
      const answer = listen(stream, client);
      void answer.status.then(() => signal.removeEventListener("abort", abort));
      return answer;
    },
  };
}

async function feed(stream: Stream, messages: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    for await (const message of messages) {
      if (stream.destroyed || stream.writableEnded) return;
      if (!stream.write(message)) await drained(stream);
    }
    stream.end();
  } catch {
    // The caller's side broke off in the middle of its messages; what it has sent so far is not a whole call.
    stream.cancel();
  }
}

/** Resolves when more may be written, or when the call is over. */
function drained(stream: Stream): Promise<void> {
  const events = ["drain", "status", "close", "error"];
  return new Promise((resolve) => {
    const done = () => {
      for (const event of events) stream.off(event, done);
      resolve();
    };
    for (const event of events) stream.on(event, done);
  });
}

function listen(stream: Stream, client: GrpcClient): RawAnswer {
  const metadata = Promise.withResolvers<HeaderMap>();
  const status = Promise.withResolvers<RawStatus>();
  stream.once("metadata", (initial: Metadata) => metadata.resolve(fromMetadata(initial)));
  stream.once("status", (end: StatusObject) => {
    client.noteEnd(end);
    // The status first: whoever waits for metadata then knows that the call is over.
    status.resolve({ code: end.code, details: end.details, metadata: fromMetadata(end.metadata) });
    metadata.resolve({});
  });
  // The status says the same.
  stream.on("error", () => {});
  return { metadata: metadata.promise, messages: read(stream), status: status.promise };
}

async function* read(stream: Stream): AsyncGenerator<Uint8Array> {
  let whole = false;
  try {
    for await (const message of stream) yield message as Buffer;
    whole = true;
  } catch {
    whole = true;
  } finally {
    // The reader has left before the end.
    if (!whole) stream.cancel();
  }
}

import type { handleBidiStreamingCall, Server, ServerDuplexStream, StatusObject } from "@grpc/grpc-js";
import type { InvokeProxy } from "../../kernel/exchange.ts";
import { Request } from "../../kernel/request.ts";
import type { Pipeline } from "../pipeline.ts";
import { fromHeaders, toHeaders } from "./metadata.ts";
import { messagesOf, writeMessage } from "./streams.ts";

type RawDuplex = ServerDuplexStream<Buffer, Buffer>;

interface Handler {
  readonly func: handleBidiStreamingCall<Buffer, Buffer>;
  readonly serialize: (message: Buffer) => Buffer;
  readonly deserialize: (bytes: Buffer) => Buffer;
  readonly type: "bidi";
  readonly path: string;
}

class ProxyCall extends Request {
  readonly call: RawDuplex;

  constructor(call: RawDuplex) {
    super("grpc", toHeaders(call.metadata), (abort) => {
      if (call.cancelled) abort();
      else call.once("cancelled", abort);
    });
    this.call = call;
  }

  override get api(): string {
    return this.call.getPath();
  }

  /** Messages as they arrive, counted. */
  messages(): AsyncIterable<Uint8Array> {
    return messagesOf(this.call, (message: Uint8Array) => {
      this.receivedBytes += message.byteLength;
      return message;
    });
  }
}

/**
 * Hands every call of a service that is not ours to the proxy, as raw messages. On the wire all kinds of calls look like
 * a bidirectional stream, so one handler serves them all. grpc-js has no public hook for unknown methods; its table of
 * handlers is a Map, and a Map that makes up an entry on a miss is the smallest way in.
 */
export function proxyUnknown(
  server: Server,
  proxy: InvokeProxy,
  pipeline: Pipeline,
  toStatus: (error: unknown) => Partial<StatusObject>,
): void {
  const handle = pipeline.wrap("grpc", { name: "proxy", open: false }, (request: ProxyCall) => pass(request, proxy));
  const func: handleBidiStreamingCall<Buffer, Buffer> = (call) => {
    handle(new ProxyCall(call)).catch((error: unknown) => call.emit("error", toStatus(error)));
  };
  const same = (bytes: Buffer) => bytes;
  const target = server as unknown as { handlers: Map<string, Handler> };
  const known = target.handlers;
  target.handlers = new (class extends Map<string, Handler> {
    override get(path: string): Handler {
      return super.get(path) ?? { func, serialize: same, deserialize: same, type: "bidi", path };
    }
  })(known);
}

async function pass(request: ProxyCall, proxy: InvokeProxy): Promise<number> {
  const { call, signal } = request;
  const { "dapr-api-token": _, ...metadata } = toHeaders(call.metadata);
  metadata["traceparent"] = request.trace.traceparent;
  if (request.trace.tracestate !== undefined) metadata["tracestate"] = request.trace.tracestate;
  const deadline = call.getDeadline();
  const at = deadline instanceof Date ? deadline.getTime() : deadline;
  const answer = proxy.grpc({
    path: call.getPath(),
    metadata,
    messages: request.messages(),
    signal,
    deadline: Number.isFinite(at) ? at : undefined,
  });
  const initial = answer.metadata.then((headers) => {
    if (!signal.aborted) call.sendMetadata(fromHeaders(headers));
  });
  // Whoever waits for it below hears of a failure; a call without messages does not.
  initial.catch(() => {});
  for await (const message of answer.messages) {
    await initial;
    request.sentBytes += message.byteLength;
    if (!(await writeMessage(call, message, signal))) break;
  }
  const { code, details, metadata: trailers } = await answer.status;
  if (code === 0) call.end(fromHeaders(trailers));
  else call.emit("error", { code, details, metadata: fromHeaders(trailers) });
  return code;
}

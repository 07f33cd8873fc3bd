import type { IncomingMessage } from "node:http";
import {
  create,
  type DescMessage,
  fromJson,
  type JsonValue,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import { ByteStream, toText } from "../byte-stream.ts";
import { type CallOptions, openDeadline } from "../call.ts";
import { invalidArgument, MechaClientError, notOffered } from "../errors.ts";
import { fromApp, fromReply } from "../refusal.ts";
import {
  type AppNotification,
  type Invocation,
  type InvocationAnswer,
  refusedBy,
  type StreamRpc,
  type Transport,
  type UnaryRpc,
} from "../transport.ts";
import { anyTypes } from "./any-types.ts";
import { HttpConnection, type HttpSend } from "./connection.ts";
import { streamShapes } from "./crypto-shapes.ts";
import { fromSocket } from "./errors.ts";
import { eventShapes } from "./event-shapes.ts";
import { plainShapes } from "./plain-shapes.ts";
import { type HttpReply, jsonOf, metadataQuery, segment } from "./shape.ts";
import { stateShapes } from "./state-shapes.ts";

export interface HttpTransportOptions {
  readonly url: URL;
  readonly apiToken: string | undefined;
  /** Default of calls that do not stream; 0: none. */
  readonly timeoutMs: number;
  /** Takes the methods that HTTP has no form for. */
  readonly grpc: (() => Transport) | undefined;
}

/** The one table of what methods look like over HTTP. */
const shapes = new Map([...stateShapes, ...eventShapes, ...plainShapes]);

/** What cannot stand in a path; what is encoded already stays so. */
const unsendable = /[^\x21-\x7e]|["#<>\\^`{|}]/gu;

/** Requests of one call that are under way at the same time. */
const parallel = 32;

/** Calls the methods that have a shape; hands the others to gRPC. */
export class HttpTransport implements Transport {
  readonly embedsJson = true;
  readonly #options: HttpTransportOptions;
  readonly #connection: HttpConnection;
  #grpc: Transport | undefined;

  constructor(options: HttpTransportOptions) {
    this.#options = options;
    this.#connection = new HttpConnection(options.url);
  }

  async unary<D extends UnaryRpc>(
    rpc: D,
    input: MessageInitShape<D["input"]>,
    call: CallOptions,
  ): Promise<MessageShape<D["output"]>> {
    const shape = shapes.get(rpc);
    if (!shape) return this.#other(rpc).unary(rpc, input, call);
    const send = shape.request(create(rpc.input as DescMessage, input) as never);
    const deadline = openDeadline(rpc.name, call.signal, call.timeoutMs ?? this.#options.timeoutMs);
    try {
      if (Array.isArray(send)) {
        await this.#all(rpc.name, send, call, deadline.signal);
        return create(rpc.output as DescMessage) as MessageShape<D["output"]>;
      }
      const reply = await this.#exchange(send as HttpSend, call, deadline.signal);
      if (reply.status >= 300 && !shape.alsoReads?.includes(reply.status)) throw fromReply(reply, rpc.name);
      return toOutput(rpc, reply, shape.answer) as MessageShape<D["output"]>;
    } finally {
      deadline.close();
    }
  }

  async *stream<D extends StreamRpc>(
    rpc: D,
    inputs: AsyncIterable<MessageInitShape<D["input"]>>,
    call: CallOptions,
  ): AsyncGenerator<MessageShape<D["output"]>, void> {
    const shape = streamShapes.get(rpc);
    if (!shape) {
      yield* this.#other(rpc).stream(rpc, inputs, call);
      return;
    }
    // The streams with a shape all have payloads.
    const messages = inputs[Symbol.asyncIterator]() as AsyncIterator<PayloadInit>;
    const first = await messages.next();
    if (first.done) throw invalidArgument(`${rpc.name}: the stream has no messages`);
    const source = new Watched(payloadsOf(first.value, messages));
    const send = shape.request(first.value, source);
    const deadline = openDeadline(rpc.name, call.signal, call.timeoutMs ?? 0);
    try {
      const came = await this.#send(send, call, deadline.signal);
      if (came.status >= 300) throw fromReply(await readAll(came), rpc.name);
      let seq = 0n;
      for await (const data of this.#chunks(came.body, deadline.signal)) {
        const output = { payload: { data, seq: seq++ } };
        yield create(rpc.output as DescMessage, output as MessageInitShape<DescMessage>) as MessageShape<D["output"]>;
      }
    } catch (error) {
      throw source.failure ? source.failure.cause : this.#toError(error, deadline.signal);
    } finally {
      deadline.close();
    }
  }

  async invoke(invocation: Invocation, call: CallOptions): Promise<InvocationAnswer> {
    const { appId, method, verb, query, contentType } = invocation;
    const source = invocation.body instanceof Uint8Array || !invocation.body ? undefined : new Watched(invocation.body);
    const body = source ?? (invocation.body as Uint8Array | undefined);
    const deadline = openDeadline(
      `${verb} ${method} of ${appId}`,
      call.signal,
      call.timeoutMs ?? this.#options.timeoutMs,
    );
    const headers = { ...(contentType ? { "content-type": contentType } : {}), ...invocation.headers };
    const path = `/v1.0/invoke/${segment(appId)}/method/${method.replaceAll(unsendable, encodeURIComponent)}`;
    try {
      const came = await this.#send({ verb, path, rawQuery: query, headers, body }, call, deadline.signal);
      if (came.status >= 400) {
        throw fromApp(await readAll(came), refusedBy(invocation));
      }
      const chunks = this.#chunks(came.body, deadline.signal, () => deadline.close());
      return { status: came.status, headers: lowered(came.headers), body: new ByteStream(chunks) };
    } catch (error) {
      deadline.close();
      throw source?.failure ? source.failure.cause : this.#toError(error, deadline.signal);
    }
  }

  async notifyApp({ store, keys, metadata }: AppNotification, call: CallOptions): Promise<string> {
    const deadline = openDeadline("subscribing the app", call.signal, call.timeoutMs ?? this.#options.timeoutMs);
    const query = [...keys.map((key) => ["key", key] as const), ...metadataQuery(metadata)];
    try {
      const path = `/v1.0/configuration/${segment(store)}/subscribe`;
      const reply = await this.#exchange({ verb: "GET", path, query }, call, deadline.signal);
      if (reply.status >= 300) throw fromReply(reply, "subscribing the app");
      return String((jsonOf(reply) as { id?: string } | undefined)?.id ?? "");
    } finally {
      deadline.close();
    }
  }

  close(): void {
    this.#connection.close();
    this.#grpc?.close();
  }

  #other(rpc: UnaryRpc | StreamRpc): Transport {
    const { grpc } = this.#options;
    if (!grpc) {
      throw notOffered(
        `${rpc.name} has no form over HTTP; give grpcEndpoint (or DAPR_GRPC_PORT), or a client with transport "grpc"`,
      );
    }
    this.#grpc ??= grpc();
    return this.#grpc;
  }

  async #exchange(send: HttpSend, call: CallOptions, signal: AbortSignal): Promise<HttpReply> {
    const came = await this.#send(send, call, signal);
    try {
      return await readAll(came);
    } catch (error) {
      throw this.#toError(error, signal);
    }
  }

  async #send(send: HttpSend, call: CallOptions, signal: AbortSignal) {
    const { apiToken } = this.#options;
    const token = apiToken === undefined ? {} : { "dapr-api-token": apiToken };
    try {
      return await this.#connection.send({ ...send, headers: { ...token, ...call.headers, ...send.headers } }, signal);
    } catch (error) {
      throw this.#toError(error, signal);
    }
  }

  async #all(what: string, sends: readonly HttpSend[], call: CallOptions, signal: AbortSignal): Promise<void> {
    const waiting = sends.values();
    const work = async () => {
      for (const send of waiting) {
        const reply = await this.#exchange(send, call, signal);
        if (reply.status >= 300) throw fromReply(reply, what);
      }
    };
    await Promise.all(Array.from({ length: Math.min(parallel, sends.length) }, work));
  }

  async *#chunks(body: IncomingMessage, signal: AbortSignal, ended?: () => void): AsyncGenerator<Uint8Array, void> {
    try {
      for await (const chunk of body) yield chunk as Buffer;
    } catch (error) {
      throw this.#toError(error, signal);
    } finally {
      ended?.();
    }
  }

  #toError(error: unknown, signal: AbortSignal): MechaClientError {
    if (signal.aborted) return signal.reason as MechaClientError;
    return fromSocket(error, this.#options.url.href.replace(/\/$/, ""));
  }
}

function toOutput(rpc: UnaryRpc, reply: HttpReply, answer: ((reply: HttpReply) => unknown) | undefined) {
  try {
    if (answer) return create(rpc.output as DescMessage, answer(reply) as MessageInitShape<DescMessage>);
    const json = (jsonOf(reply) ?? {}) as JsonValue;
    return fromJson(rpc.output as DescMessage, json, { ignoreUnknownFields: true, registry: anyTypes });
  } catch (error) {
    if (error instanceof MechaClientError) throw error;
    const text = toText(reply.body).slice(0, 200);
    throw new MechaClientError(
      `${rpc.name}: the answer cannot be read: ${text}`,
      { code: "data_loss" },
      { cause: error },
    );
  }
}

/** Remembers what its source throws: the socket would only say that it was cut. */
class Watched implements AsyncIterable<Uint8Array> {
  failure: { readonly cause: unknown } | undefined;
  readonly #source: AsyncIterable<Uint8Array>;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void> {
    try {
      yield* this.#source;
    } catch (cause) {
      this.failure = { cause };
      throw cause;
    }
  }
}

type PayloadInit = { readonly payload?: { readonly data?: Uint8Array } };

async function* payloadsOf(first: PayloadInit, rest: AsyncIterator<PayloadInit>): AsyncGenerator<Uint8Array, void> {
  try {
    for (let message = first; ; ) {
      if (message.payload?.data?.byteLength) yield message.payload.data;
      const next = await rest.next();
      if (next.done) return;
      message = next.value;
    }
  } finally {
    await rest.return?.();
  }
}

async function readAll(came: {
  status: number;
  headers: HttpReply["headers"];
  body: IncomingMessage;
}): Promise<HttpReply> {
  const { status, headers } = came;
  return { status, headers, body: await new ByteStream(came.body).bytes() };
}

function lowered(headers: HttpReply["headers"]): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, value] of headers) {
    const key = name.toLowerCase();
    found[key] = key in found ? `${found[key]}, ${value}` : value;
  }
  return found;
}

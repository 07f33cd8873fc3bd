import { type DescMethod, type JsonValue, type Message, type MessageInitShape, toJson } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fail, type MechaError, type Params, type Reason } from "../../specs/errors.ts";
import type { GrpcReply } from "../support/grpc-call.ts";
import type { HttpAsk, HttpReply } from "../support/http-call.ts";
import type { InProcessSidecar } from "../support/in-process-sidecar.ts";

/**
 * One request and one outcome, written once and executed over HTTP and over gRPC. A case is a row of steps; a step that
 * only one wire can make is made over that one in both runs, as preparation or as a look at what has become of it.
 */
export interface WireCase {
  readonly name: string;
  readonly steps: readonly Step[];
}

export type Step = WireStep | ((seen: Seen) => WireStep);

export interface WireStep {
  readonly http?: HttpAsk;
  readonly grpc?: GrpcAsk;
  /** Default: it succeeds, whatever it answers. */
  readonly expect?: Outcome;
}

interface GrpcAsk {
  readonly rpc: DescMethod;
  readonly messages: readonly object[];
  readonly headers?: Readonly<Record<string, string>>;
}

/** What the step before was answered, whichever wire it took. */
export interface Seen {
  /** A header, or a field of the message. */
  readonly etag: string;
  /** The message as JSON; over HTTP the body, when it is an object. */
  readonly json: Readonly<Record<string, unknown>>;
  /** Over HTTP the body, over gRPC the bytes of all messages. */
  readonly bytes: Buffer;
}

/** What an answer must be; stated once, read by both wires. */
export interface Outcome {
  /** Refused for this reason; its row gives both statuses. */
  readonly error?: MechaError;
  /** The gRPC message as protojson, zero fields left out; several: a stream. Over HTTP the body, unless `body` is given. */
  readonly message?: unknown;
  /** The HTTP body where it is not the message: anything that is JSON. */
  readonly body?: unknown;
  /** The HTTP body where it is not JSON; over gRPC the bytes of all messages, unless `message` is given. */
  readonly text?: string;
  /** HTTP status; default 200 with a body, 204 without. */
  readonly status?: number;
  /** HTTP headers that must be there; undefined: must not. */
  readonly headers?: Readonly<Record<string, unknown>>;
  /** gRPC initial metadata that must be there. */
  readonly metadata?: Readonly<Record<string, unknown>>;
}

/** A gRPC request of one message. */
export const call = <D extends DescMethod>(
  rpc: D,
  init: MessageInitShape<D["input"]>,
  headers?: Readonly<Record<string, string>>,
): GrpcAsk => ({ rpc, messages: [init], ...(headers && { headers }) });

/** A gRPC request of several messages. */
export const stream = <D extends DescMethod>(
  rpc: D,
  ...messages: readonly MessageInitShape<D["input"]>[]
): GrpcAsk => ({
  rpc,
  messages: messages as readonly object[],
});

/** An HTTP request with a JSON body. */
export const ask = (verb: string, path: string, json?: unknown, headers: Record<string, string> = {}): HttpAsk => ({
  verb,
  path,
  headers: { "content-type": "application/json", ...headers },
  body: json === undefined ? undefined : JSON.stringify(json),
});

/** Refused for a reason of the table. */
export const fails = <R extends Reason>(reason: R, params: Params<R>): Outcome => ({ error: fail(reason, params) });
/** An empty message over gRPC, no content over HTTP. */
export const nothing: Outcome = { message: {}, status: 204 };

/** Runs all cases over both wires, each against a sidecar of its own, so that a case finds the same in both. */
export function wireSuite(name: string, start: () => Promise<InProcessSidecar>, cases: readonly WireCase[]): void {
  describe.each(["http", "grpc"] as const)(`${name} over %s`, (wire) => {
    let bench: InProcessSidecar;
    beforeAll(async () => {
      bench = await start();
    });
    afterAll(() => bench.stop());

    it.each(cases.map((one) => [one.name, one] as const))("%s", async (_, { steps }) => {
      let seen: Seen = { etag: "", json: {}, bytes: Buffer.alloc(0) };
      for (const step of steps) seen = await take(bench, wire, typeof step === "function" ? step(seen) : step);
    });
  });
}

async function take(bench: InProcessSidecar, wire: "http" | "grpc", step: WireStep): Promise<Seen> {
  const { http, grpc, expect: outcome = {} } = step;
  if (http && (wire === "http" || !grpc)) {
    const reply = await bench.http(http);
    checkHttp(reply, outcome);
    return seenHttp(reply);
  }
  if (!grpc) throw new Error("a step needs a request");
  const reply = await bench.grpc.call(grpc.rpc, grpc.messages as never, grpc.headers);
  const messages = (reply.messages as Message[]).map((message) => toJson(grpc.rpc.output, message));
  checkGrpc(reply, messages, outcome);
  return seenGrpc(reply, messages);
}

function checkHttp(reply: HttpReply, outcome: Outcome): void {
  const { error } = outcome;
  if (error) {
    const errorCode = error.row.tag ?? error.row.info;
    expect({ status: reply.status, ...(reply.json() as object) }).toMatchObject({
      status: error.httpStatus,
      errorCode,
      message: error.message,
    });
    expect(reasonsIn((reply.json() as { details?: unknown[] }).details)).toEqual(
      error.row.info ? [error.row.info] : [],
    );
    return;
  }
  expect(reply.status, reply.text).toBeLessThan(300);
  const body = outcome.body ?? outcome.message;
  const isEmpty =
    outcome.text === undefined &&
    (body === undefined || Object.keys(body as object).length === 0) &&
    outcome.body === undefined;
  if (outcome.status !== undefined) expect(reply.status).toBe(outcome.status);
  else if ("message" in outcome || "body" in outcome || "text" in outcome)
    expect(reply.status).toBe(isEmpty ? 204 : 200);
  if (outcome.text !== undefined) expect(reply.text).toBe(outcome.text);
  else if (reply.status === 204) expect(reply.text).toBe("");
  else if (body !== undefined) expect(reply.json()).toEqual(body);
  for (const [key, value] of Object.entries(outcome.headers ?? {}))
    expect([key, reply.headers[key]]).toEqual([key, value]);
}

function checkGrpc(reply: GrpcReply, messages: readonly JsonValue[], outcome: Outcome): void {
  const { error } = outcome;
  if (error) {
    expect(reply).toMatchObject({ code: error.grpcCode, message: error.message, messages: [] });
    expect(reasonsIn(reply.details)).toEqual(error.row.info ? [error.row.info] : []);
    return;
  }
  expect([reply.code, reply.message]).toEqual([0, expect.anything()]);
  const { message, text } = outcome;
  if (text !== undefined && message === undefined) expect(bytesOf(reply).toString()).toBe(text);
  if (message !== undefined) expect(Array.isArray(message) ? messages : messages[0]).toEqual(message);
  for (const [key, value] of Object.entries(outcome.metadata ?? {}))
    expect([key, reply.headers[key]]).toEqual([key, value]);
}

const reasonsIn = (details: readonly unknown[] | undefined) =>
  (details ?? []).flatMap((one) => ("reason" in (one as object) ? [(one as { reason: string }).reason] : []));

function seenHttp({ headers, bytes, text }: HttpReply): Seen {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // Raw bytes.
  }
  return {
    etag: headers.etag ?? "",
    bytes,
    json: (typeof json === "object" && json !== null ? json : {}) as Seen["json"],
  };
}

function seenGrpc(reply: GrpcReply, messages: readonly JsonValue[]): Seen {
  const json = (messages[0] ?? {}) as Seen["json"];
  return { etag: String(json["etag"] ?? ""), json, bytes: bytesOf(reply) };
}

/** What the messages carry: a stream's payloads, or data that may stand in an Any. */
function bytesOf({ messages }: GrpcReply): Buffer {
  type Carrier = { payload?: { data: Uint8Array }; data?: Uint8Array | { value: Uint8Array } };
  const chunks = (messages as Carrier[]).map(
    ({ payload, data }) => payload?.data ?? (data && "value" in data ? data.value : data),
  );
  return Buffer.concat(chunks.filter((chunk) => chunk instanceof Uint8Array));
}

/** Bytes as protojson writes them. */
export const base64 = (text: string): string => Buffer.from(text).toString("base64");

import { STATUS_CODES } from "node:http";
import { create, toBinary } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { fail } from "../../../specs/errors.ts";
import { type InvokeRequest, HTTPExtension_Verb as Verb } from "../../../specs/gen/dapr/proto/common/v1/common_pb.js";
import { Dapr } from "../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { ErrorInfoSchema } from "../../../specs/gen/google/rpc/error_details_pb.js";
import { StatusSchema } from "../../../specs/gen/google/rpc/status_pb.js";
import { readBody } from "../../kernel/body.ts";
import type { Answer, HeaderMap } from "../../kernel/exchange.ts";
import { firstHeader, metadataName, withoutHopByHop } from "../../kernel/headers.ts";
import { type AnyMethod, method } from "../../kernel/method.ts";
import type { Request } from "../../kernel/request.ts";
import { StatusFailure } from "../../kernel/status.ts";
import type { Dispatch } from "./dispatch.ts";
import { appStatusHeader } from "./headers.ts";
import { normalizeMethod } from "./target.ts";

/** The older way to call another app over gRPC: one message there, one back, over whatever the app speaks. */
export const invokeMethods = (dispatch: Dispatch, maxBodyBytes: number): readonly AnyMethod[] => [
  method(Dapr.method.invokeService, "invoke", undefined, async ({ id, message }, request) => {
    if (!id) throw fail("invokeBadTarget", { id, why: "id is empty" });
    if (!message) throw fail("invokeBadTarget", { id, why: "message is missing" });
    const path = message.method.split("/").map(encodeURIComponent).join("/").replace(/^\//, "");
    const invocation = { id, method: normalizeMethod(id, path), query: message.httpExtension?.querystring ?? "" };
    const { signal } = request;
    const answer = await dispatch(invocation, {
      verb: verbOf(message),
      headers: headersOf(message, request),
      body: message.data?.value,
      signal,
    });
    const body = await readBody(answer.body, maxBodyBytes);
    refuse(answer, body);
    reply(answer, request);
    return { data: { value: body }, contentType: firstHeader(answer.headers, "content-type") ?? "" };
  }),
];

/** Without an extension the callee should be a gRPC app, which does not look at the verb. */
function verbOf({ httpExtension }: InvokeRequest): string {
  const verb = httpExtension?.verb ?? Verb.NONE;
  return verb === Verb.NONE ? "POST" : (Verb[verb] ?? "POST");
}

function headersOf(
  { contentType, data }: InvokeRequest,
  { headers: metadata, passedTrace: trace }: Request,
): HeaderMap {
  const headers = { ...metadata } as HeaderMap;
  if (trace) headers["traceparent"] = trace.traceparent;
  if (trace?.tracestate !== undefined) headers["tracestate"] = trace.tracestate;
  const type = contentType || (data?.value.byteLength ? "application/json" : "");
  if (type) headers["content-type"] = type;
  return headers;
}

/** Throws the callee's refusal: a gRPC app's own code, an HTTP app's status as a code. */
function refuse(answer: Answer, body: Uint8Array): void {
  const own = firstHeader(answer.headers, appStatusHeader);
  if (own !== undefined) {
    if (own === "0") return;
    throw new StatusFailure({ grpc: Number(own) }, messageIn(body), answer.trailers?.() ?? {});
  }
  if (answer.status >= 200 && answer.status < 300) return;
  const failure = new StatusFailure(
    { http: answer.status },
    STATUS_CODES[answer.status] ?? `HTTP status ${answer.status}`,
  );
  throw new StatusFailure({ http: answer.status }, failure.message, {
    "grpc-status-details-bin": details(failure, body),
  });
}

function messageIn(body: Uint8Array): string {
  try {
    return String((JSON.parse(Buffer.from(body).toString("utf8")) as { message?: unknown }).message ?? "");
  } catch {
    return "";
  }
}

const longestDetail = 63;

function details({ httpStatus, grpcCode, message }: StatusFailure, body: Uint8Array): string {
  const metadata = {
    "http.code": String(httpStatus),
    "http.error_message": Buffer.from(body).toString("utf8").slice(0, longestDetail),
  };
  const info = create(ErrorInfoSchema, { reason: message, domain: "dapr.io", metadata });
  const status = create(StatusSchema, { code: grpcCode, message, details: [anyPack(ErrorInfoSchema, info)] });
  return Buffer.from(toBinary(StatusSchema, status)).toString("base64");
}

const legal = /^[\x20-\x7e]*$/;

/** The callee's headers as initial metadata. */
function reply(answer: Answer, request: Request): void {
  const overGrpc = appStatusHeader in answer.headers;
  for (const [name, value] of Object.entries(withoutHopByHop(answer.headers))) {
    const text = [value].flat().join(", ");
    if (name === appStatusHeader || name === "content-length" || name.startsWith("grpc-") || !legal.test(text))
      continue;
    request.reply(metadataName(name), text);
  }
  if (!overGrpc) request.reply("dapr-http-status", String(answer.status));
}

import { createRegistry, fromBinary, type JsonObject, toJson } from "@bufbuild/protobuf";
import { HTTPExtension_Verb } from "../../specs/gen/dapr/proto/common/v1/common_pb.js";
import { AppCallback } from "../../specs/gen/dapr/proto/runtime/v1/appcallback_pb.js";
import { file_google_rpc_error_details } from "../../specs/gen/google/rpc/error_details_pb.js";
import { StatusSchema } from "../../specs/gen/google/rpc/status_pb.js";
import { asStream, readBody } from "../kernel/body.ts";
import type { Answer, Exchange, HeaderMap } from "../kernel/exchange.ts";
import { firstHeader, metadataName } from "../kernel/headers.ts";
import { StatusFailure } from "../kernel/status.ts";
import type { GrpcClient } from "./grpc-client.ts";
import { alignTrace, fromMetadata, toMetadata } from "./grpc-metadata.ts";

/** Headers that the transport sets itself, or that say nothing once the body is a message. */
const own: ReadonlySet<string> = new Set(["content-length", "host", "te", "transfer-encoding", "grpc-timeout"]);

/** Carries an app's gRPC status over HTTP to a caller that speaks gRPC too; HTTP callers never see it. */
const statusHeader = "dapr-app-grpc-status";

/**
 * An HTTP exchange as a call of OnInvoke. The app's status becomes an HTTP status and, when it is a refusal, a JSON body
 * `{code, message, details}`. Rejects when the app could not be asked.
 */
export async function invokeOverGrpc(
  client: GrpcClient,
  exchange: Exchange,
  token: string | undefined,
  maxBytes: number,
): Promise<Answer> {
  const { verb, path, query, headers, signal } = exchange;
  const value = await readBody(exchange.body, maxBytes);
  const metadata = toMetadata(asMetadata(headers));
  alignTrace(metadata);
  if (token !== undefined) metadata.set("dapr-api-token", token);
  const input = {
    method: decodePath(path),
    data: { value },
    contentType: firstHeader(headers, "content-type") ?? "",
    httpExtension: { verb: verbOf(verb), querystring: query },
  };
  try {
    const answer = await client.unary(AppCallback.method.onInvoke, input, metadata, signal);
    const { data, contentType } = answer.message;
    const trailers = fromMetadata(answer.trailers);
    return {
      status: 200,
      headers: {
        ...fromMetadata(answer.headers),
        "content-type": contentType || "application/json",
        [statusHeader]: "0",
      },
      body: asStream(data?.value),
      trailers: () => trailers,
    };
  } catch (error) {
    if (error instanceof StatusFailure) return refusal(error);
    throw error;
  }
}

const verbOf = (verb: string): HTTPExtension_Verb =>
  (HTTPExtension_Verb as unknown as Readonly<Record<string, HTTPExtension_Verb | undefined>>)[verb] ??
  HTTPExtension_Verb.NONE;

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

function asMetadata(headers: HeaderMap): HeaderMap {
  const metadata: HeaderMap = {};
  for (const [name, value] of Object.entries(headers)) {
    if (!own.has(name)) metadata[metadataName(name)] = value;
  }
  return metadata;
}

function refusal(failure: StatusFailure): Answer {
  const { grpcCode, message, metadata, httpStatus } = failure;
  const details = detailsOf(firstHeader(metadata, "grpc-status-details-bin"));
  const json = { code: grpcCode, message, ...(details.length > 0 ? { details } : {}) };
  return {
    status: httpStatus,
    headers: { "content-type": "application/json", [statusHeader]: String(grpcCode) },
    body: asStream(Buffer.from(JSON.stringify(json))),
    trailers: () => metadata,
  };
}

const registry = createRegistry(file_google_rpc_error_details);

/** The details of a status that JSON can show; those of unknown types are left out. */
function detailsOf(encoded: string | undefined): JsonObject[] {
  if (encoded === undefined) return [];
  try {
    const json = toJson(StatusSchema, fromBinary(StatusSchema, Buffer.from(encoded, "base64")), {
      registry,
    }) as JsonObject;
    return (json["details"] ?? []) as JsonObject[];
  } catch {
    return [];
  }
}

import { createRegistry, fromBinary, type Message, toJson } from "@bufbuild/protobuf";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import type { Metadata, ServiceError } from "@grpc/grpc-js";
import { file_google_rpc_error_details } from "../../../specs/gen/google/rpc/error_details_pb.js";
import { type Status, StatusSchema } from "../../../specs/gen/google/rpc/status_pb.js";
import { codeOfGrpc, httpStatusOf } from "../error-table.ts";
import { deadlineExceeded, type ErrorDetail, MechaClientError, unreachable } from "../errors.ts";

const detailTypes = createRegistry(file_google_rpc_error_details);
const detailsKey = "grpc-status-details-bin";
/** Trailer with the HTTP API's errorCode, for errors that carry no ErrorInfo. */
const errorCodeKey = "mecha-error-code";

export interface CallFacts {
  readonly what: string;
  /** Where the sidecar should be. */
  readonly address: string;
  /** Milliseconds this side allowed; 0: no limit. */
  readonly timeoutMs: number;
}

/** An error of grpc-js in our form. */
export function fromServiceError(error: ServiceError, { what, address, timeoutMs }: CallFacts): MechaClientError {
  const code = codeOfGrpc(error.code);
  const details = detailsOf(error.metadata);
  const info = infoOf(details);
  const reason = info?.reason || textOf(error.metadata?.get(errorCodeKey)[0]);
  if (reason === undefined && details.length === 0) {
    // Neither came from the sidecar in a form of its own: this side gave up, or found nobody.
    if (code === "deadline_exceeded") return deadlineExceeded(what, timeoutMs, error);
    if (code === "unavailable") return unreachable(address, error.details, error);
  }
  const stated = Number(info?.metadata["http.code"]);
  const httpStatus = stated >= 100 ? stated : httpStatusOf(code, reason);
  const fields = { code, reason: reason ?? "", httpStatus, details };
  return new MechaClientError(error.details || error.message, fields, { cause: error });
}

/** The detail that says which error it is. */
export function infoOf(
  details: readonly ErrorDetail[],
): { readonly reason: string; readonly metadata: Readonly<Record<string, string>> } | undefined {
  const info = details.find((each) => each["@type"].endsWith("/google.rpc.ErrorInfo"));
  // Its fields are those of the message that it was read from.
  return info as unknown as ReturnType<typeof infoOf>;
}

const textOf = (value: unknown): string | undefined =>
  value === undefined || value === "" ? undefined : String(value);

function detailsOf(metadata: Metadata | undefined): ErrorDetail[] {
  const [packed] = metadata?.get(detailsKey) ?? [];
  if (!(packed instanceof Uint8Array)) return [];
  let status: Status;
  try {
    status = fromBinary(StatusSchema, packed);
  } catch {
    // A proxy in between may use the key for something else; the code and the message still stand.
    return [];
  }
  return status.details.map(toDetail);
}

function toDetail(detail: Message): ErrorDetail {
  const options = { registry: detailTypes, useProtoFieldName: true, alwaysEmitImplicit: true };
  try {
    return toJson(AnySchema, detail as never, options) as ErrorDetail;
  } catch {
    const { typeUrl, value } = detail as unknown as { typeUrl: string; value: Uint8Array };
    return { "@type": typeUrl, value: Buffer.from(value).toString("base64") };
  }
}

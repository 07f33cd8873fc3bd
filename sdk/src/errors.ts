import { type Code, codes, reasons } from "../../specs/errors.ts";

/**
 * One detail of an error, in the JSON form of google.rpc: fields in snake_case beside `@type`.
 *
 * @example
 * ```ts
 * import type { ErrorDetail, MechaClientError } from "@mecha/sdk";
 *
 * function resourceOf(error: MechaClientError): unknown {
 *   const detail: ErrorDetail | undefined = error.details.find((each) => each["@type"].endsWith("ResourceInfo"));
 *   return detail?.["resource_name"];
 * }
 * ```
 */
export interface ErrorDetail {
  /** `type.googleapis.com/google.rpc.ErrorInfo` and its like. */
  readonly "@type": string;
  readonly [field: string]: unknown;
}

/**
 * A failed call as both transports tell it.
 *
 * @example
 * ```ts
 * import { type ClientErrorFields, MechaClientError } from "@mecha/sdk";
 *
 * const fields: ClientErrorFields = { code: "aborted", reason: "DAPR_STATE_ETAG_MISMATCH", httpStatus: 409 };
 * throw new MechaClientError("somebody was faster", fields);
 * ```
 */
export interface ClientErrorFields {
  readonly code: ErrorCode;
  readonly reason?: string;
  /** Default: that of the code. */
  readonly httpStatus?: number;
  readonly details?: readonly ErrorDetail[];
  readonly body?: Uint8Array;
}

/**
 * The gRPC status codes of failures, in lower case.
 *
 * @example
 * ```ts
 * import type { ErrorCode } from "@mecha/sdk";
 *
 * const worthAnotherLook: readonly ErrorCode[] = ["unavailable", "aborted"];
 * console.log(worthAnotherLook);
 * ```
 */
export type ErrorCode = Exclude<Code, "ok">;

/**
 * Every failure of a client: the sidecar's answer, a connection that is not there, a deadline, a cancellation.
 *
 * @example
 * ```ts
 * import { createClient, MechaClientError } from "@mecha/sdk";
 *
 * const stock = createClient().state<number>("stock");
 * try {
 *   await stock.set("apples", 4, { etag: "7" });
 * } catch (error) {
 *   if (!(error instanceof MechaClientError && error.code === "aborted")) throw error;
 *   console.log("somebody was faster", error.reason, error.details);
 * }
 * ```
 */
export class MechaClientError extends Error {
  override readonly name = "MechaClientError";
  /** What kind of failure it is. */
  readonly code: ErrorCode;
  /** Which failure it is, such as `DAPR_STATE_NOT_FOUND` or `ERR_TRY_LOCK`; empty when nobody said. */
  readonly reason: string;
  /** Status of the HTTP API for it, whichever transport was used; that of the app when an invoked app refused. */
  readonly httpStatus: number;
  /** Whether the same call may succeed later: the code says so. */
  readonly retryable: boolean;
  readonly details: readonly ErrorDetail[];
  /** What an invoked app said, over HTTP. */
  readonly body: Uint8Array | undefined;

  constructor(message: string, { code, reason, httpStatus, details, body }: ClientErrorFields, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.reason = reason ?? "";
    this.httpStatus = httpStatus ?? codes[code].http;
    this.retryable = codes[code].retry;
    this.details = details ?? [];
    this.body = body;
  }
}

/** The caller's signal was aborted. */
export function canceled(what: string, cause: unknown): MechaClientError {
  return new MechaClientError(
    reasons.canceled.text({ what }),
    { code: "canceled", reason: reasons.canceled.tag },
    { cause },
  );
}

/** The call took too long. */
export function deadlineExceeded(what: string, ms: number, cause?: unknown): MechaClientError {
  const { code, tag: reason, text } = reasons.deadlineExceeded;
  return new MechaClientError(text({ what, ms }), { code, reason }, { cause });
}

/** Arguments that no sidecar could take. */
export function invalidArgument(why: string, cause?: unknown): MechaClientError {
  return new MechaClientError(why, { code: "invalid_argument", reason: reasons.badRequest.tag }, { cause });
}

/** What this transport has no form for. */
export function notOffered(why: string): MechaClientError {
  return new MechaClientError(why, { code: "unimplemented", reason: reasons.unimplemented.tag });
}

/** Nothing answers where the sidecar should be. */
export function unreachable(endpoint: string, why: string, cause: unknown): MechaClientError {
  return new MechaClientError(
    `the sidecar at ${endpoint} does not answer: ${why}`,
    { code: "unavailable", reason: "ERR_SIDECAR_UNREACHABLE" },
    { cause },
  );
}

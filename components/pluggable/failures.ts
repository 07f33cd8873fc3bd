import { fromBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { causeText, fail, MechaError } from "../../specs/errors.ts";
import { BadRequestSchema } from "../../specs/gen/google/rpc/error_details_pb.js";
import { StatusSchema } from "../../specs/gen/google/rpc/status_pb.js";

/** gRPC status numbers, as components answer them. */
export const codes = {
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  failedPrecondition: 9,
  unimplemented: 12,
  unavailable: 14,
} as const;

/** What the gRPC library rejects with. */
interface StatusError extends Error {
  readonly code: number;
  readonly details: string;
  readonly metadata?: { get(key: string): readonly (string | Buffer)[] };
}

const isStatus = (error: unknown): error is StatusError =>
  error instanceof Error && "code" in error && typeof error.code === "number" && "details" in error;

/** The status a component or the way to it ended a call with; undefined: the error is of another kind. */
export const codeOf = (error: unknown): number | undefined => (isStatus(error) ? error.code : undefined);

/** What a component said, without the library's own words around it. */
export const detailsOf = (error: unknown): string => (isStatus(error) ? error.details : "") || causeText(error);

/**
 * What a caller of the component `name` gets for an error of `method`: `backendUnavailable` where the process or the way
 * to it is at fault, `unimplemented` and `malformedRequest` where it refuses the call, else its own words.
 */
export function translate(error: unknown, name: string, method: string): unknown {
  if (!isStatus(error) || error instanceof MechaError) return error;
  const cause = detailsOf(error);
  switch (error.code) {
    case codes.unavailable:
    case codes.deadlineExceeded:
      return fail("backendUnavailable", { name, cause }, { cause: error });
    case codes.unimplemented:
      return fail("unimplemented", { what: `${method} of component ${name}` }, { cause: error });
    case codes.invalidArgument:
      return fail("malformedRequest", { why: cause }, { cause: error });
    default:
      return new Error(cause, { cause: error });
  }
}

/**
 * The published way to refuse an etag: FAILED_PRECONDITION when it does not match, INVALID_ARGUMENT when it has not the
 * store's form, with a google.rpc.BadRequest that names the field `etag`. Undefined: the error says something else.
 * `isConditional`: the call did depend on an etag.
 */
export function etagRefusal(error: unknown, isConditional: boolean): "etagMismatch" | "etagInvalid" | undefined {
  if (!isStatus(error)) return undefined;
  const fields = violatedFields(error);
  const isEtag = fields.some((field) => field.toLowerCase() === "etag");
  if (error.code === codes.invalidArgument && isEtag) return "etagInvalid";
  // Some components leave the details out.
  const isMeant = isEtag || (isConditional && fields.length === 0);
  if (error.code === codes.failedPrecondition && isMeant) return "etagMismatch";
  return undefined;
}

function violatedFields({ metadata }: StatusError): readonly string[] {
  const [bytes] = metadata?.get("grpc-status-details-bin") ?? [];
  if (bytes === undefined || typeof bytes === "string") return [];
  try {
    return fromBinary(StatusSchema, bytes).details.flatMap((detail) => {
      const bad = anyUnpack(detail, BadRequestSchema);
      return bad ? bad.fieldViolations.map(({ field }) => field) : [];
    });
  } catch {
    // Details that cannot be read are no details.
    return [];
  }
}

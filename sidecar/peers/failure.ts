import { fail, MechaError, type Reason, reasons } from "../../specs/errors.ts";
import { isRecord } from "../kernel/json.ts";

/** Marks an answer as a failure of the sidecar itself, told from whatever an app may answer; its value is the reason. */
export const failureHeader = "mecha-failure";

/** A failure as a peer sends it; what is not ours becomes `internal`. */
export function encodeFailure(error: unknown): {
  readonly status: number;
  readonly reason: Reason;
  readonly body: string;
} {
  const known =
    error instanceof MechaError
      ? error
      : fail("internal", { why: error instanceof Error ? error.message : String(error) });
  return { status: known.httpStatus, reason: known.reason, body: JSON.stringify(known.params) };
}

/** The failure that a peer sent, thrown here as if it had happened here. */
export function decodeFailure(reason: string, body: Uint8Array): MechaError {
  try {
    const params: unknown = JSON.parse(Buffer.from(body).toString("utf8"));
    if (Object.hasOwn(reasons, reason) && isRecord(params)) return new MechaError(reason as Reason, params);
  } catch {
    // A peer of another version: its reason is unknown here, but its words are not.
  }
  return fail("internal", { why: `the callee's sidecar failed: ${reason}` });
}

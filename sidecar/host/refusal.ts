import { type Code, MechaError } from "../../specs/errors.ts";

const codes: ReadonlySet<Code> = new Set<Code>([
  "invalid_argument",
  "not_found",
  "already_exists",
  "failed_precondition",
  "aborted",
  "out_of_range",
  "unimplemented",
]);

/**
 * Whether a backend that works has refused what it was asked: asked again it refuses again, and it needs no rest, so
 * policies take it for an answer.
 */
export const isRefusal = (error: unknown): boolean => error instanceof MechaError && codes.has(error.row.code);

import { invalidArgument, MechaClientError, unreachable } from "../errors.ts";

/** What went wrong on the way. */
export function fromSocket(error: unknown, endpoint: string): MechaClientError {
  if (error instanceof MechaClientError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  // Node refuses to send it: a header or a path that HTTP cannot carry.
  if (code === "ERR_INVALID_CHAR" || code === "ERR_UNESCAPED_CHARACTERS" || code === "ERR_INVALID_HTTP_TOKEN") {
    return invalidArgument(message, error);
  }
  return unreachable(endpoint, message || code || String(error), error);
}

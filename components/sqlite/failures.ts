import { causeText, fail, MechaError } from "../../specs/errors.ts";

// Primary result codes, https://www.sqlite.org/rescode.html
const busy = 5;
const locked = 6;
const backend: ReadonlySet<number> = new Set([busy, locked, 7, 8, 10, 11, 13, 14, 15, 26]);

function primaryCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("errcode" in error) || typeof error.errcode !== "number") return undefined;
  return error.errcode & 0xff;
}

/** Another connection holds the lock: trying again later can help. */
export function isBusy(error: unknown): boolean {
  const code = primaryCode(error);
  return code === busy || code === locked;
}

/**
 * What a caller of the component `name` gets for an error of a statement: `backendUnavailable` where the file or its
 * disk is at fault, else the error itself.
 */
export function translate(error: unknown, name: string): unknown {
  if (error instanceof MechaError) return error;
  const code = primaryCode(error);
  if (code === undefined || !backend.has(code)) return error;
  return fail("backendUnavailable", { name, cause: causeText(error) }, { cause: error });
}

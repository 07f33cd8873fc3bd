import { type Code, MechaError, type Row } from "../../specs/errors.ts";

/** Details of an error in the shape of google.rpc, before either wire encodes them. */
export interface ErrorDetails {
  readonly resource: { readonly type: string; readonly name: string; readonly description: string } | undefined;
  readonly help: string | undefined;
  readonly info: { readonly reason: string; readonly metadata: Readonly<Record<string, string>> } | undefined;
}

/** Domain of every ErrorInfo. */
export const domain = "dapr.io";

/** Anything thrown, as an error of the table; what is not ours becomes `internal` with the original as its cause. */
export function toMechaError(error: unknown): MechaError {
  if (error instanceof MechaError) return error;
  const why = error instanceof Error ? error.message : textOf(error);
  return new MechaError("internal", { why }, { cause: error });
}

function textOf(value: unknown): string {
  try {
    return String(value);
  } catch {
    // An object that has no text, such as one without a prototype.
    return "an unknown value";
  }
}

/** The details that a row asks for. `extra` goes into ErrorInfo's metadata (app id). */
export function detailsOf(error: MechaError, extra: Readonly<Record<string, string>>): ErrorDetails {
  const row: Row = error.row;
  if (!row.info) return { resource: undefined, help: undefined, info: undefined };
  const name = typeof error.params["name"] === "string" ? error.params["name"] : "";
  return {
    resource: row.resource ? { type: row.resource, name, description: error.message } : undefined,
    help: row.help,
    info: { reason: row.info, metadata: { ...extra, ...factsOf(error) } },
  };
}

/** What the message names, for machines. */
function factsOf({ reason, row, params }: MechaError): Record<string, string> {
  if (row.namespaced) return { namespace: String(params["namespace"]) };
  if (reason !== "stateTransactionTooLarge") return {};
  return { currentOpsTransaction: String(params["count"]), maxOpsPerTransaction: String(params["max"]) };
}

const unexpected: ReadonlySet<Code> = new Set<Code>(["internal", "unknown", "data_loss"]);

/** Whether the log should speak of it: our bugs and unclassified failures, not a caller's mistakes. */
export function isUnexpected(error: MechaError): boolean {
  return unexpected.has(error.row.code);
}

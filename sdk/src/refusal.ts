import { reasons } from "../../specs/errors.ts";
import { toText } from "./byte-stream.ts";
import { codeOfHttp } from "./error-table.ts";
import { type ErrorDetail, MechaClientError } from "./errors.ts";

/** What an HTTP server said that did not do what was asked. */
export interface Refusal {
  readonly status: number;
  readonly body: Uint8Array;
}

interface ErrorBody {
  readonly errorCode?: unknown;
  readonly message?: unknown;
  readonly details?: unknown;
}

/** The sidecar's refusal in our form. */
export function fromReply({ status, body }: Refusal, what: string): MechaClientError {
  const text = toText(body);
  const { tokenInvalid } = reasons;
  // The one error that is not JSON.
  if (status === 401 && text.trim() === tokenInvalid.text({})) {
    return new MechaClientError(text.trim(), { code: tokenInvalid.code, reason: tokenInvalid.info });
  }
  const json = parseBody(text);
  const details = Array.isArray(json.details) ? (json.details as ErrorDetail[]) : [];
  const info = details.find((each) => String(each["@type"]).endsWith("/google.rpc.ErrorInfo"));
  const tag = typeof json.errorCode === "string" ? json.errorCode : undefined;
  const said = typeof info?.["reason"] === "string" ? info["reason"] : undefined;
  const message =
    typeof json.message === "string" && json.message ? json.message : `${what}: status ${status} ${text}`.trim();
  const fields = { code: codeOfHttp(status, tag, said), reason: said ?? tag ?? "", httpStatus: status, details };
  return new MechaClientError(message, fields);
}

/** An invoked app's refusal, or the sidecar's: a proxy's answer does not say whose it is. */
export function fromApp(refusal: Refusal, what: string, cause?: unknown): MechaClientError {
  const { message, code, reason, httpStatus, details } = fromReply(refusal, what);
  return new MechaClientError(message, { code, reason, httpStatus, details, body: refusal.body }, { cause });
}

function parseBody(text: string): ErrorBody {
  try {
    const json: unknown = JSON.parse(text);
    return typeof json === "object" && json !== null ? json : {};
  } catch {
    return {};
  }
}

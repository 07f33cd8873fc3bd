import type { MechaError } from "../../../specs/errors.ts";
import type { HttpOutput } from "../../kernel/method.ts";
import { detailsOf, domain } from "../error-details.ts";

const statusTexts: Readonly<Record<number, string>> = {
  400: "Bad Request",
  404: "Not Found",
  500: "Internal Server Error",
};

/** The body of an error: `{errorCode, message, details?}`; the token's refusal is plain text. */
export function errorOutput(error: MechaError, appId: string): HttpOutput {
  const status = error.httpStatus;
  if (error.reason === "tokenInvalid") {
    return { status, headers: { "content-type": "text/plain; charset=utf-8" }, body: error.message };
  }
  const details = detailsOf(error, { appID: appId });
  const json: unknown[] = [];
  if (details.resource) {
    const { type, name, description } = details.resource;
    json.push({
      "@type": "type.googleapis.com/google.rpc.ResourceInfo",
      resource_type: type,
      resource_name: name,
      owner: "",
      description,
    });
  }
  if (details.help) {
    json.push({ "@type": "type.googleapis.com/google.rpc.Help", links: [{ description: "Try", url: details.help }] });
  }
  if (details.info) {
    const { reason, metadata } = details.info;
    json.push({ "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason, domain, metadata });
  }
  const errorCode = error.row.tag ?? error.row.info ?? statusTexts[status] ?? "ERROR";
  return {
    status,
    body: JSON.stringify({ errorCode, message: error.message, ...(json.length > 0 ? { details: json } : {}) }),
  };
}

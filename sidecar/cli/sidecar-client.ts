import { request } from "node:http";
import { buffer } from "node:stream/consumers";
import { causeText } from "../../specs/errors.ts";
import { CliError } from "./failure.ts";

/** Where the HTTP API of a sidecar is. */
export interface SidecarPlace {
  readonly httpPort?: number | undefined;
  readonly httpSocket?: string | undefined;
}

export interface SidecarRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: string | Uint8Array | undefined;
  /** Milliseconds; default: a minute. */
  readonly timeoutMs?: number | undefined;
}

export interface SidecarReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

const defaultTimeoutMs = 60_000;

/** Calls the HTTP API of a sidecar; rejects with Node's error when it does not answer. */
export function callSidecar(
  place: SidecarPlace,
  apiToken: string | undefined,
  call: SidecarRequest,
): Promise<SidecarReply> {
  const { method, path, headers = {}, body, timeoutMs = defaultTimeoutMs } = call;
  const where =
    place.httpSocket === undefined ? { host: "127.0.0.1", port: place.httpPort } : { socketPath: place.httpSocket };
  const token = apiToken ? { "dapr-api-token": apiToken } : {};
  const length = body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) };
  return new Promise((resolve, reject) => {
    const sent = request(
      { ...where, method, path, headers: { ...headers, ...token, ...length }, agent: false, timeout: timeoutMs },
      (response) => {
        buffer(response).then(
          (read) => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: read }),
          reject,
        );
      },
    );
    sent.on("timeout", () => sent.destroy(new Error(`no answer within ${timeoutMs} ms`)));
    sent.on("error", reject);
    sent.end(body);
  });
}

/** As `callSidecar`, and an answer that is no success becomes a CliError with the sidecar's own words. */
export async function requireSuccess(
  place: SidecarPlace,
  apiToken: string | undefined,
  call: SidecarRequest,
): Promise<SidecarReply> {
  let reply: SidecarReply;
  try {
    reply = await callSidecar(place, apiToken, call);
  } catch (cause) {
    const at = place.httpSocket ?? `port ${place.httpPort}`;
    throw new CliError(`the sidecar at ${at} does not answer: ${causeText(cause)}`, {
      hint: "see `mecha list`",
      cause,
    });
  }
  if (reply.status >= 200 && reply.status < 300) return reply;
  throw new CliError(failureText(reply));
}

/** What an answer that is no success says. */
export function failureText({ status, body }: SidecarReply): string {
  const text = body.toString("utf8");
  try {
    const { errorCode, message } = JSON.parse(text) as { errorCode?: string; message?: string };
    if (message !== undefined) return `${message}${errorCode ? ` (${status} ${errorCode})` : ""}`;
  } catch {
    // Not the sidecar's own form.
  }
  return text.trim() === "" ? `the answer is ${status}` : `${text.trim()} (${status})`;
}

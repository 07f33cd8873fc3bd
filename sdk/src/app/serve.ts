import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { AppReply, toReply } from "./reply.ts";
import { AppRequest, refuse } from "./request.ts";
import type { Matched, Router } from "./route.ts";

export interface ServeParts {
  readonly router: Router;
  /** Undefined: whoever reaches the app may call it. */
  readonly apiToken: string | undefined;
  readonly maxBodyBytes: number;
  readonly onError: (error: unknown, what: string) => void;
}

/** Answers one request of node:http. Never rejects. */
export async function serve(parts: ServeParts, message: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method = "GET", url = "/" } = message;
  const cut = url.indexOf("?");
  const [path, search] = cut < 0 ? [url, ""] : [url.slice(0, cut), url.slice(cut + 1)];
  const left = new AbortController();
  response.once("close", () => {
    if (!response.writableFinished) left.abort(new Error("the caller has gone"));
  });
  try {
    const matched = parts.router.find(method, path);
    const request = new AppRequest({
      ...{ verb: method, path, query: new URLSearchParams(search), headers: flat(message.headers) },
      ...{
        params: matched?.params ?? {},
        body: bodyOf(message),
        maxBodyBytes: parts.maxBodyBytes,
        signal: left.signal,
      },
    });
    await write(response, await answer(parts, matched, request));
  } catch (error) {
    // The head may be out already; then an answer that is cut off says it best.
    parts.onError(error, `${method} ${path}`);
    response.destroy();
  } finally {
    // What nobody read would hold the connection up.
    message.resume();
  }
}

async function answer(parts: ServeParts, matched: Matched | undefined, request: AppRequest): Promise<AppReply> {
  const { apiToken, onError } = parts;
  if (!matched?.route.open && !isToken(request.headers["dapr-api-token"], apiToken)) {
    return refuse(401, "dapr-api-token is missing or wrong");
  }
  if (!matched) return refuse(404, `nothing answers ${request.verb} ${request.path} here`);
  try {
    return toReply(await matched.route.handle(request), 204);
  } catch (error) {
    if (error instanceof AppReply) return error;
    onError(error, matched.route.what);
    // What went wrong is the app's own business.
    return refuse(500, `${matched.route.what} failed`);
  }
}

/** A body that is left in the middle must not take the connection with it: the answer is still to be sent. */
const bodyOf = (message: IncomingMessage): AsyncIterable<Uint8Array> => ({
  [Symbol.asyncIterator]: () => message.iterator({ destroyOnReturn: false }),
});

/** Takes the same time whatever differs. */
function isToken(given: string | undefined, wanted: string | undefined): boolean {
  if (wanted === undefined) return true;
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given ?? ""), digest(wanted));
}

async function write(response: ServerResponse, { status, headers, body }: AppReply): Promise<void> {
  if (body === undefined || body instanceof Uint8Array) {
    const length = status === 204 || status === 304 ? {} : { "content-length": String(body?.byteLength ?? 0) };
    response.writeHead(status, { ...headers, ...length }).end(body);
    return;
  }
  response.writeHead(status, { ...headers });
  await pipeline(Readable.from(body, { objectMode: false }), response);
}

function flat(headers: IncomingMessage["headers"]): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value].flat().join(", ")]));
}

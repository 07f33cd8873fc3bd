import type { IncomingMessage, ServerResponse } from "node:http";

const methods = "HEAD, GET, POST, PUT, PATCH, DELETE";

/**
 * Cross-origin rules of `--allowed-origins`; undefined: CORS is off. Returns true when it has answered a preflight.
 */
export function corsHandler(
  allowed: readonly string[],
): ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined {
  if (allowed.length === 0) return undefined;
  const any = allowed.includes("*");
  return (request, response) => {
    const origin = request.headers.origin;
    if (!origin || !(any || allowed.includes(origin))) return false;
    response.setHeader("access-control-allow-origin", any ? "*" : origin);
    response.appendHeader("vary", "Origin");
    if (request.method !== "OPTIONS" || !request.headers["access-control-request-method"]) return false;
    response.setHeader("access-control-allow-methods", methods);
    response.setHeader("access-control-allow-headers", request.headers["access-control-request-headers"] ?? "*");
    response.writeHead(204).end();
    return true;
  };
}

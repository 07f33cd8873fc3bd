import type { Server } from "node:http";
import type { Server as NetServer } from "node:net";
import type { Http2Side } from "./h2c.ts";

/** How often connections that have fallen idle are looked for. */
const sweepMs = 50;

/**
 * Ends a server with all its listeners: it takes no more connections, those without a request are closed at once and the
 * others as soon as they fall idle; what is still busy after `graceMs` is cut. Resolves when no connection is left.
 */
export async function drain(
  server: Server,
  listeners: readonly NetServer[],
  http2: Http2Side | undefined,
  graceMs: number,
): Promise<void> {
  // A listener that never listened has nothing to close and says so by an error.
  const closed = listeners.map((listener) => new Promise<void>((resolve) => listener.close(() => resolve())));
  const sweep = setInterval(() => server.closeIdleConnections(), sweepMs);
  const cut = setTimeout(() => {
    server.closeAllConnections();
    http2?.destroy();
  }, graceMs);
  http2?.close();
  await Promise.all(closed);
  clearInterval(sweep);
  clearTimeout(cut);
}

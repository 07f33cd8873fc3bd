import { Agent as HttpAgent, request as requestHttp } from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";
import type { HttpTarget } from "../kernel/exchange.ts";
import { exchangeOverHttp1, type OpenRequest } from "../kernel/http1-exchange.ts";

/** An HTTP server that exchanges are sent to, with the connections kept open to it. */
export interface HttpServerTarget extends HttpTarget {
  /** Cuts what is in flight and closes the connections. Idempotent. */
  close(): void;
}

export interface TlsSettings {
  /** PEM; absent: the authorities of the system. */
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** Accept any certificate. */
  readonly anyServer?: boolean | undefined;
}

export interface HttpTargetOptions {
  readonly tls?: TlsSettings;
  /** Called when the server closes a connection or refuses one. */
  readonly onLost?: () => void;
}

/** Shorter than the 5 s after which common servers close idle connections, so that none is used as it is being closed. */
const idleMs = 4000;
const largestHeaders = 256 * 1024;

/**
 * Opens a target behind an `http://` or `https://` URL; its path is put before that of each exchange. Redirects are answers.
 * Connections are made when they are needed and kept while they are used.
 */
export function openHttpTarget(baseUrl: string, { tls = {}, onLost }: HttpTargetOptions = {}): HttpServerTarget {
  const { protocol, hostname, port, pathname } = new URL(baseUrl);
  const secure = protocol === "https:";
  const keep = { keepAlive: true, timeout: idleMs };
  const agent = secure
    ? new HttpsAgent({ ...keep, ...certificates(tls), rejectUnauthorized: !tls.anyServer })
    : new HttpAgent(keep);
  if (onLost) watchConnections(agent, onLost);
  const request = secure ? requestHttps : requestHttp;
  const base = pathname.endsWith("/") ? pathname : `${pathname}/`;
  const host = hostname.replace(/^\[|\]$/g, "");
  const open: OpenRequest = (options) => request({ ...options, agent, host, port, maxHeaderSize: largestHeaders });
  return {
    send: (exchange) => exchangeOverHttp1(open, exchange, base),
    close: () => agent.destroy(),
  };
}

/** A connection that we let go because it was idle is no loss; any other end may be one. */
function watchConnections(agent: HttpAgent, onLost: () => void): void {
  const create = agent.createConnection;
  agent.createConnection = function createConnection(...args) {
    const socket = create.apply(this, args);
    socket?.once("timeout", () => socket.off("close", onLost));
    socket?.once("close", onLost);
    return socket;
  };
}

function certificates({ ca, cert, key }: TlsSettings): { ca?: string; cert?: string; key?: string } {
  return { ...(ca ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}) };
}

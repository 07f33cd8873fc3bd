import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import { createServer as createTlsServer, type ServerOptions } from "node:https";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

/** What a test's server says; status 200 and no headers unless given. */
export interface Reply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly body?: string | Uint8Array;
}

/** Answers one request; undefined: never answers. */
export type Answer = (request: IncomingMessage, body: string) => Reply | undefined;

/**
 * Starts a server on a free port of this machine; it is gone when the test is. With `tls` it speaks HTTPS.
 * @returns its base URL
 */
export async function startHttpServer(answer: Answer, tls?: ServerOptions): Promise<string> {
  const listener: RequestListener = async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const reply = answer(request, Buffer.concat(chunks).toString());
    if (!reply) return;
    response.writeHead(reply.status ?? 200, { ...reply.headers });
    response.end(reply.body);
  };
  // Not awaited by the server: what goes wrong in it shows as a broken connection.
  const handle: RequestListener = (request, response) => void listener(request, response);
  const server = tls ? createTlsServer(tls, handle) : createServer(handle);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(() => resolve()));
  });
  return `${tls ? "https" : "http"}://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

import { constants } from "node:crypto";
import { readFile } from "node:fs/promises";
import { causeText, fail } from "../../specs/errors.ts";
import type { Outgoing } from "./request.ts";

/** A client certificate as it is configured: each part PEM text, or the path of a PEM file. */
export interface ClientTls {
  readonly rootCa: string | undefined;
  readonly certificate: string | undefined;
  readonly privateKey: string | undefined;
  /** Whether the server may renegotiate a TLS 1.2 session. */
  readonly renegotiation: boolean;
}

export interface Received {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: AsyncIterable<Uint8Array>;
}

export interface HttpClient {
  /**
   * Sends, and follows redirects; headers named in `guarded` do not follow to another origin. Rejects when no answer
   * came. Whoever receives the answer reads its body to the end or aborts the signal.
   */
  send(request: Outgoing, guarded: readonly string[], signal: AbortSignal): Promise<Received>;
  close(): Promise<void>;
}

const maxRedirects = 10;
const redirects = new Set([301, 302, 303, 307, 308]);

/** Opens a pool of connections. Rejects with `openFailed` when a certificate cannot be read. */
export async function openClient(tls: ClientTls): Promise<HttpClient> {
  const { Agent, request } = await import("undici");
  const agent = new Agent({
    // The call's own signal ends it; a second clock in the client would cut long answers short.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: await connectOptions(tls),
  });
  const once = async ({ method, url, headers, body }: Outgoing, signal: AbortSignal) => {
    const answer = await request(url, { dispatcher: agent, method, headers, signal, ...(body ? { body } : {}) });
    return { status: answer.statusCode, headers: answer.headers, body: answer.body };
  };
  return {
    async send(outgoing, guarded, signal) {
      let current = outgoing;
      for (let hops = 0; ; hops++) {
        const answer = await once(current, signal);
        const location = answer.headers["location"];
        if (!redirects.has(answer.status) || typeof location !== "string") return answer;
        if (hops === maxRedirects) throw new Error(`stopped after ${maxRedirects} redirects`);
        await answer.body.dump();
        current = redirected(current, answer.status, location, guarded);
      }
    },
    close: () => agent.destroy(),
  };
}

function redirected(from: Outgoing, status: number, location: string, guarded: readonly string[]): Outgoing {
  const url = new URL(location, from.url);
  const headers = { ...from.headers };
  if (url.origin !== from.url.origin) for (const name of guarded) delete headers[name];
  if (status === 307 || status === 308) return { ...from, url, headers };
  delete headers["content-type"];
  return { method: from.method === "HEAD" ? "HEAD" : "GET", url, headers, body: undefined };
}

async function connectOptions(tls: ClientTls) {
  const [ca, cert, key] = await Promise.all([
    pem("MTLSRootCA", tls.rootCa),
    pem("MTLSClientCert", tls.certificate),
    pem("MTLSClientKey", tls.privateKey),
  ]);
  if (Boolean(cert) !== Boolean(key)) {
    throw fail("openFailed", { why: "MTLSClientCert and MTLSClientKey belong together: give both or neither" });
  }
  return {
    ...(ca ? { ca } : {}),
    ...(cert && key ? { cert, key } : {}),
    ...(tls.renegotiation ? {} : { secureOptions: constants.SSL_OP_NO_RENEGOTIATION }),
  };
}

async function pem(setting: string, value: string | undefined): Promise<string | undefined> {
  if (!value || value.includes("-----BEGIN")) return value || undefined;
  try {
    return await readFile(value, "utf8");
  } catch (error) {
    const why = `${setting} is neither PEM text nor a readable file: ${causeText(error)}`;
    throw fail("openFailed", { why }, { cause: error });
  }
}

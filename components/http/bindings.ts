import { STATUS_CODES } from "node:http";
import { type Static, Type } from "typebox";
import { causeText, fail, MechaError } from "../../specs/errors.ts";
import { type BindingAnswer, defineBinding } from "../contract/bindings.ts";
import type { Call, OpenContext } from "../contract/driver.ts";
import { bytes, choice, durationMs, flag, requiredText, secret, text } from "../contract/settings.ts";
import { openClient, type Received } from "./client.ts";
import { canonical, operations, toOutgoing } from "./request.ts";

const metadata = Type.Object({
  url: requiredText({ description: "Where requests go.", example: "https://api.example.com" }),
  responseTimeout: Type.Optional(
    durationMs({ description: "Longest wait for a whole answer; default: no limit.", unit: "s" }),
  ),
  maxResponseBodySize: bytes({ default: 100 * 2 ** 20, description: "Longest answer that is taken; 0: no limit." }),
  MTLSRootCA: Type.Optional(
    text({ description: "Authority of the server's certificate: PEM text or the path of a file." }),
  ),
  MTLSClientCert: Type.Optional(text({ description: "Client certificate: PEM text or the path of a file." })),
  MTLSClientKey: Type.Optional(
    secret({ description: "Key of the client certificate: PEM text or the path of a file." }),
  ),
  MTLSRenegotiation: choice(["RenegotiateNever", "RenegotiateOnceAsClient", "RenegotiateFreelyAsClient"], {
    default: "RenegotiateNever",
    description: "Whether the server may renegotiate TLS.",
  }),
  securityToken: Type.Optional(secret({ description: "Value of the header that securityTokenHeader names." })),
  securityTokenHeader: Type.Optional(text({ description: "Header that carries securityToken." })),
  errorIfNot2XX: flag({ default: true, description: "An answer with another status than 2xx is an error." }),
});
type Settings = Static<typeof metadata>;

export default defineBinding({
  type: "bindings.http",
  status: "stable",
  summary: "Calls an HTTP endpoint.",
  metadata,
  capabilities: ["output"],
  async open(settings, context) {
    const base = parseUrl(settings.url);
    const always = headersOf(base, settings, context);
    const guarded = [...Object.keys(always), "authorization", "cookie"];
    const client = await openClient({
      rootCa: settings.MTLSRootCA,
      certificate: settings.MTLSClientCert,
      privateKey: settings.MTLSClientKey,
      renegotiation: settings.MTLSRenegotiation !== "RenegotiateNever",
    });
    return {
      operations,
      async invoke(request, call) {
        const outgoing = toOutgoing(base, always, request);
        const answer = await within(settings.responseTimeout, call, context, async (signal) => {
          const received = await client.send(outgoing, guarded, signal);
          return { ...received, body: await readBody(received, settings.maxResponseBodySize) };
        });
        return judged(answer, mustBe2xx(request.metadata["errorIfNot2XX"], settings), context);
      },
      close: () => client.close(),
    };
  },
});

function parseUrl(value: string): URL {
  const url = URL.parse(value);
  if (!url || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw fail("openFailed", { why: "url must start with http:// or https://, such as https://api.example.com" });
  }
  return url;
}

/** Headers of every request, in lower case. */
function headersOf(base: URL, { securityToken, securityTokenHeader }: Settings, { name, log }: OpenContext) {
  const headers: Record<string, string> = {};
  if (base.username) {
    const credentials = `${decodeURIComponent(base.username)}:${decodeURIComponent(base.password)}`;
    headers["authorization"] = `Basic ${Buffer.from(credentials).toString("base64")}`;
  }
  if (securityToken && securityTokenHeader) headers[securityTokenHeader.toLowerCase()] = securityToken;
  else if (securityToken || securityTokenHeader) {
    log.warn("securityToken and securityTokenHeader belong together; the one given is not used", { component: name });
  }
  return headers;
}

function mustBe2xx(override: string | undefined, { errorIfNot2XX }: Settings): boolean {
  if (override === undefined || override === "") return errorIfNot2XX;
  return /^(?:1|t|true|y|yes|on)$/i.test(override);
}

/** Runs `work` with a signal that ends when the caller leaves or after `ms`. */
async function within<T>(
  ms: number | undefined,
  { signal: parent }: Call,
  { name, clock }: OpenContext,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const leave = () => controller.abort(parent?.reason);
  if (parent?.aborted) leave();
  parent?.addEventListener("abort", leave, { once: true });
  const late = ms ? fail("deadlineExceeded", { what: `the answer to ${name}`, ms }) : undefined;
  const cancel = ms ? clock.after(ms, () => controller.abort(late)) : undefined;
  try {
    return await work(controller.signal);
  } catch (error) {
    if (controller.signal.aborted) throw controller.signal.reason;
    if (error instanceof MechaError) throw error;
    throw fail("backendUnavailable", { name, cause: causeText(error) }, { cause: error });
  } finally {
    cancel?.();
    parent?.removeEventListener("abort", leave);
    // Ends what is left of an answer that was refused half way.
    controller.abort();
  }
}

async function readBody({ body }: Received, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (maxBytes > 0 && size > maxBytes) {
      throw fail("badRequest", { why: `the answer is longer than maxResponseBodySize, ${maxBytes} bytes` });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function judged(
  { status, headers, body }: Omit<Received, "body"> & { readonly body: Uint8Array },
  mustBe2xx: boolean,
  { name }: OpenContext,
): BindingAnswer {
  const metadata: Record<string, string> = {
    statusCode: String(status),
    status: `${status} ${STATUS_CODES[status] ?? ""}`.trim(),
  };
  for (const [key, value] of Object.entries(headers)) {
    if (value !== undefined) metadata[canonical(key)] = Array.isArray(value) ? value.join(", ") : value;
  }
  const answer = { data: body, metadata };
  if (!mustBe2xx || (status >= 200 && status < 300)) return answer;
  throw new MechaError("bindingFailed", { name, cause: `received status code ${status}`, answer });
}

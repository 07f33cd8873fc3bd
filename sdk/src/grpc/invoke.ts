import type { MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { Metadata } from "@grpc/grpc-js";
import { reasons } from "../../../specs/errors.ts";
import { HTTPExtension_Verb as Verb } from "../../../specs/gen/dapr/proto/common/v1/common_pb.js";
import { Dapr } from "../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { ByteStream, chunksOf } from "../byte-stream.ts";
import { invalidArgument, MechaClientError } from "../errors.ts";
import { fromApp } from "../refusal.ts";
import { type Invocation, type InvocationAnswer, refusedBy } from "../transport.ts";
import { infoOf } from "./errors.ts";

const rpc = Dapr.method.invokeService;
type Rpc = typeof rpc;

/** The message of an invocation; a body that streams is collected, since the method takes one message. */
export async function toInvokeRequest({
  appId,
  method,
  verb,
  query,
  contentType,
  body,
}: Invocation): Promise<{ rpc: Rpc; input: MessageInitShape<Rpc["input"]> }> {
  const known = Object.hasOwn(Verb, verb) ? (Verb[verb as keyof typeof Verb] as Verb | string) : undefined;
  if (typeof known !== "number" || known === Verb.NONE) {
    throw invalidArgument(
      `verb must be GET, POST, PUT, DELETE, PATCH, HEAD, OPTIONS or TRACE, got ${JSON.stringify(verb)}`,
    );
  }
  const value = body === undefined || body instanceof Uint8Array ? body : await new ByteStream(body).bytes();
  return {
    rpc,
    input: {
      id: appId,
      message: {
        method: decoded(method),
        contentType: contentType ?? "",
        httpExtension: { verb: known, querystring: query },
        ...(value ? { data: { value } } : {}),
      },
    },
  };
}

/** The message takes the path as it reads; the sidecar encodes it. */
function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/** Headers of the callee that are standard ones come under this prefix. */
const prefix = "dapr-";
const statusKey = "dapr-http-status";

/** What the app answered, out of message and headers. */
export function toAnswer({ data, contentType }: MessageShape<Rpc["output"]>, metadata: Metadata): InvocationAnswer {
  const headers: Record<string, string> = {};
  if (contentType) headers["content-type"] = contentType;
  for (const [name, value] of Object.entries(metadata.getMap())) {
    if (name === statusKey || typeof value !== "string") continue;
    headers[name.startsWith(prefix) ? name.slice(prefix.length) : name] = value;
  }
  const status = Number(metadata.get(statusKey)[0] ?? 200);
  return { status, headers, body: new ByteStream(chunksOf(data?.value ?? new Uint8Array())) };
}

/** The app's refusal, of which the sidecar tells the status and the beginning of the body; other errors as they are. */
export function toRefusal(error: unknown, invocation: Invocation): unknown {
  if (!(error instanceof MechaClientError)) return error;
  const info = infoOf(error.details);
  const { "http.code": status, "http.error_message": said = "" } = info?.metadata ?? {};
  // The sidecar's gates speak in the same form.
  const byGate = said === reasons.tokenInvalid.text({}) || info?.reason === reasons.apiDenied.info;
  if (status === undefined || byGate) return error;
  return fromApp({ status: Number(status), body: Buffer.from(said) }, refusedBy(invocation), error.cause);
}

import type { MessageInitShape } from "@bufbuild/protobuf";
import type { MechaClient } from "../../../../sdk/src/index.ts";
import type { UnaryRpc } from "../../../../sdk/src/transport.ts";
import type { HttpReply } from "../fake-sidecar.ts";

/** One call of the client, what it says over each transport, and what it gives: the same over both. */
export interface ApiCase {
  readonly name: string;
  readonly run: (client: MechaClient) => Promise<unknown>;
  readonly rpc: UnaryRpc;
  readonly input: object;
  readonly output: object;
  readonly line: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly reply: HttpReply;
  readonly gives: unknown;
}

interface Told<D extends UnaryRpc> {
  /** The message that goes over gRPC, and the one that comes back (default: empty). */
  readonly input: MessageInitShape<D["input"]>;
  readonly output?: MessageInitShape<D["output"]>;
  /** Request line over HTTP, its body (JSON, or a text that is none) and some of its headers. */
  readonly line: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** The answer over HTTP; default: 204. */
  readonly reply?: HttpReply;
  /** What the client's method resolves with. */
  readonly gives?: unknown;
}

/** Writes a case down. */
export function apiCase<D extends UnaryRpc>(
  name: string,
  run: ApiCase["run"],
  rpc: D,
  { input, output = {} as never, reply = { status: 204 }, gives, ...http }: Told<D>,
): ApiCase {
  return { name, run, rpc, input: input as object, output: output as object, reply, gives, ...http };
}

/** An answer of JSON. */
export const json = (value: unknown, headers: Readonly<Record<string, string>> = {}): HttpReply => ({
  headers: { "content-type": "application/json", ...headers },
  body: JSON.stringify(value),
});
export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

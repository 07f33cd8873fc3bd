import type { DescMethod, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { Headers, Request } from "./request.ts";

export type Verb = "GET" | "POST" | "PUT" | "DELETE" | "PATCH" | "HEAD" | "OPTIONS";

/** An HTTP request as a codec sees it: already routed, its body already read (unless the shape streams). */
export interface HttpInput {
  readonly verb: string;
  /** The path that matched, as declared. */
  readonly route: string;
  /** Decoded path parameters; the wildcard is named `*`. */
  readonly params: Readonly<Record<string, string>>;
  readonly headers: Headers;
  /** First value of a query parameter. */
  query(name: string): string | undefined;
  /** All values of a query parameter. */
  queryAll(name: string): readonly string[];
  /** Query parameters `metadata.<key>`, without the prefix; first value per key. */
  readonly metadata: Record<string, string>;
  /** The whole body; empty when the shape streams. */
  readonly body: Uint8Array;
  /** The body as it arrives; only for a shape that streams. */
  readonly stream?: AsyncIterable<Uint8Array>;
}

/** An HTTP answer as a codec builds it. */
export interface HttpOutput {
  readonly status: number;
  /** Without content-type the answer is application/json. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string | AsyncIterable<Uint8Array>;
}

type InitOf<D extends DescMethod> = MessageInitShape<D["input"]>;
type OutOf<D extends DescMethod> = MessageInitShape<D["output"]>;

/** What a method takes: a message, or the messages of the caller's stream. */
export type MethodInput<D extends DescMethod> = D["methodKind"] extends "unary" | "server_streaming"
  ? MessageShape<D["input"]>
  : AsyncIterable<MessageShape<D["input"]>>;

/** What a method gives: a message, or a stream of messages that ends the call when it ends. */
export type MethodOutput<D extends DescMethod> = D["methodKind"] extends "unary" | "client_streaming"
  ? OutOf<D>
  : AsyncIterable<OutOf<D>>;

/**
 * How a method looks over HTTP. Without `input` the message is built from the JSON body (protojson), the path parameters
 * (by field name) and `metadata.*`; without `output` it is protojson with status `status` (default 200; an empty
 * message answers 204). Both are pure.
 */
export interface HttpShape<D extends DescMethod> {
  readonly verbs: readonly Verb[];
  /** `:name` is one segment, a closing `*` the rest of the path. */
  readonly paths: readonly string[];
  readonly status?: number;
  /** The body is not read before the method runs. */
  readonly streams?: true;
  readonly input?: (
    http: HttpInput,
  ) => D["methodKind"] extends "unary" | "server_streaming" ? InitOf<D> : AsyncIterable<InitOf<D>>;
  readonly output?: (output: MethodOutput<D>, http: HttpInput) => HttpOutput | Promise<HttpOutput>;
  /** Answers a failure in the method's own form; undefined: the common form. */
  readonly failure?: (error: unknown, http: HttpInput) => HttpOutput | undefined;
}

/** One method of the API, for both wires. */
export interface Method<D extends DescMethod = DescMethod> {
  /** gRPC methods that run this one; the first gives the message types. */
  readonly rpcs: readonly [D, ...DescMethod[]];
  /** API group for allow and deny lists; its version is read from the path or the rpc's name. */
  readonly group: string;
  readonly http: readonly HttpShape<D>[];
  readonly run: (input: MethodInput<D>, request: Request) => Promise<MethodOutput<D>>;
}

/** A method whose message types are forgotten, for tables. */
export type AnyMethod = Omit<Method, "http" | "run"> & {
  readonly http: readonly AnyHttpShape[];
  // Every method takes its own message type; the wires only ever hand it what its own codec made.
  readonly run: (input: never, request: Request) => Promise<unknown>;
};
export type AnyHttpShape = Omit<HttpShape<DescMethod>, "input" | "output"> & {
  readonly input?: (http: HttpInput) => unknown;
  readonly output?: (output: never, http: HttpInput) => HttpOutput | Promise<HttpOutput>;
};

/** Defines a method: its rpc (with older names of it), its API group, its HTTP shapes and what it does. */
export function method<D extends DescMethod>(
  rpc: D | readonly [D, ...DescMethod[]],
  group: string,
  http: HttpShape<D> | readonly HttpShape<D>[] | undefined,
  run: Method<D>["run"],
): AnyMethod {
  const rpcs = Array.isArray(rpc) ? (rpc as [D, ...DescMethod[]]) : ([rpc] as [D]);
  const shapes = http === undefined ? [] : Array.isArray(http) ? http : [http];
  return { rpcs, group, http: shapes, run } as unknown as AnyMethod;
}

/** An endpoint that exists over HTTP only: health, and requests whose answer comes by another way. */
export interface Route {
  readonly verbs: readonly Verb[];
  readonly paths: readonly string[];
  readonly group: string;
  /** Answers without an API token, on the public port too. */
  readonly open?: true;
  /** Also served by the public port. */
  readonly public?: true;
  readonly run: (http: HttpInput, request: Request) => Promise<HttpOutput>;
}

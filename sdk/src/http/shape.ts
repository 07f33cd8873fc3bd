import type { DescMethod, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { toText } from "../byte-stream.ts";
import type { UnaryRpc } from "../transport.ts";
import type { HttpSend } from "./connection.ts";

/** An answer that has been read. */
export interface HttpReply {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Uint8Array;
}

/** How a method looks over HTTP. */
export interface HttpShape<D extends DescMethod> {
  /** Several requests, sent at the same time, must all succeed; the method then has no answer. */
  request(message: MessageShape<D["input"]>): HttpSend | readonly HttpSend[];
  /** Default: protojson; an empty body is the empty message. */
  answer?(reply: HttpReply): MessageInitShape<D["output"]>;
  /** Statuses of 300 and more that `answer` reads; the others are errors. */
  readonly alsoReads?: readonly number[];
}

/** A shape whose message types are forgotten. */
export type AnyHttpShape = HttpShape<DescMethod>;

/** One line of the table. */
export type ShapeRow = readonly [rpc: DescMethod, shape: AnyHttpShape];

/** Writes a line of the table. */
export function shape<D extends UnaryRpc>(rpc: D, httpShape: HttpShape<D>): ShapeRow {
  // The table hands a shape only messages of the method that it stands beside.
  return [rpc, httpShape as unknown as AnyHttpShape];
}

/** One part of a path. A part of dots only would be taken for a step in the tree. */
export const segment = (text: string): string =>
  /^\.{1,2}$/.test(text) ? text.replaceAll(".", "%2E") : encodeURIComponent(text);

/** Metadata of a request, as the query carries it. */
export const metadataQuery = (metadata: Readonly<Record<string, string>>): [string, string][] =>
  Object.entries(metadata).map(([key, value]) => [`metadata.${key}`, value]);

/** Metadata of an answer, as its headers carry it. */
export function metadataOf({ headers }: HttpReply): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, value] of headers) if (/^metadata\./i.test(name)) found[name.slice("metadata.".length)] = value;
  return found;
}

/** Value of a header; names in any case. */
export function headerOf({ headers }: Pick<HttpReply, "headers">, name: string): string | undefined {
  return headers.find(([key]) => key.toLowerCase() === name)?.[1];
}

/** The body as JSON; undefined when it is empty. Throws a SyntaxError. */
export function jsonOf({ body }: HttpReply): unknown {
  return body.byteLength === 0 ? undefined : JSON.parse(toText(body));
}

/** A request with a JSON body. */
export function jsonSend(verb: string, path: string, body: string, more?: Partial<HttpSend>): HttpSend {
  const { headers, ...rest } = more ?? {};
  return { verb, path, body, headers: { "content-type": "application/json", ...headers }, ...rest };
}

/** JSON text of an object whose values are JSON texts already; undefined ones are left out. */
export function rawObject(fields: Readonly<Record<string, string | undefined>>): string {
  const parts = Object.entries(fields).flatMap(([key, json]) =>
    json === undefined ? [] : [`${JSON.stringify(key)}:${json}`],
  );
  return `{${parts.join(",")}}`;
}

/** JSON text of a list of JSON texts. */
export const rawArray = (items: readonly string[]): string => `[${items.join(",")}]`;

/** JSON text of a map, or nothing when it is empty. */
export const rawMap = (map: Readonly<Record<string, string>>): string | undefined =>
  Object.keys(map).length === 0 ? undefined : JSON.stringify(map);

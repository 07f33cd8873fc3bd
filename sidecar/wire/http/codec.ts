import { create, type DescMessage, fromJson, type JsonObject, type MessageInitShape, toJson } from "@bufbuild/protobuf";
import { fail } from "../../../specs/errors.ts";
import { decodeText, isRecord } from "../../kernel/json.ts";
import type { AnyHttpShape, AnyMethod, HttpInput, HttpOutput } from "../../kernel/method.ts";
import { wellKnown } from "../../kernel/well-known.ts";

/** The message of a call: by the shape's own codec, else from body, path and query by protojson. */
export function decodeInput(method: AnyMethod, shape: AnyHttpShape, http: HttpInput): unknown {
  const rpc = method.rpcs[0];
  if (!shape.input) return defaultInput(rpc.input, http);
  const init = shape.input(http);
  if (rpc.methodKind !== "unary" && rpc.methodKind !== "server_streaming")
    return createAll(rpc.input, init as AsyncIterable<object>);
  return create(rpc.input, init as MessageInitShape<DescMessage>);
}

async function* createAll(schema: DescMessage, inits: AsyncIterable<object>): AsyncIterable<unknown> {
  for await (const init of inits) yield create(schema, init as MessageInitShape<DescMessage>);
}

/** The answer of a call: by the shape's own codec, else protojson; an empty message answers 204. */
export function encodeOutput(
  method: AnyMethod,
  shape: AnyHttpShape,
  output: unknown,
  http: HttpInput,
): HttpOutput | Promise<HttpOutput> {
  // The shape was defined together with the method that made this output.
  if (shape.output) return shape.output(output as never, http);
  if (shape.status === 204) return { status: 204 };
  const schema = method.rpcs[0].output;
  const json = toJson(schema, create(schema, output as MessageInitShape<DescMessage>), {
    registry: wellKnown,
  }) as JsonObject;
  if (shape.status === undefined && Object.keys(json).length === 0) return { status: 204 };
  return { status: shape.status ?? 200, body: JSON.stringify(json) };
}

function defaultInput(schema: DescMessage, http: HttpInput): unknown {
  const json = parseBody(http);
  for (const [name, value] of Object.entries(http.params)) {
    const field = schema.field[name] ?? schema.fields.find((f) => f.jsonName === name);
    if (field) {
      delete json[field.name];
      json[field.jsonName] = value;
    }
  }
  const { metadata } = http;
  if (Object.keys(metadata).length > 0 && schema.fields.some((f) => f.jsonName === "metadata")) {
    json["metadata"] = { ...(isRecord(json["metadata"]) ? json["metadata"] : {}), ...metadata } as JsonObject;
  }
  try {
    return fromJson(schema, json, { ignoreUnknownFields: true, registry: wellKnown });
  } catch (error) {
    throw fail("malformedRequest", { why: inOurWords((error as Error).message) }, { cause: error });
  }
}

/** What protojson says is wrong, with the field as a caller writes it and without names of messages. */
function inOurWords(message: string): string {
  return message
    .replace(/^cannot decode (?:field|oneof) \S*?([^.\s]+) from JSON:? /, (_, field: string) => `${toCamel(field)}: `)
    .replace(/^cannot decode message \S+ from JSON:? /, "a value has the wrong form: ")
    .replace(/maximum recursion depth of (\d+) reached/, "it is nested deeper than $1 levels");
}

const toCamel = (name: string): string => name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());

function parseBody(http: HttpInput): JsonObject {
  if (http.body.length === 0) return {};
  const text = decodeText(http.body, "the body");
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw fail("malformedRequest", { why: `the body is not JSON: ${(error as Error).message}` }, { cause: error });
  }
  if (!isRecord(json)) throw fail("malformedRequest", { why: "the body must be a JSON object" });
  return json as JsonObject;
}

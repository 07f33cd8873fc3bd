import type { BindingAnswer } from "../../../components/contract/bindings.ts";
import { causeText, fail, MechaError } from "../../../specs/errors.ts";
import { Dapr } from "../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import type { Components } from "../../kernel/components.ts";
import { decodeText, isRecord, parseJson } from "../../kernel/json.ts";
import { type AnyMethod, type HttpInput, method } from "../../kernel/method.ts";
import type { Request } from "../../kernel/request.ts";

/** The output side: the app calls the outside. */
export function bindingMethods(components: Components): readonly AnyMethod[] {
  return [
    method(
      Dapr.method.invokeBinding,
      "bindings",
      {
        verbs: ["POST", "PUT"],
        paths: ["/v1.0/bindings/:name"],
        input: parseInvocation,
        output: ({ data }) => (data?.length ? { status: 200, body: data } : { status: 204 }),
      },
      async (input, request) => {
        const { name, operation } = input;
        try {
          const answer = await invokeBinding(
            components,
            name,
            operation,
            input.data,
            withContext(input.metadata, request),
            request,
          );
          for (const [key, value] of Object.entries(answer?.metadata ?? {})) request.reply(`metadata.${key}`, value);
          return { data: answer?.data ?? new Uint8Array(0), metadata: { ...answer?.metadata } };
        } catch (error) {
          if (error instanceof MechaError && error.reason === "malformedRequest") throw error;
          // A failure may carry what the outside answered, such as an HTTP status.
          if (error instanceof MechaError && error.reason === "bindingFailed") {
            const { metadata } = (error.params["answer"] ?? {}) as BindingAnswer;
            for (const [key, value] of Object.entries(metadata ?? {})) request.reply(`metadata.${key}`, value);
            throw error;
          }
          throw fail("bindingFailed", { name, cause: causeText(error) }, { cause: error });
        }
      },
    ),
  ];
}

async function invokeBinding(
  components: Components,
  name: string,
  operation: string,
  data: Uint8Array,
  metadata: Readonly<Record<string, string>>,
  request: Request,
) {
  const binding = components.find("bindings", name)?.opened;
  if (!binding?.invoke) {
    const known = components
      .all("bindings")
      .filter(({ opened }) => opened.invoke)
      .map((one) => one.name);
    throw new Error(`couldn't find output binding ${name}; configured: ${known.join(", ") || "none"}`);
  }
  const offered = binding.operations ?? [];
  if (operation === "") throw new Error(`field operation is required; ${name} offers ${offered.join(", ")}`);
  if (!offered.includes(operation))
    throw new Error(`operation ${operation} is not offered by ${name}; it offers ${offered.join(", ")}`);
  return binding.invoke({ operation, data, metadata }, request);
}

function parseInvocation(http: HttpInput) {
  const json = parseJson(decodeText(http.body, "the body"), "the body");
  if (!isRecord(json))
    throw fail("malformedRequest", { why: "the body must be an object with operation, data and metadata" });
  const { operation, data, metadata } = json;
  if (operation !== undefined && typeof operation !== "string")
    throw fail("malformedRequest", { why: "operation must be a text" });
  return {
    name: http.params["name"] ?? "",
    operation: operation ?? "",
    data: data === undefined ? new Uint8Array(0) : Buffer.from(JSON.stringify(data)),
    metadata: texts(metadata),
  };
}

function texts(metadata: unknown): Record<string, string> {
  if (metadata === undefined || metadata === null) return {};
  if (!isRecord(metadata)) throw fail("malformedRequest", { why: "metadata must be an object of texts" });
  return Object.fromEntries(
    Object.entries(metadata).map(([key, value]) => {
      if (typeof value === "object") throw fail("malformedRequest", { why: `metadata.${key} must be a text` });
      return [key, String(value)];
    }),
  );
}

/** Names that belong to the transport and say nothing to a binding. */
const transport = /^(grpc-|:|te$|user-agent$|content-type$|content-length$|host$|connection$|dapr-api-token$|accept)/;

/** Trace context, baggage and, over gRPC, the caller's own metadata go to the binding unless it was given them. */
function withContext(metadata: Readonly<Record<string, string>>, request: Request): Record<string, string> {
  const merged: Record<string, string> = { ...metadata };
  const names =
    request.wire === "grpc"
      ? Object.keys(request.headers).filter((name) => !transport.test(name))
      : ["traceparent", "tracestate", "baggage"];
  for (const name of names) {
    const value = request.header(name);
    if (value !== undefined && !(name in merged)) merged[name] = value;
  }
  return merged;
}

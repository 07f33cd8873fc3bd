import type { BindingAnswer } from "../../../components/contract/bindings.ts";
import { causeText, fail, MechaError } from "../../../specs/errors.ts";
import { Dapr } from "../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import type { Components } from "../../kernel/components.ts";
import { metadataName } from "../../kernel/headers.ts";
import { decodeText, isRecord, parseJson } from "../../kernel/json.ts";
import { type AnyMethod, type HttpInput, method } from "../../kernel/method.ts";
import { isTraceparent, type Request } from "../../kernel/request.ts";
import { requireOutput } from "./outputs.ts";

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
  const output = requireOutput(components, name);
  const offered = output.operations;
  if (operation === "") throw new Error(`field operation is required; ${name} offers ${offered.join(", ")}`);
  if (!offered.includes(operation))
    throw new Error(`operation ${operation} is not offered by ${name}; it offers ${offered.join(", ")}`);
  return output.invoke({ operation, data, metadata }, request);
}

/** `{operation, data, metadata}`; field names in any case. */
function parseInvocation(http: HttpInput) {
  const json = parseJson(decodeText(http.body, "the body"), "the body");
  if (!isRecord(json))
    throw fail("malformedRequest", { why: "the body must be an object with operation, data and metadata" });
  const { operation, data, metadata } = Object.fromEntries(
    Object.entries(json).map(([name, value]) => [name.toLowerCase(), value]),
  );
  const named = operation ?? "";
  if (typeof named !== "string") throw fail("malformedRequest", { why: "operation must be a text" });
  return {
    name: http.params["name"] ?? "",
    operation: named,
    data: data === undefined ? new Uint8Array(0) : Buffer.from(JSON.stringify(data)),
    metadata: texts(metadata),
  };
}

function texts(metadata: unknown): Record<string, string> {
  if (metadata === undefined || metadata === null) return {};
  if (!isRecord(metadata)) throw fail("malformedRequest", { why: "metadata must be an object of texts" });
  const given = Object.entries(metadata).filter(([, value]) => value !== null);
  return Object.fromEntries(
    given.map(([key, value]) => {
      if (typeof value === "object") throw fail("malformedRequest", { why: `metadata.${key} must be a text` });
      return [key, String(value)];
    }),
  );
}

/** Names that say nothing to a binding, or that it must not see. */
const withheld = /^(grpc-|:|te$|dapr-api-token$|traceparent$|tracestate$|baggage$)/;

/** Trace context, baggage and, over gRPC, the caller's own metadata go to the binding unless it was given them. */
function withContext(metadata: Readonly<Record<string, string>>, request: Request): Record<string, string> {
  const context: Record<string, string> = {};
  if (request.wire === "grpc") {
    for (const name of Object.keys(request.headers)) {
      if (!withheld.test(name)) context[metadataName(name)] = request.header(name) ?? "";
    }
  }
  const { traceparent, tracestate } = request.trace;
  // A trace that nobody began and nobody records is of no use to the other side.
  if (isTraceparent(request.header("traceparent")) || traceparent.endsWith("-01")) {
    context["traceparent"] = traceparent;
    if (tracestate !== undefined) context["tracestate"] = tracestate;
  }
  const baggage = request.header("baggage");
  if (baggage !== undefined) context["baggage"] = checkedBaggage(baggage);
  return { ...context, ...metadata };
}

const baggageMember = /^\s*[\w!#$%&'*+.^`|~-]+\s*=\s*[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*\s*(;.*)?$/;
const longestBaggage = 8192;

/** W3C Baggage: `key=value;property, key=value`. Throws `malformedRequest`. */
function checkedBaggage(text: string): string {
  if (text.length > longestBaggage || !text.split(",").every((member) => baggageMember.test(member))) {
    throw fail("malformedRequest", {
      why: `the header baggage must be a list of key=value, at most ${longestBaggage} bytes`,
    });
  }
  return text;
}

import { Type } from "typebox";
import { causeText, fail } from "../../specs/errors.ts";
import { type BindingRequest, defineBinding } from "../contract/bindings.ts";
import type { Call } from "../contract/driver.ts";
import { HttpClient } from "../contract/http-client.ts";
import { connectionFix } from "../contract/http-failures.ts";
import { requiredText } from "../contract/settings.ts";

const operations = ["query", "mutation"] as const;
type Operation = (typeof operations)[number];

const headerPrefix = "header:";
const variablePrefix = "variable:";
const maxBytes = 64 * 2 ** 20;
/** Where no policy sets a shorter one. */
const timeoutMs = 60_000;

export default defineBinding({
  type: "bindings.graphql",
  status: "beta",
  summary: "Asks a GraphQL server. Settings and request metadata named `header:<name>` become headers of the request.",
  metadata: Type.Object(
    {
      endpoint: requiredText({ description: "URL of the server.", example: "https://api.example.com/graphql" }),
    },
    // Headers have names of their own.
    { additionalProperties: Type.String() },
  ),
  capabilities: ["output"],
  async open(settings, { name, clock }) {
    const url = endpointOf(settings.endpoint);
    const headers = headersOf(settings);
    const http = new HttpClient({ clock, timeoutMs, maxBytes });
    return {
      operations,
      async invoke(request, call) {
        const text = textOf(name, request);
        const body = JSON.stringify({ query: text, variables: variablesOf(request) });
        const own = prefixed(request.metadata, headerPrefix);
        const answer = await ask(http, url, { ...headers, ...lowerCased(own) }, body, name, call);
        return { data: answer, metadata: { operation: request.operation } };
      },
      close: async () => http.close(),
    };
  },
});

function endpointOf(text: string): URL {
  const url = URL.parse(text);
  if (url && (url.protocol === "http:" || url.protocol === "https:")) return url;
  const why = `endpoint: ${JSON.stringify(text)} is no URL of http or https; write it as https://api.example.com/graphql`;
  throw fail("openFailed", { why });
}

function headersOf(settings: Readonly<Record<string, unknown>>): Record<string, string> {
  const known = ["endpoint", "direction", "route"];
  const given: Record<string, string> = {};
  for (const [key, value] of Object.entries(settings)) {
    if (key.toLowerCase().startsWith(headerPrefix)) given[key.slice(headerPrefix.length)] = String(value);
    else if (!known.includes(key.toLowerCase())) {
      const why = `metadata ${key}: unknown setting; there are endpoint and ${headerPrefix}<name>`;
      throw fail("openFailed", { why });
    }
  }
  return lowerCased(given);
}

/** Pairs whose key begins with the prefix, without it. */
function prefixed(pairs: Readonly<Record<string, string>>, prefix: string): Record<string, string> {
  const found = Object.entries(pairs).filter(([key]) => key.toLowerCase().startsWith(prefix));
  return Object.fromEntries(found.map(([key, value]) => [key.slice(prefix.length), value]));
}

const lowerCased = (pairs: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(pairs).map(([key, value]) => [key.toLowerCase(), value]));

/** The text of the operation, from the metadata key of its name. */
function textOf(name: string, { operation, metadata }: BindingRequest): string {
  if (!(operations as readonly string[]).includes(operation)) {
    const cause = `operation ${operation} is not one of ${operations.join(", ")}`;
    throw fail("bindingFailed", { name, cause });
  }
  const text = metadata[operation as Operation];
  if (text) return text;
  throw fail("requestMetadataInvalid", { key: operation, why: `is missing; it is the text of the ${operation}` });
}

/** From `variable:<name>`: JSON values as what they say, everything else as a text. */
function variablesOf({ metadata }: BindingRequest): Record<string, unknown> {
  const texts = Object.entries(prefixed(metadata, variablePrefix));
  return Object.fromEntries(texts.map(([key, text]) => [key, variableOf(text)]));
}

function variableOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** The `data` of the answer. */
async function ask(
  http: HttpClient,
  url: URL,
  headers: Readonly<Record<string, string>>,
  body: string,
  name: string,
  { signal }: Call,
): Promise<Buffer> {
  const failed = (cause: string, error?: unknown) => fail("bindingFailed", { name, cause }, { cause: error });
  const all = { ...headers, "content-type": "application/json", accept: "application/json" };
  let status: number;
  let text: string;
  try {
    const answer = await http.send({ method: "POST", url, headers: all, body }, signal);
    [status, text] = [answer.status, answer.body.toString("utf8")];
  } catch (error) {
    if (signal?.aborted) throw error;
    throw failed(connectionFix(error, url.host, { address: "endpoint" }), error);
  }
  let document: { readonly data?: unknown; readonly errors?: readonly { readonly message?: string }[] };
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw failed(`endpoint: ${url.host} answers ${status}, and no JSON (${causeText(error)})`, error);
  }
  const errors = (document.errors ?? []).map(({ message }) => message ?? "an error without a message");
  if (errors.length > 0) throw failed(errors.join("; "));
  if (status < 200 || status > 299) throw failed(`endpoint: ${url.host} answers ${status}`);
  return Buffer.from(JSON.stringify(document.data ?? null));
}

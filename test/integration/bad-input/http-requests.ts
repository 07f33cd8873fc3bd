import type { HttpAsk } from "../../support/http-call.ts";
import { type Endpoint, endpoints } from "./endpoints.ts";

/** Requests in well-formed HTTP that ask for nonsense, made from a few tables. */
export interface BadRequest {
  readonly name: string;
  readonly ask: HttpAsk;
  /** Statuses it may be refused with. Default: 400. */
  readonly statuses?: readonly number[];
}

const json = ({ verb, path }: Endpoint, body: string | Uint8Array): HttpAsk => ({
  verb,
  path,
  headers: { "content-type": "application/json" },
  body,
});

const deep = (open: string, close: string) => open.repeat(50_000) + close.repeat(50_000);
/** Texts that are no JSON at all. */
const notJson: Readonly<Record<string, string | Uint8Array>> = {
  "an open brace": "{",
  "an open list": '[{"key":',
  "a single quote": "'x'",
  "a bare word": "nonsense",
  "a trailing comma": '{"a":1,}',
  "a name without quotes": "{a:1}",
  "two values": "{}{}",
  "not a number": "NaN",
  "a number in hex": "0x10",
  "a leading zero": "[01]",
  "a control character in a text": '["\u0001"]',
  "a broken escape": '["\\u12"]',
  "a zero byte": "\0",
  "a byte order mark inside": "{\ufeff}",
  "bytes that are not UTF-8": Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]),
  "half of a pair of surrogates in UTF-8": Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]),
  "lists without end": deep("[", "]"),
  "objects without end": deep('{"a":', "}").replace(":}", ":1}"),
  "a text without end": `"${"a".repeat(1000)}`,
};
/** JSON, but not of the kind that any endpoint reads. */
const wrongKind: Readonly<Record<string, string>> = {
  "a text": '"x"',
  "a number": "5",
  null: "null",
  "a truth": "true",
  "a list of lists": "[[[]]]",
};

/** Some refusals are published with another status than 400. */
const alsoAllowed = (endpoint: Endpoint): readonly number[] =>
  /subtlecrypto|converse/.test(endpoint.path) ? [400, 500] : [400];

function broken(good: unknown, at: string | undefined, change: (holder: Record<string, unknown>) => void): string {
  const copy: unknown = structuredClone(good);
  let holder = copy as Record<string, unknown>;
  for (const step of at?.split(".") ?? []) holder = holder[step] as Record<string, unknown>;
  change(holder);
  return JSON.stringify(copy);
}

export const badBodies: readonly BadRequest[] = endpoints
  .filter(({ path }, index, all) => all.findIndex((one) => one.path === path) === index)
  .flatMap((endpoint) =>
    Object.entries({ ...notJson, ...wrongKind }).map(([what, body]) => ({
      name: `${endpoint.path} with ${what}`,
      ask: json(endpoint, body),
    })),
  );

export const badFields: readonly BadRequest[] = endpoints.flatMap((endpoint) => {
  const { path, good, at, wrong = {}, required = [] } = endpoint;
  const ask = (change: (holder: Record<string, unknown>) => void) => json(endpoint, broken(good, at, change));
  const statuses = alsoAllowed(endpoint);
  return [
    ...Object.entries(wrong).flatMap(([field, values]) =>
      values.map((value) => ({
        name: `${path} with ${at ? `${at}.` : ""}${field} ${JSON.stringify(value)}`,
        ask: ask((holder) => Object.assign(holder, { [field]: value })),
        statuses,
      })),
    ),
    ...required.map((field) => ({
      name: `${path} without ${field}`,
      ask: ask((holder) => void delete holder[field]),
      statuses,
    })),
  ];
});

const verbs = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"];
const takes: Readonly<Record<string, readonly string[]>> = {
  "/v1.0/state/store/k": ["GET", "DELETE"],
  "/v1.0/state/store": ["GET", "POST", "PUT"],
  "/v1.0/state/store/transaction": ["GET", "DELETE", "POST", "PUT"],
  "/v1.0/publish/bus/t": ["POST", "PUT"],
  "/v1.0/bindings/files": ["POST", "PUT"],
  "/v1.0/secrets/vault/k": ["GET"],
  "/v1.0/configuration/config": ["GET", "POST", "PUT", "DELETE"],
  "/v1.0-alpha1/lock/locks": ["POST"],
  "/v1.0-alpha1/crypto/keys/encrypt": ["PUT"],
  "/v1.0/metadata": ["GET"],
  "/v1.0/healthz": ["GET"],
  "/v1.0/shutdown": ["POST"],
};
/** A path with a verb that it does not take is no path of the API. */
export const wrongVerbs: readonly BadRequest[] = Object.entries(takes).flatMap(([path, taken]) =>
  verbs
    .filter((verb) => !taken.includes(verb))
    .map((verb) => ({ name: `${verb} ${path}`, ask: { verb, path }, statuses: [404] })),
);

const places = [
  "/v1.0/state/X/k",
  "/v1.0/state/store/X",
  "/v1.0/secrets/vault/X",
  "/v1.0/publish/bus/X",
  "/v1.0/configuration/X",
  "/v1.0/invoke/X/method/m",
];
const encodings = ["%", "%4", "%zz", "%u0041", "a%", "%C3", "%C3%28", "%E0%A4%A", "%ED%A0%80", "%FF"];
/** Percent signs that mean nothing. */
export const badEncodings: readonly BadRequest[] = places.flatMap((place) =>
  encodings.map((text) => ({
    name: place.replace("X", text),
    ask: { verb: place.includes("publish") ? "POST" : "GET", path: place.replace("X", text) },
    statuses: [400],
  })),
);

const many = (count: number, of: (i: number) => string) => Array.from({ length: count }, (_, i) => of(i)).join("");
/** What is left: paths, queries and headers. */
export const oddities: readonly BadRequest[] = [
  { name: "a key with the separator in the path", ask: { path: "/v1.0/state/store/a%7C%7Cb" } },
  { name: "a consistency that is none", ask: { path: "/v1.0/state/store/k?consistency=maybe" } },
  { name: "a consistency given empty of sense", ask: { path: "/v1.0/state/store/k?consistency=%00" } },
  { name: "a limit that is no number", ask: { path: "/v1.0/state/store?limit=many" } },
  { name: "a limit below one", ask: { path: "/v1.0/state/store?limit=-1" } },
  { name: "half a limit", ask: { path: "/v1.0/state/store?limit=1.5" } },
  { name: "a limit without end", ask: { path: `/v1.0/state/store?limit=${"9".repeat(400)}` } },
  { name: "a store that is not there", ask: { path: `/v1.0/state/${"s".repeat(3000)}/k` } },
  { name: "an app id with too many dots", ask: { path: "/v1.0/invoke/a.b.c/method/m" }, statuses: [400, 500] },
  { name: "a method with a control byte", ask: { path: "/v1.0/invoke/app/method/a%01b" }, statuses: [400] },
  { name: "a method with a fragment", ask: { path: "/v1.0/invoke/app/method/a%23b" }, statuses: [400] },
  { name: "an invocation without method", ask: { path: "/v1.0/invoke/app" }, statuses: [404] },
  { name: "an invocation of nobody", ask: { path: "/v1.0/invoke//method/m" }, statuses: [400, 404] },
  {
    name: "an app in basic authorization that is none",
    ask: { path: "/x", headers: { authorization: "Basic %%%" } },
    statuses: [404],
  },
  {
    name: "raw payload that is neither true nor false",
    ask: { verb: "POST", path: "/v1.0/publish/bus/t?metadata.rawPayload=maybe", body: "x" },
  },
  {
    name: "an event that lives half a second",
    ask: { verb: "POST", path: "/v1.0/publish/bus/t?metadata.ttlInSeconds=0.5", body: "x" },
  },
  {
    name: "a CloudEvent that is none",
    ask: {
      verb: "POST",
      path: "/v1.0/publish/bus/t",
      headers: { "content-type": "application/cloudevents+json" },
      body: "[]",
    },
    statuses: [400, 500],
  },
  { name: "no topic", ask: { verb: "POST", path: "/v1.0/publish/bus/", body: "x" }, statuses: [404] },
  { name: "encryption without a key", ask: { verb: "PUT", path: "/v1.0-alpha1/crypto/keys/encrypt", body: "x" } },
  {
    name: "encryption by an unknown algorithm",
    ask: {
      verb: "PUT",
      path: "/v1.0-alpha1/crypto/keys/encrypt",
      headers: { "dapr-key-name": "aes", "dapr-key-wrap-algorithm": "ROT13" },
      body: "x",
    },
    statuses: [400, 500],
  },
  {
    name: "decryption of nothing",
    ask: { verb: "PUT", path: "/v1.0-alpha1/crypto/keys/decrypt" },
    statuses: [400, 500],
  },
  {
    name: "decryption of noise",
    ask: { verb: "PUT", path: "/v1.0-alpha1/crypto/keys/decrypt", body: "x".repeat(5000) },
    statuses: [400, 500],
  },
  {
    name: "decryption of half a header",
    ask: { verb: "PUT", path: "/v1.0-alpha1/crypto/keys/decrypt", body: "dapr.io/enc/v1\n{}" },
    statuses: [400, 500],
  },
  { name: "metadata that is not text", ask: { verb: "PUT", path: "/v1.0/metadata/a", body: Buffer.from([0xff]) } },
  { name: "a body over the limit", ask: { verb: "POST", path: "/v1.0/state/store", body: Buffer.alloc(70_000, " ") } },
  {
    name: "a list of items over the limit",
    ask: { verb: "POST", path: "/v1.0/state/store", body: `[${many(5000, (i) => `{"key":"k${i}"},`)}]` },
  },
  {
    name: "baggage that is none",
    ask: { verb: "POST", path: "/v1.0/bindings/files", headers: { baggage: ",,," }, body: '{"operation":"list"}' },
  },
];

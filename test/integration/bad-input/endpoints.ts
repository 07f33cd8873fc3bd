/** What the HTTP API reads as JSON, and the values that its fields must not have. */
export interface Endpoint {
  readonly verb: string;
  readonly path: string;
  /** A body that is taken; its fields are then broken one by one. */
  readonly good: unknown;
  /** Where the fields stand, as in `0.options`. Default: the body itself. */
  readonly at?: string;
  /** Values that each field must not have. */
  readonly wrong?: Readonly<Record<string, readonly unknown[]>>;
  /** Fields without which it is refused. */
  readonly required?: readonly string[];
}

const notText = [5, true, [], {}];
const notNumber = ["x", true, [], {}, 1.5, 1e30];
const notList = [5, "x", true, {}];
const notObject = [5, "x", true, []];
const notBytes = [5, true, [], {}, "%%%"];
const lock = { resourceId: "r", lockOwner: "o", expiryInSeconds: 5 };
const lockFields = { resourceId: notText, lockOwner: notText, expiryInSeconds: [...notNumber, 0, -1, 2 ** 31] };
const subtle = (operation: string, good: object, wrong: Endpoint["wrong"]): Endpoint => ({
  verb: "POST",
  path: `/v1.0-alpha1/subtlecrypto/keys/${operation}`,
  good: { keyName: "aes", algorithm: "A256GCM", ...good },
  ...(wrong && { wrong: { keyName: notText, algorithm: [...notText, "ROT13"], ...wrong } }),
});

/** Every endpoint that reads JSON. */
export const endpoints: readonly Endpoint[] = [
  {
    verb: "POST",
    path: "/v1.0/state/store",
    good: [{ key: "k", value: 1 }],
    at: "0",
    wrong: { key: [...notText, "", "a||b"], etag: notText, metadata: notObject, options: notObject },
    required: ["key"],
  },
  {
    verb: "POST",
    path: "/v1.0/state/store",
    good: [{ key: "k", options: {} }],
    at: "0.options",
    wrong: { concurrency: [5, "never", {}], consistency: [5, "weak", []] },
  },
  {
    verb: "POST",
    path: "/v1.0/state/store",
    good: [{ key: "k", metadata: {} }],
    at: "0.metadata",
    wrong: { ttlInSeconds: ["soon", "1.5", {}, []], other: [{}, []] },
  },
  {
    verb: "POST",
    path: "/v1.0/state/store/bulk",
    good: { keys: ["k"] },
    wrong: { keys: [...notList, [5], [{}], ["a||b"], [""]], parallelism: notNumber, metadata: notObject },
  },
  {
    verb: "POST",
    path: "/v1.0/state/store/transaction",
    good: { operations: [] },
    wrong: {
      operations: [
        ...notList,
        [5],
        [{}],
        [[]],
        [{ operation: "upsert" }],
        [{ operation: "fly", request: { key: "k" } }],
      ],
      metadata: notObject,
    },
  },
  {
    verb: "POST",
    path: "/v1.0/state/store/transaction",
    good: { operations: [{ operation: "upsert", request: { key: "k" } }] },
    at: "operations.0",
    wrong: {
      operation: [...notText, "", "UPSERT"],
      request: [...notObject, null, { key: 5 }, { key: "" }, { key: "a||b" }],
    },
    required: ["operation", "request"],
  },
  {
    verb: "POST",
    path: "/v1.0-alpha1/state/store/query",
    good: {},
    wrong: {
      filter: [5, "x", [], { EQ: 5 }, { LIKE: {} }, { AND: {} }, { IN: { a: 1 } }, { EQ: { a: 1, b: 2 } }],
      sort: [...notList, [5], [{}], [{ key: 5 }], [{ key: "a", order: "up" }]],
      page: [...notObject, { limit: -1 }, { limit: "x" }, { token: 5 }],
    },
  },
  {
    verb: "POST",
    path: "/v1.0/publish/bulk/bus/t",
    good: [{ entryId: "1", event: 1, contentType: "application/json" }],
    at: "0",
    wrong: {
      entryId: [...notText, ""],
      contentType: [...notText, "", "image/png", "text/plain", "application/octet-stream"],
      metadata: [...notObject, { a: {} }],
    },
    required: ["entryId", "event", "contentType"],
  },
  { verb: "POST", path: "/v1.0-alpha1/lock/locks", good: lock, wrong: lockFields, required: Object.keys(lock) },
  {
    verb: "POST",
    path: "/v1.0-alpha1/unlock/locks",
    good: { resourceId: "r", lockOwner: "o" },
    wrong: { resourceId: notText, lockOwner: notText },
    required: ["resourceId", "lockOwner"],
  },
  {
    verb: "POST",
    path: "/v1.0-alpha1/lock/locks/acquire",
    good: lock,
    wrong: { ...lockFields, waitInSeconds: [...notNumber, -1] },
    required: Object.keys(lock),
  },
  { verb: "POST", path: "/v1.0-alpha1/lock/locks/renew", good: lock, wrong: lockFields, required: Object.keys(lock) },
  subtle(
    "encrypt",
    { plaintext: "aGk=", nonce: "AAAAAAAAAAAAAAAA" },
    { plaintext: notBytes, nonce: [...notBytes, "AA=="] },
  ),
  subtle(
    "decrypt",
    { ciphertext: "aGk=", tag: "aGk=", nonce: "aGk=" },
    { ciphertext: notBytes, tag: notBytes, nonce: notBytes },
  ),
  subtle("wrapkey", { plaintextKey: "aGk=" }, { plaintextKey: notBytes }),
  subtle("unwrapkey", { wrappedKey: "aGk=" }, { wrappedKey: notBytes }),
  subtle("sign", { digest: "aGk=" }, { digest: notBytes }),
  subtle("verify", { digest: "aGk=", signature: "aGk=" }, { digest: notBytes, signature: notBytes }),
  {
    verb: "POST",
    path: "/v1.0-alpha1/subtlecrypto/keys/getkey",
    good: { name: "rsa" },
    wrong: { name: notText, format: [true, [], {}] },
  },
  {
    verb: "POST",
    path: "/v1.0-alpha1/conversation/echo/converse",
    good: { inputs: [{ content: "a" }] },
    wrong: {
      inputs: [...notList, [], [5], [{ content: 5 }], [{ content: "a", role: "king" }]],
      temperature: ["hot", true, [], {}],
      parameters: [...notObject, { a: 1 }],
      metadata: notObject,
      contextID: notText,
      scrubPII: [5, "x", [], {}],
    },
    required: ["inputs"],
  },
  {
    verb: "POST",
    path: "/v1.0-alpha2/conversation/echo/converse",
    good: { inputs: [{ messages: [{ ofUser: { content: [{ text: "a" }] } }] }] },
    wrong: {
      inputs: [
        ...notList,
        [],
        [5],
        [{ messages: 5 }],
        [{ messages: [{ ofKing: {} }] }],
        [{ messages: [{ ofUser: {}, ofTool: {} }] }],
      ],
      tools: [...notList, [5], [{}], [{ function: {} }]],
      toolChoice: [...notText, "magic"],
      responseFormat: notObject,
      promptCacheRetention: [5, "x", "1", {}, []],
    },
    required: ["inputs"],
  },
  {
    verb: "POST",
    path: "/v1.0/bindings/files",
    good: { operation: "list" },
    wrong: { operation: notText, metadata: [...notObject, { a: {} }, { a: [] }] },
  },
  {
    verb: "POST",
    path: "/v1.0/jobs/j",
    good: { schedule: "@daily" },
    wrong: { schedule: notText, dueTime: notText, name: ["j"] },
    required: ["schedule"],
  },
];

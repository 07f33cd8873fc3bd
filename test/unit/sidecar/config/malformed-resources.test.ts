import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { formatProblem } from "../../../../sidecar/config/problems.ts";
import { loadResources, type ResourceOptions } from "../../../../sidecar/config/resources.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

const options: ResourceOptions = { appId: "shop", env: {}, deniedComponents: [], configPaths: [], strict: false };

async function load(files: Readonly<Record<string, string>>, changed: Partial<ResourceOptions> = {}) {
  const folder = tempFolder(files);
  const loaded = await loadResources([folder], { ...options, ...changed });
  const said = loaded.problems.map((problem) => formatProblem(problem).replaceAll(join(folder, "/"), ""));
  return { ...loaded, said };
}

const component = (...lines: string[]) =>
  ["apiVersion: dapr.io/v1alpha1", "kind: Component", "metadata:", "  name: store", ...lines].join("\n");
const subscription = (...lines: string[]) =>
  ["apiVersion: dapr.io/v2alpha1", "kind: Subscription", "metadata: {name: s}", "spec:", ...lines].join("\n");
const resiliency = (...lines: string[]) =>
  ["apiVersion: dapr.io/v1alpha1", "kind: Resiliency", "metadata: {name: r}", "spec:", ...lines].join("\n");
const endpoint = (...lines: string[]) =>
  ["apiVersion: dapr.io/v1alpha1", "kind: HTTPEndpoint", "metadata: {name: e}", "spec:", ...lines].join("\n");

/** What is written, and the problem: file, line, key, fix. The resource is left out. */
const skipped: readonly (readonly [what: string, text: string, says: string])[] = [
  ["an open quote", component("spec:", '  type: "state.redis'), "a.yaml:6:21: invalid YAML: missing closing"],
  ["an open quote", component("spec:", '  type: "state.redis'), "; close the quote"],
  ["a tab", component("spec:", "\ttype: state.redis"), "; indent with spaces"],
  ["wrong indentation", component("spec:", "  type: state.redis", " version: v1"), "a.yaml:7"],
  ["a colon in a plain value", component("spec:", "  type: state: redis"), 'put a value that holds ": " in quotes'],
  ["an open bracket", component("scopes: [a, b"), "close the bracket or put the value in quotes"],
  ["a plain value that begins with @", component("spec:", "  type: @redis"), "; put the value in quotes"],
  ["a wrong escape", component("spec:", '  type: "state\\redis\\q"'), "use single quotes, or write a backslash twice"],
  [
    "an alias that leads nowhere",
    component("spec:", "  type: *type"),
    "a.yaml:6: spec.type: refers to an anchor that does not exist; put the value in quotes",
  ],
  ["a text instead of a document", "just words", "a.yaml:1: kind: is missing, so this is not a resource"],
  ["a list instead of a document", "- a\n- b", 'add "kind: Component" or another kind'],
  ["no kind", "apiVersion: dapr.io/v1alpha1\nmetadata: {name: x}", 'a.yaml:1: kind: is missing; add "kind: Component"'],
  [
    "a misspelt key of kind",
    "apiVersion: dapr.io/v1alpha1\nknid: Component",
    'kind: is missing; "knid" should be "kind"',
  ],
  [
    "a misspelt kind",
    "apiVersion: dapr.io/v1alpha1\nkind: Componnet",
    'a.yaml:2: kind: unknown kind "Componnet"; did you mean "Component"?',
  ],
  ["a kind in lower case", "apiVersion: dapr.io/v1alpha1\nkind: resiliency", 'did you mean "Resiliency"?'],
  [
    "an unknown kind",
    "apiVersion: dapr.io/v1alpha1\nkind: Gadget",
    "known kinds: Component, Configuration, HTTPEndpoint",
  ],
  ["no apiVersion", "kind: Component", 'a.yaml:1: apiVersion: is missing; add "apiVersion: dapr.io/v1alpha1"'],
  [
    "a version that does not exist",
    "apiVersion: dapr.io/v1\nkind: Component",
    'a.yaml:1: apiVersion: "dapr.io/v1" has no Component; write "apiVersion: dapr.io/v1alpha1"',
  ],
  [
    "a version of another kind",
    "apiVersion: dapr.io/v2alpha1\nkind: Component",
    'write "apiVersion: dapr.io/v1alpha1"',
  ],
  ["a misspelt group", "apiVersion: darp.io/v1alpha1\nkind: Component", '"darp.io/v1alpha1" has no Component'],
  [
    "no metadata",
    "apiVersion: dapr.io/v1alpha1\nkind: Component\nspec: {type: state.redis}",
    "metadata: is missing; add it: identity of the resource",
  ],
  [
    "no name",
    "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {}\nspec: {type: a}",
    "a.yaml:3: metadata.name: is missing; add it",
  ],
  [
    "a misspelt name",
    "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {nmae: x}\nspec: {type: a}",
    'metadata.name: is missing; "nmae" should be "name"',
  ],
  [
    "an empty name",
    'apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: ""}\nspec: {type: a}',
    "a.yaml:3: metadata.name: is empty; fill it in",
  ],
  ["no spec", component(), "spec: is missing"],
  ["an empty spec", component("spec:"), "a.yaml:5: spec: is empty"],
  [
    "no type",
    component("spec:", "  version: v1"),
    "spec.type: is missing; add it: category and name of the driver, for example state.redis",
  ],
  ["a misspelt type", component("spec:", "  tpye: state.redis"), 'spec.type: is missing; "tpye" should be "type"'],
  [
    "metadata as a mapping",
    component("spec:", "  type: state.redis", "  metadata:", "    redisHost: x"),
    'a.yaml:7: spec.metadata: must be a list, not a mapping; write a list of entries, each beginning with "- name:"',
  ],
  [
    "an entry without a name",
    component("spec:", "  type: a", "  metadata:", "  - value: x"),
    "a.yaml:8: spec.metadata[0].name: is missing",
  ],
  [
    "a misspelt entry",
    component("spec:", "  type: a", "  metadata:", "  - nam: x"),
    'spec.metadata[0].name: is missing; "nam" should be "name"',
  ],
  [
    "an empty entry",
    component("spec:", "  type: a", "  metadata:", "  -"),
    "spec.metadata[0]: is empty; remove the entry or fill it in",
  ],
  [
    "a secret without a name",
    component("spec:", "  type: a", "  metadata:", "  - name: p", "    secretKeyRef: {key: k}"),
    "a.yaml:9: spec.metadata[0].secretKeyRef.name: is missing; add it: name of the secret in the store",
  ],
  [
    "a secret as text",
    component("spec:", "  type: a", "  metadata:", "  - name: p", "    secretKeyRef: k"),
    'secretKeyRef: must be a mapping, not "k"; write "key: value" lines below it',
  ],
  [
    "a switch that is neither",
    component("spec:", "  type: a", "  ignoreErrors: maybe"),
    'a.yaml:7: spec.ignoreErrors: must be true or false, not "maybe"; write true or false',
  ],
  [
    "scopes as text",
    component("spec: {type: a}", "scopes: shop"),
    'a.yaml:6: scopes: must be a list, not "shop"; write a list: ["shop"]',
  ],
  [
    "a type that is a list",
    component("spec:", "  type: [a]"),
    "spec.type: must be text, not a list; put it in quotes if it is meant as text",
  ],
  [
    "a subscription without a topic",
    subscription("  pubsubname: p"),
    "spec.topic: is missing; add it: topic to subscribe to",
  ],
  [
    "rules as a mapping",
    subscription("  pubsubname: p", "  topic: t", "  routes: {rules: {match: x}}"),
    "a.yaml:7: spec.routes.rules: must be a list, not a mapping",
  ],
  [
    "a rule without a path",
    subscription("  pubsubname: p", "  topic: t", "  routes: {rules: [{match: x}]}"),
    "spec.routes.rules[0].path: is missing",
  ],
  [
    "a count that is text",
    subscription("  pubsubname: p", "  topic: t", "  bulkSubscribe: {maxMessagesCount: ten}"),
    'must be a whole number, not "ten"; write digits only, such as 3',
  ],
  [
    "a count with a unit",
    subscription("  pubsubname: p", "  topic: t", "  bulkSubscribe: {maxAwaitDurationMs: 40ms}"),
    'must be a whole number, not "40ms"; write 40',
  ],
  [
    "a timeout in words",
    resiliency("  policies:", "    timeouts:", "      slow: 5 seconds"),
    'a.yaml:7: spec.policies.timeouts.slow: "5 seconds" is not a duration; write "5s"',
  ],
  [
    "a negative timeout",
    resiliency("  policies: {timeouts: {slow: -5s}}"),
    'spec.policies.timeouts.slow: "-5s" is a negative duration; write "5s"',
  ],
  [
    "a misspelt policy",
    resiliency("  policies: {retries: {r: {policy: exponental}}}"),
    '"exponental" is not one of constant, exponential; did you mean "exponential"?',
  ],
  [
    "a fraction of a retry",
    resiliency("  policies: {retries: {r: {maxRetries: 1.5}}}"),
    'spec.policies.retries.r.maxRetries: must be a whole number, not "1.5"; write 1',
  ],
  [
    "a status out of range",
    resiliency("  policies: {retries: {r: {matching: {httpStatusCodes: '429,700'}}}}"),
    'spec.policies.retries.r.matching.httpStatusCodes: "700" is not a code or a range of codes from 100 to 599; write it like 429,500-599',
  ],
  [
    "a range that runs backwards",
    resiliency("  policies: {retries: {r: {matching: {httpStatusCodes: '599-500'}}}}"),
    "; write 500-599",
  ],
  [
    "a gRPC code out of range",
    resiliency("  policies: {retries: {r: {matching: {gRPCStatusCodes: '17'}}}}"),
    'gRPCStatusCodes: "17" is not a code or a range of codes from 0 to 16; write it like 4,8-14',
  ],
  [
    "too few probes",
    resiliency("  policies: {circuitBreakers: {c: {maxRequests: -1}}}"),
    "spec.policies.circuitBreakers.c.maxRequests: -1 is too small; write 0 or more",
  ],
  [
    "an actor breaker without a scope",
    resiliency("  targets: {actors: {A: {circuitBreaker: c}}}"),
    "spec.targets.actors.A.circuitBreakerScope: is missing; a circuit breaker of actors needs type, id or both",
  ],
  ["a misspelt scope", resiliency("  targets: {actors: {A: {circuitBreakerScope: ids}}}"), 'did you mean "id"?'],
  ["an endpoint without a URL", endpoint("  headers: []"), "spec.baseUrl: is missing; add it: URL that method paths"],
  [
    "an endpoint without a scheme",
    endpoint("  baseUrl: example.com"),
    'a.yaml:5: spec.baseUrl: "example.com" is not an HTTP URL; write "http://example.com"',
  ],
  ["an endpoint that is no URL", endpoint("  baseUrl: 'http://'"), 'write a URL such as "https://host"'],
  [
    "a misspelt renegotiation",
    endpoint("  baseUrl: http://a", "  clientTLS: {renegotiation: Nevr}"),
    'did you mean "Never"?',
  ],
  [
    "a raw kind without a name",
    "apiVersion: dapr.io/v1alpha1\nkind: MCPServer\nmetadata: {}",
    "metadata.name: is missing; add it: name of the resource",
  ],
];

describe("a resource that cannot be used is left out", () => {
  test.each(skipped)("%s", async (_, text, says) => {
    const { said, problems, ...kinds } = await load({ "a.yaml": text });
    expect(said.join("\n")).toContain(says);
    expect(problems.every(({ severity, file, line, hint }) => severity === "warning" && file && line && hint)).toBe(
      true,
    );
    expect(Object.values(kinds).flat()).toEqual([]);
  });
});

/** What is written, and the warning. The resource is used all the same. */
const used: readonly (readonly [what: string, text: string, says: string])[] = [
  [
    "an unknown key",
    component("spec:", "  type: a", "  initTimout: 5s"),
    'a.yaml:7: spec.initTimout: unknown key; did you mean "initTimeout"?',
  ],
  [
    "an unknown key that resembles none",
    component("spec: {type: a, colour: red}"),
    "known here: type, version, metadata, requires, initTimeout, ignoreErrors",
  ],
  [
    "scopes inside spec",
    component("spec:", "  type: a", "  scopes: [shop]"),
    'a.yaml:7: spec.scopes: unknown key; "scopes" stands at the top level of the document',
  ],
  [
    "auth inside spec",
    component("spec:", "  type: a", "  auth: {secretStore: s}"),
    '"auth" stands at the top level of the document',
  ],
  [
    "a misspelt key of scopes",
    component("spec: {type: a}", "scope: [shop]"),
    'a.yaml:6: scope: unknown key; did you mean "scopes"?',
  ],
  [
    "a misspelt reference",
    component("spec:", "  type: a", "  metadata:", "  - name: p", "    secretKeyReff: {name: n}"),
    'a.yaml:9: spec.metadata[0].secretKeyReff: unknown key; did you mean "secretKeyRef"?',
  ],
  ["another case", component("spec:", "  Type: a"), 'a.yaml:6: spec.type: is spelt "Type"; write "type"'],
  [
    "a key written twice",
    component("spec:", "  type: a", "  type: b"),
    "a.yaml:7:3: key is written twice; remove one of the two",
  ],
  [
    "a start time in words",
    component("spec:", "  type: a", "  initTimeout: 5 sec"),
    'spec.initTimeout: "5 sec" is not a duration; write "5s"',
  ],
  [
    "a value and a reference",
    component("spec:", "  type: a", "  metadata:", "  - {name: p, value: x, envRef: Y}"),
    "a.yaml:8: spec.metadata[0]: has value and envRef; keep one of them",
  ],
  [
    "a variable of the sidecar",
    component("spec:", "  type: a", "  metadata:", "  - {name: p, envRef: APP_API_TOKEN}"),
    "spec.metadata[0].envRef: APP_API_TOKEN cannot be read: it belongs to the sidecar",
  ],
  [
    "a secret without a store",
    component("spec:", "  type: a", "  metadata:", "  - {name: p, secretKeyRef: {name: n}}"),
    'secretKeyRef: no secret store is named; add "auth: {secretStore: <component>}"',
  ],
  [
    "a route of the other version",
    subscription("  pubsubname: p", "  topic: t", "  route: /x"),
    'a.yaml:7: spec.route: unknown key; v2alpha1 writes "routes: {default: /path}"',
  ],
  [
    "routes of the other version",
    subscription("  pubsubname: p", "  topic: t", "  routes: {}").replace("v2", "v1"),
    "routes need apiVersion: dapr.io/v2alpha1",
  ],
  [
    "a policy that does not exist",
    resiliency("  policies: {timeouts: {fast: 1s}}", "  targets: {apps: {a: {timeout: fsat}}}"),
    'a.yaml:6: spec.targets.apps.a.timeout: no timeout policy is called "fsat"; did you mean "fast"?',
  ],
  [
    "a policy though there is none",
    resiliency("  targets: {components: {c: {inbound: {retry: x}}}}"),
    'spec.targets.components.c.inbound.retry: no retry policy is called "x"; none is declared',
  ],
  [
    "a word in another case",
    resiliency("  policies: {retries: {r: {policy: Constant}}}"),
    'is spelt "Constant"; write "constant"',
  ],
];

describe("a resource with an oddity is used", () => {
  test.each(used)("%s", async (_, text, says) => {
    const { said, problems, ...kinds } = await load({ "a.yaml": text });
    expect(said.join("\n")).toContain(says);
    expect(problems.every(({ severity, file, line, hint }) => severity === "warning" && file && line && hint)).toBe(
      true,
    );
    expect(Object.values(kinds).flat()).toHaveLength(1);
  });

  test.each(used)("unless the sidecar is strict: %s", async (_, text) => {
    const { problems } = await load({ "a.yaml": text }, { strict: true });
    expect(problems.some(({ severity }) => severity === "error")).toBe(true);
  });
});

test("a broken document costs only itself", async () => {
  const text = [component("spec: {type: 'a}"), component("spec: {type: b}")].join("\n---\n");
  const { components, problems } = await load({ "a.yaml": text });
  expect(components.map(({ type }) => type)).toEqual(["b"]);
  expect(problems).toHaveLength(1);
});

test("what is left out is named", async () => {
  const { said } = await load({ "a.yaml": component("spec: {type: ''}") });
  expect(said).toContain('a.yaml:1: Component "store" is skipped; correct it as said above');
});

test("a line is counted from the start of the file, in every document", async () => {
  const text = [
    "# one",
    component("spec: {type: a}"),
    component("spec: {tpye: b}"),
    "--- {apiVersion: dapr.io/v1alpha1}",
  ];
  const { said } = await load({ "a.yaml": text.join("\n---\n") });
  expect(said[0]).toMatch(/^a.yaml:13: spec.type: is missing/);
  expect(said.at(-1)).toMatch(/^a.yaml:15: kind: is missing/);
});

test("documents of other tools are passed over in silence", async () => {
  const text = [
    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}",
    "apiVersion: messaging.knative.dev/v1\nkind: Subscription\nmetadata: {name: x}",
    "# nothing but a comment",
    "",
  ].join("\n---\n");
  const { said } = await load({ "a.yaml": text });
  expect(said).toEqual([]);
});

test("files that are not YAML, and Configurations that nobody named, are noted and never errors", async () => {
  const configuration = "apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: {name: c}";
  const files = { "README.md": "hello", "store.json": "{}", "config.yaml": configuration, "inner/b.yaml": "x: [" };
  const { problems, said } = await load(files, { strict: true });
  expect(problems.every(({ severity }) => severity === "warning")).toBe(true);
  expect(said).toHaveLength(3);
  expect(said.join("\n")).toContain("README.md: is not YAML and is skipped; name resource files *.yaml");
  expect(said.join("\n")).toContain("store.json: is not YAML and is skipped; JSON is YAML: rename it to .yaml");
  expect(said.join("\n")).toContain("config.yaml:1: a Configuration in a resources folder is not used; add --config");
});

test("a folder that does not exist is an error that names a neighbour", async () => {
  const folder = tempFolder({ "resources/a.yaml": "" });
  const { problems } = await loadResources([join(folder, "resorces")], options);
  expect(problems).toMatchObject([{ severity: "error", flag: "resources-path", hint: 'did you mean "resources"?' }]);
  const { problems: notFolder } = await loadResources([join(folder, "resources/a.yaml")], options);
  expect(notFolder).toMatchObject([{ severity: "error", message: "is a file, not a folder" }]);
});

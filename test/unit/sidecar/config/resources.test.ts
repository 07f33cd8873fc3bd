import { describe, expect, test } from "vitest";
import { loadResources, type ResourceOptions } from "../../../../sidecar/config/resources.ts";
import { isSameResource } from "../../../../sidecar/config/same-resource.ts";
import type { Resource } from "../../../../sidecar/kernel/config-types.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

const options: ResourceOptions = { appId: "shop", env: {}, deniedComponents: [], configPaths: [], strict: false };

async function load(text: string, changed: Partial<ResourceOptions> = {}) {
  return loadResources([tempFolder({ "a.yaml": text })], { ...options, ...changed });
}

const component = (name: string, type: string, rest = "", metadata = "") =>
  `apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: ${name}${metadata}}\nspec: {type: ${type}}\n${rest}`;
const all = (...documents: string[]) => documents.join("\n---\n");

describe("a component", () => {
  test("is read with its defaults and the lines of its values", async () => {
    const text = `
apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: store
  namespace: prod
spec:
  type: state.redis
  metadata:
  - name: redisHost
    value: localhost:6379
auth: {secretStore: vault}
scopes: [shop, till]
`;
    const { components, problems } = await load(text);
    expect(problems).toEqual([]);
    expect(components).toEqual([
      {
        kind: "Component",
        name: "store",
        namespace: "prod",
        scopes: ["shop", "till"],
        source: { file: expect.stringMatching(/a\.yaml$/), line: 2 },
        type: "state.redis",
        version: "v1",
        metadata: [{ name: "redisHost", value: "localhost:6379", line: 10 }],
        initTimeoutMs: 5000,
        ignoreErrors: false,
        secretStore: "vault",
        neededSecrets: [],
      },
    ]);
  });

  test.each([
    ["text", "text"],
    ["true", "true"],
    ["True", "true"],
    ["yes", "yes"],
    ["6379", "6379"],
    ["1.50", "1.5"],
    ["1e3", "1000"],
    ["0x1F", "31"],
    ["0012345", "0012345"],
    ["12345678901234567890", "12345678901234567890"],
    ['"quoted"', "quoted"],
    ["'6379'", "6379"],
    ["2024-01-02", "2024-01-02"],
    ["10:30", "10:30"],
    ["", ""],
    ["null", ""],
    ["[1, two]", '[1,"two"]'],
    ["{a: {b: true}}", '{"a":{"b":true}}'],
    ["|\n      two\n      lines\n", "two\nlines\n"],
  ])("turns the value %j into the text %j", async (written, text) => {
    const yaml = `apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: a}\nspec:\n  type: t\n  metadata:\n  - name: n\n    value: ${written}`;
    const { components, problems } = await load(yaml);
    expect(problems).toEqual([]);
    expect(components[0]?.metadata[0]).toMatchObject({ name: "n", value: text });
  });

  test("refers to secrets and variables without reading them", async () => {
    const pairs =
      "{name: a, secretKeyRef: {name: s}}, {name: b, secretKeyRef: {name: s, key: k}}, {name: c, envRef: HOME}";
    const yaml = component("x", `t, metadata: [${pairs}]`, "auth: {secretStore: vault}");
    const { components } = await load(yaml);
    expect(components[0]?.metadata).toEqual([
      { name: "a", secretKeyRef: { name: "s", key: "s" }, line: 4 },
      { name: "b", secretKeyRef: { name: "s", key: "k" }, line: 4 },
      { name: "c", envRef: "HOME", line: 4 },
    ]);
    expect(components[0]?.neededSecrets).toEqual([
      { store: "vault", name: "s", key: "s" },
      { store: "vault", name: "s", key: "k" },
    ]);
  });

  test("without a store asks the store that Kubernetes offers", async () => {
    const yaml = component("x", "t, metadata: [{name: a, secretKeyRef: {name: s}}]");
    const { components, problems } = await load(yaml, { defaultSecretStore: "kubernetes" });
    expect(problems).toEqual([]);
    expect(components[0]?.secretStore).toBe("kubernetes");
  });

  test("may use anchors and merge keys", async () => {
    const yaml = `
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: &m {name: a}
spec:
  <<: {type: below, version: v2}
  type: above
  metadata:
  - &pair {name: x, value: &v "1"}
  - {<<: *pair, name: y}
  - {name: z, value: *v}
`;
    const { components, problems } = await load(yaml);
    expect(problems).toEqual([]);
    expect(components[0]).toMatchObject({ type: "above", version: "v2" });
    expect(components[0]?.metadata.map(({ name, value }) => [name, value])).toEqual([
      ["x", "1"],
      ["y", "1"],
      ["z", "1"],
    ]);
  });

  test.each(["", "v0", "v1"])("of version %j is of version v1", async (version) => {
    const { components } = await load(component("a", `t, version: "${version}"`));
    expect(components[0]?.version).toBe("v1");
  });

  test("may call its group by our name", async () => {
    const { components } = await load(component("a", "t").replace("dapr.io", "mecha.dev"));
    expect(components).toHaveLength(1);
  });
});

describe("which resources an app gets", () => {
  test("those without scopes and those that name it", async () => {
    const text = all(component("a", "t"), component("b", "t", "scopes: [shop]"), component("c", "t", "scopes: [till]"));
    const { components } = await load(text);
    expect(components.map(({ name }) => name)).toEqual(["a", "b"]);
  });

  test("those without a namespace and those of its own, when it has one", async () => {
    const text = all(
      component("a", "t"),
      component("b", "t", "", ", namespace: x"),
      component("c", "t", "", ", namespace: y"),
    );
    expect((await load(text, { namespace: "x" })).components.map(({ name }) => name)).toEqual(["a", "b"]);
    expect((await load(text)).components).toHaveLength(3);
  });

  test("none whose type is denied", async () => {
    const text = all(
      component("a", "bindings.http"),
      component("b", "state.x, version: v2"),
      component("c", "state.x"),
    );
    const { components, problems } = await load(text, { deniedComponents: ["Bindings.HTTP", "state.x/v2"] });
    expect(components.map(({ name }) => name)).toEqual(["c"]);
    expect(problems.map(({ message }) => message)).toEqual([
      'component "a" is not loaded: Bindings.HTTP is denied',
      'component "b" is not loaded: state.x/v2 is denied',
    ]);
  });

  test("no two components of one name", async () => {
    const { problems } = await load(all(component("a", "t"), component("a", "u", "scopes: [till]")));
    expect(problems).toMatchObject([
      { severity: "error", line: 9, keyPath: "metadata.name", hint: "rename one of the two" },
    ]);
    const apart = all(component("a", "t", "", ", namespace: x"), component("a", "u", "", ", namespace: y"));
    expect((await load(apart, { namespace: "x" })).problems).toEqual([]);
  });
});

describe("a subscription", () => {
  const v1 = (spec: string) => `apiVersion: dapr.io/v1alpha1\nkind: Subscription\nmetadata: {name: s}\nspec: ${spec}`;
  const v2 = (spec: string) => v1(spec).replace("v1alpha1", "v2alpha1");
  const routesOf = async (text: string) => (await load(text)).subscriptions[0]?.routes;

  test("of the old version has one route, or none", async () => {
    expect(await routesOf(v1("{pubsubname: p, topic: t, route: /x}"))).toEqual([{ match: "", path: "/x" }]);
    expect(await routesOf(v1("{pubsubname: p, topic: t}"))).toEqual([]);
  });

  test("of the new version has rules, and the default route last", async () => {
    const routes = "{rules: [{match: 'event.type == \"a\"', path: /a}], default: /x}";
    expect(await routesOf(v2(`{pubsubname: p, topic: t, routes: ${routes}}`))).toEqual([
      { match: 'event.type == "a"', path: "/a" },
      { match: "", path: "/x" },
    ]);
    expect(await routesOf(v2("{pubsubname: p, topic: t}"))).toEqual([]);
  });

  test("takes its component in any case, and fills in the batch", async () => {
    const { subscriptions } = await load(
      v1("{pubsubName: p, topic: t, metadata: {n: 1}, deadLetterTopic: d, bulkSubscribe: {enabled: true}}"),
    );
    expect(subscriptions[0]).toMatchObject({
      pubsubName: "p",
      topic: "t",
      metadata: { n: "1" },
      deadLetterTopic: "d",
      bulkSubscribe: { enabled: true, maxMessagesCount: 100, maxAwaitDurationMs: 1000 },
    });
  });
});

test("a resiliency has its defaults filled in and its texts read", async () => {
  const { resiliency, problems } = await load(`
apiVersion: dapr.io/v1alpha1
kind: Resiliency
metadata: {name: r}
spec:
  policies:
    timeouts: {fast: 500, slow: 1m}
    retries:
      plain: {}
      picky: {policy: exponential, maxInterval: 15s, maxRetries: 0, matching: {httpStatusCodes: "429, 500-599", gRPCStatusCodes: 14}}
    circuitBreakers:
      plain: {timeout: "0"}
      own: {maxRequests: 2, interval: 8s, timeout: 45s, trip: totalFailures > 2}
  targets:
    apps: {a: {timeout: fast, retry: plain}}
    actors: {A: {circuitBreaker: own, circuitBreakerScope: both}}
    components: {c: {outbound: {retry: picky}, inbound: {timeout: slow, retry: DaprBuiltInServiceRetries}}}
`);
  expect(problems).toEqual([]);
  expect(resiliency[0]?.policies).toEqual({
    timeouts: { fast: 500, slow: 60_000 },
    retries: {
      plain: { policy: "constant", durationMs: 5000, maxIntervalMs: 60_000, maxRetries: -1 },
      picky: {
        policy: "exponential",
        durationMs: 5000,
        maxIntervalMs: 15_000,
        maxRetries: 0,
        httpStatusCodes: [
          { from: 429, to: 429 },
          { from: 500, to: 599 },
        ],
        grpcStatusCodes: [{ from: 14, to: 14 }],
      },
    },
    circuitBreakers: {
      plain: { maxRequests: 1, intervalMs: 0, timeoutMs: 60_000, trip: "consecutiveFailures > 5" },
      own: { maxRequests: 2, intervalMs: 8000, timeoutMs: 45_000, trip: "totalFailures > 2" },
    },
  });
  expect(resiliency[0]?.targets).toEqual({
    apps: { a: { timeout: "fast", retry: "plain", circuitBreakerCacheSize: 100 } },
    actors: { A: { circuitBreaker: "own", circuitBreakerScope: "both", circuitBreakerCacheSize: 5000 } },
    components: {
      c: { outbound: { retry: "picky" }, inbound: { timeout: "slow", retry: "DaprBuiltInServiceRetries" } },
    },
  });
});

test("an HTTP endpoint takes headers and certificates from secrets", async () => {
  const { httpEndpoints, problems } = await load(`
apiVersion: dapr.io/v1alpha1
kind: HTTPEndpoint
metadata: {name: e}
spec:
  baseUrl: https://example.com
  headers: [{name: Authorization, secretKeyRef: {name: token}}]
  clientTLS:
    rootCA: {value: PEM}
    privateKey: {secretKeyRef: {name: tls, key: key}}
auth: {secretStore: vault}
`);
  expect(problems).toEqual([]);
  expect(httpEndpoints[0]).toMatchObject({
    baseUrl: "https://example.com",
    headers: [{ name: "Authorization", secretKeyRef: { name: "token", key: "token" } }],
    clientTls: {
      rootCa: { name: "rootCA", value: "PEM" },
      privateKey: { name: "privateKey", secretKeyRef: { name: "tls", key: "key" } },
      renegotiation: "Never",
    },
    neededSecrets: [
      { store: "vault", name: "token", key: "token" },
      { store: "vault", name: "tls", key: "key" },
    ],
  });
});

test("kinds that are not interpreted are kept as they were written, within their scopes", async () => {
  const raw = (name: string, scopes: string) =>
    `apiVersion: dapr.io/v1alpha1\nkind: MCPServer\nmetadata: {name: ${name}}\nspec: {endpoint: {sse: {url: x}}}\nscopes: ${scopes}`;
  const { rawResources, problems } = await load(all(raw("a", "[shop]"), raw("b", "[till]")));
  expect(problems).toEqual([]);
  expect(rawResources).toMatchObject([
    { kind: "MCPServer", name: "a", document: { spec: { endpoint: { sse: { url: "x" } } } } },
  ]);
});

test("files are read in the order of their names, folder after folder", async () => {
  const first = tempFolder({ "b.yml": component("b", "t"), "a.YAML": component("a", "t") });
  const second = tempFolder({ "a.yaml": component("c", "t") });
  const { components } = await loadResources([first, second, first], options);
  expect(components.map(({ name }) => name)).toEqual(["a", "b", "c"]);
});

describe("two versions of a resource", () => {
  const only = async (text: string): Promise<Resource> => {
    const { components, resiliency } = await load(text);
    return [...components, ...resiliency][0] as Resource;
  };

  test("are the same when only lines differ", async () => {
    const text = component("a", "t, metadata: [{name: n, value: 1}]");
    expect(isSameResource(await only(text), await only(`# moved\n\n${text}`))).toBe(true);
  });

  test("differ when a value does, even one that is called line", async () => {
    expect(isSameResource(await only(component("a", "t")), await only(component("a", "u")))).toBe(false);
    const timeouts = (ms: number) =>
      `apiVersion: dapr.io/v1alpha1\nkind: Resiliency\nmetadata: {name: r}\nspec: {policies: {timeouts: {line: ${ms}}}}`;
    expect(isSameResource(await only(timeouts(1)), await only(timeouts(2)))).toBe(false);
  });
});

import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { loadConfiguration } from "../../../../sidecar/config/configuration-files.ts";
import { formatProblem } from "../../../../sidecar/config/problems.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

const head = "apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: {name: c}\n";

async function load(texts: string | readonly string[], env: Readonly<Record<string, string>> = {}, strict = false) {
  const written = Object.fromEntries([texts].flat().map((text, index) => [`${index}.yaml`, text]));
  const folder = tempFolder(written);
  const paths = Object.keys(written).map((name) => join(folder, name));
  const { configuration, problems } = await loadConfiguration(paths, { env, strict });
  const said = problems.map((problem) => formatProblem(problem).replaceAll(join(folder, "/"), ""));
  return { configuration, problems, said };
}

const spec = (text: string) => `${head}spec: ${text}`;

test("without a file everything has its default", async () => {
  const { configuration, problems } = await loadConfiguration([], { env: {}, strict: false });
  expect(problems).toEqual([]);
  expect(configuration).toMatchObject({
    name: "",
    tracing: { samplingRate: 1e-4, stdout: false },
    metrics: {
      enabled: true,
      recordErrorCodes: false,
      http: { increasedCardinality: true, pathMatching: [], excludeVerbs: false },
      rules: [],
      workflow: { latencyUnitMs: 1 },
    },
    httpPipeline: [],
    appHttpPipeline: [],
    secretScopes: [],
    api: { allowed: [], denied: [] },
    deniedComponents: [],
    logging: { apiLogging: { obfuscateUrls: false, omitHealthChecks: false } },
    wasm: { strictSandbox: false },
    workflow: { maxConcurrentWorkflowInvocations: 0, stateRetention: {} },
    mtls: { enabled: false, workloadCertTtlMs: 86_400_000, allowedClockSkewMs: 900_000 },
  });
  expect(configuration.features["HotReload"]).toBe(true);
  expect(configuration.accessControl).toBeUndefined();
  expect(configuration.metrics.latencyBucketsMs).toHaveLength(34);
  expect(configuration.metrics.workflow.latencyBuckets).toEqual(configuration.metrics.latencyBucketsMs);
});

test("later files win key by key, and lists as a whole", async () => {
  const { configuration } = await load([
    spec(
      "{tracing: {stdout: true, samplingRate: '1'}, features: [{name: A, enabled: true}], components: {deny: [a, b]}}",
    ),
    spec("{tracing: {samplingRate: '0.5'}, features: [{name: B, enabled: true}], components: {deny: [c]}}"),
  ]);
  expect(configuration.tracing).toMatchObject({ stdout: true, samplingRate: 0.5 });
  expect(configuration.features).toMatchObject({ B: true });
  expect(configuration.features["A"]).toBeUndefined();
  expect(configuration.deniedComponents).toEqual(["c"]);
});

test("the old name of metrics counts, and the new one wins", async () => {
  const { configuration } = await load(
    spec("{metric: {enabled: false, recordErrorCodes: true}, metrics: {enabled: true}}"),
  );
  expect(configuration.metrics).toMatchObject({ enabled: true, recordErrorCodes: true });
  const { configuration: old } = await load([
    spec("{metric: {enabled: false}}"),
    spec("{metric: {recordErrorCodes: true}}"),
  ]);
  expect(old.metrics).toMatchObject({ enabled: false, recordErrorCodes: true });
});

describe("variables", () => {
  test("are put in before the text is parsed", async () => {
    const text = spec(`{tracing: {samplingRate: '$RATE', zipkin: {endpointAddress: 'http://\${HOST}:9411'}}}`);
    const { configuration, problems } = await load(text, { RATE: "0.25", HOST: "tracer" });
    expect(problems).toEqual([]);
    expect(configuration.tracing).toMatchObject({ samplingRate: 0.25, zipkinEndpoint: "http://tracer:9411" });
  });

  test("that are not set become nothing, and are noted once", async () => {
    const { configuration, said } = await load(spec(`{mtls: {sentryAddress: '\${NO}$NO'}}\n# $NEITHER`));
    expect(configuration.mtls.sentryAddress).toBe("");
    expect(said).toEqual([`0.yaml:4:31: \${NO} is not set and becomes nothing; set NO or remove it`]);
  });

  test("leave a dollar alone that no name follows", async () => {
    const text = spec("{metrics: {rules: [{name: m, labels: [{name: l, regex: {'/x/': '/x/.+$'}}]}]}}");
    const { configuration, problems } = await load(text);
    expect(problems).toEqual([]);
    expect(configuration.metrics.rules[0]?.labels[0]?.regex).toEqual({ "/x/": "/x/.+$" });
  });
});

describe("tracing", () => {
  test.each([
    ["'0'", 0],
    ["1", 1],
    ["'0.5'", 0.5],
    ["''", 1e-4],
    ["often", 1e-4],
    ["'7'", 1],
  ])("a sampling rate of %s is %d", async (written, rate) => {
    expect((await load(spec(`{tracing: {samplingRate: ${written}}}`))).configuration.tracing.samplingRate).toBe(rate);
  });

  test("an endpoint variable traces everything, unless a rate is set", async () => {
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318" };
    const { configuration } = await load(spec("{}"), env);
    expect(configuration.tracing).toEqual({
      samplingRate: 1,
      stdout: false,
      otel: { endpointAddress: "http://collector:4318", protocol: "http", isSecure: false, headers: [] },
    });
    const { configuration: rated } = await load(spec("{tracing: {samplingRate: '0'}}"), env);
    expect(rated.tracing.samplingRate).toBe(0);
  });

  test("variables override the resource, and those for traces the general ones", async () => {
    const text = spec("{tracing: {otel: {endpointAddress: 'a:4317', protocol: grpc, headers: [k=v], timeout: 5s}}}");
    const { configuration } = await load(text, {
      OTEL_EXPORTER_OTLP_ENDPOINT: "b:4317",
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "c:4317",
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/protobuf",
      OTEL_EXPORTER_OTLP_INSECURE: "true",
      OTEL_EXPORTER_OTLP_HEADERS: "authorization=Basic%20abc,x=1",
      OTEL_EXPORTER_OTLP_TIMEOUT: "2000",
    });
    expect(configuration.tracing.otel).toEqual({
      endpointAddress: "c:4317",
      protocol: "http",
      isSecure: false,
      timeoutMs: 2000,
      headers: [
        { name: "authorization", value: "Basic abc", line: 0 },
        { name: "x", value: "1", line: 0 },
      ],
    });
  });

  test("headers may be texts or named values", async () => {
    const text = spec("{tracing: {otel: {endpointAddress: 'a:4317', headers: ['k=v=w', {name: n, envRef: TOKEN}]}}}");
    const { configuration } = await load(text);
    expect(configuration.tracing.otel).toEqual({
      endpointAddress: "a:4317",
      protocol: "grpc",
      isSecure: true,
      headers: [
        { name: "k", value: "v=w", line: 4 },
        { name: "n", envRef: "TOKEN", line: 4 },
      ],
    });
  });
});

describe("access control", () => {
  const policies =
    "policies: [{appId: a, trustDomain: t, namespace: n, operations: [{name: op, httpVerb: [post], action: allow}]}]";

  test.each([
    ["{}", "allow"],
    [`{${policies}}`, "allow"],
    [`{defaultAction: "", ${policies}}`, "deny"],
    ['{defaultAction: ""}', "allow"],
    [`{defaultAction: deny, ${policies}}`, "deny"],
  ])("%s has the default action %s", async (written, action) => {
    const { configuration } = await load(spec(`{accessControl: ${written}}`));
    expect(configuration.accessControl).toMatchObject({ defaultAction: action, trustDomain: "public" });
  });

  test("operations begin with a slash and verbs are upper case", async () => {
    const { configuration } = await load(spec(`{accessControl: {${policies}}}`));
    expect(configuration.accessControl?.policies).toEqual([
      {
        appId: "a",
        trustDomain: "t",
        namespace: "n",
        operations: [{ name: "/op", httpVerbs: ["POST"], action: "allow" }],
      },
    ]);
  });
});

test("pipelines, scopes, resolver, workflow and rules are read", async () => {
  const { configuration, problems } = await load(
    spec(`
  httpPipeline: {handlers: [{name: oauth, type: middleware.http.oauth2, selector: {fields: [{field: a, value: b}]}}]}
  secrets: {scopes: [{storeName: vault, defaultAccess: deny, allowedSecrets: [x]}]}
  nameResolution: {component: sqlite, configuration: {connectionString: file}}
  workflow: {maxConcurrentActivityInvocations: -1, stateRetentionPolicy: {anyTerminal: 1h, failed: 2h}}
  api: {allowed: [{name: state, version: v1.0, protocol: http}]}
  logging: {apiLogging: {enabled: true, obfuscateURLs: true}}
  mtls: {workloadCertTTL: 1h}`),
  );
  expect(problems).toEqual([]);
  expect(configuration).toMatchObject({
    httpPipeline: [
      { name: "oauth", type: "middleware.http.oauth2", version: "v1", selector: [{ field: "a", value: "b" }] },
    ],
    secretScopes: [{ storeName: "vault", defaultAccess: "deny", allowedSecrets: ["x"], deniedSecrets: [] }],
    nameResolution: { component: "sqlite", version: "v1", configuration: { connectionString: "file" } },
    workflow: {
      maxConcurrentActivityInvocations: 0,
      stateRetention: { completedMs: 3_600_000, failedMs: 7_200_000, terminatedMs: 3_600_000 },
    },
    api: { allowed: [{ name: "state", version: "v1.0", protocol: "http" }], denied: [] },
    logging: { apiLogging: { enabled: true, obfuscateUrls: true, omitHealthChecks: false } },
    mtls: { workloadCertTtlMs: 3_600_000 },
  });
});

/** What is written in `spec`, and the error: unlike other resources, a Configuration is never left out. */
const errors: readonly (readonly [what: string, text: string, says: string])[] = [
  ["broken YAML", `${head}spec: {a: [`, "0.yaml:4"],
  [
    "another kind",
    "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: x}\nspec: {type: a}",
    "0.yaml:1: holds no Configuration; it begins with",
  ],
  ["nothing", "", "0.yaml:1: holds no Configuration"],
  [
    "a misspelt kind",
    "apiVersion: dapr.io/v1alpha1\nkind: Configuraton",
    '0.yaml:2: kind: unknown kind "Configuraton"; did you mean "Configuration"?',
  ],
  ["no kind", "spec: {}", "0.yaml:1: kind: is missing"],
  [
    "a switch that is text",
    spec("{tracing: {stdout: maybe}}"),
    '0.yaml:4: spec.tracing.stdout: must be true or false, not "maybe"',
  ],
  [
    "a misspelt protocol",
    spec("{tracing: {otel: {protocol: htpp}}}"),
    'spec.tracing.otel.protocol: "htpp" is not one of grpc, http; did you mean "http"?',
  ],
  [
    "a header without a value",
    spec("{tracing: {otel: {endpointAddress: a, headers: [secret]}}}"),
    '0.yaml:4: spec.tracing.otel.headers[0]: has no "="; write name=value',
  ],
  [
    "a policy without a namespace",
    spec("{accessControl: {policies: [{appId: a, trustDomain: t}]}}"),
    "spec.accessControl.policies[0].namespace: is missing; add it: namespace of the caller",
  ],
  [
    "a misspelt action",
    spec("{accessControl: {defaultAction: alow}}"),
    'spec.accessControl.defaultAction: "alow" is not one of allow, deny; did you mean "allow"?',
  ],
  [
    "verbs as text",
    spec(
      "{accessControl: {policies: [{appId: a, trustDomain: t, namespace: n, operations: [{name: o, httpVerb: GET, action: allow}]}]}}",
    ),
    'httpVerb: must be a list, not "GET"; write a list: ["GET"]',
  ],
  [
    "two scopes of a store",
    spec("{secrets: {scopes: [{storeName: a}, {storeName: a}]}}"),
    '0.yaml:4: spec.secrets.scopes[1].storeName: the scope of "a" is written twice; merge the two into one',
  ],
  [
    "a wrong default access",
    spec("{secrets: {scopes: [{storeName: a, defaultAccess: none}]}}"),
    'spec.secrets.scopes[0].defaultAccess: "none" is not one of allow, deny',
  ],
  [
    "a rule without a protocol",
    spec("{api: {allowed: [{name: state}]}}"),
    "spec.api.allowed[0].protocol: is missing; add it: API that the rule speaks of",
  ],
  [
    "a handler without a type",
    spec("{httpPipeline: {handlers: [{name: x}]}}"),
    "spec.httpPipeline.handlers[0].type: is missing",
  ],
  [
    "a retention in words",
    spec("{workflow: {stateRetentionPolicy: {completed: 7 days}}}"),
    'spec.workflow.stateRetentionPolicy.completed: "7 days" is not a duration; write "168h"',
  ],
  [
    "a bucket that is text",
    spec("{metrics: {latencyDistributionBuckets: [1, 2ms]}}"),
    'spec.metrics.latencyDistributionBuckets[1]: must be a whole number, not "2ms"; write 2',
  ],
  [
    "a negative bucket",
    spec("{metrics: {latencyDistributionBuckets: [-1]}}"),
    "spec.metrics.latencyDistributionBuckets[0]: -1 is too small; write 0 or more",
  ],
];

test.each(errors)("%s stops the start", async (_, text, says) => {
  const { said, problems } = await load(text);
  expect(said.join("\n")).toContain(says);
  const wrong = problems.filter(({ severity }) => severity === "error");
  expect(wrong.length).toBeGreaterThan(0);
  expect(wrong.every(({ file, line, hint }) => file && line && hint)).toBe(true);
});

/** What is written in `spec`, and the warning, which is an error when the sidecar is strict. */
const warnings: readonly (readonly [what: string, text: string, says: string])[] = [
  [
    "an unknown key",
    spec("{tracing: {sampelingRate: '1'}}"),
    '0.yaml:4: spec.tracing.sampelingRate: unknown key; did you mean "samplingRate"?',
  ],
  [
    "a key in another case",
    spec("{httppipeline: {}}"),
    'spec.httpPipeline: is spelt "httppipeline"; write "httpPipeline"',
  ],
  [
    "a rate that is no number",
    spec("{tracing: {samplingRate: often}}"),
    '0.yaml:4: spec.tracing.samplingRate: "often" is not a number; 0.0001 is used; write "0" to "1"',
  ],
  [
    "a rate that is no share",
    spec("{tracing: {samplingRate: '50'}}"),
    'spec.tracing.samplingRate: 50 is not a share; write a number from "0" to "1"',
  ],
  [
    "a pattern that cannot be read",
    spec("{metrics: {rules: [{name: m, labels: [{name: l, regex: {x: '('}}]}]}}"),
    'spec.metrics.rules[0].labels[0].regex: "(" is no pattern; Invalid regular expression: /(/: Unterminated group',
  ],
  [
    "a protocol in upper case",
    spec("{api: {denied: [{name: state, protocol: HTTP}]}}"),
    'spec.api.denied[0].protocol: is spelt "HTTP"; write "http"',
  ],
];

test.each(warnings)("%s is a warning", async (_, text, says) => {
  const { said, problems } = await load(text);
  expect(said.join("\n")).toContain(says);
  expect(problems.every(({ severity }) => severity === "warning")).toBe(true);
  const { problems: strictly } = await load(text, {}, true);
  expect(strictly.some(({ severity }) => severity === "error")).toBe(true);
});

test("a finding names the file that wrote the key", async () => {
  const { said } = await load([
    spec("{tracing: {stdout: true}}"),
    spec("\n  tracing: {samplingRate: often}"),
    spec("{}"),
  ]);
  expect(said[0]).toContain("1.yaml:5: spec.tracing.samplingRate");
});

test("a file that does not exist is an error that names a neighbour", async () => {
  const folder = tempFolder({ "config.yaml": head });
  const { problems } = await loadConfiguration([join(folder, "confg.yaml")], { env: {}, strict: false });
  expect(problems).toMatchObject([
    { severity: "error", message: "does not exist", hint: 'did you mean "config.yaml"?' },
  ]);
});

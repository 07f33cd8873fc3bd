import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { stringify } from "yaml";
import { locate } from "../../../../sidecar/config/located.ts";
import { parseYaml } from "../../../../sidecar/config/yaml-documents.ts";
import { findDurationMs } from "../../../../sidecar/kernel/duration.ts";
import { resourceSchemas } from "../../../../specs/schemas/all.ts";
import { componentSchema } from "../../../../specs/schemas/component.ts";
import { configurationSchema } from "../../../../specs/schemas/configuration.ts";
import { httpEndpointSchema } from "../../../../specs/schemas/http-endpoint.ts";
import { resiliencySchema } from "../../../../specs/schemas/resiliency.ts";
import { subscriptionV1Schema, subscriptionV2Schema } from "../../../../specs/schemas/subscription.ts";

const head = (kind: string, version = "v1alpha1") => ({
  apiVersion: `dapr.io/${version}`,
  kind,
  metadata: { name: "n" },
});

/** A full document of each kind, beside the schema it is read by. */
const documents: Record<string, { schema: object; document: object }> = {
  "component.schema.json": {
    schema: componentSchema,
    document: {
      ...head("Component"),
      spec: {
        type: "state.redis",
        version: "v1",
        initTimeout: "5s",
        ignoreErrors: true,
        metadata: [
          { name: "a", value: { deep: [1] } },
          { name: "b", secretKeyRef: { name: "s", key: "k" } },
          { name: "c", envRef: "E" },
        ],
      },
      auth: { secretStore: "vault" },
      scopes: ["shop"],
    },
  },
  "configuration.schema.json": {
    schema: configurationSchema,
    document: {
      ...head("Configuration"),
      spec: {
        tracing: {
          samplingRate: "1",
          stdout: true,
          otel: { endpointAddress: "a:1", protocol: "grpc", headers: ["k=v"] },
        },
        metrics: {
          enabled: true,
          http: { pathMatching: ["/a/{b}"] },
          rules: [{ name: "m", labels: [{ name: "l", regex: { r: "p" } }] }],
        },
        httpPipeline: { handlers: [{ name: "h", type: "t", selector: { fields: [{ field: "f", value: "v" }] } }] },
        accessControl: {
          defaultAction: "deny",
          policies: [
            {
              appId: "a",
              trustDomain: "t",
              namespace: "n",
              operations: [{ name: "/o", httpVerb: ["*"], action: "allow" }],
            },
          ],
        },
        nameResolution: { component: "sqlite", configuration: { a: 1 } },
        secrets: { scopes: [{ storeName: "s", defaultAccess: "deny", allowedSecrets: ["x"] }] },
        features: [{ name: "HotReload", enabled: false }],
        api: { allowed: [{ name: "state", version: "v1.0", protocol: "http" }] },
        logging: { apiLogging: { enabled: true } },
        workflow: { maxConcurrentWorkflowInvocations: 3, stateRetentionPolicy: { anyTerminal: "1h" } },
        mtls: { enabled: true, workloadCertTTL: "24h", tokenValidators: [{ name: "v", options: { a: 1 } }] },
      },
    },
  },
  "http-endpoint.schema.json": {
    schema: httpEndpointSchema,
    document: {
      ...head("HTTPEndpoint"),
      spec: {
        baseUrl: "https://example.com",
        headers: [{ name: "h", value: "v" }],
        clientTLS: { rootCA: { value: "PEM" }, privateKey: { secretKeyRef: { name: "s" } }, renegotiation: "Never" },
      },
    },
  },
  "resiliency.schema.json": {
    schema: resiliencySchema,
    document: {
      ...head("Resiliency"),
      spec: {
        policies: {
          timeouts: { fast: "1s" },
          retries: {
            r: { policy: "exponential", maxInterval: "15s", maxRetries: 3, matching: { httpStatusCodes: "500" } },
          },
          circuitBreakers: { c: { maxRequests: 1, interval: "8s", timeout: "45s", trip: "totalFailures > 2" } },
        },
        targets: {
          apps: { a: { timeout: "fast", circuitBreakerCacheSize: 10 } },
          actors: { A: { circuitBreaker: "c", circuitBreakerScope: "both" } },
          components: { c: { outbound: { retry: "r" }, inbound: { timeout: "fast" } } },
        },
      },
    },
  },
  "subscription.v1alpha1.schema.json": {
    schema: subscriptionV1Schema,
    document: {
      ...head("Subscription"),
      spec: {
        pubsubname: "p",
        topic: "t",
        route: "/x",
        metadata: { a: "b" },
        bulkSubscribe: { enabled: true, maxMessagesCount: 3 },
      },
      scopes: ["shop"],
    },
  },
  "subscription.v2alpha1.schema.json": {
    schema: subscriptionV2Schema,
    document: {
      ...head("Subscription", "v2alpha1"),
      spec: {
        pubsubname: "p",
        topic: "t",
        routes: { rules: [{ match: "true", path: "/a" }], default: "/x" },
        deadLetterTopic: "d",
      },
    },
  },
};

let ajv: Ajv2020;

beforeAll(() => {
  ajv = new Ajv2020({ strict: false });
  ajv.addFormat("go-duration", (text: string) => text.trim() === "" || (findDurationMs(text) ?? -1) >= 0);
  for (const [name, schema] of Object.entries(resourceSchemas())) ajv.addSchema(schema, name);
});

/** What the published schema says. */
function accepts(name: string, document: unknown): boolean {
  return ajv.validate(name, document) as boolean;
}

/** What the sidecar says. */
function findingsOf(document: unknown, schema: object): string[] {
  const { documents: parsed } = parseYaml("a.yaml", stringify(document));
  return parsed.flatMap((each) => {
    const { wrong, odd } = locate(each, schema, true);
    return [...wrong, ...odd].map(({ keyPath, message }) => `${keyPath}: ${message}`);
  });
}

test("there is a document for every published kind", () => {
  expect(Object.keys(documents).sort()).toEqual(
    Object.keys(resourceSchemas())
      .filter((name) => name !== "resource.schema.json")
      .sort(),
  );
});

describe.each(Object.keys(documents))("%s", (name) => {
  const { schema, document } = documents[name] as { schema: object; document: object };

  test("accepts a full document, as the sidecar does", () => {
    expect(accepts(name, document), ajv.errorsText()).toBe(true);
    expect(accepts("resource.schema.json", document), ajv.errorsText()).toBe(true);
    expect(findingsOf(document, schema)).toEqual([]);
  });

  test("refuses an unknown key and another kind", () => {
    expect(accepts(name, { ...document, unknown: 1 })).toBe(false);
    expect(accepts("resource.schema.json", { ...document, unknown: 1 })).toBe(false);
    expect(accepts(name, { ...document, kind: "Gadget" })).toBe(false);
  });

  test("accepts nothing that the sidecar would complain about", () => {
    const replacement = fc.constantFrom<unknown>(
      undefined,
      1,
      -1,
      1.5,
      "",
      "text",
      "5s",
      true,
      [],
      ["a"],
      {},
      { a: 1 },
      [{ name: "x" }],
    );
    const mutation = fc.record({ at: fc.nat(), value: replacement });
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 3 }), (mutations) => {
        const changed = mutations.reduce((sum, { at, value }) => mutate(sum, at, value), structuredClone(document));
        if (accepts(name, changed)) expect(findingsOf(changed, schema)).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });
});

/** Replaces, or with undefined removes, one of the places inside the document. */
function mutate(document: object, at: number, value: unknown): object {
  const places: (readonly [owner: object, key: string])[] = [];
  const visit = (owner: object) => {
    for (const [key, item] of Object.entries(owner)) {
      places.push([owner, key]);
      if (typeof item === "object" && item !== null) visit(item);
    }
  };
  visit(document);
  const [owner, key] = places[at % Math.max(1, places.length)] ?? [document, "extra"];
  if (value === undefined && !Array.isArray(owner)) Reflect.deleteProperty(owner, key);
  else Reflect.set(owner, key, structuredClone(value ?? "text"));
  return document;
}

test("a property with a default need not be written", () => {
  const loose: string[] = [];
  const visit = (node: unknown, path: string) => {
    if (typeof node !== "object" || node === null) return;
    const { required, properties } = node as { required?: unknown; properties?: Record<string, { default?: unknown }> };
    if (Array.isArray(required)) {
      for (const key of required) if (properties?.[key]?.default !== undefined) loose.push(`${path}.${key}`);
    }
    for (const [key, item] of Object.entries(node)) visit(item, `${path}.${key}`);
  };
  visit(resourceSchemas(), "schemas");
  expect(loose).toEqual([]);
});

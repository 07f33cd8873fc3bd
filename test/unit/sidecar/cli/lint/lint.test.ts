import { expect, test } from "vitest";
import { lint } from "../../../../../sidecar/cli/lint/lint.ts";
import { runInside } from "../../../../support/cli-context.ts";
import { tempFolder } from "../../../../support/temp-folder.ts";

const component = (name: string, type: string, rest = "") => `apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: ${name}
spec:
  type: ${type}
  version: v1
${rest}`;

const metadata = (...lines: string[]) => `  metadata:\n${lines.map((line) => `    ${line}\n`).join("")}`;

const subscription = (rest: string) => `apiVersion: dapr.io/v2alpha1
kind: Subscription
metadata: {name: orders}
spec:
  topic: orders
${rest}`;

const resiliency = (spec: string) => `apiVersion: dapr.io/v1alpha1
kind: Resiliency
metadata: {name: rules}
spec:
${spec}`;

const store = component("store", "state.in-memory");
const broker = component("broker", "pubsub.in-memory");
const vault = component("vault", "secretstores.local.env");

/** Problems of a folder \`r\` as \`file:line: keyPath: message; hint\`. */
async function problemsOf(files: Record<string, string>, env: Record<string, string> = {}): Promise<string[]> {
  const cwd = tempFolder(Object.fromEntries(Object.entries(files).map(([name, text]) => [`r/${name}`, text])));
  const { problems } = await lint(["r"], { cwd, env });
  return problems.map(({ file, line, keyPath, message, hint, severity }) => {
    const place = `${file?.slice(2)}:${line}: ${keyPath ? `${keyPath}: ` : ""}`;
    return `${severity === "warning" ? "(warning) " : ""}${place}${message}${hint ? `; ${hint}` : ""}`;
  });
}

test("resources that are right have no problems", async () => {
  const files = {
    "store.yaml": component(
      "store",
      "state.sqlite",
      `${metadata("- {name: url, value: a.db}", "- {name: KEYPREFIX, value: none}", "- {name: timeout, value: 5s}")}`,
    ),
    "broker.yaml": broker,
    "vault.yaml": vault,
    "keys.yaml": component(
      "keys",
      "secretstores.local.file",
      `${metadata("- name: secretsFile", "  secretKeyRef: {name: path, key: path}")}auth: {secretStore: vault}\n`,
    ),
    "subscription.yaml": subscription(
      "  pubsubname: broker\n  routes: {rules: [{match: 'event.type == \"a\"', path: /a}], default: /b}\n",
    ),
    "resiliency.yaml": resiliency(`  policies:
    timeouts: {short: 1s}
    retries: {again: {policy: constant, duration: 1s, maxRetries: 3}}
    circuitBreakers: {cb: {trip: consecutiveFailures >= 3 || requests > 100}}
  targets:
    apps: {other: {timeout: short, retry: DaprBuiltInServiceRetries}}
    components:
      store: {outbound: {retry: again}}
      broker: {inbound: {circuitBreaker: cb}}
`),
    "foreign.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n",
    "notes.txt": "not YAML",
  };
  expect(await problemsOf(files)).toEqual([]);
});

test.each([
  [
    "an unknown key",
    component("s", "state.in-memory", "  metdata: []\n"),
    'a.yaml:8: spec.metdata: unknown key; did you mean "metadata"?',
  ],
  [
    "a key in the wrong case",
    component("s", "state.in-memory", "  Metadata: []\n"),
    'a.yaml:8: spec.metadata: is spelt "Metadata"; write "metadata"',
  ],
  [
    "a missing name",
    "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {}\nspec: {type: state.in-memory}\n",
    "a.yaml:3: metadata.name: is missing; add it: name by which the API and other resources refer to this one",
  ],
  [
    "an unknown kind",
    "apiVersion: dapr.io/v1alpha1\nkind: Componet\nmetadata: {name: x}\n",
    'a.yaml:2: kind: unknown kind "Componet"; did you mean "Component"?',
  ],
  [
    "broken YAML",
    "a: [",
    "a.yaml:1: invalid YAML: flow sequence in block collection must be sufficiently indented and end with a ]; close the bracket or put the value in quotes",
  ],
  [
    "an unknown type",
    component("s", "state.sqlight"),
    'a.yaml:6: spec.type: there is no component type "state.sqlight"; did you mean "state.sqlite"?',
  ],
  [
    "a type of another kind",
    component("s", "pubsub.sqlit"),
    'a.yaml:6: spec.type: there is no component type "pubsub.sqlit"; did you mean "pubsub.sqlite"?',
  ],
  [
    "a type like no other",
    component("s", "state.wonderdb"),
    'a.yaml:6: spec.type: there is no component type "state.wonderdb"; `mecha components` lists them',
  ],
  [
    "an unknown version",
    component("s", "state.in-memory").replace("v1\n", "v7\n").replace("dapr.io/v7", "dapr.io/v1alpha1"),
    "a.yaml:7: spec.version: state.in-memory has no version v7; write v1",
  ],
  [
    "an unknown setting",
    component("s", "state.sqlite", metadata("- {name: tablName, value: x}")),
    'a.yaml:9: spec.metadata[0].name: state.sqlite has no setting "tablName"; did you mean "tableName"?',
  ],
  [
    "an unknown setting in a secret",
    component("s", "state.sqlite", metadata("- {name: pasword, envRef: X}")),
    'a.yaml:9: spec.metadata[0].name: state.sqlite has no setting "pasword"; unknown key; see `mecha components state.sqlite`',
  ],
  [
    "a setting twice",
    component("s", "state.sqlite", metadata("- {name: tableName, value: a}", "- {name: TABLENAME, value: b}")),
    "a.yaml:10: spec.metadata[1].name: tableName is given twice; remove one of the two; the last one counts",
  ],
  [
    "a setting that is no duration",
    component("s", "state.sqlite", metadata("- {name: timeout, value: soon}")),
    'a.yaml:9: spec.metadata[0].value: timeout: "soon" is not a duration; write numbers with units h, m, s, ms, us or ns, such as "1h30m", "5s" or "500ms"',
  ],
  [
    "a setting that is no yes or no",
    component("s", "state.in-memory", metadata("- {name: actorStateStore, value: maybe}")),
    'a.yaml:9: spec.metadata[0].value: actorStateStore: "maybe" is not a yes or no; write true or false',
  ],
  [
    "a setting that is none of its words",
    component("s", "state.sqlite", metadata("- {name: synchronous, value: half}")),
    'a.yaml:9: spec.metadata[0].value: synchronous: "half" is not one of full, normal; see `mecha components state.sqlite`',
  ],
  [
    "a missing setting",
    component("s", "secretstores.local.file"),
    'a.yaml:5: spec.metadata: secretsFile: is required; add "- name: secretsFile"',
  ],
  [
    "a wrong initTimeout",
    component("s", "state.in-memory", "  initTimeout: soon\n"),
    'a.yaml:8: spec.initTimeout: "soon" is not a duration; write numbers with units h, m, s, ms, us or ns, such as "1h30m", "5s" or "500ms"',
  ],
  [
    "a secret without a store",
    component("s", "state.sqlite", metadata("- {name: url, secretKeyRef: {name: a, key: b}}")),
    'a.yaml:9: spec.metadata[0].secretKeyRef: no secret store is named; add "auth: {secretStore: <component>}"',
  ],
  [
    "an unknown secret store",
    component("s", "state.sqlite", "auth: {secretStore: valt}\n"),
    'a.yaml:8: auth.secretStore: no secret store is called "valt"; did you mean "vault"?',
  ],
  [
    "a store that is no secret store",
    component("s", "state.sqlite", "auth: {secretStore: store}\n"),
    'a.yaml:8: auth.secretStore: no secret store is called "store"; declared: vault',
  ],
  [
    "an outbox to nowhere",
    component("s", "state.in-memory", metadata("- {name: outboxPublishPubsub, value: broke}")),
    'a.yaml:9: spec.metadata[0].value: no pub/sub component is called "broke"; did you mean "broker"?',
  ],
  [
    "a name that is taken",
    component("store", "state.in-memory"),
    'z-store.yaml:4: metadata.name: another Component is called "store": r/a.yaml:1; rename one of the two',
  ],
  [
    "an unknown pub/sub",
    subscription("  pubsubname: brokr\n  routes: {default: /a}\n"),
    'a.yaml:6: spec.pubsubname: no pub/sub component is called "brokr"; did you mean "broker"?',
  ],
  [
    "a subscription of a state store",
    subscription("  pubsubname: store\n  routes: {default: /a}\n"),
    'a.yaml:6: spec.pubsubname: no pub/sub component is called "store"; declared: broker',
  ],
  [
    "a rule that is no CEL",
    subscription("  pubsubname: broker\n  routes:\n    rules:\n      - {match: event.type =, path: /a}\n"),
    /^a\.yaml:9: spec\.routes\.rules\[0\]\.match: the rule "event\.type =" is not usable: .*; write a condition over event/,
  ],
  [
    "a rule that is no condition",
    subscription("  pubsubname: broker\n  routes:\n    rules:\n      - {match: 1 + 1, path: /a}\n"),
    /^a\.yaml:9: .*it gives int, not true or false/,
  ],
  [
    "a rule over what there is not",
    subscription("  pubsubname: broker\n  routes:\n    rules:\n      - {match: evnt.type == '', path: /a}\n"),
    /^a\.yaml:9: .*evnt/,
  ],
  [
    "routes of the old version",
    subscription("  pubsubname: broker\n  route: /a\n"),
    'a.yaml:7: spec.route: unknown key; v2alpha1 writes "routes: {default: /path}"',
  ],
  [
    "a dead letter topic in a circle",
    subscription("  pubsubname: broker\n  routes: {default: /a}\n  deadLetterTopic: orders\n"),
    "a.yaml:8: spec.deadLetterTopic: is the topic itself, so a message that fails comes again for ever; name another topic",
  ],
  [
    "an order of batches",
    subscription(
      "  pubsubname: broker\n  routes: {default: /a}\n  bulkSubscribe: {enabled: true}\n  delivery: {order: key}\n",
    ),
    "a.yaml:9: spec.delivery: bulkSubscribe cannot keep the order key; take one of them out",
  ],
  [
    "an order that there is not",
    subscription("  pubsubname: broker\n  routes: {default: /a}\n  delivery: {order: keys}\n"),
    'a.yaml:8: spec.delivery.order: "keys" is not one of none, key, topic; did you mean "key"?',
  ],
  [
    "a capability that the driver lacks",
    component("keys", "crypto.in-memory", "  requires: [etag]\n"),
    'a.yaml:8: spec.requires[0]: requires "etag", which is no capability of crypto; crypto has none',
  ],
  [
    "a delivery store that is not there",
    component("bus", "pubsub.in-memory", metadata("- {name: deliveryStore, value: stor}")),
    'a.yaml:9: spec.metadata[0].value: no state store is called "stor"; did you mean "store"?',
  ],
  [
    "an unknown policy",
    resiliency("  policies: {retries: {again: {}}}\n  targets: {apps: {a: {retry: agian}}}\n"),
    'a.yaml:6: spec.targets.apps.a.retry: no retry policy is called "agian"; did you mean "again"?',
  ],
  [
    "an unknown target",
    resiliency("  targets: {components: {stor: {outbound: {}}}}\n"),
    'a.yaml:5: spec.targets.components.stor: no component is called "stor"; did you mean "store"?',
  ],
  [
    "an inbound policy of a store",
    resiliency("  targets: {components: {store: {inbound: {}}}}\n"),
    'a.yaml:5: spec.targets.components.store.inbound: state.in-memory calls nobody; write its policies below "outbound"',
  ],
  [
    "a trip that is no condition",
    resiliency("  policies:\n    circuitBreakers:\n      cb: {trip: failures > 3}\n"),
    /^a\.yaml:7: spec\.policies\.circuitBreakers\.cb\.trip: "failures > 3" is not a condition over requests.*; write a condition such as/,
  ],
  [
    "a duration that is none",
    resiliency("  policies: {timeouts: {t: 5 seconds}}\n"),
    'a.yaml:5: spec.policies.timeouts.t: "5 seconds" is not a duration; write "5s"',
  ],
  [
    "an address that is no URL",
    "apiVersion: dapr.io/v1alpha1\nkind: HTTPEndpoint\nmetadata: {name: x}\nspec: {baseUrl: example.com}\n",
    'a.yaml:4: spec.baseUrl: "example.com" is not an HTTP URL; write "http://example.com"',
  ],
  [
    "a wrong Configuration",
    "apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: {name: c}\nspec: {tracng: {}}\n",
    'a.yaml:4: spec.tracng: unknown key; did you mean "tracing"?',
  ],
  [
    "a scope of no store",
    "apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: {name: c}\nspec: {secrets: {scopes: [{storeName: valt}]}}\n",
    'a.yaml:4: spec.secrets.scopes[0].storeName: no secret store is called "valt"; did you mean "vault"?',
  ],
  [
    "an unknown name resolution",
    "apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: {name: c}\nspec: {nameResolution: {component: mnds}}\n",
    'a.yaml:4: spec.nameResolution.component: there is no name resolution "mnds"; did you mean "mdns"?',
  ],
  [
    "a run file",
    "apps:\n  - {appDirPath: ., appPrt: 1}\n",
    'a.yaml:2: apps[0].appPrt: unknown key; did you mean "appPort"?',
  ],
])("%s is found", async (_, text, problem) => {
  const found = await problemsOf({
    "a.yaml": text,
    "z-broker.yaml": broker,
    "z-store.yaml": store,
    "z-vault.yaml": vault,
  });
  expect(found).toEqual([typeof problem === "string" ? problem : expect.stringMatching(problem)]);
});

test("values that are known when the sidecar starts are not judged", async () => {
  const open = metadata(
    "- {name: timeout, envRef: T}",
    "- {name: busyTimeout, value: '{podName}'}",
    "- {name: tableName, secretKeyRef: {name: a, key: b}}",
  );
  expect(
    await problemsOf({
      "a.yaml": component("s", "state.sqlite", `${open}auth: {secretStore: vault}\n`),
      "z.yaml": vault,
    }),
  ).toEqual([]);
  expect(
    await problemsOf({
      "a.yaml": component("s", "secretstores.local.file", metadata("- {name: secretsFile, envRef: F}")),
    }),
  ).toEqual([]);
});

test("a secret in plain text is doubted, not refused, and never repeated", async () => {
  const text = component("s", "state.in-memory", metadata("- {name: primaryEncryptionKey, value: c0ffee}"));
  const found = await problemsOf({ "a.yaml": text });
  expect(found).toEqual([
    expect.stringMatching(
      /^\(warning\) a\.yaml:9: spec\.metadata\[0\]: primaryEncryptionKey is a secret in plain text; use secretKeyRef/,
    ),
  ]);
  expect(found.join()).not.toContain("c0ffee");
});

test("two actor stores are one too many", async () => {
  const flagged = (name: string) =>
    component(name, "state.in-memory", metadata("- {name: actorStateStore, value: true}"));
  expect(await problemsOf({ "a.yaml": flagged("a"), "b.yaml": flagged("b") })).toEqual([
    "b.yaml:9: spec.metadata[0]: actorStateStore is already set by a; only one store of a sidecar may have it",
  ]);
});

test("several documents of a file are told apart by their lines", async () => {
  const found = await problemsOf({ "all.yaml": `${store}---\n${broker}---\n${component("x", "lock.nothing")}` });
  expect(found).toEqual([
    expect.stringMatching(/^all\.yaml:22: spec\.type: there is no component type "lock\.nothing"/),
  ]);
});

test("two folders may use one name, because they may belong to two apps", async () => {
  const cwd = tempFolder({ "a/store.yaml": store, "b/store.yaml": store });
  expect((await lint(["a", "b"], { cwd, env: {} })).problems).toEqual([]);
});

test("a single file is checked against its neighbours, whose own problems are not told", async () => {
  const cwd = tempFolder({
    "r/sub.yaml": subscription("  pubsubname: broker\n  routes: {default: /a}\n"),
    "r/broker.yaml": broker,
    "r/broken.yaml": component("x", "state.nothing"),
  });
  const result = await lint(["r/sub.yaml"], { cwd, env: {} });
  expect(result).toEqual({ problems: [], files: 1, resources: 1 });
});

test("without paths, what `mecha run` would use here is checked", async () => {
  const cwd = tempFolder({
    "mecha.yaml": "common: {resourcesPaths: [shared], configFilePath: config.yaml}\napps: [{appDirPath: app}]\n",
    "app/x": "",
    "shared/a.yaml": component("x", "state.nothing"),
    "config.yaml": "apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: {name: c}\nspec: {tracng: {}}\n",
    "components/b.yaml": component("y", "state.nothing"),
    "elsewhere/c.yaml": component("z", "state.nothing"),
  });
  const { problems, files } = await lint([], { cwd, env: {} });
  expect(problems.map(({ file }) => file)).toEqual(["components/b.yaml", "config.yaml", "shared/a.yaml"]);
  expect(files).toBe(4);
});

test("a path that is not there, and a folder with nothing to check, are said", async () => {
  const cwd = tempFolder({ "components/a.yaml": store });
  await expect(lint(["component"], { cwd, env: {} })).rejects.toMatchObject({
    line: 'component does not exist; did you mean "components"?',
  });
  await expect(lint([], { cwd: tempFolder(), env: {} })).rejects.toThrow("there is nothing to check here");
});

test("the command writes problems like a compiler and ends with code 1", async () => {
  const cwd = tempFolder({ "components/a.yaml": component("s", "state.sqlight") });
  expect(await runInside(["lint"], { cwd })).toEqual({
    code: 1,
    stdout:
      'components/a.yaml:6:3: error: spec.type: there is no component type "state.sqlight"; did you mean "state.sqlite"?\n1 resource in 1 file: 1 problem\n',
    stderr: "",
  });
  const json = await runInside(["lint", "--json"], { cwd });
  expect(json.code).toBe(1);
  expect(JSON.parse(json.stdout)).toMatchObject({
    ok: false,
    files: 1,
    problems: [{ file: "components/a.yaml", line: 6, column: 3, severity: "error" }],
  });
});

test("a type that a process of its own may offer is only doubted, where a folder of sockets is named", async () => {
  const env = { DAPR_COMPONENTS_SOCKETS_FOLDER: tempFolder() };
  const [problem, ...others] = await problemsOf({ "a.yaml": component("mine", "state.mine") }, env);
  expect(problem).toContain("(warning) a.yaml:6: spec.type: state.mine is not built in, and there is no mine.sock in");
  expect(others).toEqual([]);
  expect((await problemsOf({ "a.yaml": component("mine", "crypto.mine") }, env))[0]).toContain(
    "there is no component type",
  );
});

import { existsSync } from "node:fs";
import { join } from "node:path";
import { status } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { type PluggableKind, pluggableDriver } from "../../components/pluggable/driver.ts";
import { Sockets } from "../../components/pluggable/sockets.ts";
import { systemClock } from "../../sidecar/kernel/clock.ts";
import { InputBinding, OutputBinding } from "../../specs/gen/dapr/proto/components/v1/bindings_pb.js";
import { PubSub } from "../../specs/gen/dapr/proto/components/v1/pubsub_pb.js";
import { SecretStore } from "../../specs/gen/dapr/proto/components/v1/secretstore_pb.js";
import { StateStore } from "../../specs/gen/dapr/proto/components/v1/state_pb.js";
import { pluggableCapabilities } from "../conformance/pluggable.targets.ts";
import { FakeComponent, type FakeOptions, Refusal } from "../support/fake-component.ts";
import { KeptLog, openContext, openDriver } from "../support/open-driver.ts";
import { type Language, requireExample, sharedExample } from "../support/pluggable.ts";
import { tempFolder } from "../support/temp-folder.ts";
import { Fixture, resource } from "../unit/sidecar/host/fake-components.ts";

const accepting = {
  "StateStore.Init": () => ({}),
  "PubSub.Init": () => ({}),
  "InputBinding.Init": () => ({}),
  "OutputBinding.Init": () => ({}),
  "OutputBinding.ListOperations": () => ({ operations: ["create"] }),
  "SecretStore.Init": () => ({}),
};
const all = [StateStore, PubSub, InputBinding, OutputBinding, SecretStore];

function fake(options: Partial<FakeOptions> = {}): FakeComponent {
  return new FakeComponent(join(tempFolder(), "fake.sock"), {
    services: all,
    ...options,
    methods: { ...accepting, ...options.methods },
  });
}

async function started(options: Partial<FakeOptions> = {}): Promise<FakeComponent> {
  const component = fake(options);
  await component.start();
  return component;
}

const open = (
  kind: PluggableKind,
  { socket }: FakeComponent,
  settings: Readonly<Record<string, string>> = {},
  context = openContext({ name: "mine" }),
) => openDriver(pluggableDriver(kind, `${kind}.fake`, socket), settings, context);

test("Init gets the metadata as it was written, and every call names the component", async () => {
  const component = await started();
  const settings = { Host: "h", keyPrefix: "none", "odd key": "ä" };
  await open("state", component, settings);
  const [init] = component.calls;
  expect(init).toMatchObject({ method: "StateStore.Init", request: { metadata: { properties: settings } } });
  expect(component.names()).toEqual(["StateStore.Init", "StateStore.Features"]);
  expect(new Set(component.calls.map(({ instance }) => instance))).toEqual(new Set(["mine"]));
});

test("a pubsub is told its consumer group, which is the app's id unless it is set", async () => {
  const component = await started();
  await open("pubsub", component);
  await open("pubsub", component, { consumerid: "others" });
  const inits = component.calls.filter(({ method }) => method === "PubSub.Init");
  expect(inits.map(({ request }) => request.metadata.properties)).toEqual([
    { consumerID: "app" },
    { consumerid: "others" },
  ]);
});

test.each<[string, PluggableKind, readonly string[], readonly string[]]>([
  ["nothing said", "state", [], ["bulkGet"]],
  ["versions and ends", "state", ["ETAG", "TTL"], ["etag", "ttl", "bulkGet"]],
  ["transactions without their service", "state", ["TRANSACTIONAL"], ["bulkGet"]],
  [
    "bulk publishing",
    "pubsub",
    ["BULK_PUBLISH", "SUBSCRIBE_WILDCARDS", "MESSAGE_TTL"],
    ["bulkPublish", "ttl", "wildcards"],
  ],
  ["several values", "secretstores", ["MULTIPLE_KEY_VALUES_PER_SECRET"], ["multiple"]],
  ["both directions", "bindings", [], ["input", "output"]],
])("capabilities come from features and services: %s", async (_, kind, features, expected) => {
  const says = () => ({ features });
  const methods = { "StateStore.Features": says, "PubSub.Features": says, "SecretStore.Features": says };
  expect((await open(kind, await started({ methods }))).capabilities).toEqual(expected);
});

test("a binding has the direction that its process offers", async () => {
  const output = await open("bindings", await started({ services: [OutputBinding] }));
  expect([output.capabilities, "read" in output, "invoke" in output]).toEqual([["output"], false, true]);
  const input = await open("bindings", await started({ services: [InputBinding] }));
  expect([input.capabilities, "read" in input, "invoke" in input]).toEqual([["input"], true, false]);
});

test("a process that knows only the older reflection is understood", async () => {
  await open("state", await started({ reflection: ["v1alpha"] }));
});

test("a process without reflection is refused with what to do", async () => {
  const component = await started({ reflection: [] });
  await expect(open("state", component)).rejects.toMatchObject({
    reason: "openFailed",
    message: expect.stringMatching(/state\.fake at .*fake\.sock: .*register reflection in its server/),
  });
});

test("a process with other services is refused with what it offers", async () => {
  const component = await started({ services: [PubSub, SecretStore] });
  await expect(open("bindings", component)).rejects.toMatchObject({
    reason: "openFailed",
    message: expect.stringMatching(
      /the process at .* offers PubSub, SecretStore; a bindings\.fake needs InputBinding or OutputBinding/,
    ),
  });
});

test("what Init says when it fails is passed on, without the settings", async () => {
  const refusing = () => {
    throw new Refusal(status.INVALID_ARGUMENT, "url: is required");
  };
  const component = await started({ methods: { "SecretStore.Init": refusing } });
  const failure = open("secretstores", component, { password: "hunter2" });
  await expect(failure).rejects.toMatchObject({
    reason: "openFailed",
    message: expect.stringMatching(
      /^secretstores\.fake: Init of SecretStore at .*fake\.sock failed: url: is required$/,
    ),
  });
  await expect(failure).rejects.not.toThrow(/hunter2/);
});

test("an Init that does not answer ends with the time for it", async () => {
  const component = await started({ methods: { "StateStore.Init": () => new Promise<object>(() => {}) } });
  const gone = new AbortController();
  const opening = open("state", component, {}, openContext({ signal: gone.signal }));
  await expect.poll(() => component.names()).toEqual(["StateStore.Init"]);
  gone.abort(new Error("too late"));
  await expect(opening).rejects.toThrow("too late");
});

const sockets = (folder: string, log = new KeptLog(), isNamed = true) =>
  new Sockets({ folder, isNamed, clock: systemClock, log });

test("a socket that appears later is waited for, and the log tells so", async () => {
  const component = fake();
  const folder = join(component.socket, "..");
  const log = new KeptLog();
  const finding = sockets(folder, log).find("state.FAKE", 20_000, new AbortController().signal);
  await expect.poll(() => log.lines.join("\n")).toMatch(/info waiting for FAKE\.sock in .*state\.FAKE/);
  await component.start();
  expect(await finding).toMatchObject({ driver: { kind: "state", type: "state.FAKE" } });
});

test("a file that a dead process left is no process", async () => {
  const component = await started();
  const folder = join(component.socket, "..");
  await expect(sockets(folder).find("state.fake", 0, new AbortController().signal)).resolves.toHaveProperty("driver");
  const left = join(folder, "left.sock");
  const { writeFileSync } = await import("node:fs");
  writeFileSync(left, "");
  await expect(sockets(folder).find("state.left", 0, new AbortController().signal)).resolves.toEqual({
    why: `nothing listened at ${left} within 0 ms; start the component's process`,
  });
});

test("a folder that nobody named and that is not there is not waited for, nor is a kind that has no service", async () => {
  const folder = join(tempFolder(), "nowhere");
  expect(existsSync(folder)).toBe(false);
  const signal = new AbortController().signal;
  expect(await sockets(folder, new KeptLog(), false).find("state.fake", 60_000, signal)).toBeUndefined();
  expect(await sockets(folder).find("lock.fake", 60_000, signal)).toBeUndefined();
});

test("waiting ends when the sidecar does", async () => {
  const closing = new AbortController();
  const finding = sockets(tempFolder()).find("state.fake", 60_000, closing.signal);
  closing.abort(new Error("closing"));
  await expect(finding).rejects.toThrow("closing");
});

test("a host opens a component behind a socket and knows what it can do", async () => {
  const component = await started({ methods: { "StateStore.Features": () => ({ features: ["ETAG"] }) } });
  const mine = resource("mine", {
    type: "state.fake2",
    metadata: [
      { name: "url", value: "u", line: 1 },
      { name: "keyPrefix", value: "none", line: 2 },
    ],
  });
  const { find } = { find: async () => ({ driver: pluggableDriver("state", "state.fake2", component.socket) }) };
  const { host } = new Fixture([mine], { sockets: { names: () => ["fake2"], find }, clock: systemClock });
  await host.start();
  expect(host.statuses()).toMatchObject([{ name: "mine", state: "ready", capabilities: ["etag", "bulkGet"] }]);
  const opened = host.find("state", "mine");
  expect(opened?.driver.capabilities).toEqual(["etag", "bulkGet"]);
  expect(opened?.runtime["keyPrefix"]).toBe("none");
  expect(component.calls[0]?.request.metadata.properties).toEqual({ url: "u", keyPrefix: "none" });
});

test("a type that is neither known nor a socket is refused with what is meant and the sockets there are", async () => {
  const component = await started();
  const folder = join(component.socket, "..");
  const wrong = resource("wrong", { type: "pubsub.fak", initTimeoutMs: 0 });
  const { host } = new Fixture([wrong], { sockets: sockets(folder), clock: systemClock });
  await expect(host.start()).rejects.toMatchObject({
    message: expect.stringMatching(
      /component wrong: spec\.type pubsub\.fak\/v1: there is no such driver; did you mean "pubsub\.fake"\?; no socket fak\.sock came to .* within 0 ms; sockets there: fake\.sock/,
    ),
  });
});

test("a socket with the name of a driver that is built in does not take its place, and the log says so", async () => {
  const { host, log } = new Fixture([resource("mine")], {
    sockets: { names: () => ["fake"], find: () => Promise.reject(new Error("asked")) },
  });
  await host.start();
  expect(host.statuses()).toMatchObject([{ state: "ready" }]);
  expect(JSON.stringify(log.lines)).toContain("the socket fake.sock is not used for it");
});

const languages: readonly Language[] = ["python", "go"];
for (const language of languages) {
  const isMissing = !(await requireExample(language));
  test.skipIf(isMissing)(`the example in ${language} says what the suites ask of it`, async () => {
    const { socket } = await sharedExample(language);
    const learnt: Record<string, unknown> = {};
    for (const kind of ["state", "pubsub", "bindings", "secretstores"] as const) {
      const opened = await openDriver(pluggableDriver(kind, `${kind}.memory`, socket), {});
      learnt[kind] = opened.capabilities;
    }
    expect(learnt).toEqual(pluggableCapabilities);
  });
}

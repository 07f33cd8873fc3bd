import { resolve } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { installPython } from "../../scripts/clients/python.ts";
import { runSdkPrograms, type SdkReport } from "../support/sdk-run.ts";
import { reportNotRun, requireTool } from "../support/services.ts";

const program = resolve(import.meta.dirname, "clients/python/main.py");
const protocols = ["http", "grpc"] as const;
type Protocol = (typeof protocols)[number];

const state = [
  "a saved text comes back",
  "saved bytes come back",
  "an absent key is empty",
  "several values are saved and read at once",
  "a value with the current etag is saved",
  "a stale etag is refused",
  "a delete with a stale etag is refused",
  "a deleted key is gone",
  "a transaction writes and deletes together",
  "a transaction with a stale etag changes nothing",
  "a value with a time to live is kept until then",
  "a query filters, sorts and pages",
  "an unknown store is refused",
];
const pubsub = [
  "a published object reaches the app",
  "a published text reaches the app",
  "published bytes reach the app",
  "a cloud event reaches the app",
  "a raw payload reaches the app",
  "a message comes again when the app asks for it",
  "a dropped message goes to the dead letter topic",
  "several events are published at once",
  "a publish to an unknown pubsub is refused",
];
const grpcOnly = ["messages are routed by rules", "events come in bulk where a resource asks for it"];
const streaming = [
  "a streaming subscription gets what is published",
  "a streamed message comes again when the client asks for it",
  "a streamed message that is dropped goes to the dead letter topic",
  "a streamed message without an answer comes again on the next stream",
  "a handler gets what is streamed",
  "a streaming subscription to an unknown pubsub is refused",
];
const sidecars = ["its own sidecar", "another sidecar"];
const calls = sidecars
  .flatMap((sidecar) => ["http", "grpc"].map((protocol) => `over ${protocol} through ${sidecar}`))
  .flatMap((way) => [`the app is called with GET ${way}`, `the app is called with a body ${way}`]);
const proxied = sidecars.flatMap((sidecar) =>
  ["a unary call", "a server stream", "a client stream", "a stream both ways"].map(
    (kind) => `${kind} is proxied through ${sidecar}`,
  ),
);
const bindings = [
  "an output binding writes, reads and deletes",
  "an unknown binding is refused",
  "an unknown operation is refused",
  "an input binding reaches the app",
];
const secrets = [
  "a secret is read",
  "all secrets are read",
  "an absent secret is refused",
  "an unknown secret store is refused",
];
const configuration = ["configuration items are read by key", "all configuration items are read"];
const lock = ["a lock is given to one owner", "a lock is only given back by its owner"];
const metadata = ["metadata names the app and the components", "metadata takes a further value"];
const crypto = [
  "a document encrypted with the rsa key is decrypted",
  "a document encrypted with the aes key is decrypted",
  "a document of many chunks is decrypted",
  "an absent key is refused",
];
const conversation = [
  "a conversation is answered by the first version",
  "a conversation is answered by the second version",
  "a conversation calls a tool",
  "a conversation hides personal data",
  "a conversation with an unknown component is refused",
];
const of = (type: string, names: readonly string[]) => names.map((name) => `${type}: ${name}`);

const stepsOf = (protocol: Protocol) => {
  const onlyGrpc = (...names: readonly string[]) => (protocol === "grpc" ? names : []);
  const messages = [...pubsub, ...onlyGrpc(...grpcOnly), ...streaming];
  return [
    "the client waits for the sidecar",
    "the sidecar becomes ready with its app",
    ...of("state.sqlite", state),
    ...of("state.in-memory", state),
    ...of("pubsub.sqlite", messages),
    ...of("pubsub.in-memory", messages),
    ...calls,
    "a call of an unknown app is refused over http",
    "a call of an unknown app is refused over grpc",
    ...onlyGrpc(...proxied),
    ...bindings,
    ...secrets,
    ...configuration,
    ...onlyGrpc("a configuration subscription tells changes until it is ended"),
    ...of("lock.sqlite", lock),
    ...of("lock.in-memory", lock),
    ...metadata,
    ...crypto,
    ...conversation,
    "the sidecar is asked to shut down",
  ];
};

/** The SDK's apps do not ask for bulk themselves. A gRPC app finds its handler by the route: here that of `orders`. */
const inBulk = (pubsubname: string) =>
  JSON.stringify({
    apiVersion: "dapr.io/v2alpha1",
    kind: "Subscription",
    metadata: { name: `${pubsubname}-in-bulk` },
    spec: {
      pubsubname,
      topic: "in-bulk",
      routes: { default: "orders" },
      bulkSubscribe: { enabled: true, maxMessagesCount: 3, maxAwaitDurationMs: 200 },
    },
  });

const python = await pythonWithSdk();

/** Undefined: it cannot be had here. The first time it is installed, which takes a while. */
async function pythonWithSdk(): Promise<string | undefined> {
  const found = requireTool("python3");
  if (found === undefined) return undefined;
  try {
    return await installPython(found);
  } catch (error) {
    reportNotRun("the Python SDK", `it cannot be installed: ${(error as Error).message}`);
    return undefined;
  }
}

describe.skipIf(python === undefined)("the official Python SDK", () => {
  const reports = new Map<Protocol, SdkReport>();
  beforeAll(async () => {
    const command = [python ?? "", program] as const;
    const resources = { "in-bulk.yaml": [inBulk("pubsub"), inBulk("memorypubsub")].join("\n---\n") };
    const all = await runSdkPrograms([
      // the SDK's asynchronous client sends its token with no stream
      { appId: "python-http", protocol: "http", command, hasTokens: false },
      { appId: "python-grpc", protocol: "grpc", command, hasTokens: true, resources },
    ]);
    protocols.forEach((protocol, at) => void reports.set(protocol, all[at] as SdkReport));
  }, 120_000);

  describe.each(protocols)("python %s", (protocol) => {
    it.each(stepsOf(protocol))("%s", (step) => reports.get(protocol)?.check(step));

    it("no step goes unnamed", () => expect(reports.get(protocol)?.steps).toEqual(stepsOf(protocol)));

    it("its sidecar ends well when it is asked to", () => expect(reports.get(protocol)?.sidecarExit).toBe(0));
  });
});

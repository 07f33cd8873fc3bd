import { beforeAll, describe, expect, it } from "vitest";
import { buildGoClient } from "../../scripts/clients/go.ts";
import { runSdkPrograms, type SdkReport } from "../support/sdk-run.ts";
import { reportNotRun, requireTool } from "../support/services.ts";

const protocols = ["http", "grpc"] as const;
type Protocol = (typeof protocols)[number];

const pubsub = [
  "a published object reaches the app",
  "a published text reaches the app",
  "published bytes reach the app",
  "a cloud event reaches the app",
  "a raw payload reaches the app",
  "a message comes again when the app asks for it",
  "a dropped message goes to the dead letter topic",
  "messages are routed by their type",
  "several events are published at once",
  "a publish to an unknown pubsub is refused",
];
const calls = [
  "the app is called with GET and a query",
  "the app is called with a body",
  "an error of the app comes back",
];
const bindings = [
  "an output binding writes, reads and deletes",
  "an unknown binding is refused",
  "an input binding reaches the app",
];
const state = [
  "a saved value comes back with its etag",
  "an absent key is empty",
  "several values are saved and read at once",
  "a value with the current etag is saved",
  "a stale etag is refused",
  "a delete with a stale etag is refused",
  "a deleted key is gone",
  "several keys are deleted at once",
  "a transaction writes and deletes together",
  "a value with a time to live tells its end",
  "a query filters, sorts and pages",
  "an unknown store is refused",
];
const streaming = [
  "a streaming subscription gets what is published",
  "a streamed message comes again when the client asks for it",
  "a handler that drops sends to the dead letter topic",
  "a streaming subscription to an unknown pubsub is refused",
];
const lock = ["a lock is given to one owner", "a lock is only given back by its owner"];
const of = (type: string, names: readonly string[]) => names.map((name) => `${type}: ${name}`);
/** The client is the same beside both apps, so what does not concern the app is gone through once. */
const client = [
  ...of("state.sqlite", state),
  ...of("state.in-memory", state),
  ...of("pubsub.sqlite", streaming),
  ...of("pubsub.in-memory", streaming),
  "a secret is read",
  "all secrets are read",
  "an absent secret is refused",
  "an unknown secret store is refused",
  "a configuration item is read by its key",
  "all configuration items are read",
  "a configuration subscription tells changes until it is ended",
  ...of("lock.sqlite", lock),
  ...of("lock.in-memory", lock),
  "metadata names the app, its components and subscriptions",
  "metadata takes a further value",
  "a document encrypted with the rsa key is decrypted",
  "a document encrypted with the aes key is decrypted",
  "a document of many chunks is decrypted",
  "an absent key is refused",
  "a conversation is answered by the first version",
  "a conversation is answered by the second version",
  "a conversation calls a tool",
  "a conversation with an unknown component is refused",
];

const stepsOf = (protocol: Protocol) => {
  const proxied = protocol === "grpc" ? ["a service of the app is called by proxy"] : [];
  const through = (sidecar: string) => [...calls, ...proxied].map((name) => `${name} through ${sidecar}`);
  return [
    "the app starts",
    "the client waits for the sidecar",
    "the sidecar becomes ready with its app",
    ...of("pubsub.sqlite", pubsub),
    ...of("pubsub.in-memory", pubsub),
    ...through("its own sidecar"),
    ...through("another sidecar"),
    "a call of an unknown app is refused",
    ...bindings,
    ...(protocol === "grpc" ? client : []),
    "the sidecar is asked to shut down",
  ];
};

const program = await goClient();

/** Undefined: it cannot be had here. The first time its modules are fetched and compiled, which takes a while. */
async function goClient(): Promise<string | undefined> {
  const go = requireTool("go");
  if (go === undefined) return undefined;
  try {
    return await buildGoClient(go);
  } catch (error) {
    reportNotRun("the Go SDK", `its client cannot be built: ${(error as Error).message}`);
    return undefined;
  }
}

describe.skipIf(program === undefined)("the official Go SDK", () => {
  const reports = new Map<Protocol, SdkReport>();
  beforeAll(async () => {
    const command = [program ?? ""] as const;
    const all = await runSdkPrograms([
      { appId: "go-http", protocol: "http", command, hasTokens: true },
      // with a token the SDK's client sends no other metadata, so it could not name the app of a proxied call
      { appId: "go-grpc", protocol: "grpc", command, hasTokens: false },
    ]);
    protocols.forEach((protocol, at) => void reports.set(protocol, all[at] as SdkReport));
  }, 120_000);

  describe.each(protocols)("go %s", (protocol) => {
    it.each(stepsOf(protocol))("%s", (step) => reports.get(protocol)?.check(step));

    it("no step goes unnamed", () => expect(reports.get(protocol)?.steps).toEqual(stepsOf(protocol)));

    it("its sidecar ends well when it is asked to", () => expect(reports.get(protocol)?.sidecarExit).toBe(0));
  });
});

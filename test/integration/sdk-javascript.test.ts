import { resolve } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { runSdkPrograms, type SdkReport } from "../support/sdk-run.ts";

const program = resolve(import.meta.dirname, "clients/javascript/main.ts");
const protocols = ["http", "grpc"] as const;

const start = [
  "the app starts and waits for its sidecar",
  "the client waits for the sidecar",
  "the sidecar becomes ready with its app",
];
const state = [
  "a saved object comes back",
  "a saved text comes back",
  "an absent key is empty",
  "several keys are read at once",
  "a value with the current etag is saved",
  "a stale etag is refused",
  "a delete with a stale etag is refused",
  "a deleted key is gone",
  "a transaction writes and deletes together",
  "a value with a time to live is kept until then",
  "a query filters, sorts and pages",
  "a query that finds nothing is empty",
  "a key with the separator is refused",
];
const pubsub = [
  "a published object reaches the app",
  "a published text reaches the app",
  "a cloud event reaches the app",
  "a raw payload reaches the app",
  "a message comes again when the app asks for it",
  "a dropped message goes to the dead letter topic",
  "messages are routed by their type",
  "a bulk publish reaches a bulk subscription",
  "a bulk publish with its own entry ids is taken",
  "a publish to an unknown pubsub is refused",
  "a bulk publish to an unknown pubsub fails for each message",
];
const invoke = [
  "the app is called with GET through its own sidecar",
  "the app is called with a body through its own sidecar",
  "the app is called with GET through another sidecar",
  "the app is called with a body through another sidecar",
  "the app is called with GET through another sidecar and the other protocol",
  "the app is called with a body through another sidecar and the other protocol",
];
/** A gRPC app of this SDK answers calls that it has no method for with nothing. */
const httpOnly = ["an error of the app comes back as its status", "an error of the app comes back as a gRPC code"];
const bindings = [
  "an output binding writes and reads",
  "an output binding answers without data",
  "an unknown binding is refused",
  "an unknown operation is refused",
  "an input binding reaches the app",
];
const secrets = [
  "a secret is read",
  "a nested secret is read",
  "all secrets are read",
  "an absent secret is refused",
  "an unknown secret store is refused",
];
const lock = ["a lock is given to one owner", "a lock is only given back by its owner"];
const metadata = [
  "metadata names the app and the components",
  "metadata takes a further value",
  "the sidecar is healthy",
];
const grpcOnly = [
  "configuration items are read by key",
  "all configuration items are read",
  "a configuration subscription tells changes until it is stopped",
  "a document encrypted with the rsa key is decrypted",
  "a document encrypted with the aes key is decrypted",
  "a document of many chunks is decrypted",
];
const of = (type: string, names: readonly string[]) => names.map((name) => `${type}: ${name}`);

const stepsOf = (protocol: (typeof protocols)[number]) => [
  ...start,
  ...of("state.sqlite", state),
  ...of("state.in-memory", state),
  ...of("pubsub.sqlite", pubsub),
  ...of("pubsub.in-memory", pubsub),
  ...invoke,
  ...(protocol === "http" ? httpOnly : []),
  "a call of an unknown app is refused",
  ...bindings,
  ...secrets,
  ...of("lock.sqlite", lock),
  ...of("lock.in-memory", lock),
  ...metadata,
  ...(protocol === "grpc" ? grpcOnly : []),
  "the sidecar is asked to shut down",
];

describe("the official JavaScript SDK", () => {
  const reports = new Map<string, SdkReport>();
  beforeAll(async () => {
    const command = [process.execPath, program] as const;
    const all = await runSdkPrograms([
      { appId: "javascript-http", protocol: "http", command, hasTokens: false },
      { appId: "javascript-grpc", protocol: "grpc", command, hasTokens: true },
    ]);
    protocols.forEach((protocol, at) => void reports.set(protocol, all[at] as SdkReport));
  }, 120_000);

  describe.each(protocols)("javascript %s", (protocol) => {
    it.each(stepsOf(protocol))("%s", (step) => reports.get(protocol)?.check(step));

    it("no step goes unnamed", () => expect(reports.get(protocol)?.steps).toEqual(stepsOf(protocol)));

    it("its sidecar ends well when it is asked to", () => expect(reports.get(protocol)?.sidecarExit).toBe(0));
  });
});

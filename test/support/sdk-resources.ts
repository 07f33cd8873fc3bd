import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Names of the components that the programs in test/integration/clients use. */
const components: readonly (readonly [
  name: string,
  type: string,
  settings?: (folder: string, appId: string) => Readonly<Record<string, string>>,
])[] = [
  ["statestore", "state.sqlite"],
  ["memorystate", "state.in-memory"],
  // one file per app: they use the same topics at the same time
  ["pubsub", "pubsub.sqlite", (folder, appId) => ({ connectionString: join(folder, `${appId}.db`) })],
  ["memorypubsub", "pubsub.in-memory"],
  ["lockstore", "lock.sqlite"],
  ["memorylock", "lock.in-memory"],
  ["configstore", "configuration.sqlite"],
  ["memoryconfig", "configuration.in-memory", () => ({ values: '{"limit": {"value": "10", "version": "3"}}' })],
  ["secretstore", "secretstores.local.file", (folder) => ({ secretsFile: join(folder, "secrets.json") })],
  ["cryptostore", "crypto.dapr.localstorage", (folder) => ({ path: join(folder, "keys") })],
  ["files", "bindings.localstorage", (folder) => ({ rootPath: join(folder, "files") })],
  ["tick", "bindings.cron", () => ({ schedule: "@every 1s" })],
  ["echo", "conversation.echo"],
];

/** Resource files of one memory and one SQLite component per block, and what else the SDKs can talk to. */
export function sdkResources(folder: string, appId: string): Record<string, string> {
  return Object.fromEntries(
    components.map(([name, type, settings]) => [`${name}.yaml`, resource(name, type, settings?.(folder, appId) ?? {})]),
  );
}

/** What the components read: two secrets, the keys `rsa` and `aes`. */
export function writeSdkFiles(folder: string): void {
  mkdirSync(join(folder, "keys"), { recursive: true });
  writeFileSync(join(folder, "secrets.json"), JSON.stringify({ password: "hush", redis: { user: "me" } }));
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  writeFileSync(join(folder, "keys/rsa"), privateKey.export({ type: "pkcs8", format: "pem" }));
  writeFileSync(join(folder, "keys/aes"), JSON.stringify({ kty: "oct", k: Buffer.alloc(32, 7).toString("base64url") }));
}

function resource(name: string, type: string, settings: Readonly<Record<string, string>>): string {
  return JSON.stringify({
    apiVersion: "dapr.io/v1alpha1",
    kind: "Component",
    metadata: { name },
    spec: { type, version: "v1", metadata: Object.entries(settings).map(([key, value]) => ({ name: key, value })) },
  });
}

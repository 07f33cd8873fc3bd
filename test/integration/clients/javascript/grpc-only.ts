import { randomBytes } from "node:crypto";
import type { DaprClient } from "@dapr/dapr";
import { equal, hold, Inbox, step } from "./steps.ts";

const bigBytes = 300_000;

/** What the SDK offers over gRPC alone: configuration and cryptography. */
export async function grpcSteps(client: DaprClient): Promise<void> {
  await configurationSteps(client);
  await cryptoSteps(client);
}

async function configurationSteps({ configuration }: DaprClient): Promise<void> {
  await step("configuration items are read by key", async () => {
    const { items } = await configuration.get("configstore", ["greeting", "absent"]);
    equal(items, { greeting: { key: "greeting", value: "hello", version: "1", metadata: {} } });
  });
  await step("all configuration items are read", async () => {
    const { items } = await configuration.get("memoryconfig");
    equal(items, { limit: { key: "limit", value: "10", version: "3", metadata: {} } });
  });
  await step("a configuration subscription tells changes until it is stopped", async () => {
    const inbox = new Inbox();
    const stream = await configuration.subscribeWithKeys("configstore", ["ticks"], async ({ items }) =>
      inbox.put(items["ticks"]?.value),
    );
    const first = Number(await inbox.take());
    const second = Number(await inbox.take());
    hold(second > first, [first, second]);
    stream.stop();
  });
}

async function cryptoSteps({ crypto }: DaprClient): Promise<void> {
  const componentName = "cryptostore";
  for (const [keyName, keyWrapAlgorithm] of [
    ["rsa", "RSA-OAEP-256"],
    ["aes", "A256KW"],
  ] as const) {
    await step(`a document encrypted with the ${keyName} key is decrypted`, async () => {
      const encrypted = await crypto.encrypt("the plain text", { componentName, keyName, keyWrapAlgorithm });
      hold(!encrypted.includes("the plain text"), encrypted.toString());
      const decrypted = await crypto.decrypt(encrypted, { componentName });
      equal(decrypted.toString(), "the plain text");
    });
  }
  await step("a document of many chunks is decrypted", async () => {
    const plain = randomBytes(bigBytes);
    const options = { componentName, keyName: "rsa", keyWrapAlgorithm: "RSA" } as const;
    const encrypted = await crypto.encrypt(plain, { ...options, dataEncryptionCipher: "chacha20-poly1305" });
    hold(plain.equals(await crypto.decrypt(encrypted, { componentName })), "other bytes");
  });
}

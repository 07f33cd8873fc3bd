import type { DaprClient } from "@dapr/dapr";
import type { App } from "./app.ts";
import { equal, hold, refused, step } from "./steps.ts";

/** Bindings, secrets, locks, metadata and health: blocks with a few calls each. */
export async function blockSteps(client: DaprClient, app: App, appId: string): Promise<void> {
  await bindingSteps(client, app, appId);
  await secretSteps(client);
  for (const [store, type] of [
    ["lockstore", "lock.sqlite"],
    ["memorylock", "lock.in-memory"],
  ] as const)
    await lockSteps(client, store, type);
  await metadataSteps(client, appId);
}

async function bindingSteps({ binding }: DaprClient, app: App, appId: string): Promise<void> {
  const fileName = `${appId}.txt`;
  await step("an output binding writes and reads", async () => {
    await binding.send("files", "create", "content", { fileName });
    const answer = await binding.send("files", "get", undefined, { fileName });
    // the HTTP client answers with the data, the gRPC client with an object around its bytes
    equal(
      typeof answer === "string" ? answer : Buffer.from((answer as { data: Uint8Array }).data).toString(),
      "content",
    );
  });
  await step("an output binding answers without data", async () => {
    await binding.send("files", "delete", undefined, { fileName });
  });
  await step("an unknown binding is refused", () => refused(binding.send("absent", "create", "x"), "absent"));
  await step("an unknown operation is refused", () => refused(binding.send("files", "explode", "x"), "explode"));
  await step("an input binding reaches the app", async () => equal(await app.inbox("tick").take(), "tick"));
}

async function secretSteps({ secret }: DaprClient): Promise<void> {
  await step("a secret is read", async () => equal(await secret.get("secretstore", "password"), { password: "hush" }));
  await step("a nested secret is read", async () =>
    equal(await secret.get("secretstore", "redis:user"), { "redis:user": "me" }),
  );
  await step("all secrets are read", async () =>
    equal(await secret.getBulk("secretstore"), {
      password: { password: "hush" },
      "redis:user": { "redis:user": "me" },
    }),
  );
  await step("an absent secret is refused", () => refused(secret.get("secretstore", "absent"), "absent"));
  await step("an unknown secret store is refused", () => refused(secret.get("nowhere", "password"), "nowhere"));
}

async function lockSteps({ lock }: DaprClient, store: string, type: string): Promise<void> {
  const it = (name: string, run: () => Promise<void>) => step(`${type}: ${name}`, run);
  await it("a lock is given to one owner", async () => {
    equal(await lock.lock(store, "resource", "me", 60), { success: true });
    equal(await lock.lock(store, "resource", "you", 60), { success: false });
  });
  await it("a lock is only given back by its owner", async () => {
    equal(await lock.unlock(store, "resource", "you"), { status: 2 });
    equal(await lock.unlock(store, "resource", "me"), { status: 0 });
    equal(await lock.unlock(store, "resource", "me"), { status: 1 });
  });
}

async function metadataSteps(client: DaprClient, appId: string): Promise<void> {
  await step("metadata names the app and the components", async () => {
    const { id, components } = await client.metadata.get();
    equal(id, appId);
    const store = components.find(({ name }) => name === "statestore");
    equal([store?.type, store?.version], ["state.sqlite", "v1"]);
    hold(store?.capabilities.includes("ETAG") === true, store);
  });
  await step("metadata takes a further value", async () => {
    equal(await client.metadata.set("owner", "the javascript sdk"), true);
    const { extended } = await client.metadata.get();
    equal(extended["owner"], "the javascript sdk");
    hold(typeof extended["daprRuntimeVersion"] === "string", extended);
  });
  await step("the sidecar is healthy", async () => equal(await client.health.isHealthy(), true));
}

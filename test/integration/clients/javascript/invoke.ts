import { env } from "node:process";
import { type DaprClient, HttpMethod } from "@dapr/dapr";
import { equal, refused, step } from "./steps.ts";

/** Service invocation of the app itself, by its own sidecar and by another one. */
export async function invokeSteps(
  client: DaprClient,
  caller: DaprClient,
  otherWire: DaprClient,
  appId: string,
): Promise<void> {
  for (const [through, by] of [
    ["its own sidecar", client],
    ["another sidecar", caller],
    ["another sidecar and the other protocol", otherWire],
  ] as const) {
    await step(`the app is called with GET through ${through}`, async () =>
      equal(await by.invoker.invoke(appId, "hello", HttpMethod.GET), { hello: "world" }),
    );
    await step(`the app is called with a body through ${through}`, async () =>
      equal(await by.invoker.invoke(appId, "echo", HttpMethod.POST, { n: 1, text: "ä" }), {
        got: { n: 1, text: "ä" },
      }),
    );
  }
  if (env["APP_PROTOCOL"] === "http") {
    await step("an error of the app comes back as its status", () =>
      refused(caller.invoker.invoke(appId, "absent", HttpMethod.GET), '"status":404'),
    );
    await step("an error of the app comes back as a gRPC code", () =>
      refused(otherWire.invoker.invoke(appId, "absent", HttpMethod.GET), "[not_found]"),
    );
  }
  await step("a call of an unknown app is refused", () =>
    refused(caller.invoker.invoke("absent", "hello", HttpMethod.GET), "absent"),
  );
}

import { describe, expect, test } from "vitest";
import jetstream from "../../components/jetstream/pubsub.ts";
import { type Given, openContext, openDriver } from "../support/open-driver.ts";
import { requireService, type Server, startServer } from "../support/server.ts";

const isMissing = !(await requireService("nats"));

const open = (settings: Given) => openDriver(jetstream, settings, openContext({ name: "broker" }));
const failureOf = (settings: Given) =>
  open(settings).then(
    () => "opened",
    (error: { readonly reason?: string; readonly message: string }) => `${error.reason}: ${error.message}`,
  );

/** Publishes and hears one message. */
async function use(settings: Given): Promise<string> {
  const broker = await open(settings);
  const heard = new Promise<string>((resolve) => {
    const handler = async ({ data }: { readonly data: Uint8Array }) => {
      resolve(Buffer.from(data).toString());
      return "ack" as const;
    };
    void broker
      .subscribe({ topic: "orders", group: "g", metadata: {}, concurrency: 1 }, handler, {})
      .then(() => broker.publish({ topic: "orders", data: Buffer.from("hello"), metadata: {} }, {}));
  });
  return heard;
}

describe.skipIf(isMissing)("a component for JetStream", { timeout: 60_000 }, () => {
  test.each(["auth", "token", "jwt", "tls", "mtls"])("works with a server of the variant %s", async (variant) => {
    const { settings } = await startServer("nats", { variant });
    expect(await use(settings)).toBe("hello");
  });

  test.each<[string, string, (server: Server) => Given, string]>([
    [
      "a wrong password",
      "auth",
      ({ settings }) => ({ natsURL: settings["natsURL"]?.replace("secret", "hunter2") }),
      "natsURL, token, jwt, seedKey: ",
    ],
    ["no token", "token", ({ settings }) => ({ natsURL: settings["natsURL"] }), "natsURL, token, jwt, seedKey: "],
    ["no authority", "tls", ({ settings }) => ({ natsURL: settings["natsURL"] }), "caCert: "],
    ["no JetStream", "plain", ({ settings }) => ({ natsURL: settings["natsURL"] }), "has no JetStream for this user"],
    ["nobody at the address", "single", () => ({ natsURL: "nats://127.0.0.1:1" }), "natsURL: nothing listens at"],
  ])("says which setting to correct with %s", async (_, variant, settings, why) => {
    const said = await failureOf(settings(await startServer("nats", { variant })));
    expect(said).toContain("openFailed");
    expect(said).toContain(why);
    expect(said).not.toContain("hunter2");
  });

  test("refuses a topic that no stream covers where it may not make one", async () => {
    const { settings } = await startServer("nats");
    const broker = await open({ ...settings, createStreams: false });
    const publishing = broker.publish({ topic: "uncovered", data: Buffer.from("1"), metadata: {} }, {});
    await expect(publishing).rejects.toThrow(/createStreams|stream/);
  });
});

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import jetstream from "../../components/jetstream/pubsub.ts";
import { type Given, openContext, openDriver } from "../support/open-driver.ts";
import { requireService, type Server, startServer } from "../support/server.ts";
import { tempFolder } from "../support/temp-folder.ts";

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

  test("reads certificates from files, and says which one it cannot read", async () => {
    const { settings } = await startServer("nats", { variant: "mtls" });
    const folder = tempFolder();
    const inFile = (name: string) => {
      const file = join(folder, name);
      writeFileSync(file, settings[name] ?? "");
      return { [name]: file };
    };
    const files = { ...inFile("caCert"), ...inFile("tls_client_cert"), ...inFile("tls_client_key") };
    expect(await use({ ...settings, ...files })).toBe("hello");
    expect(await failureOf({ ...settings, caCert: join(folder, "none") })).toMatch(/caCert: the file cannot be read/);
  });

  test("asks for the client's certificate where the server does", async () => {
    const { natsURL, caCert } = (await startServer("nats", { variant: "mtls" })).settings;
    expect(await failureOf({ natsURL, caCert })).toMatch(/tls_client_cert: .*give the certificate/);
  });

  test.each<[string, Given, RegExp]>([
    ["natsURL has no host", { natsURL: " , " }, /natsURL: names no server; write it as nats:/],
    ["natsURL is for another protocol", { natsURL: "http://a:secret@b" }, /natsURL: http:\/\/ is not known; write/],
    ["natsURL is for WebSockets", { natsURL: "wss://a" }, /natsURL: WebSockets are not offered/],
    ["the name is unknown", { natsURL: "nats://u:secret@no-such-host.invalid" }, /natsURL: the name in no-such-host/],
    ["jwt lacks its seedKey", { jwt: "x" }, /seedKey: jwt needs it/],
    ["seedKey is none", { seedKey: "secret" }, /seedKey: is not the seed of a key/],
    ["a certificate lacks its key", { tls_client_cert: "x" }, /tls_client_cert, tls_client_key: give both or neither/],
    ["backOff holds what is no duration", { backOff: ["5 secret"] }, /backOff: "5 secret" is not a duration/],
    ["a sequence is missing", { deliverPolicy: "sequence" }, /startSequence: deliverPolicy sequence needs it/],
    ["a time is missing", { deliverPolicy: "time" }, /startTime: deliverPolicy time needs it/],
  ])("names the setting when %s", async (_, settings, why) => {
    const said = await failureOf({ natsURL: "nats://127.0.0.1:1", ...settings });
    expect(said).toMatch(why);
    expect(said).toMatch(/^openFailed/);
    if (!("backOff" in settings)) expect(said).not.toContain("secret");
  });

  test("does what its user may, and says what that is not", async () => {
    const { settings, host, port } = await startServer("nats", { variant: "auth" });
    const owner = await open(settings);
    const message = { topic: "allowed", data: Buffer.from("1"), metadata: {} };
    await owner.publish(message, {});
    const broker = await open({ natsURL: `nats://writer:secret@${host}:${port}` });
    await broker.publish(message, {});
    await broker.ping?.({});
    const lacks = /broker does not answer: the user lacks a permission that the server must give: .*"forbidden"/;
    await expect(broker.publish({ ...message, topic: "forbidden" }, {})).rejects.toThrow(lacks);
    const subscribing = broker.subscribe({ ...message, group: "g", concurrency: 1 }, async () => "ack", {});
    await expect(subscribing).rejects.toMatchObject({ reason: "backendUnavailable" });
  });

  test("closes at once while the server is away", async () => {
    const server = await startServer("nats", { own: true });
    const broker = await open({ ...server.settings, ackWait: 1000 });
    const handler = async () => "ack" as const;
    for (const order of ["none", "key"] as const) {
      await broker.subscribe({ topic: "orders", group: order, metadata: {}, concurrency: 1, order }, handler, {});
    }
    await server.kill9();
    const start = performance.now();
    await broker.close();
    expect(performance.now() - start).toBeLessThan(8000);
  });
});

import { createServer } from "node:net";
import { inspect } from "node:util";
import { describe, expect, onTestFinished, test } from "vitest";
import mqttBindings from "../../components/mqtt3/bindings.ts";
import mqttPubsub from "../../components/mqtt3/pubsub.ts";
import { readSettings } from "../../sidecar/host/settings.ts";
import { options } from "../conformance/pubsub-bench.ts";
import { authority, client } from "../support/certificates.ts";
import { openContext, openDriver } from "../support/open-driver.ts";
import { requireService, startServer } from "../support/server.ts";

const isMissing = !(await requireService("mosquitto"));
const versions = ["3.1.1", "5"] as const;

const urlOf = async (variant: string, user = "") => {
  const { host, port } = await startServer("mosquitto", { variant });
  return `${variant.endsWith("tls") ? "ssl" : "tcp"}://${user}${host}:${port}`;
};
const openFails = async (settings: Readonly<Record<string, unknown>>, message: RegExp) => {
  const opening = openDriver(mqttPubsub, settings);
  await expect(opening).rejects.toMatchObject({ reason: "openFailed", message: expect.stringMatching(message) });
};

describe.skipIf(isMissing)("opening a component of MQTT", () => {
  test.each(versions)("names the wrong credentials (%s)", async (protocolVersion) => {
    await openFails(
      { url: await urlOf("auth", "mecha:guess@"), protocolVersion },
      /^url: 127.0.0.1:\d+ does not accept user mecha with this password; correct user or password \(/,
    );
    await openFails(
      { url: await urlOf("auth"), protocolVersion },
      /^url: 127.0.0.1:\d+ asks for a user; write it as tcp:/,
    );
    await openDriver(mqttPubsub, { url: await urlOf("auth", "mecha:secret@"), protocolVersion });
  });

  test("never says the password", async () => {
    const opening = openDriver(mqttPubsub, { url: await urlOf("auth", "mecha:gu355ed@") });
    const error: unknown = await opening.catch((caught: unknown) => caught);
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain("gu355ed");
  });

  test.each([
    ["nobody listens", { url: "tcp://127.0.0.1:1" }, /^url: nothing listens at 127.0.0.1:1; start the broker there/],
    [
      "the name is unknown",
      { url: "tcp://no-such-host.invalid" },
      /^url: the name in no-such-host.invalid:1883 is not known/,
    ],
    ["it is no address", { url: "localhost" }, /^url: is no address; write it as tcp:\/\/user:password@host:1883/],
    ["it is for something else", { url: "amqp://localhost" }, /^url: begins with amqp, not with tcp, ssl, ws or wss/],
    ["a certificate lacks its key", { url: "ssl://a", clientCert: "x" }, /^clientCert, clientKey: give both/],
    ["certificates lack TLS", { url: "tcp://a", caCert: "x" }, /^url: certificates need TLS; begin url with ssl/],
    ["a password lacks its user", { url: "tcp://:x@a" }, /^url: a password needs a user/],
  ])("names the setting when %s", async (_, settings, message) => {
    await openFails(settings, message);
  });

  test("gives up a broker that says nothing when the time to open is over", async () => {
    const silent = createServer(() => {});
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void silent.close());
    const { port } = silent.address() as { port: number };
    const context = openContext({ signal: AbortSignal.timeout(200) });
    const opening = openDriver(mqttPubsub, { url: `tcp://127.0.0.1:${port}` }, context);
    await expect(opening).rejects.toThrow(/^url: 127.0.0.1:\d+ (does not answer|cannot be used)/);
  });

  test("says which key nobody reads, and which one was meant", () => {
    const pairs = [
      { name: "urll", value: "tcp://a" },
      { name: "qos", value: "3" },
    ];
    const { problems, unknown } = readSettings(mqttPubsub.metadata, undefined, pairs);
    expect(problems).toEqual(["metadata url: is required", 'metadata qos: "3" is not one of 0, 1, 2']);
    expect(unknown.join()).toMatch(/urll: unknown key; did you mean .url/);
  });
});

describe.skipIf(!(await requireService("rabbitmq")))("a broker that speaks 3.1.1 alone", () => {
  test("is told from one that speaks MQTT 5", async () => {
    const { settings } = await startServer("rabbitmq", { variant: "mqtt" });
    await openDriver(mqttPubsub, settings);
    await openFails({ ...settings, protocolVersion: "5" }, /protocolVersion.* to 3.1.1/);
  });
});

describe.skipIf(isMissing)("MQTT over TLS", () => {
  test.each(versions)(
    "checks the broker's certificate, and shows its own where it is asked for (%s)",
    async (protocolVersion) => {
      const url = await urlOf("tls");
      await openFails(
        { url, protocolVersion },
        /^caCert: the certificate of 127.0.0.1:\d+ is not trusted; give the one it comes from/,
      );
      const trusting = { url, caCert: authority.certificate, protocolVersion };
      await (await openDriver(mqttPubsub, trusting)).publish(
        { topic: "tls", data: Buffer.from("1"), metadata: {} },
        {},
      );
      await openDriver(mqttBindings, { ...trusting, topic: "tls" });

      const mutual = { ...trusting, url: await urlOf("mtls") };
      await openFails(mutual, /^(clientCert, clientKey: .* asks for a certificate|url: .* ends the connection)/);
      await openDriver(mqttPubsub, { ...mutual, clientCert: client.certificate, clientKey: client.key });
    },
  );

  test("names what only one side does", async () => {
    const encrypting = (await urlOf("single")).replace("tcp:", "ssl:");
    await openFails(
      { url: encrypting, caCert: authority.certificate },
      /^url: .*(does not encrypt|ends the connection)/,
    );
    await openFails(
      { url: (await urlOf("tls")).replace("ssl:", "tcp:") },
      /^url: .* ends the connection; begin url with ssl/,
    );
  });
});

describe.skipIf(isMissing)("calls that the broker refuses", () => {
  test("name the right that is missing", async () => {
    const broker = await openDriver(mqttPubsub, { url: await urlOf("auth", "mecha:secret@"), protocolVersion: "5" });
    const message = { topic: "forbidden", data: Buffer.from("1"), metadata: {} };
    await expect(broker.publish(message, {})).rejects.toMatchObject({
      reason: "backendUnavailable",
      message: expect.stringMatching(/under-test does not answer: the user lacks the right that the topic asks for/),
    });
  });

  test("name the subscription that is not allowed", async () => {
    // Greets everybody, and refuses what is asked for.
    const broker = createServer((socket) => {
      socket.on("data", ([type = 0, , high = 0, low = 0]) => {
        if (type === 0x10) socket.write(Buffer.from([0x20, 2, 0, 0]));
        if (type === 0x82) socket.write(Buffer.from([0x90, 3, high, low, 0x80]));
      });
      socket.on("error", () => {});
    });
    await new Promise<void>((resolve) => broker.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void broker.close());
    const opened = await openDriver(mqttPubsub, {
      url: `tcp://127.0.0.1:${(broker.address() as { port: number }).port}`,
    });
    await expect(opened.subscribe(options("t"), async () => "ack", {})).rejects.toMatchObject({
      reason: "backendUnavailable",
      message: expect.stringMatching(/the user lacks the right that the topic asks for/),
    });
  });

  test.each<[string, string, RegExp]>([
    ["publish", "a/+", /topic: "a\/\+" holds \+ or #, which are for subscriptions/],
    ["publish", "$share/g/a", /topic: \$share is for subscriptions/],
    ["subscribe", "a+", /topic: "a\+" has a wildcard that is no level of its own; write a\/\+\/b/],
    ["subscribe", "#/a", /has a wildcard that is no level of its own/],
    ["subscribe", "$share/g", /is not shared in the form \$share\/group\/topic/],
  ])("to %s to %s are refused by name", async (what, topic, message) => {
    const broker = await openDriver(mqttPubsub, { url: await urlOf("single") });
    const call =
      what === "publish"
        ? broker.publish({ topic, data: Buffer.from("1"), metadata: {} }, {})
        : broker.subscribe(options(topic), async () => "ack", {});
    await expect(call).rejects.toMatchObject({
      reason: "requestMetadataInvalid",
      message: expect.stringMatching(message),
    });
  });

  test("say that a message is too large, and do not touch others", async () => {
    const broker = await openDriver(mqttPubsub, { url: await urlOf("single"), protocolVersion: "5" });
    const publish = (size: number) => broker.publish({ topic: "size", data: Buffer.alloc(size), metadata: {} }, {});
    const small = Array.from({ length: 50 }, () => publish(10));
    await expect(publish(5 << 20)).rejects.toMatchObject({
      reason: "malformedRequest",
      message: expect.stringMatching(/the message has 5242880 bytes, and the broker takes packets of 4194304 bytes/),
    });
    await Promise.all([...small, publish(10)]);
  });

  test("say so too where the broker just ends the connection", async () => {
    const broker = await openDriver(mqttPubsub, { url: await urlOf("single") });
    const publishing = broker.publish({ topic: "size", data: Buffer.alloc(5 << 20), metadata: {} }, {});
    await expect(publishing).rejects.toMatchObject({ reason: "backendUnavailable" });
    await broker.publish({ topic: "size", data: Buffer.alloc(1), metadata: {} }, {});
  });

  test("name an order that cannot be kept", async () => {
    const broker = await openDriver(mqttPubsub, { url: await urlOf("single") });
    const subscribe = (topic: string, order: "key" | "topic") =>
      broker.subscribe(options(topic, { order }), async () => "ack", {});
    await expect(subscribe("t", "key")).rejects.toThrow(/order: MQTT 3.1.1 does not carry keys; set protocolVersion/);
    await expect(subscribe("$share/g/t", "topic")).rejects.toThrow(
      /order: the broker deals the messages of \$share\/g\/t out/,
    );
    await subscribe("t", "topic");
    await expect(broker.subscribe(options("t"), async () => "ack", {})).rejects.toThrow(
      /order: another subscription of t has order topic; give both the same/,
    );
  });
});

import { createServer } from "node:net";
import { inspect } from "node:util";
import { connect } from "amqplib";
import { describe, expect, onTestFinished, test } from "vitest";
import rabbitmqBindings from "../../components/rabbitmq/bindings.ts";
import rabbitmqPubsub from "../../components/rabbitmq/pubsub.ts";
import { readSettings } from "../../sidecar/host/settings.ts";
import { authority, client } from "../support/certificates.ts";
import { openContext, openDriver } from "../support/open-driver.ts";
import { requireService, startServer } from "../support/server.ts";

const isMissing = !(await requireService("rabbitmq"));
const tls = { caCert: authority.certificate, clientCert: client.certificate, clientKey: client.key };

const addressOf = async (variant: string, user = "guest:guest") => {
  const { host, port } = await startServer("rabbitmq", { variant });
  return `${variant === "tls" ? "amqps" : "amqp"}://${user}@${host}:${port}`;
};
const openFails = async (settings: Readonly<Record<string, unknown>>, message: RegExp) => {
  const opening = openDriver(rabbitmqPubsub, settings);
  await expect(opening).rejects.toMatchObject({ reason: "openFailed", message: expect.stringMatching(message) });
};

describe.skipIf(isMissing)("opening a component of RabbitMQ", () => {
  test("names the wrong credentials and the wrong virtual host", async () => {
    await openFails(
      { connectionString: await addressOf("single", "guest:guess") },
      /^connectionString: 127.0.0.1:\d+ does not accept user guest with this password; correct user or password \(/,
    );
    await openFails(
      { connectionString: `${await addressOf("single")}/none` },
      /^connectionString: 127.0.0.1:\d+ has no virtual host "none" that user guest may use; correct it, or give that right/,
    );
    const { port } = await startServer("rabbitmq");
    await openFails(
      { hostname: `127.0.0.1:${port}`, username: "guest", password: "no" },
      /^hostname: .* does not accept user guest/,
    );
  });

  test("never says the password", async () => {
    const opening = openDriver(rabbitmqPubsub, { connectionString: await addressOf("single", "guest:gu355ed") });
    const error: unknown = await opening.catch((caught: unknown) => caught);
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain("gu355ed");
  });

  test.each([
    [
      "nobody listens",
      { connectionString: "amqp://127.0.0.1:1" },
      /^connectionString: nothing listens at 127.0.0.1:1; start RabbitMQ/,
    ],
    [
      "the name is unknown",
      { connectionString: "amqp://no-such-host.invalid" },
      /^connectionString: the name in no-such-host.invalid:5672 is not known/,
    ],
    ["the address is none", { connectionString: "localhost" }, /^connectionString: is no address; write it as amqp:/],
    [
      "the address is for something else",
      { connectionString: "http://localhost" },
      /^connectionString: is not for amqp or amqps but for http/,
    ],
    ["there is no address", {}, /^connectionString: say where the server is/],
    ["there are two", { connectionString: "amqp://a", hostname: "b" }, /^connectionString, hostname: both say/],
    [
      "a certificate lacks its key",
      { connectionString: "amqps://a", clientCert: "x" },
      /^clientCert, clientKey: give both/,
    ],
    [
      "certificates lack TLS",
      { connectionString: "amqp://a", caCert: "x" },
      /^connectionString: certificates need TLS/,
    ],
    [
      "there is no certificate to log in with",
      { connectionString: "amqps://a", saslExternal: true },
      /^saslExternal: the server knows/,
    ],
  ])("names the setting when %s", async (_, settings, message) => {
    await openFails(settings, message);
  });

  test("gives up a server that says nothing when the time to open is over", async () => {
    const silent = createServer(() => {});
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void silent.close());
    const { port } = silent.address() as { port: number };
    const context = openContext({ signal: AbortSignal.timeout(200) });
    const opening = openDriver(rabbitmqPubsub, { connectionString: `amqp://127.0.0.1:${port}` }, context);
    await expect(opening).rejects.toThrow(/^connectionString: 127.0.0.1:\d+ (does not answer|cannot be used)/);
  });

  test("says which key nobody reads, and which one was meant", () => {
    const pairs = [
      { name: "exchangeKinds", value: "fanout" },
      { name: "exchangeKind", value: "star" },
    ];
    const { problems, unknown } = readSettings(rabbitmqPubsub.metadata, undefined, pairs);
    expect(problems).toEqual(['metadata exchangeKind: "star" is not one of fanout, topic, direct, headers']);
    expect(unknown.join()).toMatch(/exchangeKinds: unknown key; did you mean .exchangeKind/);
  });
});

describe.skipIf(isMissing)("RabbitMQ over TLS", () => {
  test("takes a password, and the authority is named that its certificate needs", async () => {
    const connectionString = await addressOf("tls");
    await openFails({ connectionString }, /^caCert: the certificate of 127.0.0.1:\d+ is not trusted; give the one/);
    await (await openDriver(rabbitmqPubsub, { connectionString, caCert: authority.certificate })).ping?.({});
  });

  test("takes a client certificate in place of a password", async () => {
    const connectionString = await addressOf("tls", "nobody:no");
    const opened = await openDriver(rabbitmqPubsub, { connectionString, ...tls, saslExternal: true });
    await opened.publish({ topic: "tls", data: Buffer.from("1"), metadata: {} }, {});
    const settings = { host: connectionString, queueName: "tls", ...tls, externalSasl: true };
    await openDriver(rabbitmqBindings, settings);
  });

  test("names what only one side does", async () => {
    const plain = (await addressOf("single")).replace("amqp:", "amqps:");
    await openFails({ connectionString: plain }, /^connectionString: .* begin the address with amqp, or name the port/);
    const encrypted = (await addressOf("tls")).replace("amqps:", "amqp:");
    await openFails(
      { connectionString: encrypted },
      /^connectionString: .* begin the address with amqps if it encrypts/,
    );
    const external = (await addressOf("single")).replace("amqp:", "amqps:");
    await openFails(
      { connectionString: external, ...tls, saslExternal: true },
      /^connectionString: .* does not encrypt/,
    );
  });
});

describe.skipIf(isMissing)("calls that the server refuses", () => {
  test("name the permission that is missing", async () => {
    const reader = await openDriver(rabbitmqPubsub, { connectionString: await addressOf("single", "reader:secret") });
    const message = { topic: "forbidden", data: Buffer.from("1"), metadata: {} };
    await expect(reader.publish(message, {})).rejects.toMatchObject({
      reason: "backendUnavailable",
      message: expect.stringMatching(/under-test does not answer: the user lacks a permission .*exchange 'forbidden'/),
    });
    const options = { topic: "forbidden", group: "g", metadata: {}, concurrency: 1 };
    await expect(reader.subscribe(options, async () => "ack", {})).rejects.toThrow(/the user lacks a permission/);
  });

  test("say that a message is too large, and do not touch others", async () => {
    const opened = await openDriver(rabbitmqPubsub, { connectionString: await addressOf("single") });
    const publish = (size: number) => opened.publish({ topic: "size", data: Buffer.alloc(size), metadata: {} }, {});
    const small = Array.from({ length: 50 }, () => publish(10));
    await expect(publish(5 << 20)).rejects.toMatchObject({
      reason: "malformedRequest",
      message: expect.stringMatching(/larger than the server takes \(max_message_size\).*5242880/),
    });
    await Promise.all([...small, publish(10)]);
  });

  test("say that metadata is too large, or a name", async () => {
    const opened = await openDriver(rabbitmqPubsub, { connectionString: await addressOf("single") });
    const publish = (topic: string, metadata: Readonly<Record<string, string>>) =>
      opened.publish({ topic, data: Buffer.from("1"), metadata }, {});
    const invalid = (message: RegExp) => ({
      reason: "requestMetadataInvalid",
      message: expect.stringMatching(message),
    });
    await expect(publish("t", { big: "x".repeat(70_000) })).rejects.toMatchObject(invalid(/larger than the 64 KiB/));
    await expect(publish("t".repeat(256), {})).rejects.toMatchObject(
      invalid(/topic: must have at most 255 bytes, got 256/),
    );
    await expect(publish("t", { priority: "high" })).rejects.toMatchObject(
      invalid(/priority: must be a whole number from 0 to 255/),
    );
  });

  test("name the setting that the exchange or the queue has otherwise", async () => {
    const address = await addressOf("single");
    const admin = await connect(address);
    onTestFinished(() => admin.close());
    const channel = await admin.createChannel();
    await channel.assertExchange("direct-one", "direct", { durable: false });
    await channel.assertQueue("g-lasting", { durable: true });
    const opened = await openDriver(rabbitmqPubsub, { connectionString: address });
    await expect(opened.publish({ topic: "direct-one", data: Buffer.from("1"), metadata: {} }, {})).rejects.toThrow(
      "exchangeKind: exchange direct-one is there already, of kind direct, not fanout; set exchangeKind to direct, or use another topic",
    );
    const subscribe = (topic: string, more: object = {}) =>
      opened.subscribe({ topic, group: "g", metadata: {}, concurrency: 1, ...more }, async () => "ack", {});
    await expect(subscribe("lasting")).rejects.toThrow(
      "durable: queue g-lasting is there already with durable true, not false; set durable as the queue has it, delete the queue, or choose another queueName",
    );
    await (await subscribe("plain")).close();
    await channel.assertQueue("g-mixed", { durable: false, autoDelete: true });
    await expect(subscribe("mixed", { order: "key" })).rejects.toThrow(
      /^order, singleActiveConsumer: queue g-mixed is there/,
    );
    await subscribe("mixed", { order: "key", metadata: { queueName: "g-mixed-ordered" } });
  });

  test("name what a quorum queue cannot be", async () => {
    const opened = await openDriver(rabbitmqPubsub, { connectionString: await addressOf("single") });
    const options = { topic: "q", group: "g", metadata: { queueType: "quorum" }, concurrency: 1 };
    await expect(opened.subscribe(options, async () => "ack", {})).rejects.toThrow(
      "metadata queueType: a quorum queue is always durable; set durable of the component to true",
    );
  });
});

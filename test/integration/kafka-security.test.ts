import { describe, expect, test } from "vitest";
import kafkaPubsub from "../../components/kafka/pubsub.ts";
import { authority, client } from "../support/certificates.ts";
import { startHttpServer } from "../support/http-server.ts";
import { type Given, openContext, openDriver } from "../support/open-driver.ts";
import { requireService, startServer } from "../support/server.ts";

const isMissing = !(await requireService("kafka"));
const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** Opens the driver, and sends a message through the broker. */
async function roundTrip(variant: string, given: Given): Promise<string | undefined> {
  const { settings } = await startServer("kafka", { variant });
  const broker = await openDriver(kafkaPubsub, { brokers: settings["brokers"], initialOffset: "oldest", ...given });
  const topic = `t-${Math.random()}`;
  const { promise, resolve } = Promise.withResolvers<string>();
  const handler = async ({ data }: { data: Uint8Array }) => {
    resolve(Buffer.from(data).toString());
    return "ack" as const;
  };
  await broker.subscribe({ topic, group: topic, metadata: {}, concurrency: 1 }, handler, {});
  await broker.publish({ topic, data: Buffer.from("hello"), metadata: {} }, {});
  return promise;
}

/** What opening with these settings says. */
async function refusal(variant: string, given: Given): Promise<string> {
  const { settings } = await startServer("kafka", { variant });
  const all = { brokers: settings["brokers"], dialTimeout: 3000, ...given };
  const opening = openDriver(kafkaPubsub, all, openContext());
  const error = await opening.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ reason: "openFailed" });
  return (error as Error).message;
}

const user = { authType: "password", saslUsername: "mecha", saslPassword: "secret" };
const pair = { clientCert: client.certificate, clientKey: client.key };

describe.skipIf(isMissing)("Kafka's ways to log in", () => {
  test.each(["PLAINTEXT", "SHA-256", "SHA-512"])("a password by %s", async (saslMechanism) => {
    expect(await roundTrip("sasl", { ...user, saslMechanism, disableTls: true })).toBe("hello");
  });

  test("a password over TLS", async () => {
    expect(await roundTrip("saslTls", { ...user, caCert: authority.certificate })).toBe("hello");
    expect(await roundTrip("saslTls", { ...user, skipVerify: true })).toBe("hello");
  });

  test("a certificate", async () => {
    expect(await roundTrip("tls", { authType: "mtls", caCert: authority.certificate, ...pair })).toBe("hello");
  });

  test("a token of a client that has a secret", async () => {
    const forms: Record<string, string>[] = [];
    const seconds = Math.floor(Date.now() / 1000);
    const url = await startHttpServer((_, body) => {
      forms.push(Object.fromEntries(new URLSearchParams(body)));
      const claims = { sub: "mecha", iat: seconds, exp: seconds + 3600 };
      return { body: JSON.stringify({ access_token: `${part({ alg: "none" })}.${part(claims)}.`, expires_in: 3600 }) };
    });
    const oidc = { oidcTokenEndpoint: url, oidcClientID: "sidecar", oidcClientSecret: "pepper" };
    const given = { authType: "oidc", ...oidc, oidcScopes: "openid,kafka", disableTls: true };
    expect(await roundTrip("sasl", given)).toBe("hello");
    // One token for all connections.
    expect(forms).toEqual([
      {
        grant_type: "client_credentials",
        client_id: "sidecar",
        client_secret: "pepper",
        scope: "openid kafka",
      },
    ]);
  });

  test("a token of a client that signs", async () => {
    const forms: Record<string, string>[] = [];
    const seconds = Math.floor(Date.now() / 1000);
    const url = await startHttpServer((_, body) => {
      forms.push(Object.fromEntries(new URLSearchParams(body)));
      const claims = { sub: "mecha", iat: seconds, exp: seconds + 3600 };
      return { body: JSON.stringify({ access_token: `${part({ alg: "none" })}.${part(claims)}.` }) };
    });
    const signing = { oidcClientAssertionCert: client.certificate, oidcClientAssertionKey: client.key };
    const oidc = { oidcTokenEndpoint: url, oidcClientID: "sidecar", oidcAudience: "kafka", ...signing };
    expect(await roundTrip("sasl", { authType: "oidc_private_key_jwt", ...oidc, disableTls: true })).toBe("hello");
    expect(forms[0]).toMatchObject({
      audience: "kafka",
      client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
      client_assertion: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/),
    });
  });
});

describe.skipIf(isMissing)("a broker of Kafka that cannot be used is refused with what to do", () => {
  const none = { authType: "none" };
  const trust = { caCert: authority.certificate };
  test.each<[string, string, Given, RegExp]>([
    [
      "a wrong password",
      "sasl",
      { ...user, saslPassword: "pepper", disableTls: true },
      /saslUsername, saslPassword.*do(es)? not accept/,
    ],
    [
      "a wrong password by SCRAM",
      "sasl",
      { ...user, saslPassword: "pepper", saslMechanism: "SHA-256", disableTls: true },
      /saslUsername, saslPassword/,
    ],
    ["no login where one is asked for", "sasl", none, /authType, disableTls: .* ends the connection/],
    [
      "a login where none is asked for",
      "single",
      { ...user, disableTls: true },
      /authType, (saslMechanism|disableTls)/,
    ],
    ["TLS where there is none", "single", { authType: "certificate" }, /disableTls: .* does not speak TLS/],
    [
      "no TLS where there is",
      "saslTls",
      { ...user, disableTls: true },
      /authType, disableTls: .* with TLS where it speaks it/,
    ],
    ["no TLS and no login where there is", "saslTls", none, /authType, disableTls: .* speaks TLS/],
    ["a certificate of an unknown authority", "saslTls", user, /caCert: the certificate of .* is not trusted/],
    ["no certificate where one is asked for", "tls", { authType: "certificate", ...trust }, /clientCert, clientKey/],
    ["nobody there", "single", { ...none, brokers: "127.0.0.1:1" }, /brokers: nothing listens at 127\.0\.0\.1:1/],
    [
      "an unknown name",
      "single",
      { ...none, brokers: "kafka.invalid:9092" },
      /brokers: a name in kafka\.invalid:9092 is not known/,
    ],
    ["a URL", "single", { ...none, brokers: "kafka://localhost" }, /brokers: "kafka:\/\/localhost" is a URL/],
    [
      "a token server that is away",
      "sasl",
      {
        authType: "oidc",
        oidcTokenEndpoint: "http://127.0.0.1:1",
        oidcClientID: "a",
        oidcClientSecret: "b",
        disableTls: true,
      },
      /oidcTokenEndpoint: http:\/\/127\.0\.0\.1:1 does not answer/,
    ],
  ])("%s", async (_, variant, given, message) => {
    const text = await refusal(variant, given);
    expect(text).toMatch(message);
    expect(text).not.toContain("pepper");
  });

  test.each<[string, Given, RegExp]>([
    ["MSK's own login", { authType: "awsiam" }, /authType: awsiam is not offered/],
    ["a password without a user", { authType: "password" }, /saslUsername: authType password needs it/],
    ["mtls without a certificate", { authType: "mtls" }, /clientCert, clientKey: authType mtls needs both/],
    ["a certificate without its key", { authType: "none", clientCert: "x" }, /give both or neither/],
    ["mtls without TLS", { authType: "mtls", ...pair, disableTls: true }, /disableTls: authType mtls/],
    ["oidc without its server", { authType: "oidc" }, /oidcTokenEndpoint: authType oidc needs it/],
    ["a heartbeat that is too rare", { authType: "none", heartbeatInterval: 20_000 }, /heartbeatInterval: must be/],
    ["a wrong expression", { authType: "none", excludeHeaderMetaRegex: "(" }, /excludeHeaderMetaRegex: is no regular/],
  ])("%s", async (_, given, message) => {
    expect(await refusal("single", given)).toMatch(message);
  });
});

import { createHash, verify, X509Certificate } from "node:crypto";
import { Redis } from "ioredis";
import { describe, expect, onTestFinished, test } from "vitest";
import redisState from "../../components/redis/state.ts";
import { client } from "../support/certificates.ts";
import { startHttpServer } from "../support/http-server.ts";
import { KeptLog, openContext, openDriver } from "../support/open-driver.ts";
import { requireService, startServer } from "../support/server.ts";

const isMissing = !(await requireService("redis"));
const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
const parse = (text: string | undefined) =>
  JSON.parse(Buffer.from(text ?? "", "base64url").toString()) as Record<string, unknown>;

/** A token server whose tokens are passwords of the user `mecha`, and the forms it was sent. */
async function startTokenServer(admin: Redis, seconds: number) {
  const forms: Record<string, string>[] = [];
  const tokens = [1, 2, 3, 4].map((n) => `${part({ alg: "none" })}.${part({ sub: "mecha", n })}.x`);
  await admin.call("ACL", "SETUSER", "mecha", "on", ...tokens.map((token) => `>${token}`), "~*", "&*", "+@all");
  const url = await startHttpServer((_, body) => {
    forms.push(Object.fromEntries(new URLSearchParams(body)));
    return { body: JSON.stringify({ access_token: tokens[(forms.length - 1) % tokens.length], expires_in: seconds }) };
  });
  return { url, forms };
}

describe.skipIf(isMissing)("state.redis with useOIDC", () => {
  const open = async (seconds: number) => {
    const server = await startServer("redis", { own: true });
    const admin = new Redis(server.port);
    onTestFinished(() => admin.disconnect());
    const issuer = await startTokenServer(admin, seconds);
    const log = new KeptLog();
    const settings = {
      redisHost: `127.0.0.1:${server.port}`,
      useOIDC: true,
      oidcTokenEndpoint: issuer.url,
      oidcClientID: "sidecar",
      oidcClientAssertionCert: client.certificate,
      oidcClientAssertionKey: client.key,
      oidcAudience: "redis",
      oidcScopes: "openid,redis",
      oidcKid: "key-1",
    };
    const store = await openDriver(redisState, settings, openContext({ log }));
    return { ...issuer, admin, log, store };
  };

  test("asks for a token with a signed assertion, and uses it as the password of its subject", async () => {
    const { url, forms, admin, store } = await open(3600);
    await store.set("k", Buffer.from("1"), {}, {});
    expect(await admin.client("LIST")).toMatch(/name=mecha-app .*user=mecha/);
    const [form] = forms;
    expect(form).toMatchObject({
      grant_type: "client_credentials",
      client_id: "sidecar",
      scope: "openid redis",
      audience: "redis",
    });
    const [header, claims, signature] = (form?.["client_assertion"] ?? "").split(".");
    const certificate = new X509Certificate(client.certificate);
    const print = createHash("sha256").update(certificate.raw).digest("base64url");
    expect(parse(header)).toMatchObject({ alg: "ES256", kid: "key-1", "x5t#S256": print });
    expect(parse(claims)).toMatchObject({ iss: "sidecar", sub: "sidecar", aud: url });
    const key = { key: certificate.publicKey, dsaEncoding: "ieee-p1363" } as const;
    const signed = Buffer.from(`${header}.${claims}`);
    expect(verify("sha256", signed, key, Buffer.from(signature ?? "", "base64url"))).toBe(true);
  });

  test("renews the token before it ends, without losing the connection", async () => {
    const { forms, log, store } = await open(1);
    await expect.poll(() => forms.length, { timeout: 10_000 }).toBeGreaterThanOrEqual(2);
    await store.set("k", Buffer.from("1"), {}, {});
    expect(log.lines).toEqual([]);
  });
});

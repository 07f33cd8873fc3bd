import { createHash, createPrivateKey, type KeyObject, randomUUID, sign, X509Certificate } from "node:crypto";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Cluster, Redis } from "ioredis";
import { causeText, fail } from "../../specs/errors.ts";
import type { OpenContext } from "../contract/driver.ts";
import type { Connection } from "./link.ts";
import type { ConnectionSettings } from "./settings.ts";

interface Token {
  readonly username: string;
  readonly password: string;
  /** Milliseconds since 1970. */
  readonly endsAt: number;
}

const defaultLifeMs = 300_000;
/** A token is renewed when so much of its life is over. */
const renewAt = 0.75;
const requestTimeoutMs = 10_000;

/**
 * Makes what gives a connection a fresh token as its password before it connects, and keeps it fresh while it stands.
 * Throws `openFailed` for settings that are missing or wrong.
 */
export function oidcPassword(
  settings: ConnectionSettings,
  context: OpenContext,
): (connection: Connection) => Promise<void> {
  const issue = issuer(settings, context);
  const { clock, log } = context;
  let current: Promise<Token> | undefined;
  let renewMs = 0;
  const token = async (): Promise<Token> => {
    const known = await current?.catch(() => undefined);
    if (known && clock.now() < renewMs) return known;
    current = issue();
    const fresh = await current;
    renewMs = clock.now() + (fresh.endsAt - clock.now()) * renewAt;
    return fresh;
  };
  const renewLater = (connection: Connection) => {
    const cancel = clock.after(Math.max(1000, renewMs - clock.now()), () => {
      token()
        .then((fresh) => renew(connection, fresh))
        .catch((error: unknown) => log.warn(`the OIDC token cannot be renewed: ${causeText(error)}`))
        .finally(() => connection.status === "ready" && renewLater(connection));
    });
    connection.once("end", cancel);
  };
  return async (connection) => {
    setPassword(connection, await token());
    renewLater(connection);
  };
}

function setPassword(connection: Connection, { username, password }: Token): void {
  const options = connection.isCluster ? ((connection as Cluster).options.redisOptions ?? {}) : connection.options;
  Object.assign(options, { username, password });
}

async function renew(connection: Connection, token: Token): Promise<void> {
  setPassword(connection, token);
  const nodes: readonly Redis[] = connection.isCluster ? (connection as Cluster).nodes() : [connection as Redis];
  await Promise.all(nodes.map((node) => node.auth(token.username, token.password)));
}

/** Makes what asks the token server, in the client credentials grant with a signed assertion (RFC 7523). */
function issuer(settings: ConnectionSettings, { clock }: OpenContext): () => Promise<Token> {
  const need = (key: "oidcTokenEndpoint" | "oidcClientID" | "oidcClientAssertionCert" | "oidcClientAssertionKey") => {
    const value = settings[key];
    if (value === undefined || value === "") throw fail("openFailed", { why: `${key}: useOIDC needs it` });
    return value;
  };
  const endpoint = need("oidcTokenEndpoint");
  const clientId = need("oidcClientID");
  const key = read("oidcClientAssertionKey", () => createPrivateKey(need("oidcClientAssertionKey")));
  const certificate = read("oidcClientAssertionCert", () => new X509Certificate(need("oidcClientAssertionCert")));
  return async () => {
    const form = {
      grant_type: "client_credentials",
      client_id: clientId,
      client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
      client_assertion: assertion(endpoint, clientId, settings.oidcKid, key, certificate, clock.now()),
      scope: settings.oidcScopes.split(/[\s,]+/).join(" "),
      ...(settings.oidcResource ? { resource: settings.oidcResource } : {}),
      ...(settings.oidcAudience ? { audience: settings.oidcAudience } : {}),
    };
    const answer = await post(endpoint, new URLSearchParams(form).toString(), settings.oidcCACert);
    const { access_token: password, expires_in: seconds } = answer;
    if (typeof password !== "string") throw new Error(`oidcTokenEndpoint: ${endpoint} gave no access_token`);
    const lifeMs = Number(seconds) > 0 ? Number(seconds) * 1000 : defaultLifeMs;
    const username = settings.redisUsername || subjectOf(password) || clientId;
    return { username, password, endsAt: clock.now() + lifeMs };
  };
}

function read<T>(key: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw fail("openFailed", { why: `${key}: cannot be read as PEM: ${causeText(error)}` }, { cause: error });
  }
}

function assertion(
  audience: string,
  clientId: string,
  kid: string | undefined,
  key: KeyObject,
  certificate: X509Certificate,
  nowMs: number,
): string {
  const isEc = key.asymmetricKeyType === "ec";
  const print = (hash: string) => createHash(hash).update(certificate.raw).digest("base64url");
  const header = {
    alg: isEc ? "ES256" : "RS256",
    typ: "JWT",
    x5t: print("sha1"),
    "x5t#S256": print("sha256"),
    ...(kid ? { kid } : {}),
  };
  const now = Math.floor(nowMs / 1000);
  const claims = { iss: clientId, sub: clientId, aud: audience, jti: randomUUID(), iat: now, nbf: now, exp: now + 300 };
  const input = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
  return `${input}.${sign("sha256", Buffer.from(input), { key, dsaEncoding: "ieee-p1363" }).toString("base64url")}`;
}

/** Whom a token is for, by which servers name their users; undefined: the token does not say. */
function subjectOf(token: string): string | undefined {
  try {
    const claims = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as Record<
      string,
      unknown
    >;
    const subject = claims["oid"] ?? claims["sub"];
    return typeof subject === "string" ? subject : undefined;
  } catch {
    return undefined;
  }
}

async function post(url: string, body: string, ca: string | undefined): Promise<Record<string, unknown>> {
  const { status, text } = await exchange(url, body, ca);
  if (status !== 200) throw new Error(`oidcTokenEndpoint: ${url} answered ${status}: ${text.slice(0, 300)}`);
  return JSON.parse(text) as Record<string, unknown>;
}

function exchange(url: string, body: string, ca: string | undefined): Promise<{ status: number; text: string }> {
  const send = url.startsWith("http://") ? httpRequest : httpsRequest;
  const headers = { "content-type": "application/x-www-form-urlencoded", accept: "application/json" };
  return new Promise((resolve, reject) => {
    const options = { method: "POST", headers, timeout: requestTimeoutMs, ...(ca ? { ca } : {}) };
    const request = send(url, options, (answer) => {
      const chunks: Buffer[] = [];
      answer.on("data", (chunk: Buffer) => chunks.push(chunk));
      answer.on("error", reject);
      answer.on("end", () => resolve({ status: answer.statusCode ?? 0, text: Buffer.concat(chunks).toString() }));
    });
    request.on("timeout", () => request.destroy(new Error(`oidcTokenEndpoint: ${url} does not answer`)));
    request.on("error", reject);
    request.end(body);
  });
}

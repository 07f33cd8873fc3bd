import { createHash, createPrivateKey, type KeyObject, randomUUID, sign, X509Certificate } from "node:crypto";
import { causeText, fail } from "../../specs/errors.ts";
import type { Clock, OpenContext } from "../contract/driver.ts";
import type { Settings } from "./settings.ts";

interface Token {
  readonly text: string;
  /** Milliseconds since 1970. */
  readonly renewAt: number;
}

export interface TokenSource {
  /** A token that is valid for some time yet. */
  token(): Promise<string>;
  readonly oauthBearerExtensions?: Record<string, string>;
}

const defaultLifeSeconds = 300;
/** A token is renewed when so much of its life is over. */
const renewWhen = 0.75;
const requestTimeoutMs = 10_000;

/**
 * Gives tokens of an OpenID Connect server by the grant of client credentials, which the sidecar shows as a secret or as
 * an assertion signed by its key (RFC 7523). Throws `openFailed` for settings that are missing or wrong.
 */
export function tokenSource(settings: Settings, { clock }: OpenContext): TokenSource {
  const endpoint = need(settings, "oidcTokenEndpoint");
  const credentials = credentialsOf(settings, endpoint, clock);
  const extensions = readExtensions(settings.oidcExtensions);
  let current: Promise<Token> | undefined;
  return {
    ...(extensions === undefined ? {} : { oauthBearerExtensions: extensions }),
    async token() {
      const known = await current?.catch(() => undefined);
      if (known && clock.now() < known.renewAt) return known.text;
      const asked = ask(endpoint, { ...commonForm(settings), ...credentials() }, clock);
      current = asked;
      return (await asked).text;
    },
  };
}

function need(settings: Settings, key: keyof Settings & `oidc${string}`): string {
  const value = settings[key];
  if (value === undefined || value === "") {
    throw fail("openFailed", { why: `${key}: authType ${settings.authType} needs it` });
  }
  return value;
}

const commonForm = ({ oidcScopes, oidcResource, oidcAudience }: Settings) => ({
  grant_type: "client_credentials",
  scope: oidcScopes.split(/[\s,]+/).join(" "),
  ...(oidcResource ? { resource: oidcResource } : {}),
  ...(oidcAudience ? { audience: oidcAudience } : {}),
});

function credentialsOf(settings: Settings, endpoint: string, clock: Clock): () => Record<string, string> {
  const clientId = need(settings, "oidcClientID");
  if (settings.authType === "oidc") {
    const secret = need(settings, "oidcClientSecret");
    return () => ({ client_id: clientId, client_secret: secret });
  }
  const key = read(settings, "oidcClientAssertionKey", createPrivateKey);
  const certificate = read(settings, "oidcClientAssertionCert", (pem) => new X509Certificate(pem));
  return () => ({
    client_id: clientId,
    client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    client_assertion: assertion(endpoint, clientId, settings.oidcKid, key, certificate, clock.now()),
  });
}

function read<T>(settings: Settings, key: keyof Settings & `oidc${string}`, parse: (pem: string) => T): T {
  const pem = need(settings, key);
  try {
    return parse(pem);
  } catch (error) {
    throw fail("openFailed", { why: `${key}: cannot be read as PEM: ${causeText(error)}` }, { cause: error });
  }
}

function readExtensions(text: string | undefined): Record<string, string> | undefined {
  if (text === undefined || text === "") return undefined;
  const wrong = () => fail("openFailed", { why: 'oidcExtensions: write a JSON object of texts, as {"cluster":"a"}' });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw wrong();
  }
  if (typeof value !== "object" || value === null || Object.values(value).some((one) => typeof one !== "string")) {
    throw wrong();
  }
  return value as Record<string, string>;
}

function assertion(
  audience: string,
  clientId: string,
  kid: string | undefined,
  key: KeyObject,
  certificate: X509Certificate,
  nowMs: number,
): string {
  const print = (hash: string) => createHash(hash).update(certificate.raw).digest("base64url");
  const header = {
    alg: key.asymmetricKeyType === "ec" ? "ES256" : "RS256",
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

async function ask(endpoint: string, form: Record<string, string>, clock: Clock): Promise<Token> {
  const answer = await fetch(endpoint, {
    method: "POST",
    body: new URLSearchParams(form),
    headers: { accept: "application/json" },
    signal: AbortSignal.timeout(requestTimeoutMs),
  }).catch((error: unknown) => {
    const why = causeText(error instanceof Error ? (error.cause ?? error) : error);
    throw new Error(`oidcTokenEndpoint: ${endpoint} does not answer: ${why}`, { cause: error });
  });
  const text = await answer.text();
  if (!answer.ok) {
    throw new Error(`oidcTokenEndpoint: ${endpoint} answered ${answer.status}: ${text.slice(0, 300)}`);
  }
  const { access_token: token, expires_in: seconds } = parse(endpoint, text);
  if (typeof token !== "string") throw new Error(`oidcTokenEndpoint: ${endpoint} gave no access_token`);
  const lifeMs = (Number(seconds) > 0 ? Number(seconds) : defaultLifeSeconds) * 1000;
  return { text: token, renewAt: clock.now() + lifeMs * renewWhen };
}

function parse(endpoint: string, text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch (error) {
    throw new Error(`oidcTokenEndpoint: ${endpoint} did not answer with JSON`, { cause: error });
  }
}

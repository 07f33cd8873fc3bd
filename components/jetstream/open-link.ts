import { readFile } from "node:fs/promises";
import { checkServerIdentity, type PeerCertificate } from "node:tls";
import type { ConnectionOptions, TlsOptions } from "@nats-io/transport-node";
import { causeText, fail } from "../../specs/errors.ts";
import type { OpenContext } from "../contract/driver.ts";
import { type Addresses, parseAddresses } from "./addresses.ts";
import { NoJetStreamError, openFailure } from "./failures.ts";
import { Link } from "./link.ts";
import type { ConnectionSettings } from "./settings.ts";

const connectMs = 5000;
const pingMs = 5000;
const reconnectMs = 100;
const reconnectJitterMs = 100;

/** Connects, and finds JetStream there. Rejects with `openFailed` and leaves nothing open. */
export async function openLink(settings: ConnectionSettings, context: OpenContext): Promise<Link> {
  const addresses = parseAddresses(settings.natsURL);
  const where = addresses.servers.join(", ");
  const { connect, createInbox, headers } = await import("@nats-io/transport-node");
  const options: ConnectionOptions = {
    servers: [...addresses.servers],
    name: settings.name,
    timeout: connectMs,
    // A server that is gone without a word is found out within three of them.
    pingInterval: pingMs,
    maxPingOut: 2,
    maxReconnectAttempts: -1,
    reconnectTimeWait: reconnectMs,
    reconnectJitter: reconnectJitterMs,
    reconnectJitterTLS: reconnectJitterMs,
    // Credentials that are refused while a server starts may be taken later.
    ignoreAuthErrorAbort: true,
    ...(await credentials(settings, addresses)),
    ...(await encryption(settings, addresses)),
  };
  const connection = await connect(options).catch((error: unknown) => {
    throw openFailure(error, where);
  });
  const prefix = settings.apiPrefix || (settings.domain === "" ? "$JS.API" : `$JS.${settings.domain}.API`);
  const link = new Link({
    connection,
    inbox: createInbox(),
    headers,
    apiPrefix: prefix.replace(/\.$/, ""),
    name: context.name,
    where,
    log: context.log,
    clock: context.clock,
  });
  try {
    await link.ping({ signal: context.signal });
    return link;
  } catch (error) {
    await link.close();
    throw openFailure(new NoJetStreamError(error), where);
  }
}

async function credentials(settings: ConnectionSettings, addresses: Addresses): Promise<Partial<ConnectionOptions>> {
  const { jwt, seedKey } = settings;
  const wrong = (why: string) => fail("openFailed", { why });
  if (jwt !== "" && seedKey === "") throw wrong("seedKey: jwt needs it; give the seed of the user's key (SU...)");
  const { jwtAuthenticator, nkeyAuthenticator, nkeys } = await import("@nats-io/transport-node");
  if (seedKey !== "") {
    const seed = Buffer.from(seedKey.trim());
    try {
      nkeys.fromSeed(seed);
    } catch {
      throw wrong("seedKey: is not the seed of a key; give the one of the user, which begins with SU");
    }
    return { authenticator: jwt === "" ? nkeyAuthenticator(seed) : jwtAuthenticator(jwt.trim(), seed) };
  }
  const token = settings.token || addresses.token;
  return {
    ...(token === undefined ? {} : { token }),
    ...(addresses.user === undefined ? {} : { user: addresses.user, pass: addresses.password ?? "" }),
  };
}

async function encryption(settings: ConnectionSettings, addresses: Addresses): Promise<Partial<ConnectionOptions>> {
  const { caCert, tls_client_cert: clientCert, tls_client_key: clientKey } = settings;
  if ((clientCert === "") !== (clientKey === "")) {
    const why = "give both or neither; a certificate is of no use without its key";
    throw fail("openFailed", { why: `tls_client_cert, tls_client_key: ${why}` });
  }
  // With the library's own defaults TLS is used where the server offers it; what it is given for that is the same.
  const isAsked = addresses.isEncrypted || caCert !== "" || clientCert !== "";
  const [ca, cert, key] = await Promise.all([
    pem("caCert", caCert),
    pem("tls_client_cert", clientCert),
    pem("tls_client_key", clientKey),
  ]);
  const tls = {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined || key === undefined ? {} : { cert, key }),
    // The library names no host to an address of digits, for which the certificate may stand all the same.
    checkServerIdentity: (host: string, certificate: PeerCertificate) => identityError(host, addresses, certificate),
  };
  return isAsked ? { tls: tls as TlsOptions } : {};
}

function identityError(host: string, { hosts }: Addresses, certificate: PeerCertificate): Error | undefined {
  const errors = [host, ...hosts].map((one) => checkServerIdentity(one, certificate));
  return errors.includes(undefined) ? undefined : errors.at(-1);
}

async function pem(setting: string, value: string): Promise<string | undefined> {
  if (value === "" || value.includes("-----BEGIN")) return value || undefined;
  try {
    return await readFile(value, "utf8");
  } catch (error) {
    throw fail("openFailed", { why: `${setting}: the file cannot be read: ${causeText(error)}` }, { cause: error });
  }
}

import type { ConnectionOptions } from "@platformatic/kafka";
import { fail } from "../../specs/errors.ts";
import type { OpenContext } from "../contract/driver.ts";
import { parseBrokers } from "./addresses.ts";
import { Cluster } from "./cluster.ts";
import { loadLibrary } from "./library.ts";
import { tokenSource } from "./oidc.ts";
import type { Settings } from "./settings.ts";

const wrong = (why: string) => fail("openFailed", { why });

/** Loads the library and connects. Rejects with `openFailed`, also for settings that contradict each other. */
export async function openCluster(settings: Settings, context: OpenContext): Promise<Cluster> {
  check(settings);
  const bootstrap = parseBrokers(settings.brokers);
  const options = connectionOptions(settings, context);
  const cluster = new Cluster(
    await loadLibrary(),
    {
      bootstrap,
      options,
      // The protocol has no place for white space, nor has the library.
      clientId: settings.clientID.replaceAll(/\s/g, "-") || "mecha",
      keepAliveMs: settings.clientConnectionKeepAliveInterval,
      refreshMs: settings.clientConnectionTopicMetadataRefreshInterval,
      metadataMs: settings.metadataTimeout,
    },
    context.clock,
  );
  await cluster.open(context.signal);
  return cluster;
}

function check(settings: Settings): void {
  const { authType, clientCert, clientKey, saslUsername, disableTls, caCert, heartbeatInterval, sessionTimeout } =
    settings;
  if (authType === "awsiam") {
    throw wrong(
      "authType: awsiam is not offered; let MSK take users with passwords (SASL/SCRAM) or certificates, and set password or mtls",
    );
  }
  if (authType === "password" && saslUsername === "") throw wrong("saslUsername: authType password needs it");
  if (authType === "mtls" && (clientCert === "" || clientKey === "")) {
    throw wrong("clientCert, clientKey: authType mtls needs both");
  }
  if ((clientCert === "") !== (clientKey === "")) {
    throw wrong("clientCert, clientKey: give both or neither; a certificate is of no use without its key");
  }
  if (disableTls && (authType === "mtls" || authType === "certificate" || caCert !== "")) {
    throw wrong("disableTls: authType mtls or certificate, and caCert, need TLS; take disableTls out");
  }
  if (heartbeatInterval <= 0 || heartbeatInterval >= sessionTimeout) {
    throw wrong("heartbeatInterval: must be over 0 and shorter than sessionTimeout, best a third of it");
  }
}

function connectionOptions(settings: Settings, context: OpenContext): ConnectionOptions {
  const sasl = saslOptions(settings, context);
  return {
    connectTimeout: settings.dialTimeout,
    requestTimeout: settings.readTimeout,
    ...(isSecure(settings) ? { tls: tlsOptions(settings) } : {}),
    ...(sasl === undefined ? {} : { sasl }),
  };
}

const isSecure = ({ authType, disableTls, caCert }: Settings) => !disableTls && (authType !== "none" || caCert !== "");

function tlsOptions({ skipVerify, caCert, clientCert, clientKey }: Settings): NonNullable<ConnectionOptions["tls"]> {
  return {
    rejectUnauthorized: !skipVerify,
    ...(caCert === "" ? {} : { ca: caCert }),
    ...(clientCert === "" ? {} : { cert: clientCert, key: clientKey }),
  };
}

const mechanisms = { PLAINTEXT: "PLAIN", "SHA-256": "SCRAM-SHA-256", "SHA-512": "SCRAM-SHA-512" } as const;

function saslOptions(settings: Settings, context: OpenContext): ConnectionOptions["sasl"] {
  const { authType, saslMechanism, saslUsername, saslPassword } = settings;
  if (authType === "password") {
    return { mechanism: mechanisms[saslMechanism], username: saslUsername, password: saslPassword };
  }
  if (authType === "oidc" || authType === "oidc_private_key_jwt") {
    return { mechanism: "OAUTHBEARER", ...tokenSource(settings, context) };
  }
  return undefined;
}

import type { ClusterOptions, Redis as RedisConnection, RedisOptions } from "ioredis";
import { fail } from "../../specs/errors.ts";
import type { OpenContext } from "../contract/driver.ts";
import { type Host, parseHosts, toText } from "./hosts.ts";
import { Link } from "./link.ts";
import { oidcPassword } from "./oidc.ts";
import type { ConnectionSettings } from "./settings.ts";

/** The library's options, less one whose type tells absent from undefined. */
type Options = Omit<RedisOptions, "replyMapping">;

/** What connections differ in that lead to the same place. */
export interface Purpose {
  /** Longest time without an answer; 0: no limit. Default: the setting readTimeout. */
  readonly readTimeoutMs?: number;
  /** To this server of a cluster alone. */
  readonly server?: RedisConnection;
}

/** Loads the library and makes connections, which `Link.open` connects. Rejects with `openFailed` for wrong settings. */
export async function linkMaker(
  settings: ConnectionSettings,
  context: OpenContext,
): Promise<(purpose?: Purpose) => Link> {
  const hosts = parseHosts(settings.redisHost, settings.redisPort);
  check(settings, hosts);
  const { Cluster, Redis } = await import("ioredis");
  const prepare = settings.useOIDC ? oidcPassword(settings, context) : undefined;
  const address = hosts.map(toText).join(", ");
  return ({ readTimeoutMs = settings.readTimeout, server } = {}) => {
    const options: Options = { ...commonOptions(settings, context), ...limit(readTimeoutMs) };
    const isCluster = settings.redisType === "cluster";
    const place = isCluster && server ? hostOf(server) : placeOptions(settings, hosts);
    const connection =
      isCluster && !server
        ? new Cluster([...hosts], clusterOptions(settings, options))
        : new Redis({ ...options, ...place, db: settings.redisDB });
    return new Link({
      connection,
      prepare,
      address,
      maxRetries: Math.max(0, settings.redisMaxRetries),
      minPauseMs: settings.redisMinRetryInterval,
      maxPauseMs: settings.redisMaxRetryInterval,
      clock: context.clock,
      log: context.log,
    });
  };
}

const hostOf = ({ options: { host = "localhost", port = 6379 } }: RedisConnection): Host => ({ host, port });

function check(settings: ConnectionSettings, hosts: readonly Host[]): void {
  const { failover, sentinelMasterName, redisType, redisDB, clientCert, clientKey } = settings;
  const wrong = (why: string) => fail("openFailed", { why });
  if (failover && sentinelMasterName === "") {
    throw wrong("sentinelMasterName: failover needs the name under which the sentinels know the primary");
  }
  if (redisType === "cluster" && failover) {
    throw wrong("failover: a cluster fails over by itself; leave it out, or set redisType to node");
  }
  if (redisType === "cluster" && redisDB !== 0) throw wrong("redisDB: a cluster has only database 0; leave it out");
  if (redisType === "node" && !failover && hosts.length > 1) {
    throw wrong("redisHost: several hosts need redisType cluster, or failover with sentinels");
  }
  if ((clientCert === "") !== (clientKey === "")) {
    throw wrong("clientCert, clientKey: give both or neither; a certificate is of no use without its key");
  }
}

function commonOptions(settings: ConnectionSettings, { appId }: OpenContext): Options {
  return {
    ...(settings.redisUsername === "" ? {} : { username: settings.redisUsername }),
    ...(settings.redisPassword === "" ? {} : { password: settings.redisPassword }),
    ...(settings.enableTLS ? { tls: tlsOptions(settings) } : {}),
    connectTimeout: settings.dialTimeout,
    connectionName: `mecha-${appId.replaceAll(/[^\x21-\x7e]/g, "-")}`,
    disableClientInfo: true,
    protocol: 2,
    lazyConnect: true,
    // A lost connection ends, and its commands with it: Link knows which of them may be sent again.
    retryStrategy: () => null,
    maxRetriesPerRequest: null,
    // Whoever listens subscribes anew, and hears when that fails.
    autoResubscribe: false,
  };
}

const limit = (ms: number): Options => (ms > 0 ? { socketTimeout: ms } : {});

function tlsOptions(settings: ConnectionSettings): NonNullable<RedisOptions["tls"]> {
  const { caCert, clientCert, clientKey, insecureSkipTLSVerify } = settings;
  return {
    rejectUnauthorized: !insecureSkipTLSVerify,
    ...(caCert === "" ? {} : { ca: caCert }),
    ...(clientCert === "" ? {} : { cert: clientCert, key: clientKey }),
  };
}

function placeOptions(settings: ConnectionSettings, hosts: readonly [Host, ...Host[]]): Options {
  if (!settings.failover) return hosts[0];
  const { sentinelMasterName, sentinelUsername, sentinelPassword, enableTLS } = settings;
  return {
    sentinels: [...hosts],
    name: sentinelMasterName,
    ...(sentinelUsername === "" ? {} : { sentinelUsername }),
    ...(sentinelPassword === "" ? {} : { sentinelPassword }),
    ...(enableTLS ? { enableTLSForSentinelMode: true, sentinelTLS: tlsOptions(settings) } : {}),
    // Once around the sentinels; Link comes back.
    sentinelRetryStrategy: () => null,
    failoverDetector: true,
  };
}

function clusterOptions(settings: ConnectionSettings, redisOptions: Options) {
  return {
    redisOptions,
    lazyConnect: true,
    clusterRetryStrategy: () => null,
    // Link knows which commands may be sent again.
    retryDelayOnFailover: 0,
    slotsRefreshTimeout: settings.dialTimeout,
    // With TLS the name must stay, because the certificate is for it.
    ...(settings.enableTLS ? { dnsLookup: (address, done) => done(null, address) } : {}),
  } satisfies ClusterOptions;
}

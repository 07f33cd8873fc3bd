import { join } from "node:path";
import { networkInterfaces } from "node:os";
import { registry } from "../components/registry.gen.ts";
import { causeText } from "../specs/errors.ts";
import { openApp } from "./app-channel/open.ts";
import { openInputBindings } from "./blocks/bindings/inputs.ts";
import { bindingMethods } from "./blocks/bindings/methods.ts";
import { openConfigurationBlock } from "./blocks/configuration/methods.ts";
import { conversationMethods } from "./blocks/conversation/methods.ts";
import { cryptoMethods } from "./blocks/crypto/methods.ts";
import { openInvoke } from "./blocks/invoke/proxy.ts";
import { lockMethods } from "./blocks/lock/methods.ts";
import { type Facts, healthRoutes, metadataMethods } from "./blocks/metadata/methods.ts";
import { openPubsubBlock } from "./blocks/pubsub/block.ts";
import { secretMethods } from "./blocks/secrets/methods.ts";
import { stateMethods } from "./blocks/state/methods.ts";
import { openOutbox } from "./blocks/state/outbox.ts";
import { Stores } from "./blocks/state/stores.ts";
import { unconfiguredMethods } from "./blocks/unconfigured/methods.ts";
import { pairResolverOf } from "./config/config.ts";
import { withEmbedded } from "./host/embedded.ts";
import { Host } from "./host/host.ts";
import { openPolicies } from "./host/policies.ts";
import { openResolver } from "./host/resolver.ts";
import { systemClock } from "./kernel/clock.ts";
import { Closing } from "./kernel/closing.ts";
import type { Config } from "./kernel/config-types.ts";
import { openLog, type ScopedLog } from "./kernel/log.ts";
import { Metrics } from "./kernel/metrics.ts";
import { openPeers } from "./peers/open.ts";
import { openPeerServer } from "./peers/server.ts";
import { apiAccess } from "./wire/api-access.ts";
import { openGrpcServer } from "./wire/grpc/server.ts";
import type { Place } from "./wire/http/listen.ts";
import { openHttpServer } from "./wire/http/server.ts";
import { openMetricsServer } from "./wire/metrics-server.ts";
import { Pipeline } from "./wire/pipeline.ts";

export interface SidecarOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  /** Where log lines go; default: standard output. */
  readonly logTo?: NodeJS.WritableStream;
  /** The shutdown API was called; `force` asks for an end at once. */
  readonly onShutdown: (force: boolean) => void;
}

/** A running sidecar. */
export interface Sidecar {
  readonly config: Config;
  /** As bound; undefined where it listens on a Unix socket or not at all. */
  readonly ports: { readonly http: number | undefined; readonly grpc: number | undefined; readonly internal: number; readonly metrics: number | undefined };
  readonly log: ScopedLog;
  /** Stops intake, drains, closes. Idempotent. */
  stop(): Promise<void>;
}

const httpCloseMs = 10_000;

/** Starts a sidecar: components, then the app's channel, then both APIs; the app itself is not waited for. */
export async function startSidecar(config: Config, options: SidecarOptions): Promise<Sidecar> {
  const log = openLog(config.log, config.appId, options.version, options.logTo);
  const closing = new Closing();
  const closeAll = () => closing.close((what, error) => log.error("closing failed", { what, error: causeText(error) }));
  try {
    return await assemble(config, options, log, closing, closeAll);
  } catch (error) {
    await closeAll();
    throw error;
  }
}

async function assemble(config: Config, options: SidecarOptions, log: ScopedLog, closing: Closing, closeAll: () => Promise<void>): Promise<Sidecar> {
  const started = performance.now();
  const { env, version } = options;
  const { appId, namespace } = config;
  const clock = systemClock;
  for (const { message } of config.problems.map((problem) => ({ message: problem.message }))) log.warn(message);
  const metrics = config.listen.metrics.enabled ? new Metrics({ app_id: appId }, config.configuration.metrics.latencyBucketsMs) : undefined;
  const policies = openPolicies({ resources: config.resiliency, namespace, clock, metrics, log: log.scope("dapr.runtime.resiliency") });
  const resolver = closing.add("name resolution", await openResolver({ config, registry, env, clock, log }));

  // Components first: nothing is served before what serves it is open.
  const components = config.embedded ? withEmbedded(config.components, config.dataDir) : config.components;
  const host = closing.add(
    "components",
    new Host({
      registry,
      resources: components,
      resolvePairs: pairResolverOf(config, env),
      policies,
      metrics,
      appId,
      namespace,
      dataDir: config.dataDir,
      strict: config.strict,
      clock,
      log: log.scope("dapr.runtime.processor"),
    }),
  );
  await host.start();

  const app = openApp({ config: config.app, appId, maxBodyBytes: config.limits.maxBodyBytes, log: log.scope("dapr.runtime.app"), clock });
  if (app) closing.add("app channel", app);
  let stopping = false;
  let appWasReady = app === undefined;
  closing.run("app watch", app?.health.watch((healthy) => void (appWasReady ||= healthy)) ?? (() => {}));

  const peers = closing.add("peers", openPeers({ resolver, clock, log: log.scope("dapr.runtime.peers") }));
  const invoke = await openInvoke({ config, app: app?.app, peers, policies, host, clock, log: log.scope("dapr.runtime.invoke"), resolvePairs: pairResolverOf(config, env) });
  closing.add("invocation", invoke);

  const pubsub = openPubsubBlock({ components: host, policies, app: app?.app, health: app?.health, config: { ...config, components }, log: log.scope("dapr.runtime.pubsub"), clock });
  const stores = new Stores(host, { appId, namespace: env["NAMESPACE"] ?? "" });
  const outbox = openOutbox({ components: host, pubsub, storeOf: (component) => stores.of(component), appId, namespace, clock, log: log.scope("dapr.runtime.outbox") });
  const configuration = closing.add("configuration", openConfigurationBlock({ components: host, app: app?.app, log }));
  const inputs = app && openInputBindings({ components: host, policies, app: app.app, health: app.health, log: log.scope("dapr.runtime.bindings") });

  let outboundReady = false;
  const notReady = () => (stopping ? "it is shutting down" : appWasReady ? undefined : "the app has not been reached yet");
  const facts: Facts = {
    config,
    version,
    components: () => host.statuses(),
    subscriptions: () => pubsub.subscriptions(),
    notReady,
    outboundNotReady: () => (outboundReady && !stopping ? undefined : "it is starting or shutting down"),
    shutdown: options.onShutdown,
  };
  const methods = [
    ...stateMethods(stores, outbox),
    ...pubsub.methods,
    ...invoke.methods,
    ...bindingMethods(host),
    ...secretMethods(host, config.configuration.secretScopes),
    ...configuration.methods,
    ...lockMethods(host, { appId, clock }),
    ...cryptoMethods(host),
    ...conversationMethods(host),
    ...metadataMethods(facts),
    ...unconfiguredMethods(),
  ];
  const routes = [...healthRoutes(facts), ...configuration.routes];

  const { listen, limits } = config;
  const pipeline = new Pipeline({
    apiToken: config.apiToken,
    metrics,
    apiLog: config.log.apiLogging.enabled ? log.scope("dapr.runtime.http") : undefined,
    omitHealthChecks: config.log.apiLogging.omitHealthChecks,
  });
  const access = apiAccess(config.configuration.api);
  const socketDir = listen.unixDomainSocketDir;
  const hosts = listen.addresses.length > 0 ? listen.addresses : [undefined];
  const httpPlaces: Place[] = socketDir
    ? [{ socket: join(socketDir, `dapr-${appId}-http.socket`) }]
    : hosts.map((name) => ({ host: name && bare(name), port: listen.httpPort }));
  const grpcPlaces = socketDir ? [`unix:${join(socketDir, `dapr-${appId}-grpc.socket`)}`] : hosts.map((name) => `${name ?? "[::]"}:${listen.grpcPort}`);

  const grpc = await openGrpcServer(
    { appId, methods, proxy: invoke, pipeline, access, maxBodyBytes: limits.maxBodyBytes, readBufferBytes: limits.readBufferBytes, ready: () => notReady() === undefined, log },
    grpcPlaces,
  );
  closing.run("gRPC server", () => grpc.close(httpCloseMs));
  const httpParts = {
    appId,
    methods,
    routes,
    proxy: invoke,
    pipeline,
    access,
    maxBodyBytes: limits.maxBodyBytes,
    maxHeaderBytes: limits.readBufferBytes,
    allowedOrigins: listen.allowedOrigins,
    h2c: listen.h2c,
    log,
  };
  const http = closing.add("HTTP server", await openHttpServer(httpParts, httpPlaces));
  if (listen.publicPort !== undefined) {
    const open = { ...httpParts, methods: metadataMethods(facts).filter(({ group }) => group === "metadata").slice(0, 1), routes: healthRoutes(facts), proxy: undefined, pipeline: new Pipeline({ apiToken: undefined, metrics, apiLog: undefined, omitHealthChecks: true }), allowedOrigins: [] };
    closing.add("public HTTP server", await openHttpServer(open, [{ host: listen.publicAddress || undefined, port: listen.publicPort }]));
  }
  const internal = closing.add(
    "peer server",
    await openPeerServer({ address: listen.internalListenAddress, port: listen.internalGrpcPort, receive: invoke, maxBodyBytes: limits.maxBodyBytes, log: log.scope("dapr.runtime.peers") }),
  );
  const metricsServer = metrics && closing.add("metrics server", await openMetricsServer(metrics, listen.metrics.address, listen.metrics.port));

  await resolver.register({ appId, namespace, address: `${config.hostIp ?? ownAddress(listen.internalListenAddress)}:${internal.port}` }, {}).catch((error: unknown) => {
    log.error("this sidecar could not be registered; other apps will not find it", { error: causeText(error) });
  });
  outboundReady = true;
  // Intake is opened last and therefore closed first.
  closing.add("outbox", outbox);
  closing.run("input bindings", () => inputs?.close());
  closing.add("subscriptions", pubsub);
  await pubsub.start();
  log.info(`dapr initialized. Status: Running. Init Elapsed ${Math.round(performance.now() - started)}ms`, {
    http: http.port,
    grpc: grpc.port,
    internal: internal.port,
  });

  let stopped: Promise<void> | undefined;
  return {
    config,
    ports: { http: http.port, grpc: grpc.port, internal: internal.port, metrics: metricsServer?.port },
    log,
    stop: () => {
      stopped ??= (async () => {
        const { blockMs } = config.shutdown;
        if (blockMs !== undefined) {
          await Promise.all([pubsub.close(), inputs?.close()]);
          await blockUntil(blockMs, app?.health);
        }
        stopping = true;
        await closeAll();
      })();
      return stopped;
    },
  };
}

/** Keeps the API alive until the time has passed or the app is gone. */
async function blockUntil(ms: number, health: { watch(listener: (healthy: boolean) => void): () => void } | undefined): Promise<void> {
  await new Promise<void>((resolve) => {
    const cancel = systemClock.after(ms, resolve);
    health?.watch((healthy) => {
      if (!healthy) {
        cancel();
        resolve();
      }
    });
  });
}

/** `[::1]` as node:net wants it. */
const bare = (host: string): string => host.replace(/^\[(.*)\]$/, "$1");

/** The address that peers on this and other machines reach us at. */
function ownAddress(listenAddress: string): string {
  if (listenAddress !== "" && listenAddress !== "0.0.0.0" && listenAddress !== "::") return listenAddress;
  const all = Object.values(networkInterfaces()).flatMap((one) => one ?? []);
  return all.find(({ family, internal }) => family === "IPv4" && !internal)?.address ?? "127.0.0.1";
}

import type { Clock } from "../components/contract/driver.ts";
import { Sockets } from "../components/pluggable/sockets.ts";
import { registry } from "../components/registry.gen.ts";
import { causeText, fail } from "../specs/errors.ts";
import { openHttpTarget } from "./app-channel/http.ts";
import { type OpenedApp, openApp } from "./app-channel/open.ts";
import { openInputBindings } from "./blocks/bindings/inputs.ts";
import { bindingMethods } from "./blocks/bindings/methods.ts";
import { openConfigurationBlock } from "./blocks/configuration/methods.ts";
import { conversationMethods } from "./blocks/conversation/methods.ts";
import { cryptoMethods } from "./blocks/crypto/methods.ts";
import { openInvoke } from "./blocks/invoke/proxy.ts";
import { lockMethods } from "./blocks/lock/methods.ts";
import {
  type ExtendedMetadata,
  type Facts,
  healthRoutes,
  metadataMethods,
  metadataReader,
} from "./blocks/metadata/methods.ts";
import { openPubsubBlock } from "./blocks/pubsub/block.ts";
import { secretMethods } from "./blocks/secrets/methods.ts";
import { stateMethods } from "./blocks/state/methods.ts";
import { openOutbox } from "./blocks/state/outbox.ts";
import { Stores } from "./blocks/state/stores.ts";
import { unconfiguredMethods } from "./blocks/unconfigured/methods.ts";
import { pairResolverOf, reloadResources } from "./config/config.ts";
import { findGaps } from "./config/gaps.ts";
import { formatProblem, isError } from "./config/problems.ts";
import { isSameResource } from "./config/same-resource.ts";
import { watchFolders } from "./config/watch.ts";
import { withEmbedded } from "./host/embedded.ts";
import { Host } from "./host/host.ts";
import { OwnStore } from "./host/own-store.ts";
import { ReloadablePolicies } from "./host/reloadable-policies.ts";
import { openResolver } from "./host/resolver.ts";
import type { AppHealth } from "./kernel/app.ts";
import { systemClock } from "./kernel/clock.ts";
import { Closing } from "./kernel/closing.ts";
import type { Config, Resource } from "./kernel/config-types.ts";
import { openLog, type ScopedLog } from "./kernel/log.ts";
import type { AnyMethod } from "./kernel/method.ts";
import { Metrics } from "./kernel/metrics.ts";
import { ownAddress } from "./kernel/own-address.ts";
import { Readiness } from "./kernel/readiness.ts";
import { openPeers } from "./peers/open.ts";
import { openPeerServer } from "./peers/server.ts";
import { openTracing } from "./telemetry/tracing.ts";
import { watching } from "./telemetry/watching.ts";
import { apiAccess } from "./wire/api-access.ts";
import { openGrpcServer } from "./wire/grpc/server.ts";
import { openHttpServer } from "./wire/http/server.ts";
import { openMetricsServer } from "./wire/metrics-server.ts";
import { Pipeline } from "./wire/pipeline.ts";
import { grpcAddresses, httpPlaces } from "./wire/places.ts";

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
  readonly ports: {
    readonly http: number | undefined;
    readonly grpc: number | undefined;
    readonly internal: number;
    readonly metrics: number | undefined;
  };
  readonly log: ScopedLog;
  /** Stops intake, drains, closes. Idempotent. */
  stop(): Promise<void>;
}

/** Put on top of --read-buffer-size, as the published sidecar's HTTP server does: what just fits there must fit here. */
const headerSlackBytes = 4096;
/** How long calls in flight may still take when the servers close. */
const serverCloseMs = 10_000;

/** Starts a sidecar: components, then the app's channel, then both APIs; the app itself is not waited for. */
export async function startSidecar(config: Config, options: SidecarOptions): Promise<Sidecar> {
  const log = openLog(config.log, config.appId, options.version, options.logTo);
  const closing = new Closing();
  const closeAll = () => closing.close((what, error) => log.error("closing failed", { what, error: causeText(error) }));
  try {
    return await assemble({ config, options, log, closing, clock: systemClock, started: performance.now() }, closeAll);
  } catch (error) {
    await closeAll();
    throw error;
  }
}

/** What every step below is given. */
interface Site {
  readonly config: Config;
  readonly options: SidecarOptions;
  readonly log: ScopedLog;
  readonly closing: Closing;
  readonly clock: Clock;
  readonly started: number;
}

async function assemble(site: Site, closeAll: () => Promise<void>): Promise<Sidecar> {
  const { config, options, log, closing, started } = site;
  for (const problem of config.problems) log.warn(formatProblem(problem));
  for (const gap of findGaps(config)) log.warn(gap);
  const base = await openBase(site);
  const opened = openApp({
    config: config.app,
    appId: config.appId,
    maxBodyBytes: config.limits.maxBodyBytes,
    notes: base.watching.appCalls,
    log: log.scope("dapr.runtime.app"),
    clock: site.clock,
  });
  if (opened) closing.add("app channel", opened);
  const app = opened && { ...opened, app: base.watching.app(opened.app) };
  const readiness = new Readiness(app?.health);
  closing.run("app watch", () => readiness.close());
  const blocks = openBlocks(site, base, app);
  const { components, subscriptions, resiliency, httpEndpoints } = config;
  const declared: Declared = { components, subscriptions, resiliency, httpEndpoints };
  const facts: Facts = {
    config,
    declared: () => declared,
    version: options.version,
    components: () => base.host.statuses(),
    subscriptions: () => blocks.pubsub.subscriptions().map((one) => ({ ...one, type: one.origin })),
    notReady: () => readiness.whyNot(),
    outboundNotReady: () => readiness.whyNotOutbound(),
    shutdown: options.onShutdown,
  };
  const wires = await openWires(site, base, blocks, facts);
  await announce(site, base, wires.internal.port);
  readiness.outbound = true;
  // Intake is opened last and therefore closed first; so are streams, which would hold the servers open.
  closing.add("configuration", blocks.configuration);
  closing.add("outbox", blocks.outbox);
  const inputs =
    app &&
    closing.add(
      "input bindings",
      openInputBindings({
        components: base.host,
        policies: base.policies,
        app: app.app,
        health: app.health,
        noteEvent: base.watching.bindingEvent,
        log: log.scope("dapr.runtime.bindings"),
      }),
    );
  closing.add("subscriptions", blocks.pubsub);
  await blocks.pubsub.start();
  watchResources(site, base, blocks, declared);
  const ports = {
    http: wires.http.port,
    grpc: wires.grpc.port,
    internal: wires.internal.port,
    metrics: wires.metrics?.port,
  };
  log.info(`dapr initialized. Status: Running. Init Elapsed ${Math.round(performance.now() - started)}ms`, ports);
  const stop = async () => {
    const { blockMs } = config.shutdown;
    if (blockMs !== undefined) {
      await Promise.all([blocks.pubsub.close(), inputs?.close()]);
      await blockUntil(blockMs, app?.health);
    }
    readiness.stopping = true;
    await closeAll();
  };
  let stopped: Promise<void> | undefined;
  return {
    config,
    ports,
    log,
    stop: () => {
      stopped ??= stop();
      return stopped;
    },
  };
}

/** What stands below the blocks: name resolution, policies, metrics and the components. */
async function openBase({ config, options, log, closing, clock }: Site) {
  const { appId, namespace, dataDir, strict } = config;
  const { env } = options;
  const metrics = config.listen.metrics.enabled
    ? new Metrics({ app_id: appId }, config.configuration.metrics.latencyBucketsMs, config.configuration.metrics.rules)
    : undefined;
  const { tracing } = config.configuration;
  const otelHeaders = await pairResolverOf(config, env)({ name: "tracing" }, tracing.otel?.headers ?? [], noSecrets);
  const spans = await openTracing(config, otelHeaders, options.version);
  if (spans) closing.add("tracing", spans);
  const policies = new ReloadablePolicies({
    resources: config.resiliency,
    namespace,
    clock,
    ...(metrics ? { metrics } : {}),
    log: log.scope("dapr.runtime.resiliency"),
  });
  const resolver = closing.add("name resolution", await openResolver({ config, registry, env, clock, log }));
  const resources = config.embedded ? withEmbedded(config.components, dataDir) : config.components;
  const resolvePairs = pairResolverOf(config, env);
  const host = closing.add(
    "components",
    new Host({
      registry,
      sockets: new Sockets({
        folder: config.componentSocketsFolder,
        isNamed: Boolean(env["DAPR_COMPONENTS_SOCKETS_FOLDER"] || env["DAPR_COMPONENT_SOCKETS_FOLDER"]),
        clock,
        log: log.scope("dapr.runtime.pluggable"),
      }),
      resources,
      resolvePairs,
      policies,
      metrics,
      appId,
      namespace,
      dataDir,
      requirements: config.configuration.requiredCapabilities,
      secretRefreshMs: config.secretRefreshMs,
      strict,
      clock,
      log: log.scope("dapr.runtime.processor"),
    }),
  );
  // Components first: nothing is served before what serves it is open.
  await host.start();
  return {
    metrics,
    spans,
    watching: watching(config, metrics, spans),
    policies,
    resolver,
    resolvePairs,
    host,
  };
}
type Base = Awaited<ReturnType<typeof openBase>>;

/** Headers of the trace exporter are read before any secret store is open. */
const noSecrets = async ({ name }: { readonly name: string }): Promise<string> => {
  throw fail("openFailed", { why: `spec.tracing.otel.headers: secretKeyRef ${name} cannot be used here; use envRef` });
};

/** The blocks, and the methods and routes they offer. */
function openBlocks(site: Site, base: Base, app: OpenedApp | undefined) {
  const { config, options, log, closing, clock } = site;
  const { host, policies, resolver, resolvePairs } = base;
  const { appId, namespace } = config;
  const peers = closing.add("peers", openPeers({ resolver, clock, log: log.scope("dapr.runtime.peers") }));
  const invoke = closing.add(
    "invocation",
    openInvoke({
      config,
      app: app?.app,
      peers: base.watching.peers(peers),
      policies,
      host,
      resolvePairs,
      connect: openHttpTarget,
      hostIp: config.hostIp ?? ownAddress(""),
      noteDecision: base.watching.decision,
      log: log.scope("dapr.runtime.invoke"),
    }),
  );
  const { dataDir } = config;
  const ownStore = new OwnStore({
    registry,
    appId,
    namespace,
    dataDir,
    clock,
    log: log.scope("dapr.runtime.pubsub"),
  });
  closing.add("delivery store", ownStore);
  const pubsub = openPubsubBlock({
    embedded: ownStore,
    components: host,
    policies,
    app: app?.app,
    health: app?.health,
    config: {
      appId,
      namespace,
      subscriptions: config.subscriptions,
      disableInitEndpoints: config.disableInitEndpoints,
      // Asked for each time, since files may change.
      get components() {
        return host.resources;
      },
    },
    log: log.scope("dapr.runtime.pubsub"),
    clock,
    ingress: base.watching.topicEvent,
  });
  const stores = new Stores(host, {
    appId,
    namespace: options.env["NAMESPACE"] ?? "",
    get components() {
      return host.resources;
    },
  });
  const storeOf = (component: Parameters<Stores["of"]>[0]) => stores.of(component);
  const outbox = openOutbox({
    components: host,
    pubsub,
    storeOf,
    appId,
    namespace,
    clock,
    log: log.scope("dapr.runtime.outbox"),
  });
  const configuration = openConfigurationBlock({ components: host, app: app?.app, policies, log });
  const methods: readonly AnyMethod[] = [
    ...stateMethods(stores, outbox),
    ...pubsub.methods,
    ...invoke.methods,
    ...bindingMethods(host),
    ...secretMethods(host, config.configuration.secretScopes),
    ...configuration.methods,
    ...lockMethods(host, { appId, clock }),
    ...cryptoMethods(host),
    ...conversationMethods(host),
    ...unconfiguredMethods(namespace),
  ];
  return { invoke, pubsub, outbox, configuration, methods, routes: configuration.routes };
}
type Blocks = ReturnType<typeof openBlocks>;

/** The servers: gRPC, HTTP, the public HTTP port, the peers' port and the metrics. */
async function openWires(
  { config, log, closing }: Site,
  { metrics, spans, watching: watchers }: Base,
  { invoke, methods, routes }: Blocks,
  facts: Facts,
) {
  const { appId, listen, limits } = config;
  const access = apiAccess(config.configuration.api);
  const { enabled, omitHealthChecks, obfuscateUrls } = config.log.apiLogging;
  const labels = config.configuration.metrics;
  const apiLog = enabled ? log : undefined;
  const pipeline = new Pipeline({
    apiToken: config.apiToken,
    metrics,
    labels,
    tracing: spans,
    apiLog,
    omitHealthChecks,
    obfuscateUrls,
  });
  // Published as it is: the buffer is counted in bytes over HTTP and in KiB for gRPC metadata.
  const maxMetadataBytes = Math.min(limits.readBufferBytes * 1024, 2 ** 31);
  const common = { appId, proxy: invoke, pipeline, access, maxBodyBytes: limits.maxBodyBytes, log };
  const extended: ExtendedMetadata = new Map();
  const all = [...methods, ...metadataMethods(facts, extended)];
  const ready = () => facts.notReady() === undefined;
  const grpc = await openGrpcServer({ ...common, methods: all, maxMetadataBytes, ready }, grpcAddresses(config));
  closing.run("gRPC server", () => grpc.close(serverCloseMs));
  const httpParts = {
    ...common,
    methods: all,
    routes: [...healthRoutes(facts), ...routes],
    maxHeaderBytes: limits.readBufferBytes + headerSlackBytes,
    allowedOrigins: listen.allowedOrigins,
    h2c: listen.h2c,
  };
  const http = closing.add("HTTP server", await openHttpServer(httpParts, httpPlaces(config)));
  if (listen.publicPort !== undefined) {
    const open = new Pipeline({
      apiToken: undefined,
      metrics,
      labels,
      tracing: undefined,
      apiLog: undefined,
      omitHealthChecks: true,
      obfuscateUrls,
    });
    const parts = {
      ...httpParts,
      methods: [metadataReader(facts, extended)],
      routes: healthRoutes(facts),
      proxy: undefined,
      pipeline: open,
      allowedOrigins: [],
    };
    closing.add(
      "public HTTP server",
      await openHttpServer(parts, [{ host: listen.publicAddress || undefined, port: listen.publicPort }]),
    );
  }
  const internal = closing.add(
    "peer server",
    await openPeerServer({
      address: listen.internalListenAddress,
      port: listen.internalGrpcPort,
      receive: watchers.receiver(invoke),
      maxBodyBytes: limits.maxBodyBytes,
      log,
    }),
  );
  const { address, port } = listen.metrics;
  const metricsServer = metrics && closing.add("metrics server", await openMetricsServer(metrics, address, port));
  return { grpc, http, internal, metrics: metricsServer };
}

/** The resources in force. */
type Declared = {
  -readonly [K in "components" | "subscriptions" | "resiliency" | "httpEndpoints"]: Config[K];
};

/** Follows changes of the resource files while the sidecar runs. */
function watchResources(site: Site, { host, policies }: Base, { pubsub, invoke }: Blocks, declared: Declared): void {
  const { config, options, closing, clock } = site;
  const { enabled, reconcileIntervalMs: intervalMs } = config.hotReload;
  if (!enabled || config.resourcesPaths.length === 0) return;
  const log = site.log.scope("dapr.runtime.hotreload");
  const onChange = async () => {
    const loaded = await reloadResources(config, options.env);
    for (const problem of loaded.problems) log.warn(formatProblem(problem));
    if (loaded.problems.some(isError)) return log.error("the changed resources are not used; those in force stay");
    // A file that cannot be read now, because it is being edited or is wrong, takes nothing away.
    const troubled = new Set(loaded.problems.map(({ file }) => file));
    const next = <R extends Resource>(before: readonly R[], now: readonly R[]): readonly R[] => [
      ...now.map((one) => before.find((old) => isSameResource(old, one)) ?? one),
      ...before.filter((one) => troubled.has(one.source.file) && !now.some(({ name }) => name === one.name)),
    ];
    const before = { ...declared };
    declared.components = next(before.components, loaded.components);
    declared.subscriptions = next(before.subscriptions, loaded.subscriptions);
    declared.resiliency = next(before.resiliency, loaded.resiliency);
    declared.httpEndpoints = next(before.httpEndpoints, loaded.httpEndpoints);
    if (!sameList(before.resiliency, declared.resiliency)) {
      policies.replace(declared.resiliency);
      host.rewrap();
      log.info("resiliency policies changed");
    }
    if (!sameList(before.httpEndpoints, declared.httpEndpoints)) {
      invoke.declareEndpoints(declared.httpEndpoints);
      log.info("HTTP endpoints changed");
    }
    const all = config.embedded ? withEmbedded(declared.components, config.dataDir) : declared.components;
    const { opened, closed, failed } = await host.apply(all, isSameResource);
    for (const why of failed) log.error("a changed component is not used", { error: why });
    if (opened.length + closed.length > 0) log.info("components changed", { opened, closed });
    pubsub.declare(declared.subscriptions);
  };
  closing.add("resource watch", watchFolders({ folders: config.resourcesPaths, intervalMs, clock, log, onChange }));
}

/** Whether they hold the same resources, kept as they were where they say the same. */
const sameList = (a: readonly Resource[], b: readonly Resource[]): boolean =>
  a.length === b.length && a.every((one, i) => one === b[i]);

/** Makes this sidecar findable; a failure is logged, since only invocation by others needs it. */
async function announce({ config, log }: Site, { resolver }: Base, port: number): Promise<void> {
  const { appId, namespace, hostIp, listen } = config;
  const address = `${hostIp ?? ownAddress(listen.internalListenAddress)}:${port}`;
  try {
    await resolver.register({ appId, namespace, address }, {});
  } catch (error) {
    log.error("this sidecar could not be registered; other apps will not find it", { error: causeText(error) });
  }
}

/** Keeps the API alive until the time has passed or the app is gone. */
async function blockUntil(ms: number, health: AppHealth | undefined): Promise<void> {
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

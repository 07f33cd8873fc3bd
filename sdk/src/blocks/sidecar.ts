import { setTimeout as pause } from "node:timers/promises";
import type { MessageShape } from "@bufbuild/protobuf";
import { Dapr } from "../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { PubsubSubscriptionType } from "../../../specs/gen/dapr/proto/runtime/v1/metadata_pb.js";
import { Health, HealthCheckResponse_ServingStatus as Serving } from "../../../specs/gen/grpc/health/v1/health_pb.js";
import { type CallOptions, callOf, openDeadline } from "../call.ts";
import { MechaClientError } from "../errors.ts";
import type { Transport } from "../transport.ts";
import type { Metadata } from "./state-options.ts";

const { method: dapr } = Dapr;

/**
 * What a sidecar tells about itself.
 *
 * @example
 * ```ts
 * import { createClient, type SidecarMetadata } from "@mecha/sdk";
 *
 * const { appId, components }: SidecarMetadata = await createClient().sidecar.metadata();
 * for (const { name, type, capabilities } of components) console.log(appId, name, type, capabilities);
 * ```
 */
export interface SidecarMetadata {
  readonly appId: string;
  readonly runtimeVersion: string;
  readonly enabledFeatures: readonly string[];
  readonly components: readonly {
    readonly name: string;
    /** Such as `state.redis`. */
    readonly type: string;
    readonly version: string;
    /** Such as `ETAG`. */
    readonly capabilities: readonly string[];
  }[];
  readonly subscriptions: readonly {
    readonly pubsubName: string;
    readonly topic: string;
    readonly type: "UNKNOWN" | "DECLARATIVE" | "PROGRAMMATIC" | "STREAMING";
    readonly deadLetterTopic: string | undefined;
    readonly rules: readonly { readonly match: string; readonly path: string }[];
    readonly metadata: Metadata;
  }[];
  readonly httpEndpoints: readonly string[];
  /** Undefined: the sidecar has no app. */
  readonly app:
    | { readonly port: number; readonly protocol: string; readonly address: string; readonly maxConcurrency: number }
    | undefined;
  /** Labels, among them those set by `setMetadata`. */
  readonly extended: Metadata;
}

/**
 * Which readiness to ask for.
 *
 * @example
 * ```ts
 * import { createClient, type ReadyOptions } from "@mecha/sdk";
 *
 * const options: ReadyOptions = { outbound: true, timeoutMs: 10_000 };
 * await createClient().sidecar.waitUntilReady(options);
 * ```
 */
export interface ReadyOptions extends CallOptions {
  /** Without the app: what an app asks for that calls the sidecar before it listens itself. Only HTTP tells them apart. */
  readonly outbound?: boolean | undefined;
}

/**
 * The sidecar itself.
 *
 * @example
 * ```ts
 * import { createClient, type Sidecar } from "@mecha/sdk";
 *
 * const sidecar: Sidecar = createClient().sidecar;
 * await sidecar.waitUntilReady({ timeoutMs: 10_000 });
 * await sidecar.setMetadata("version", "1.2.3");
 * console.log(await sidecar.metadata());
 * await sidecar.shutdown();
 * ```
 */
export class Sidecar {
  readonly #transport: Transport;

  /** @internal */
  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Whether it can take work now; false when nothing answers. */
  async isReady(options: ReadyOptions = {}): Promise<boolean> {
    try {
      const service = options.outbound ? "outbound" : "";
      const { status } = await this.#transport.unary(Health.method.check, { service }, callOf(options));
      return status === Serving.SERVING;
    } catch (error) {
      if (error instanceof MechaClientError && error.code === "unavailable") return false;
      throw error;
    }
  }

  /**
   * Waits until it can take work, 60 s unless `timeoutMs` says otherwise; asks every `intervalMs` (default 100).
   * Throws `deadline_exceeded`.
   */
  async waitUntilReady(options: ReadyOptions & { readonly intervalMs?: number } = {}): Promise<void> {
    const { timeoutMs = defaultWaitMs, intervalMs = 100, outbound, headers } = options;
    const deadline = openDeadline("waiting for the sidecar", options.signal, timeoutMs);
    const { signal } = deadline;
    try {
      while (!(await this.isReady({ outbound, headers, signal }))) await pause(intervalMs, undefined, { signal });
    } catch (error) {
      throw signal.aborted ? signal.reason : error;
    } finally {
      deadline.close();
    }
  }

  /** What the sidecar tells about itself. */
  async metadata(call: CallOptions = {}): Promise<SidecarMetadata> {
    return toMetadata(await this.#transport.unary(dapr.getMetadata, {}, callOf(call)));
  }

  /** Adds a label, kept until the sidecar stops. */
  async setMetadata(key: string, value: string, call: CallOptions = {}): Promise<void> {
    await this.#transport.unary(dapr.setMetadata, { key, value }, callOf(call));
  }

  /** Stops the sidecar: gracefully, or with `force` at once. Resolves before it is gone. */
  async shutdown({ force, ...call }: { readonly force?: boolean } & CallOptions = {}): Promise<void> {
    const headers = { ...call.headers, ...(force ? { "dapr-force-shutdown": "true" } : {}) };
    await this.#transport.unary(dapr.shutdown, {}, { ...callOf(call), headers });
  }
}

const defaultWaitMs = 60_000;

function toMetadata(output: MessageShape<(typeof dapr.getMetadata)["output"]>): SidecarMetadata {
  const { id, runtimeVersion, enabledFeatures, appConnectionProperties: app } = output;
  return {
    appId: id,
    runtimeVersion,
    enabledFeatures,
    components: output.registeredComponents.map(({ name, type, version, capabilities }) => {
      return { name, type, version, capabilities };
    }),
    subscriptions: output.subscriptions.map(({ pubsubName, topic, type, deadLetterTopic, rules, metadata }) => ({
      ...{ pubsubName, topic, metadata, deadLetterTopic: deadLetterTopic || undefined },
      type: (PubsubSubscriptionType[type] ?? "UNKNOWN") as keyof typeof PubsubSubscriptionType,
      rules: (rules?.rules ?? []).map(({ match, path }) => ({ match, path })),
    })),
    httpEndpoints: output.httpEndpoints.map(({ name }) => name),
    app: app && {
      port: app.port,
      protocol: app.protocol,
      address: app.channelAddress,
      maxConcurrency: app.maxConcurrency,
    },
    extended: output.extendedMetadata,
  };
}

import type { ConfigurationItems } from "../../components/contract/configuration.ts";
import type { Subscription } from "./config-types.ts";
import type { GrpcTarget, HttpTarget } from "./exchange.ts";
import type { Policy } from "./policy.ts";
import type { Trace } from "./request.ts";

/** A topic event on its way to the app. */
export interface TopicEvent {
  readonly id: string;
  readonly pubsubName: string;
  readonly topic: string;
  /** Path of the route that matched. */
  readonly path: string;
  /** The CloudEvent as JSON text in UTF-8, exactly as it came. */
  readonly json: Uint8Array;
  /** The same, decoded; its getter decodes on first use. */
  readonly envelope: Readonly<Record<string, unknown>>;
  /** Broker metadata, sent as headers under their own names. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly trace: Trace | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What the app said: done, again, or give up on this event. */
export type Verdict = "success" | "retry" | "drop";

export interface BulkEntry {
  readonly entryId: string;
  /** A CloudEvent as JSON text, or a raw payload. */
  readonly event:
    | { readonly json: Uint8Array; readonly envelope: Readonly<Record<string, unknown>> }
    | { readonly raw: Uint8Array };
  readonly contentType: string;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface BulkTopicEvent {
  readonly id: string;
  readonly pubsubName: string;
  readonly topic: string;
  readonly path: string;
  readonly entries: readonly BulkEntry[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

/** An app's answer to an input event, on its way to output bindings. */
export interface Forward {
  /** Their names. */
  readonly to: readonly string[];
  readonly data: Uint8Array;
  /** All at once; else one after the other. */
  readonly parallel: boolean;
}

/**
 * The user's process, behind the protocol it speaks. Every call waits for a place under app-max-concurrency, carries
 * the app's API token, and rejects with `appUnhealthy` while the app's health check fails.
 */
export interface App extends HttpTarget {
  readonly speaksGrpc: boolean;
  /** Raw gRPC, for a gRPC app. */
  readonly grpc: GrpcTarget | undefined;
  /** What the app subscribes to (GET /dapr/subscribe or ListTopicSubscriptions). */
  subscriptions(): Promise<readonly Subscription[]>;
  /** Rejects when the app could not be asked; a refusing status is a verdict. */
  deliver(event: TopicEvent): Promise<Verdict>;
  /** Verdicts by entry id; a missing one is `retry`. */
  deliverMany(events: BulkTopicEvent): Promise<ReadonlyMap<string, Verdict>>;
  /** Whether the app wants input events of the binding (OPTIONS or ListInputBindings). */
  wantsBinding(name: string, route: string): Promise<boolean>;
  /** The app's answer; rejects when the app did not take the event. */
  bindingEvent(event: {
    readonly name: string;
    readonly route: string;
    readonly data: Uint8Array;
    readonly metadata: Readonly<Record<string, string>>;
    readonly signal?: AbortSignal | undefined;
    /** A gRPC app may name output bindings for its answer; resolves when they have taken it. */
    readonly forward?: ((answer: Forward) => Promise<void>) | undefined;
  }): Promise<Uint8Array | undefined>;
  /** POST /configuration/{store}/{key}, one call per key, each under the policy; failures are the caller's to log. */
  configurationChanged(
    store: string,
    subscriptionId: string,
    items: ConfigurationItems,
    policy?: Policy | undefined,
  ): Promise<void>;
}

/** Whether the app can take work; what listens is told of each change. */
export interface AppHealth {
  readonly healthy: boolean;
  /** Calls `listener` at once and on each change; the returned function ends that. */
  watch(listener: (healthy: boolean) => void): () => void;
}

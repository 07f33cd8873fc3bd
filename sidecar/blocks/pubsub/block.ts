import type { Clock, Log } from "../../../components/contract/driver.ts";
import type { App, AppHealth } from "../../kernel/app.ts";
import type { Components } from "../../kernel/components.ts";
import type { Config, Subscription } from "../../kernel/config-types.ts";
import type { AnyMethod } from "../../kernel/method.ts";
import type { Policies } from "../../kernel/policy.ts";
import { type Trace, traceOf } from "../../kernel/request.ts";
import { Brokers } from "./brokers.ts";
import { EventWriter } from "./cloud-event.ts";
import { Delays } from "./delays.ts";
import type { Deliver, Ingress } from "./delivery.ts";
import { DeliveryStores, type EmbeddedStore } from "./delivery-store.ts";
import { bulkPublishEvent, publishEvent } from "./methods.ts";
import { Publisher } from "./publish.ts";
import { Streams } from "./streaming.ts";
import { subscriptionMethods } from "./subscription-methods.ts";
import { type SubscriptionStatus, Subscriptions } from "./subscriptions.ts";

export interface PubsubBlockDeps {
  readonly components: Components;
  readonly policies: Policies;
  /** Absent: no --app-port; streams still work. */
  readonly app?: App | undefined;
  /** Absent: the app is taken for healthy. */
  readonly health?: AppHealth | undefined;
  /** Where messages are kept when their component names no store. */
  readonly embedded: EmbeddedStore;
  readonly config: Pick<Config, "appId" | "namespace" | "components" | "subscriptions" | "disableInitEndpoints">;
  readonly log: Log;
  readonly clock: Clock;
  /** Hears of each message that has arrived; for metrics. */
  readonly ingress?: Ingress | undefined;
}

/** Something that the sidecar itself publishes; scopes do not bind it. */
export interface InternalPublication {
  readonly pubsubName: string;
  readonly topic: string;
  readonly data: Uint8Array;
  /** `application/cloudevents+json`: the data is an event already. Absent: text/plain. */
  readonly contentType?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Absent: a new, unsampled one. */
  readonly trace?: Trace;
  readonly signal?: AbortSignal;
}

export interface PubsubBlock {
  readonly methods: readonly AnyMethod[];
  /** Starts to follow components and app; resolves at once, subscriptions come up by themselves. */
  start(): Promise<void>;
  /** For the metadata API. */
  subscriptions(): readonly SubscriptionStatus[];
  /** Replaces the declared subscriptions. */
  declare(subscriptions: readonly Subscription[]): void;
  /** Resolves when the broker has taken the event. Rejects with the reasons of the publish API. */
  publish(publication: InternalPublication): Promise<void>;
  /** Subscribes the sidecar itself, whatever the app's health; attaches when the component is open. */
  subscribeInternal(
    subscription: {
      readonly pubsubName: string;
      readonly topic: string;
      readonly metadata?: Readonly<Record<string, string>>;
    },
    deliver: Deliver,
  ): { close(): Promise<void> };
  /** Stops intake and settles when what is in flight is settled; publishing still works. Idempotent. */
  close(): Promise<void>;
}

/** Opens publish and subscribe. */
export function openPubsubBlock(deps: PubsubBlockDeps): PubsubBlock {
  const { components, policies, config, log, clock, app, health, ingress } = deps;
  const { appId } = config;
  const brokers = new Brokers(components, config);
  const stores = new DeliveryStores(components, deps.embedded, appId);
  const delays = new Delays({ brokers, stores, clock, log });
  const publisher = new Publisher(new EventWriter(appId, clock), delays, appId, clock);
  const attachments = { publisher, appId, clock, log };
  const courses = { policies, stores, clock, log, ingress };
  const asksApp = !config.disableInitEndpoints.includes("subscribe");
  const subscriptions = new Subscriptions(config.subscriptions, {
    components,
    brokers,
    app,
    health,
    asksApp,
    attachments,
    courses,
  });
  const streams = new Streams({ brokers, attachments, courses });
  const unfollow = components.onOpen("pubsub", (component) => {
    const broker = brokers.of(component);
    streams.follow(broker);
    if (stores.mayHold(broker)) delays.follow(broker);
  });
  return {
    methods: [
      publishEvent(brokers, publisher),
      bulkPublishEvent(brokers, publisher),
      streams.method(),
      ...subscriptionMethods({ subscriptions, streams, brokers, stores, clock }),
    ],
    start: async () => subscriptions.start(),
    subscriptions: () => [...subscriptions.statuses(), ...streams.statuses()],
    declare: (declared) => subscriptions.declare(declared),
    async publish({ pubsubName, topic, data, contentType = "", metadata = {}, trace, signal }) {
      const caller = { trace: trace ?? traceOf(undefined, undefined), signal };
      await publisher.publish(brokers.require(pubsubName), { topic, data, contentType, metadata }, caller);
    },
    subscribeInternal({ pubsubName, topic, metadata = {} }, deliver) {
      return subscriptions.addInternal({ pubsubName, topic, metadata, routes: [{ match: "", path: "" }] }, deliver);
    },
    async close() {
      unfollow();
      await Promise.all([subscriptions.close(), streams.close(), delays.close()]);
    },
  };
}

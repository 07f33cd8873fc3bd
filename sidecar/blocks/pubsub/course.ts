import type { Clock, Log } from "../../../components/contract/driver.ts";
import { causeText, fail } from "../../../specs/errors.ts";
import type { App } from "../../kernel/app.ts";
import type { Subscription } from "../../kernel/config-types.ts";
import type { Policies } from "../../kernel/policy.ts";
import { batchCount } from "./attachment.ts";
import type { Broker } from "./brokers.ts";
import { BulkDelivery } from "./bulk-delivery.ts";
import { type Course, type Deliver, type Delivery, type Ingress, SingleDelivery } from "./delivery.ts";
import { findFlag } from "./publish-options.ts";
import { compileRoutes, type Router } from "./routes.ts";
import { Settling } from "./settling.ts";

/** What every subscription shares. */
export interface CourseDeps {
  readonly policies: Policies;
  readonly clock: Clock;
  readonly log: Log;
  readonly ingress: Ingress | undefined;
}

/** The way of a subscription's messages to the app. Throws `subscribeFailed` when it cannot work as it is written. */
export function deliveryToApp(broker: Broker, subscription: Subscription, app: App, deps: CourseDeps): Delivery {
  // All events of a gRPC app come to one method, so it needs no path.
  const pathless = app.speaksGrpc && subscription.routes.length === 0;
  const course = openCourse(
    broker,
    pathless ? { ...subscription, routes: [{ match: "", path: "" }] } : subscription,
    deps,
  );
  const { bulkSubscribe: bulk, topic } = subscription;
  if (!bulk?.enabled) return new SingleDelivery(course, (event) => app.deliver(event));
  const limits = { maxMessagesCount: batchCount(bulk), maxAwaitDurationMs: bulk.maxAwaitDurationMs || 1000 };
  return new BulkDelivery(course, topic, limits, (events) => app.deliverMany(events));
}

/** The way of a subscription's messages to a receiver inside the sidecar, or behind a stream. */
export function deliveryTo(deliver: Deliver, broker: Broker, subscription: Subscription, deps: CourseDeps): Delivery {
  return new SingleDelivery(openCourse(broker, subscription, deps), deliver);
}

function openCourse(broker: Broker, subscription: Subscription, deps: CourseDeps): Course {
  const { clock, log, policies, ingress } = deps;
  const { topic, deadLetterTopic } = subscription;
  return {
    broker,
    router: routerOf(broker, subscription),
    raw: isRaw(broker, subscription),
    policy: policies.component(broker.name, "pubsub", "inbound"),
    settling: new Settling(broker, topic, deadLetterTopic, clock, log),
    clock,
    ingress,
  };
}

function routerOf({ name }: Broker, { topic, routes }: Subscription): Router {
  if (routes.length === 0)
    throw fail("subscribeFailed", { name, topic, cause: "it has no route; add route or routes.default" });
  try {
    return compileRoutes(routes);
  } catch (error) {
    throw fail("subscribeFailed", { name, topic, cause: causeText(error) }, { cause: error });
  }
}

function isRaw({ name }: Broker, { topic, metadata }: Subscription): boolean {
  for (const key in metadata) {
    if (key.toLowerCase() !== "rawpayload") continue;
    const flag = findFlag(metadata[key] as string);
    if (flag !== undefined) return flag;
    const cause = `metadata ${key} must be "true" or "false", got ${JSON.stringify(metadata[key])}`;
    throw fail("subscribeFailed", { name, topic, cause });
  }
  return false;
}

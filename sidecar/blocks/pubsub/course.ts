import type { Clock, Log } from "../../../components/contract/driver.ts";
import { causeText, fail } from "../../../specs/errors.ts";
import type { App } from "../../kernel/app.ts";
import type { Subscription } from "../../kernel/config-types.ts";
import type { Policies } from "../../kernel/policy.ts";
import type { Broker } from "./brokers.ts";
import { BulkDelivery } from "./bulk-delivery.ts";
import { Dedupe } from "./dedupe.ts";
import { type Course, type Deliver, type Delivery, type Ingress, SingleDelivery } from "./delivery.ts";
import { batchCount, type DeliveryPlan } from "./delivery-plan.ts";
import type { DeliveryStores } from "./delivery-store.ts";
import { Parking } from "./parking.ts";
import { Places } from "./places.ts";
import { findFlag } from "./publish-options.ts";
import { compileRoutes, type Router } from "./routes.ts";
import { Settling } from "./settling.ts";

/** What every subscription shares. */
export interface CourseDeps {
  readonly policies: Policies;
  readonly stores: DeliveryStores;
  readonly clock: Clock;
  readonly log: Log;
  readonly ingress: Ingress | undefined;
}

/** The way of a subscription's messages to the app. Throws `subscribeFailed` when it cannot work as it is written. */
export function deliveryToApp(
  broker: Broker,
  subscription: Subscription,
  plan: DeliveryPlan,
  app: App,
  deps: CourseDeps,
): Delivery {
  // All events of a gRPC app come to one method, so it needs no path.
  const pathless = app.speaksGrpc && subscription.routes.length === 0;
  const course = openCourse(
    broker,
    pathless ? { ...subscription, routes: [{ match: "", path: "" }] } : subscription,
    plan,
    deps,
  );
  const { bulkSubscribe: bulk, topic } = subscription;
  if (!bulk?.enabled) return new SingleDelivery(course, (event) => app.deliver(event));
  const limits = { maxMessagesCount: batchCount(bulk), maxAwaitDurationMs: bulk.maxAwaitDurationMs || 1000 };
  return new BulkDelivery(course, topic, limits, (events) => app.deliverMany(events));
}

/** The way of a subscription's messages to a receiver inside the sidecar, or behind a stream. */
export function deliveryTo(
  deliver: Deliver,
  broker: Broker,
  subscription: Subscription,
  plan: DeliveryPlan,
  deps: CourseDeps,
): Delivery {
  return new SingleDelivery(openCourse(broker, subscription, plan, deps), deliver);
}

function openCourse(broker: Broker, subscription: Subscription, plan: DeliveryPlan, deps: CourseDeps): Course {
  const { clock, log, policies, ingress, stores } = deps;
  const { topic, deadLetterTopic } = subscription;
  const { retry, dedupe, order } = plan;
  const target = [broker.name, "pubsub", "inbound"] as const;
  const parking = retry && Number.isFinite(retry.maxAttempts) ? new Parking(stores, broker, topic, clock) : undefined;
  return {
    broker,
    router: routerOf(broker, subscription),
    raw: isRaw(broker, subscription),
    policy: retry ? policies.componentWith(...target, retry) : policies.component(...target),
    maxAttempts: retry?.maxAttempts ?? Number.POSITIVE_INFINITY,
    order,
    // A broker that hands over no more than the app may have needs no second gate.
    places: plan.prefetch > plan.concurrency ? new Places(plan.concurrency) : undefined,
    dedupe: dedupe && {
      key: dedupe.key,
      marks: new Dedupe({ stores, broker, topic, ttlMs: dedupe.ttlMs, log }),
    },
    settling: new Settling({ broker, topic, deadLetterTopic, parking, clock, log }),
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

import { causeText, fail } from "../../specs/errors.ts";
import type { TopicSubscription } from "../../specs/gen/dapr/proto/runtime/v1/appcallback_pb.js";
import type { BulkSubscribe, Subscription, SubscriptionRoute } from "../kernel/config-types.ts";
import { flatSettings } from "../kernel/flat-settings.ts";
import { isRecord } from "../kernel/json.ts";

const defaultBulkCount = 100;
const defaultBulkAwaitMs = 1000;

type Fields = Readonly<Record<string, unknown>>;

/** SDKs differ in the case of field names (`pubsubname`, `pubsubName`). */
const anyCase = (value: unknown): Fields =>
  isRecord(value) ? Object.fromEntries(Object.entries(value).map(([key, v]) => [key.toLowerCase(), v])) : {};

const textOf = (value: unknown): string => (typeof value === "string" ? value : "");

/**
 * Reads the answer of `GET /dapr/subscribe`. Entries without a route cannot be delivered: `skip` is told of each.
 * Throws `malformedRequest` when the answer is not a JSON array of objects with pubsubname and topic.
 */
export function parseSubscriptions(json: string, skip: (why: string) => void): Subscription[] {
  const list = parseArray(json);
  return list.flatMap((entry, i) => {
    const fields = anyCase(entry);
    const pubsubName = textOf(fields["pubsubname"]);
    const topic = textOf(fields["topic"]);
    if (!pubsubName || !topic) {
      throw fail("malformedRequest", { why: `the app's /dapr/subscribe: [${i}] needs pubsubname and topic` });
    }
    const routes = routesOf(fields);
    if (routes.length === 0) {
      skip(`subscription to topic ${topic} of pubsub ${pubsubName} has no route; add route or routes.default`);
      return [];
    }
    const deadLetterTopic = textOf(fields["deadlettertopic"]);
    const bulk = fields["bulksubscribe"];
    const delivery = fields["delivery"];
    return [
      {
        pubsubName,
        topic,
        routes,
        metadata: { ...metadataOf(fields["metadata"]), ...(isRecord(delivery) ? flatSettings(delivery) : {}) },
        ...(deadLetterTopic ? { deadLetterTopic } : {}),
        ...(isRecord(bulk) ? { bulkSubscribe: bulkOf(anyCase(bulk)) } : {}),
      },
    ];
  });
}

function parseArray(json: string): unknown[] {
  let list: unknown;
  try {
    list = JSON.parse(json);
  } catch (error) {
    throw fail(
      "malformedRequest",
      { why: `the app's /dapr/subscribe is not JSON: ${causeText(error)}` },
      { cause: error },
    );
  }
  // An app without subscriptions may say null.
  if (list === null) return [];
  if (!Array.isArray(list))
    throw fail("malformedRequest", { why: "the app's /dapr/subscribe must answer a JSON array" });
  return list;
}

function routesOf(fields: Fields): SubscriptionRoute[] {
  const routes = anyCase(fields["routes"]);
  const rules = Array.isArray(routes["rules"]) ? routes["rules"].map(anyCase) : [];
  const matched = rules.map((rule) => ({ match: textOf(rule["match"]), path: textOf(rule["path"]) }));
  const fallback = textOf(routes["default"]) || textOf(fields["route"]);
  return withFallback(matched, fallback);
}

/** Rules in their order, the default last since it always fits. */
function withFallback(rules: readonly SubscriptionRoute[], fallback: string): SubscriptionRoute[] {
  const usable = rules.filter(({ path }) => path !== "");
  return fallback === "" ? usable : [...usable, { match: "", path: fallback }];
}

const metadataOf = (value: unknown): Record<string, string> =>
  isRecord(value) ? Object.fromEntries(Object.entries(value).map(([key, v]) => [key, String(v)])) : {};

function bulkOf(fields: Fields): BulkSubscribe {
  return {
    enabled: fields["enabled"] === true,
    maxMessagesCount: Number(fields["maxmessagescount"]) || defaultBulkCount,
    maxAwaitDurationMs: Number(fields["maxawaitdurationms"]) || defaultBulkAwaitMs,
  };
}

/** One entry of ListTopicSubscriptions; a gRPC app needs no path, since all events come to one method. */
export function fromTopicSubscription(subscription: TopicSubscription): Subscription {
  const { pubsubName, topic, routes, metadata, deadLetterTopic, bulkSubscribe } = subscription;
  const rules = withFallback(
    (routes?.rules ?? []).map(({ match, path }) => ({ match, path })),
    routes?.default ?? "",
  );
  return {
    pubsubName,
    topic,
    routes: rules.length > 0 ? rules : [{ match: "", path: "" }],
    metadata,
    ...(deadLetterTopic ? { deadLetterTopic } : {}),
    ...(bulkSubscribe
      ? {
          bulkSubscribe: {
            enabled: bulkSubscribe.enabled,
            maxMessagesCount: bulkSubscribe.maxMessagesCount || defaultBulkCount,
            maxAwaitDurationMs: bulkSubscribe.maxAwaitDurationMs || defaultBulkAwaitMs,
          },
        }
      : {}),
  };
}

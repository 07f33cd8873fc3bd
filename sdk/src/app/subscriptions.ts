import type { Metadata } from "../blocks/state-options.ts";
import { type CloudEvent, fromEnvelope } from "../cloud-event.ts";
import { reply } from "./reply.ts";
import type { AppRequest } from "./request.ts";
import type { AppRoute } from "./route.ts";

/**
 * What becomes of an event: it is done, it comes again, or it never will be done.
 *
 * @example
 * ```ts
 * import type { CloudEvent, Verdict } from "@mecha/sdk";
 *
 * const judge = (event: CloudEvent<{ item?: string }>): Verdict => (event.data.item === undefined ? "drop" : "success");
 * console.log(judge);
 * ```
 */
export type Verdict = "success" | "retry" | "drop";

/**
 * What a handler of events gives; nothing means success, and throwing means retry.
 *
 * @example
 * ```ts
 * import type { CloudEvent, Handled } from "@mecha/sdk";
 *
 * async function onOrder(event: CloudEvent<{ item: string }>): Promise<Handled> {
 *   if (event.data.item === "") return "drop";
 *   console.log(event.data.item);
 * }
 * console.log(onOrder);
 * ```
 */
// biome-ignore lint/suspicious/noConfusingVoidType: a handler that returns nothing is the usual one
export type Handled = Verdict | void;

/**
 * One event of a bulk.
 *
 * @example
 * ```ts
 * import { type BulkEvent, createApp } from "@mecha/sdk";
 *
 * const store = (events: readonly BulkEvent<{ item: string }>[]) => console.log(events.map(({ data }) => data.item));
 * createApp({ subscriptions: [{ pubsub: "bus", topic: "orders", bulk: { maxMessages: 50 }, handleBulk: store }] });
 * ```
 */
export interface BulkEvent<T = unknown> extends CloudEvent<T> {
  /** Unique in its bulk. */
  readonly entryId: string;
  /** What the broker said besides. */
  readonly metadata: Metadata;
}

/**
 * Where events go that a condition holds for.
 *
 * @example
 * ```ts
 * import type { CloudEvent, TopicRule } from "@mecha/sdk";
 *
 * const large: TopicRule<{ count: number }> = {
 *   match: "event.data.count > 100",
 *   handle: (event: CloudEvent<{ count: number }>) => console.log("large", event.data.count),
 * };
 * console.log(large);
 * ```
 */
export interface TopicRule<T = unknown> {
  /** CEL expression over `event`, such as `event.type == "order.created"`. */
  readonly match: string;
  /** By default one made from pubsub and topic. */
  readonly path?: string;
  // As a method, so that a handler of one kind of event can stand in a list of subscriptions of any kind.
  handle(event: CloudEvent<T>, request: AppRequest): Handled | Promise<Handled>;
}

/**
 * Events of a topic and what handles them: the first rule that matches, else `handle`. With `bulk` they come several at a
 * time: to `handleBulk`, or each to `handle`.
 *
 * @example
 * ```ts
 * import { type CloudEvent, createApp, type TopicSubscription } from "@mecha/sdk";
 *
 * interface Order { item: string; count: number }
 * const orders: TopicSubscription<Order> = {
 *   pubsub: "bus",
 *   topic: "orders",
 *   deadLetterTopic: "failed-orders",
 *   rules: [{ match: "event.data.count > 100", handle: () => "retry" }],
 *   handle: async (event: CloudEvent<Order>) => console.log(event.data.item),
 * };
 * createApp({ subscriptions: [orders] });
 * ```
 */
export interface TopicSubscription<T = unknown> {
  readonly pubsub: string;
  readonly topic: string;
  /** Where `handle` and `handleBulk` are reached; by default a path made from pubsub and topic. */
  readonly path?: string;
  handle?(event: CloudEvent<T>, request: AppRequest): Handled | Promise<Handled>;
  /** Gives one verdict for all, or one by entry id; an entry that is not named is done. */
  handleBulk?(events: readonly BulkEvent<T>[], request: AppRequest): BulkHandled | Promise<BulkHandled>;
  readonly rules?: readonly TopicRule<T>[];
  readonly bulk?: boolean | { readonly maxMessages?: number; readonly maxAwaitMs?: number };
  readonly metadata?: Metadata;
  readonly deadLetterTopic?: string;
  /** The publisher wraps nothing: the event's data are the bytes as they came. */
  readonly raw?: boolean;
  /** A Subscription resource subscribes already; here is only what handles the events. Needs `path`. */
  readonly declared?: boolean;
}

/**
 * What a handler of a bulk gives.
 *
 * @example
 * ```ts
 * import type { BulkEvent, BulkHandled } from "@mecha/sdk";
 *
 * function onOrders(events: readonly BulkEvent<{ item: string }>[]): BulkHandled {
 *   return Object.fromEntries(events.filter(({ data }) => data.item === "").map(({ entryId }) => [entryId, "drop"]));
 * }
 * console.log(onOrders);
 * ```
 */
export type BulkHandled = Handled | Readonly<Record<string, Verdict>>;

export type OnError = (error: unknown, what: string) => void;

/** The routes of all subscriptions, and the one by which the sidecar learns of them. */
export function subscriptionRoutes(subscriptions: readonly TopicSubscription[], onError: OnError): AppRoute[] {
  const paths = new Paths();
  const placed = subscriptions.map((subscription) => place(subscription, paths));
  const wanted = placed.filter(({ subscription }) => !subscription.declared).map(describe);
  const discovery: AppRoute = {
    ...{ verb: "GET", path: "/dapr/subscribe", what: "the list of subscriptions" },
    handle: () => reply(200, wanted),
  };
  return [discovery, ...placed.flatMap((one) => routesOf(one, onError))];
}

interface Placed {
  readonly subscription: TopicSubscription;
  readonly what: string;
  /** Undefined: events that no rule matches are not wanted. */
  readonly path: string | undefined;
  readonly rules: readonly (TopicRule & { readonly path: string })[];
}

function place(subscription: TopicSubscription, paths: Paths): Placed {
  const { pubsub, topic, path, rules = [], handle, handleBulk, declared, bulk } = subscription;
  const what = `the subscription to ${topic} of ${pubsub}`;
  if (!handle && !handleBulk && rules.length === 0) throw new TypeError(`${what} has no handler; give handle or rules`);
  if (handleBulk && !bulk) throw new TypeError(`${what} has handleBulk without bulk; add bulk: true`);
  if (declared && path === undefined)
    throw new TypeError(`${what} is declared elsewhere; give the path that stands there`);
  const given = [path, ...rules.map((rule) => rule.path)].find((one) => one !== undefined && /[:*]/.test(one));
  if (given !== undefined) throw new TypeError(`${what}: the path ${given} must be without placeholders`);
  const stem = `/events/${plain(pubsub)}/${plain(topic)}`;
  return {
    ...{ subscription, what },
    path: handle || handleBulk ? paths.take(path, stem) : undefined,
    rules: rules.map((rule, at) => ({ ...rule, path: paths.take(rule.path, `${stem}/rule-${at + 1}`) })),
  };
}

const plain = (name: string): string => name.replaceAll(/[^\w.~-]+/g, "-");
const slashed = (path: string): string => (path.startsWith("/") ? path : `/${path}`);

/** Paths made here differ from one another, whatever the names they are made from. */
class Paths {
  readonly #taken = new Set<string>();

  take(given: string | undefined, stem: string): string {
    if (given !== undefined) return slashed(given);
    let path = stem;
    for (let at = 2; this.#taken.has(path); at++) path = `${stem}-${at}`;
    this.#taken.add(path);
    return path;
  }
}

/** A subscription as the sidecar reads it. */
function describe({ subscription, path, rules }: Placed) {
  const { pubsub, topic, metadata, deadLetterTopic, bulk, raw } = subscription;
  const { maxMessages, maxAwaitMs } = typeof bulk === "object" ? bulk : {};
  const whole = { ...metadata, ...(raw ? { rawPayload: "true" } : {}) };
  return {
    pubsubname: pubsub,
    topic,
    routes: { rules: rules.map((rule) => ({ match: rule.match, path: rule.path })), default: path },
    ...(Object.keys(whole).length > 0 ? { metadata: whole } : {}),
    deadLetterTopic,
    ...(bulk
      ? { bulkSubscribe: { enabled: true, maxMessagesCount: maxMessages, maxAwaitDurationMs: maxAwaitMs } }
      : {}),
  };
}

function routesOf({ subscription, what, path, rules }: Placed, onError: OnError): AppRoute[] {
  const route = (at: string, handler: Handlers): AppRoute => ({
    ...{ verb: "POST", path: at, what },
    handle: (request) => deliver(request, handler, (error) => onError(error, what)),
  });
  return [
    ...(path === undefined ? [] : [route(path, subscription)]),
    ...rules.map((rule) => route(rule.path, { handle: (event, request) => rule.handle(event, request) })),
  ];
}

type Handlers = Pick<TopicSubscription, "handle" | "handleBulk">;

/** A delivery of one event, or of a bulk: the body says which. */
async function deliver(request: AppRequest, handlers: Handlers, onError: (error: unknown) => void): Promise<unknown> {
  const body = (await request.json<Readonly<Record<string, unknown>> | null>()) ?? {};
  if (!Array.isArray(body["entries"])) {
    return { status: toStatus(await judge(handlers, fromEnvelope(body), request, onError)) };
  }
  const events = (body["entries"] as BulkEntry[]).map((entry) => toBulkEvent(entry, body));
  const verdicts = await judgeAll(handlers, events, request, onError);
  return { statuses: events.map(({ entryId }) => ({ entryId, status: toStatus(verdicts(entryId)) })) };
}

async function judge(
  handlers: Handlers,
  event: CloudEvent,
  request: AppRequest,
  onError: (error: unknown) => void,
): Promise<Handled> {
  try {
    if (handlers.handle) return await handlers.handle(event, request);
    const one = { ...event, entryId: event.id, metadata: {} };
    const handled = await handlers.handleBulk?.([one], request);
    return typeof handled === "object" ? handled[one.entryId] : handled;
  } catch (error) {
    onError(error);
    return "retry";
  }
}

async function judgeAll(
  handlers: Handlers,
  events: readonly BulkEvent[],
  request: AppRequest,
  onError: (error: unknown) => void,
): Promise<(entryId: string) => Handled> {
  if (handlers.handleBulk) {
    try {
      const handled = await handlers.handleBulk(events, request);
      return (entryId) => (typeof handled === "object" ? handled[entryId] : handled);
    } catch (error) {
      onError(error);
      return () => "retry";
    }
  }
  const judged = await Promise.all(
    events.map(async (event) => [event.entryId, await judge(handlers, event, request, onError)] as const),
  );
  const verdicts = new Map(judged);
  return (entryId) => verdicts.get(entryId);
}

const toStatus = (verdict: Handled): string => (verdict ?? "success").toUpperCase();

interface BulkEntry {
  readonly entryId: string;
  /** An event, or base64 of what the publisher did not wrap. */
  readonly event: Readonly<Record<string, unknown>> | string;
  readonly metadata?: Record<string, string> | null;
  readonly contentType?: string;
}

function toBulkEvent(entry: BulkEntry, { pubsubname, topic }: Readonly<Record<string, unknown>>): BulkEvent {
  const { entryId, event, metadata, contentType } = entry;
  const envelope =
    typeof event === "string" ? { pubsubname, topic, datacontenttype: contentType, data_base64: event } : event;
  return { ...fromEnvelope(envelope), entryId, metadata: metadata ?? {} };
}

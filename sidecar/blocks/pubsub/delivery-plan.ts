import type { Order } from "../../../components/contract/pubsub.ts";
import { deliverySchema } from "../../../specs/schemas/delivery.ts";
import type { BulkSubscribe, Subscription } from "../../kernel/config-types.ts";
import { didYouMean } from "../../kernel/did-you-mean.ts";
import { findDurationMs } from "../../kernel/duration.ts";
import { joined } from "../../kernel/flat-settings.ts";
import type { DeliveryRetry } from "../../kernel/policy.ts";

/** How a subscription's messages reach their receiver, all defaults filled in. */
export interface DeliveryPlan {
  /** Messages with the receiver at once. */
  readonly concurrency: number;
  /** Messages that the sidecar holds, those with the receiver included. */
  readonly prefetch: number;
  readonly order: Order;
  /** Undefined: as the Resiliency resources say. */
  readonly retry: (DeliveryRetry & { readonly maxAttempts: number }) | undefined;
  /** Milliseconds for which a handled message is remembered by this attribute. */
  readonly dedupe: { readonly key: string; readonly ttlMs: number } | undefined;
  /** It is attached only when somebody asks for it. */
  readonly paused: boolean;
}

const defaultConcurrency = 100;
/** Without a retry of its own an ordered subscription tries on: to hand a message back would let others overtake it. */
const orderedRetry = {
  backOff: "exponential",
  intervalMs: 1000,
  maxIntervalMs: 60_000,
  maxAttempts: Infinity,
} as const;
/** How many messages wait behind those with the app, for each of them, where some may have to wait for others. */
const heldPerPlace = { none: 2, key: 4, topic: 16 } as const;

interface Leaf {
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly format?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Leaf>>;
}
type Value = string | number | boolean;

/** Settings of `delivery` by the names that metadata gives them, in lower case. */
const leaves = new Map(
  leavesOf("", deliverySchema as Leaf).map(([name, leaf]) => [name.toLowerCase(), { name, leaf }]),
);

function leavesOf(path: string, schema: Leaf): [string, Leaf][] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, property]): [string, Leaf][] =>
    property.properties ? leavesOf(joined(path, key), property) : [[joined(path, key), property]],
  );
}

/** Reads what the metadata of a subscription says of its delivery. Throws an Error that names the setting and the fix. */
export function readDeliveryPlan({ metadata, bulkSubscribe }: Subscription): DeliveryPlan {
  const given = readGiven(metadata);
  const order = (given.get("order") ?? "none") as Order;
  const retry = readRetry(given) ?? (order === "none" ? undefined : orderedRetry);
  const wanted = given.get("concurrency") as number | undefined;
  if (order === "topic" && (wanted ?? 1) > 1) {
    throw new Error("order topic hands over one message at a time; take concurrency out, or use order: key");
  }
  if (order !== "none" && bulkSubscribe?.enabled) {
    throw new Error(`bulkSubscribe cannot keep the order ${order}; take one of them out`);
  }
  const usual = order === "topic" ? 1 : usualConcurrency(bulkSubscribe);
  const window = given.get("prefetch") as number | undefined;
  const concurrency = wanted ?? Math.min(usual, window ?? usual);
  if (window !== undefined && window < concurrency) {
    throw new Error(`prefetch ${window} is below concurrency ${concurrency}; the messages with the app count too`);
  }
  return {
    concurrency,
    prefetch: window ?? (order === "none" && !retry ? concurrency : concurrency * heldPerPlace[order]),
    order,
    retry,
    dedupe: readDedupe(given),
    paused: given.get("paused") === true,
  };
}

/** A batch must be able to fill while another one is with the app. */
const usualConcurrency = (bulk: BulkSubscribe | undefined): number =>
  bulk?.enabled ? Math.max(defaultConcurrency, 2 * batchCount(bulk)) : defaultConcurrency;

export const batchCount = ({ maxMessagesCount }: { readonly maxMessagesCount: number }) => maxMessagesCount || 100;

type Given = ReadonlyMap<string, Value>;

function readGiven(metadata: Readonly<Record<string, string>>): Given {
  const given = new Map<string, Value>();
  for (const [key, text] of Object.entries(metadata)) {
    const known = leaves.get(key.toLowerCase());
    const value = known && text !== "" ? readValue(known.name, known.leaf, text) : undefined;
    if (known && value !== undefined) given.set(known.name, value);
  }
  return given;
}

/** Undefined: it says no more than leaving it out. */
function readValue(name: string, leaf: Leaf, text: string): Value | undefined {
  const bad = (must: string) => new Error(`metadata ${name} must be ${must}, got ${JSON.stringify(text)}`);
  if (leaf.enum) {
    const word = leaf.enum.find((one) => one.toLowerCase() === text.toLowerCase());
    if (word !== undefined) return word;
    const hint = didYouMean(text, leaf.enum);
    throw bad(`one of ${leaf.enum.join(", ")}${hint ? ` (${hint})` : ""}`);
  }
  if (leaf.format === "go-duration") {
    const ms = findDurationMs(text);
    if (ms !== undefined && ms >= 0) return ms;
    throw bad('a duration such as "30s"');
  }
  if (leaf.type === "boolean") {
    if (/^(1|t|true)$/i.test(text)) return true;
    if (/^(0|f|false)$/i.test(text)) return false;
    throw bad("true or false");
  }
  if (leaf.type === "integer") {
    // The published words for it.
    if (name === "concurrency" && text === "parallel") return undefined;
    if (name === "concurrency" && text === "single") return 1;
    const number = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (number >= (leaf.minimum ?? 0) && number <= (leaf.maximum ?? Number.MAX_SAFE_INTEGER)) return number;
    throw bad(`a whole number over 0${name === "concurrency" ? ", single or parallel" : ""}`);
  }
  return text;
}

function readRetry(given: Given): DeliveryPlan["retry"] {
  if (!hasAny(given, "retry")) return undefined;
  const backOff = (given.get("retryBackOff") ?? defaultOf("retryBackOff")) as DeliveryRetry["backOff"];
  return {
    backOff,
    intervalMs: duration(given, "retryInterval"),
    maxIntervalMs: duration(given, "retryMaxInterval"),
    maxAttempts: (given.get("retryMaxAttempts") as number | undefined) ?? Number.POSITIVE_INFINITY,
  };
}

function readDedupe(given: Given): DeliveryPlan["dedupe"] {
  if (!hasAny(given, "dedupe")) return undefined;
  return { key: String(given.get("dedupeKey") ?? defaultOf("dedupeKey")), ttlMs: duration(given, "dedupeTtl") };
}

const hasAny = (given: Given, group: string) => [...given.keys()].some((name) => name.startsWith(group));
const defaultOf = (name: string) => leaves.get(name.toLowerCase())?.leaf.default;
const duration = (given: Given, name: string) =>
  (given.get(name) as number | undefined) ?? findDurationMs(String(defaultOf(name))) ?? 0;

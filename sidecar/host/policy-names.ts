import type { Kind } from "../../components/contract/any-driver.ts";
import type { RetryPlan } from "./retry.ts";

export type Direction = "inbound" | "outbound";

/** Words that stand before `RetryPolicy`, `TimeoutPolicy` and `CircuitBreakerPolicy` in default policies, most specific first. */
export type DefaultNames = readonly string[];

/** The kind's word in default policies; undefined: components of the kind have no policies. */
const words: Readonly<Record<Kind, string | undefined>> = {
  state: "Statestore",
  pubsub: "Pubsub",
  bindings: "Binding",
  lock: "Lock",
  configuration: "Configuration",
  secretstores: "Secretstore",
  crypto: "Crypto",
  conversation: "Conversation",
  nameresolution: undefined,
};

/** Kinds through which the outside calls the app. */
const withInput: ReadonlySet<Kind> = new Set(["pubsub", "bindings", "configuration"]);

/** Default policies of an app. */
export const appDefaults: DefaultNames = ["DefaultApp", "Default"];

/** Default policies of a component; undefined: no policy can apply to this kind and direction. */
export function componentDefaults(kind: Kind, direction: Direction): DefaultNames | undefined {
  const word = words[kind];
  if (word === undefined || (direction === "inbound" && !withInput.has(kind))) return undefined;
  const way = direction === "inbound" ? "Inbound" : "Outbound";
  return [`Default${word}Component${way}`, `DefaultComponent${way}`, "DefaultComponent", "Default"];
}

const second = 1_000;
const exponential = { policy: "exponential", durationMs: 5 * second, initialIntervalMs: 500 } as const;
const constant = {
  policy: "constant",
  durationMs: second,
  initialIntervalMs: 500,
  maxIntervalMs: 60 * second,
  maxElapsedMs: 900 * second,
} as const;

/** Retries that exist without a resource. */
export const builtInRetries: ReadonlyMap<string, RetryPlan> = new Map<string, RetryPlan>([
  ["DaprBuiltInServiceRetries", { ...constant, maxRetries: 3 }],
  ["DaprBuiltInActorRetries", { ...constant, maxRetries: 3 }],
  // Published with a limit of no retries: reminders come again by themselves. A resource may raise it.
  [
    "DaprBuiltInActorReminderRetries",
    { ...exponential, maxIntervalMs: 60 * second, maxElapsedMs: 900 * second, maxRetries: 0 },
  ],
  [
    "DaprBuiltInInitializationRetries",
    { ...exponential, maxIntervalMs: second, maxElapsedMs: 10 * second, maxRetries: 3 },
  ],
  ["DaprBuiltInActorNotFoundRetries", { ...constant, maxRetries: 5 }],
]);

/** The retry that no resource may change. */
export const protectedRetry = "DaprBuiltInActorNotFoundRetries";

/** A resource's policy in place of a built-in one: it never tries less often than three times again, nor without end. */
export function overriding(plan: RetryPlan): RetryPlan {
  return { ...plan, maxRetries: Math.max(plan.maxRetries, 3) };
}

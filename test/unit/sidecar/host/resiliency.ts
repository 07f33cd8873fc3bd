import type { Log } from "../../../../components/contract/driver.ts";
import type { CircuitBreakerPolicy, ResiliencyResource, RetryPolicy } from "../../../../sidecar/kernel/config-types.ts";

/** A Resiliency resource with what a test is about. */
export function resiliency(
  policies: Partial<ResiliencyResource["policies"]>,
  targets: Partial<ResiliencyResource["targets"]> = {},
  name = "resiliency",
): ResiliencyResource {
  return {
    kind: "Resiliency",
    name,
    scopes: [],
    source: { file: "resources/resiliency.yaml", line: 1 },
    policies: { timeouts: {}, retries: {}, circuitBreakers: {}, ...policies },
    targets: { apps: {}, actors: {}, components: {}, ...targets },
  };
}

/** Constant, with a pause of a second. */
export const retry = (maxRetries: number, over: Partial<RetryPolicy> = {}): RetryPolicy => ({
  policy: "constant",
  durationMs: 1_000,
  maxIntervalMs: 60_000,
  maxRetries,
  ...over,
});

/** Opens after so many failures in a row, for a minute. */
export const breaker = (failures: number): CircuitBreakerPolicy => ({
  maxRequests: 1,
  intervalMs: 0,
  timeoutMs: 60_000,
  trip: `consecutiveFailures >= ${failures}`,
});

/** A log that keeps what is written, as `level message`. */
export function keepingLog(): Log & { readonly lines: readonly string[] } {
  const lines: string[] = [];
  const at = (level: string) => (message: string) => void lines.push(`${level} ${message}`);
  return { lines, debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

import type { Clock } from "../../components/contract/driver.ts";
import { openPolicies } from "../../sidecar/host/policies.ts";
import type { ResiliencyResource, RetryPolicy } from "../../sidecar/kernel/config-types.ts";
import type { Policies } from "../../sidecar/kernel/policy.ts";

interface AppPolicy {
  readonly retry?: Partial<RetryPolicy>;
  readonly timeoutMs?: number;
}

/** Real policies: the built-in ones, and one for the app `app` when it is given. */
export function appPolicies(clock: Clock, app?: string, { retry, timeoutMs }: AppPolicy = {}): Policies {
  const full: RetryPolicy = { policy: "constant", durationMs: 1000, maxIntervalMs: 60_000, maxRetries: 3, ...retry };
  const resource: ResiliencyResource = {
    kind: "Resiliency",
    name: "test",
    scopes: [],
    source: { file: "test.yaml", line: 1 },
    policies: {
      timeouts: timeoutMs === undefined ? {} : { t: timeoutMs },
      retries: retry ? { r: full } : {},
      circuitBreakers: {},
    },
    targets: {
      apps: app
        ? { [app]: { circuitBreakerCacheSize: 100, ...(retry && { retry: "r" }), ...(timeoutMs && { timeout: "t" }) } }
        : {},
      actors: {},
      components: {},
    },
  };
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  return openPolicies({ resources: [resource], namespace: "default", clock, log });
}

import type { ResiliencyDocument } from "../../specs/schemas/resiliency.ts";
import type {
  ActorTarget,
  CircuitBreakerPolicy,
  CodeRange,
  ResiliencyResource,
  RetryPolicy,
  TargetPolicies,
} from "../kernel/config-types.ts";
import { didYouMean } from "../kernel/did-you-mean.ts";
import { parseDurationMs } from "../kernel/duration.ts";
import type { Located } from "./located.ts";
import { toHeader } from "./to-resource.ts";

type Spec = ResiliencyDocument["spec"];

export function toResiliency(located: Located<ResiliencyDocument>): ResiliencyResource {
  const { policies, targets } = located.data.spec;
  return {
    kind: "Resiliency",
    ...toHeader(located),
    policies: {
      timeouts: mapped(policies.timeouts, (text) => parseDurationMs(text, "ms")),
      retries: mapped(policies.retries, (retry, name) => toRetry(retry, `spec.policies.retries.${name}`, located)),
      circuitBreakers: mapped(policies.circuitBreakers, toBreaker),
    },
    targets: {
      apps: mapped(targets.apps, (target) => defined(target)),
      actors: mapped(targets.actors, (target, type) => toActorTarget(target, `spec.targets.actors.${type}`, located)),
      components: mapped(targets.components, (target) => defined(target)),
    },
  };
}

function toRetry(
  written: Spec["policies"]["retries"][string],
  keyPath: string,
  located: Located<unknown>,
): RetryPolicy {
  const { policy, duration, maxInterval, maxRetries, matching } = written;
  const http = toRanges(matching?.httpStatusCodes, 100, 599, `${keyPath}.matching.httpStatusCodes`, located);
  const grpc = toRanges(matching?.gRPCStatusCodes, 0, 16, `${keyPath}.matching.gRPCStatusCodes`, located);
  return {
    policy,
    durationMs: parseDurationMs(duration, "ms"),
    maxIntervalMs: parseDurationMs(maxInterval, "ms"),
    maxRetries,
    ...(http && { httpStatusCodes: http }),
    ...(grpc && { grpcStatusCodes: grpc }),
  };
}

/** Reads `429,500-599`. Empty means all, as if it were left out. */
function toRanges(
  text: string | undefined,
  least: number,
  most: number,
  keyPath: string,
  located: Located<unknown>,
): CodeRange[] | undefined {
  if (text === undefined || text.trim() === "") return undefined;
  return text.split(",").flatMap((part) => {
    const [, first, last = first] = /^\s*(\d+)\s*(?:-\s*(\d+)\s*)?$/.exec(part) ?? [];
    const range = { from: Number(first), to: Number(last) };
    if (range.from >= least && range.to <= most && range.from <= range.to) return [range];
    const message = `${JSON.stringify(part.trim())} is not a code or a range of codes from ${least} to ${most}`;
    const swapped = range.from > range.to && range.to >= least && range.from <= most;
    const example = least === 0 ? "4,8-14" : "429,500-599";
    located.refuse(keyPath, message, swapped ? `write ${range.to}-${range.from}` : `write it like ${example}`);
    return [];
  });
}

function toBreaker(written: Spec["policies"]["circuitBreakers"][string]): CircuitBreakerPolicy {
  return {
    maxRequests: written.maxRequests || 1,
    intervalMs: parseDurationMs(written.interval, "ms"),
    timeoutMs: parseDurationMs(written.timeout, "ms") || 60_000,
    trip: written.trip.trim() || "consecutiveFailures > 5",
  };
}

function toActorTarget(
  written: Spec["targets"]["actors"][string],
  keyPath: string,
  located: Located<unknown>,
): ActorTarget {
  if (written.circuitBreaker && !written.circuitBreakerScope) {
    located.refuse(
      `${keyPath}.circuitBreakerScope`,
      "is missing",
      "a circuit breaker of actors needs type, id or both",
    );
  }
  return defined(written);
}

/**
 * Finds targets that name a policy which no resource has. Resources share their policies, so this runs over all.
 * `say` gets the index of the resource, the key path, and the finding's two texts.
 */
export function findUnknownPolicies(
  resources: readonly ResiliencyResource[],
  say: (index: number, keyPath: string, message: string, hint: string) => void,
): void {
  const names = {
    timeout: resources.flatMap(({ policies }) => Object.keys(policies.timeouts)),
    retry: resources.flatMap(({ policies }) => Object.keys(policies.retries)),
    circuitBreaker: resources.flatMap(({ policies }) => Object.keys(policies.circuitBreakers)),
  };
  for (const [index, { targets }] of resources.entries()) {
    const check = (target: TargetPolicies | undefined, keyPath: string) => {
      for (const kind of ["timeout", "retry", "circuitBreaker"] as const) {
        const name = target?.[kind];
        if (!name || names[kind].includes(name) || name.startsWith("DaprBuiltIn")) continue;
        const known = names[kind].length > 0 ? `known: ${names[kind].join(", ")}` : "none is declared";
        const hint = didYouMean(name, names[kind]) ?? known;
        say(index, `${keyPath}.${kind}`, `no ${kind} policy is called ${JSON.stringify(name)}`, hint);
      }
    };
    for (const [id, target] of Object.entries(targets.apps)) check(target, `spec.targets.apps.${id}`);
    for (const [type, target] of Object.entries(targets.actors)) check(target, `spec.targets.actors.${type}`);
    for (const [name, { inbound, outbound }] of Object.entries(targets.components)) {
      check(inbound, `spec.targets.components.${name}.inbound`);
      check(outbound, `spec.targets.components.${name}.outbound`);
    }
  }
}

function mapped<T, U>(record: Readonly<Record<string, T>>, convert: (value: T, key: string) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, convert(value, key)]));
}

/** The reader leaves out what is not written, which the schema's type calls possibly undefined. */
function defined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return value as { [K in keyof T]: Exclude<T[K], undefined> };
}

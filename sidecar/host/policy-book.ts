import type { Log } from "../../components/contract/driver.ts";
import { causeText } from "../../specs/errors.ts";
import type { AppTarget, CircuitBreakerPolicy, ComponentTarget, ResiliencyResource } from "../kernel/config-types.ts";
import { builtInRetries, overriding, protectedRetry } from "./policy-names.ts";
import { type RetryPlan, toPlan } from "./retry.ts";
import { compileTrip, type Trip } from "./trip.ts";

/** A policy and the resource that declares it; built-in ones have an empty name there. */
export interface Declared<T> {
  readonly value: T;
  readonly resource: string;
}

export interface BreakerPlan {
  readonly policy: CircuitBreakerPolicy;
  readonly trip: Trip;
}

/** Everything that the Resiliency resources say, by name. */
export interface PolicyBook {
  /** Milliseconds; 0 or less: no timeout. */
  readonly timeouts: ReadonlyMap<string, Declared<number>>;
  /** The built-in ones among them. */
  readonly retries: ReadonlyMap<string, Declared<RetryPlan>>;
  readonly breakers: ReadonlyMap<string, Declared<BreakerPlan>>;
  readonly apps: ReadonlyMap<string, AppTarget>;
  readonly components: ReadonlyMap<string, ComponentTarget>;
}

/** Puts all resources into one book; where two say something under one name, the later one holds. */
export function readPolicyBook(resources: readonly ResiliencyResource[], log: Log): PolicyBook {
  const timeouts = new Map<string, Declared<number>>();
  const retries = new Map<string, Declared<RetryPlan>>();
  const breakers = new Map<string, Declared<BreakerPlan>>();
  const apps = new Map<string, AppTarget>();
  const components = new Map<string, ComponentTarget>();
  for (const [name, value] of builtInRetries) retries.set(name, { value, resource: "" });
  for (const resource of resources) {
    const declare = <T>(book: Map<string, Declared<T>>, name: string, value: T | undefined) => {
      if (value !== undefined) book.set(name, { value, resource: resource.name });
    };
    for (const [name, ms] of Object.entries(resource.policies.timeouts)) declare(timeouts, name, ms);
    for (const [name, policy] of Object.entries(resource.policies.retries)) {
      declare(retries, name, retryPlan(name, toPlan(policy), resource, log));
    }
    for (const [name, policy] of Object.entries(resource.policies.circuitBreakers)) {
      declare(breakers, name, { policy, trip: tripOf(name, policy, resource, log) });
    }
    for (const [id, target] of Object.entries(resource.targets.apps)) apps.set(id, target);
    for (const [name, target] of Object.entries(resource.targets.components)) components.set(name, target);
  }
  return { timeouts, retries, breakers, apps, components };
}

/** Undefined: the name may not be declared. */
function retryPlan(name: string, plan: RetryPlan, resource: ResiliencyResource, log: Log): RetryPlan | undefined {
  if (!builtInRetries.has(name)) return plan;
  if (name !== protectedRetry) return overriding(plan);
  log.warn(`${placeOf(resource)}: spec.policies.retries.${name} cannot be overridden and is ignored`);
  return undefined;
}

/** A condition that cannot be understood never trips, which leaves the target as available as it was without a breaker. */
function tripOf(name: string, policy: CircuitBreakerPolicy, resource: ResiliencyResource, log: Log): Trip {
  try {
    return compileTrip(policy.trip);
  } catch (error) {
    const keyPath = `spec.policies.circuitBreakers.${name}.trip`;
    log.error(
      `${placeOf(resource)}: ${keyPath}: ${causeText(error)}; the breaker never opens; write it like "consecutiveFailures > 5"`,
    );
    return () => false;
  }
}

const placeOf = ({ name, source }: ResiliencyResource) => `${source.file}:${source.line}: resiliency ${name}`;

import type { Kind } from "../../components/contract/any-driver.ts";
import type { Clock, Log } from "../../components/contract/driver.ts";
import type { ResiliencyResource, TargetPolicies } from "../kernel/config-types.ts";
import { didYouMean } from "../kernel/did-you-mean.ts";
import type { Metrics } from "../kernel/metrics.ts";
import type { DeliveryRetry, Policies, Policy } from "../kernel/policy.ts";
import { LayeredPolicy, type Layers } from "./layered-policy.ts";
import { type PolicyBook, readPolicyBook } from "./policy-book.ts";
import { BreakerNotes, layerNotes, type TargetLabels } from "./policy-metrics.ts";
import { appDefaults, builtInRetries, componentDefaults, type DefaultNames, type Direction } from "./policy-names.ts";
import { Recent } from "./recent.ts";
import { Retry, type RetryPlan } from "./retry.ts";
import { TargetBreakers } from "./target-breakers.ts";

export interface PoliciesParts {
  /** All Resiliency resources of this app; they share their policies, and the later one wins. */
  readonly resources: readonly ResiliencyResource[];
  /** Label of the metrics. */
  readonly namespace: string;
  readonly clock: Clock;
  readonly metrics?: Metrics | undefined;
  readonly log: Log;
  /** Numbers from 0 up to, not including, 1, for the spread of pauses; absent: Math.random. */
  readonly random?: (() => number) | undefined;
}

/** Breakers kept at once for an app that names no number of its own. */
const breakersPerApp = 100;
/** Apps under default policies whose breakers are kept at once; their ids come with calls, so somebody else picks the number. */
const rememberedApps = 1_000;

/**
 * Policies of the Resiliency resources. Gives the same policy for a target each time, so that all its calls meet the same
 * breakers. Opens nothing that must be closed: timers live as long as the calls they belong to.
 */
export function openPolicies(parts: PoliciesParts): Policies {
  const { resources, metrics, namespace } = parts;
  for (const { name } of resources) {
    metrics?.count("resiliency_loaded", "Resiliency resources in use.", { name, namespace })();
  }
  return new ResourcePolicies(parts, readPolicyBook(resources, parts.log));
}

/** What a target is called: in errors and logs, and in labels. */
interface Naming {
  readonly said: string;
  readonly labels: TargetLabels;
}

class ResourcePolicies implements Policies {
  readonly #parts: PoliciesParts;
  readonly #book: PolicyBook;
  readonly #components = new Map<string, { readonly layers: Layers; readonly policy: Policy | undefined }>();
  readonly #declaredApps = new Map<string, Policy>();
  readonly #otherApps: Recent<Policy> | undefined;
  readonly #builtIn = new Map<string, Policy>();

  constructor(parts: PoliciesParts, book: PolicyBook) {
    this.#parts = parts;
    this.#book = book;
    for (const [id, target] of book.apps) {
      this.#declaredApps.set(
        id,
        this.#policy(target, this.#app(id), target.circuitBreakerCacheSize || breakersPerApp) ?? direct,
      );
    }
    const byDefault = this.#defaults(appDefaults);
    if (Object.keys(byDefault).length === 0) return;
    this.#otherApps = new Recent(
      rememberedApps,
      (id) => this.#policy(byDefault, this.#app(id), breakersPerApp) ?? direct,
    );
  }

  component(name: string, kind: Kind, direction: Direction): Policy | undefined {
    return this.#component(name, kind, direction).policy;
  }

  componentWith(name: string, kind: Kind, direction: Direction, retry: DeliveryRetry): Policy {
    const { clock, random = Math.random } = this.#parts;
    const plan: RetryPlan = {
      policy: retry.backOff,
      durationMs: retry.intervalMs,
      maxIntervalMs: retry.maxIntervalMs,
      maxRetries: -1,
      initialIntervalMs: retry.intervalMs,
      maxElapsedMs: Number.POSITIVE_INFINITY,
    };
    const { layers } = this.#component(name, kind, direction);
    return new LayeredPolicy({ ...layers, retry: { retry: new Retry(plan, clock, random), notes: undefined } });
  }

  /** The same for a target each time, so that all its calls meet the same breakers. */
  #component(name: string, kind: Kind, direction: Direction) {
    const key = `${direction} ${kind} ${name}`;
    let known = this.#components.get(key);
    if (!known) {
      const layers = this.#componentLayers(name, kind, direction);
      known = { layers, policy: policyOf(layers) };
      this.#components.set(key, known);
    }
    return known;
  }

  app(appId: string): Policy | undefined {
    return this.#declaredApps.get(appId) ?? this.#otherApps?.get(appId);
  }

  builtIn(name: string): Policy {
    const known = this.#builtIn.get(name);
    if (known) return known;
    if (!builtInRetries.has(name)) {
      const names = [...builtInRetries.keys()];
      throw new TypeError(
        `there is no built-in retry ${name}; ${didYouMean(name, names) ?? `known: ${names.join(", ")}`}`,
      );
    }
    const labels = { namespace: this.#parts.namespace, direction: "outbound", target: name } as const;
    const policy = this.#policy({ retry: name }, { said: name, labels }, 1) ?? direct;
    this.#builtIn.set(name, policy);
    return policy;
  }

  #componentLayers(name: string, kind: Kind, direction: Direction): Layers {
    const defaults = componentDefaults(kind, direction);
    if (!defaults) return {};
    const declared = this.#book.components.get(name);
    // A component that is named anywhere takes what stands there and nothing else.
    const target = declared ? (declared[direction] ?? {}) : this.#defaults(defaults);
    const labels = { namespace: this.#parts.namespace, direction, target: `component_${name}` };
    // Calls of components name no method, so one breaker serves them all.
    return this.#layers(target, { said: `component ${name}`, labels }, 1);
  }

  #app(id: string): Naming {
    return {
      said: `app ${id}`,
      labels: { namespace: this.#parts.namespace, direction: "outbound", target: `app_${id}` },
    };
  }

  #defaults(names: DefaultNames): TargetPolicies {
    const { timeouts, retries, breakers } = this.#book;
    const first = (kind: string, declared: ReadonlyMap<string, unknown>) =>
      names.map((start) => `${start}${kind}Policy`).find((name) => declared.has(name));
    const timeout = first("Timeout", timeouts);
    const retry = first("Retry", retries);
    const circuitBreaker = first("CircuitBreaker", breakers);
    return { ...(timeout && { timeout }), ...(retry && { retry }), ...(circuitBreaker && { circuitBreaker }) };
  }

  /** Undefined: the target has no layer. `limit`: breakers kept at once. */
  #policy(target: TargetPolicies, naming: Naming, limit: number): Policy | undefined {
    return policyOf(this.#layers(target, naming, limit));
  }

  #layers(target: TargetPolicies, naming: Naming, limit: number): Layers {
    return {
      timeout: this.#timeout(target.timeout, naming),
      retry: this.#retry(target.retry, naming),
      breakers: this.#breakers(target.circuitBreaker, naming, limit),
    };
  }

  #timeout(name: string | undefined, { said, labels }: Naming): Layers["timeout"] {
    const declared = name === undefined ? undefined : this.#book.timeouts.get(name);
    if (!declared || declared.value <= 0) return undefined;
    const notes = layerNotes(this.#parts.metrics, "timeout", declared.resource, labels);
    return { ms: declared.value, target: said, clock: this.#parts.clock, notes };
  }

  #retry(name: string | undefined, { labels }: Naming): Layers["retry"] {
    const declared = name === undefined ? undefined : this.#book.retries.get(name);
    if (!declared || declared.value.maxRetries === 0) return undefined;
    const { clock, metrics, random = Math.random } = this.#parts;
    return {
      retry: new Retry(declared.value, clock, random),
      notes: layerNotes(metrics, "retry", declared.resource, labels),
    };
  }

  #breakers(name: string | undefined, { said, labels }: Naming, limit: number): Layers["breakers"] {
    const declared = name === undefined ? undefined : this.#book.breakers.get(name);
    if (!declared) return undefined;
    const { clock, log, metrics } = this.#parts;
    const notes = metrics && new BreakerNotes(metrics, declared.resource, labels);
    return new TargetBreakers({ target: said, ...declared.value, limit, clock, log, notes });
  }
}

function policyOf(layers: Layers): Policy | undefined {
  return layers.timeout || layers.retry || layers.breakers ? new LayeredPolicy(layers) : undefined;
}

/** For a target whose entry switches policies off: no layer, but not undefined either, which would let built-in ones in. */
const direct: Policy = new LayeredPolicy({});

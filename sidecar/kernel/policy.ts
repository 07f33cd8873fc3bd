import type { Kind } from "../../components/contract/any-driver.ts";

/** One attempt; its signal aborts when the policy's timeout has passed or the caller has left. */
export type Attempt<T> = (signal: AbortSignal | undefined, attempt: number) => Promise<T>;

export interface PolicyCall {
  readonly signal?: AbortSignal | undefined;
  /** Whether this failure may be tried again; absent: any may. */
  readonly retriable?: (error: unknown) => boolean;
  /** Part of the breaker's name for targets that have one per method. */
  readonly method?: string;
}

/** retry( circuit breaker( timeout( attempt ))), from the Resiliency resources. */
export interface Policy {
  run<T>(attempt: Attempt<T>, call?: PolicyCall): Promise<T>;
  /** Whether a retry policy is in force, so that a caller keeps what it needs to try again. */
  readonly retries: boolean;
}

/** Retries without end, in place of those of a Resiliency resource; who makes the attempts ends them by `retriable`. */
export interface DeliveryRetry {
  readonly backOff: "exponential" | "constant";
  /** First pause, or the only one. */
  readonly intervalMs: number;
  /** Longest pause. */
  readonly maxIntervalMs: number;
}

/** Policies by target. Undefined: none applies, call directly. */
export interface Policies {
  component(name: string, kind: Kind, direction: "inbound" | "outbound"): Policy | undefined;
  /** The same timeout and circuit breaker under other retries. */
  componentWith(name: string, kind: Kind, direction: "inbound" | "outbound", retry: DeliveryRetry): Policy;
  app(appId: string): Policy | undefined;
  /** One of the built-in retries (`DaprBuiltInServiceRetries`, ...), as overridden. */
  builtIn(name: string): Policy;
}

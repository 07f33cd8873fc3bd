import type { Kind, OpenedByKind } from "../../components/contract/any-driver.ts";
import type { PubsubCapabilities } from "../../components/contract/pubsub.ts";
import type { Component } from "../kernel/components.ts";
import type { Metrics } from "../kernel/metrics.ts";
import type { Policies, Policy } from "../kernel/policy.ts";
import { type CallShape, componentCalls } from "./component-calls.ts";
import { type Note, noteOf } from "./component-metrics.ts";
import { guarded, type Method } from "./guarded-call.ts";
import { guardedPublishMany } from "./guarded-publish.ts";

/**
 * The opened component with its outbound policy and its metrics around the calls that blocks make; the opened object
 * itself when neither applies. Everything else of it passes through, and what it lacks the wrapped one lacks too.
 * `namespace` is a label of the metrics; absent: they carry it already.
 */
export function wrapComponent<K extends Kind>(
  component: Component<K>,
  policies: Policies,
  metrics: Metrics | undefined,
  namespace?: string,
): OpenedByKind[K] {
  const { name, kind, opened } = component;
  const policy = policies.component(name, kind, "outbound");
  const wrapped = new Map<string, Method>();
  // The table's rows differ per kind, and here any kind will do.
  for (const [method, shape] of Object.entries(
    componentCalls[kind] as Readonly<Record<string, CallShape | undefined>>,
  )) {
    const call = (opened as unknown as Record<string, unknown>)[method];
    if (!shape || typeof call !== "function") continue;
    const note = metrics && noteOf(component as unknown as Component, method, shape, metrics, namespace);
    if (policy || note) wrapped.set(method, layered(method, call.bind(opened) as Method, shape, policy, note));
  }
  return wrapped.size === 0 ? opened : standIn(opened, wrapped);
}

function layered(
  name: string,
  method: Method,
  shape: CallShape,
  policy: Policy | undefined,
  note: Note | undefined,
): Method {
  let run = method;
  if (policy && name === "publishMany") {
    run = guardedPublishMany(
      method as unknown as PubsubCapabilities["bulkPublish"]["publishMany"],
      policy,
    ) as unknown as Method;
  } else if (policy) {
    run = guarded(method, shape.call, policy);
  }
  return note ? measured(run, note) : run;
}

/** Four arguments by name, as many as any call has: a rest parameter would make an array per call. */
const measured =
  (run: Method, note: Note): Method =>
  async (a, b, c, d) => {
    const started = performance.now();
    let answer: unknown;
    try {
      answer = await run(a, b, c, d);
    } catch (error) {
      note(false, performance.now() - started, a, undefined);
      throw error;
    }
    note(true, performance.now() - started, a, answer);
    return answer;
  };

/**
 * An object with the members of `opened`, some of them replaced. A copy of the members and not a prototype or a Proxy:
 * methods of the original need `this` for their private fields, and calls should cost no more than calls.
 */
function standIn<T extends object>(opened: T, replaced: ReadonlyMap<string, Method>): T {
  const copy: object = {};
  for (let layer: object | null = opened; layer && layer !== Object.prototype; layer = Object.getPrototypeOf(layer)) {
    for (const key of Reflect.ownKeys(layer)) {
      if (key === "constructor" || Object.hasOwn(copy, key)) continue;
      const value: unknown = Object.getOwnPropertyDescriptor(layer, key)?.value;
      const method = replaced.get(key as string) ?? (typeof value === "function" ? value.bind(opened) : undefined);
      const member = method ? { value: method, writable: true } : { get: () => Reflect.get(opened, key) };
      Object.defineProperty(copy, key, { ...member, enumerable: true, configurable: true });
    }
  }
  return copy as T;
}

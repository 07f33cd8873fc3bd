import type { Kind } from "../../components/contract/any-driver.ts";
import type { BindingRequest } from "../../components/contract/bindings.ts";
import type { OutgoingMessage } from "../../components/contract/pubsub.ts";
import type { Component } from "../kernel/components.ts";
import type { Metrics } from "../kernel/metrics.ts";
import type { CallShape } from "./component-calls.ts";

/** Notes a call that has ended: its first argument, its answer when it has one, and how long it took. */
export type Note = (success: boolean, ms: number, argument: unknown, answer: unknown) => void;

type Labels = Readonly<Record<string, string>>;
/** Adds `by` calls or messages with that outcome. */
type Add = (success: boolean, ms: number, by: number) => void;

/** Kinds whose calls need no other label than their table row gives. */
const plain: Readonly<Partial<Record<Kind, string>>> = {
  state: "state",
  configuration: "configuration",
  secretstores: "secret",
  crypto: "crypto",
  conversation: "conversation",
};

/** How calls of one method are noted; undefined: nothing is measured of them. */
export function noteOf(
  component: Component,
  method: string,
  shape: CallShape,
  metrics: Metrics,
  namespace: string | undefined,
): Note | undefined {
  const common: Labels = { component: component.name, ...(namespace !== undefined && { namespace }) };
  const series = plain[component.kind];
  if (series) {
    const { operation } = shape;
    const add = adder(metrics, series, operation === undefined ? common : { ...common, operation });
    return (success, ms) => add(success, ms, 1);
  }
  if (component.kind === "bindings") return bindingNote(component as Component<"bindings">, metrics, common);
  if (method === "publish") {
    const add = byLabel((topic) => adder(metrics, "pubsub_egress", { ...common, topic }));
    return (success, ms, message) => add((message as OutgoingMessage).topic)(success, ms, 1);
  }
  if (method === "publishMany") {
    return bulkNote(byLabel((topic) => adder(metrics, "pubsub_egress_bulk", { ...common, topic })));
  }
  return undefined;
}

function bindingNote({ opened }: Component<"bindings">, metrics: Metrics, common: Labels): Note {
  const add = byLabel((operation) => adder(metrics, "output_binding", { ...common, operation }));
  return (success, ms, request) => {
    const { operation } = request as BindingRequest;
    // The caller picks the word; only words that the driver knows may become series.
    add(opened.operations?.includes(operation) ? operation : "other")(success, ms, 1);
  };
}

/** Counts messages: those that were taken and those that were not. */
function bulkNote(add: (topic: string) => Add): Note {
  return (success, ms, argument, answer) => {
    const messages = argument as readonly OutgoingMessage[];
    const [first] = messages;
    if (!first) return;
    const failed = success ? (answer as readonly unknown[]).length : messages.length;
    const note = add(first.topic);
    if (messages.length > failed) note(true, ms, messages.length - failed);
    if (failed > 0) note(false, ms, failed);
  };
}

/** Series are bound when their outcome first happens, so that none stands at zero without need. */
function adder(metrics: Metrics, series: string, labels: Labels): Add {
  const bind = (success: "true" | "false") => {
    const all = { ...labels, success };
    const count = metrics.count(`component_${series}_count`, "Calls of components.", all);
    const latency = metrics.latency(
      `component_${series}_latencies`,
      "Milliseconds per call of a component, retries included.",
      all,
    );
    return (ms: number, by: number) => {
      count(by);
      latency(ms);
    };
  };
  let succeeded: ReturnType<typeof bind> | undefined;
  let failed: ReturnType<typeof bind> | undefined;
  return (success, ms, by) => {
    if (success) {
      succeeded ??= bind("true");
      succeeded(ms, by);
    } else {
      failed ??= bind("false");
      failed(ms, by);
    }
  };
}

function byLabel(make: (label: string) => Add): (label: string) => Add {
  const known = new Map<string, Add>();
  return (label) => {
    let add = known.get(label);
    if (!add) {
      add = make(label);
      known.set(label, add);
    }
    return add;
  };
}

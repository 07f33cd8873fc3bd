import type { Verdict } from "../kernel/app.ts";
import type { Metrics } from "../kernel/metrics.ts";

/** What became of messages that arrived. */
interface Arrived {
  readonly pubsubName: string;
  readonly topic: string;
  readonly outcome: Verdict;
  readonly ms: number;
  /** Messages in the call; absent: it was no bulk call. */
  readonly count?: number;
}

/** Counts what comes from outside to the app: topic events, and events of input bindings. */
export function inputMetrics(metrics: Metrics, namespace: string) {
  return {
    topicEvent({ pubsubName: component, topic, outcome, ms, count }: Arrived): void {
      const labels = { component, namespace, process_status: outcome, topic };
      if (count === undefined) {
        const all = { ...labels, status: "" };
        metrics.count("component_pubsub_ingress_count", "Events that have arrived.", all)();
        metrics.latency("component_pubsub_ingress_latencies", "Milliseconds per event in the app.", all)(ms);
        return;
      }
      metrics.count("component_pubsub_ingress_bulk_count", "Batches of events that have arrived.", labels)();
      metrics.count("component_pubsub_ingress_bulk_event_count", "Events in these batches.", labels)(count);
      metrics.latency("component_pubsub_ingress_bulk_latencies", "Milliseconds per batch in the app.", labels)(ms);
    },
    bindingEvent(component: string, success: boolean, ms: number): void {
      const labels = { component, namespace, success: String(success) };
      metrics.count("component_input_binding_count", "Events of input bindings.", labels)();
      metrics.latency("component_input_binding_latencies", "Milliseconds per event in the app.", labels)(ms);
    },
  };
}

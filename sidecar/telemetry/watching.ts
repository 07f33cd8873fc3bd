import type { App } from "../kernel/app.ts";
import type { Config } from "../kernel/config-types.ts";
import type { Peers } from "../kernel/exchange.ts";
import type { Metrics } from "../kernel/metrics.ts";
import type { Receiver } from "../kernel/peer.ts";
import type { Tracing } from "../kernel/tracing.ts";
import { appMetrics } from "./app-metrics.ts";
import { inputMetrics } from "./input-metrics.ts";
import { accessMetrics, countedPeers, countedReceiver } from "./invocation-metrics.ts";
import { tracedApp, tracedReceiver } from "./traced.ts";

/** What looks at the calls that do not come through the API: of the app, of peers, by peers. */
export function watching(config: Config, metrics: Metrics | undefined, tracing: Tracing | undefined) {
  const { appId, namespace, configuration } = config;
  const inputs = metrics && inputMetrics(metrics, namespace);
  const trustDomain = configuration.accessControl?.trustDomain ?? "";
  return {
    app: <A extends App | undefined>(app: A) => (app && tracing ? tracedApp(app, tracing) : app) as A,
    peers: (peers: Peers): Peers => (metrics ? countedPeers(peers, metrics) : peers),
    receiver(receiver: Receiver): Receiver {
      const counted = metrics ? countedReceiver(receiver, metrics) : receiver;
      return tracing ? tracedReceiver(counted, tracing, appId) : counted;
    },
    appCalls: metrics && appMetrics(metrics, configuration.metrics.http.increasedCardinality),
    topicEvent: inputs?.topicEvent,
    bindingEvent: inputs?.bindingEvent,
    decision: metrics && accessMetrics(metrics, trustDomain, namespace),
  };
}

import { Type } from "typebox";
import { fail } from "../../specs/errors.ts";
import { type BindingHandler, defineBinding } from "../contract/bindings.ts";
import type { OpenContext, Subscription } from "../contract/driver.ts";
import { integer, requiredText } from "../contract/settings.ts";
import { type KubeObject, KubernetesApi } from "./api.ts";
import { type Change, changes } from "./changes.ts";
import { clusterSettings } from "./cluster.ts";
import { checkedNamespace } from "./names.ts";

const metadata = Type.Object({
  namespace: requiredText({ description: "Namespace whose events are read.", example: "default" }),
  resyncPeriodInSec: integer({
    default: 10,
    minimum: 0,
    description: "Has no effect: changes are watched and none is missed, so that the list need not be read again.",
  }),
  ...clusterSettings,
});

export default defineBinding({
  type: "bindings.kubernetes",
  status: "beta",
  summary: "Gives the events of a Kubernetes namespace to the app: first those there are, then each that changes.",
  metadata,
  capabilities: ["input"],
  async open(settings, context) {
    const namespace = namespaceOf(settings.namespace);
    const api = await KubernetesApi.open(settings.kubeconfigPath, context);
    try {
      await api.check(context.signal);
    } catch (error) {
      api.close();
      throw error;
    }
    const open = new Set<Subscription>();
    return {
      async read(handler) {
        const subscription = follow(api, namespace, handler, context);
        open.add(subscription);
        return subscription;
      },
      ping: ({ signal = new AbortController().signal }) => api.check(signal),
      async close() {
        await Promise.all([...open].map((one) => one.close()));
        api.close();
      },
    };
  },
});

function namespaceOf(namespace: string): string {
  try {
    return checkedNamespace(namespace);
  } catch (error) {
    throw fail("openFailed", { why: `namespace: ${JSON.stringify(namespace)} is no namespace` }, { cause: error });
  }
}

/** One event after the other, in the order of the server. */
function follow(
  api: KubernetesApi,
  namespace: string,
  handler: BindingHandler,
  { name, clock, log }: OpenContext,
): Subscription {
  const ending = new AbortController();
  const path = `api/v1/namespaces/${namespace}/events`;
  const what = `list and watch events in the namespace ${namespace}`;
  const run = async () => {
    for await (const change of changes({ api, path, what, clock, log, name }, ending.signal)) {
      if (ending.signal.aborted) return;
      // An event that the app does not take is over: the server gives it once. Who failed has said so.
      await handler({ data: Buffer.from(JSON.stringify(eventOf(change))), metadata: {} }).catch(() => {});
    }
  };
  const done = run();
  return {
    async close() {
      ending.abort();
      await done;
    },
  };
}

/** What stands for the event that there is not, before it came or after it went. */
const none = {
  metadata: { creationTimestamp: null },
  involvedObject: {},
  source: {},
  firstTimestamp: null,
  lastTimestamp: null,
  eventTime: null,
  reportingComponent: "",
  reportingInstance: "",
};

const eventOf = ({ type, before, now }: Change<KubeObject>) => ({
  event: type,
  oldVal: before ?? none,
  newVal: now ?? none,
});

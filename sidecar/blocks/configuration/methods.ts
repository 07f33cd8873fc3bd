import { randomUUID } from "node:crypto";
import type { ConfigurationItems } from "../../../components/contract/configuration.ts";
import { causeText, fail } from "../../../specs/errors.ts";
import { Dapr } from "../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import type { App } from "../../kernel/app.ts";
import { type Components, requireComponent } from "../../kernel/components.ts";
import type { ScopedLog } from "../../kernel/log.ts";
import { type AnyMethod, type HttpInput, method, type Route } from "../../kernel/method.ts";
import type { Policies } from "../../kernel/policy.ts";
import { Changes, type Store, Subscriptions } from "./subscriptions.ts";
import { configurationWrites } from "./writes.ts";

export interface ConfigurationParts {
  readonly components: Components;
  /** Undefined: there is no app to call back. */
  readonly app: App | undefined;
  readonly policies: Policies;
  readonly log: ScopedLog;
}

const roots = ["/v1.0/configuration/:storeName", "/v1.0-alpha1/configuration/:storeName"];
const under = (suffix: string) => roots.map((root) => root + suffix);

/** The configuration API: values that change while the app runs. */
export function openConfigurationBlock(parts: ConfigurationParts): {
  readonly methods: readonly AnyMethod[];
  readonly routes: readonly Route[];
  close(): Promise<void>;
} {
  const subscriptions = new Subscriptions();
  const component = (name: string) =>
    requireComponent(parts.components, "configuration", name, {
      none: () => fail("configurationNotConfigured", {}),
      unknown: (unknown, known) => fail("configurationNotFound", { name: unknown, known }),
    });
  const store = (name: string) => component(name).opened;
  const unfollow = parts.components.onOpen("configuration", (opened) => {
    subscriptions.follow(opened).catch((error: unknown) => {
      parts.log.error("a changed store does not take its subscriptions", {
        store: opened.name,
        error: causeText(error),
      });
    });
  });

  /** Opens a subscription; `onChange` hears of changes from then on. */
  const subscribe = async (
    storeName: string,
    keys: readonly string[],
    metadata: Record<string, string>,
    onChange: (id: string, items: ConfigurationItems) => void,
    changes?: Changes,
  ): Promise<string> => {
    const asked = component(storeName);
    const id = randomUUID();
    const openAt = ({ opened }: Store) =>
      opened.subscribe([...keys].sort(), metadata, (items) => onChange(id, items), {});
    try {
      await subscriptions.add(id, { store: asked, subscription: await openAt(asked), openAt, changes });
      return id;
    } catch (error) {
      throw fail(
        "configurationSubscribe",
        { name: storeName, keys: shown(keys), cause: causeText(error) },
        { cause: error },
      );
    }
  };

  const get = method(
    [Dapr.method.getConfiguration, Dapr.method.getConfigurationAlpha1],
    "configuration",
    {
      verbs: ["GET"],
      paths: roots,
      input: (http) => ({
        storeName: http.params["storeName"] ?? "",
        keys: [...http.queryAll("key")],
        metadata: http.metadata,
      }),
      output: ({ items }) =>
        Object.keys(items ?? {}).length === 0 ? { status: 204 } : { status: 200, body: JSON.stringify(items) },
    },
    async ({ storeName, keys, metadata }, request) => {
      const opened = store(storeName);
      try {
        const items = await opened.get(keys, metadata, request);
        return {
          items: Object.fromEntries(
            Object.entries(items).map(([key, item]) => [key, { ...item, metadata: { ...item.metadata } }]),
          ),
        };
      } catch (error) {
        throw fail(
          "configurationGet",
          { name: storeName, keys: shown(keys), cause: causeText(error) },
          { cause: error },
        );
      }
    },
  );

  const stream = method(
    [Dapr.method.subscribeConfiguration, Dapr.method.subscribeConfigurationAlpha1],
    "configuration",
    undefined,
    async ({ storeName, keys, metadata }, { signal }) => {
      const changes = new Changes();
      const id = await subscribe(storeName, keys, metadata, (_, items) => changes.push(items), changes);
      // The subscription ends with the stream that reads it.
      if (signal.aborted) await subscriptions.end(id);
      else signal.addEventListener("abort", () => void subscriptions.end(id), { once: true });
      return changes.messages(id);
    },
  );

  const unsubscribe = method(
    [Dapr.method.unsubscribeConfiguration, Dapr.method.unsubscribeConfigurationAlpha1],
    "configuration",
    {
      verbs: ["GET"],
      paths: under("/:id/unsubscribe"),
      input: (http) => ({ storeName: http.params["storeName"] ?? "", id: http.params["id"] ?? "" }),
      output: ({ ok, message }) =>
        ok ? { status: 200, body: '{"ok":true}' } : { status: 500, body: JSON.stringify({ message }) },
    },
    async ({ storeName, id }) => {
      store(storeName);
      const ended = await subscriptions.end(id);
      return ended
        ? { ok: true }
        : { ok: false, message: `subscription ${id} is not known to configuration store ${storeName}` };
    },
  );

  const subscribeHttp = async (http: HttpInput) => {
    const { app } = parts;
    const storeName = http.params["storeName"] ?? "";
    store(storeName);
    if (!app) throw fail("appChannelMissing", {});
    const id = await subscribe(storeName, http.queryAll("key"), http.metadata, (subscription, items) => {
      const policy = parts.policies.component(storeName, "configuration", "inbound");
      app.configurationChanged(storeName, subscription, items, policy).catch((error: unknown) => {
        parts.log.error("the app did not take a configuration change", { store: storeName, error: causeText(error) });
      });
    });
    return { status: 200, body: JSON.stringify({ id }) };
  };

  return {
    methods: [get, stream, unsubscribe, ...configurationWrites(store)],
    routes: [{ verbs: ["GET"], paths: under("/subscribe"), group: "configuration", run: subscribeHttp }],
    async close() {
      unfollow();
      await subscriptions.close();
    },
  };
}

const shown = (keys: readonly string[]): string => (keys.length === 0 ? "all keys" : `[${keys.join(", ")}]`);

import { Type } from "typebox";
import { causeText, fail } from "../../specs/errors.ts";
import {
  type ConfigurationItem,
  type ConfigurationItems,
  defineConfigurationStore,
} from "../contract/configuration.ts";
import type { Subscription } from "../contract/driver.ts";
import { text } from "../contract/settings.ts";

export default defineConfigurationStore({
  type: "configuration.in-memory",
  aliases: ["configuration.memory"],
  status: "stable",
  summary: "Keeps configuration items in the sidecar's memory; they are gone when it stops.",
  metadata: Type.Object({
    values: text({
      default: "{}",
      description: "JSON object of the first items: a text, or an object with value and version, per key.",
      example: '{"greeting": "hello", "limit": {"value": "10", "version": "3"}}',
    }),
  }),
  async open(settings) {
    const items = new Items();
    items.put(parseValues(settings.values));
    return {
      get: async (keys) => items.get(keys),
      subscribe: async (keys, _metadata, onChange) => items.subscribe(keys, onChange),
      put: async (written) => items.put(written),
      remove: async (keys) => items.remove(keys),
      async close() {
        items.close();
      },
    };
  },
});

type Written = Readonly<Record<string, { readonly value: string; readonly version?: string }>>;

interface Watcher {
  readonly keys: ReadonlySet<string>;
  readonly onChange: (items: ConfigurationItems) => void;
}

class Items {
  readonly #items = new Map<string, ConfigurationItem>();
  readonly #watchers = new Set<Watcher>();
  #writes = 0;

  get(keys: readonly string[]): ConfigurationItems {
    const asked = keys.length === 0 ? [...this.#items.keys()] : keys;
    const found = asked.flatMap((key) => {
      const item = this.#items.get(key);
      return item ? [[key, item] as const] : [];
    });
    return Object.fromEntries(found);
  }

  subscribe(keys: readonly string[], onChange: Watcher["onChange"]): Subscription {
    const watcher: Watcher = { keys: new Set(keys), onChange };
    this.#watchers.add(watcher);
    return {
      close: async () => {
        this.#watchers.delete(watcher);
      },
    };
  }

  put(written: Written): void {
    this.#writes += 1;
    const changed = Object.entries(written).map(([key, { value, version }]) => {
      const item: ConfigurationItem = { value, version: version ?? String(this.#writes), metadata: {} };
      this.#items.set(key, item);
      return [key, item] as const;
    });
    this.#tell(changed);
  }

  remove(keys: readonly string[]): void {
    const gone: ConfigurationItem = { value: "", version: "", metadata: {} };
    this.#tell(keys.filter((key) => this.#items.delete(key)).map((key) => [key, gone] as const));
  }

  #tell(changed: readonly (readonly [string, ConfigurationItem])[]): void {
    for (const { keys, onChange } of this.#watchers) {
      const wanted = changed.filter(([key]) => keys.size === 0 || keys.has(key));
      if (wanted.length > 0) onChange(Object.fromEntries(wanted));
    }
  }

  close(): void {
    this.#watchers.clear();
  }
}

function parseValues(json: string): Written {
  const bad = (why: string) => fail("openFailed", { why: `values: ${why}, such as {"greeting": "hello"}` });
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch (error) {
    throw bad(`must be a JSON object: ${causeText(error)}`);
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) throw bad("must be a JSON object");
  const entries = Object.entries(parsed).map(([key, item]: [string, unknown]) => {
    if (typeof item === "string") return [key, { value: item }] as const;
    if (typeof item !== "object" || item === null || !("value" in item) || typeof item.value !== "string") {
      throw bad(`${key} must be a text or an object with the texts value and version`);
    }
    const version = "version" in item ? item.version : undefined;
    if (version !== undefined && typeof version !== "string") throw bad(`${key}.version must be a text`);
    return [key, version === undefined ? { value: item.value } : { value: item.value, version }] as const;
  });
  return Object.fromEntries(entries);
}

import { causeText } from "../../specs/errors.ts";
import type { ConfigurationItem, ConfigurationItems } from "../contract/configuration.ts";
import type { Call, OpenContext } from "../contract/driver.ts";
import type { ChannelWatcher } from "./listener.ts";

type Read = (keys: readonly string[], signal?: AbortSignal) => Promise<ConfigurationItems>;

const pauseMs = 1000;
const removed: ConfigurationItem = { value: "", version: "", metadata: {} };

/**
 * One subscription. A notification says which key has changed, and the item is read; after the connection was away all
 * items are read and compared with what the subscriber knows. So a subscriber is told what stands in the table, in the
 * order in which it has been there.
 */
export class ConfigurationWatch {
  readonly #keys: readonly string[];
  readonly #read: Read;
  readonly #onChange: (items: ConfigurationItems) => void;
  readonly #context: OpenContext;
  readonly #closing = new AbortController();
  #known = new Map<string, ConfigurationItem>();
  /** Keys whose notification has come and is not dealt with; undefined: any key may have changed. */
  #changed: Set<string> | undefined = new Set();
  #working: Promise<void> | undefined;
  #cancelPause: (() => void) | undefined;
  #stop = () => {};

  constructor(
    keys: readonly string[],
    read: Read,
    onChange: (items: ConfigurationItems) => void,
    context: OpenContext,
  ) {
    this.#keys = keys;
    this.#read = read;
    this.#onChange = onChange;
    this.#context = context;
  }

  /** Resolves when changes are heard. */
  async start(watch: (watcher: ChannelWatcher) => Promise<() => void>, call: Call): Promise<void> {
    // What is notified before the first reading is in it.
    let isStarted = false;
    const wake = () => {
      if (isStarted) this.#work();
    };
    this.#stop = await watch({
      onNotification: (payload) => {
        this.#note(payload);
        wake();
      },
      onResume: () => {
        this.#changed = undefined;
        wake();
      },
    });
    try {
      this.#known = new Map(Object.entries(await this.#read(this.#keys, call.signal)));
    } catch (error) {
      this.#stop();
      throw error;
    }
    isStarted = true;
    wake();
  }

  #note(payload: string): void {
    const key = keyOf(payload);
    if (key === undefined) {
      this.#context.log.warn('a notification is not like {"table": …, "data": {"key": …}}; all items are read instead');
      this.#changed = undefined;
    } else if (this.#keys.length === 0 || this.#keys.includes(key)) this.#changed?.add(key);
  }

  #work(): void {
    this.#working ??= this.#tell()
      .catch((error: unknown) => {
        if (this.#closing.signal.aborted) return;
        this.#context.log.warn(`changes could not be read, tries again: ${causeText(error)}`);
        this.#cancelPause?.();
        this.#cancelPause = this.#context.clock.after(pauseMs, () => this.#work());
      })
      .finally(() => {
        this.#working = undefined;
      });
  }

  async #tell(): Promise<void> {
    while (!this.#closing.signal.aborted && this.#changed?.size !== 0) {
      const changed = this.#changed;
      this.#changed = new Set();
      try {
        const asked = changed === undefined ? this.#keys : [...changed];
        const items = await this.#read(asked, this.#closing.signal);
        this.#tellChanges(changed ?? new Set([...this.#known.keys(), ...Object.keys(items)]), items);
      } catch (error) {
        this.#changed = changed && this.#changed ? new Set([...changed, ...this.#changed]) : undefined;
        throw error;
      }
    }
  }

  #tellChanges(keys: ReadonlySet<string>, items: ConfigurationItems): void {
    const changes: Record<string, ConfigurationItem> = {};
    for (const key of keys) {
      const [before, now] = [this.#known.get(key), items[key]];
      if (isSame(before, now)) continue;
      if (now) this.#known.set(key, now);
      else this.#known.delete(key);
      changes[key] = now ?? removed;
    }
    if (Object.keys(changes).length > 0 && !this.#closing.signal.aborted) this.#onChange(changes);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#cancelPause?.();
    this.#stop();
    await this.#working;
  }
}

const isSame = (a: ConfigurationItem | undefined, b: ConfigurationItem | undefined): boolean =>
  a === b ||
  (a?.value === b?.value && a?.version === b?.version && JSON.stringify(a?.metadata) === JSON.stringify(b?.metadata));

function keyOf(payload: string): string | undefined {
  try {
    const message: unknown = JSON.parse(payload);
    if (typeof message !== "object" || message === null || !("data" in message)) return undefined;
    const { data } = message;
    if (typeof data !== "object" || data === null) return undefined;
    const found = Object.entries(data).find(([name]) => name.toLowerCase() === "key");
    return typeof found?.[1] === "string" ? found[1] : undefined;
  } catch {
    return undefined;
  }
}

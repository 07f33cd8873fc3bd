import type { SubscribeConfigurationResponse } from "../../../specs/gen/dapr/proto/runtime/v1/configuration_pb.js";
import { Dapr } from "../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { Mecha } from "../../../specs/gen/mecha/v1/mecha_pb.js";
import { type CallOptions, callOf } from "../call.ts";
import { type EventStream, openEventStream } from "../event-stream.ts";
import type { Transport } from "../transport.ts";
import type { Metadata } from "./state-options.ts";

const { method: dapr } = Dapr;

/**
 * A configured value.
 *
 * @example
 * ```ts
 * import { type ConfigurationItem, createClient } from "@mecha/sdk";
 *
 * const { color } = await createClient().configuration("settings").get(["color"]);
 * const item: ConfigurationItem | undefined = color;
 * console.log(item?.value, item?.version);
 * ```
 */
export interface ConfigurationItem {
  readonly value: string;
  readonly version: string;
  readonly metadata: Metadata;
}

/**
 * Items that changed.
 *
 * @example
 * ```ts
 * import { type ConfigurationUpdate, createApp } from "@mecha/sdk";
 *
 * const onChange = (update: ConfigurationUpdate) => console.log(update.id, Object.keys(update.items));
 * createApp({ configuration: { settings: onChange } });
 * ```
 */
export interface ConfigurationUpdate {
  /** Of the subscription. */
  readonly id: string;
  readonly items: Readonly<Record<string, ConfigurationItem>>;
}

/**
 * Whose changes to hear of.
 *
 * @example
 * ```ts
 * import { type ConfigurationOptions, createClient } from "@mecha/sdk";
 *
 * const options: ConfigurationOptions = { metadata: { namespace: "shop" } };
 * console.log(await createClient().configuration("settings").get([], options));
 * ```
 */
export interface ConfigurationOptions extends CallOptions {
  readonly metadata?: Metadata | undefined;
}

/**
 * A configuration store.
 *
 * @example
 * ```ts
 * import { type ConfigurationStore, createClient } from "@mecha/sdk";
 *
 * const settings: ConfigurationStore = createClient({ transport: "grpc" }).configuration("settings");
 * console.log(await settings.get(["color"]));
 * for await (const { items } of await settings.subscribe(["color"])) {
 *   console.log(items["color"]?.value);
 *   break;
 * }
 * ```
 */
export class ConfigurationStore {
  readonly #transport: Transport;
  readonly #store: string;

  /** @internal */
  constructor(transport: Transport, store: string) {
    this.#transport = transport;
    this.#store = store;
  }

  /** Reads items by key; without keys all of them. Keys that are not there are left out. */
  async get(
    keys: readonly string[] = [],
    options: ConfigurationOptions = {},
  ): Promise<Readonly<Record<string, ConfigurationItem>>> {
    const { items } = await this.#transport.unary(dapr.getConfiguration, this.#input(keys, options), callOf(options));
    return toItems(items);
  }

  /** Writes items; those who subscribe hear of them. Only for stores that are not written by tools of their own. */
  async set(items: Readonly<Record<string, string>>, call: CallOptions = {}): Promise<void> {
    const written = Object.entries(items).map(([key, value]) => [key, { value }]);
    const input = { storeName: this.#store, items: Object.fromEntries(written) };
    await this.#transport.unary(Mecha.method.putConfiguration, input, callOf(call));
  }

  /** Deletes items, under the same condition; absent ones are no error. */
  async delete(keys: readonly string[], call: CallOptions = {}): Promise<void> {
    const input = { storeName: this.#store, keys: [...keys] };
    await this.#transport.unary(Mecha.method.deleteConfiguration, input, callOf(call));
  }

  /** Hears of changes until the loop over them is left; without keys of all changes. Over gRPC only. */
  subscribe(
    keys: readonly string[] = [],
    options: ConfigurationOptions = {},
  ): Promise<EventStream<ConfigurationUpdate>> {
    const input = this.#input(keys, options);
    return openEventStream<SubscribeConfigurationResponse, ConfigurationUpdate>({
      what: `subscribing to ${this.#store}`,
      call: callOf(options),
      open: (call) => this.#transport.stream(dapr.subscribeConfiguration, only(input), call),
      confirm: ({ id }) => id,
      toEvent: ({ id, items }) => (Object.keys(items).length === 0 ? undefined : { id, items: toItems(items) }),
    });
  }

  /**
   * Has changes sent to the app's HTTP server, where `createApp({ configuration })` takes them. Over HTTP only.
   * @returns the id of the subscription, for `unsubscribe`
   */
  notifyApp(keys: readonly string[] = [], options: ConfigurationOptions = {}): Promise<string> {
    const { metadata = {} } = options;
    return this.#transport.notifyApp({ store: this.#store, keys, metadata }, callOf(options));
  }

  /** Ends a subscription by its id; false when there is none. */
  async unsubscribe(id: string, call: CallOptions = {}): Promise<boolean> {
    const input = { storeName: this.#store, id };
    return (await this.#transport.unary(dapr.unsubscribeConfiguration, input, callOf(call))).ok;
  }

  #input(keys: readonly string[], { metadata }: ConfigurationOptions) {
    return { storeName: this.#store, keys: [...keys], metadata: { ...metadata } };
  }
}

async function* only<T>(item: T): AsyncGenerator<T, void> {
  yield item;
}

function toItems(items: SubscribeConfigurationResponse["items"]): Record<string, ConfigurationItem> {
  return Object.fromEntries(
    Object.entries(items).map(([key, { value, version, metadata }]) => [key, { value, version, metadata }]),
  );
}

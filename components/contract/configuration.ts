import type { TObject } from "typebox";
import type { Call, Definition, Open, Opened, Subscription } from "./driver.ts";

export interface ConfigurationItem {
  readonly value: string;
  readonly version: string;
  readonly metadata: Readonly<Record<string, string>>;
}

export type ConfigurationItems = Readonly<Record<string, ConfigurationItem>>;

/** Values that change while apps run. */
export interface ConfigurationStore extends Opened {
  /** No keys: all items. Absent keys are left out. */
  get(keys: readonly string[], metadata: Readonly<Record<string, string>>, call: Call): Promise<ConfigurationItems>;
  /** Calls `onChange` with the changed items, never with those that stood before. A deleted item has an empty value. No keys: all items. */
  subscribe(
    keys: readonly string[],
    metadata: Readonly<Record<string, string>>,
    onChange: (items: ConfigurationItems) => void,
    call: Call,
  ): Promise<Subscription>;
  /** Writes items, for tools and tests of stores that we own; absent where the backend is written by other means. */
  put?(
    items: Readonly<Record<string, { readonly value: string; readonly version?: string }>>,
    call: Call,
  ): Promise<void>;
  /** Deletes items, under the same condition. */
  remove?(keys: readonly string[], call: Call): Promise<void>;
}

export interface ConfigurationDriver<M extends TObject = TObject> extends Definition<M> {
  readonly kind: "configuration";
  readonly capabilities: readonly never[];
  readonly open: Open<M, ConfigurationStore>;
}

/** Defines a configuration driver. */
export function defineConfigurationStore<M extends TObject>(
  driver: Definition<M> & { readonly open: Open<M, ConfigurationStore> },
): ConfigurationDriver<M> {
  return { kind: "configuration", capabilities: [], ...driver };
}

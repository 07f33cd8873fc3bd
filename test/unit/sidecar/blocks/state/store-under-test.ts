import type { OpenedByKind } from "../../../../../components/contract/any-driver.ts";
import memory from "../../../../../components/memory/state.ts";
import { type Store, Stores } from "../../../../../sidecar/blocks/state/stores.ts";
import type { ComponentResource } from "../../../../../sidecar/kernel/config-types.ts";
import { componentsOf } from "../../../../support/components.ts";
import type { FakeClock } from "../../../../support/fake-clock.ts";
import { openContext, openDriver } from "../../../../support/open-driver.ts";

export interface Given {
  readonly runtime?: Readonly<Record<string, unknown>>;
  readonly clock?: FakeClock;
  /** Default: all that the memory driver has. */
  readonly capabilities?: readonly string[];
  /** Put in place of the driver's own members. */
  readonly opened?: Partial<OpenedByKind["state"]>;
  /** The metadata of its resource. */
  readonly metadata?: ComponentResource["metadata"];
}

/** One store in memory, named `store`, of the app `app`. */
export async function openStores(given: Given = {}) {
  const { runtime = {}, clock, capabilities, opened: instead, metadata = [] } = given;
  const declared = [{ name: "store", metadata }];
  const real = await openDriver(memory, {}, openContext(clock ? { clock } : {}));
  const driver = { ...memory, capabilities: capabilities ?? memory.capabilities } as typeof memory;
  const opened = { ...real, ...instead } as OpenedByKind["state"];
  const components = componentsOf({ name: "store", driver, opened, runtime });
  const stores = new Stores(components, { appId: "app", namespace: "", components: declared });
  const store: Store = stores.require("store");
  return { components, stores, store, opened: real };
}

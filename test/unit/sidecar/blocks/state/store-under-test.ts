import type { OpenedByKind } from "../../../../../components/contract/any-driver.ts";
import memory from "../../../../../components/memory/state.ts";
import { type Store, Stores } from "../../../../../sidecar/blocks/state/stores.ts";
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
}

/** One store in memory, named `store`, of the app `app`. */
export async function openStores({ runtime = {}, clock, capabilities, opened: instead }: Given = {}) {
  const real = await openDriver(memory, {}, openContext(clock ? { clock } : {}));
  const driver = { ...memory, capabilities: capabilities ?? memory.capabilities } as typeof memory;
  const opened = { ...real, ...instead } as OpenedByKind["state"];
  const components = componentsOf({ name: "store", driver, opened, runtime });
  const stores = new Stores(components, { appId: "app", namespace: "" });
  const store: Store = stores.require("store");
  return { components, stores, store, opened: real };
}

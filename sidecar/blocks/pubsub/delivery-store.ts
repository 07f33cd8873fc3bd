import type { OpenedByKind } from "../../../components/contract/any-driver.ts";
import { fail } from "../../../specs/errors.ts";
import type { Components } from "../../kernel/components.ts";
import { deliveryPrefix } from "../../kernel/dedupe-mark.ts";
import { didYouMean } from "../../kernel/did-you-mean.ts";
import type { Broker } from "./brokers.ts";

/** A state store in which the sidecar keeps messages and marks of its own, under keys that no app can reach. */
export interface DeliveryStore {
  /** Of its component; undefined: the sidecar's own file. */
  readonly name: string | undefined;
  readonly opened: OpenedByKind["state"];
  /** Put before every key; ends with `||`. */
  readonly prefix: string;
}

/** A store of the sidecar's own, opened when it is needed. */
export interface EmbeddedStore {
  /** The same for all who ask. */
  open(): Promise<OpenedByKind["state"]>;
  /** Whether an earlier run may have left something in it. */
  readonly exists: boolean;
}

export const separator = "||";

/** The delivery store of each pubsub component. */
export class DeliveryStores {
  readonly #components: Components;
  readonly #embedded: EmbeddedStore;
  readonly #appId: string;

  constructor(components: Components, embedded: EmbeddedStore, appId: string) {
    this.#components = components;
    this.#embedded = embedded;
    this.#appId = appId;
  }

  /** Whether there may be messages of an earlier run. */
  mayHold({ deliveryStore }: Broker): boolean {
    return deliveryStore !== undefined || this.#embedded.exists;
  }

  /** Looked up each time, since a component may be opened anew. Rejects with `deliveryStore`. */
  async of({ name, deliveryStore }: Broker): Promise<DeliveryStore> {
    const prefix = deliveryPrefix(this.#appId);
    if (deliveryStore === undefined) return { name: undefined, opened: await this.#embedded.open(), prefix };
    const component = this.#components.find("state", deliveryStore);
    if (!component) {
      const known = this.#components.names("state");
      const hint = didYouMean(deliveryStore, known) ?? `state stores: ${known.join(", ") || "none is declared"}`;
      throw fail("deliveryStore", {
        name,
        why: `deliveryStore names ${deliveryStore}, which is not declared; ${hint}`,
      });
    }
    const { capabilities } = component.driver;
    const lacking = (["etag", "ttl"] as const).filter((one) => !capabilities.includes(one));
    if (lacking.length > 0) {
      const why = `${deliveryStore} (${component.type}) lacks ${lacking.join(" and ")}; name a state store that has it`;
      throw fail("deliveryStore", { name, why });
    }
    return { name: deliveryStore, opened: component.opened, prefix };
  }
}

/** Milliseconds since 1970 in digits whose order as text is their order as numbers. */
export const sortableTime = (ms: number): string => String(Math.max(0, Math.floor(ms))).padStart(15, "0");

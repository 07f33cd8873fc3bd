import type { OpenedByKind } from "../../../components/contract/any-driver.ts";
import { fail } from "../../../specs/errors.ts";
import { type Component, type Components, requireComponent } from "../../kernel/components.ts";
import type { ComponentResource } from "../../kernel/config-types.ts";
import { openCipher, type ValueCipher } from "./encryption.ts";

/** What the block adds to a key before it reaches the store. */
export const separator = "||";

/** The identity that key prefixes are made of. */
export interface Owner {
  readonly appId: string;
  /** Value of NAMESPACE; empty when unset. */
  readonly namespace: string;
  /** As declared: they say which secrets hold the keys of encrypted stores. */
  readonly components: readonly Pick<ComponentResource, "name" | "metadata">[];
}

/** A state store with what this block needs on every call, worked out once. */
export interface Store {
  readonly name: string;
  readonly opened: OpenedByKind["state"];
  readonly appId: string;
  /** Put before every key; ends with `||`, or is empty. */
  readonly prefix: string;
  readonly has: (capability: string) => boolean;
  /** Encrypts values on their way to the store; undefined: they are stored as they are. */
  readonly cipher: ValueCipher | undefined;
  readonly runtime: Readonly<Record<string, unknown>>;
}

/** The prefix of a store's keys, from its `keyPrefix` setting. */
export function keyPrefix(strategy: string, storeName: string, owner: Omit<Owner, "components">): string {
  switch (strategy.toLowerCase()) {
    case "none":
      return "";
    case "name":
      return storeName + separator;
    case "namespace":
      return (owner.namespace ? `${owner.namespace}.${owner.appId}` : owner.appId) + separator;
    case "appid":
    case "":
      return owner.appId + separator;
    default:
      if (strategy.includes(separator)) throw fail("stateKeyIllegal", { name: storeName, key: strategy });
      return strategy + separator;
  }
}

/** Looks stores up by name; the answer for a component is made once. */
export class Stores {
  readonly #components: Components;
  readonly #owner: Owner;
  readonly #known = new WeakMap<Component<"state">, Store>();

  constructor(components: Components, owner: Owner) {
    this.#components = components;
    this.#owner = owner;
  }

  /** Throws `stateNotConfigured` or `stateStoreNotFound`. */
  require(name: string): Store {
    const component = requireComponent(this.#components, "state", name, {
      none: () => fail("stateNotConfigured", {}),
      unknown: (unknown, known) => fail("stateStoreNotFound", { name: unknown, known }),
    });
    return this.of(component);
  }

  /** The store of an opened component. */
  of(component: Component<"state">): Store {
    return this.#known.get(component) ?? this.#add(component);
  }

  #add(component: Component<"state">): Store {
    const { runtime, driver } = component;
    const store: Store = {
      name: component.name,
      appId: this.#owner.appId,
      opened: component.opened,
      prefix: keyPrefix(String(runtime["keyPrefix"] ?? "appid"), component.name, this.#owner),
      has: (capability) => (driver.capabilities as readonly string[]).includes(capability),
      cipher: openCipher(
        component.name,
        runtime["primaryEncryptionKey"],
        runtime["secondaryEncryptionKey"],
        (setting) => this.#secretOf(component.name, setting) ?? setting,
      ),
      runtime,
    };
    this.#known.set(component, store);
    return store;
  }

  /** The secret that a setting of a component is read from. */
  #secretOf(name: string, setting: string): string | undefined {
    const declared = this.#owner.components.find((one) => one.name === name);
    return declared?.metadata.find((pair) => pair.name.toLowerCase() === setting.toLowerCase())?.secretKeyRef?.name;
  }
}

/** The key as the store sees it. Throws `stateKeyEmpty` or `stateKeyIllegal`. */
export function storedKey(store: Store, key: string): string {
  if (key === "") throw fail("stateKeyEmpty", { name: store.name });
  if (key.includes(separator)) throw fail("stateKeyIllegal", { name: store.name, key });
  return store.prefix + key;
}

/** The key as the app knows it. */
export function appKey(store: Store, stored: string): string {
  return stored.startsWith(store.prefix) ? stored.slice(store.prefix.length) : stored;
}

import type { OpenedByKind } from "../../../components/contract/any-driver.ts";
import { fail } from "../../../specs/errors.ts";
import { type Component, type Components, requireComponent } from "../../kernel/components.ts";
import type { ComponentResource } from "../../kernel/config-types.ts";
import { readScopes, type Scopes } from "./scopes.ts";

/** A pubsub component with what this block needs on every call, worked out once. */
export interface Broker {
  readonly name: string;
  readonly opened: OpenedByKind["pubsub"];
  readonly scopes: Scopes;
  /** Put before every topic on its way to the broker, and taken off on the way back; often empty. */
  readonly topicPrefix: string;
  /** Consumer group of this app. */
  readonly group: string;
  /** Component that keeps its delayed and parked messages; undefined: the sidecar's own file. */
  readonly deliveryStore: string | undefined;
  readonly has: (capability: string) => boolean;
}

/** The identity that scopes, groups and topic prefixes are made of. */
export interface Owner {
  readonly appId: string;
  readonly namespace: string;
  /** As declared: their templates say which of them are scoped to the namespace. */
  readonly components: readonly ComponentResource[];
}

/** Looks brokers up by name; the answer for a component is made once. */
export class Brokers {
  readonly #components: Components;
  readonly #owner: Owner;
  readonly #known = new WeakMap<Component<"pubsub">, Broker>();

  constructor(components: Components, owner: Owner) {
    this.#components = components;
    this.#owner = owner;
  }

  /** Throws `pubsubNotConfigured`, `pubsubNameEmpty`, `pubsubNotFound` or `componentNotReady`. */
  require(name: string): Broker {
    if (name === "" && this.#components.names("pubsub").length > 0) throw fail("pubsubNameEmpty", { name });
    const component = requireComponent(this.#components, "pubsub", name, {
      none: () => fail("pubsubNotConfigured", {}),
      unknown: (unknown, known) => fail("pubsubNotFound", { name: unknown, known }),
    });
    return this.of(component);
  }

  of(component: Component<"pubsub">): Broker {
    return this.#known.get(component) ?? this.#add(component);
  }

  #add(component: Component<"pubsub">): Broker {
    const { name, runtime, driver } = component;
    const { appId, namespace, components } = this.#owner;
    const declared = components.find((resource) => resource.name === name);
    const scoped = declared?.metadata.some((pair) => pair.value?.includes("{namespace}")) ?? false;
    const broker: Broker = {
      name,
      opened: component.opened,
      scopes: readScopes(runtime, appId),
      topicPrefix: scoped ? namespace : "",
      group: String(runtime["consumerID"] || appId),
      deliveryStore: runtime["deliveryStore"] ? String(runtime["deliveryStore"]) : undefined,
      has: (capability) => (driver.capabilities as readonly string[]).includes(capability),
    };
    this.#known.set(component, broker);
    return broker;
  }
}

/** The topic as the app knows it. */
export function appTopic(broker: Broker, topic: string): string {
  return topic.startsWith(broker.topicPrefix) ? topic.slice(broker.topicPrefix.length) : topic;
}

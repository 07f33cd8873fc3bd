import { dirname } from "node:path";
import { registry } from "../../../components/registry.gen.ts";
import { causeText } from "../../../specs/errors.ts";
import { readDeliveryPlan } from "../../blocks/pubsub/delivery-plan.ts";
import { findUnknownPolicies } from "../../config/to-resiliency.ts";
import type { ComponentResource, Resource, SubscriptionResource } from "../../kernel/config-types.ts";
import { didYouMean } from "../../kernel/did-you-mean.ts";
import type { ConfigurationEntry, Entry, ResourceSet } from "./resource-set.ts";

/** Checks that what resources say about one another is true. */
export function checkReferences(set: ResourceSet): void {
  const components = set.ofKind("Component");
  refuseSameNames(set.entries);
  refuseTwoActorStores(components);
  checkSecretStores(set, namesOf(components, "secretstores"));
  checkPubsubs(set, components);
  checkResiliency(set, components);
  for (const entry of set.configurations) checkConfiguration(entry, components, set);
}

const kindOf = (type: string): string => type.slice(0, type.indexOf(".")).toLowerCase();

function namesOf(components: readonly Entry<ComponentResource>[], kind: string): string[] {
  return components.filter(({ resource }) => kindOf(resource.type) === kind).map(({ resource }) => resource.name);
}

function hintFor(name: string, known: readonly string[]): string {
  return (
    didYouMean(name, known) ??
    (known.length > 0 ? `declared: ${known.join(", ")}` : "none is declared; check the folder of the components too")
  );
}

/** Two apps may each have a folder of their own; within one, a name must say which resource is meant. */
function refuseSameNames(entries: readonly Entry[]): void {
  const first = new Map<string, Resource>();
  for (const { resource, located } of entries) {
    const id = JSON.stringify([dirname(resource.source.file), resource.kind, resource.name]);
    const other = first.get(id);
    if (other === undefined) first.set(id, resource);
    else {
      const place = `${other.source.file}:${other.source.line}`;
      located.refuse(
        "metadata.name",
        `another ${resource.kind} is called ${JSON.stringify(resource.name)}: ${place}`,
        "rename one of the two",
      );
    }
  }
}

function refuseTwoActorStores(components: readonly Entry<ComponentResource>[]): void {
  const flagged = components.flatMap((entry) => {
    const at = entry.resource.metadata.findIndex(
      ({ name, value }) => name.toLowerCase() === "actorstatestore" && value?.toLowerCase() === "true",
    );
    return at < 0 ? [] : [{ entry, at }];
  });
  const byFolder = Map.groupBy(flagged, ({ entry }) => dirname(entry.resource.source.file));
  for (const [first, ...others] of byFolder.values()) {
    for (const { entry, at } of others) {
      const message = `actorStateStore is already set by ${first?.entry.resource.name}`;
      entry.located.refuse(`spec.metadata[${at}]`, message, "only one store of a sidecar may have it");
    }
  }
}

function checkSecretStores(set: ResourceSet, known: readonly string[]): void {
  for (const { resource, located } of [...set.ofKind("Component"), ...set.ofKind("HTTPEndpoint")]) {
    const store = resource.secretStore;
    if (store === undefined || store === "kubernetes" || known.includes(store)) continue;
    located.refuse("auth.secretStore", `no secret store is called ${JSON.stringify(store)}`, hintFor(store, known));
  }
}

const outboxKeys = new Set(["outboxpublishpubsub", "outboxpubsub"]);
const storeKey = "deliverystore";

function checkPubsubs(set: ResourceSet, components: readonly Entry<ComponentResource>[]): void {
  const known = namesOf(components, "pubsub");
  const check = (entry: Entry, keyPath: string, name: string) => {
    if (!known.includes(name))
      entry.located.refuse(keyPath, `no pub/sub component is called ${JSON.stringify(name)}`, hintFor(name, known));
  };
  for (const entry of set.ofKind("Subscription")) {
    const { pubsubName, deadLetterTopic, topic } = entry.resource;
    check(entry, "spec.pubsubname", pubsubName);
    checkDelivery(entry);
    if (deadLetterTopic !== topic) continue;
    entry.located.refuse(
      "spec.deadLetterTopic",
      "is the topic itself, so a message that fails comes again for ever",
      "name another topic",
    );
  }
  const stores = namesOf(components, "state");
  for (const { resource, located } of components) {
    if (kindOf(resource.type) !== "pubsub") continue;
    for (const [at, { name, value }] of resource.metadata.entries()) {
      if (name.toLowerCase() !== storeKey || !value || stores.includes(value)) continue;
      const message = `no state store is called ${JSON.stringify(value)}`;
      located.refuse(`spec.metadata[${at}].value`, message, hintFor(value, stores));
    }
  }
  for (const entry of components) {
    if (kindOf(entry.resource.type) !== "state") continue;
    for (const [at, { name, value }] of entry.resource.metadata.entries()) {
      if (outboxKeys.has(name.toLowerCase()) && value) check(entry, `spec.metadata[${at}].value`, value);
    }
  }
}

/** What no schema says: settings that contradict each other. */
function checkDelivery({ resource, located }: Entry<SubscriptionResource>): void {
  try {
    readDeliveryPlan(resource);
  } catch (error) {
    const [message = "", ...hint] = causeText(error).split("; ");
    located.refuse("spec.delivery", message, hint.join("; ") || "see docs/delivery.md");
  }
}

/** Kinds through which the outside calls the app. */
const withInput = new Set(["pubsub", "bindings", "configuration"]);

function checkResiliency(set: ResourceSet, components: readonly Entry<ComponentResource>[]): void {
  const entries = set.ofKind("Resiliency");
  findUnknownPolicies(
    entries.map(({ resource }) => resource),
    (index, keyPath, message, hint) => entries[index]?.located.refuse(keyPath, message, hint),
  );
  const names = components.map(({ resource }) => resource.name);
  for (const { resource, located } of entries) {
    for (const [name, { inbound }] of Object.entries(resource.targets.components)) {
      const keyPath = `spec.targets.components.${name}`;
      const component = components.find((one) => one.resource.name === name)?.resource;
      if (component === undefined)
        located.refuse(keyPath, `no component is called ${JSON.stringify(name)}`, hintFor(name, names));
      else if (inbound && !withInput.has(kindOf(component.type))) {
        located.refuse(`${keyPath}.inbound`, `${component.type} calls nobody`, 'write its policies below "outbound"');
      }
    }
  }
}

/** A Configuration stands outside the folders of resources, so that components are often not in sight. */
function checkConfiguration(
  { configuration, located }: ConfigurationEntry,
  components: readonly Entry<ComponentResource>[],
  set: ResourceSet,
): void {
  const error = (keyPath: string, message: string, hint: string) => {
    set.problems.push({
      severity: "error",
      file: located.source.file,
      line: located.lineOf(keyPath),
      keyPath,
      message,
      hint,
    });
  };
  const stores = namesOf(components, "secretstores");
  for (const [at, { storeName }] of configuration.secretScopes.entries()) {
    if (components.length === 0 || stores.includes(storeName) || storeName === "kubernetes") continue;
    error(
      `spec.secrets.scopes[${at}].storeName`,
      `no secret store is called ${JSON.stringify(storeName)}`,
      hintFor(storeName, stores),
    );
  }
  const resolver = configuration.nameResolution?.component;
  const kind = "nameresolution.";
  const resolvers = Object.keys(registry).flatMap((type) => (type.startsWith(kind) ? type.slice(kind.length) : []));
  if (resolver && !resolvers.includes(resolver.toLowerCase())) {
    error(
      "spec.nameResolution.component",
      `there is no name resolution ${JSON.stringify(resolver)}`,
      didYouMean(resolver, resolvers) ?? `use ${resolvers.join(", ")}`,
    );
  }
}

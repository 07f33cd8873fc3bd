import type { Kind } from "./any-driver.ts";
import type { BindingCapability } from "./bindings.ts";
import type { LockCapability } from "./lock.ts";
import type { PubsubCapability } from "./pubsub.ts";
import type { SecretCapability } from "./secrets.ts";
import type { StateCapability } from "./state.ts";

/** What a capability means to who requires it. */
export interface CapabilityAbout {
  /** Its name in the published metadata API. */
  readonly published: string;
  readonly means: string;
  /** How the sidecar makes up for a driver without it; absent: it cannot, and such a driver is refused. */
  readonly emulated?: string;
}

type Table<C extends string> = Readonly<Record<C, CapabilityAbout>>;

const state: Table<StateCapability> = {
  etag: { published: "ETAG", means: "values have versions, and of concurrent writes with one version one wins" },
  ttl: { published: "TTL", means: "values end after ttlInSeconds" },
  transaction: { published: "TRANSACTIONAL", means: "several writes happen all or not at all" },
  bulkGet: {
    published: "BULK_GET",
    means: "several values are read in one round trip",
    emulated: "the sidecar reads the values one by one",
  },
  query: { published: "QUERY_API", means: "values are found by what is in them" },
  journal: { published: "ACTOR", means: "actors, workflows and jobs can be kept in it" },
};

const pubsub: Table<PubsubCapability> = {
  bulkPublish: {
    published: "BULK_PUBLISH",
    means: "several messages are published in one round trip",
    emulated: "the sidecar publishes the messages one by one",
  },
  ttl: {
    published: "MESSAGE_TTL",
    means: "messages end after ttlInSeconds",
    emulated: "events carry their end, and the sidecar drops those that are over",
  },
  wildcards: { published: "SUBSCRIBE_WILDCARDS", means: "a subscription's topic may hold wildcards" },
  ordering: { published: "ORDERING", means: "order: key and order: topic hold across all sidecars of an app" },
  durable: { published: "DURABLE", means: "messages survive a restart of broker and sidecar" },
};

const bindings: Table<BindingCapability> = {
  input: { published: "INPUT_BINDING", means: "events come to the app" },
  output: { published: "OUTPUT_BINDING", means: "the app calls it" },
};

const lock: Table<LockCapability> = {
  fencing: { published: "FENCING", means: "each holder of a lock gets a greater number than the one before" },
};

const secretstores: Table<SecretCapability> = {
  multiple: { published: "MULTIPLE_KEY_VALUES_PER_SECRET", means: "a secret holds several values" },
};

const tables: Readonly<Partial<Record<Kind, Readonly<Record<string, CapabilityAbout>>>>> = {
  state,
  pubsub,
  bindings,
  lock,
  secretstores,
};

/** Capabilities that a driver of the kind may have, by name. */
export const capabilitiesOf = (kind: Kind): Readonly<Record<string, CapabilityAbout>> => tables[kind] ?? {};

/** What becomes of each capability of a kind with a driver. `sidecar`: it makes up for the driver. */
export function capabilityMatrix(
  kind: Kind,
  has: readonly string[],
): readonly { readonly name: string; readonly by: "driver" | "sidecar" | "none" }[] {
  return Object.entries(capabilitiesOf(kind)).map(([name, { emulated }]) => ({
    name,
    by: has.includes(name) ? "driver" : emulated ? "sidecar" : "none",
  }));
}

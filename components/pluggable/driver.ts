import { Type } from "typebox";
import type { AnyDriver } from "../contract/any-driver.ts";
import type { OpenContext } from "../contract/driver.ts";
import type { Pairs } from "./process.ts";

/** Kinds of components that the wire knows. */
const openers = {
  state: async () => (await import("./state-store.ts")).openStateStore,
  pubsub: async () => (await import("./broker.ts")).openBroker,
  bindings: async () => (await import("./binding.ts")).openBinding,
  secretstores: async () => (await import("./secret-store.ts")).openSecretStore,
} as const;
export type PluggableKind = keyof typeof openers;

export const isPluggable = (kind: string): kind is PluggableKind => Object.hasOwn(openers, kind);

/** Any pair: what metadata means is for the process to say. */
const metadata = Type.Object({}, { additionalProperties: Type.String() });

/** The driver of a component whose process listens on the socket `path`. What it can do is known when it is open. */
export function pluggableDriver(kind: PluggableKind, type: string, path: string): AnyDriver {
  return {
    kind,
    type,
    status: "beta",
    summary: `Is in a process of its own, behind ${path}.`,
    metadata,
    capabilities: [],
    open: async (pairs: Pairs, context: OpenContext) => (await openers[kind]())(type, path, pairs, context),
    // Each opener gives what its kind promises; the compiler does not see that one `kind` chooses both.
  } as unknown as AnyDriver;
}

import type { TObject } from "typebox";
import type { Call, Definition, Open, Opened } from "./driver.ts";

/** One running sidecar, as others reach it. */
export interface Instance {
  readonly appId: string;
  readonly namespace: string;
  /** `host:port` of its internal listener. */
  readonly address: string;
}

/** Finds the sidecars of an app. */
export interface Resolver extends Opened {
  /** Makes this sidecar findable until the resolver is closed; a resolver without a registry does nothing. */
  register(instance: Instance, call: Call): Promise<void>;
  /** Addresses of an app's sidecars; empty when none is known. */
  resolve(appId: string, namespace: string, call: Call): Promise<readonly string[]>;
  /** Ids of the apps that can be found, for error texts; absent where the backend cannot list. */
  known?(call: Call): Promise<readonly string[]>;
}

export interface ResolverDriver<M extends TObject = TObject> extends Definition<M> {
  readonly kind: "nameresolution";
  readonly capabilities: readonly never[];
  readonly open: Open<M, Resolver>;
}

/** Defines a name resolution driver. */
export function defineResolver<M extends TObject>(
  driver: Definition<M> & { readonly open: Open<M, Resolver> },
): ResolverDriver<M> {
  return { kind: "nameresolution", capabilities: [], ...driver };
}

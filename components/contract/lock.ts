import { type TObject, Type } from "typebox";
import type { All, Call, Definition, Open, Opened } from "./driver.ts";
import { text } from "./settings.ts";

export interface LockRequest {
  /** With its prefix. */
  readonly resource: string;
  readonly owner: string;
  /** Seconds until the lock ends by itself, over 0. */
  readonly expirySeconds: number;
}

export type Unlocked = "released" | "missing" | "foreign";

/** Locks with an owner and an end. */
export interface LockStore extends Opened {
  /** True when the lock is now held by `owner`. Held already, by anybody: false. */
  tryLock(request: LockRequest, call: Call): Promise<boolean>;
  unlock(resource: string, owner: string, call: Call): Promise<Unlocked>;
  /** Moves the end of a lock that `owner` holds; false when the owner no longer holds it. */
  renew(request: LockRequest, call: Call): Promise<boolean>;
}

export interface LockCapabilities {
  /** A number that grows with every change of owner, so that a late owner can be told. */
  fencing: { fencingToken(resource: string, owner: string, call: Call): Promise<bigint | undefined> };
}
export type LockCapability = keyof LockCapabilities;

/** Metadata keys of every lock component that the sidecar itself reads. */
export const lockRuntimeSettings = Type.Object({
  keyPrefix: text({ default: "appid", description: "appid, name, none, or a text put before every resource." }),
});

export interface LockDriver<M extends TObject = TObject> extends Definition<M> {
  readonly kind: "lock";
  readonly capabilities: readonly LockCapability[];
  readonly open: Open<M, LockStore & Partial<All<LockCapabilities, LockCapability>>>;
}

/** Defines a lock driver. */
export function defineLockStore<M extends TObject, const C extends LockCapability>(
  driver: Definition<M> & {
    readonly capabilities: readonly C[];
    readonly open: Open<M, LockStore & All<LockCapabilities, C>>;
  },
): LockDriver<M> {
  return { kind: "lock", ...driver } as unknown as LockDriver<M>;
}

import { randomUUID } from "node:crypto";
import { reasons } from "../../../specs/errors.ts";
import { Dapr } from "../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { UnlockResponse_Status as Unlock } from "../../../specs/gen/dapr/proto/runtime/v1/lock_pb.js";
import { Mecha } from "../../../specs/gen/mecha/v1/mecha_pb.js";
import { type CallOptions, callOf } from "../call.ts";
import { MechaClientError } from "../errors.ts";
import type { Transport } from "../transport.ts";

/**
 * For whom and for how long a lock is taken.
 *
 * @example
 * ```ts
 * import { createClient, type LockOptions } from "@mecha/sdk";
 *
 * const options: LockOptions = { expirySeconds: 30, owner: "worker-7" };
 * await using lock = await createClient().locks("locks").tryLock("report", options);
 * console.log(lock ? "mine" : "taken");
 * ```
 */
export interface LockOptions extends CallOptions {
  /** Whole seconds after which the lock ends by itself, over 0. */
  readonly expirySeconds: number;
  /** Must differ from all others; by default a random one. */
  readonly owner?: string | undefined;
}

/**
 * A lock that was taken. It is released by `release()` or at the end of its `await using` block.
 *
 * @example
 * ```ts
 * import { createClient, type Lock } from "@mecha/sdk";
 *
 * async function report(lock: Lock) {
 *   if (!(await lock.renew(60))) throw new Error(`${lock.resource} is lost`);
 *   console.log("token for the database", lock.fencingToken);
 * }
 * await using lock = await createClient().locks("locks").acquire("report", { expirySeconds: 30, waitSeconds: 5 });
 * if (lock) await report(lock);
 * ```
 */
export class Lock implements AsyncDisposable {
  readonly resource: string;
  readonly owner: string;
  /** Grows with every change of owner; undefined when the store has none, or the lock came from `tryLock`. */
  readonly fencingToken: bigint | undefined;
  readonly #store: LockStore;
  readonly #expirySeconds: number;

  /** @internal */
  constructor(store: LockStore, resource: string, owner: string, expirySeconds: number, fencingToken?: bigint) {
    this.resource = resource;
    this.owner = owner;
    this.fencingToken = fencingToken;
    this.#store = store;
    this.#expirySeconds = expirySeconds;
  }

  /** Holds the lock for so many seconds from now, by default as many as it was taken for; false when it is lost. */
  renew(expirySeconds = this.#expirySeconds, call: CallOptions = {}): Promise<boolean> {
    return this.#store.renew(this.resource, this.owner, expirySeconds, call);
  }

  /** Lets the lock go; false when it had ended already. */
  release(call: CallOptions = {}): Promise<boolean> {
    return this.#store.unlock(this.resource, this.owner, call);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }
}

/**
 * A store of locks that the instances of an app share.
 *
 * @example
 * ```ts
 * import { createClient, type LockStore } from "@mecha/sdk";
 *
 * const locks: LockStore = createClient({ transport: "grpc" }).locks("locks");
 * {
 *   await using lock = await locks.tryLock("report", { expirySeconds: 30 });
 *   if (lock) console.log("only one of us is here");
 * }
 * ```
 */
export class LockStore {
  readonly #transport: Transport;
  readonly #store: string;

  /** @internal */
  constructor(transport: Transport, store: string) {
    this.#transport = transport;
    this.#store = store;
  }

  /** Takes a lock if it is free; undefined when somebody holds it. */
  async tryLock(resource: string, options: LockOptions): Promise<Lock | undefined> {
    const { expirySeconds, owner = randomUUID() } = options;
    const input = this.#input(resource, owner, expirySeconds);
    const { success } = await this.#transport.unary(Dapr.method.tryLockAlpha1, input, callOf(options));
    return success ? new Lock(this, resource, owner, expirySeconds) : undefined;
  }

  /**
   * Takes a lock, waiting up to `waitSeconds` (default 0) for it; undefined when somebody held it all that time. Tells the
   * fencing token. Needs a Mecha sidecar.
   */
  async acquire(resource: string, options: LockOptions & { readonly waitSeconds?: number }): Promise<Lock | undefined> {
    const { expirySeconds, waitSeconds = 0, owner = randomUUID(), timeoutMs, signal, headers } = options;
    const input = { ...this.#input(resource, owner, expirySeconds), waitInSeconds: waitSeconds };
    // The client's own limit is for calls that are answered at once.
    const limit = timeoutMs ?? (waitSeconds === 0 ? undefined : waitSeconds * 1000 + marginMs);
    const call = { signal, headers, timeoutMs: limit };
    const { success, fencingToken } = await this.#transport.unary(Mecha.method.acquireLock, input, call);
    return success ? new Lock(this, resource, owner, expirySeconds, fencingToken) : undefined;
  }

  /** Moves the end of a lock; false when `owner` does not hold it. Needs a Mecha sidecar. */
  async renew(resource: string, owner: string, expirySeconds: number, call: CallOptions = {}): Promise<boolean> {
    const input = this.#input(resource, owner, expirySeconds);
    return (await this.#transport.unary(Mecha.method.renewLock, input, callOf(call))).success;
  }

  /** Releases a lock; false when `owner` does not hold it. */
  async unlock(resource: string, owner: string, call: CallOptions = {}): Promise<boolean> {
    const input = { storeName: this.#store, resourceId: resource, lockOwner: owner };
    const { status } = await this.#transport.unary(Dapr.method.unlockAlpha1, input, callOf(call));
    if (status !== Unlock.INTERNAL_ERROR) return status === Unlock.SUCCESS;
    const { code, tag: reason, text } = reasons.lockUnlock;
    throw new MechaClientError(text({ name: this.#store, cause: "internal error" }), { code, reason });
  }

  #input(resource: string, owner: string, expirySeconds: number) {
    return { storeName: this.#store, resourceId: resource, lockOwner: owner, expiryInSeconds: expirySeconds };
  }
}

/** What an answer may take beyond the wait that was asked for. */
const marginMs = 10_000;
